"""The numbers in the menu: how much waits for people, as far as who looks may see it."""

from __future__ import annotations

from typing import LiteralString

from crossdock.access import Policies, Principal
from crossdock.store import TenantTransaction
from crossdock.tower import queries
from crossdock.tower.queries import Row

_TASKS: LiteralString = """
select r.process, t.role, t.status, count(*)::int as number
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where t.tenant = crossdock.tenant() and t.status = 'open' group by 1, 2, 3
"""
_EXCEPTIONS: LiteralString = """
select process, owner, connection, count(*)::int as number from crossdock.exception
where tenant = crossdock.tenant() and closed is null group by 1, 2, 3
"""
_PROPOSALS: LiteralString = """
select r.process, count(*)::int as number
from crossdock.proposal p join crossdock.run r on r.tenant = p.tenant and r.id = p.run
where p.tenant = crossdock.tenant() and p.status = 'open' group by 1
"""
_UNREAD: LiteralString = """
select connection, count(*)::int as number from crossdock.delivery
where tenant = crossdock.tenant() and outcome = 'quarantined' group by 1
"""
_TROUBLED: LiteralString = """
select name as connection, system, 1 as number from crossdock.connection
where tenant = crossdock.tenant() and (stopped is not null or open_until is not null)
"""
# By the name of the count: the right to see such things, as what they are decided about, and how many there
# are alike. Without a statement, a policy can ask nothing of them.
_COUNTED: dict[str, tuple[str, str, LiteralString]] = {
    "tasks": ("task.read", "", _TASKS),
    "exceptions": ("exception.read", "", _EXCEPTIONS),
    "proposals": ("run.read", "proposal", _PROPOSALS),
    "parked": ("event.read", "", ""),
    "quarantined": ("event.read", "", ""),
    "unread": ("event.read", "delivery", _UNREAD),
    "troubled": ("connection.read", "", _TROUBLED),
}


async def waiting(
    policies: Policies, by: Principal, rights: frozenset[str], transaction: TenantTransaction
) -> Row:
    """What `queries.desk_counts` gives; of what may not be seen, nothing is counted.

    Who has no right to see all tasks still sees those of a role of theirs.
    """
    found = dict(await queries.desk_counts(transaction))
    for name, (action, of, sql) in _COUNTED.items():
        if action not in rights and name != "tasks":
            found[name] = 0
        elif sql and found[name] and await policies.by_rows(by, action, of):
            rows = await policies.visible(by, action, await transaction.fetch(sql), of=of)
            found[name] = sum(row["number"] for row in rows)
        elif action not in rights:
            found[name] = 0
    return found
