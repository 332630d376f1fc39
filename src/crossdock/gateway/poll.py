"""Feeds that are read with a cursor: they find what push has lost, and serve systems that do not push.

Any number of pollers share the feeds: each is leased for as long as a reading may take. A page is put into
the inbox before its cursor is kept, so a crash reads it again and the inbox knows its events. One record
that cannot be read goes to quarantine and stops none; a page that cannot be had is tried again, ever more
slowly.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, LiteralString

import msgspec

from crossdock.access.redaction import hidden
from crossdock.connect import Calls, Lines, Registry
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Connector, Page, Poll
from crossdock.connect.fit import plain
from crossdock.engine import Arrival, Inbox
from crossdock.errors import CrossdockError, NotFound, Refused, Unreachable
from crossdock.gateway.mapped import Through
from crossdock.gateway.outages import Outages
from crossdock.gateway.receive import AS_IT_IS, Receipt, keep, outcome_of
from crossdock.gateway.turns import turns
from crossdock.store import Database, Tenant

exact = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

LEASE_SECONDS = 120.0
PAGE_SECONDS = 30.0
MOST_PAGES = 50  # read in one go; the rest is read in the next
HOUR = 3600.0
MOST_WAIT = 900.0  # seconds between tries of a feed that fails

_FIND: LiteralString = """
insert into crossdock.feed (tenant, connection, name)
select c.tenant, c.name, k.feed
from unnest($1::text[], $2::text[]) as k(connector, feed)
join crossdock.connection c on c.connector = k.connector
on conflict do nothing
"""

_LEASE: LiteralString = """
update crossdock.feed f set leased_until = clock_timestamp() + make_interval(secs => $2), hinted = false
from (
  select x.tenant, x.connection, x.name, t.name as tenant_name
  from crossdock.feed x
  join crossdock.connection c on c.tenant = x.tenant and c.name = x.connection
  join crossdock.tenant t on t.tenant = x.tenant
  where x.due <= crossdock.now() and (x.leased_until is null or x.leased_until < clock_timestamp())
    and c.stopped is null and t.suspended is null
  order by x.due limit $1 for update of x skip locked
) d
where f.tenant = d.tenant and f.connection = d.connection and f.name = d.name
returning f.tenant, d.tenant_name, f.connection, f.name, f.cursor, f.failures, crossdock.now() as now
"""

_MOVE: LiteralString = """
update crossdock.feed set cursor = $4, leased_until = clock_timestamp() + make_interval(secs => $5)
where tenant = $1 and connection = $2 and name = $3
"""

_DONE: LiteralString = """
update crossdock.feed
set leased_until = null, failures = $4, error = $5,
    due = crossdock.now() + make_interval(secs => case when hinted and $4 = 0 then 0 else $6 end),
    read_at = case when $7 then $8 else read_at end  -- all that was there when the reading began
where tenant = $1 and connection = $2 and name = $3
"""


class Poller:
    """Reads the feeds of all tenants."""

    def __init__(
        self, database: Database, inbox: Inbox, lines: Lines, calls: Calls, registry: Registry
    ) -> None:
        """Into that inbox, through these connections."""
        self._database = database
        self._inbox = inbox
        self._lines = lines
        self._calls = calls
        self._outages = Outages("poll")
        self._tidied = -HOUR
        self._feeds = [
            (connector.name, poll.name)
            for connector in registry.connectors.values()
            for poll in connector.polls
        ]

    async def run(self, *, look: float = 1.0) -> None:
        """Read what is due until cancelled, looking every `look` seconds."""
        await turns("poll", self._turn, look=look)

    async def _turn(self) -> bool:
        """Tidy up each hour, and read; gives whether more may be due."""
        if time.monotonic() - self._tidied > HOUR:
            async with self._database.engine() as transaction:
                await transaction.value("select crossdock.make_partitions('delivery')")
            if self._inbox.personal is not None:
                await self._inbox.personal.subjects.shred()
            self._tidied = time.monotonic()
        return await self.turn() > 0

    async def turn(self, most: int = 8) -> int:
        """Read up to `most` feeds that are due; gives how many there were."""
        if not self._feeds:
            return 0
        async with self._database.engine() as transaction:
            await transaction.execute(_FIND, [c for c, _ in self._feeds], [f for _, f in self._feeds])
            rows = await transaction.fetch(_LEASE, most, LEASE_SECONDS)
        await asyncio.gather(*(self._read(row) for row in rows))
        return len(rows)

    async def _read(self, row: Any) -> None:
        tenant = Tenant(id=row["tenant"], name=row["tenant_name"])
        connection, name = row["connection"], row["name"]
        failures, error, wait, behind = 0, "", 60.0, True
        try:
            line = await self._lines.line(tenant.id, connection)
            poll = _poll(line.connector, name)
            wait = poll.every
            behind = await self._pages(tenant, line.connector, poll, connection, row["cursor"])
            wait = 0.0 if behind else poll.every
        except CrossdockError as problem:
            failures, error = row["failures"] + 1, str(problem)
        except Exception as problem:  # noqa: BLE001 - a connector reads what others send
            failures, error = row["failures"] + 1, f"{type(problem).__name__}: {problem}"
        error = hidden(error)[:2000]
        if failures:
            wait = min(wait * 2 ** min(failures - 1, 8), max(MOST_WAIT, wait))
            self._outages.failed(tenant.name, error, connection=connection, feed=name)
        else:
            self._outages.answered(tenant.name, connection=connection, feed=name)
        with contextlib.suppress(Unreachable):  # the lease ends by itself
            if error:
                error = (await self._inbox.raw(tenant.id, error.encode())).decode()
            async with self._database.engine() as transaction:
                await transaction.execute(
                    _DONE, tenant.id, connection, name, failures, error, wait, not behind, row["now"]
                )

    async def _pages(
        self, tenant: Tenant, connector: Connector, poll: Poll, connection: str, cursor: str
    ) -> bool:
        """Read on from the cursor; gives whether there is more."""
        until = time.monotonic() + LEASE_SECONDS / 2
        for _ in range(MOST_PAGES):
            page: Page = await self._calls.ask(tenant.id, connection, poll.read, cursor, seconds=PAGE_SECONDS)
            await self._take(tenant, connector, poll, connection, page)
            stuck = page.more and page.cursor == cursor
            cursor = page.cursor
            async with self._database.engine() as transaction:
                await transaction.execute(_MOVE, tenant.id, connection, poll.name, cursor, LEASE_SECONDS)
            if stuck:
                raise Refused(f"the feed {poll.name} says there is more, and does not move on")
            if not page.more:
                return False
            if time.monotonic() > until:
                break
        return True

    async def _take(
        self, tenant: Tenant, connector: Connector, poll: Poll, connection: str, page: Page
    ) -> None:
        line = await self._lines.line(tenant.id, connection)
        events: list[Arrival] = []
        rejected: list[tuple[bytes, str]] = []
        for happening in page.happenings:
            name = _name(poll, msgspec.json.encode(happening))
            try:
                events += await self._lines.with_rows(
                    line,
                    lambda rows, one=happening, name=name: arrivals(  # type: ignore[misc]
                        Through.of(line, rows).events([one]), connector, connection, name
                    ),
                )
            except Refused as error:
                rejected.append((msgspec.json.encode(plain(happening)), str(error)))
        for record in page.records:
            raw = _encode(record)
            try:
                events += await self._lines.with_rows(
                    line,
                    lambda rows, one=record: read_record(  # type: ignore[misc]
                        connector, poll, connection, one, line.settings, Through.of(line, rows)
                    ),
                )
            except Refused as error:
                rejected.append((raw, str(error)))
        if events:
            outcome_of(await self._inbox.put(tenant, events))
        for raw, reason in rejected:
            await keep(
                self._database,
                self._inbox,
                tenant.id,
                connection,
                _name(poll, raw),
                Receipt(
                    outcome="quarantined",
                    reason=reason,
                    mapping=line.mapping.label if line.mapping is not None else "",
                ),
                raw,
                digest=hashlib.sha256(raw).hexdigest(),
                feed=poll.name,
            )


def _poll(connector: Connector, name: str) -> Poll:
    for poll in connector.polls:
        if poll.name == name:
            return poll
    raise NotFound(f"{connector.name} has no feed {name}")


def read_record(
    connector: Connector,
    poll: Poll,
    connection: str,
    record: Any,
    settings: Any,
    through: Through = AS_IT_IS,
) -> list[Arrival]:
    """The events that a record of a feed is. Raises `Refused` with the reason where it cannot be read."""
    translate: Callable[..., Any] | None = poll.translate
    if translate is None and not (through.mapping is not None and through.mapping.of_payloads):
        raise Refused(f"the feed {poll.name} gives records and has no `translate`")
    name = _name(poll, _encode(record))
    try:
        read = through.record(record, settings, lambda: translate(record, settings) if translate else ())
        return arrivals(read, connector, connection, name)
    except Refused:
        raise
    except Exception as error:  # noqa: BLE001 - a connector reads what others send
        raise Refused(
            f"the connector {connector.name} could not read it: {type(error).__name__}: {error}",
            mend="mend the connector, then replay this",
        ) from None


def _name(poll: Poll, raw: bytes) -> str:
    """What events of a record are called that have no id of their own: by its content."""
    return f"{poll.name}/{hashlib.sha256(raw).hexdigest()[:32]}"
