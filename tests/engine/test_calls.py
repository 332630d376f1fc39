"""Calls: retried, found out before a repeat, in order, within limits, and never two of one at a time."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import UTC, datetime, timedelta

from played import chain, event, order

from crossdock.engine import Connections, idle_until
from crossdock.process.messages import RUN_CANCEL, STEP_RETRY, UNMAPPED, CallEnded

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)


def ends(*outcomes, then="done", world):
    """Answers with these outcomes, one after the other, then does it."""
    left = list(outcomes)

    async def answer(leased):
        if not left:
            return world.do(leased)
        outcome = left.pop(0)
        if outcome == "done but unknown":
            world.do(leased)
            return CallEnded(command=leased.command, outcome="unknown", reason="cut off")
        if outcome == "raises":
            raise RuntimeError("the connector is broken")
        return CallEnded(command=leased.command, outcome=outcome, reason="as told", retry_after=1.0)

    return answer


async def test_an_unreachable_system_is_tried_again_when_the_back_off_is_over_with_the_same_key(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(chain(steps=1))
    engine.world.answers["erp.do"] = ends("unreachable", "unreachable", world=engine.world)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        assert len(engine.world.calls) == 1
        await engine.clock.step(timedelta(seconds=6))
        await engine.until(lambda: _calls(engine, 2))
        await engine.idle()
        await engine.clock.step(timedelta(seconds=11))
        detail = await engine.ended("SO-1")
    assert [call.attempt for call in engine.world.calls] == [1, 2, 3]
    assert len({call.key for call in engine.world.calls}) == 1
    assert not any(call.find_first for call in engine.world.calls)
    assert [r.what for line in detail.lines for r in line.records if r.what == "call.retried"] == [
        "call.retried"
    ] * 2
    await engine.assert_sound()


async def _calls(engine, number):
    return len(engine.world.calls) >= number


async def test_an_unknown_outcome_is_found_out_before_it_is_repeated(engine):
    await engine.clock.set(NOON, rate=1000)
    await engine.publish(chain(steps=1))
    engine.world.answers["erp.do"] = ends("done but unknown", world=engine.world)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    assert [call.find_first for call in engine.world.calls] == [False, True]
    assert list(engine.world.done.values()) == [1]


async def test_a_connector_that_raises_leaves_an_unknown_outcome_not_a_dead_worker(engine):
    await engine.clock.set(NOON, rate=1000)
    await engine.publish(chain(steps=1))
    engine.world.answers["erp.do"] = ends("raises", world=engine.world)
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    assert [call.find_first for call in engine.world.calls] == [False, True]


async def test_a_call_that_outlives_its_lease_is_found_out_by_another_and_its_late_answer_is_only_kept(
    engine,
):
    await engine.publish(chain(steps=2))
    answered = asyncio.Event()

    async def hangs_once(leased):
        if len(engine.world.calls) > 1:
            return engine.world.do(leased)
        engine.world.do(leased)
        while not answered.is_set():  # deaf to its time-out, as a process is that hangs
            with contextlib.suppress(asyncio.CancelledError):
                await answered.wait()
        return CallEnded(command=leased.command, outcome="done", output={"late": True})

    engine.world.answers["erp.do"] = hangs_once
    async with engine.working(engine.worker(lease=0.4), engine.worker(lease=0.4)):
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        detail = await engine.ended("SO-1")
        answered.set()

        async def kept():
            return await engine.history.quarantine(engine.tenant)

        await engine.until(kept)
    assert [call.find_first for call in engine.world.calls] == [False, True, False]
    assert set(engine.world.done.values()) == {1}
    told = [record for line in detail.lines for record in line.records]
    assert {"late": True} not in [record.data.get("output") for record in told]
    (late,) = await engine.history.quarantine(engine.tenant)
    assert late.type == "call.late"
    await engine.assert_sound()


TWO_AT_ONCE = """
process: {name}
title: Two calls about one document
owner: tests
document: Order
key: ${{ order.number }}
start:
  - on: order.released
steps:
  a: {{ call: erp.do, with: {{ n: 1 }}, undo: none }}
  b: {{ call: erp.do, with: {{ n: 2 }}, undo: none }}
  c: {{ call: erp.do, with: {{ n: 3 }}, undo: none }}
"""


async def test_calls_about_one_document_to_one_system_leave_in_order_one_at_a_time(engine):
    await engine.publish(TWO_AT_ONCE.format(name="two"))

    async def takes_a_moment(leased):
        await asyncio.sleep(0.01)
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = takes_a_moment
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    assert [call.call.input["n"] for call in engine.world.calls] == [1, 2, 3]
    assert engine.world.most_out == 1
    await engine.assert_sound()


async def test_lanes_of_different_documents_do_not_wait_for_each_other(engine):
    await engine.publish(chain(steps=1))
    gate = asyncio.Event()

    async def first_hangs(leased):
        if leased.call.input["order"] == "SO-1":
            await gate.wait()
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = first_hangs
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1"), order("SO-2"), order("SO-3")])
        await engine.ended("SO-3")
        await engine.ended("SO-2")
        gate.set()
        await engine.ended("SO-1")


async def test_a_connection_s_limit_of_calls_at_one_time_holds_across_workers(engine):
    await engine.connect("erp", concurrency=2)
    await engine.publish(chain(steps=2))

    async def takes_a_moment(leased):
        await asyncio.sleep(0.005)
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = takes_a_moment
    async with engine.working(engine.worker(), engine.worker(), engine.worker()):
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(10)])
        for n in range(10):
            await engine.ended(f"SO-{n}")
    assert engine.world.most_out == 2
    assert sum(engine.world.done.values()) == 20
    await engine.assert_sound()


async def test_a_connection_s_rate_holds(engine):
    await engine.connect("erp", rate=20.0)
    await engine.publish(chain(steps=1))
    async with engine.working(look=0.01):
        loop = asyncio.get_running_loop()
        began = loop.time()
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(30)])
        await engine.until(lambda: _calls(engine, 30))
        took = loop.time() - began
    assert took >= (30 - 20) / 20  # a second's worth may leave at once


async def test_a_stopped_system_keeps_its_calls_in_order_and_drains_at_a_rate(engine):
    connections = Connections(engine.database)
    await engine.publish(chain(steps=1))
    await connections.stop(engine.tenant, "erp", by="ada")
    async with engine.working(look=0.01):
        for n in range(8):
            await engine.inbox.put(engine.tenant, [order(f"SO-{n}")])
        await engine.idle()
        assert engine.world.calls == []
        erp = next(c for c in await connections.of(engine.tenant) if c.name == "erp")
        assert (erp.waiting, erp.out, erp.stopped_by) == (8, 0, "ada")
        decided = await engine.sql("select key from crossdock.outbox order by due, id")
        await connections.start(engine.tenant, "erp", drain_rate=50.0)
        await engine.ended("SO-7")

        async def drained():
            erp = next(c for c in await connections.of(engine.tenant) if c.name == "erp")
            return erp.drain_rate is None and erp.waiting == 0

        await engine.until(drained)
    assert [call.key for call in engine.world.calls] == [row["key"] for row in decided]


async def test_a_system_can_be_stopped_for_all_tenants_at_once(engine):
    connections = Connections(engine.database)
    other = await engine.database.create_tenant("zeta")
    await connections.put(other, "erp", system="erp", connector="tests")
    assert await connections.stop(None, system="erp") == 2
    assert await connections.start(None, system="erp") == 2


async def test_a_breaker_opens_after_failures_in_a_row_and_one_call_tries_again(engine, monkeypatch):
    monkeypatch.setattr("crossdock.engine.outbox.BREAKER_FIRST", 0.3)
    await engine.clock.set(NOON, rate=1000)
    await engine.publish(chain(steps=1))
    down = True

    async def answer(leased):
        if down:
            return CallEnded(command=leased.command, outcome="unreachable", reason="refused")
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = answer
    connections = Connections(engine.database)
    async with engine.working(look=0.02):
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(6)])

        async def opened():
            erp = next(c for c in await connections.of(engine.tenant) if c.name == "erp")
            return erp.open_until is not None

        await engine.until(opened)
        down = False
        for n in range(6):
            await engine.ended(f"SO-{n}")
        erp = next(c for c in await connections.of(engine.tenant) if c.name == "erp")
        assert (erp.failures, erp.open_until) == (0, None)
    await engine.assert_sound()


async def test_an_outage_of_hours_is_waited_for_by_the_engine_s_clock_a_try_at_a_time(engine):
    await engine.clock.set(NOON, rate=0)
    await engine.publish(chain(steps=1))
    ends_at = NOON + timedelta(minutes=9)

    async def answer(leased):
        if await engine.clock.now() < ends_at:
            return CallEnded(command=leased.command, outcome="unreachable", reason="refused")
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = answer
    connections = Connections(engine.database)

    async def closed():
        erp = next(c for c in await connections.of(engine.tenant) if c.name == "erp")
        return erp.failures == 0 and erp.open_until is None

    async with engine.working():
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(6)])
        await engine.idle()
        while not await closed():  # the clock goes on only when nothing but pauses is left
            state = await idle_until(engine.database)
            if not state.busy and state.next_due is not None:
                assert state.next_due == state.next_try
                await engine.clock.step_to(state.next_try)
            await engine.idle()
        for n in range(6):
            await engine.ended(f"SO-{n}")
        assert await engine.clock.now() - ends_at <= timedelta(minutes=3)
    failed = len(engine.world.calls) - 6
    assert 8 <= failed <= 24  # six by six at first, then one for each pause
    await engine.assert_sound()


async def test_a_breaker_is_closed_by_whoever_tries_and_not_opened_by_what_nobody_was_asked(
    engine, monkeypatch
):
    monkeypatch.setattr("crossdock.engine.outbox.BREAKER_FIRST", 0.3)
    await engine.clock.set(NOON, rate=1000)
    await engine.publish(chain(steps=1))
    connections = Connections(engine.database)

    async def breaker():
        erp = next(c for c in await connections.of(engine.tenant) if c.name == "erp")
        return erp.failures, erp.open_until is not None

    async def down(leased):
        return CallEnded(command=leased.command, outcome="unreachable", reason="refused")

    engine.world.answers["erp.do"] = down
    async with engine.working(look=0.02):
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(6)])

        async def opened():
            return (await breaker())[1]

        await engine.until(opened)

    async def hangs(leased):
        await asyncio.Event().wait()

    async def tries():
        return engine.world.out == 1

    engine.world.answers["erp.do"] = hangs
    async with engine.working(look=0.02, lease=0.5, drain=0):  # one that tries, and is gone before it knows
        await engine.until(tries)
    del engine.world.answers["erp.do"]
    async with engine.working(look=0.02):  # another one, that has seen no failure
        for n in range(6):
            await engine.ended(f"SO-{n}")

        async def closed():
            return await breaker() == (0, False)

        await engine.until(closed)

    async def cannot_be_looked_up(leased):
        if not leased.find_first:
            await asyncio.Event().wait()
        return CallEnded(command=leased.command, outcome="unknown", reason="?", resolvable=False)

    engine.world.answers["erp.do"] = cannot_be_looked_up
    await engine.inbox.put(engine.tenant, [order(f"T-{n}") for n in range(6)])
    async with engine.working(look=0.02, lease=0.5, drain=0):

        async def all_out():
            return engine.world.out == 6

        await engine.until(all_out)
    async with engine.working(look=0.02):
        for n in range(6):
            await engine.ended(f"T-{n}", "held")
        await engine.idle()
    assert await breaker() == (0, False)


async def test_a_call_that_never_left_is_taken_back_and_one_that_is_out_is_found_out(engine):
    await engine.publish(chain(steps=2))
    connections = Connections(engine.database)
    await connections.stop(engine.tenant, "erp")
    async with engine.working():
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.idle()
        await engine.inbox.tell(engine.tenant, receipt.runs[0], event(RUN_CANCEL, {"reason": "no"}, id="c1"))
        await engine.ended("SO-1", "cancelled")
        assert engine.world.calls == []
        await connections.start(engine.tenant, "erp")

        gate = asyncio.Event()

        async def holds(leased):
            await gate.wait()
            return engine.world.do(leased)

        engine.world.answers["erp.do"] = holds
        (receipt,) = await engine.inbox.put(engine.tenant, [order("SO-2")])
        await engine.until(lambda: _calls(engine, 1))
        await engine.inbox.tell(engine.tenant, receipt.runs[0], event(RUN_CANCEL, {"reason": "no"}, id="c2"))
        detail = await engine.ended("SO-2", "cancelling")
        assert [call.status for call in detail.calls] == ["leased"]
        gate.set()
        await engine.ended("SO-2", "cancelled")
    assert len(engine.world.calls) == 1
    await engine.assert_sound()


async def test_a_system_without_a_connection_is_an_exception_that_says_so(engine):
    await engine.sql("delete from crossdock.connection where name = 'erp'")
    await engine.connect("wms")
    await engine.publish(chain(steps=1))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1", "held")
        (exception,) = await engine.history.exceptions(engine.tenant)
        assert (exception.type, exception.message) == (
            "connection_missing",
            "there is no connection erp: make one, of a connector that can do erp.do, and try again",
        )
        await engine.connect("erp")  # as it says
        again = event(STEP_RETRY, {"step": "s0", "note": "it is there now"}, id="r1")
        await engine.inbox.tell(engine.tenant, exception.run, again)
        await engine.ended("SO-1")
    assert [call.attempt for call in engine.world.calls] == [1]
    await engine.assert_sound()


async def test_a_code_that_the_partner_has_none_for_is_an_exception_of_its_own(engine):
    async def unmapped(leased):
        return CallEnded(command=leased.command, outcome="refused", reason="no code", code=UNMAPPED)

    engine.world.answers["erp.do"] = unmapped
    await engine.publish(chain(steps=1))
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1", "held")
        (exception,) = await engine.history.exceptions(engine.tenant)
    assert (exception.type, exception.message) == ("unmapped_value", "no code")
    await engine.assert_sound()
