"""What there is to see: runs, their history, tasks, exceptions, events that found no run.

All of it is read as the tenant; nothing here changes anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from crossdock.engine.correlate import decode_event
from crossdock.engine.payloads import put_back
from crossdock.errors import NotFound
from crossdock.process import State, decode_state
from crossdock.process.messages import Event, Record
from crossdock.store import Database, Tenant, TenantTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run in a list."""

    id: int
    process: str
    version: str
    key: str
    generation: int
    status: str
    created: datetime
    changed: datetime
    ended: datetime | None
    wake_at: datetime | None
    parent: int | None
    error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One decision: the event, and what was told."""

    seq: int
    at: datetime
    event: Event
    records: list[Record]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRow:
    """A call that has not been decided."""

    command: str
    connection: str
    status: str
    attempt: int
    due: datetime
    doubt: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """All there is of one run. `state` is None before its first decision; `source` is its process's text."""

    run: RunRow
    source: str
    state: State | None
    lines: list[Line]
    calls: list[CallRow]
    children: list[RunRow]
    aliases: list[tuple[str, str]]
    waiting: int  # events not yet decided
    aside: list[tuple[str | None, Event]]  # events set aside, with the error of the one that stopped the run


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """An approval or a task. `data` is what the kernel told: title, kind, content, excluded, seen ..."""

    id: str
    run: int
    process: str
    key: str
    step: str
    status: str
    role: str
    opened: datetime
    due: datetime | None
    ended: datetime | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionRow:
    """An exception, open or closed."""

    id: str
    run: int
    process: str
    key: str
    step: str
    type: str
    severity: str
    owner: str
    connection: str
    message: str
    count: int
    opened: datetime
    repeated: datetime | None
    closed: datetime | None
    data: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptRow:
    """An event that no run has: parked (`reason` empty) or in quarantine."""

    id: int
    at: datetime
    type: str
    reason: str
    event: Any


_RUN_COLUMNS: LiteralString = """
r.id, r.process, v.version, r.key, r.generation, r.status, r.created, r.changed, r.ended, r.wake_at,
  r.parent, r.error
"""

_RUNS: LiteralString = (
    "select "
    + _RUN_COLUMNS
    + """
from crossdock.run r join crossdock.process_version v on v.tenant = r.tenant and v.id = r.version
where ($1::text is null or r.process = $1) and ($2::text[] is null or r.status = any ($2))
  and ($3::bigint is null or r.id < $3)
order by r.id desc limit $4
"""
)

_ONE: LiteralString = (
    "select "
    + _RUN_COLUMNS
    + """, v.source, r.state
from crossdock.run r join crossdock.process_version v on v.tenant = r.tenant and v.id = r.version
where r.id = $1
"""
)

_CHILDREN: LiteralString = (
    "select "
    + _RUN_COLUMNS
    + """
from crossdock.run r join crossdock.process_version v on v.tenant = r.tenant and v.id = r.version
where r.parent = $1 order by r.id limit 1000
"""
)

_SEARCH: LiteralString = (
    "select "  # noqa: S608 - constants
    + _RUN_COLUMNS
    + """
from (select distinct run from crossdock.alias
      where tenant = crossdock.tenant() and value = $1 and ($2::text is null or kind = $2)) f
join crossdock.run r on r.id = f.run
join crossdock.process_version v on v.tenant = r.tenant and v.id = r.version
order by r.id desc limit $3
"""
)

_TASKS: LiteralString = """
select t.id, t.run, r.process, r.key, t.step, t.status, t.role, t.opened, t.due, t.ended, t.data
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where ($1::text is null or t.status = $1) and ($2::text[] is null or t.role = any ($2))
  and ($3::bigint is null or t.run = $3) and ($4::text is null or t.id = $4)
order by t.due nulls last, t.opened, t.id limit $5
"""

_EXCEPTIONS: LiteralString = """
select x.id, x.run, x.process, r.key, x.step, x.type, x.severity, x.owner, x.connection, x.message, x.count,
       x.opened, x.repeated, x.closed, x.data
from crossdock.exception x join crossdock.run r on r.tenant = x.tenant and r.id = x.run
where ($1 or x.closed is null) and ($2::text is null or x.type = $2) and ($3::bigint is null or x.run = $3)
  and ($4::text is null or x.id = $4)
order by x.opened, x.id limit $5
"""


class History:
    """Reads for one tenant at a time."""

    def __init__(self, database: Database) -> None:
        """Of that database."""
        self._database = database

    async def runs(
        self,
        tenant: Tenant,
        *,
        process: str | None = None,
        statuses: Sequence[str] | None = None,
        before: int | None = None,
        most: int = 100,
    ) -> list[RunRow]:
        """Runs, newest first; `before` is the id of the last one of the page before."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_RUNS, process, list(statuses) if statuses else None, before, most)
        return [RunRow(**dict(row)) for row in rows]

    async def counts(self, tenant: Tenant) -> dict[tuple[str, str], int]:
        """Runs by process and status."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(
                "select process, status, count(*)::int as n from crossdock.run group by 1, 2 order by 1, 2"
            )
        return {(row["process"], row["status"]): row["n"] for row in rows}

    async def find(
        self, tenant: Tenant, value: str, *, kind: str | None = None, most: int = 50
    ) -> list[RunRow]:
        """Runs that a number names: their key, or an alias now or before; ended ones too."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_SEARCH, value, kind, most)
        return [RunRow(**dict(row)) for row in rows]

    async def run(self, tenant: Tenant, run: int) -> RunDetail:
        """Everything about one run. Raises `NotFound`."""
        async with self._database.of(tenant) as transaction:
            row = await transaction.row(_ONE, run)
            if row is None:
                raise NotFound(f"there is no run {run}", mend="see the runs")
            lines = await transaction.fetch(
                "select seq, at, event, records from crossdock.history where tenant = crossdock.tenant() "
                "and run = $1 order by seq",
                run,
            )
            calls = await transaction.fetch(
                "select command, connection, status, attempt, due, doubt, error from crossdock.outbox "
                "where tenant = crossdock.tenant() and run = $1 order by id",
                run,
            )
            children = await transaction.fetch(_CHILDREN, run)
            aliases = await transaction.fetch(
                "select kind, value from crossdock.alias where tenant = crossdock.tenant() and run = $1 "
                "order by 1, 2",
                run,
            )
            waiting = await transaction.value(
                "select count(*)::int from crossdock.inbox where tenant = crossdock.tenant() and run = $1",
                run,
            )
            aside = await transaction.fetch(
                "select error, event from crossdock.aside where tenant = crossdock.tenant() and run = $1 "
                "order by id",
                run,
            )
            state_bytes = None
            if row["state"] is not None:
                (state_bytes,) = await put_back(transaction, tenant.id, row["state"])
            told = [await _line(transaction, line) for line in lines]
        values = dict(row)
        source = values.pop("source")
        del values["state"]
        return RunDetail(
            run=RunRow(**values),
            source=source,
            state=decode_state(state_bytes) if state_bytes is not None else None,
            lines=told,
            calls=[CallRow(**dict(call)) for call in calls],
            children=[RunRow(**dict(child)) for child in children],
            aliases=[(alias["kind"], alias["value"]) for alias in aliases],
            waiting=waiting,
            aside=[(one["error"], decode_event(one["event"])) for one in aside],
        )

    async def decided(self, tenant: Tenant, run: int, after: int, *, most: int = 50) -> list[Line]:
        """What a run has decided since its decision number `after`, oldest first."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(
                "select seq, at, event, records from crossdock.history "
                "where tenant = crossdock.tenant() and run = $1 and seq > $2 order by seq limit $3",
                run,
                after,
                most,
            )
            return [await _line(transaction, row) for row in rows]

    async def tasks(
        self,
        tenant: Tenant,
        *,
        status: str | None = "open",
        roles: Sequence[str] | None = None,
        run: int | None = None,
        id: str | None = None,  # noqa: A002 - what it is
        most: int = 200,
    ) -> list[TaskRow]:
        """Approvals and tasks, those due soonest first. `status` None is all."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_TASKS, status, list(roles) if roles else None, run, id, most)
        return [TaskRow(**{**dict(row), "data": _json(row["data"])}) for row in rows]

    async def exceptions(
        self,
        tenant: Tenant,
        *,
        closed: bool = False,
        type: str | None = None,  # noqa: A002 - what it is
        run: int | None = None,
        id: str | None = None,  # noqa: A002 - what it is
        most: int = 200,
    ) -> list[ExceptionRow]:
        """Exceptions, oldest first; with `closed`, also those that are."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_EXCEPTIONS, closed, type, run, id, most)
        return [ExceptionRow(**{**dict(row), "data": _json(row["data"])}) for row in rows]

    async def parked(self, tenant: Tenant, *, most: int = 200) -> list[KeptRow]:
        """Events that no run has claimed, oldest first."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(
                "select id, at, type, '' as reason, event from crossdock.parked "
                "where dismissed is null order by id limit $1",
                most,
            )
        return [KeptRow(**{**dict(row), "event": _json(row["event"])}) for row in rows]

    async def quarantine(self, tenant: Tenant, *, most: int = 200) -> list[KeptRow]:
        """Events that were refused, with the reason, newest first."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(
                "select id, at, type, reason, event from crossdock.quarantine "
                "where released is null order by id desc limit $1",
                most,
            )
        return [KeptRow(**{**dict(row), "event": _json(row["event"])}) for row in rows]


_FOLLOW: LiteralString = """
select xid::text as xid, run, seq, at, event, records from crossdock.history
where tenant = crossdock.tenant() and (xid, run, seq) > ($1::text::xid8, $2, $3)
  and xid < pg_snapshot_xmin(pg_current_snapshot())
order by xid, run, seq limit $4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far somebody has followed a tenant's history."""

    xid: str = "0"
    run: int = 0
    seq: int = 0


async def follow(
    database: Database, tenant: Tenant, after: Place, *, most: int = 1000
) -> tuple[list[tuple[int, Line]], Place]:
    """What was decided after a place, in an order in which nothing is ever added behind: (run, line) each.

    Reads below the oldest transaction that is still open, since numbers commit out of order.
    """
    async with database.of(tenant) as transaction:
        rows = await transaction.fetch(_FOLLOW, after.xid, after.run, after.seq, most)
        lines = [(row["run"], await _line(transaction, row)) for row in rows]
    if not rows:
        return [], after
    last = rows[-1]
    return lines, Place(xid=last["xid"], run=last["run"], seq=last["seq"])


async def _line(transaction: TenantTransaction, row: Any) -> Line:
    event, records = await put_back(transaction, transaction.tenant.id, row["event"], row["records"])
    return Line(
        seq=row["seq"],
        at=row["at"],
        event=decode_event(event),
        records=msgspec.json.decode(records, type=list[Record]),
    )


def _json(data: bytes) -> Any:
    return msgspec.json.decode(data) if data else {}
