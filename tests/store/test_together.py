"""Writes that come at the same time share a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from crossdock.errors import Refused, Unreachable
from crossdock.store import Together


class Desk:
    """Keeps what it is given, and what came together."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.away = False

    async def write(self, items: Sequence[str]) -> list[str]:
        await asyncio.sleep(0)
        if self.away:
            raise Unreachable("nobody is there")
        if "bad" in items:
            raise Refused("bad")
        self.batches.append(list(items))
        return [item.upper() for item in items]


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def put_all(together: Together[str, str], *items: tuple[int, str]) -> list[object]:
    return await asyncio.gather(*(together.put(lane, item) for lane, item in items), return_exceptions=True)


async def test_what_comes_while_one_is_written_goes_together(desk: Desk) -> None:
    together = Together(desk.write)
    first = asyncio.create_task(together.put(1, "a"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await put_all(together, (1, "b"), (1, "c")) == ["B", "C"]
    assert await first == "A"
    assert desk.batches == [["a"], ["b", "c"]]


async def test_a_lane_that_sends_much_does_not_stand_before_the_others(desk: Desk) -> None:
    together = Together(desk.write, most=3)
    await put_all(together, (1, "a"), (1, "b"), (1, "c"), (1, "d"), (2, "x"))
    assert desk.batches == [["a", "x", "b"], ["c", "d"]]


async def test_one_that_is_refused_refuses_none_of_the_others(desk: Desk) -> None:
    results = await put_all(Together(desk.write), (1, "a"), (1, "bad"), (1, "c"), (1, "d"))
    assert [str(result) for result in results] == ["A", "bad", "C", "D"]
    assert sorted(desk.batches) == [["a"], ["c", "d"]]


async def test_all_are_told_when_nobody_is_there_and_the_next_may_be_kept(desk: Desk) -> None:
    together = Together(desk.write)
    desk.away = True
    results = await put_all(together, (1, "a"), (2, "b"))
    assert [type(result) for result in results] == [Unreachable, Unreachable]
    desk.away = False
    assert await together.put(1, "c") == "C"


async def test_what_weighs_much_goes_alone(desk: Desk) -> None:
    together = Together(desk.write, most=3, weigh=len)
    await put_all(together, (1, "aaaa"), (1, "bb"), (1, "c"), (1, "d"))
    assert desk.batches == [["aaaa"], ["bb", "c"], ["d"]]
