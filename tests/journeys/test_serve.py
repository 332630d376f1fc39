"""An installation that is served: what it says at first, who shares it, what a kill leaves."""

from __future__ import annotations

import getpass
import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from outside import crossdock, here, running, servers_in, wait_for

BAKE = """
process: bake
title: Bake a cake
owner: bakery
document: Cake
key: ${ cake.number }
declare:
  documents: { Cake: { number: string } }
steps:
  rest: { wait: 1s }
  taste: { needs: rest, task: { role: baker, form: { good: bool } }, within: 1 day, late: { escalate: chef } }
"""


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """An empty directory; whatever server is left in it is found."""
    yield tmp_path
    assert servers_in(tmp_path) == []


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as page:
            return page.status, page.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def post(url: str, body: bytes, **headers: str) -> int:
    told = {"Content-Type": "application/json", **headers}
    request = urllib.request.Request(url, data=body, headers=told)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_an_empty_directory_is_enough_and_it_says_where_to_look_and_what_to_do_next(place: Path) -> None:
    with running("serve", "--port", "0", cwd=place) as served:
        wait_for(lambda: "crossdock schema Order" in served.said(), "what to do next, to its last line")
        said = served.said()
        url = said.partition("Crossdock runs: ")[2].split()[0]
        status, page = get(f"{url}/")
        assert (status, f"<span>{getpass.getuser()} ·" in page) == (200, True)  # who decides here
        for next_ in ("crossdock demo", "crossdock try", "crossdock run order-to-cash", "connections.yaml"):
            assert next_ in said
        for door in ("default/nobody", "nobody/erp"):  # it tells nobody whether it is there
            assert post(f"{url}/hooks/{door}", b"{}") == 401, door
        assert served.end() == 0
    assert sorted(path.name for path in place.iterdir()) == ["crossdock-data", "run.err", "run.out"]


def test_a_doctor_is_content_with_what_serves_there_and_a_page_that_is_open_does_not_hold_up_its_end(
    place: Path,
) -> None:
    with running("serve", "--port", "0", "--json", cwd=place) as served:
        url = served.first_object()["url"]
        port = url.rpartition(":")[2]
        said = crossdock("doctor", "--json", cwd=place, CROSSDOCK_PORT=port)
        findings = {one["what"]: one for one in json.loads(said.stdout)["findings"]}
        assert (said.returncode, findings["port"]["good"]) == (0, True)
        assert findings["port"]["detail"] == f"a Crossdock answers at 127.0.0.1:{port}"
        with urllib.request.urlopen(f"{url}/stream", timeout=10) as page:
            assert page.readline() == b"retry: 3000\n"
            assert served.end(signal.SIGINT, seconds=4) == 0
        assert served.err.read_text() == ""


def test_what_a_partner_sent_is_among_the_events_and_in_the_log_which_is_not_among_what_it_says(
    place: Path,
) -> None:
    connection = {"connector": "waypost_tms", "settings": {"url": "http://127.0.0.1:9"}}
    secrets = {"key": "k", "secret": "s", "webhook_secret": "proof"}
    (place / "connections.yaml").write_text(json.dumps({"tms": {**connection, "secrets": secrets}}))
    deep = b"[" * 100_000 + b"]" * 100_000
    unknown = b'{"event": "tender.forgotten", "event_id": "wp-1", "at": "2026-03-02T08:00:00Z"}'
    with running("serve", "--port", "0", "--json", cwd=place) as served:
        url = served.first_object()["url"]
        assert post(f"{url}/hooks/default/tms", b"{}") == 401
        wait_for(lambda: "webhook.not_verified" in served.err.read_text(), "the log")
        for body in (deep, unknown):
            assert post(f"{url}/hooks/default/tms", body, **{"X-Waypost-Token": "proof"}) == 200
        found = lines(crossdock("events", "--json", cwd=place).stdout)
        assert [(one["fate"], one["connection"], one["message"]) for one in found][:1] == [
            ("unread", "tms", "wp-1")
        ]
        assert [one["reason"].splitlines()[0] for one in found] == [  # the newest first
            "`tender.forgotten` is no event that we know of it",
            "the body is nested too deep to be read",
        ]
        words = crossdock("events", cwd=place).stdout
        assert all(told in words for told in ("unread", "from tms", "nested too deep"))
        assert served.end() == 0
        assert len(lines(served.out.read_text())) == 1


def test_ended_while_it_starts_it_leaves_no_server(place: Path) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        data = place / f"data-{number}"
        with running("serve", "--port", "0", "--json", cwd=place, CROSSDOCK_DATA=str(data)) as served:
            wait_for(data.exists, "the start")
            assert served.end(number) == 128 + number
            assert "Traceback" not in served.err.read_text()
        assert servers_in(place) == []


def test_two_share_one_directory_and_workers_join_them(place: Path) -> None:
    (place / "processes").mkdir()
    (place / "processes" / "bake.yaml").write_text(BAKE)
    (place / "cake.json").write_text('{"number": "C-1"}')
    with running("serve", "--port", "0", "--json", "--no-worker", cwd=place, name="first") as first:
        ready = first.first_object()
        port = ready["url"].rpartition(":")[2]
        assert ready == {"url": ready["url"], "tenant": "default", "data": str(place / "crossdock-data")}
        taken = here("serve", "--port", port, "--json", cwd=place)
        assert (taken.returncode, json.loads(taken.stdout)["message"]) == (
            1, f"127.0.0.1:{port} cannot be served: Address already in use")  # fmt: skip
        started = crossdock("run", "bake", "-d", "cake.json", "--json", cwd=place)
        assert json.loads(started.stdout)["key"] == "C-1"
        shown = lines(crossdock("runs", "C-1", "--json", cwd=place).stdout)[0]
        assert shown["state"] is None  # nobody works yet
        with running("worker", "--json", cwd=place, name="worker") as worker:
            assert worker.first_object() == {"worker": True, "tenant": "default"}
            with running("serve", "--port", "0", "--json", cwd=place, name="second") as second:
                other = second.first_object()["url"]
                wait_for(lambda: "Taste" in get(f"{other}/desk")[1], "the task on the second's desk")
                assert "Taste" in get(f"{ready['url']}/desk")[1]
                assert second.end() == 0
            assert get(f"{ready['url']}/runs")[0] == 200  # the server stays for the others
            assert worker.end() == 0
        assert first.end() == 0
    assert servers_in(place) == []
    assert lines(crossdock("replay", "--json", cwd=place).stdout)[0]["same"] is True


def test_two_that_start_at_once_in_an_empty_directory_both_run(place: Path) -> None:
    with (
        running("serve", "--port", "0", "--json", cwd=place, name="first") as first,
        running("serve", "--port", "0", "--json", cwd=place, name="second") as second,
    ):
        for one in (first, second):
            assert get(f"{one.first_object()['url']}/runs")[0] == 200
        assert (first.end(), second.end()) == (0, 0)
    assert servers_in(place) == []


def test_killed_while_it_works_it_goes_on_where_it_was(place: Path) -> None:
    (place / "processes").mkdir()
    (place / "processes" / "bake.yaml").write_text(BAKE)
    with running("serve", "--port", "0", "--json", cwd=place, name="first") as first:
        first.first_object()
        for number in range(3):
            (place / "cake.json").write_text(json.dumps({"number": f"C-{number}"}))
            assert crossdock("run", "bake", "-d", "cake.json", "--json", cwd=place).returncode == 0
        servers = servers_in(place / "crossdock-data")
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    # The machine loses its database server as well: what was acknowledged is on the disk.
    for pid in servers:
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    with running("serve", "--port", "0", "--json", cwd=place, name="second") as second:
        url = second.first_object()["url"]
        wait_for(lambda: get(f"{url}/desk")[1].count("Taste</h") >= 3, "all three tasks")
        assert second.end() == 0
    said = lines(crossdock("replay", "--json", cwd=place).stdout)
    assert sorted(one["key"] for one in said) == ["C-0", "C-1", "C-2"]
    assert all(one["same"] for one in said)


def test_a_database_that_is_killed_is_started_again_by_whoever_uses_it(place: Path) -> None:
    with running("serve", "--port", "0", "--json", cwd=place) as served:
        url = served.first_object()["url"]
        server = int((place / "crossdock-data" / "postgres" / "postmaster.pid").read_text().split()[0])
        os.kill(server, signal.SIGKILL)

        def answers_again() -> bool:
            file = place / "crossdock-data" / "postgres" / "postmaster.pid"
            return (
                file.exists() and int(file.read_text().split()[0]) != server and get(f"{url}/runs")[0] == 200
            )

        wait_for(answers_again, "the database to be started again")
        wait_for(lambda: "database.started_again" in served.err.read_text(), "the log to say so")
        assert served.end() == 0
    assert servers_in(place) == []


def test_doctor_tries_an_empty_directory_and_leaves_it_empty(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = crossdock("doctor", "--json", cwd=place, CROSSDOCK_PORT=port)
    findings = {one["what"]: one for one in json.loads(said.stdout)["findings"]}
    assert said.returncode == 1
    assert [name for name, one in findings.items() if not one["good"]] == ["port"]
    assert findings["port"]["mend"] == "end what runs there, or set another `port`"
    assert findings["database"]["detail"].endswith("nothing is installed here yet: crossdock serve")
    assert list(place.iterdir()) == []
