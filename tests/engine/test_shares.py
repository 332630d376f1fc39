"""Workers share runs out; what one leaves, others take."""

from __future__ import annotations

from played import chain, order

from crossdock.engine.correlate import RunRef
from crossdock.engine.shares import Shares

ORDERS = [f"SO-{n}" for n in range(24)]


async def test_two_workers_each_take_their_part(engine):
    await engine.publish(chain(steps=2))
    first, second = engine.worker(), engine.worker()
    async with engine.working(first, second):

        async def both_are_there():
            return len(await engine.sql("select owner from crossdock.worker")) == 2

        await engine.until(both_are_there)
        (since,) = await engine.sql("select max(seen) as seen from crossdock.worker")

        async def both_know():
            return await engine.sql("select from crossdock.worker having min(seen) > $1", since["seen"])

        await engine.until(both_know)
        await engine.inbox.put(engine.tenant, [order(number) for number in ORDERS])
        for number in ORDERS:
            await engine.ended(number)
    assert min(first.decisions, second.decisions) > 0
    assert first.decisions + second.decisions == len(ORDERS) * 3
    assert set(engine.world.done.values()) == {1}
    await engine.assert_sound()


async def test_what_a_worker_that_does_nothing_leaves_is_taken_by_the_others(engine):
    await engine.publish(chain(steps=2))
    await engine.sql("insert into crossdock.worker values (1, clock_timestamp() + interval '1 hour')")
    async with engine.working():
        await engine.inbox.put(engine.tenant, [order(number) for number in ORDERS])
        for number in ORDERS:
            await engine.ended(number)
    await engine.assert_sound()


async def test_a_run_of_another_s_part_that_was_decided_meanwhile_waits_anew(engine):
    seconds = 0.0
    shares = Shares(engine.database, 2, real=lambda: seconds)
    await engine.sql("insert into crossdock.worker values (1, clock_timestamp() + interval '1 hour')")
    await shares.say()
    theirs = next(RunRef(1, run) for run in (1, 2) if not shares.of_mine([RunRef(1, run)]))
    assert shares.found([theirs]) == []
    seconds = 0.4
    assert shares.found([theirs]) == []
    seconds = 9.0  # decided long ago, and found once more
    assert shares.found([theirs]) == []
    seconds = 9.4
    assert shares.found([theirs]) == []
    seconds = 9.6
    assert shares.found([theirs]) == [theirs]


async def test_a_worker_that_ends_leaves_its_part_at_once(engine):
    async with engine.working():
        assert len(await engine.sql("select owner from crossdock.worker")) <= 1
    assert await engine.sql("select owner from crossdock.worker") == []
