"""The books of the ERP and the floor of the warehouse: what parts shows once it has stood, and goes by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from standing_world import CARRIERS, World

from crossdock.connect.references import References
from crossdock.translate.codes import Code

pytestmark = pytest.mark.asyncio(loop_scope="module")

ITEM, SITE = "KIT-30", "RNO"


async def counted(world: World, books: int | None, floor: int | None, *, item: str = ITEM) -> None:
    """So much lies there by the books, and so much on the floor."""
    if books is not None:
        body = {"item": item, "site": SITE, "quantity": str(books)}
        await world.erp("POST", "/stock/count", body)
    if floor is not None:
        await world.wms("PUT", f"/api/stock/{item}", {"warehouse": SITE, "onHand": floor})


async def differs(world: World) -> dict[str, tuple[str, str, str]]:
    """What differs now: how it stands in both, and whether it was told."""
    rows = await world.fetch(
        "select kind || '/' || about as number, here, there, told from crossdock.difference "
        "where tenant = crossdock.tenant() and gone is null"
    )
    return {row["number"]: (row["here"], row["there"], row["told"]) for row in rows}


async def compared(world: World, *whats: str) -> Any:
    outcome = await world.reconciler.once(world.tenant, whats or ("stock", "allocations"))
    await world.rest()
    await world.advance(seconds=2, poll=False)
    return outcome


async def passed_over(world: World) -> None:
    """All feeds are read to their end, and what they had was lost."""
    async with world.database.engine() as transaction:
        await transaction.execute(
            "update crossdock.feed set read_at = crossdock.now() where tenant = $1", world.tenant.id
        )


async def raised(world: World) -> list[tuple[str, bool]]:
    return [(text, open_) for kind, text, open_ in await world.exceptions() if kind == "systems_differ"]


async def test_what_agrees_differs_in_nothing_though_goods_are_on_their_way(world: World) -> None:
    await counted(world, 100, 100)
    for carrier in CARRIERS:
        await world.script(carrier, order="SO-1", pickup_after_hours=4, delivered_after_hours=30)
    await world.release("SO-1")
    for hours in (1, 6, 13, 13, 13, 13):
        outcome = await compared(world)
        assert outcome.failed == {}
        assert await differs(world) == {}
        await world.advance(hours=hours)
        await world.tracker.turn()
        await world.rest()
    assert (await world.run("order-to-cash", "SO-1")).status == "completed"
    outcome = await compared(world)
    assert outcome.compared == {"stock": 1, "allocations": 0}
    assert await differs(world) == {}
    (row,) = (await world.erp("GET", "/stock"))["stock"]
    assert row["quantity"] == "90"


async def test_a_difference_waits_while_it_is_young_then_shows_both_sides_until_they_agree(
    world: World,
) -> None:
    await counted(world, 100, 93)
    await compared(world)
    number = f"stock_differs/{ITEM}@{SITE}"
    here, there = f"100 EA of {ITEM} at {SITE}", "93 EA on hand"
    assert await differs(world) == {number: (here, there, "waiting")}
    assert await raised(world) == []
    await world.advance(hours=1)
    outcome = await compared(world)
    assert (outcome.found, outcome.open) == (1, 1)
    assert await differs(world) == {number: (here, there, "found")}
    ((message, open_),) = await raised(world)
    assert open_
    assert f"in erp, {here}; in wms, {there}. Count {ITEM} at {SITE}" in message
    await compared(world)
    assert len(await raised(world)) == 1
    await counted(world, 93, None)
    outcome = await compared(world)
    assert (outcome.gone, await differs(world)) == (1, {})
    assert [open_ for _, open_ in await raised(world)] == [False]


async def test_what_agrees_again_before_it_has_stood_was_never_told(world: World) -> None:
    await counted(world, 100, 93)
    await compared(world)
    await world.advance(minutes=20, poll=False)
    await counted(world, None, 100)
    await compared(world)
    assert await differs(world) == {}
    gone = await world.fetch("select * from crossdock.difference where tenant = crossdock.tenant()")
    assert gone == []


async def test_a_count_in_the_warehouse_is_taken_over_into_the_books_and_does_not_stay_as_a_difference(
    world: World,
) -> None:
    await counted(world, 100, 100)
    await world.advance(hours=1)
    await counted(world, None, 96)
    await world.advance(minutes=10, poll=False)
    await compared(world)  # told, and not booked yet: it waits
    assert {told for *_, told in (await differs(world)).values()} == {"waiting"}
    await world.poll()
    run = await world.run("take-over-count", "CC-000001")
    assert run.status == "completed"
    (row,) = (await world.erp("GET", "/stock"))["stock"]
    assert row["quantity"] == "96"
    await world.advance(hours=1)
    await compared(world)
    assert await differs(world) == {}
    assert await raised(world) == []


async def test_a_large_correction_is_a_difference_until_somebody_agrees_to_it(world: World) -> None:
    await world.library.set_reference(world.tenant, settings={"count_approval": "10"}, calendars={}, by="jo")
    await counted(world, 100, 100)
    await world.advance(hours=1)
    await counted(world, None, 60)
    await world.advance(hours=1)
    await compared(world)
    ((_, there, told),) = (await differs(world)).values()
    assert (there, told) == ("60 EA on hand", "found")
    assert (await world.run("take-over-count", "CC-000001")).status == "active"


async def test_what_left_the_floor_and_was_never_told_is_no_goods_on_their_way(world: World) -> None:
    await counted(world, 100, 100)
    await world.release("SO-1")
    await world.advance(hours=2)
    await world.advance(hours=12, poll=False)  # packed there; here, nobody has read it
    for _ in range(2):
        await compared(world)
        await world.advance(hours=1, poll=False)
    found = await differs(world)
    assert found[f"stock_differs/{ITEM}@{SITE}"][1:] == ("90 EA on hand", "waiting")
    assert await raised(world) == []  # its feed is behind: it may be told yet
    await passed_over(world)
    await compared(world)
    found = await differs(world)
    assert found[f"stock_differs/{ITEM}@{SITE}"][1:] == ("90 EA on hand", "found")
    await world.poll()
    await compared(world)
    assert await differs(world) == {}


async def test_goods_that_are_held_for_an_order_that_the_erp_has_cancelled_show(world: World) -> None:
    await counted(world, 100, 100)
    await world.release("SO-1")
    await world.advance(minutes=2)
    await world.erp("POST", "/orders/SO-1/cancel", {"reason": "not wanted"})
    for _ in range(2):
        await world.advance(hours=1, poll=False)
        await passed_over(world)
        await compared(world, "allocations")
    ((number, (here, there, told)),) = (await differs(world)).items()
    assert number == f"allocated_differs/SO-1/{ITEM}@{SITE}"
    assert (here, there, told) == (
        f"none of {ITEM} open for SO-1 at {SITE}",
        "10 EA promised to it",
        "found",
    )


async def test_a_pick_that_somebody_took_back_in_the_warehouse_shows(world: World) -> None:
    await counted(world, 100, 100)
    await world.release("SO-1")
    await world.advance(minutes=2)
    (pick,) = (await world.wms("GET", "/api/pickOrders?orderNumber=SO-1"))["items"]
    await world.wms("POST", f"/api/pickOrders/{pick['pickOrderId']}/cancel", {})
    for _ in range(2):
        await world.advance(hours=1, poll=False)
        await compared(world, "allocations")
    ((number, (_, there, _)),) = (await differs(world)).items()
    assert (number, there) == (f"allocated_differs/SO-1/{ITEM}@{SITE}", "none promised to it")


async def test_items_sites_and_cases_are_compared_in_our_codes(world: World) -> None:
    await counted(world, 240, None, item="KIT-240")
    await world.wms("PUT", "/api/stock/ACME-9", {"warehouse": "DC1", "onHand": 20})
    await world.connections.put(
        world.tenant,
        "wms",
        system="wms",
        connector="stackyard_wms",
        settings={"url": world.services["wms"]["url"], "unit": "XCT"},
    )
    codes = [
        Code(kind="item", ours="KIT-240", theirs="ACME-9"),
        Code(kind="location", ours=SITE, theirs="DC1"),
    ]
    references = References(world.database)
    await references.put(world.tenant, "wms", list(enumerate(codes)), by="jo")
    await world.advance(hours=1)
    await compared(world)
    ((number, (here, there, told)),) = (await differs(world)).items()
    assert (number, told) == (f"stock_differs/KIT-240@{SITE}", "found")
    assert (here, there) == (f"240 EA of KIT-240 at {SITE}", "20 XCT on hand")
    ((message, _),) = await raised(world)
    assert "unit,12 EA,KIT-240/XCT,in" in message
    case = Code(kind="unit", ours="12 EA", theirs="ACME-9/XCT", direction="in")
    await references.put(world.tenant, "wms", [(1, case)], by="jo")
    await compared(world)
    assert await differs(world) == {}


async def test_what_changes_while_it_is_looked_at_does_not_count_yet(world: World) -> None:
    await counted(world, 100, 93)
    await world.advance(hours=1, poll=False)
    slow = {"fault": "slow", "operation": "allocation.open", "seconds": 3, "count": 1}
    await world.control("wms", "/faults", slow)
    comparing = asyncio.create_task(compared(world))
    async with asyncio.timeout(20):
        while not any(
            one["operation"] == "stock.list"
            for one in (await world.control("wms", "/ledger?detail=requests"))["requests"]
        ):
            await asyncio.sleep(0.02)
    await counted(world, None, 95)  # between the two readings
    assert (await comparing).open == 0
    assert await differs(world) == {}
    await compared(world)
    assert {told for *_, told in (await differs(world)).values()} == {"waiting"}


async def test_what_could_not_be_read_is_neither_found_nor_gone(world: World) -> None:
    await counted(world, 100, 93)
    await world.advance(hours=1, poll=False)
    await compared(world)
    before = await differs(world)
    await world.control("wms", "/faults", {"fault": "outage"})
    outcome = await compared(world)
    await world.http.delete(world.services["wms"]["url"] + "/faults")
    assert list(outcome.failed) == ["wms"]
    assert await differs(world) == before  # what could not be read is not gone
