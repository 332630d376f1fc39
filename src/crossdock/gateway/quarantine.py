"""What came in and could not be read: kept with the reason; replayed once that is mended, or dismissed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, LiteralString

import msgspec

from crossdock.connect import Lines
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Happening, Notice
from crossdock.connect.lines import Line
from crossdock.engine import Arrival, Inbox
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.gateway.mapped import Through
from crossdock.gateway.poll import exact, read_record
from crossdock.gateway.receive import Receipt, outcome_of, translated
from crossdock.store import Database, Last, Tenant

_LIST: LiteralString = """
select d.id, d.at, d.connection, d.feed, d.message, d.outcome, d.reason, d.by, d.headers, null::bytea as data
from crossdock.delivery d
where d.outcome = 'quarantined' and ($1::text is null or d.connection = $1) and d.id > $2
order by d.id limit $3
"""

_ONE: LiteralString = """
select d.id, d.at, d.connection, d.feed, d.message, d.outcome, d.reason, d.by, d.headers, b.data
from crossdock.delivery d left join crossdock.blob b on b.tenant = d.tenant and b.hash = d.body
where d.id = $1 and d.outcome in ('quarantined', 'replayed', 'dismissed')
"""

_DECIDE: LiteralString = """
update crossdock.delivery set outcome = $3, reason = $4, by = $5, events = $6,
  mapping = coalesce($7, mapping),
  decided = case when $3 = 'quarantined' then null else crossdock.now() end
where tenant = $1 and id = $2 and outcome = 'quarantined'
"""


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that could not be read. `body` is as it came; only `show` gives it."""

    id: int
    at: datetime
    connection: str
    feed: str  # '' for what was pushed
    message: str
    outcome: str
    reason: str
    by: str
    headers: dict[str, str]
    body: bytes = b""


class Quarantine:
    """The deliveries of all tenants that were set aside."""

    def __init__(self, database: Database, inbox: Inbox, lines: Lines) -> None:
        """Replays go into that inbox."""
        self._database = database
        self._inbox = inbox
        self._lines = lines

    async def list(
        self, tenant: Tenant, *, connection: str | None = None, after: int = 0, most: int = 100
    ) -> list[SetAside]:
        """Those that wait for somebody, oldest first, without their bodies."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_LIST, connection, after, most)
        return [_set_aside(row) for row in rows]

    async def show(self, tenant: Tenant, number: int) -> SetAside:
        """One of them, as it came. Raises `NotFound`."""
        async with self._database.of(tenant) as transaction:
            row = await transaction.row(_ONE, number)
        if row is None:
            raise NotFound(f"there is no delivery {number} in quarantine", mend="see the quarantine")
        found = _set_aside(row)
        return msgspec.structs.replace(found, body=await self._inbox.opened(tenant.id, found.body))

    async def replay(self, tenant: Tenant, number: int, *, by: str = "", last: Last | None = None) -> Receipt:
        """Read it again, as if it came now; where that fails still, it stays, with the new reason.

        Raises `NotFound`, and `Conflict` where it was decided meanwhile.
        """
        found = await self.show(tenant, number)
        line = await self._lines.line(tenant.id, found.connection)
        mapping = line.mapping.label if line.mapping is not None else ""
        try:
            events = await self._lines.with_rows(
                line, lambda rows: _read(found, line, Through.of(line, rows))
            )
        except Refused as error:
            receipt = Receipt(outcome="quarantined", reason=str(error))
            reason = (await self._inbox.raw(tenant.id, receipt.reason.encode())).decode()
            await self._decide(tenant, number, "quarantined", reason, by, 0, last, mapping)
            return receipt
        receipt = outcome_of(await self._inbox.put(tenant, events))
        await self._decide(tenant, number, "replayed", found.reason, by, receipt.events, last, mapping)
        return receipt

    async def dismiss(
        self, tenant: Tenant, number: int, *, by: str, reason: str, last: Last | None = None
    ) -> None:
        """Nobody needs it; it stays, with that reason. Raises `NotFound`, `Conflict`."""
        await self.show(tenant, number)
        await self._decide(tenant, number, "dismissed", reason, by, 0, last)

    async def _decide(
        self,
        tenant: Tenant,
        number: int,
        outcome: str,
        reason: str,
        by: str,
        events: int,
        last: Last | None,
        mapping: str | None = None,
    ) -> None:
        async with self._database.engine() as transaction:
            done = await transaction.execute(_DECIDE, tenant.id, number, outcome, reason, by, events, mapping)
            if not done:
                raise Conflict(f"delivery {number} is not in quarantine any more", mend="look at it again")
            if last is not None:
                await last(transaction)


def _read(found: SetAside, line: Line, through: Through) -> list[Arrival]:
    connector = line.connector
    if not found.feed:
        if connector.webhook is None:
            raise Refused(f"{connector.name} takes no webhooks any more")
        notice = Notice(headers=found.headers, body=found.body, received=found.at, settings=line.settings)
        return translated(connector, line.name, connector.webhook, notice, found.message, through)
    poll = next((poll for poll in connector.polls if poll.name == found.feed), None)
    if poll is None:
        raise Refused(f"{connector.name} has no feed {found.feed} any more")
    if poll.translate is None:
        happening = msgspec.json.decode(found.body, type=Happening)
        return arrivals(through.events([happening]), connector, line.name, found.message)
    record = exact(found.body)
    return read_record(connector, poll, line.name, record, line.settings, through)


def _set_aside(row: Any) -> SetAside:
    headers = msgspec.json.decode(row["headers"])
    given = {
        key: row[key] for key in ("id", "at", "connection", "feed", "message", "outcome", "reason", "by")
    }
    return SetAside(**given, headers=headers, body=row["data"] or b"")
