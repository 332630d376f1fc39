"""The demo as its users have it: one command, from nothing to a summary that holds, and nothing left behind."""

from __future__ import annotations

import json
import re
import signal
import socket
import tempfile
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest
from outside import Terminal, crossdock, here, running, servers_in, wait_for

ORDERS = 12


def test_twelve_orders_end_and_the_ledgers_agree_and_a_port_that_is_taken_is_left(tmp_path: Path) -> None:
    began = time.monotonic()
    play = ("demo", "--orders", str(ORDERS), "--exit", "--json")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = crossdock(*play, cwd=tmp_path, CROSSDOCK_PORT=port)
    assert (done.returncode, done.stdout.count("\n")) == (0, 1), done.stderr[-2000:]
    assert "Pages: http://127.0.0.1:" in done.stderr
    assert f":{port} " not in done.stderr
    said = json.loads(done.stdout)
    orders = said["orders"]
    assert orders["in"] == ORDERS
    assert orders["invoiced"] + orders["cancelled"] == ORDERS
    assert orders["shipped"] == orders["delivered"] == orders["invoiced"]
    assert (orders["failed"], said["exceptions_open"]) == (0, 0)
    assert said["ledger"]["holds"] is True
    assert said["ledger"]["wrong"] == []
    assert said["ledger"]["picked"] == said["ledger"]["invoiced"] == orders["invoiced"]
    assert said["ledger"]["booked"] == said["shipments"]["booked"]
    assert all(isinstance(count, int) for count in said["exceptions"].values())
    assert said["cycle_time"]["count"] == orders["invoiced"]
    assert (
        said["cycle_time"]["p10_hours"] <= said["cycle_time"]["p50_hours"] <= said["cycle_time"]["p90_hours"]
    )
    assert said["manual_touches"]["by_people"] == 0
    assert said["manual_touches"]["by_stand_in"] >= sum(said["exceptions"].values()) / 2
    (away,) = said["outages"]
    assert away["unanswered"] > 5  # and yet all came to their end, each once
    assert said["exceptions"]["cut_off_missed"] == 1
    assert said["exceptions"]["partner_down"] >= 1
    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []


def test_two_begun_at_once_do_not_get_in_each_others_way(tmp_path: Path) -> None:
    with ThreadPoolExecutor() as both:
        asked = [
            both.submit(crossdock, "demo", "--orders", "2", "--exit", "--json", cwd=tmp_path) for _ in "ab"
        ]
        done = [one.result() for one in asked]
    assert [one.returncode for one in done] == [0, 0], [one.stderr[-1000:] for one in done]
    pages = {line.split()[1] for one in done for line in one.stderr.splitlines() if "Pages:" in line}
    assert len(pages) == 2


def test_in_a_terminal_a_table_lives_and_the_pages_stay_until_interrupted(tmp_path: Path) -> None:
    terminal = Terminal("demo", "--orders", "5", "--patience", "0", "--data", "kept", cwd=tmp_path)
    try:
        terminal.wait_for("orders in")
        terminal.wait_for("The pages stay up", seconds=90)
        assert "The partners' ledgers agree" in terminal.screen
        assert "decided by the stand-in" in terminal.screen
        (address,) = set(re.findall(r"Pages: (http://127\.0\.0\.1:\d+)", terminal.screen))
        with urllib.request.urlopen(f"{address}/runs", timeout=10) as page:
            assert "order-to-cash" in page.read().decode()
        of_it = psutil.Process(terminal.pid).children(recursive=True)
        servers = servers_in(tmp_path / "kept")
        assert servers
        terminal.interrupt()
        assert terminal.ended() == 0
        wait_for(lambda: not any(child.is_running() for child in of_it), "the sandbox to end")
        assert not servers_in(tmp_path / "kept")
    finally:
        terminal.close()
    again = here("demo", "--orders", "5", "--exit", "--json", "--data", "kept", cwd=tmp_path)
    said = json.loads(again.stdout)
    assert (again.returncode, said["where"]) == (1, str(tmp_path / "kept"))
    assert said["message"] == "there are runs in it already, and the demo begins with an empty database"
    assert "crossdock serve" in said["mend"]
    runs = crossdock("runs", "--json", "--process", "order-to-cash", cwd=tmp_path, CROSSDOCK_DATA="kept")
    assert [json.loads(line)["status"] for line in runs.stdout.splitlines()] == ["completed"] * 5
    keys = [json.loads(line)["key"] for line in runs.stdout.splitlines()]
    shown = crossdock("runs", keys[0], "--json", cwd=tmp_path, CROSSDOCK_DATA="kept").stdout
    events = [line["event"] for line in json.loads(shown)["history"]]
    ahead = [datetime.fromisoformat(one["time"]) - datetime.fromisoformat(one["received"]) for one in events]
    assert max(ahead) <= timedelta(microseconds=1)  # nothing is told before it has happened


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_while_it_plays_nothing_stays_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with tempfile.TemporaryDirectory(prefix="cd-", ignore_cleanup_errors=True) as scratch:
        with running("demo", "--orders", "50", "--exit", "--json", cwd=tmp_path, TMPDIR=scratch) as demo:
            wait_for(lambda: "orders " in demo.err.read_text(), "the demo to play")
            assert servers_in(Path(scratch))
            assert demo.end(number) == 128 + number
            assert "Traceback" not in demo.err.read_text()
        gone = [pid for pid in demo.children if psutil.pid_exists(pid)]
        assert (gone, servers_in(Path(scratch)), list(Path(scratch).iterdir())) == ([], [], [])


def test_a_process_of_ones_own_that_cannot_be_is_explained(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "bake.yaml").write_text("process: bake\ntitle: Bake\n")
    said = here("demo", "--orders", "2", "--exit", "--json", "--processes", "own", cwd=tmp_path)
    found = json.loads(said.stdout)
    assert (said.returncode, found["error"]) == (1, "NotAProcess")
    assert {one["file"] for one in found["problems"]} == {str(own / "bake.yaml")}
    assert all(one["line"] and one["message"] for one in found["problems"])
    said = here("demo", "--orders", "2", "--exit", "--json", "--processes", "nowhere", cwd=tmp_path)
    assert (said.returncode, json.loads(said.stdout)["message"]) == (1, "there is no such folder")
