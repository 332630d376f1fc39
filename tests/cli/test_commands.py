"""Every command on what a small demo left: words for people, one object a line for scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hands import Command

import crossdock as package
from crossdock.store import EmbeddedServer

ORDERS = 6


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[Path, Any]]:
    """The data directory of a demo that was played, its server kept running, and its summary."""
    with tempfile.TemporaryDirectory(prefix="cd-", ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "data"
        program = Path(sys.executable).with_name("crossdock")
        done = subprocess.run(
            [program, "demo", "--orders", str(ORDERS), "--exit", "--json", "--data", data],
            cwd=directory,
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
        server = EmbeddedServer.open(data)
        yield data, json.loads(done.stdout)
        server.close()


@pytest.fixture
def here(place: Path, played: tuple[Path, Any]) -> Path:
    """A directory whose installation is the demo's."""
    (place / "crossdock.toml").write_text(f'data = "{played[0]}"\n')
    return place


def test_runs_are_listed_counted_and_filtered(crossdock: Command, here: Path) -> None:
    rows = crossdock("runs", "--json", "--most", "1000").lines
    assert rows[0]["created"] > rows[-1]["created"]
    orders = [row for row in rows if row["process"] == "order-to-cash"]
    assert len(orders) == ORDERS
    assert crossdock("runs", "--process", "order-to-cash", "--json").lines == orders
    assert crossdock("runs", "--status", "completed", "--process", "order-to-cash", "--json").lines == orders
    assert crossdock("runs", "--status", "active", "--json").lines == []
    assert len(crossdock("runs", "--most", "3", "--json").lines) == 3
    words = crossdock("runs", "--process", "order-to-cash").out
    assert words.splitlines()[1].split() == ["process", "key", "gen", "status", "since", "next"]
    assert all(row["key"] in words for row in orders)


def test_a_run_is_found_by_its_key_by_process_and_key_and_by_an_alias(crossdock: Command, here: Path) -> None:
    row = crossdock("runs", "--process", "deliver-shipment", "--json").lines[0]
    shown = crossdock("runs", f"deliver-shipment/{row['key']}", "--json").json
    assert (shown["run"], shown["state"]["status"]) == (row, "completed")
    tracking = shown["aliases"]["tracking"]
    assert crossdock("runs", tracking, "--json").json == shown
    seqs = [line["seq"] for line in shown["history"]]
    assert seqs == list(range(1, len(seqs) + 1))
    words = crossdock("runs", tracking).out
    assert words.startswith(f"deliver-shipment/{row['key']} generation 1: completed")
    assert "shipment.delivered" in words


def test_everything_replays_byte_for_byte(crossdock: Command, here: Path) -> None:
    said = crossdock("replay", "--json")
    assert said.status == 0
    assert len(said.lines) == len(crossdock("runs", "--json", "--most", "1000").lines)
    assert all(one["same"] for one in said.lines)
    words = crossdock("replay").out
    assert words == f"{len(said.lines)} replayed, {len(said.lines)} as stored, byte for byte\n"
    key = crossdock("runs", "--process", "order-to-cash", "--json").lines[0]["key"]
    assert len(crossdock("replay", f"order-to-cash/{key}", "--json").lines) == 1


def test_what_has_ended_is_not_cancelled_or_tried_again(crossdock: Command, here: Path) -> None:
    key = crossdock("runs", "--process", "order-to-cash", "--json").lines[0]["key"]
    said = crossdock("cancel", f"order-to-cash/{key}", "--reason", "test", "--json")
    assert (said.status, said.json["error"]) == (1, "Conflict")
    assert said.json["message"] == f"order-to-cash/{key} is completed already"
    said = crossdock("retry", f"order-to-cash/{key}", "--json")
    assert (said.status, said.json["message"]) == (1, f"order-to-cash/{key} has no step that is held")
    assert crossdock("retry", "--type", "invoice_hold", "--json").json == {"runs": 0}
    assert crossdock("retry", "--connection", "erp").out == (
        "0 runs have this cause. Add --yes to try them again.\n"
    )


def test_connections_are_listed_stopped_and_started(crossdock: Command, here: Path) -> None:
    names = ["erp", "farrow", "oldbridge", "postbox", "quayline", "tms", "wms"]
    assert [one["name"] for one in crossdock("connections", "list", "--json").lines] == names
    crossdock("connections", "stop", "erp")
    stopped = {one["name"]: one for one in crossdock("connections", "list", "--json").lines}
    assert stopped["erp"]["stopped"] is not None
    assert stopped["wms"]["stopped"] is None
    words = crossdock("connections", "stop", "erp").out
    assert "erp is stopped. Start it again: crossdock connections start erp --rate 5" in words
    assert crossdock("connections", "start", "erp", "--json").json["stopped"] is None


def test_a_payload_is_translated_as_a_connection_would(crossdock: Command, here: Path) -> None:
    examples = resources.files("crossdock.connectors.farrow").joinpath("examples")
    file = str(examples.joinpath("webhook_delivered.json"))
    (event,) = crossdock("translate", "farrow", file, "--connection", "farrow", "--json").lines
    assert event["source"] == "connection/farrow"
    other = crossdock("translate", "oldbridge", file, "--connection", "farrow", "--json")
    assert (other.status, other.json["error"]) == (1, "Conflict")
    assert (
        crossdock("translate", "farrow", file, "--connection", "none", "--json").json["error"] == "NotFound"
    )


def test_events_without_a_run_say_why(crossdock: Command, here: Path) -> None:
    said = crossdock("events", "--json")
    assert said.status == 0
    assert {one["fate"] for one in said.lines} <= {"unclaimed", "quarantined"}
    assert crossdock("events", "--most", "1").status == 0


def test_the_doctor_finds_it_in_order_and_changes_nothing(
    crossdock: Command, here: Path, played: tuple[Path, Any]
) -> None:
    was_away = {
        f"connection {one['system']}" for one in played[1]["outages"]
    }  # calls failed: how many is chance
    before = crossdock("runs", "--json").out
    said = crossdock("doctor", "--json")
    found = {one["what"]: one for one in said.json["findings"]}
    wrong = {name for name, one in found.items() if not one["good"]}
    assert wrong - {"port"} <= was_away
    assert found["processes"]["detail"] == "8 may be published"
    assert found["connection erp"]["detail"].startswith("northway_erp, 0 calls wait, 0 out; last success ")
    assert crossdock("runs", "--json").out == before


def test_the_doctor_tells_no_key_of_a_trial_that_is_thrown_away(crossdock: Command, place: Path) -> None:
    found = {one["what"]: one for one in crossdock("doctor", "--json").json["findings"]}
    assert found["master key"]["detail"] == "none yet; the first start makes one"
    assert list(place.iterdir()) == []


def test_the_doctor_sees_a_directory_that_cannot_be_written(crossdock: Command, place: Path) -> None:
    (place / "crossdock.toml").write_text('data = "/proc/nowhere"\n')  # not even root writes there
    found = {one["what"]: one for one in crossdock("doctor", "--json").json["findings"]}
    assert found["data directory"]["good"] is False
    assert found["data directory"]["detail"].startswith("/proc cannot be written: ")
    assert found["data directory"]["mend"].startswith("give a directory that this user may write")


def test_schemas_are_named_and_printed(crossdock: Command, here: Path) -> None:
    names = crossdock("schema", "--json").json
    assert "Order/1" in names
    order = crossdock("schema", "Order", "--json").json
    assert (order["$id"], order["type"]) == ("https://schemas.crossdock.dev/Order/1", "object")
    assert (
        json.loads(crossdock("schema", "process").out)["$schema"]
        == "https://json-schema.org/draft/2020-12/schema"
    )


def test_whoever_reads_no_further_ends_it_without_a_word(place: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    command = [sys.executable, "-c", "from crossdock.cli import main; main()", "schema", "--json"]
    with os.fdopen(writes, "w") as gone:
        said = subprocess.run(command, stdout=gone, stderr=subprocess.PIPE, text=True, check=False)
    assert (said.returncode, said.stderr) == (1, "")


def test_packaged_processes_may_be_published_as_they_are(crossdock: Command, place: Path) -> None:
    packs = Path(package.__file__).parent / "packs" / "distribution"
    said = crossdock("check", str(packs), "--json")
    assert (said.status, said.json["files"], said.json["good"]) == (0, 8, 8)
    assert crossdock("check", str(packs)).out.splitlines()[-1] == "8 processes may be published"
    assert {one["severity"] for one in said.json["problems"]} <= {"warning"}


def test_help_names_every_command(crossdock: Command) -> None:
    words = crossdock("--help").out
    for name in (
        *("demo", "serve", "worker", "check", "try", "run", "runs", "events", "retry", "cancel"),
        *("replay", "connections", "schema", "sandbox", "doctor"),
    ):
        assert f" {name} " in words
        assert crossdock(name, "--help").status == 0
