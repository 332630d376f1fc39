"""Outside systems as the engine sees them: how fast they may be called, and whether they are stopped.

A connection that is stopped keeps its calls: they wait, in order, and are counted. When it starts again, they
leave at the rate that is given, until what had waited has left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Literal, LiteralString

import msgspec

from crossdock.engine.correlate import encode_event
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.process.messages import RUN_STOOD_STILL, Event
from crossdock.process.turn import text_of
from crossdock.store import Database, Last, Tenant, TenantTransaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A tenant's connection to a system, and how its calls stand."""

    name: str
    system: str
    connector: str
    settings: Mapping[str, Any]
    mapping: str | None  # by name: what it delivers and what is asked of it passes through it
    concurrency: int | None  # calls at one time, over all workers
    rate: float | None  # calls a second, over all workers
    environment: str  # production, or sandbox: only runs in test call it
    stopped: datetime | None
    stopped_by: str
    stand_still: bool  # while it is stopped, deadlines of the runs that wait for it do not pass
    drain_rate: float | None  # calls a second, until what had waited has left
    failures: int
    open_until: datetime | None  # the breaker: nothing leaves before
    record_until: datetime | None  # until then its traffic is recorded
    waiting: int  # calls that have not left
    out: int  # calls that are out
    oldest: datetime | None  # since when the oldest of those that wait is due


_PUT: LiteralString = """
insert into crossdock.connection as c
  (tenant, name, system, connector, settings, concurrency, rate, environment, mapping)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
on conflict (tenant, name) do update set system = excluded.system, connector = excluded.connector,
  settings = excluded.settings, concurrency = excluded.concurrency, rate = excluded.rate,
  environment = excluded.environment, mapping = excluded.mapping
where not $10::bool
"""
_AS_IT_IS: LiteralString = """
select system, connector, settings, concurrency, rate, environment, mapping from crossdock.connection
where tenant = $1 and name = $2 for update
"""

_LOCK: LiteralString = "select 1 from crossdock.connection where tenant = $1 and name = $2 for update"
_CALLS: LiteralString = "select count(*)::int from crossdock.outbox where tenant = $1 and connection = $2"
_REMOVE: LiteralString = "delete from crossdock.connection where tenant = $1 and name = $2"
_OF_IT: tuple[LiteralString, ...] = (
    "delete from crossdock.feed where tenant = $1 and connection = $2",
    "delete from crossdock.master where tenant = $1 and connection = $2",
    "delete from crossdock.master_reading where tenant = $1 and connection = $2",
    "delete from crossdock.connection_minute where tenant = $1 and connection = $2",
    "delete from crossdock.connection_health where tenant = $1 and connection = $2",
    "delete from crossdock.traffic where tenant = $1 and connection = $2",
    "delete from crossdock.secret where tenant = $1 and connection = $2",  # nobody takes them up by its name
)

_STOP: LiteralString = """
update crossdock.connection set stopped = coalesce(stopped, crossdock.now()), stopped_by = $3,
  stand_still = $4
where ($1::int is null or tenant = $1) and ($2::text is null or name = $2)
  and ($5::text is null or system = $5)
"""

# Runs that had a call waiting for a connection stopped so that deadlines stand still, or a number of theirs
# that is followed by it, and since when.
_STOOD: LiteralString = """
select o.tenant, o.run, c.name, min(greatest(c.stopped, o.since)) as since, crossdock.now() as until
from crossdock.connection c
cross join lateral (
  select o.tenant, o.run, o.due as since from crossdock.outbox o
  where o.tenant = c.tenant and o.connection = c.name and o.status in ('ready', 'queued')
  union all
  select f.tenant, f.run, f.booked from crossdock.tracking f
  join crossdock.run r on r.tenant = f.tenant and r.id = f.run and r.ended is null
  where f.tenant = c.tenant and f.connection = c.name
) o
where ($1::int is null or c.tenant = $1) and ($2::text is null or c.name = $2)
  and ($3::text is null or c.system = $3) and c.stopped is not null and c.stand_still
group by o.tenant, o.run, c.name
having min(greatest(c.stopped, o.since)) < crossdock.now()
order by o.tenant, o.run
"""
# Before all that waits in the inbox: what came meanwhile is decided by the deadlines as they are then.
_TELL: LiteralString = """
insert into crossdock.inbox (tenant, run, id, event)
select k.tenant, k.run, nextval('crossdock.inbox_id') - (1::bigint << 62), k.event
from unnest($1::int[], $2::bigint[], $3::bytea[]) as k(tenant, run, event)
"""

_START: LiteralString = """
update crossdock.connection set stopped = null, stopped_by = '', stand_still = false, drain_rate = $3,
  failures = 0, opened = 0, open_until = null
where ($1::int is null or tenant = $1) and ($2::text is null or name = $2)
  and ($4::text is null or system = $4)
  and stopped is not null
"""

_FORGET: LiteralString = "delete from crossdock.traffic where tenant = $1 and connection = $2"
_RECORD: LiteralString = """
update crossdock.connection
set record_until = case when $3 > 0 then crossdock.now() + make_interval(secs => $3) end
where tenant = $1 and name = $2
"""
_RECORDED: LiteralString = """
select entry from crossdock.traffic where tenant = crossdock.tenant() and connection = $1 order by id
"""

_LIST: LiteralString = """
select c.name, c.system, c.connector, c.settings, c.mapping, c.concurrency, c.rate, c.environment,
       c.stopped, c.stopped_by,
       c.stand_still, c.drain_rate,
       case when c.record_until > crossdock.now() then c.record_until end as record_until,
       c.failures, c.open_until, coalesce(o.waiting, 0) as waiting, coalesce(o.out, 0) as out, o.oldest
from crossdock.connection c
left join (
  select connection, count(*) filter (where status in ('ready', 'queued'))::int as waiting,
         count(*) filter (where status = 'leased')::int as out,
         min(due) filter (where status in ('ready', 'queued')) as oldest
  from crossdock.outbox group by connection
) o on o.connection = c.name
order by c.name
"""


class Connections:
    """Set, stop and start connections, and see how they stand."""

    def __init__(self, database: Database) -> None:
        """Of that database."""
        self._database = database

    async def put(
        self,
        tenant: Tenant,
        name: str,
        *,
        system: str,
        connector: str,
        settings: Mapping[str, Any] | None = None,
        concurrency: int | None = None,
        rate: float | None = None,
        environment: str = "production",
        mapping: str | None = None,
        was: Connection | Literal["any"] | None = "any",
        last: Last | None = None,
    ) -> None:
        """Set a connection, new or not. Settings hold no secrets.

        `was` is how whoever asks has seen it, None for one that was not there: raises `Conflict` where
        somebody else was quicker.
        """
        async with self._database.engine() as transaction:
            if isinstance(was, Connection):
                row = await transaction.row(_AS_IT_IS, tenant.id, name)
                if row is None or not _is(row, was):
                    raise _quicker(name)
            put = await transaction.execute(
                _PUT,
                tenant.id,
                name,
                system,
                connector,
                msgspec.json.encode(settings or {}),
                concurrency,
                rate,
                environment,
                mapping,
                was is None,
            )
            if not put:
                raise _quicker(name)
            if last is not None:
                await last(transaction)

    async def remove(self, tenant: Tenant, name: str, *, last: Last | None = None) -> None:
        """Forget a connection, and what is known of it. Raises `Conflict` while calls wait for it or are out.

        What came in from it stays, and so does what runs have told of it.
        """
        async with self._database.engine() as transaction:
            await transaction.execute(_LOCK, tenant.id, name)
            calls = await transaction.value(_CALLS, tenant.id, name)
            if calls:
                raise Conflict(
                    f"{calls} calls of {name} have not ended",
                    mend="start it and let them leave, or cancel their runs; then remove it",
                )
            if not await transaction.execute(_REMOVE, tenant.id, name):
                raise NotFound(f"there is no connection {name}", mend="see the connections")
            for table in _OF_IT:
                await transaction.execute(table, tenant.id, name)
            if last is not None:
                await last(transaction)

    async def stop(
        self, tenant: Tenant | None, name: str | None = None, *, system: str | None = None, by: str = "",
        deadlines_run: bool = True, last: Last | None = None,
    ) -> int:  # fmt: skip
        """Let no call leave: of one connection, of a system, of one tenant or (None) of all. Gives how many.

        With `deadlines_run` false, deadlines of the runs that wait for it stand still until it starts again.
        """
        async with self._database.engine() as transaction:
            done = await transaction.execute(
                _STOP, tenant.id if tenant else None, name, by, not deadlines_run, system
            )
            if not done:
                raise NotFound(f"there is no connection {name or system}", mend="see the connections")
            if last is not None:
                await last(transaction)
        return done

    async def start(
        self,
        tenant: Tenant | None,
        name: str | None = None,
        *,
        system: str | None = None,
        drain_rate: float | None = None,
        last: Last | None = None,
    ) -> int:
        """Let calls leave again, those that waited in their order, `drain_rate` a second. Gives how many.

        Runs that stood still meanwhile are told for how long; their deadlines are put off by that.
        Raises `Refused` for a rate that is none.
        """
        if drain_rate is not None and not 0 < drain_rate < inf:
            raise Refused(f"{drain_rate} is no rate", mend="give calls a second, such as 5")
        async with self._database.engine() as transaction:
            stood = await transaction.fetch(_STOOD, tenant.id if tenant else None, name, system)
            await transaction.execute(
                _TELL,
                [row["tenant"] for row in stood],
                [row["run"] for row in stood],
                [encode_event(_stood(row)) for row in stood],
            )
            done = await transaction.execute(_START, tenant.id if tenant else None, name, drain_rate, system)
            if done and last is not None:
                await last(transaction)
        return done

    async def record(self, tenant: Tenant, name: str, seconds: float, *, last: Last | None = None) -> None:
        """Record its traffic for so long from now on, and forget what was recorded before; 0 ends it."""
        async with self._database.engine() as transaction:
            if seconds:
                await transaction.execute(_FORGET, tenant.id, name)
            if not await transaction.execute(_RECORD, tenant.id, name, seconds):
                raise NotFound(f"there is no connection {name}", mend="see the connections")
            if last is not None:
                await last(transaction)

    async def recorded(self, tenant: Tenant, name: str) -> list[Any]:
        """What was recorded of it: entries of a HAR file, in their order."""
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_RECORDED, name)
        return [msgspec.json.decode(row["entry"]) for row in rows]

    async def named(self, tenant: Tenant, name: str) -> Connection | None:
        """One connection of a tenant, if there is one of that name."""
        return next((one for one in await self.of(tenant) if one.name == name), None)

    async def of(self, tenant: Tenant) -> list[Connection]:
        """All connections of a tenant, with their calls counted."""
        async with self._database.of(tenant) as transaction:
            return await all_connections(transaction)


async def all_connections(transaction: TenantTransaction) -> list[Connection]:
    """All connections of the tenant, by name, with their calls counted."""
    rows = await transaction.fetch(_LIST)
    return [Connection(**{**dict(row), "settings": msgspec.json.decode(row["settings"])}) for row in rows]


def _is(row: Any, seen: Connection) -> bool:
    """Whether what `put` sets is still as it was seen."""
    now = {**dict(row), "settings": msgspec.json.decode(row["settings"])}
    return all(getattr(seen, name) == value for name, value in now.items())


def _quicker(name: str) -> Conflict:
    return Conflict(f"somebody else has just set the connection {name}", mend="look at it again")


def _stood(row: Any) -> Event:
    """Tells a run how long it stood still. It came when that began: what was due before is late."""
    since, until = row["since"], row["until"]
    return Event(
        id=f"{row['run']}/{row['name']}/{until.timestamp():.6f}",
        source="engine",
        type=RUN_STOOD_STILL,
        time=until,
        received=since,
        now=until,
        data={"connection": row["name"], "since": text_of(since), "until": text_of(until)},
    )
