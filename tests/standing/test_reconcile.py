"""What stands in the systems is compared with what stands here: each fault shows, once, and goes by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from standing_world import CARRIERS, World

from crossdock.connect import Calls
from crossdock.errors import Conflict, NotFound

pytestmark = pytest.mark.asyncio(loop_scope="module")

SOON = {"pickup_after_hours": 4, "delivered_after_hours": 30}


async def differences(world: World) -> list[tuple[str, str]]:
    """Kind and number of what differs now."""
    rows = await world.fetch(
        "select kind, about from crossdock.difference where tenant = crossdock.tenant() and gone is null "
        "order by kind, about"
    )
    return [(row["kind"], row["about"]) for row in rows]


async def compared(world: World) -> Any:
    """Compare now, and let what follows happen."""
    outcome = await world.reconciler.once(world.tenant)
    await settled(world)
    return outcome


async def settled(world: World) -> None:
    """The second in which an exception of a difference opens."""
    await world.rest()
    await world.advance(seconds=2, poll=False)


async def delivered(world: World, number: str) -> None:
    """An order goes all the way."""
    for carrier in CARRIERS:
        await world.script(carrier, order=number, **SOON)
    await world.release(number)
    await passing(world, 1, 6, 13, 13, 13, 13)


async def passing(world: World, *spans: float) -> None:
    """So many hours pass, one span after the other."""
    for hours in spans:
        await world.advance(hours=hours)
        await world.tracker.turn()
        await world.rest()


async def asked(world: World, service: str) -> int:
    """How many requests it has had."""
    return len((await world.control(service, "/ledger?detail=requests"))["requests"])


async def the(world: World, type_: str = "systems_differ") -> list[tuple[str, bool]]:
    return [(message, open_) for kind, message, open_ in await world.exceptions() if kind == type_]


async def test_what_agrees_differs_in_nothing(world: World) -> None:
    await delivered(world, "SO-1")
    assert (await world.run("order-to-cash", "SO-1")).status == "completed"
    outcome = await compared(world)
    shipments = outcome.compared["shipments"]
    nothing = {"stock": 0, "allocations": 0}
    assert outcome.compared == {"orders": 1, "invoices": 1, "shipments": shipments, **nothing}
    assert outcome.failed == {}
    assert await differences(world) == []


async def test_what_came_about_while_the_systems_were_read_is_not_missed_there(world: World) -> None:
    for carrier in CARRIERS:
        await world.script(carrier, order="SO-1", **SOON)
    await world.release("SO-1")
    await passing(world, 1, 6, 13, 13)
    await world.control("wms", "/faults", {"fault": "slow", "operation": "events", "seconds": 3, "count": 1})
    read = await asked(world, "farrow")
    comparing = asyncio.create_task(world.reconciler.once(world.tenant, ["invoices", "shipments"]))
    async with asyncio.timeout(20):
        while await asked(world, "farrow") == read:  # it is read after the ERP, and before the warehouse
            await asyncio.sleep(0.02)
    await passing(world, 13, 13)  # it is delivered and billed, after the ERP was read
    assert not comparing.done()
    outcome = await comparing
    assert (await world.run("order-to-cash", "SO-1")).steps["invoice"].status == "succeeded"
    assert (outcome.failed, await differences(world)) == ({}, [])


async def test_an_order_that_was_lost_on_its_way_is_one_exception_with_both_sides_until_it_is_taken_in(
    world: World,
) -> None:
    await world.release("SO-1")
    await world.advance(minutes=10, poll=False)
    await compared(world)
    assert await differences(world) == []  # it may be on its way
    await world.advance(hours=1, poll=False)
    await compared(world)
    await compared(world)
    assert await differences(world) == [("order_missing_here", "SO-1")]
    ((message, open_),) = await the(world)
    assert open_
    assert "here, no run has it; in erp, SO-1 is released, 125.00 USD" in message
    assert "Take the order in: crossdock reconcile --mend order_missing_here/SO-1" in message
    assert await world.reconciler.mend(world.tenant, "order_missing_here/SO-1", by="jo") == 1
    await world.rest()
    assert (await world.run("order-to-cash", "SO-1")).status == "active"
    await compared(world)
    assert await differences(world) == []
    assert [open_ for _, open_ in await the(world)] == [False]
    await world.poll()  # what comes late after all changes nothing
    assert (await world.run("order-to-cash", "SO-1")).generation == 1
    with pytest.raises(NotFound, match="no open difference"):
        await world.reconciler.mend(world.tenant, "order_missing_here/SO-1", by="jo")


async def test_an_invoice_that_somebody_made_by_hand_has_no_proof_behind_it(world: World) -> None:
    await world.release("SO-1")
    await world.advance(minutes=2)
    invoice = await world.erp("POST", "/invoices", {"order": "SO-1", "reference": "by hand"})
    await world.erp("POST", f"/invoices/{invoice['id']}/post", {})
    await world.advance(hours=1)
    await compared(world)
    ((kind, number),) = await differences(world)
    assert kind == "invoice_without_proof"
    ((message, _),) = await the(world)
    assert f"invoice {number} of SO-1, 125.00 USD" in message
    assert "deliveries are proved" in message
    await world.erp(
        "POST",
        "/credit-notes",
        {"invoice": invoice["id"], "reference": "x", "reason": "by mistake", "amount": "125.00"},
    )
    await compared(world)
    assert await differences(world) == []


async def test_a_second_invoice_of_one_order_shows(world: World) -> None:
    await delivered(world, "SO-1")
    invoice = await world.erp("POST", "/invoices", {"order": "SO-1", "reference": "again"})
    await world.erp("POST", f"/invoices/{invoice['id']}/post", {})
    await world.advance(hours=1)
    await compared(world)
    ((kind, _),) = await differences(world)
    assert kind == "invoiced_twice"


async def test_a_cancellation_that_was_lost_is_taken_in(world: World) -> None:
    await world.release("SO-1")
    await world.advance(minutes=2)
    await world.erp("POST", "/orders/SO-1/cancel", {"reason": "not wanted"})
    await world.advance(hours=1, poll=False)
    await compared(world)
    assert await differences(world) == [("order_cancelled_there", "SO-1")]
    await world.reconciler.mend(world.tenant, "order_cancelled_there/SO-1", by="jo")
    await world.rest()
    assert (await world.run("order-to-cash", "SO-1")).status in ("cancelling", "cancelled")


async def test_a_booking_that_no_shipment_knows_shows(world: World) -> None:
    body = {
        "shipment": {
            "number": "X-1", "order": "SO-9",
            "ship_to": {"name": "A", "city": "Oakland", "postal_code": "94607", "country": "US"},
            "packages": [{"id": "1", "weight": {"value": "4.4", "unit": "KGM"}}],
        },
        "service": "STD48",
        "reference": "X-1",
    }  # fmt: skip
    operation = next(
        one for one in world.installed.connectors.connectors["farrow"].operations if one.name == "book"
    )
    await Calls(world.lines, world.wire).ask(world.tenant.id, "farrow", operation.do, body)
    await world.advance(hours=2, poll=False)
    await compared(world)
    ((kind, number),) = await differences(world)
    assert kind == "booking_without_shipment"
    assert number.startswith("FP-")


async def test_what_cannot_be_read_is_neither_found_nor_gone(world: World) -> None:
    await world.release("SO-1")
    await world.advance(hours=1, poll=False)
    await compared(world)
    await world.control("erp", "/faults", {"fault": "outage"})
    outcome = await compared(world)
    assert list(outcome.failed) == ["erp"]
    assert await differences(world) == [("order_missing_here", "SO-1")]
    async with world.http.delete(world.services["erp"]["url"] + "/faults") as reply:
        assert reply.status == 200
    await world.poll()
    await compared(world)
    assert await differences(world) == []


async def test_it_is_compared_on_its_schedule_and_by_one_at_a_time(world: World) -> None:
    await world.reconciler.turn()
    assert (await world.fetch("select ran from crossdock.reconciliation where tenant = crossdock.tenant()"))[
        0
    ]["ran"] is None  # not before the feeds had time to be read
    await world.release("SO-1")
    await world.advance(hours=1, poll=False)
    assert await world.reconciler.turn() == 1
    assert await world.reconciler.turn() == 0
    await settled(world)
    assert await differences(world) == [("order_missing_here", "SO-1")]
    outcomes = await asyncio.gather(
        *(world.reconciler.once(world.tenant) for _ in range(2)), return_exceptions=True
    )
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [Conflict]
