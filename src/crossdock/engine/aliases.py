"""The names by which events find runs, and the events that wait for one.

An alias belongs to one run of a process at a time. What claims one, and what parks an event, may happen in
two transactions at once that do not see each other; `missed` finds such pairs a moment later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import LiteralString

from crossdock.engine.library import Library
from crossdock.store import EngineTransaction

_CLAIM: LiteralString = """
insert into crossdock.alias (tenant, run, process, kind, value)
select * from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::text[])
  as k(tenant, run, process, kind, value)
order by k.tenant, k.kind, k.value, k.process
on conflict do nothing returning tenant, run, kind, value
"""

_HOLDERS: LiteralString = """
select k.n, a.run, r.process, r.key, r.generation
from unnest($1::int[], $2::int[], $3::text[], $4::text[], $5::text[]) as k(n, tenant, kind, value, process)
join crossdock.alias a on a.tenant = any(array[k.tenant]) and a.kind = any(array[k.kind])
  and a.value = any(array[k.value]) and a.process = k.process and a.live is not false
join crossdock.run r on r.tenant = any(array[a.tenant]) and r.id = any(array[a.run])
"""

_PARKED: LiteralString = """
select p.tenant, p.id, p.type, p.event, k.run, r.version
from unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) as k(tenant, kind, value, run)
join crossdock.run r on r.tenant = any(array[k.tenant]) and r.id = any(array[k.run])
join crossdock.parked_key x on x.tenant = any(array[k.tenant]) and x.kind = any(array[k.kind])
  and x.value = any(array[k.value])
join crossdock.parked p on p.tenant = any(array[x.tenant]) and p.id = any(array[x.parked])
where p.dismissed is null
order by p.id for update of p
"""

_UNPARK: LiteralString = """
with gone as (
  delete from crossdock.parked_key x using unnest($1::int[], $2::bigint[]) as k(tenant, id)
  where x.tenant = any(array[k.tenant]) and x.parked = any(array[k.id])
)
delete from crossdock.parked p using unnest($1::int[], $2::bigint[]) as k(tenant, id)
where p.tenant = any(array[k.tenant]) and p.id = any(array[k.id])
"""

# Nearly all such pairs are found among what was parked just now; those of a long transaction by going
# through the rest, some at a time.
_MISSED: LiteralString = """
with look as (
  (select id, tenant, stored, false as rest from crossdock.parked
   where stored > statement_timestamp() - interval '3 seconds' and dismissed is null
   order by stored desc, id desc limit $3)
  union all
  (select id, tenant, stored, true from crossdock.parked
   where (stored, id) > (greatest($1, statement_timestamp() - interval '10 minutes'), $2)
     and dismissed is null
   order by stored, id limit $3)
)
select l.id, l.stored, l.rest, a.tenant, a.kind, a.value, a.run
from look l
left join (
  crossdock.parked_key x
  join crossdock.alias a on a.tenant = any(array[x.tenant]) and a.kind = any(array[x.kind])
    and a.value = any(array[x.value]) and a.live is not false
) on x.tenant = any(array[l.tenant]) and x.parked = any(array[l.id])
"""
_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)
FROM_THE_BEGINNING = (_LONG_AGO, 0)
_AT_ONCE = 1000  # events in one look


@dataclass(frozen=True, slots=True)
class Wanted:
    """A run wants a name."""

    tenant: int
    run: int
    process: str
    kind: str
    value: str


async def claim(transaction: EngineTransaction, wanted: list[Wanted]) -> list[tuple[Wanted, str]]:
    """Write aliases; gives those that other runs hold, with the name of the holder."""
    rows = await transaction.fetch(
        _CLAIM, *columns(((w.tenant, w.run, w.process, w.kind, w.value) for w in wanted), 5)
    )
    got = {(row["tenant"], row["run"], row["kind"], row["value"]) for row in rows}
    missing = [w for w in wanted if (w.tenant, w.run, w.kind, w.value) not in got]
    if not missing:
        return []
    found = await transaction.fetch(
        _HOLDERS, *columns(((n, w.tenant, w.kind, w.value, w.process) for n, w in enumerate(missing)), 5)
    )
    holders = {row["n"]: row for row in found}
    refused: list[tuple[Wanted, str]] = []
    for n, one in enumerate(missing):
        holder = holders.get(n)
        if holder is None:
            refused.append((one, "another run"))
        elif holder["run"] != one.run:  # else it is its own already
            refused.append((one, f"{holder['process']}/{holder['key']}/{holder['generation']}"))
    return refused


async def unpark(
    transaction: EngineTransaction, library: Library, names: Iterable[tuple[int, str, str, int]]
) -> list[tuple[int, int, bytes]]:
    """Take parked events that name (tenant, kind, value) for its run, where that has a use for them.

    Gives (tenant, run, event).
    """
    found = await transaction.fetch(_PARKED, *columns(names, 4))
    given: list[tuple[int, int, bytes]] = []
    taken: set[tuple[int, int]] = set()
    for row in found:
        process = await library.process(transaction, row["tenant"], row["version"])
        if process.wants(row["type"]):
            given.append((row["tenant"], row["run"], row["event"]))
            taken.add((row["tenant"], row["id"]))
    if taken:
        await transaction.execute(_UNPARK, *columns(sorted(taken), 2))
    return given


async def missed(
    transaction: EngineTransaction, after: tuple[datetime, int]
) -> tuple[set[tuple[int, str, str, int]], tuple[datetime, int]]:
    """Names of live runs for which events of the last ten minutes are parked: (tenant, kind, value, run).

    Looks at what was parked just now, and at some of the rest, from `after` on; also gives where to go on.
    """
    rows = await transaction.fetch(_MISSED, *after, _AT_ONCE)
    names = {(row["tenant"], row["kind"], row["value"], row["run"]) for row in rows if row["run"] is not None}
    rest = {(row["stored"], row["id"]) for row in rows if row["rest"]}
    return names, max(rest) if len(rest) >= _AT_ONCE else FROM_THE_BEGINNING


def columns(rows: Iterable[tuple[object, ...]], width: int) -> list[list[object]]:
    """Rows as the columns that `unnest` takes."""
    found: list[list[object]] = [[] for _ in range(width)]
    for row in rows:
        for column, value in zip(found, row, strict=True):
            column.append(value)
    return found
