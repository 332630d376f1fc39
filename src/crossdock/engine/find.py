"""Finding work by looking: runs with undecided events, deadlines that are due. The truth behind all hints.

Tenants are walked through by index, one probe each, so a backlog of one costs the others nothing; of each
tenant some runs are taken, from where the last look ended: otherwise what was found and is not yet decided
would be found again, over and over. Nothing is locked: whoever claims a run finds out whether there is still
something to decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString

from crossdock.engine.correlate import RunRef
from crossdock.store import Database

MOST_TENANTS = 256
_TOGETHER = 256  # runs in one look, if so few tenants have work that this is more than ...
_EACH = 64  # ... so many of each
_MOST_STILL = 1000  # deadlines of a tenant that are passed by in one look, since they stand still

_PENDING: LiteralString = """
with recursive t as (
  (select tenant from crossdock.inbox where tenant > $1 order by tenant limit 1)
  union all
  select n.tenant from t cross join lateral (
    select i.tenant from crossdock.inbox i where i.tenant > t.tenant order by i.tenant limit 1) n
)
select tenant from t limit $2
"""

# The index holds a row for each event; a step of the walk skips all events of one run.
_RUNS: LiteralString = """
select k.tenant, r.run, x.open
from unnest($1::int[], $2::bigint[]) as k(tenant, after)
cross join lateral (
  with recursive r as (
    (select run from crossdock.inbox where tenant = k.tenant and run > k.after order by run limit 1)
    union all
    select n.run from r cross join lateral (
      select i.run from crossdock.inbox i where i.tenant = k.tenant
        and i.run > r.run order by i.run limit 1) n
  )
  select run from r limit $3
) r
cross join lateral (
  select x.error is null as open from crossdock.run x where x.tenant = k.tenant and x.id = r.run offset 0
) x
"""

_DUE_TENANTS: LiteralString = """
with recursive t as (
  (select tenant from crossdock.run where wake_at is not null and tenant > $1 order by tenant limit 1)
  union all
  select n.tenant from t cross join lateral (
    select r.tenant from crossdock.run r where r.wake_at is not null and r.tenant > t.tenant
    order by r.tenant limit 1) n
)
select tenant, crossdock.now() as now from t limit $2
"""

_DUE: LiteralString = """
select k.tenant, d.id as run, d.wake_at, d.still
from unnest($1::int[], $2::timestamptz[], $3::bigint[]) as k(tenant, wake_at, id)
cross join lateral (
  select exists (
    select 1 from crossdock.connection n where n.tenant = k.tenant and n.stopped is not null and n.stand_still
  ) as any
) s
cross join lateral (
  select r.id, r.wake_at, s.any and exists (
      select 1 from crossdock.outbox o
      join crossdock.connection n on n.tenant = any(array[o.tenant]) and n.name = any(array[o.connection])
      where o.tenant = k.tenant and o.run = r.id and n.stopped is not null and n.stand_still
      union all
      select 1 from crossdock.tracking f
      join crossdock.connection n on n.tenant = any(array[f.tenant]) and n.name = any(array[f.connection])
      where f.tenant = k.tenant and f.run = r.id and n.stopped is not null and n.stand_still) as still
  from crossdock.run r
  where r.tenant = k.tenant and (r.wake_at, r.id) > (k.wake_at, k.id) and r.wake_at <= $4
  order by r.wake_at, r.id limit case when s.any then $6::int else $5::int end
) d
"""
_LONG_AGO = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(slots=True)
class Finder:
    """Looks for work on behalf of one worker."""

    database: Database
    _pending_after: int = 0
    _due_after: int = 0
    _runs_after: dict[int, int] = field(default_factory=dict)
    _deadlines_after: dict[int, tuple[datetime, int]] = field(default_factory=dict)

    async def pending(self) -> list[RunRef]:
        """Runs with undecided events, some of each tenant."""
        async with self.database.engine() as transaction:
            tenants = [
                row["tenant"] for row in await transaction.fetch(_PENDING, self._pending_after, MOST_TENANTS)
            ]
            self._pending_after = tenants[-1] if len(tenants) == MOST_TENANTS else 0
            if not tenants:
                self._runs_after.clear()
                return []
            each = _each(tenants)
            rows = await transaction.fetch(
                _RUNS, tenants, [self._runs_after.get(tenant, 0) for tenant in tenants], each
            )
        last: dict[int, list[int]] = {tenant: [] for tenant in tenants}
        for row in rows:
            last[row["tenant"]].append(row["run"])
        for tenant, runs in last.items():
            self._runs_after[tenant] = max(runs) if len(runs) == each else 0
        return [RunRef(row["tenant"], row["run"]) for row in rows if row["open"]]

    async def due(self) -> list[RunRef]:
        """Runs with a deadline that has passed, some of each tenant."""
        async with self.database.engine() as transaction:
            found = await transaction.fetch(_DUE_TENANTS, self._due_after, MOST_TENANTS)
            tenants = [row["tenant"] for row in found]
            self._due_after = tenants[-1] if len(tenants) == MOST_TENANTS else 0
            if not tenants:
                self._deadlines_after.clear()
                return []
            after = [self._deadlines_after.get(tenant, (_LONG_AGO, 0)) for tenant in tenants]
            each = _each(tenants)
            rows = await transaction.fetch(
                _DUE,
                tenants,
                [at for at, _ in after],
                [run for _, run in after],
                found[0]["now"],
                each,
                max(each, _MOST_STILL),
            )
        last: dict[int, list[tuple[datetime, int]]] = {tenant: [] for tenant in tenants}
        for row in rows:
            last[row["tenant"]].append((row["wake_at"], row["run"]))
        for tenant, deadlines in last.items():
            if len(deadlines) >= each:
                self._deadlines_after[tenant] = max(deadlines)
            else:
                self._deadlines_after.pop(tenant, None)  # from the earliest again: one may have come before
        return [RunRef(row["tenant"], row["run"]) for row in rows if not row["still"]]


def _each(tenants: list[int]) -> int:
    return max(_EACH, _TOGETHER // len(tenants))


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """Whether anything is under way, and when the next thing falls due by the engine's clock.

    `next_try` is when the next call leaves that pauses: between its tries, or behind an open breaker. It is
    in `next_due` too.
    """

    busy: bool
    next_due: datetime | None
    next_try: datetime | None
    now: datetime


_IDLE: LiteralString = """
with waiting as (
  select greatest(o.due, n.open_until) as leaves
  from crossdock.outbox o join crossdock.connection n on n.tenant = o.tenant and n.name = o.connection
  where o.status = 'ready' and n.stopped is null
)
select crossdock.now() as now,
  exists (select 1 from crossdock.inbox i join crossdock.run r on r.tenant = i.tenant and r.id = i.run
          where r.error is null)
  or exists (select 1 from crossdock.run where wake_at <= crossdock.now())
  or exists (select 1 from crossdock.repair where status in ('trial', 'running'))
  or exists (select 1 from crossdock.outbox where status in ('leased', 'reported'))
  or exists (select 1 from waiting where leaves <= crossdock.now()) as busy,
  (select min(wake_at) from crossdock.run where wake_at is not null) as next_wake,
  (select min(leaves) from waiting) as next_try
"""


async def idle_until(database: Database) -> Idle:
    """Look whether anything can go on now; if not, when. For whoever drives a virtual clock.

    Looks at all open rows: not for a clock that runs by itself under load.
    """
    (row,) = await database.at_once(_IDLE)
    due = min((at for at in (row["next_wake"], row["next_try"]) if at is not None), default=None)
    return Idle(busy=row["busy"], next_due=due, next_try=row["next_try"], now=row["now"])
