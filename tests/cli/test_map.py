"""`crossdock map` on files: an input tried, examples tested, mistakes told; neither server nor database."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hands import Command

MAPPING = """
mapping: depot
tables: { units: { st: EA } }
events:
  - type: stock.changed
    time: ${ record.at }
    data:
      item: { of: "${ record.sku }", lookup: item }
      on_hand: { value: "${ string(record.n) }", unit: { of: "${ record.u }", table: units } }
operations:
  wms.cancel_pick:
    input: { pick: "D-${ input.pick }" }
"""


@pytest.fixture
def files(place: Path) -> Path:
    """A mapping with its examples."""
    examples = place / "mappings" / "depot.examples"
    examples.mkdir(parents=True)
    (place / "mappings" / "depot.yaml").write_text(MAPPING)
    (examples / "codes.csv").write_text("kind,ours,theirs\nitem,10041,A-41\n")
    given = {"at": "2026-11-02T10:00:00Z", "sku": "A-41", "n": 3, "u": "st"}
    (examples / "stock.in.json").write_text(json.dumps(given))
    data = {"item": "10041", "on_hand": {"value": "3", "unit": "EA"}}
    wanted = [{"type": "stock.changed", "time": "2026-11-02T10:00:00Z", "data": data}]
    (examples / "stock.out.json").write_text(json.dumps(wanted))
    (examples / "strange.in.json").write_text(json.dumps({**given, "sku": "B-1"}, indent=1))
    (examples / "strange.rejects.json").write_text(
        json.dumps([{"field": "data.item", "source": "sku", "code": "unmapped_value"}])
    )
    (examples / "cancel.wms.cancel_pick.in.json").write_text('{"pick": "7"}')
    (examples / "cancel.wms.cancel_pick.out.json").write_text('{"pick": "D-7"}')
    return examples


def test_examples_beside_a_mapping_are_tested_and_a_difference_is_told(
    crossdock: Command, files: Path
) -> None:
    said = crossdock("map", "test")
    assert (said.status, said.out.strip()) == (0, "3 of 3 examples as wanted")
    wanted = files / "stock.out.json"
    wanted.write_text(wanted.read_text().replace("10041", "10042"))
    said = crossdock("map", "test", "mappings/depot.yaml", "--json")
    assert said.status == 1
    assert [one["differences"] for one in said.lines] == [
        [],
        ["[0].data.item: is '10041'; wanted is '10042'"],
        [],
    ]
    wanted.unlink()
    said = crossdock("map", "test", "--json")
    assert said.json["mend"].startswith("write stock.out.json: crossdock map try")


def test_an_input_is_tried_and_each_field_tells_where_it_came_from(crossdock: Command, files: Path) -> None:
    said = crossdock("map", "try", "mappings/depot.yaml", str(files / "stock.in.json"), "--json")
    assert said.status == 0
    assert {one["field"]: (one["kind"], one["source"]) for one in said.json["fields"]} == {
        "data.item": ("lookup", "sku"),
        "data.on_hand.value": ("worked out", "n"),
        "data.on_hand.unit": ("table", "u"),
        "time": ("source", "at"),
    }
    shown = crossdock("map", "try", "mappings/depot.yaml", str(files / "stock.in.json"))
    assert "item: A-41" in shown.out
    said = crossdock("map", "try", "mappings/depot.yaml", str(files / "strange.in.json"))
    assert said.status == 1
    assert "line 3, sku" in said.out
    assert "the item `B-1` of theirs is none of ours yet" in said.out


def test_mistakes_are_told_by_check_and_the_schema_is_printed(crossdock: Command, files: Path) -> None:
    assert crossdock("check", "mappings").out.strip() == "1 mapping may be published"
    (files.parent / "depot.yaml").write_text(MAPPING.replace("lookup: item", "lookup: itm"))
    said = crossdock("check", "mappings", "--json")
    (problem,) = said.json["problems"]
    assert said.status == 1
    assert (problem["file"], problem["line"], problem["mend"]) == (
        "mappings/depot.yaml",
        8,
        "did you mean `item`?",
    )
    assert crossdock("map", "try", "mappings/depot.yaml", "-", "--json").json["problems"] == [problem]
    assert crossdock("schema", "mapping", "--json").json["$id"].endswith("/mapping/1")
    assert crossdock("schema", "connector", "--json").json["$id"].endswith("/connector/1")
