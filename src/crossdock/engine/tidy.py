"""Putting right what crashes and races leave, and what time asks for. Every worker does it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import LiteralString

import structlog

from crossdock.engine.aliases import FROM_THE_BEGINNING, missed
from crossdock.engine.correlate import Routing, RunRef
from crossdock.engine.library import Library
from crossdock.engine.outbox import Outbox
from crossdock.engine.repair_turn import RepairTurn
from crossdock.store import Database

log = structlog.get_logger(__name__)

KEEP_SEEN = timedelta(days=30)  # how long a second delivery is known as one
_HOURLY = 3600.0

_FORGET_SEEN: LiteralString = """
delete from crossdock.seen where ctid = any (array(
  select ctid from crossdock.seen where at < statement_timestamp() - $1::interval limit 20000))
"""

# A connection that was stopped drains at a rate until what had waited has left.
_DRAINED: LiteralString = """
update crossdock.connection c set drain_rate = null
where c.drain_rate is not null and c.stopped is null
  and not exists (select 1 from crossdock.outbox o where o.tenant = c.tenant and o.connection = c.name
                  and o.status in ('ready', 'queued') and o.due <= crossdock.now())
"""


class Tidier:
    """Tidies up on behalf of one worker; `turn` about once a second."""

    def __init__(self, database: Database, library: Library, outbox: Outbox) -> None:
        """Work on that database."""
        self._database = database
        self._library = library
        self._outbox = outbox
        self._repairs = RepairTurn(database)
        self._missed_after = FROM_THE_BEGINNING
        self._hour = -_HOURLY

    async def turn(self) -> set[RunRef]:
        """All that is due; gives runs that have something to decide now."""
        async with self._database.engine() as transaction:
            await transaction.value("select crossdock.freshen()")
        await self._outbox.tidy()
        touched: set[RunRef] = set()
        async with self._database.engine() as transaction:
            now = await transaction.value("select crossdock.now()")
            routing = Routing(transaction, self._library, now)
            names, self._missed_after = await missed(transaction, self._missed_after)
            if names:
                await routing.unpark(sorted(names))
                await routing.run()
            await transaction.execute(_DRAINED)
        touched |= routing.touched
        touched |= await self._repairs.go_on()
        if time.monotonic() - self._hour > _HOURLY:
            await self._each_hour()
            self._hour = time.monotonic()
        return touched

    async def _each_hour(self) -> None:
        async with self._database.engine() as transaction:
            await transaction.value("select crossdock.make_partitions('history')")
        while True:
            async with self._database.engine() as transaction:
                if not await transaction.execute(_FORGET_SEEN, KEEP_SEEN):
                    return
