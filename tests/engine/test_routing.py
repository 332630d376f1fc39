"""Events find their runs: by key, by alias, late, early, twice, or never."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from played import chain, event, order

from crossdock.engine import Arrival
from crossdock.errors import NotFound, Refused
from crossdock.process.messages import RUN_CANCEL, RUN_START

WAITS = """
process: waits
title: Waits for a delivery
owner: tests
document: Order
key: ${ order.number }
start:
  - on: order.released
on:
  order.cancelled: { do: cancel }
steps:
  book:
    call: tms.book
    with: { order: "${ order.number }" }
    undo: none
    alias: { tracking: "${ output.tracking }" }
  delivered:
    needs: book
    await: shipment.delivered
    within: 3 days
    late: { raise: delivery_late }
"""


def books(engine, tracking=""):
    """Bookings get the order's number as tracking number (SO-1: T-1), or this one."""

    async def answer(leased):
        return engine.world.do(
            leased, {"tracking": tracking or leased.call.input["order"].replace("SO", "T")}
        )

    engine.world.answers["tms.book"] = answer


async def test_the_same_event_twice_changes_nothing(engine):
    await engine.publish(chain(steps=1))
    async with engine.working():
        first, again = await asyncio.gather(
            engine.inbox.put(engine.tenant, [order("SO-1")]), engine.inbox.put(engine.tenant, [order("SO-1")])
        )
        assert sorted([first[0].fate, again[0].fate]) == ["duplicate", "routed"]
        detail = await engine.ended("SO-1")
    (later,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
    assert later.fate == "duplicate"
    assert len(detail.lines) == 2
    assert sum(engine.world.done.values()) == 1


async def test_an_event_that_knows_only_the_alias_finds_the_run(engine):
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        (receipt,) = await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-1")])
        assert receipt.fate == "routed"
        detail = await engine.ended("SO-1")
    assert ("tracking", "T-1") in detail.aliases
    assert [r.id for r in await engine.history.find(engine.tenant, "T-1")] == [detail.run.id]
    await engine.assert_sound()


async def test_an_event_that_comes_before_its_alias_is_parked_and_claimed_when_that_appears(engine):
    await engine.publish(WAITS)
    books(engine)
    (receipt,) = await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-1")])
    assert receipt.fate == "parked"
    assert [row.type for row in await engine.history.parked(engine.tenant)] == ["shipment.delivered"]
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    assert await engine.history.parked(engine.tenant) == []
    await engine.assert_sound()


async def test_an_event_that_names_the_order_before_it_is_released_is_claimed_by_the_start(engine):
    await engine.publish(WAITS)
    books(engine)
    await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, order="SO-1")])
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    assert await engine.history.parked(engine.tenant) == []


async def test_events_of_one_delivery_are_routed_whatever_their_order(engine):
    await engine.publish(WAITS)
    books(engine)
    receipts = await engine.inbox.put(
        engine.tenant, [event("shipment.delivered", {}, order="SO-1"), order("SO-1"), order("SO-2")]
    )
    assert [receipt.fate for receipt in receipts] == ["routed"] * 3
    assert receipts[0].runs == receipts[1].runs
    async with engine.working():
        await engine.ended("SO-1")


async def test_a_pair_that_was_parked_and_claimed_at_the_same_moment_is_joined_later(engine):
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
    await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-9")])
    # The alias appears in a transaction that did not see the parked row.
    await engine.sql(
        "insert into crossdock.alias (tenant, run, process, kind, value) "
        "select tenant, id, process, 'tracking', 'T-9' from crossdock.run"
    )
    async with engine.working():
        await engine.ended("SO-1")


async def test_one_event_goes_to_every_run_that_it_names(engine):
    await engine.publish(WAITS)
    await engine.publish(WAITS.replace("process: waits", "process: watches").replace("tms.book", "erp.do"))
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        (receipt,) = await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, order="SO-1")])
        assert len(receipt.runs) == 2
        await engine.ended("SO-1", process="waits")


async def test_a_start_by_hand_that_is_refused_leaves_nothing_and_may_be_asked_again(engine):
    await engine.publish(chain("once", steps=1))
    whose = "process: whose\nowner: tests\ndocument: Order\nkey: ${ order.customer.id }\n"
    await engine.publish(whose + "start:\n  - on: order.released\nsteps:\n  a: { set: { n: 1 } }\n")

    def by_hand(process, number):
        data = {"process": process, "document": order(number).data}
        return Arrival(id=f"{process} {number}", source="desk/jo", type=RUN_START, data=data)

    async with engine.working():
        await engine.inbox.put(engine.tenant, [by_hand("once", "SO-1")])
        await engine.ended("SO-1")
        another = msgspec.structs.replace(by_hand("once", "SO-1"), id="another")
        for asked, why in (
            (another, "has ended"),
            (by_hand("whose", "SO-1"), "it must be a text"),
            (by_hand("none", "SO-1"), "no process"),
        ):
            with pytest.raises(Refused, match=why):
                await engine.inbox.put(engine.tenant, [asked])
            assert not await engine.inbox.knows(engine.tenant, asked)
        assert await engine.history.quarantine(engine.tenant) == []
        await engine.publish(chain("once", steps=1, again="allow"))
        (receipt,) = await engine.inbox.put(engine.tenant, [another])
        assert receipt.fate == "routed"


async def test_a_start_for_a_key_that_has_ended_is_quarantined_unless_the_process_allows_it_again(engine):
    await engine.publish(chain("once", steps=1))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
        (receipt,) = await engine.inbox.put(
            engine.tenant, [event("order.released", {"number": "SO-1"}, id="second", order="SO-1")]
        )
    assert receipt.fate == "quarantined"
    (kept,) = await engine.history.quarantine(engine.tenant)
    assert "again: allow" in kept.reason
    await engine.publish(chain("once", steps=1, again="allow"))
    async with engine.working():
        receipt = await engine.inbox.release(engine.tenant, kept.id)
        assert receipt.fate == "routed"
        await engine.idle()
    runs = await engine.history.find(engine.tenant, "SO-1")
    assert [(run.generation, run.status) for run in runs] == [(2, "completed"), (1, "completed")]
    assert await engine.history.quarantine(engine.tenant) == []


async def test_a_start_for_a_live_key_goes_to_the_live_run(engine):
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        (first,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        newer = event("order.released", {"number": "SO-1", "version": "2"}, id="newer", order="SO-1")
        (second,) = await engine.inbox.put(engine.tenant, [newer])
        await engine.idle()
    assert second.runs == first.runs
    assert len(await engine.history.find(engine.tenant, "SO-1")) == 1


async def test_a_second_claim_of_an_alias_is_told_to_the_run_that_may_not_have_it(engine):
    await engine.publish(WAITS)
    books(engine, "T-1")
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        await engine.inbox.put(engine.tenant, [order("SO-2")])
        await engine.idle()
    (conflict,) = await engine.history.exceptions(engine.tenant)
    assert conflict.type == "alias_conflict"
    assert conflict.key == "SO-2"
    assert "waits/SO-1/1" in conflict.message
    await engine.assert_sound()
    close = {"exception": "waits/SO-2/1/x1", "action": "retry"}
    (second,) = await engine.history.find(engine.tenant, "SO-2")
    async with engine.working():
        await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, id="1", tracking="T-1")])
        await engine.ended("SO-1")
        await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, id="2", tracking="T-1")])
        await engine.inbox.tell(engine.tenant, second.id, event("exception.close", close, id="close"))
        await engine.ended("SO-2")  # what had waited for somebody to claim it is there as well
    await engine.assert_sound()


async def test_an_event_for_one_run_alone_reaches_it_and_no_other(engine):
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        (first,), (second,) = [
            await engine.inbox.put(engine.tenant, [order(number)]) for number in ("SO-1", "SO-2")
        ]
        await engine.idle()
        await engine.inbox.tell(
            engine.tenant, first.runs[0], event(RUN_CANCEL, {"reason": "not wanted"}, id="cancel")
        )
        await engine.ended("SO-1", "cancelled")
    assert (await engine.history.run(engine.tenant, second.runs[0])).run.status == "active"
    with pytest.raises(NotFound, match="there is no run 999"):
        await engine.inbox.tell(engine.tenant, 999, event(RUN_CANCEL, id="nobody"))


async def test_an_event_beyond_the_limits_is_refused_and_its_neighbours_are_not(engine):
    await engine.publish(chain(steps=1))
    with pytest.raises(Refused, match=r"5,000,0.. bytes"):
        await engine.inbox.put(
            engine.tenant, [event("order.released", {"number": "x" * 5_000_000}, order="1")]
        )
    with pytest.raises(Refused, match="not JSON"):
        await engine.inbox.put(engine.tenant, [event("order.released", {"number": object()}, order="2")])
    with pytest.raises(Refused, match="300 keys"):
        await engine.inbox.put(engine.tenant, [event("x.y", {}, **{f"k{n}": "v" for n in range(300)})])
    assert await engine.sql("select * from crossdock.seen") == []


async def test_what_no_run_claims_is_kept_until_it_is_dismissed_or_given_to_a_run(engine):
    await engine.publish(WAITS)
    books(engine)
    receipts = await engine.inbox.put(
        engine.tenant, [event("shipment.delivered", {}, parcel=parcel) for parcel in ("P-1", "P-2")]
    )
    assert [receipt.fate for receipt in receipts] == ["parked", "parked"]
    delivered, other = await engine.history.parked(engine.tenant)
    await engine.inbox.dismiss(engine.tenant, other.id)
    with pytest.raises(NotFound):
        await engine.inbox.dismiss(engine.tenant, other.id)
    async with engine.working():
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.inbox.attach(engine.tenant, delivered.id, receipt.runs[0])
        await engine.ended("SO-1")
    assert await engine.history.parked(engine.tenant) == []


async def test_what_no_process_has_a_use_for_is_kept_and_waits_for_nobody(engine):
    await engine.publish(WAITS)
    (receipt,) = await engine.inbox.put(engine.tenant, [event("claim.filed", {}, claim="C-1")])
    assert receipt.fate == "unwanted"
    assert await engine.history.parked(engine.tenant) == []
    async with engine.database.of(engine.tenant) as transaction:
        rows = await transaction.fetch(
            "select type, dismissed is not null as dismissed from crossdock.parked"
        )
    assert [tuple(row) for row in rows] == [("claim.filed", True)]


async def test_a_tenant_sees_only_its_own_runs_and_events_never_cross(engine):
    other = await engine.database.create_tenant("zeta")
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        (receipt,) = await engine.inbox.put(
            other, [event("shipment.delivered", {}, tracking="T-1", order="SO-1")]
        )
        assert receipt.fate == "unwanted"
        await engine.idle()
    assert await engine.history.runs(other) == []
    assert (await engine.run_of("SO-1")).run.status == "active"
    with pytest.raises(NotFound):
        await engine.history.run(other, (await engine.run_of("SO-1")).run.id)
