"""`crossdock try` as people and programs see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossdock.cli.try_ import try_

PROCESS = """
process: bake
title: Bake a cake
owner: bakery
document: Cake
key: ${ cake.number }
declare:
  documents:
    Cake: { number: string, "weight?": quantity }
  operations:
    oven.bake: { input: { cake: string }, output: { done: bool } }
steps:
  bake: { call: oven.bake, with: { cake: "${ cake.number }" }, undo: none, retry: { attempts: 2 } }
  taste:
    needs: bake
    task: { role: baker, form: { good: bool } }
    within: 1 day
    late: { escalate: master }
measures:
  fresh: { from: start, to: taste, title: Start to tasted }
"""


@pytest.fixture
def cake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    file = tmp_path / "bake.yaml"
    file.write_text(PROCESS)
    return file


def script(folder: Path, text: str) -> Path:
    file = folder / "script.yaml"
    file.write_text(text)
    return file


def test_a_timeline_and_a_table_of_every_run_are_printed(
    cake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    try_(cake)
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert lines == [
        "Bake a cake (its document is made up)",
        "Mon 5 Jan 2026",
        "08:00:00 bake starts",
        "08:00:00 bake calls oven.bake",
        "08:00:02 bake done: done: true (assumed)",
        "08:00:02 taste asks baker: taste",
        "08:00:02 taste due Tue 6 Jan 08:00",
        "08:30:02 taste done by somebody: good: true (assumed)",
        "08:30:02 the run is completed",
        "bake/CAKE-1/1 is completed",
        "step status ended by or why",
        "bake succeeded Mon 5 Jan 08:00",
        "taste succeeded Mon 5 Jan 08:30 somebody",
        "Start to tasted 30 min",
    ]


def test_a_program_gets_one_object(cake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (cake.parent / "cake.json").write_text('{"number": "C-7"}')
    try_(cake, document=cake.parent / "cake.json", start="2026-03-02T09:00:00+01:00", json=True)
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    (run,) = told["runs"]
    assert (told["ok"], told["process"], told["faults"], told["waits"]) == (True, "bake", [], [])
    assert run == {
        "run": "bake/C-7/1",
        "status": "completed",
        "steps": {"bake": "succeeded", "taste": "succeeded"},
        "exceptions": [],
        "open": [],
        "calls": ["oven.bake"],
        "measures": {"fresh": 1802.0},
        "events": 3,
    }
    assert told["timeline"][0]["at"] == "2026-03-02T08:00:00Z"
    assert [line["what"] for line in told["timeline"] if line.get("assumed")] == [
        "step.succeeded",
        "task.decided",
        "step.succeeded",
    ]


def test_an_expectation_that_does_not_hold_ends_with_status_1(
    cake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = script(cake.parent, "- expect: { run: cancelled }\n- expect: { run: completed }\n")
    with pytest.raises(SystemExit) as end:
        try_(cake, script=file)
    assert end.value.code == 1
    printed = capsys.readouterr().out
    assert "line 1: the run is completed, not cancelled" in printed
    assert "1 of 2 expectations hold" in printed


def test_a_run_that_waits_for_something_named_is_well(cake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try_(cake, script=script(cake.parent, "- { call: bake, refuses: the oven is cold }"))
    printed = capsys.readouterr().out
    assert "exception refused_by_partner (medium): the oven is cold" in printed
    assert "bake/CAKE-1/1 bake held by refused_by_partner: the oven is cold" in printed


def test_time_ends_where_it_is_told_to(cake: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try_(cake, until="10m")
    assert "taste waits for a decision of baker until 2026-01-06T08:00:02Z" in capsys.readouterr().out


def test_a_process_that_is_wrong_is_told_as_check_tells_it(
    cake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cake.write_text(PROCESS.replace("needs: bake", "needs: bkae"))
    with pytest.raises(SystemExit) as end:
        try_(cake)
    assert end.value.code == 1
    printed = capsys.readouterr().out
    assert "bake.yaml:15:5: step taste: there is no step `bkae`" in printed
    assert "mend: did you mean `bake`?" in printed


def test_a_script_that_is_wrong_is_told_with_its_place(
    cake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = script(cake.parent, "- call: bkae\n  refuses: no\n")
    with pytest.raises(SystemExit) as end:
        try_(cake, script=file, json=True)
    assert end.value.code == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    (problem,) = told["problems"]
    assert (problem["line"], problem["column"]) == (1, 3)
    assert problem["message"] == "there is no operation or step `bkae`"
    assert problem["mend"] == "did you mean `bake`?"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"file": Path("nothing.yaml")}, "there is no such process"),
        ({"start": "today"}, "'today' is no instant"),
        ({"start": "2026-01-05T08:00:00"}, "is no instant"),
        ({"until": "soon"}, "'soon' is not a duration"),
        ({"document": Path("cake.txt")}, "this is not JSON: Expecting value"),
        ({"script": Path("nothing.yaml")}, "there is no such file"),
    ],
)
def test_what_cannot_be_read_is_refused(
    given: dict[str, Any], message: str, cake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (cake.parent / "cake.txt").write_text("a cake")
    with pytest.raises(SystemExit) as end:
        try_(**{"file": cake, **given}, json=True)
    assert end.value.code == 1
    assert message in json.loads(capsys.readouterr().out)["message"]


def test_a_packaged_process_and_its_scripts_are_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    try_(Path("order-to-cash"), script=Path("late-delivery"), json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is True
    assert [run["run"].partition("/")[0] for run in told["runs"]] == [
        "order-to-cash",
        "deliver-shipment",
        "late-delivery",
        "late-delivery",
    ]


def test_business_time_that_is_not_that_of_the_named_calendar_is_told(
    cake: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cake.write_text(PROCESS.replace("within: 1 day", "within: 1 business day") + "calendar: oven\n")
    try_(cake)
    said = "business time is Monday to Friday 09:00 to 17:00 UTC: no script gives `oven` under `calendars:`"
    assert said in capsys.readouterr().out
    calendars = "calendars: { oven: { zone: UTC, hours: 24/7 } }"
    try_(cake, script=script(cake.parent, f"process: bake\n{calendars}\nhappens: []\n"))
    assert "business time" not in capsys.readouterr().out
