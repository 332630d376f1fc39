"""A partner sees what is its own: in lists, by name, in what hangs on it; and nothing else is there for it."""

from __future__ import annotations

import pytest

from played_orders import event, order


@pytest.fixture
async def quayline(world):
    """Two deliveries, one of them by Quayline, and a key of theirs."""
    async with world.working():
        for number, carrier in (("SH-1", "quayline"), ("SH-2", "farrow")):
            await world.put(order(f"SO-{number}", carrier=carrier))
            await world.steps(f"SO-{number}", packed="waiting")
            shipment = {"number": number, "carrier": carrier}
            packed = {"order": f"SO-{number}", "shipment": shipment, "last": True}
            await world.put(event("warehouse.shipment_packed", packed, order=f"SO-{number}"))
            await world.steps(number, delivered="waiting")
        yield await world.key_of("partner:quayline")


async def test_lists_have_what_is_its_own_alone(world, quayline):
    assert [one["number"] for one in (await world.get("/shipments", key=quayline))["items"]] == ["SH-1"]
    assert {one["key"] for one in (await world.get("/runs", key=quayline))["items"]} == {"SH-1", "SO-SH-1"}
    assert (await world.get("/runs?q=SH-2", key=quayline))["items"] == []
    assert {one["key"] for one in (await world.get("/events", key=quayline))["items"]} == {"SH-1", "SO-SH-1"}
    assert (await world.get("/exceptions", key=quayline))["items"] == []
    assert (await world.get("/connections", key=quayline))["items"] == []
    answer = await world.ask("GET", "/shipments?format=csv&fields=number", key=quayline, status=200)
    assert answer.text.splitlines() == ["number", "SH-1"]


async def test_what_is_anothers_is_not_there_by_its_name(world, quayline):
    for plural in ("runs", "shipments"):
        shown = {
            one.get("key") or one["number"]: one["id"] for one in (await world.get(f"/{plural}"))["items"]
        }
        assert (await world.get(f"/{plural}/{shown['SH-1']}", key=quayline))["id"] == shown["SH-1"]
        said = await world.get(f"/{plural}/{shown['SH-2']}", 404, key=quayline)
        assert said["detail"].endswith(shown["SH-2"])
    run = {one["key"]: one["id"] for one in (await world.get("/runs"))["items"]}["SH-2"]
    for part in ("state", "history", "graph", "calls"):
        await world.get(f"/runs/{run}/{part}", 404, key=quayline)
    for path in (
        "/tasks",
        "/people",
        "/keys",
        "/audit",
        "/processes",
        "/events/parked",
        "/events/quarantined",
        "/repairs",
    ):
        answer = await world.ask("GET", path, key=quayline)
        assert answer.status == 403, path
    await world.post(f"/runs/{run}/cancel", {"reason": "x"}, 404, key=quayline)
    await world.post("/repairs/preview", {"cause": {"process": "delivery"}}, 403, key=quayline)
