"""Connections that are cut, calls that hang, neighbours that have a backlog."""

from __future__ import annotations

import asyncio
import random

import asyncpg
from played import chain, event, order

from crossdock.engine import Repairs, replay
from crossdock.process.messages import CallEnded


async def test_connections_cut_at_any_moment_lose_nothing_and_repeat_nothing(engine):
    chance = random.Random(7)
    text = chain(steps=4).replace(
        "undo: none", "undo: none\n    retry: { first: 1s, most: 1s, attempts: 50 }"
    )
    await engine.publish(text)
    owner = await asyncpg.connect(engine.database.url)

    async def takes_a_moment(leased):
        await asyncio.sleep(chance.random() * 0.01)
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = takes_a_moment
    await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(30)])
    async with engine.working(lease=2.0):
        for _ in range(12):
            await asyncio.sleep(chance.random() * 0.1)
            await owner.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity "
                "where usename = 'crossdock_engine' and datname = current_database()"
            )

        async def all_ended():
            rows = await owner.fetch("select status, count(*) as n from crossdock.run group by 1")
            return {row["status"]: row["n"] for row in rows} == {"completed": 30}

        await engine.until(all_ended)
    await owner.close()
    assert len(engine.world.done) == 120
    assert set(engine.world.done.values()) == {1}
    await engine.assert_sound()


async def test_a_call_that_takes_longer_than_its_time_is_found_out_not_repeated(engine):
    text = chain(steps=1).replace("undo: none", "undo: none\n    retry: { first: 1s, most: 1s, attempts: 5 }")
    await engine.publish(text)

    async def hangs_once(leased):
        answer = engine.world.do(leased)
        if len(engine.world.calls) == 1:
            await asyncio.Event().wait()
        return answer

    engine.world.answers["erp.do"] = hangs_once
    async with engine.working(lease=0.5):
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    assert [call.find_first for call in engine.world.calls] == [False, True]
    assert list(engine.world.done.values()) == [1]


async def test_a_lease_that_ran_out_before_its_worker_heard_of_it_is_not_used(engine):
    text = chain(steps=1).replace("undo: none", "undo: none\n    retry: { first: 1s, most: 1s, attempts: 5 }")
    await engine.publish(text)
    owner = await asyncpg.connect(engine.database.url)
    await owner.execute(  # the commit of the first decision takes longer than the lease that it gives
        "create function crossdock.dawdle() returns trigger language plpgsql as "
        "$$ begin perform pg_sleep(1.2); return null; end $$; "
        "create constraint trigger dawdle after insert on crossdock.history_rest deferrable initially "
        "deferred for each row when (new.seq = 1) execute function crossdock.dawdle()"
    )
    for part in await owner.fetch(
        "select inhrelid::regclass::text as name from pg_inherits "
        "where inhparent = 'crossdock.history'::regclass and inhrelid <> 'crossdock.history_rest'::regclass"
    ):
        await owner.execute(
            f"create constraint trigger dawdle after insert on {part['name']} deferrable initially deferred "
            "for each row when (new.seq = 1) execute function crossdock.dawdle()"
        )

    async def takes_a_while(leased):
        if not leased.find_first:
            await asyncio.sleep(0.5)
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = takes_a_while
    workers = [engine.worker(lease=1.0) for _ in range(2)]
    async with engine.working(*workers):
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.ended("SO-1")
    await owner.close()
    assert list(engine.world.done.values()) == [1]
    assert [call.find_first for call in engine.world.calls] == [True]


async def test_what_was_decided_before_the_database_went_away_stands_and_keeps_no_room(engine):
    await engine.publish(chain(steps=30))
    owner = await asyncpg.connect(engine.database.url)
    await owner.execute(  # a disk that is full for one run alone, for a while
        "create sequence crossdock.tries; grant usage on sequence crossdock.tries to crossdock_engine; "
        "create function crossdock.full_disk() returns trigger language plpgsql as $$ begin "
        "if nextval('crossdock.tries') < 6 then raise exception 'no room' using errcode = '53100'; end if; "
        "return new; end $$; "
        "create trigger full_disk before insert on crossdock.history for each row "
        "when (new.run = 2 and new.seq = 1) execute function crossdock.full_disk()"
    )
    async with engine.working(most_calls=2):
        await engine.inbox.put(engine.tenant, [order("SO-1")])
        await engine.inbox.put(engine.tenant, [order("SO-2")])
        await engine.ended("SO-1")
        await engine.ended("SO-2")
    await owner.close()
    assert set(engine.world.done.values()) == {1}
    assert await engine.history.quarantine(engine.tenant) == []  # no answer was taken for a late one
    await engine.assert_sound()


async def test_an_event_that_makes_a_state_too_large_is_the_one_that_is_set_aside(engine):
    text = (
        chain(steps=1)
        + """
  eaten:
    await: warehouse.shipment_packed
    until: ${ size(steps.eaten.events) >= 9 }
    within: 900 days
    late: { escalate: chief }
"""
    )
    await engine.publish(text)
    meals = [
        event("warehouse.shipment_packed", {"food": "x" * 3_400_000}, id=f"meal {n}", order="SO-1")
        for n in range(4)
    ]

    async def aside():
        kept = (await engine.run_of("SO-1")).aside
        return [(error is not None, one.id) for error, one in kept if one.id.startswith("meal")]

    await engine.inbox.put(engine.tenant, [order("SO-1"), *meals[:3], order("SO-2")])
    async with engine.working():
        detail = await engine.ended("SO-1", "held")
        assert "is the most" in detail.run.error
        assert await aside() == [(True, "meal 1"), (False, "meal 2")]
        await engine.inbox.put(engine.tenant, meals[3:])
        assert await aside() == [(True, "meal 1"), (False, "meal 2"), (False, "meal 3")]

        async def its_call_is_done():
            detail = await engine.run_of("SO-2")
            return detail is not None and detail.state.steps["s0"].status == "succeeded"

        await engine.until(its_call_is_done)  # nobody else waits for it
        await Repairs(engine.database, engine.library).release(engine.tenant, detail.run.id, again=False)

        async def stopped_by_the_next():
            return await aside() == [(True, "meal 2"), (False, "meal 3")]

        await engine.until(stopped_by_the_next)
    assert (await replay(engine.database, engine.library, engine.tenant, detail.run.id)).same


async def test_a_backlog_of_one_tenant_does_not_stand_before_the_others(engine):
    from crossdock.engine import Connections

    quiet = await engine.database.create_tenant("quiet")
    await Connections(engine.database).put(quiet, "erp", system="erp", connector="tests")
    await engine.publish(chain(steps=1))
    await engine.library.publish(quiet, chain(steps=1))
    await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(1000)])
    await engine.inbox.put(quiet, [order("Q-1")])
    async with engine.working():

        async def its_turn():
            return any(call.tenant == quiet.id for call in engine.world.calls)

        await engine.until(its_turn)
        before = [call.tenant for call in engine.world.calls].index(quiet.id)
    assert before < 200


async def test_a_partner_that_does_not_answer_takes_no_more_than_half_of_the_worker(engine):
    await engine.publish(chain(steps=1))
    await engine.publish(
        chain("other", steps=1).replace("erp.do", "wms.pick").replace("order.released", "order.created")
    )
    gate = asyncio.Event()

    async def never(leased):
        await gate.wait()
        return engine.world.do(leased)

    engine.world.answers["erp.do"] = never
    async with engine.working(most_calls=20):
        await engine.inbox.put(engine.tenant, [order(f"SO-{n}") for n in range(50)])

        async def half():
            return engine.world.out == 10

        await engine.until(half)
        created = [order(f"C-{n}") for n in range(5)]
        import msgspec

        await engine.inbox.put(
            engine.tenant, [msgspec.structs.replace(c, type="order.created") for c in created]
        )
        for n in range(5):
            await engine.ended(f"C-{n}", process="other")
        assert engine.world.out == 10
        gate.set()
        for n in range(50):
            await engine.ended(f"SO-{n}")


async def test_a_worker_that_is_stopped_waits_for_its_calls_and_leaves_nothing_leased(engine):
    await engine.publish(chain(steps=3))
    gate = asyncio.Event()

    async def holds(leased):
        await gate.wait()
        return CallEnded(command=leased.command, outcome="done", output={"ok": True})

    engine.world.answers["erp.do"] = holds
    async with engine.working() as worker:
        await engine.inbox.put(engine.tenant, [order("SO-1")])

        async def out():
            return engine.world.out == 1

        await engine.until(out)
        worker.stop()
        gate.set()
    assert len(engine.world.calls) == 1
    assert await engine.sql("select 1 from crossdock.outbox where status in ('leased', 'reported')") == []
    async with engine.working():
        await engine.ended("SO-1")
    assert len(engine.world.calls) == 3
