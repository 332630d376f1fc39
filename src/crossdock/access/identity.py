"""Who it is: what a program or a browser shows becomes a principal of one tenant, or is refused.

    by_bearer    a key, or an access token that stands for one (`tokens`, `keys`, `grants`)
    by_client    a key, as a client of OAuth 2 shows it
    by_session   the cookie of a session (`sign_in`, `sessions`)

Whatever was wrong (no such key, another secret, expired, revoked, its person shut out), the same is said,
after the same work: one statement and one comparison. What was refused is written to the audit of the tenant
that it named.

Each time the database is asked, so what is revoked is not believed once more. A tenant that is suspended is
told from others by what it may do, not here: its people may still see why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, LiteralString, NoReturn

from crossdock.access.audit import Audit
from crossdock.access.keys import ADMINS, OPERATORS, Keys
from crossdock.access.oidc import Oidc
from crossdock.access.outbound import Outbound
from crossdock.access.passwords import Passwords
from crossdock.access.people import People
from crossdock.access.providers import Providers
from crossdock.access.refusals import Refusals
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing
from crossdock.access.sessions import Sessions
from crossdock.access.sign_in import SignIn
from crossdock.access.sign_in_elsewhere import SignInElsewhere
from crossdock.access.tokens import ACCESS, KEY, Shown, shown
from crossdock.access.who import Principal
from crossdock.errors import NotProven
from crossdock.store import Database, Tenant

_LONGEST = 256  # letters of what may be a key
_NOBODY: Mapping[str, Any] = {"hash": bytes(1), "works": False}

_BY_KEY: LiteralString = """
select t.name as tenant, k.id, k.name, k.hash, k.roles, k.scopes, k.behind,
  k.revoked is null and coalesce(k.expires > statement_timestamp(), true)
    and p.suspended is null as works,
  p.roles as of_person,
  coalesce(k.used < statement_timestamp() - interval '1 minute', true) as used_before
from crossdock.key k
join crossdock.tenant t on t.tenant = k.tenant
left join crossdock.person p on p.tenant = k.tenant and p.id = k.behind
where k.tenant = $1 and k.id = $2
"""
_BY_ACCESS: LiteralString = """
select t.name as tenant, k.id, k.name, a.hash, k.roles, a.scopes, k.behind,
  a.expires > statement_timestamp() and k.revoked is null
    and coalesce(k.expires > statement_timestamp(), true) and p.suspended is null as works,
  p.roles as of_person,
  coalesce(k.used < statement_timestamp() - interval '1 minute', true) as used_before
from crossdock.access_token a
join crossdock.key k on k.tenant = a.tenant and k.id = a.key
join crossdock.tenant t on t.tenant = a.tenant
left join crossdock.person p on p.tenant = k.tenant and p.id = k.behind
where a.tenant = $1 and a.id = $2
"""
_PERSON: LiteralString = """
select suspended is null as works, roles from crossdock.person where tenant = $1 and id = $2
"""
_USED: LiteralString = """
update crossdock.key set used = statement_timestamp(), used_from = $3
where tenant = $1 and id = $2 and coalesce(used < statement_timestamp() - interval '1 minute', true)
"""


class Identity:
    """Knows people and programs of all tenants; `keys`, `people`, `sign_in` make and change them."""

    def __init__(
        self,
        database: Database,
        audit: Audit,
        sealing: Sealing,
        *,
        sessions: Sessions | None = None,
        passwords: Passwords | None = None,
        plain: bool = False,
        outbound: Outbound | None = None,
    ) -> None:
        """Of that database. What must be read again is sealed. `plain`: providers here may speak http.

        `outbound` says at which addresses providers are spoken with.
        """
        self._database = database
        self.keys = Keys(database, audit)
        self.people = People(database, audit)
        self.sessions = sessions or Sessions(database)
        self.refusals = Refusals(database, audit)
        self.providers = Providers(database, audit, sealing)
        self.elsewhere = SignInElsewhere(
            database,
            audit,
            sealing,
            self.sessions,
            self.people,
            self.refusals,
            self.providers,
            Oidc(plain=plain, outbound=outbound),
        )
        self.sign_in = SignIn(database, audit, sealing, self.sessions, self.people, self.refusals, passwords)

    async def by_bearer(self, presented: str, *, origin: str) -> tuple[Tenant, Principal]:
        """Whose key or access token it is. Raises `NotProven`."""
        said = shown(presented if len(presented) <= _LONGEST else "")
        if said.kind not in (KEY, ACCESS):
            said = Shown()  # a cookie or a link is none
        which = _BY_ACCESS if said.kind == ACCESS else _BY_KEY
        rows = await self._database.at_once(which, said.tenant, said.id)
        row: Mapping[str, Any] = dict(rows[0]) if rows else _NOBODY
        if not (said.proves(row["hash"]) and row["works"]):
            self._refuse(said, origin)
        if row["used_before"]:
            await self._database.at_once(_USED, said.tenant, row["id"], origin[:100])
        return Tenant(id=said.tenant, name=row["tenant"]), _principal(said.tenant, row, origin)

    async def by_client(self, named: str, secret: str, *, origin: str) -> Principal:
        """The key that an OAuth client shows: its id, and itself as the secret. Raises `NotProven`."""
        said = shown(secret if len(secret) <= _LONGEST else "")
        if said.kind != KEY or named not in (said.id, f"{KEY}_{said.tenant}_{said.id}"):
            secret = ""  # another client's, or a token: refused as what is no key at all
        return (await self.by_bearer(secret, origin=origin))[1]

    async def by_session(self, cookie: str, *, origin: str) -> tuple[Tenant, Principal]:
        """Whose session a cookie is. Raises `NotProven`."""
        return await self.sessions.whose(cookie, origin=origin)

    async def still(self, who: Principal) -> Principal:
        """Whoever began something that goes on by itself, as they are now: in the roles that are left.

        Raises `NotProven` where the key was revoked or has expired, or the person was shut out.
        """
        human = who.kind == "human"
        which = _PERSON if human else _BY_KEY
        rows = await self._database.at_once(which, who.tenant, who.id.removeprefix("key:"))
        if not rows or not rows[0]["works"]:
            raise NotProven(f"{who.id} is not let in any more", mend="let another begin it again")
        row = rows[0]
        roles = frozenset(row["roles"]) if human else within(row["roles"], row["of_person"])
        return replace(who, roles=roles)

    async def settle(self) -> None:
        """Write what was refused; before the database is closed."""
        await self.refusals.settle()

    def _refuse(self, said: Shown, origin: str) -> NoReturn:
        who = Principal(tenant=said.tenant, id="unknown", kind="key", origin=origin[:100])
        why = "a key or token that is not in force" if said.tenant else "what was shown is no key"
        self.refusals.note(who, "key.shown", Resource(kind="key", id=said.id), why)
        raise NotProven(
            "the key or token is not in force",
            mend="send one that is, in the header Authorization after the word Bearer",
        )


def _principal(tenant: int, row: Mapping[str, Any], origin: str) -> Principal:
    roles = within(row["roles"], row["of_person"])
    return Principal(
        tenant=tenant,
        id=f"key:{row['id']}",
        kind="assistant" if "assistant" in roles else "key",
        name=row["name"],
        roles=roles,
        scopes=None if row["scopes"] is None else frozenset(row["scopes"]),
        behind=row["behind"],
        origin=origin,
    )


def within(roles: Collection[str], of_person: Collection[str] | None) -> frozenset[str]:
    """Of the roles of a key, those that the person behind it could give now; all where none is known here."""
    given = frozenset(roles)
    if of_person is None or OPERATORS & set(of_person):
        return given
    return given - OPERATORS if ADMINS & set(of_person) else given & frozenset(of_person)
