"""Who decides for loud tenants gives way to what quiet ones have to do, and not for ever."""

from __future__ import annotations

import asyncio

from crossdock.engine.give_way import MOST_PATIENCE, REST, GiveWay


async def test_others_wait_while_a_quick_hand_is_at_work_and_until_it_has_rested():
    give_way = GiveWay()
    with give_way.quickly():
        other = asyncio.create_task(give_way.wait())
        await asyncio.sleep(0)
        assert not other.done()
    await other
    assert not give_way.asked
    assert give_way.gave >= REST * 0.9  # clocks of the loop may be coarse


async def test_a_quick_hand_does_not_give_way_to_itself_or_another_quick_one():
    give_way = GiveWay()

    async def another():
        with give_way.quickly():
            await give_way.wait()
            return give_way.asked

    with give_way.quickly():
        assert not give_way.asked
        assert await asyncio.create_task(another()) is False
    assert give_way.gave == 0


async def test_patience_ends_and_comes_back_with_work():
    give_way = GiveWay()

    async def loud():
        await give_way.wait()
        assert not give_way.asked  # the quick hand is still at work
        first = give_way.gave
        give_way.worked(MOST_PATIENCE / 4)
        assert give_way.asked
        await give_way.wait()
        return first, give_way.gave - first

    with give_way.quickly():
        first, second = await asyncio.create_task(loud())
    assert MOST_PATIENCE * 0.9 <= first
    assert MOST_PATIENCE * 0.9 / 4 <= second < first
