"""The one clock of a sandbox process, and what will happen on it.

Virtual: time stands until `advance`. Real: time passes by itself, `speed` times as fast as the wall's.
Things due at the same instant happen in the order in which they were planned.
"""

from __future__ import annotations

import asyncio
import heapq
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

Action = Callable[[], None]
YIELD_EVERY = 50  # actions run before others on the loop get a turn


@dataclass(order=True, slots=True)
class Planned:
    """One thing that will happen; setting `dropped` calls it off."""

    at: datetime
    seq: int
    owner: str = field(compare=False)
    action: Action = field(compare=False)
    dropped: bool = field(default=False, compare=False)


class Clock:
    """Tells the time and runs what is due. Services of one process share it."""

    def __init__(self, start: datetime, *, speed: float | None = None) -> None:
        """Begin at `start`; with `speed` (sandbox seconds in one real second) time passes by itself."""
        self.speed = speed
        self.settlers: list[Callable[[], Awaitable[None]]] = []  # awaited after what was due has run
        self.pending: list[Callable[[], int]] = []  # webhooks that each service has not got through
        self._start = start
        self._epoch = time.monotonic()
        self._now = start
        self._heap: list[Planned] = []
        self._seq = 0
        self._sooner = asyncio.Event()
        self._advancing = asyncio.Lock()

    @property
    def mode(self) -> str:
        """`virtual` or `real`."""
        return "virtual" if self.speed is None else "real"

    def now(self) -> datetime:
        """The instant, UTC. While something due runs on a virtual clock: when it was due."""
        if self.speed is None:
            return self._now
        return self._start + timedelta(seconds=(time.monotonic() - self._epoch) * self.speed)

    def at(self, when: datetime, owner: str, action: Action) -> Planned:
        """Plan an action of a service; a time that has passed means as soon as the clock runs."""
        self._seq += 1
        entry = Planned(max(when, self.now()), self._seq, owner, action)
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._sooner.set()
        return entry

    def forget(self, owner: str) -> None:
        """Call off all that a service has planned."""
        for entry in self._heap:
            if entry.owner == owner:
                entry.dropped = True

    def next(self) -> datetime | None:
        """When the earliest planned thing is due, None when nothing is."""
        while self._heap and self._heap[0].dropped:
            heapq.heappop(self._heap)
        return self._heap[0].at if self._heap else None

    async def advance(self, to: datetime) -> int:
        """Run what is due up to `to` in order, settle, say how many ran. ValueError if time would go back."""
        async with self._advancing:
            if to < self._now:
                raise ValueError(f"time never goes back: it is {stamp(self._now)}")
            ran = await self._run_due(to)
            self._now = to
            for settle in self.settlers:
                await settle()
            return ran

    async def run(self) -> None:
        """Let real time run what is due, until cancelled."""
        speed = self.speed or 1.0
        while True:
            await self._run_due(self.now())
            self._sooner.clear()
            due = self.next()
            wait = None if due is None else max(0.0, (due - self.now()).total_seconds() / speed)
            try:
                await asyncio.wait_for(self._sooner.wait(), wait)
            except TimeoutError:
                continue

    async def _run_due(self, to: datetime) -> int:
        ran = 0
        while (due := self.next()) is not None and due <= to:
            entry = heapq.heappop(self._heap)
            self._now = entry.at
            try:
                entry.action()
            except Exception:  # noqa: BLE001 - what was planned badly must not stop all the rest
                traceback.print_exc(file=sys.stderr)
            ran += 1
            if ran % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        return ran


def stamp(when: datetime) -> str:
    """RFC 3339 in UTC with Z."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")


def cut_off(day: datetime, zone: ZoneInfo, hour: int) -> datetime:
    """The first cut-off at or after `day`: at `hour` local time, Monday to Friday."""
    local = day.astimezone(zone)
    limit = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    while limit < local or limit.weekday() >= 5:
        limit = (limit + timedelta(days=1)).replace(hour=hour)
    return limit.astimezone(UTC)


def business_day(day: date, days: int) -> date:
    """The day that many business days (Monday to Friday) later."""
    while days or day.weekday() >= 5:
        day += timedelta(days=1)
        days -= day.weekday() < 5
    return day
