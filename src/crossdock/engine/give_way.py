"""Giving way: what is decided for loud tenants waits while there is something to do for the others.

An order of a quiet tenant is a chain of short decisions, milliseconds apart. Whoever goes on in each of the
gaps is beside every one of them, and takes cores and the event loop from it. So the loud wait until the quick
hands have rested for a moment: before a batch, and within one. They do not wait for ever: waiting takes
`patience`, which working gives. So they have about half of the time, however much there is to do for others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator

REST = 0.005
MOST_PATIENCE = 0.1  # seconds


class GiveWay:
    """Between the quick hands of a worker and its others; a hand is a task."""

    def __init__(self) -> None:
        """Nobody works."""
        self._quick: set[asyncio.Task[object] | None] = set()
        self._rested = asyncio.Event()
        self._rested.set()
        self._rests_since = -REST
        self._patience = MOST_PATIENCE
        self.gave = 0.0  # seconds in which hands have waited so far

    @contextlib.contextmanager
    def quickly(self) -> Iterator[None]:
        """Inside, this hand is a quick one."""
        hand = asyncio.current_task()
        self._quick.add(hand)
        self._rested.clear()
        try:
            yield
        finally:
            self._quick.discard(hand)
            if not self._quick:
                self._rests_since = time.monotonic()
                self._rested.set()

    def worked(self, seconds: float) -> None:
        """A hand that gives way has worked so long."""
        self._patience = min(MOST_PATIENCE, self._patience + seconds)

    @property
    def asked(self) -> bool:
        """Whether this hand has to give way now."""
        # Asked before each decision: which task this is, is asked last, since that takes longest.
        return (
            self._patience > 0
            and (bool(self._quick) or time.monotonic() < self._rests_since + REST)
            and asyncio.current_task() not in self._quick
        )

    async def wait(self) -> None:
        """Until the quick hands have rested for a moment, or patience is at an end."""
        if not self.asked:
            return
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience):
                while (rest := self._rests_since + REST - time.monotonic()) > 0 or self._quick:
                    if self._quick:
                        await self._rested.wait()
                    else:
                        await asyncio.sleep(rest)
        except TimeoutError:
            self._patience = 0.0
        finally:
            waited = time.monotonic() - began
            self.gave += waited
            self._patience = max(0.0, self._patience - waited)
