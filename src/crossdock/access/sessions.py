"""Sessions: what keeps a person signed in after they have shown who they are.

The cookie is drawn at each sign-in, so none that was there before becomes a session; what is kept is its
hash. A session ends when its person signs out, after `idle` without a request, after `longest` whatever
happens, and at once when the roles of the person change or they are shut out.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, LiteralString

from crossdock.access.tokens import SESSION, draw, shown
from crossdock.access.who import Principal
from crossdock.errors import NotProven
from crossdock.store import Database, EngineTransaction, Tenant

IDLE = timedelta(hours=8)
LONGEST = timedelta(hours=24)
MOST = 20  # sessions of a person; the oldest goes

_ADD: LiteralString = """
insert into crossdock.session (tenant, hash, person, until, origin, agent, provider, sid, hint)
values ($1, $2, $3, statement_timestamp() + $4, $5, $6, $7, $8, $9)
"""
_TIDY: LiteralString = """
delete from crossdock.session where tenant = $1 and (until < statement_timestamp()
  or person = $2 and hash in (select hash from crossdock.session where tenant = $1 and person = $2
                              order by made desc offset $3))
"""
_WHOSE: LiteralString = """
select t.name as tenant, p.id, p.name, p.email, p.roles,
  s.seen < statement_timestamp() - interval '1 minute' as seen_before
from crossdock.session s
join crossdock.person p on p.tenant = s.tenant and p.id = s.person
join crossdock.tenant t on t.tenant = s.tenant
where s.tenant = $1 and s.hash = $2 and s.until > statement_timestamp()
  and s.seen > statement_timestamp() - $3::interval and p.suspended is null
"""
_SEEN: LiteralString = """
update crossdock.session set seen = statement_timestamp() where tenant = $1 and hash = $2
"""
_END: LiteralString = """
delete from crossdock.session where tenant = $1 and hash = $2 returning tenant, person, provider, hint
"""


class Sessions:
    """The sessions of all tenants, one at a time."""

    def __init__(self, database: Database, *, idle: timedelta = IDLE, longest: timedelta = LONGEST) -> None:
        """Of that database."""
        self._database = database
        self._idle = idle
        self._longest = longest

    async def begin(
        self,
        transaction: EngineTransaction,
        tenant: int,
        person: str,
        *,
        origin: str,
        agent: str = "",
        provider: str = "",
        sid: str = "",
        hint: bytes | None = None,
    ) -> str:
        """A new session; gives the text of its cookie."""
        text, kept = draw(SESSION, tenant)
        await transaction.execute(_TIDY, tenant, person, MOST - 1)
        await transaction.execute(
            _ADD, tenant, kept.hash, person, self._longest, origin[:100], agent[:200], provider, sid, hint
        )
        return text

    async def whose(self, cookie: str, *, origin: str) -> tuple[Tenant, Principal]:
        """Whose session it is. Raises `NotProven`."""
        said = shown(cookie[:256])
        found = said.tenant if said.kind == SESSION else 0
        rows = await self._database.at_once(_WHOSE, found, said.hash, self._idle)
        if not rows:
            raise NotProven("you are not signed in", mend="sign in")
        row = rows[0]
        if row["seen_before"]:
            await self._database.at_once(_SEEN, said.tenant, said.hash)
        person = Principal(
            tenant=said.tenant,
            id=row["id"],
            kind="human",
            name=row["name"] or row["email"],
            roles=frozenset(row["roles"]),
            origin=origin,
        )
        return Tenant(id=said.tenant, name=row["tenant"]), person

    async def end(self, transaction: EngineTransaction, cookie: str) -> dict[str, Any] | None:
        """End the session of a cookie; gives its person, provider and hint, None where there is none."""
        said = shown(cookie[:256])
        row = await transaction.row(_END, said.tenant, said.hash)
        return None if row is None else dict(row)


async def end_all(transaction: EngineTransaction, tenant: int, person: str) -> int:
    """End all sessions of a person; gives how many."""
    return await transaction.execute(
        "delete from crossdock.session where tenant = $1 and person = $2", tenant, person
    )
