"""How many somebody sees: where policies decide by the row, counts agree with the lists.

What is counted is grouped by all that a policy may ask of it, and each group is decided about once. Where
nothing is decided by the row, the counts that a statement gave already are kept.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, LiteralString

import msgspec

from crossdock.access import Policies, Principal, Resource
from crossdock.store import TenantTransaction

Row = Any

_EXCEPTIONS: LiteralString = """
select e.run, e.process, e.owner, e.connection, count(*)::int as number from crossdock.exception e
where e.tenant = crossdock.tenant() and e.run = any($1::bigint[]) and e.closed is null group by 1, 2, 3, 4
"""
_TASKS: LiteralString = """
select t.run, r.process, t.role, t.status, count(*)::int as number
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where t.tenant = crossdock.tenant() and t.run = any($1::bigint[]) and t.status = 'open' group by 1, 2, 3, 4
"""
_OPEN = (
    ("open_exceptions", "exception.read", _EXCEPTIONS),
    ("open_tasks", "task.read", _TASKS),
)
_REPAIRED: LiteralString = """
select i.repair, coalesce(i.outcome, case when i.sent is null then 'waiting' else 'sent' end) as outcome,
       r.process, count(*)::int as number
from crossdock.repair_item i join crossdock.run r on r.tenant = i.tenant and r.id = i.run
where i.tenant = crossdock.tenant() and i.repair = any($1::bigint[]) group by 1, 2, 3
"""


async def with_open(
    policies: Policies, by: Principal, transaction: TenantTransaction, runs: Sequence[Row]
) -> list[Row]:
    """The same runs, their `open_exceptions` and `open_tasks` being those that may be seen."""
    found = list(runs)
    for name, action, sql in _OPEN:
        if runs and await policies.by_rows(by, action):
            counted: Counter[int] = Counter()
            rows = await transaction.fetch(sql, [run["id"] for run in runs])
            for row in await policies.visible(by, action, rows):
                counted[row["run"]] += row["number"]
            found = [{**dict(run), name: counted[run["id"]]} for run in found]
    return found


async def repairs_seen(
    policies: Policies, by: Principal, transaction: TenantTransaction, repairs: Sequence[Row]
) -> list[Row]:
    """Those repairs of which any run may be seen, with the numbers of such runs."""
    if not repairs or not await policies.by_rows(by, "run.read", "repair"):
        return list(repairs)
    outcomes: dict[int, Counter[str]] = defaultdict(Counter)
    rows = await transaction.fetch(_REPAIRED, [one["id"] for one in repairs])
    for row in await policies.visible(by, "run.read", rows, of="repair"):
        outcomes[row["repair"]][row["outcome"]] += row["number"]
    found = []
    for one in repairs:
        if numbers := outcomes.get(one["id"]):
            counted = numbers.total()
            sent = counted - numbers.pop("waiting", 0)
            numbers.pop("sent", 0)
            told = msgspec.json.encode(dict(numbers)).decode()
            found.append({**dict(one), "counted": counted, "sent": sent, "outcomes": told})
    return found


async def cases_seen(policies: Policies, by: Principal, cases: Sequence[Row]) -> list[Row]:
    """Those open exceptions, or stopped runs, that may be seen: as they are, and as what their runs have."""
    found = list(cases)
    for action in ("run.read", "exception.read"):
        about = Resource(kind=action.partition(".")[0])
        if await policies.by_rows(by, action, "case") and (await policies.decide(by, action, about)).allowed:
            found = await policies.visible(by, action, found, of="case")
    return found
