"""Computing that lets others of the same process go on: no door and no call waits for a whole batch."""

from __future__ import annotations

import asyncio
import time

_LONGEST = 0.002  # seconds in one go


class Breath:
    """For a loop that computes: `take` one in each round. Gives way only when it has computed for a while."""

    __slots__ = ("_since",)

    def __init__(self) -> None:
        """Begin now."""
        self._since = time.perf_counter()

    async def take(self) -> None:
        """Let others go on if they have waited long enough."""
        if time.perf_counter() - self._since > _LONGEST:
            await asyncio.sleep(0)
            self._since = time.perf_counter()
