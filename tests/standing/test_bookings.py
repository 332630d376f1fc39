"""Carriers without a feed of all their bookings are asked for each open one, a few at a time."""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import pytest
from standing_world import CARRIERS, Keeps, World

from crossdock.connect import Calls, Lines, Registry
from crossdock.gateway import Reconciler

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def reconciler(world: World) -> Reconciler:
    """One to which no carrier lists anything."""
    known = world.installed.connectors.connectors.values()
    registry = Registry.of(
        dataclasses.replace(one, polls=()) if one.serves == ("carrier",) else one for one in known
    )
    lines = Lines(world.database, registry, Keeps(world.services))
    return Reconciler(world.database, world.inbox, lines, Calls(lines, world.wire), registry)


async def booked(world: World, *numbers: str) -> list[tuple[str, str]]:
    """Orders whose shipments are booked; gives carrier and number of each."""
    for number in numbers:
        for carrier in CARRIERS:
            await world.script(carrier, order=number, pickup_after_hours=4, delivered_after_hours=30)
    await world.release(*numbers)
    await world.advance(minutes=2)
    await world.advance(hours=6)
    await world.tracker.turn()
    rows = await world.fetch(
        "select connection, number from crossdock.tracking where tenant = crossdock.tenant() order by number"
    )
    return [(row["connection"], row["number"]) for row in rows]


async def differs(world: World) -> list[tuple[str, str, str]]:
    rows = await world.fetch(
        "select kind, about, there from crossdock.difference where tenant = crossdock.tenant() "
        "and gone is null order by kind, about"
    )
    return [(row["kind"], row["about"], row["there"]) for row in rows]


async def asked(world: World, carrier: str) -> int:
    """How often it was asked for a number."""
    told = (await world.control(carrier, "/ledger?detail=requests"))["requests"]
    return sum("track" in one["operation"] for one in told)


async def test_a_delivery_that_was_never_told_shows_and_is_taken_in(
    world: World, reconciler: Reconciler
) -> None:
    ((carrier, number),) = await booked(world, "SO-1")
    await world.advance(hours=40, poll=False)
    outcome = await reconciler.once(world.tenant, ["shipments"])
    assert outcome.failed == {}
    assert await differs(world) == [("delivery_missing_here", number, f"booking {number} is delivered")]
    assert await reconciler.mend(world.tenant, f"delivery_missing_here/{number}", by="jo") > 0
    await world.rest()
    run = await world.run("deliver-shipment", "SO-1-1")
    assert run.steps["delivered"].status == "succeeded"
    await reconciler.once(world.tenant, ["shipments"])
    assert await differs(world) == []
    assert await asked(world, carrier) >= 3


async def test_a_booking_that_its_carrier_does_not_know_shows_with_what_it_says(
    world: World, reconciler: Reconciler
) -> None:
    ((carrier, number),) = await booked(world, "SO-1")
    await world.advance(hours=1, poll=False)
    await reconciler.once(world.tenant, ["shipments"])
    assert await differs(world) == []
    await world.control(carrier, "/reset", {})  # it has lost it
    await reconciler.once(world.tenant, ["shipments"])
    ((kind, about, said),) = await differs(world)
    assert (kind, about) == ("booking_missing_there", number)
    assert said != "no such booking"  # in its own words


async def test_a_carrier_that_lets_nobody_in_unsays_no_booking(world: World, reconciler: Reconciler) -> None:
    ((carrier, _),) = await booked(world, "SO-1")
    await world.advance(hours=1, poll=False)
    await world.control(carrier, "/faults", {"fault": "outage"})
    outcome = await reconciler.once(world.tenant, ["shipments"])
    assert list(outcome.failed) == [carrier]
    assert await differs(world) == []
    await world.http.delete(world.services[carrier]["url"] + "/faults")


async def test_numbers_are_asked_for_no_faster_than_two_a_second(
    world: World, reconciler: Reconciler
) -> None:
    found = await booked(world, "SO-1", "SO-2", "SO-3")
    await world.advance(hours=1, poll=False)
    most: dict[str, int] = {}
    for carrier, _ in found:
        most[carrier] = most.get(carrier, 0) + 1
    before: dict[str, Any] = {carrier: await asked(world, carrier) for carrier in most}
    began = time.monotonic()
    await reconciler.once(world.tenant, ["shipments"])
    took = time.monotonic() - began
    assert {carrier: await asked(world, carrier) - before[carrier] for carrier in most} == most
    assert max(most.values()) > 1
    assert took >= (max(most.values()) - 1) / 2
