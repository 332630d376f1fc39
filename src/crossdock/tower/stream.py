"""Telling open pages that something has changed: one look at the database for all of them.

While anybody listens, one task asks every half second whether history, parked or refused events have grown,
and tells each listener which runs it concerns. It is a hint: a page that misses one is right again at the
next, and at the latest after ten seconds. Numbers of transactions commit out of order, so each look starts at
the oldest one that was still open at the last.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import LiteralString
from zoneinfo import ZoneInfo

from crossdock.errors import CrossdockError
from crossdock.store import Database, Tenant
from crossdock.tower.telling.times import Times

EVERY = 0.5  # seconds between two looks
BEAT = 10.0  # seconds after which pages refresh without cause: what is told as a distance goes on
MOST_RUNS = 200  # that one hint names
_QUEUED = 20  # hints that a slow listener may be behind; then it misses some

_LOOK: LiteralString = """
select pg_snapshot_xmin(pg_current_snapshot())::text as low, crossdock.now() as now,
  coalesce((select max(id) from crossdock.parked where tenant = crossdock.tenant()), 0) as parked,
  coalesce((select max(id) from crossdock.quarantine where tenant = crossdock.tenant()), 0) as refused,
  array(select (xid::text, run)::text from crossdock.history
        where tenant = crossdock.tenant() and xid >= $1::text::xid8
        order by xid desc limit 500) as changed
"""


class Stream:
    """Follows one tenant's history on behalf of all open pages."""

    def __init__(self, database: Database, tenant: Tenant, zone: ZoneInfo) -> None:
        """Looks nowhere until somebody listens. The clock is told in `zone`."""
        self._database = database
        self._tenant = tenant
        self._zone = zone
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self.looks = 0  # at the database, so far

    async def listen(self) -> AsyncGenerator[str, None]:
        """Server-sent events for one page, until it goes away or the stream is closed."""
        queue: asyncio.Queue[str | None] = asyncio.Queue(_QUEUED)
        if self._closed:
            return
        self._listeners.add(queue)
        if self.idle:
            self._task = asyncio.create_task(self._follow())
        try:
            yield "retry: 3000\n\n"
            while (text := await queue.get()) is not None:
                yield text
        finally:
            self._listeners.discard(queue)

    async def close(self) -> None:
        """End all streams; pages will try again."""
        self._closed = True
        for queue in self._listeners:
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    @property
    def idle(self) -> bool:
        """Whether nobody listens, so that nothing is looked at."""
        return self._task is None or self._task.done()

    def _tell(self, event: str, data: object) -> None:
        text = f"event: {event}\ndata: {json.dumps(data)}\n\n"
        for queue in self._listeners:
            with suppress(asyncio.QueueFull):
                queue.put_nowait(text)

    async def _follow(self) -> None:
        low, seen, kept = "", frozenset[str](), (0, 0)
        clock, beat = "", 0.0
        while self._listeners:
            try:
                async with self._database.of(self._tenant) as transaction:
                    low_now = low or await transaction.value(
                        "select pg_snapshot_xmin(pg_current_snapshot())::text"
                    )
                    row = await transaction.row(_LOOK, low_now)
            except CrossdockError:
                await asyncio.sleep(2)  # the database is away: pages say so when they ask
                continue
            assert row is not None  # noqa: S101 - a select without a table gives one row
            self.looks += 1
            changed, kept_now = frozenset[str](row["changed"]), (row["parked"], row["refused"])
            fresh = changed - seen
            beat += EVERY
            if low and (fresh or kept_now != kept):
                runs = sorted({int(pair.strip("()").split(",")[1]) for pair in fresh})
                self._tell("change", {"runs": runs[:MOST_RUNS], "more": len(runs) > MOST_RUNS})
                beat = 0.0
            elif beat >= BEAT:
                self._tell("beat", {})
                beat = 0.0
            told = Times(self._zone, row["now"]).clock()
            if told != clock:
                self._tell("clock", told)
            low, seen, kept, clock = row["low"], changed, kept_now, told
            await asyncio.sleep(EVERY)
