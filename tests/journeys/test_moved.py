"""A process has a mistake, runs are held by it, the mended process is published, and they go on under it."""

from __future__ import annotations

import json
from pathlib import Path

from outside import crossdock, running, wait_for

BOXES = """
process: box
title: Close a box
owner: packing
document: Box
key: ${ box.number }
declare:
  documents: { Box: { number: string } }
steps:
  weigh: { set: { grams: "${ int(box.number) * 10 }" } }
  close: { needs: weigh, task: { role: packer }, within: 1 day, late: { escalate: chief } }
"""
MENDED = BOXES.replace("int(box.number) * 10", "size(box.number) * 10")


def test_runs_held_by_a_mistake_go_on_under_the_mended_version_one_then_the_others(tmp_path: Path) -> None:
    (tmp_path / "crossdock.toml").write_text("packs = []\n")
    (tmp_path / "processes").mkdir()
    process = tmp_path / "processes" / "box.yaml"
    process.write_text(BOXES)
    with running("serve", "--port", "0", "--json", cwd=tmp_path, name="first") as served:
        served.first_object()
        for number in ("A-1", "A-2", "A-3"):
            (tmp_path / "box.json").write_text(json.dumps({"number": number}))
            assert crossdock("run", "box", "-d", "box.json", cwd=tmp_path).returncode == 0
        wait_for(lambda: len(_lines("runs", "--status", "held", cwd=tmp_path)) == 3, "three held runs")
        said = crossdock("move", "A-1", "--json", cwd=tmp_path)
        assert said.returncode == 1
        assert "already, the newest" in json.loads(said.stdout or said.stderr)["message"]
        served.end()
    process.write_text(MENDED)
    with running("serve", "--port", "0", "--json", cwd=tmp_path, name="second") as served:
        served.first_object()
        said = crossdock("move", "A-1", "--note", "sizes, not numbers", cwd=tmp_path)
        assert said.stdout.startswith("box/A-1 goes on under version ")
        assert crossdock("move", "--type", "decision_failed", cwd=tmp_path).stdout == (
            "2 runs have this cause and go under another version. Add --yes to move them.\n"
        )
        (begun,) = _lines("move", "--type", "decision_failed", "--yes", "--trial", "1", cwd=tmp_path)
        assert (begun["counted"], begun["status"]) == (2, "trial")
        number = str(begun["id"])
        wait_for(
            lambda: _lines("move", "--progress", number, cwd=tmp_path)[0]["outcomes"] == {"moved": 1}, "one"
        )
        assert "crossdock move --proceed" in crossdock("move", "--progress", number, cwd=tmp_path).stdout
        _lines("move", "--proceed", number, cwd=tmp_path)
        wait_for(
            lambda: _lines("move", "--progress", number, cwd=tmp_path)[0]["outcomes"] == {"moved": 2}, "both"
        )
        shown = _lines("move", "--progress", number, cwd=tmp_path)[0]
        assert [(one["key"], one["outcome"]) for one in shown["results"]] == [
            ("A-2", "moved"),
            ("A-3", "moved"),
        ]
        assert {row["status"] for row in _lines("runs", cwd=tmp_path)} == {"active"}
        (detail,) = _lines("runs", "A-1", cwd=tmp_path)
        assert detail["state"]["steps"]["close"]["status"] == "waiting"
        # What its history is not valid under: the step that waits is gone, which nothing stands against; a
        # key that would be another one does.
        process.write_text(MENDED.replace("key: ${ box.number }", "key: ${ box.number + 'x' }"))
        served.end()
    with running("serve", "--port", "0", "--json", cwd=tmp_path, name="third") as served:
        served.first_object()
        said = crossdock("move", "A-1", cwd=tmp_path)
        assert said.returncode == 1
        assert "its key would be A-1x" in said.stderr
        assert crossdock("replay", cwd=tmp_path).stdout == "3 replayed, 3 as stored, byte for byte\n"


def _lines(*arguments: str, cwd: Path) -> list[dict]:
    said = crossdock(*arguments, "--json", cwd=cwd)
    assert said.returncode == 0, said.stderr
    return [json.loads(line) for line in said.stdout.splitlines()]
