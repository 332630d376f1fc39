"""Deadlines by a clock that is set, not slept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
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


PICKED = WAITS.replace(
    "    undo: none\n    alias",
    "    undo: none\n    within: 1 h\n    late: { raise: pick_late }\n    alias",
)


async def test_deadlines_stand_still_while_a_system_is_stopped_if_that_was_chosen(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(PICKED)
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
        assert await engine.history.exceptions(engine.tenant, closed=True) == []
    await engine.assert_sound()


async def test_what_stood_still_is_put_off_by_as_long_and_no_moment_counts_twice(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(PICKED)
    connections = Connections(engine.database)
    await connections.stop(engine.tenant, "tms", deadlines_run=False)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.until(lambda: _has_calls(engine, "SO-1"))
        await engine.clock.step(timedelta(hours=5))
        await engine.inbox.put(engine.tenant, [order("SO-2")])  # waits for two hours of them
        await engine.until(lambda: _has_calls(engine, "SO-2"))
        await engine.clock.step(timedelta(hours=2))
        await connections.start(engine.tenant, "tms", drain_rate=1e-9)
        for key, due in (("SO-1", NOON + timedelta(hours=8)), ("SO-2", NOON + timedelta(hours=8))):
            await engine.until(lambda key=key, due=due: _due_at(engine, key, due))
        (first, *_), (second, *_) = [await _stood(engine, key) for key in ("SO-1", "SO-2")]
        assert (first["since"], second["since"]) == ("2026-05-04T12:00:00Z", "2026-05-04T17:00:00Z")
        await connections.stop(engine.tenant, "tms", deadlines_run=False)
        await engine.clock.step(timedelta(minutes=30))
        await connections.start(engine.tenant, "tms", drain_rate=1e-9)
        await engine.until(lambda: _due_at(engine, "SO-1", NOON + timedelta(hours=8, minutes=30)))
        await engine.clock.step(timedelta(hours=1))

        async def late():
            return len(await engine.history.exceptions(engine.tenant)) == 2

        await engine.until(late)  # the deadlines run again
    await engine.assert_sound()


@pytest.mark.parametrize("still", [True, False])
async def test_a_run_that_waits_for_news_of_a_number_stands_still_with_the_carrier_that_is_asked_for_it(
    engine, still
):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(WAITS)  # three days for a delivery
    books(engine)
    connections = Connections(engine.database)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        assert await _due_at(engine, "SO-1", NOON + timedelta(days=3), "delivered")
        await engine.sql(
            "insert into crossdock.tracking (tenant, connection, number, run) "
            f"select tenant, 'tms', 'T-1', id from crossdock.run where tenant = {engine.tenant.id}"
        )
        await connections.stop(engine.tenant, "tms", deadlines_run=not still)
        await engine.clock.step(timedelta(days=5))
        await engine.inbox.put(engine.tenant, [order("SO-2")])
        await engine.until(lambda: _has_calls(engine, "SO-2"))
        if still:
            assert await engine.history.exceptions(engine.tenant) == []
            await connections.start(engine.tenant, "tms")
            await engine.until(lambda: _due_at(engine, "SO-1", NOON + timedelta(days=8), "delivered"))
            (told,) = await _stood(engine, "SO-1")
            assert (told["since"], told["until"]) == ("2026-05-04T12:00:00Z", "2026-05-09T12:00:00Z")
        else:
            (late,) = await engine.until(lambda: engine.history.exceptions(engine.tenant))
            assert late.type == "delivery_late"
    await engine.assert_sound()


async def test_deadlines_run_on_while_a_system_is_stopped_unless_that_was_chosen(
    engine,
):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(PICKED)
    connections = Connections(engine.database)
    await connections.stop(engine.tenant, "tms")
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.until(lambda: _has_calls(engine, "SO-1"))
        await engine.clock.step(timedelta(hours=2))

        async def late():
            return await engine.history.exceptions(engine.tenant)

        (one,) = await engine.until(late)
        assert one.type == "pick_late"
        await connections.start(engine.tenant, "tms")
        books(engine)

        async def booked():
            detail = await engine.run_of("SO-1")
            return detail.state.steps["book"].status == "succeeded"

        await engine.until(booked)
        assert await _stood(engine, "SO-1") == []
    await engine.assert_sound()


async def _due_at(engine, key, due, step="book"):
    detail = await engine.run_of(key)
    return detail.state.steps[step].due == due


async def _stood(engine, key):
    detail = await engine.run_of(key)
    return [
        record.data for line in detail.lines for record in line.records if record.what == "run.stood_still"
    ]


async def _has_calls(engine, key):
    detail = await engine.run_of(key)
    return detail is not None and detail.calls
