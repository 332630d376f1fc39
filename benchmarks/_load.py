"""Load, and what it tells: closed (so many at a time) or steady (so many a second, whatever comes back)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Taken:
    """How long each took, sorted, in seconds; and all together."""

    seconds: list[float]
    together: float

    @property
    def a_second(self) -> float:
        """How many ended for each second."""
        return len(self.seconds) / self.together

    def ms(self, share: float) -> float:
        """The time within which that share ended, in ms."""
        return self.seconds[min(len(self.seconds) - 1, int(len(self.seconds) * share))] * 1000

    def __str__(self) -> str:
        return f"{self.a_second:.0f}/s, p50 {self.ms(0.5):.1f} ms, p99 {self.ms(0.99):.1f} ms"


async def closed(numbers: Iterable[str], at_a_time: int, carry: Callable[[str], Awaitable[object]]) -> Taken:
    """Carry all, `at_a_time`; when one ends, the next begins."""
    left = iter(numbers)
    took: list[float] = []

    async def one_after_the_other() -> None:
        for number in left:
            began = time.perf_counter()
            await carry(number)
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(at_a_time):
            group.create_task(one_after_the_other())
    return Taken(sorted(took), time.perf_counter() - began)


async def steady(numbers: Iterable[str], a_second: float, carry: Callable[[str], Awaitable[object]]) -> Taken:
    """Begin `a_second`, evenly, however long they take; the time counts from when each was to begin."""
    took: list[float] = []

    async def one(number: str, due: float) -> None:
        await carry(number)
        took.append(time.perf_counter() - due)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for n, number in enumerate(numbers):
            due = began + n / a_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(one(number, due))
    return Taken(sorted(took), time.perf_counter() - began)
