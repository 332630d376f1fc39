"""The clock can be made virtual, set, stepped, and run fast."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crossdock.store import Clock, Database

SOME_DAY = datetime(2026, 3, 29, 0, 30, tzinfo=UTC)


async def test_a_clock_that_stands_moves_only_when_stepped(database: Database):
    clock = Clock(database)
    await clock.set(SOME_DAY, rate=0)
    assert await clock.now() == SOME_DAY
    assert await clock.step(timedelta(hours=2)) == SOME_DAY + timedelta(hours=2)
    assert await clock.step_to(SOME_DAY) == SOME_DAY + timedelta(hours=2)  # never back
    assert await clock.now() == SOME_DAY + timedelta(hours=2)


async def test_a_fast_clock_runs_fast_and_the_real_one_can_be_taken_again(database: Database):
    clock = Clock(database)
    await clock.set(SOME_DAY, rate=86_400)
    first = await clock.now()
    while await clock.now() < first + timedelta(hours=1):  # 42 ms of real time
        pass
    await clock.follow_real()
    assert abs(await clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
