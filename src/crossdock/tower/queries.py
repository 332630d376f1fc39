"""What pages read. Plain SQL in a transaction that sees one tenant; row-level security sets its bounds.

Nothing here writes. Each list is bounded, and walks an index: a page stays quick however long the history is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from crossdock.process.messages import numbers_of
from crossdock.store import TenantTransaction

Row = Any  # a row of the driver: fields by name


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFilter:
    """Which runs a table shows: of a status, of a process, found by a number."""

    status: str = ""
    process: str = ""
    number: str = ""

    @property
    def empty(self) -> bool:
        """Whether it shows all."""
        return not (self.status or self.process or self.number)


_RUN: LiteralString = """
select r.id, r.process, r.key, r.generation, r.status, r.created, r.changed, r.ended, r.wake_at,
       r.error is not null as stopped, r.parent is not null as child,
       (select count(*) from crossdock.exception e
        where e.tenant = r.tenant and e.run = r.id and e.closed is null) as open_exceptions,
       (select count(*) from crossdock.task t
        where t.tenant = r.tenant and t.run = r.id and t.status = 'open') as open_tasks
"""

_PAGE: LiteralString = (
    _RUN
    + """
from crossdock.run r
where r.tenant = crossdock.tenant()
  and ($1 = '' or r.status = $1) and ($2 = '' or r.process = $2)
  and r.id < $3
order by r.id desc limit $4
"""
)

_PAGE_BACK: LiteralString = (
    "select * from ("  # noqa: S608 - literals alone
    + _RUN
    + """
from crossdock.run r
where r.tenant = crossdock.tenant()
  and ($1 = '' or r.status = $1) and ($2 = '' or r.process = $2)
  and r.id > $3
order by r.id limit $4) back order by id desc
"""
)

# Kinds and processes are few: the first two walk from one to the next in the index, so that a number is
# looked up under each without reading the table. What begins with the number is found too.
_FIND: LiteralString = """
with recursive kinds as (
  (select kind from crossdock.alias where tenant = crossdock.tenant() order by kind limit 1)
  union all
  select (select a.kind from crossdock.alias a where a.tenant = crossdock.tenant() and a.kind > k.kind
          order by a.kind limit 1)
  from kinds k where k.kind is not null
), processes as (
  (select process from crossdock.run where tenant = crossdock.tenant() order by process limit 1)
  union all
  select (select r.process from crossdock.run r where r.tenant = crossdock.tenant() and r.process > p.process
          order by r.process limit 1)
  from processes p where p.process is not null
), hits as (
  select a.run, a.kind, a.value from kinds k cross join lateral (
    select a.run, a.kind, a.value from crossdock.alias a
    where a.tenant = crossdock.tenant() and a.kind = k.kind
      and a.value >= $1 and a.value <= $2 and starts_with(a.value, $1)
    order by a.value limit $3) a
  union all
  select r.id, '', r.key from processes p cross join lateral (
    select r.id, r.key from crossdock.run r
    where r.tenant = crossdock.tenant() and r.process = p.process
      and r.key >= $1 and r.key <= $2 and starts_with(r.key, $1)
    order by r.key limit $3) r
)
select run, max(kind) as kind, min(value) as value from hits group by run order by run desc limit $3
"""

_FOUND: LiteralString = (
    _RUN
    + """
from crossdock.run r
where r.tenant = crossdock.tenant() and r.id = any($1::bigint[])
  and ($2 = '' or r.status = $2) and ($3 = '' or r.process = $3)
order by r.id desc
"""
)

_HISTORY: LiteralString = """
select h.seq, h.at, h.type, h.event, h.records
from crossdock.history h
where h.tenant = crossdock.tenant() and h.run = $1 and h.seq < $2
order by h.seq desc limit $3
"""

_RECENT: LiteralString = """
select h.run, h.seq, h.at, h.type, h.event, h.records, r.process, r.key, r.generation
from (select * from crossdock.history where tenant = crossdock.tenant() order by xid desc limit $1) h
join crossdock.run r on r.tenant = h.tenant and r.id = h.run
order by h.xid desc, h.seq desc
"""

_TASKS: LiteralString = """
select t.id, t.run, t.step, t.status, t.role, t.opened, t.due, t.data, r.process, r.key, r.generation, r.seq,
       r.version, r.state
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where t.tenant = crossdock.tenant() and t.status = 'open'
  and ($1 = '' or t.id = $1) and ($2 = 0 or t.run = $2)
order by t.due nulls last, t.opened limit $3
"""

_EXCEPTIONS: LiteralString = """
select e.id, e.run, e.step, e.type, e.severity, e.owner, e.connection, e.message, e.count, e.opened,
       e.repeated, e.data, r.process, r.key, r.generation, r.seq, r.status, r.version, r.state
from crossdock.exception e join crossdock.run r on r.tenant = e.tenant and r.id = e.run
where e.tenant = crossdock.tenant() and e.closed is null
  and ($1 = '' or e.type = $1) and ($2 = '' or e.id = $2) and ($3 = 0 or e.run = $3)
order by e.opened limit $4
"""


async def runs(
    transaction: TenantTransaction, chosen: RunFilter, *, before: int = 0, after: int = 0, limit: int = 50
) -> list[Row]:
    """Runs, newest first: those before a run's number, or the ones just after it."""
    if after:
        return await transaction.fetch(_PAGE_BACK, chosen.status, chosen.process, after, limit)
    return await transaction.fetch(_PAGE, chosen.status, chosen.process, before or 2**62, limit)


async def find(
    transaction: TenantTransaction, chosen: RunFilter, *, limit: int = 200
) -> tuple[list[Row], dict[int, tuple[str, str]]]:
    """Runs that a number names, whole or by its beginning, and for each the kind and value that matched.

    What matches wholly comes alone: who types a full number wants that case. Upper case is tried too, and
    what is in test is found without saying so.
    """
    hits: list[Row] = []
    for number in numbers_of(chosen.number):
        hits += await transaction.fetch(_FIND, number, number + "\uffff", limit)
    whole = {number.casefold() for number in numbers_of(chosen.number)}
    exact = [hit for hit in hits if hit["value"].casefold() in whole]
    why = {hit["run"]: (hit["kind"], hit["value"]) for hit in exact or hits}
    rows = await transaction.fetch(_FOUND, list(why)[:limit], chosen.status, chosen.process)
    return rows, why


async def counts(transaction: TenantTransaction) -> list[Row]:
    """Number of runs by process and status."""
    return await transaction.fetch(
        "select process, status, count(*) as number from crossdock.run where tenant = crossdock.tenant() "
        "group by process, status"
    )


async def desk_counts(transaction: TenantTransaction) -> Row:
    """How much waits for people: `tasks` with approvals, `exceptions`, `proposals`; `parked`, `quarantined`
    and `unread` events; connections that are stopped or failing (`troubled`). And why the tenant is
    `suspended`, or None.
    """
    return await transaction.row(
        "select (select count(*) from crossdock.task where tenant = crossdock.tenant() and status = 'open') "
        "as tasks, (select count(*) from crossdock.exception where tenant = crossdock.tenant() "
        "and closed is null) as exceptions, "
        "(select count(*) from crossdock.proposal where tenant = crossdock.tenant() and status = 'open') "
        "as proposals, "
        "(select count(*) from crossdock.parked where tenant = crossdock.tenant() and dismissed is null) "
        "as parked, "
        "(select count(*) from crossdock.quarantine where tenant = crossdock.tenant() and released is null) "
        "as quarantined, "
        "(select count(*) from crossdock.delivery where tenant = crossdock.tenant() "
        "and outcome = 'quarantined') as unread, "
        "(select count(*) from crossdock.connection where tenant = crossdock.tenant() "
        "and (stopped is not null or open_until is not null)) as troubled, "
        "(select suspended_why from crossdock.tenant where tenant = crossdock.tenant() "
        "and suspended is not null) as suspended"
    )


async def masters(transaction: TenantTransaction, connection: str, *, limit: int = 50) -> dict[str, Any]:
    """Master data of a connection: its last reading, how many codes are set, and what waits for a person."""
    rows = await transaction.fetch(
        "select kind, code, finding, here, there, mend, count(*) over () as many from crossdock.master "
        "where tenant = crossdock.tenant() and connection = $1 and finding <> '' order by kind, id limit $2",
        connection,
        limit,
    )
    return {
        "waiting": rows,
        "many": rows[0]["many"] if rows else 0,
        "codes": await transaction.value(
            "select count(*) from crossdock.code where tenant = crossdock.tenant() and scope = $1", connection
        ),
        "read": await transaction.row(
            "select ran, due, failures, failed from crossdock.master_reading "
            "where tenant = crossdock.tenant() and connection = $1",
            connection,
        ),
    }


async def run(transaction: TenantTransaction, process: str, key: str, generation: int) -> Row | None:
    """One run with its state and version, or None."""
    return await transaction.row(
        "select r.*, p.process as parent_process, p.key as parent_key, p.generation as parent_generation, "
        "(select max(x.generation) from crossdock.run x where x.tenant = r.tenant and x.process = r.process "
        "and x.key = r.key) as latest "
        "from crossdock.run r left join crossdock.run p on p.tenant = r.tenant and p.id = r.parent "
        "where r.tenant = crossdock.tenant() and r.process = $1 and r.key = $2 and r.generation = $3",
        process,
        key,
        generation,
    )


async def children(transaction: TenantTransaction, run_: int, *, limit: int = 200) -> list[Row]:
    """Runs that this one has started, the open ones first."""
    return await transaction.fetch(
        "select id, process, key, generation, status, created, ended, parent_step, parent_item "
        "from crossdock.run where tenant = crossdock.tenant() and parent = $1 "
        "order by ended nulls first, id desc limit $2",
        run_,
        limit,
    )


async def aliases(transaction: TenantTransaction, run_: int) -> list[Row]:
    """The names by which events find this run."""
    return await transaction.fetch(
        "select kind, value, live from crossdock.alias where tenant = crossdock.tenant() and run = $1 "
        "and kind <> 'exception' order by kind, value limit 100",
        run_,
    )


async def calls_out(transaction: TenantTransaction, run_: int) -> list[Row]:
    """Calls of this run that have not been settled."""
    return await transaction.fetch(
        "select o.command, o.status, o.connection, o.attempt, o.due, o.error, o.doubt, o.withdrawn, o.call, "
        "n.stopped, n.open_until from crossdock.outbox o "
        "left join crossdock.connection n on n.tenant = o.tenant and n.name = o.connection "
        "where o.tenant = crossdock.tenant() and o.run = $1 order by o.id limit 100",
        run_,
    )


async def history(
    transaction: TenantTransaction, run_: int, *, before: int = 0, limit: int = 100
) -> list[Row]:
    """What was decided for a run, newest first."""
    return await transaction.fetch(_HISTORY, run_, before or 2**31 - 1, limit)


async def told(transaction: TenantTransaction, run_: int, *, limit: int = 500) -> list[Row]:
    """What the last decisions of a run told, oldest first."""
    return await transaction.fetch(
        "select * from (select seq, at, records from crossdock.history "
        "where tenant = crossdock.tenant() and run = $1 order by seq desc limit $2) h order by seq",
        run_,
        limit,
    )


async def decision(transaction: TenantTransaction, run_: int, seq: int) -> Row:
    """One decision of a run."""
    return await transaction.row(
        "select seq, at, type, event, records from crossdock.history "
        "where tenant = crossdock.tenant() and run = $1 and seq = $2",
        run_,
        seq,
    )


async def set_aside(transaction: TenantTransaction, run_: int) -> list[Row]:
    """Events that a broken decision has set aside."""
    return await transaction.fetch(
        "select at, error, event from crossdock.aside where tenant = crossdock.tenant() and run = $1 "
        "order by id limit 20",
        run_,
    )


async def recent(transaction: TenantTransaction, *, limit: int = 30) -> list[Row]:
    """What was decided last, of any run."""
    return await transaction.fetch(_RECENT, limit)


async def tasks(
    transaction: TenantTransaction, *, id_: str = "", run: int = 0, limit: int = 500
) -> list[Row]:
    """Open approvals and tasks with their runs; one by its id, or those of one run."""
    return await transaction.fetch(_TASKS, id_, run, limit)


async def exceptions(
    transaction: TenantTransaction, *, type_: str = "", id_: str = "", run: int = 0, limit: int = 500
) -> list[Row]:
    """Open exceptions with their runs, oldest first; of one type, one by its id, or those of one run."""
    return await transaction.fetch(_EXCEPTIONS, type_, id_, run, limit)


async def exceptions_of(transaction: TenantTransaction, run_: int) -> list[Row]:
    """All exceptions of a run, open ones first."""
    return await transaction.fetch(
        "select id, process, step, type, severity, owner, connection, message, count, opened, repeated, "
        "closed from crossdock.exception where tenant = crossdock.tenant() and run = $1 "
        "order by closed nulls first, opened desc limit 100",
        run_,
    )


async def parked(transaction: TenantTransaction, *, limit: int = 100) -> list[Row]:
    """Events that no run has claimed yet, newest first."""
    return await transaction.fetch(
        "select id, at, type, event from crossdock.parked where tenant = crossdock.tenant() "
        "and dismissed is null order by id desc limit $1",
        limit,
    )


async def quarantined(transaction: TenantTransaction, *, limit: int = 100) -> list[Row]:
    """Events that were refused, newest first."""
    return await transaction.fetch(
        "select id, at, type, reason, event from crossdock.quarantine where tenant = crossdock.tenant() "
        "and released is null order by id desc limit $1",
        limit,
    )


async def unread(transaction: TenantTransaction, *, limit: int = 50) -> list[Row]:
    """What partners sent and nobody could read, newest first, with the bytes as they came."""
    return await transaction.fetch(
        "select d.id, d.at, d.connection, d.feed, d.reason, substring(b.data for "
        # what is sealed cannot be opened in part
        "case when substring(b.data for 3) = '\\xe29fa6'::bytea then 200000 else 20000 end) as data "
        "from crossdock.delivery d "
        "left join crossdock.blob b on b.tenant = d.tenant and b.hash = d.body "
        "where d.tenant = crossdock.tenant() and d.outcome = 'quarantined' order by d.id desc limit $1",
        limit,
    )


async def published(transaction: TenantTransaction) -> list[Row]:
    """The processes that new runs take, by name."""
    return await transaction.fetch(
        "select c.name, c.id, c.next_id, c.share, v.version, v.published, v.published_by "
        "from crossdock.process_current c "
        "join crossdock.process_version v on v.tenant = c.tenant and v.id = c.id "
        "where c.tenant = crossdock.tenant() order by c.name"
    )


async def versions(transaction: TenantTransaction, name: str) -> Sequence[Row]:
    """All versions of a process, newest first."""
    return await transaction.fetch(
        "select id, version, published, published_by from crossdock.process_version "
        "where tenant = crossdock.tenant() and name = $1 order by id desc limit 50",
        name,
    )


async def version(transaction: TenantTransaction, number: int) -> Row | None:
    """The process version of that number: its name, hash, and when it was published by whom."""
    return await transaction.row(
        "select name, version, published, published_by from crossdock.process_version "
        "where tenant = crossdock.tenant() and id = $1",
        number,
    )


async def newer(transaction: TenantTransaction, name: str, number: int) -> str | None:
    """The newest version of a process that runs take, by its content, if it is not that of this number."""
    found: str | None = await transaction.value(
        "select v.version from crossdock.process_current c join crossdock.process_version v "
        "on v.tenant = c.tenant and v.id = coalesce(c.next_id, c.id) "
        "where c.tenant = crossdock.tenant() and c.name = $1 and v.id <> $2",
        name,
        number,
    )
    return found


async def source(transaction: TenantTransaction, number: int) -> str | None:
    """The text of a process version."""
    found: str | None = await transaction.value(
        "select source from crossdock.process_version where tenant = crossdock.tenant() and id = $1", number
    )
    return found


async def calendars(transaction: TenantTransaction) -> bytes | None:
    """The newest settings and calendars, as JSON."""
    found: bytes | None = await transaction.value(
        "select data from crossdock.reference where tenant = crossdock.tenant() order by version desc limit 1"
    )
    return found


async def clock(transaction: TenantTransaction) -> Row:
    """The engine's time (`now`), whether it is virtual, and how fast it runs."""
    return await transaction.row("select crossdock.now() as now, virtual, rate from crossdock.clock")


async def decisions(transaction: TenantTransaction, run_: int) -> int:
    """How many decisions a run has behind it."""
    found: int | None = await transaction.value(
        "select seq from crossdock.run where tenant = crossdock.tenant() and id = $1", run_
    )
    return found or 0


async def version_of(transaction: TenantTransaction, run_: int) -> int:
    """The number of the process version that a run follows."""
    found: int = await transaction.value(
        "select version from crossdock.run where tenant = crossdock.tenant() and id = $1", run_
    )
    return found
