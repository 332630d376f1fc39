"""Attempts to get in that were refused: logged, and written to the audit of the tenant that they aimed at.

They are written after the answer, one after the other. So nobody learns from the time of an answer whether
what they named exists, and no flood of them takes more than one connection. What does not fit into the queue
stands in the log alone.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from crossdock.access.audit import Audit
from crossdock.access.resource import Resource
from crossdock.access.who import Principal
from crossdock.errors import CrossdockError
from crossdock.store import Database

log = structlog.get_logger(__name__)

_MOST = 1000


class Refusals:
    """What one process has refused of late."""

    def __init__(self, database: Database, audit: Audit) -> None:
        """Of that database."""
        self._database = database
        self._audit = audit
        self._waiting: deque[tuple[Principal, str, Resource, str]] = deque(maxlen=_MOST)
        self._writing: asyncio.Task[None] | None = None

    def note(self, who: Principal, action: str, on: Resource, why: str) -> None:
        """Somebody who said to be `who` was refused. `who.tenant` need not exist."""
        log.info("access.refused", action=action, who=who.id, tenant=who.tenant, origin=who.origin, why=why)
        if who.tenant <= 0:
            return
        self._waiting.append((who, action, on, why))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())

    async def settle(self) -> None:
        """Until all of them are written."""
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])

    async def _write(self) -> None:
        while self._waiting:
            who, action, on, why = self._waiting.popleft()
            try:
                async with self._database.engine() as transaction:
                    known = await transaction.value(
                        "select name from crossdock.tenant where tenant = $1", who.tenant
                    )
                    if known is not None:
                        await self._audit.record(transaction, who, action, on, outcome="refused", why=why)
            except CrossdockError as error:
                log.warning("access.not_recorded", error=error.message, mend=error.mend)
