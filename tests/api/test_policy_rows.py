"""What a policy of the tenant forbids by an attribute is in no list, page of one, or file either."""

from __future__ import annotations

import json

from graph_world import graph_of

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


# Cases about the carrier, and what finance decides, are for others.
CASES = """
@id("not-the-carrier")
forbid (principal in Role::"viewer", action, resource)
when { resource has connection && resource.connection == "tms" };
@id("not-finance")
forbid (principal in Role::"viewer", action, resource)
when { resource has roles && resource.roles.contains("finance") };
@id("no-deliveries-repaired")
forbid (principal in Role::"operations-lead", action == Action::"run.repair", resource)
when { resource has process && resource.process == "delivery" };
"""
OPEN = "{ runs { nodes { key openExceptions openTasks } } orders { nodes { number openTasks } } }"


async def test_what_is_counted_is_what_may_be_seen(world):
    world.partners.refuse = {"tms.book": "no such place", "wms.pick": "no stock"}
    async with world.working():
        await world.put(order("SO-1", "5000.00"), order("SO-2"))
        await world.steps("SO-1", approve="waiting")
        await world.steps("SO-2", pick="held")
        world.partners.refuse.pop("wms.pick")
        await world.put(order("SO-3"))
        await world.steps("SO-3", packed="waiting")
        packed = {"shipment": {"number": "SO-3-0", "order": "SO-3"}, "complete": True}
        await world.put(event("warehouse.shipment_packed", packed, order="SO-3"))
        await world.steps("SO-3-0", book="held")
    await forbidding(world, CASES)
    viewer, lead = await world.key_of("viewer"), await world.key_of("operations-lead")
    every = {"cause": {"exception": "refused_by_partner"}}
    async with graph_of(world) as graph:
        for key, tasks, booked in ((viewer, 0, 0), (world.key, 1, 1)):
            open_ = {"SO-1": (0, tasks), "SO-2": (1, 0), "SO-3": (0, 0), "SO-3-0": (booked, 0)}
            runs = (await world.get("/runs", key=key))["items"]
            assert {one["key"]: (one["open_exceptions"], one["open_tasks"]) for one in runs} == open_
            for one in runs:
                told = await world.get(f"/runs/{one['id']}", key=key)
                assert (told["open_exceptions"], told["open_tasks"]) == open_[one["key"]]
            orders = (await world.get("/orders?sort=created", key=key))["items"]
            assert [one["open_tasks"] for one in orders] == [tasks, 0, 0]
            lines = (await world.ask("GET", "/runs?format=csv&fields=key,open_exceptions", key=key)).text
            assert f"SO-3-0,{booked}" in lines.split()
            nodes = await graph.ask(OPEN, key=key)
            found = {one["key"]: (one["openExceptions"], one["openTasks"]) for one in nodes["runs"]["nodes"]}
            assert found == open_
            assert sum(one["openTasks"] for one in nodes["orders"]["nodes"]) == tasks
            assert await world.post("/repairs/preview", every, key=key) == {"runs": 1 + booked}

    # What may be seen and not repaired is not left out of a repair: it refuses the whole.
    begin = {**every, "action": {"act": "retry"}, "trial": 0}
    refused = (await world.ask("POST", "/repairs", json=begin, key=lead, status=403)).json
    assert "among them are some" in refused["detail"]
    assert "no-deliveries-repaired" in refused["detail"]
    begin["cause"]["process"] = "order"
    assert (await world.post("/repairs", begin, key=lead, status=201))["counted"] == 1


async def test_a_repair_of_many_is_counted_and_touched_as_far_as_it_is_seen(world):
    world.partners.refuse = {"tms.book": "no such place", "wms.pick": "no stock"}
    async with world.working():
        await world.put(order("SO-2"))
        await world.steps("SO-2", pick="held")
        world.partners.refuse.pop("wms.pick")
        await world.put(order("SO-3"))
        await world.steps("SO-3", packed="waiting")
        packed = {"shipment": {"number": "SO-3-0", "order": "SO-3"}, "complete": True}
        await world.put(event("warehouse.shipment_packed", packed, order="SO-3"))
        await world.steps("SO-3-0", book="held")
    begin = {"cause": {"exception": "refused_by_partner"}, "action": {"act": "retry"}, "trial": 0}
    whole = await world.post("/repairs", begin, status=201)
    assert whole["counted"] == 2
    begin["cause"]["process"] = "delivery"
    deliveries = await world.post("/repairs", begin, status=201)
    await forbidding(world, RULE.replace("viewer", "operations-lead"))
    lead = await world.key_of("operations-lead")
    seen = await world.get("/repairs", key=lead)
    assert [(one["id"], one["counted"]) for one in seen["items"]] == [(whole["id"], 1)]
    assert (await world.get(f"/repairs/{whole['id']}", key=lead))["counted"] == 1
    await world.get(f"/repairs/{deliveries['id']}", status=404, key=lead)
    rest = await world.ask("POST", f"/repairs/{whole['id']}/proceed", key=lead, status=403)
    assert "among them are some that" in rest.json["detail"]
    begin["cause"].pop("process")
    own = await world.post("/repairs", begin, key=lead, status=201)
    assert own["counted"] == 1
    items = (await world.get(f"/repairs/{own['id']}/items"))["items"]
    assert [one["key"] for one in items] == ["SO-2"]
