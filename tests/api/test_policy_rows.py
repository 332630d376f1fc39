"""What a policy of the tenant forbids by an attribute is in no list, page of one, or file either."""

from __future__ import annotations

import json

from played_orders import event, order

# Deliveries are for others.
RULE = """
@id("not-deliveries")
forbid (principal in Role::"viewer", action, resource)
when { resource has process && resource.process == "delivery" };
"""


async def forbidding(world, rule: str) -> None:
    held = await world.ask("GET", "/roles", status=200)
    rules = {"policies": rule, "note": "who sees what"}
    await world.ask("PUT", "/roles", json=rules, headers={"if-match": held.headers["etag"]}, status=200)


async def test_lists_and_files_leave_out_what_may_not_be_read_alone(world):
    world.partners.refuse["tms.book"] = "no such place"
    async with world.working():
        await world.put(order("SO-1"))
        await world.steps("SO-1", packed="waiting")
        packed = {"shipment": {"number": "SO-1-0", "order": "SO-1"}, "complete": True}
        await world.put(event("warehouse.shipment_packed", packed, order="SO-1"))
        await world.steps("SO-1-0", book="held")
    whole = await world.get("/runs")
    ids = {run["key"]: run["id"] for run in whole["items"]}
    assert set(ids) == {"SO-1", "SO-1-0"}
    assert [one["process"] for one in (await world.get("/exceptions"))["items"]] == ["delivery"]

    await forbidding(world, RULE)
    key = await world.key_of("viewer")
    await world.get(f"/runs/{ids['SO-1-0']}", status=403, key=key)
    assert [run["key"] for run in (await world.get("/runs", key=key))["items"]] == ["SO-1"]
    assert (await world.get("/runs?q=SO-1-0", key=key))["items"] == []
    assert (await world.get("/exceptions", key=key))["items"] == []
    assert (await world.get("/shipments", key=key))["items"] == []
    assert {one["process"] for one in (await world.get("/events", key=key))["items"]} == {"order"}
    lines = (await world.ask("GET", "/runs?format=ndjson", key=key, status=200)).text.splitlines()
    assert [json.loads(line)["key"] for line in lines] == ["SO-1"]


async def test_a_page_that_is_shorter_for_it_goes_on_behind_what_was_left_out(world):
    async with world.working():
        await world.put(order("SO-1"))
        await world.steps("SO-1", packed="waiting")
        packed = {"shipment": {"number": "SO-1-0", "order": "SO-1"}, "complete": True}
        await world.put(event("warehouse.shipment_packed", packed, order="SO-1"))
        await world.steps("SO-1-0", delivered="waiting")
    await forbidding(world, RULE)
    key = await world.key_of("viewer")
    first = await world.get("/runs?limit=1", key=key)
    assert first["items"] == []
    second = await world.get(f"/runs?limit=1&cursor={first['next']}", key=key)
    assert [run["key"] for run in second["items"]] == ["SO-1"]
    assert "next" not in second


async def test_a_connection_that_may_not_be_read_is_not_among_the_others(world):
    rule = (
        '@id("not-the-erp") forbid (principal in Role::"viewer", action, resource) '
        'when { resource has connection && resource.connection == "erp" };'
    )
    await forbidding(world, rule)
    key = await world.key_of("viewer")
    await world.get("/connections/erp", status=403, key=key)
    assert [one["name"] for one in (await world.get("/connections", key=key))["items"]] == ["tms", "wms"]
