"""Mappings and master data through the API: checked, tried, published; set all or none, conflicts shown."""

from __future__ import annotations

import json
from typing import Any

from api_world import World

MAPPING = """
mapping: shop
events:
  - type: order.created
    time: ${ record.at }
    data:
      number: ${ record.no }
      lines:
        each: ${ record.lines }
        give:
          number: ${ string(n) }
          item: { of: "${ item.sku }", lookup: item }
          quantity: ${ quantity(item.qty, "EA") }
"""
ORDER = {"no": "7", "at": "2026-03-02T10:00:00Z", "lines": [{"sku": "A-41", "qty": 1}]}


def line(ours: str, theirs: str, **more: Any) -> dict[str, Any]:
    return {"kind": "item", "ours": ours, "theirs": theirs, **more}


async def acts(world: World, action: str) -> list[Any]:
    await world.audit.settle()
    return [one for one in (await world.audit.entries(world.tenant)).items if one.action == action]


async def test_a_mapping_is_checked_tried_with_the_codes_of_a_connection_and_published(world: World):
    wrong = MAPPING.replace("order.created", "order.craeted")
    checked = await world.post("/mappings/check", {"source": wrong})
    assert checked["valid"] is False
    assert checked["problems"][0] == {
        "line": 4,
        "column": 5,
        "severity": "error",
        "message": "there is no event `order.craeted`",
        "mend": "did you mean `order.created`?",
    }
    # What does not publish tells each place in what was sent, as of a process.
    for path, source, place in (("/mappings", wrong, "4:5"), ("/processes", "x: [", "2:1")):
        refused = await world.post(path, {"sources": [source]}, status=422)
        assert refused["problems"][0]["where"] == f"body.sources.0:{place}"
        assert refused["problems"][0]["mend"]
    asked = {"source": MAPPING, "input": json.dumps(ORDER), "connection": "erp"}
    tried = await world.post("/mappings/try", asked)
    (reject,) = tried["rejects"]
    assert reject == {
        "field": "data.lines[0].item",
        "source": "lines[0].sku",
        "message": "the item `A-41` of theirs is none of ours yet",
        "mend": "add it: crossdock codes set erp item OURS A-41",
        "code": "unmapped_value",
    }
    await world.post("/codes", {"scope": "erp", "lines": [line("10041", "A-41")]})
    tried = await world.post("/mappings/try", asked)
    assert tried["rejects"] == []
    assert tried["output"][0]["data"]["lines"][0]["item"] == "10041"
    assert {one["field"]: one["kind"] for one in tried["fields"]}["data.lines[0].item"] == "lookup"

    await world.post("/mappings", {"sources": [wrong]}, status=422)
    assert (await world.get("/mappings"))["items"] == []
    (first,) = (await world.post("/mappings", {"sources": [MAPPING], "note": "the shop"}))["items"]
    (second,) = (await world.post("/mappings", {"sources": [MAPPING + "title: Shop\n"]}))["items"]
    assert first["version"] != second["version"]
    await world.post("/mappings", {"sources": [MAPPING + "title: Shop\n"]})  # as it is already
    shown = await world.get("/mappings/shop")
    assert (shown["version"], shown["source"]) == (second["version"], MAPPING + "title: Shop\n")
    versions = (await world.get("/mappings/shop/versions"))["items"]
    assert [(one["version"], one["current"]) for one in versions] == [
        (second["version"], True),
        (first["version"], False),
    ]
    page = await world.get("/mappings/shop/versions?limit=1")
    (older,) = (await world.get(f"/mappings/shop/versions?limit=1&cursor={page['next']}"))["items"]
    assert older["version"] == first["version"]
    old = await world.get(f"/mappings/shop/versions/{first['version']}")
    await world.post("/mappings", {"sources": [old["source"]]})  # taken back
    assert (await world.get("/mappings/shop"))["version"] == first["version"]
    assert [json.loads(one.after)["version"] for one in await acts(world, "mapping.publish")] == [
        first["version"],
        second["version"],
        first["version"],
    ]


async def test_codes_are_set_all_or_none_and_what_stands_against_another_is_shown(world: World):
    first = await world.post("/codes", {"scope": "erp", "lines": [line("1", "A"), line("2", "B")]})
    assert (first["done"], first["added"]) == (True, 2)
    again = [line("1", "A"), line("9", "B", line=3), line("2", "C", line=4), line("3", "D", line=5)]
    again.append(line("4", "D", line=6))
    told = await world.post("/codes", {"scope": "erp", "lines": again})
    assert (told["done"], told["same"], told["added"], told["conflicts"]) == (False, 1, 1, 3)
    reasons = {one["line"]: one for one in told["lines"]}
    assert reasons[3]["others"] == [{"ours": "2", "theirs": "B", "direction": "both"}]
    assert reasons[3]["reason"].startswith("B is 2 since")
    assert reasons[4]["others"] == [{"ours": "2", "theirs": "B", "direction": "both"}]
    assert (reasons[6]["outcome"], reasons[6]["reason"]) == ("conflict", "D is 3 in line 5")
    kept = (await world.get("/codes?scope=erp"))["items"]
    assert [(one["theirs"], one["ours"]) for one in kept] == [("A", "1"), ("B", "2")]

    several = [line("2", "C", direction="in"), line("2", "B2", direction="in")]
    assert (await world.post("/codes", {"scope": "erp", "lines": several}))["added"] == 2
    looked = {"scope": "erp", "lines": [line("9", "B")], "replace": True, "only_look": True}
    assert (await world.post("/codes", looked))["done"] is False
    changed = await world.post("/codes", {**looked, "only_look": False, "note": "renumbered"})
    assert (changed["done"], changed["changed"]) == (True, 1)
    assert [one["ours"] for one in (await world.get("/codes?theirs=B"))["items"]] == ["9"]
    entry = (await acts(world, "code.change"))[0]
    assert (entry.why, json.loads(entry.before)["codes"], json.loads(entry.after)["codes"]) == (
        "renumbered",
        ["item 2 = B (both)"],
        ["item 9 = B (both)"],
    )


async def test_codes_are_forgotten_and_only_of_what_is_there(world: World):
    await world.post("/codes", {"scope": "wms", "lines": [line("1", "A"), line("1", "AA", direction="in")]})
    gone = await world.post("/codes/drop", {"scope": "wms", "kind": "item", "ours": "1"})
    assert [one["theirs"] for one in gone["items"]] == ["A", "AA"]
    await world.post("/codes/drop", {"scope": "wms", "kind": "item", "ours": "1"}, status=404)
    await world.post("/codes/drop", {"scope": "wms", "kind": "item"}, status=422)
    await world.post("/codes", {"scope": "nothing", "lines": [line("1", "A")]}, status=404)
    text = (await world.ask("GET", "/codes?format=csv", status=200)).text
    assert text.splitlines() == ["scope,kind,ours,theirs,direction"]
    viewer = await world.key_of("viewer")
    await world.post("/codes", {"scope": "wms", "lines": [line("1", "A")]}, status=403, key=viewer)
    await world.get("/codes", key=viewer)


async def test_another_tenant_sees_neither_mappings_nor_codes(world: World):
    await world.post("/mappings", {"sources": [MAPPING]})
    await world.post("/codes", {"scope": "erp", "lines": [line("1", "A")]})
    _, key = await world.neighbour()
    assert (await world.get("/mappings", key=key))["items"] == []
    assert (await world.get("/codes", key=key))["items"] == []
    await world.get("/mappings/shop", 404, key=key)
