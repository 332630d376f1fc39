"""Places for requests: so many at once, a bounded queue, not for ever; and whether the process keeps up."""

from __future__ import annotations

import asyncio
import time
from collections import deque

from crossdock.errors import TooMany

_EVERY = 0.1  # seconds between two looks at the clock, while there is anything to do
_BEHIND = 0.3  # seconds of delay from which on reads are refused
_QUIET = 2.0


class Full(Exception):
    """There is no place, and the queue for one is full or too slow."""

    def __init__(self, retry_after: float) -> None:
        """Try again after so many seconds."""
        super().__init__()
        self.retry_after = retry_after


class Gate:
    """Lets `at_once` in; `waiting` more may wait, each `patience` seconds, in their order."""

    def __init__(self, at_once: int, *, waiting: int, patience: float) -> None:
        """All places are free."""
        self._free = at_once
        self._waiting = waiting
        self._patience = patience
        self._queue: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Take a place. Raises `Full`."""
        if self.take():
            return
        if len(self._queue) >= self._waiting:
            raise Full(max(1.0, self._patience))
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except TimeoutError:
            if turn.done() and not turn.cancelled():
                return  # it came at the last moment
            raise Full(max(1.0, self._patience)) from None
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise

    def take(self) -> bool:
        """Take a place if one is free and nobody waits."""
        if self._free > 0:
            self._free -= 1
            return True
        return False

    def leave(self) -> None:
        """Give the place to who has waited longest."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class Places:
    """What one request has taken; all of it is given back by `leave`."""

    def __init__(self, counts: dict[str, int], listeners: Gate) -> None:
        """Counts by name are shared by all requests."""
        self._counts = counts
        self._listeners = listeners
        self._gate: Gate | None = None
        self._joined: list[str] = []

    async def enter(self, gate: Gate) -> None:
        """Take a place. Raises `Full`."""
        await gate.enter()
        self._gate = gate

    def join(self, name: str, most: int) -> None:
        """Be counted as one of `name`, of which there are at most so many. Raises `TooMany`."""
        count = self._counts.get(name, 0)
        if count >= most:
            raise TooMany(
                f"{most} requests are under way at once, that is the most",
                mend="wait for answers before asking more",
                retry_after=1.0,
                policies=("at-once",),
            )
        self._counts[name] = count + 1
        self._joined.append(name)

    def listen(self) -> None:
        """Listen from now on: that takes another place, and gives all others back. Raises `Full`."""
        if not self._listeners.take():
            raise Full(10.0)
        self.leave()
        self._gate = self._listeners

    def leave(self) -> None:
        """Give everything back."""
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave()
        for name in self._joined:
            count = self._counts[name] - 1
            if count:
                self._counts[name] = count
            else:
                del self._counts[name]
        self._joined.clear()


class Pulse:
    """How late the process is with what it wanted to do. It looks only while requests come."""

    def __init__(self) -> None:
        """It is in time."""
        self._late = 0.0
        self._seen = 0.0
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """A request comes: look at the clock for the next two seconds."""
        self._seen = time.monotonic()
        if self._handle is None:
            self._next()

    def behind(self) -> bool:
        """Whether it is so late that what can wait should."""
        overdue = time.monotonic() - self._due if self._handle is not None else 0.0
        return max(self._late, overdue) > _BEHIND

    def _next(self) -> None:
        self._due = time.monotonic() + _EVERY
        self._handle = asyncio.get_running_loop().call_later(_EVERY, self._look)

    def _look(self) -> None:
        now = time.monotonic()
        self._late = (self._late + 2 * max(0.0, now - self._due)) / 3
        if now - self._seen > _QUIET:
            self._handle, self._late = None, 0.0
        else:
            self._next()
