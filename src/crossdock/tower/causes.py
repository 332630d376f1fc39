"""What pages read of many cases at once: open exceptions by cause, repairs of many runs, and their items.

A cause is what the engine repairs by: type, connection, process and step of an open exception; or the error
of runs that a broken decision has stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, LiteralString

from crossdock.engine.repair import Cause
from crossdock.store import TenantTransaction
from crossdock.tower.queries import Row

MOST = 1000  # causes that are looked at
Sees = Callable[[str, Sequence[Row]], Awaitable[list[Row]]]

_CAUSES: LiteralString = """
select type, connection, process, step, owner, count(*) as number, min(opened) as oldest,
       count(distinct message) as messages, min(message) as message
from crossdock.exception where tenant = crossdock.tenant() and closed is null
group by type, connection, process, step, owner order by 6 desc, 1, 2, 3, 4, 5 limit $1
"""

_STOPPED: LiteralString = """
select process, status, left(error, 200) as error, count(*) as number, min(changed) as oldest
from crossdock.run where tenant = crossdock.tenant() and status = 'held' and error is not null
group by 1, 2, 3 order by 4 desc, 1, 3 limit $1
"""

_SET: LiteralString = """
select e.run, e.step, e.type, e.owner, e.connection, e.message, e.opened, e.data,
       r.process, r.key, r.generation
from crossdock.exception e join crossdock.run r on r.tenant = e.tenant and r.id = e.run
where e.tenant = crossdock.tenant() and e.closed is null
  and ($1 = '' or e.process = $1) and ($2 = '' or e.step = $2) and ($3 = '' or e.type = $3)
  and ($4 = '' or e.connection = $4) and ($5 = '' or position(lower($5) in lower(e.message)) > 0)
order by e.opened, e.id limit $6
"""

_SET_STOPPED: LiteralString = """
select r.id as run, '' as step, 'stopped' as type, '' as owner, '' as connection,
       r.error as message, r.changed as opened, r.process, r.key, r.generation
from crossdock.run r
where r.tenant = crossdock.tenant() and r.status = 'held' and r.error is not null
  and ($1 = '' or r.process = $1) and ($2 = '' or position(lower($2) in lower(r.error)) > 0)
order by r.id limit $3
"""

_REPAIRS: LiteralString = """
select p.id, p.at, p.by, p.action, p.filter, p.trial, p.rate, p.status, p.counted, p.sent,
       coalesce((select json_object_agg(outcome, n) from (
         select outcome, count(*) as n from crossdock.repair_item i
         where i.tenant = p.tenant and i.repair = p.id and outcome is not null group by 1) o), '{}')
       as outcomes
from crossdock.repair p
where p.tenant = crossdock.tenant() and ($1 = 0 or p.id = $1)
order by p.id desc limit $2
"""

_ITEMS: LiteralString = """
select i.n, i.step, i.sent, i.outcome, i.detail, r.process, r.key, r.generation, r.status
from crossdock.repair_item i join crossdock.run r on r.tenant = i.tenant and r.id = i.run
where i.tenant = crossdock.tenant() and i.repair = $1
  and ($2 = '' or coalesce(i.outcome, case when i.sent is null then 'waiting' else 'sent' end) = $2)
order by i.n limit $3 offset $4
"""


async def causes(transaction: TenantTransaction, sees: Sees, *, limit: int = 200) -> list[Row]:
    """Open exceptions counted by cause, most first: those that who looks `sees`."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in await sees("exception.read", await transaction.fetch(_CAUSES, MOST)):
        key = (row["type"], row["connection"], row["process"], row["step"])
        before = found.get(key)
        if before is None:
            found[key] = dict(row)
            continue
        same = before["messages"] == row["messages"] == 1 and before["message"] == row["message"]
        before["messages"] = 1 if same else max(2, before["messages"], row["messages"])
        before["number"] += row["number"]
        before["oldest"] = min(before["oldest"], row["oldest"])
    return sorted(found.values(), key=lambda row: -row["number"])[:limit]


async def stopped(transaction: TenantTransaction, sees: Sees, *, limit: int = 20) -> list[Row]:
    """Runs that a broken decision has stopped, counted by their error: those that who looks `sees`."""
    return (await sees("run.read", await transaction.fetch(_STOPPED, MOST)))[:limit]


async def those_with(transaction: TenantTransaction, cause: Cause, *, limit: int = 20) -> list[Row]:
    """The first cases that a repair of that cause would touch, in its order."""
    if cause.stopped:
        return await transaction.fetch(_SET_STOPPED, cause.process, cause.error, limit)
    return await transaction.fetch(
        _SET, cause.process, cause.step, cause.exception, cause.connection, cause.error, limit
    )


async def repairs(transaction: TenantTransaction, *, id_: int = 0, limit: int = 50) -> list[Row]:
    """Repairs of many runs, newest first, each with its outcomes counted; or the one of that number."""
    return await transaction.fetch(_REPAIRS, id_, limit)


async def items(
    transaction: TenantTransaction, repair: int, *, outcome: str = "", limit: int = 100, skip: int = 0
) -> list[Row]:
    """What a repair touches, in its order: each run, when it was sent and what came of it."""
    return await transaction.fetch(_ITEMS, repair, outcome, limit, skip)
