"""Writes that come at the same time share a transaction: the first goes at once, the others gather meanwhile.

A commit costs more than what it commits. Lanes (tenants) take turns, so that one which sends much does not
stand before the others. A batch that is refused is halved until the write at fault is alone.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from crossdock.errors import Unreachable

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    done: asyncio.Future[Result]


class Together(Generic[Item, Result]):
    """Gathers items for `write`, which keeps all of them or none, and gives a result for each."""

    def __init__(
        self,
        write: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = 500,
        weigh: Callable[[Item], int] | None = None,
    ) -> None:
        """At most `most` in one batch, as `weigh` counts them; a heavier one goes alone."""
        self._write = write
        self._most = most
        self._weigh = weigh
        self._lanes: OrderedDict[int, deque[_Waiting[Item, Result]]] = OrderedDict()
        self._writing: asyncio.Task[None] | None = None

    async def put(self, lane: int, item: Item) -> Result:
        """Write it with others; returns after the commit. Raises what `write` raises for it."""
        waiting: _Waiting[Item, Result] = _Waiting(item, asyncio.get_running_loop().create_future())
        self._lanes.setdefault(lane, deque()).append(waiting)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_all())
        return await asyncio.shield(waiting.done)

    async def _write_all(self) -> None:
        while self._lanes:
            await self._write_or_halve(self._next())

    def _next(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        size = 0
        while self._lanes:
            lane, waiting = next(iter(self._lanes.items()))
            size += self._weigh(waiting[0].item) if self._weigh else 1
            if batch and size > self._most:
                break
            batch.append(waiting.popleft())
            if waiting:
                self._lanes.move_to_end(lane)
            else:
                del self._lanes[lane]
        return batch

    async def _write_or_halve(self, batch: list[_Waiting[Item, Result]]) -> None:
        try:
            results = await self._write([one.item for one in batch])
        except Exception as error:  # noqa: BLE001 - handed to those who wait
            if len(batch) > 1 and not isinstance(error, Unreachable):
                await self._write_or_halve(batch[: len(batch) // 2])
                await self._write_or_halve(batch[len(batch) // 2 :])
                return
            for one in batch:
                if not one.done.done():
                    one.done.set_exception(error)
            return
        for one, result in zip(batch, results, strict=True):
            if not one.done.done():
                one.done.set_result(result)
