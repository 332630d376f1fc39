"""Claiming: lock runs, take what waits in their inboxes, and the outcomes whose leases still hold.

What is taken is deleted inside the transaction, so whatever happens before the commit brings it back. Runs
that another worker has are skipped, never waited for; rows that it consumed while we looked are not seen
again, since a deletion looks at the newest version of a row.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

import msgspec

from crossdock.engine.correlate import RunRef
from crossdock.engine.outbox import Outcome
from crossdock.engine.states import States
from crossdock.process import State
from crossdock.store import EngineTransaction

MOST_FROM_INBOX = 50  # events of one run in one batch: a hot run gets no more than its share
FINAL = frozenset({"done", "refused", "withdrawn"})  # outcomes after which a call is never tried again

_CLAIM: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::bool[])
    as k(tenant, run, seq, command, token, final)
), locked as materialized (
  select r.tenant, r.id, r.version, r.seq, r.generation, r.key, r.parent, r.parent_step, r.parent_item,
         r.parent_redo, r.wake_at, case when r.seq <> k.seq then r.state end as state,
         k.command, k.token, k.final
  from k join crossdock.run r on r.tenant = any(array[k.tenant]) and r.id = any(array[k.run])
  where r.error is null
  for no key update of r skip locked
), one as (
  select distinct tenant, id from locked
), taken as (
  delete from crossdock.inbox i using (
    select x.tenant, x.run, x.id from one cross join lateral (
      select i.tenant, i.run, i.id from crossdock.inbox i
      where i.tenant = one.tenant and i.run = one.id order by i.id limit $7
    ) x
  ) t
  where i.tenant = any(array[t.tenant]) and i.run = any(array[t.run]) and i.id = any(array[t.id])
  returning i.tenant, i.run, i.id, i.event
), settled as (
  delete from crossdock.outbox o using locked l
  where o.tenant = any(array[l.tenant]) and o.run = any(array[l.id]) and o.command = any(array[l.command])
    and o.token = l.token and o.status = 'leased' and l.final
  returning o.tenant, o.run, o.command, o.connection, o.lane
), reported as (
  update crossdock.outbox o set status = 'reported', leased_until = null from locked l
  where o.tenant = any(array[l.tenant]) and o.run = any(array[l.id]) and o.command = any(array[l.command])
    and o.token = l.token and o.status = 'leased' and not l.final
  returning o.tenant, o.run, o.command
)
select 'run' as what, tenant, id as run, crossdock.now() as now, version, seq, generation, key, parent,
       parent_step, parent_item, parent_redo, wake_at, state as data, 0 as number, '' as command,
       '' as connection, '' as lane
from locked
union all
select 'event', tenant, run, crossdock.now(), 0, 0, 0, '', null, '', '', 0, null, event, id, '', '', ''
from taken
union all
select 'settled', tenant, run, crossdock.now(), 0, 0, 0, '', null, '', '', 0, null, null, 0, command,
       connection, lane
from settled
union all
select 'reported', tenant, run, crossdock.now(), 0, 0, 0, '', null, '', '', 0, null, null, 0, command, '', ''
from reported
"""

# Runs whose deadlines do not fire: a call of theirs, or a number that is followed, waits for a system that
# was stopped so.
_STAND_STILL: LiteralString = """
select distinct o.tenant, o.run
from unnest($1::int[], $2::bigint[]) as k(tenant, run)
join crossdock.outbox o on o.tenant = k.tenant and o.run = k.run
join crossdock.connection n on n.tenant = o.tenant and n.name = o.connection
where n.stopped is not null and n.stand_still
union
select f.tenant, f.run
from unnest($1::int[], $2::bigint[]) as k(tenant, run)
join crossdock.tracking f on f.tenant = k.tenant and f.run = k.run
join crossdock.connection n on n.tenant = f.tenant and n.name = f.connection
where n.stopped is not null and n.stand_still
union
-- It has started again since, and how long they stood still is not decided yet.
select k.tenant, k.run from unnest($1::int[], $2::bigint[]) as k(tenant, run)
where exists (select from crossdock.inbox i where i.tenant = k.tenant and i.run = k.run and i.id < 0)
"""

_PARENTS: LiteralString = """
select r.tenant, r.id, r.process, r.key, r.generation
from unnest($1::int[], $2::bigint[]) as k(tenant, id)
join crossdock.run r on r.tenant = k.tenant and r.id = k.id
"""

_EVIDENCE: LiteralString = """
insert into crossdock.quarantine (tenant, type, reason, event)
select * from unnest($1::int[], $2::text[], $3::text[], $4::bytea[])
"""


@dataclass(slots=True)
class Work:
    """One run of a batch: its row, and what there is to decide."""

    tenant: int
    run: int
    row: Any
    arrived: list[tuple[int, bytes]] = field(default_factory=list)  # from the inbox: number and event
    outcomes: list[Outcome] = field(default_factory=list)
    state: State | None = None
    decided: int = 0
    stands_still: bool = False  # no deadline fires now


@dataclass(slots=True, kw_only=True)
class Claimed:
    """What a transaction has."""

    works: list[Work]
    now: datetime
    late: list[Outcome] = field(default_factory=list)  # their leases had run out
    busy: list[Outcome] = field(default_factory=list)  # their runs are with another worker, or stopped
    hot: set[RunRef] = field(default_factory=set)  # there may be more in their inboxes
    freed: list[tuple[int, str, str]] = field(default_factory=list)  # lanes whose head has gone


async def claim(
    transaction: EngineTransaction,
    states: States,
    outcomes: list[Outcome],
    runs: Iterable[RunRef],
    most: int = MOST_FROM_INBOX,
) -> Claimed:
    """Claim these runs, with `most` events of each, and take these outcomes.

    States that are known already are not read.
    """
    keys = [
        (
            o.leased.tenant,
            o.leased.run,
            states.seq(o.leased.tenant, o.leased.run),
            o.leased.command,
            o.leased.token,
            o.ended.outcome in FINAL,
        )
        for o in outcomes
    ]
    have = {(key[0], key[1]) for key in keys}
    keys += [
        (r.tenant, r.run, states.seq(r.tenant, r.run), "", 0, True)
        for r in runs
        if (r.tenant, r.run) not in have
    ]
    rows = await transaction.fetch(_CLAIM, *zip(*keys, strict=True), most)
    works: dict[tuple[int, int], Work] = {}
    ours: set[tuple[int, int, str]] = set()
    freed: list[tuple[int, str, str]] = []
    for row in rows:
        what = row["what"]
        name = (row["tenant"], row["run"])
        if what == "run":
            if name not in works:
                works[name] = Work(*name, row)
        elif what == "event":
            works[name].arrived.append((row["number"], row["data"]))
        else:
            ours.add((*name, row["command"]))
            if row["lane"]:
                freed.append((row["tenant"], row["connection"], row["lane"]))
    now = rows[0]["now"] if rows else await transaction.value("select crossdock.now()")
    claimed = Claimed(works=list(works.values()), now=now, freed=freed)
    for outcome in outcomes:
        name = (outcome.leased.tenant, outcome.leased.run)
        work = works.get(name)
        if work is None:
            claimed.busy.append(outcome)
        elif (*name, outcome.leased.command) in ours:
            work.outcomes.append(outcome)
        else:
            claimed.late.append(outcome)
    for work in claimed.works:
        work.arrived.sort(key=lambda pair: pair[0])
        if len(work.arrived) >= most:
            claimed.hot.add(RunRef(work.tenant, work.run))
    return claimed


async def keep_evidence(transaction: EngineTransaction, late: list[Outcome]) -> None:
    """Answers of leases that had run out: not taken, but kept, since they say what happened outside."""
    rows = [
        (
            o.leased.tenant,
            "call.late",
            f"run {o.leased.run}, call {o.leased.command}: the answer came after its lease had run out",
            msgspec.json.encode({"key": o.leased.key, "attempt": o.leased.attempt, "answer": o.ended}),
        )
        for o in late
    ]
    if rows:
        await transaction.execute(_EVIDENCE, *zip(*rows, strict=True))


async def parents(transaction: EngineTransaction, works: list[Work]) -> dict[tuple[int, int], Any]:
    """What new child runs need to know of their parents."""
    wanted = sorted({(w.tenant, w.row["parent"]) for w in works if not w.row["seq"] and w.row["parent"]})
    if not wanted:
        return {}
    rows = await transaction.fetch(_PARENTS, *zip(*wanted, strict=True))
    return {(row["tenant"], row["id"]): row for row in rows}


async def mark_standing_still(transaction: EngineTransaction, works: list[Work], now: datetime) -> None:
    """Find those with a deadline that is due and may not fire now."""
    due = {(w.tenant, w.run): w for w in works if w.row["wake_at"] is not None and w.row["wake_at"] <= now}
    if due:
        for row in await transaction.fetch(_STAND_STILL, [t for t, _ in due], [r for _, r in due]):
            due[row["tenant"], row["run"]].stands_still = True
