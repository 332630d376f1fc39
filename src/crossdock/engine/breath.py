"""Computing that lets others of the same process go on: no door and no call waits for a whole batch."""

from __future__ import annotations

import asyncio
import time

from crossdock.engine.give_way import GiveWay

_LONGEST = 0.002  # seconds in one go


class Breath:
    """For a loop that computes: `take` one in each round.

    Others go on when it has computed for a while; for quick hands it pauses at once, where it gives way.
    """

    __slots__ = ("_give_way", "_since")

    def __init__(self, give_way: GiveWay | None = None) -> None:
        """Begin now."""
        self._give_way = give_way
        self._since = time.perf_counter()

    async def take(self) -> None:
        """Let others go on if they have waited long enough."""
        if self._give_way is not None and self._give_way.asked:
            await self._give_way.wait()
            self._since = time.perf_counter()
        elif time.perf_counter() - self._since > _LONGEST:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
