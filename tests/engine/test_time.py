"""Deadlines by a clock that is set, not slept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from played import event, order
from test_routing import WAITS, books

from crossdock.engine import Connections, idle_until

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


async def test_a_deadline_that_passes_raises_and_the_event_that_comes_late_closes_it(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        state = await idle_until(engine.database)
        assert (state.busy, state.next_due) == (False, NOON + timedelta(days=3))
        await engine.clock.step_to(state.next_due)

        async def raised():
            return await engine.history.exceptions(engine.tenant)

        (late,) = await engine.until(raised)
        assert (late.type, late.step, late.opened) == ("delivery_late", "delivered", NOON + timedelta(days=3))
        await engine.clock.step(timedelta(hours=2))
        await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-1")])
        await engine.ended("SO-1")
    assert await engine.history.exceptions(engine.tenant) == []
    (closed,) = await engine.history.exceptions(engine.tenant, closed=True)
    assert closed.closed == NOON + timedelta(days=3, hours=2)
    await engine.assert_sound()


async def test_an_event_received_in_time_beats_the_deadline_however_late_it_is_decided(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
    await engine.clock.step(timedelta(days=3))  # due now
    await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-1")])
    await engine.clock.step(timedelta(days=1))  # nobody was at work meanwhile
    async with engine.working():
        await engine.ended("SO-1")
    assert await engine.history.exceptions(engine.tenant, closed=True) == []
    await engine.assert_sound()


async def test_an_event_received_after_the_deadline_comes_late_even_if_both_are_decided_at_once(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(WAITS)
    books(engine)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
    await engine.clock.step(timedelta(days=3, minutes=1))
    await engine.inbox.put(engine.tenant, [event("shipment.delivered", {}, tracking="T-1")])
    async with engine.working():
        detail = await engine.ended("SO-1")
    assert [line.event.type for line in detail.lines][-2:] == ["timer.due", "shipment.delivered"]
    assert len(await engine.history.exceptions(engine.tenant, closed=True)) == 1
    await engine.assert_sound()


async def test_deadlines_stand_still_while_a_system_is_stopped_if_that_was_chosen(engine):
    text = WAITS.replace(
        "    undo: none\n    alias",
        "    undo: none\n    within: 1 h\n    late: { raise: pick_late }\n    alias",
    )
    await engine.clock.set(NOON, rate=0)
    await engine.publish(text)
    books(engine)
    connections = Connections(engine.database)
    await connections.stop(engine.tenant, "tms", deadlines_run=False)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        await engine.clock.step(timedelta(hours=2))
        await engine.inbox.put(engine.tenant, [order("SO-2")])
        await engine.until(lambda: _has_calls(engine, "SO-2"))
        assert await engine.history.exceptions(engine.tenant) == []
        await connections.start(engine.tenant, "tms")

        async def delivered_waits():
            detail = await engine.run_of("SO-1")
            return detail.state.steps["delivered"].status == "waiting"

        await engine.until(delivered_waits)
    await engine.assert_sound()


async def _has_calls(engine, key):
    detail = await engine.run_of(key)
    return detail is not None and detail.calls
