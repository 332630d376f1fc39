"""Carriers that push nothing, or whose push is lost, are asked; silence is told once, with its reason."""

from __future__ import annotations

from typing import Any

import pytest
from standing_world import CARRIERS, World

from crossdock.engine.milestones import stories

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def booked(world: World, *numbers: str, **script: Any) -> list[dict[str, Any]]:
    """Orders whose shipments are booked; gives the numbers that are followed."""
    for number in numbers:
        for carrier in CARRIERS:
            await world.script(carrier, order=number, **script)
    await world.release(*numbers)
    await world.advance(minutes=2)
    await world.advance(hours=6)
    await world.tracker.turn()
    return await tracked(world)


async def tracked(world: World) -> list[dict[str, Any]]:
    return await world.fetch(
        "select * from crossdock.tracking where tenant = crossdock.tenant() order by number"
    )


async def follow(world: World, **delta: float) -> int:
    """Time passes, and carriers are asked; no feed is read."""
    await world.advance(poll=False, **delta)
    asked = await world.tracker.turn()
    await world.rest()
    return asked


async def test_a_carrier_that_pushes_nothing_is_asked_until_the_goods_are_delivered(world: World) -> None:
    (row,) = await booked(world, "SO-1", pickup_after_hours=4, delivered_after_hours=30)
    for _ in range(4):
        await follow(world, hours=13)
    run = await world.run("deliver-shipment", "SO-1-1")
    assert run.steps["delivered"].status == "succeeded"
    assert run.steps["delivered"].output["proof"]["received_by"]
    assert row["lane"] == "-US"
    await follow(world, hours=13)
    assert await tracked(world) == []  # its run has ended


async def test_what_a_feed_or_a_push_tells_as_well_is_one_milestone(world: World) -> None:
    (row,) = await booked(world, "SO-1", pickup_after_hours=4, delivered_after_hours=60)
    await follow(world, hours=20)
    async with world.database.of(world.tenant) as transaction:
        asked = (await stories(transaction, [row["run"]]))[row["run"]]
    await world.poll()
    async with world.database.of(world.tenant) as transaction:
        both = (await stories(transaction, [row["run"]]))[row["run"]]
    assert [one.telling.milestone["code"] for one in asked] == ["picked_up", "in_transit"]
    assert both == asked


async def test_silence_is_told_once_with_why_and_its_exception_closes_when_the_carrier_reports(
    world: World,
) -> None:
    (row,) = await booked(world, "SO-1", pickup_after_hours=120, delivered_after_hours=200)
    carrier = row["connection"]
    assert await world.exceptions() == []
    await follow(world, hours=20)
    await follow(world, hours=20)
    quiet = [one for one in await world.exceptions() if one[0] == "no_movement"]
    assert [(type_, open_) for type_, _, open_ in quiet] == [("no_movement", True)]
    assert quiet[0][1].startswith(f"{carrier} knows the label alone: info received 2026-")
    await follow(world, hours=20)
    assert len([one for one in await world.exceptions() if one[0] == "no_movement"]) == 1
    for _ in range(6):
        await follow(world, hours=13)
    assert [open_ for type_, _, open_ in await world.exceptions() if type_ == "no_movement"] == [False]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fault": "outage"}, "could not be asked"),
        ({"fault": "refuse", "operation": "track", "count": 50}, "does not know the number"),
    ],
)
async def test_the_reason_of_silence_is_what_asking_has_shown(
    world: World, fault: dict[str, Any], said: str
) -> None:
    (row,) = await booked(world, "SO-1", pickup_after_hours=4, delivered_after_hours=200)
    await world.control(row["connection"], "/faults", fault)
    for _ in range(4):
        await follow(world, hours=20)
    (found,) = [message for type_, message, _ in await world.exceptions() if type_ == "no_movement"]
    assert said in found
    (row,) = await tracked(world)
    assert row["failures"] >= 2
    assert row["error"]


async def test_of_a_connection_no_more_is_asked_at_one_time_than_it_stands(world: World) -> None:
    rows = await booked(world, "SO-1", "SO-2", "SO-3", pickup_after_hours=4, delivered_after_hours=200)
    for name in {row["connection"] for row in rows}:
        await world.connections.put(
            world.tenant,
            name,
            system="carrier",
            connector=name,
            settings={"url": world.services[name]["url"], "zone": "UTC"},
            concurrency=1,
        )
    connections = {row["connection"] for row in rows}
    assert await follow(world, hours=13) == len(connections)
    assert await world.tracker.turn() == (1 if len(connections) < 3 else 0)


async def test_a_connection_that_is_not_to_be_followed_is_not(world: World) -> None:
    for name in CARRIERS:
        settings = {"url": world.services[name]["url"], "zone": "UTC", "track_every": 0.0}
        await world.connections.put(world.tenant, name, system="carrier", connector=name, settings=settings)
    await booked(world, "SO-1", pickup_after_hours=4, delivered_after_hours=30)
    before = await requests(world)
    await follow(world, hours=30)
    assert await requests(world) == before


async def requests(world: World) -> int:
    """How often the carriers were asked what has happened."""
    found = 0
    for name in CARRIERS:
        ledger = await world.control(name, "/ledger?detail=requests&operation=track")
        found += len(ledger["requests"] if "requests" in ledger else ledger["entries"])
    return found
