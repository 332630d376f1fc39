"""The same commands at a server: its address and a key instead of a directory; the same is told."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hands import Command

BAKE = """
process: bake
owner: bakery
document: Cake
key: ${ cake.number }
declare:
  documents: { Cake: { number: string } }
steps:
  rest: { wait: 30 days }
"""


@pytest.fixture
def served(
    place: Path, url: str, crossdock: Command, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, str]]:
    """A served installation, and a key that was made on its machine."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")
    (place / "processes").mkdir()
    (place / "processes" / "bake.yaml").write_text(BAKE)
    for number in ("C-1", "C-2", "C-3"):
        (place / f"{number}.json").write_text(json.dumps({"number": number}))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("crossdock")
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(
            [program, "serve", "--port", str(port)], stdout=log, stderr=log, env=dict(os.environ)
        )
    try:
        listening(process, port, place / "log")
        for number in ("C-1", "C-2"):
            assert crossdock("run", "bake", "--document", f"{number}.json").status == 0
        made = crossdock("key", "create", "--role", "tenant-admin", "--json").json["key"]
        yield f"http://127.0.0.1:{port}", made
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    pytest.fail(log.read_text())


def nameless(row: Any) -> Any:
    """A row without what tells one place from the other, and without what a worker does meanwhile."""
    return {
        name: row[name] for name in ("process", "version", "key", "generation", "created", "ended", "parent")
    }


def test_runs_of_a_server_are_listed_shown_started_and_cancelled_with_a_key(
    crossdock: Command, served: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, key = served
    here = crossdock("runs", "--json").lines
    there = crossdock("runs", "--url", url, "--key", key, "--json")
    assert [nameless(row) for row in there.lines] == [nameless(row) for row in here]
    assert [row.keys() for row in there.lines] == [row.keys() for row in here]

    monkeypatch.setenv("CROSSDOCK_URL", url)
    monkeypatch.setenv("CROSSDOCK_KEY", key)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/none")  # nothing is opened from now on
    words = crossdock("runs", "--process", "bake").out
    assert words.splitlines()[1].split() == ["process", "key", "gen", "status", "since", "next"]
    assert "C-1" in words
    one = crossdock("runs", "bake/C-1", "--json").json
    assert set(one) == {"run", "state", "history", "aliases", "children"}
    assert crossdock("runs", "C-1").out.startswith("bake/C-1 generation 1: active")
    begun = crossdock("run", "bake", "--document", "C-3.json", "--json").json
    assert (begun["process"], begun["key"]) == ("bake", "C-3")
    assert crossdock("cancel", "C-3", "--reason", "burnt", "--json").json == {"run": begun["run"]}
    assert "Every event has found its run." in crossdock("events").out
    refused = crossdock("retry", "C-1", "--json").json
    assert refused["message"] == "bake/C-1 has no step that is held"


def test_what_is_wrong_with_server_or_key_is_said_and_the_key_is_not(crossdock: Command, place: Path) -> None:
    key = "cdk_1_secret"
    for arguments, message in [
        (["--url", "http://crossdock.example", "--key", key], "a key is not sent in the clear"),
        (["--url", "http://127.0.0.1:9"], "no key is given for http://127.0.0.1:9"),
        (
            ["--url", "http://127.0.0.1:9", "--key", key, "-C", "else"],
            "a directory and a server are both named",
        ),
    ]:
        said = crossdock("runs", *arguments, "--json")
        assert (said.status, said.json["message"]) == (1, message)
        assert key not in said.out + said.err
    assert list(place.iterdir()) == []
