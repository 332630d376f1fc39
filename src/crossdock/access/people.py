"""People of a tenant: invited by a link that works once, given roles, shut out.

The rules:

- A person is known by an id that is never given to another, made of the address they were invited with.
- Nobody gives roles that they do not have, but who administers; nobody but the operator touches an operator.
- Somebody who administers is always left.
- Changed roles and being shut out end all sessions at once, and links that the person made. Keys fall silent
  with their person.
- A link is kept as a hash, works once, and for some days. To look at it uses up nothing, since programs that
  read mail look at links.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

from crossdock.access.audit import Audit
from crossdock.access.audit_form import plain
from crossdock.access.keys import ADMINS, OPERATORS, refuse_more, refuse_roles
from crossdock.access.resource import Resource
from crossdock.access.sessions import end_all
from crossdock.access.tokens import LINK, draw, shown
from crossdock.access.who import Principal
from crossdock.errors import Conflict, NotFound, NotProven, Refused
from crossdock.store import Database, EngineTransaction, Tenant

INVITED_FOR = timedelta(days=3)
RESET_FOR = timedelta(hours=2)
FIRST_FOR = timedelta(hours=24)
LONGEST_NAME = 100
_EMAIL = re.compile(r"[^\s@\x00-\x1f<>\"'(),:;]{1,64}@[^\s@\x00-\x1f<>\"'(),:;]{1,190}")
_NOT_IDS = frozenset({"crossdock", "root", "operator", "system", "unknown", "others", "nobody"})

_COLUMNS: LiteralString = (
    "id, email, name, roles, made, made_by, seen, suspended, suspended_by, issuer, totp_on"
)
_ROWS: LiteralString = (
    f"select {_COLUMNS} from crossdock.person "  # noqa: S608
    "where tenant = crossdock.tenant() and ($1::text is null or id = $1) order by name, id"
)
_LINK: LiteralString = """
insert into crossdock.link (tenant, hash, purpose, person, email, name, roles, made_by, expires)
values ($1, $2, $3, $4, $5, $6, $7::text[], $8, statement_timestamp() + $9) returning expires
"""
_LINK_OF: LiteralString = """
select l.purpose, l.person, l.email, l.name, l.roles, l.made_by, l.expires, t.name as tenant
from crossdock.link l join crossdock.tenant t on t.tenant = l.tenant
where l.tenant = $1 and l.hash = $2 and l.expires > statement_timestamp()
  and (l.purpose <> 'first' or not exists (select from crossdock.person p where p.tenant = l.tenant))
"""
_SOMEBODY: LiteralString = "select 1 from crossdock.person where tenant = $1 limit 1"
_USE: LiteralString = "delete from crossdock.link where tenant = $1 and hash = $2"
_DROP_LINKS: LiteralString = """
delete from crossdock.link where tenant = $1 and (made_by = $2 or made_by in (
  select 'key:' || id from crossdock.key where tenant = $1 and behind = $2))
"""
_TIDY_LINKS: LiteralString = (
    "delete from crossdock.link where tenant = $1 and expires <= statement_timestamp()"
)
_ADD: LiteralString = """
insert into crossdock.person (tenant, id, email, name, roles, made_by, issuer, subject, password)
values ($1, $2, $3, $4, $5::text[], $6, $7, $8, $9) on conflict do nothing returning id
"""
_CHANGE: LiteralString = """
update crossdock.person set roles = $3::text[]
where tenant = $1 and id = $2 and roles <@ $4::text[] and roles @> $4::text[]
"""
_ONE_BY_ONE: LiteralString = "select pg_advisory_xact_lock(hashtext('crossdock.person'), $1)"
_ADMINS_BUT: LiteralString = """
select count(*) from crossdock.person
where tenant = $1 and id <> $2 and suspended is null and roles && $3::text[]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person of a tenant. `suspended`: shut out since. `issuer`: of the provider that signs them in."""

    id: str
    email: str
    name: str
    roles: tuple[str, ...]
    made: datetime
    made_by: str
    seen: datetime | None
    suspended: datetime | None
    suspended_by: str
    issuer: str
    totp_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A link that works once. `path` is what stands in the address, and is shown to whoever asked for it."""

    path: str = field(repr=False)
    expires: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """What a link is for: `first` and `invitation` make an account, `reset` sets a password anew."""

    tenant: Tenant
    purpose: str
    person: str
    email: str
    name: str
    roles: tuple[str, ...]
    made_by: str


class People:
    """The people of all tenants, one at a time. Each act is audited."""

    def __init__(self, database: Database, audit: Audit) -> None:
        """Of that database."""
        self._database = database
        self._audit = audit
        self._somebody: set[int] = set()

    async def of(self, tenant: Tenant) -> list[Account]:
        """The people of a tenant, by name."""
        return await self._rows(tenant, None)

    async def find(self, tenant: Tenant, id_: str) -> Account:
        """One of them. Raises `NotFound`."""
        for one in await self._rows(tenant, id_):
            return one
        raise NotFound(f"there is no person {plain(id_, 63)}", mend="see the people")

    async def any(self, tenant: Tenant) -> bool:
        """Whether anybody has an account there."""
        if tenant.id not in self._somebody and await self._database.at_once(_SOMEBODY, tenant.id):
            self._somebody.add(tenant.id)  # rows of people stay
        return tenant.id in self._somebody

    async def first(self, tenant: Tenant) -> Link | None:
        """The link for the first administrator; None where there is somebody. Older ones work no more."""
        async with self._database.engine() as transaction:
            await transaction.value(_ONE_BY_ONE, tenant.id)
            if await transaction.value(_SOMEBODY, tenant.id):
                return None
            await transaction.execute(
                "delete from crossdock.link where tenant = $1 and purpose = 'first'", tenant.id
            )
            return await _link(
                transaction, tenant, "first", roles=["tenant-admin"], made_by="crossdock", lasts=FIRST_FOR
            )

    async def invite(
        self,
        tenant: Tenant,
        by: Principal,
        *,
        email: str,
        roles: Collection[str],
        name: str = "",
        why: str = "",
    ) -> Link:
        """A link by which somebody gets an account. Raises `Refused`, `Forbidden`, `Conflict`."""
        email, name, roles = email_of(email), name_of(name), sorted(set(roles))
        refuse_roles(roles)
        refuse_more(by, roles)
        async with self._database.engine() as transaction:
            if await transaction.value(
                "select 1 from crossdock.person where tenant = $1 and email = $2", tenant.id, email
            ):
                raise Conflict(f"{email} is known here already", mend="see the people")
            await transaction.execute(
                "delete from crossdock.link where tenant = $1 and purpose = 'invitation' and email = $2",
                tenant.id,
                email,
            )
            link = await _link(
                transaction, tenant, "invitation", email=email, name=name, roles=roles, made_by=by.id
            )
            said = {"invited": email, "roles": roles}
            await self._note(transaction, tenant, by, email, why=why, after=said)
        return link

    async def reset(self, tenant: Tenant, by: Principal, id_: str, *, why: str = "") -> Link:
        """A link by which a person sets another password; with it, one-time codes begin anew too."""
        account = await self.find(tenant, id_)
        refuse_more(by, account.roles)
        if account.issuer:
            raise Refused(f"{id_} signs in at {account.issuer}", mend="reset the password there")
        async with self._database.engine() as transaction:
            await transaction.execute(
                "delete from crossdock.link where tenant = $1 and purpose = 'reset' and person = $2",
                tenant.id,
                id_,
            )
            link = await _link(
                transaction, tenant, "reset", person=id_, email=account.email, made_by=by.id, lasts=RESET_FOR
            )
            await self._note(transaction, tenant, by, id_, why=why, after={"reset": True})
        return link

    async def link(self, text: str) -> Invitation:
        """What a link is for. Raises `NotProven` for one that works no more, or never did."""
        said = shown(text[:256])
        rows = await self._database.at_once(_LINK_OF, said.tenant if said.kind == LINK else 0, said.hash)
        if not rows:
            raise NotProven("this link works no more", mend="ask for another: each works once, for some days")
        row = {**dict(rows[0]), "roles": tuple(rows[0]["roles"])}
        row.pop("expires")
        return Invitation(**{**row, "tenant": Tenant(id=said.tenant, name=row["tenant"])})

    async def accept(
        self, text: str, *, password: str, origin: str, name: str = "", email: str = ""
    ) -> tuple[Tenant, Account]:
        """Use a link up; `password` is its hash. Raises `NotProven`, `Refused`, `Conflict`."""
        asked = await self.link(text)
        said = shown(text[:256])
        email = asked.email or email_of(email)
        async with self._database.engine() as transaction:
            await transaction.value(_ONE_BY_ONE, asked.tenant.id)
            if not await transaction.fetch(_LINK_OF, said.tenant, said.hash) or not await transaction.execute(
                _USE, said.tenant, said.hash
            ):
                raise NotProven("this link works no more", mend="ask for another: each works once")
            if asked.purpose == "reset":
                id_ = asked.person
                done = await transaction.execute(
                    "update crossdock.person set password = $3, totp = null, totp_on = false, recovery = '{}'"
                    " where tenant = $1 and id = $2 and suspended is null and subject = ''",
                    said.tenant,
                    id_,
                    password,
                )
                if not done:
                    raise NotProven("this link works no more", mend="ask who administers the tenant")
                await end_all(transaction, said.tenant, id_)
            else:
                id_ = await add(
                    transaction,
                    asked.tenant,
                    email=email,
                    name=name_of(name or asked.name),
                    roles=asked.roles,
                    made_by=asked.made_by,
                    password=password,
                )
            by = Principal(tenant=said.tenant, id=id_, kind="human", origin=origin)
            after = {"by_link": asked.purpose, "roles": list(asked.roles)}
            await self._note(transaction, asked.tenant, by, id_, after=after)
        return asked.tenant, await self.find(asked.tenant, id_)

    async def change(
        self,
        tenant: Tenant,
        by: Principal,
        id_: str,
        *,
        roles: Collection[str],
        seen: Collection[str] | None = None,
        why: str = "",
    ) -> Account:
        """Give a person these roles and no others; their sessions end. Raises `Forbidden`, `Conflict`.

        `seen` are the roles that whoever decides has seen; without them, those that they have now.
        """
        wanted = sorted(set(roles))
        refuse_roles(wanted)
        before = await self.find(tenant, id_)
        refuse_more(by, set(wanted) ^ set(before.roles))
        async with self._database.engine() as transaction:
            await transaction.value(_ONE_BY_ONE, tenant.id)
            if not ADMINS & set(wanted):
                await _refuse_last(transaction, tenant, before)
            if not await transaction.execute(
                _CHANGE, tenant.id, id_, wanted, sorted(before.roles if seen is None else seen)
            ):
                raise Conflict(f"the roles of {id_} have changed meanwhile", mend="look again, then decide")
            await end_all(transaction, tenant.id, id_)
            await transaction.execute(_DROP_LINKS, tenant.id, id_)
            await self._note(
                transaction,
                tenant,
                by,
                id_,
                why=why,
                before={"roles": list(before.roles)},
                after={"roles": wanted},
            )
        return await self.find(tenant, id_)

    async def shut_out(self, tenant: Tenant, by: Principal, id_: str, *, why: str = "") -> Account:
        """Let a person in no more; their sessions end, their keys fall silent."""
        before = await self.find(tenant, id_)
        refuse_more(by, OPERATORS & set(before.roles))
        async with self._database.engine() as transaction:
            await transaction.value(_ONE_BY_ONE, tenant.id)
            await _refuse_last(transaction, tenant, before)
            if not await transaction.execute(
                "update crossdock.person set suspended = statement_timestamp(), suspended_by = $3 "
                "where tenant = $1 and id = $2 and suspended is null",
                tenant.id,
                id_,
                by.id,
            ):
                raise Conflict(f"{id_} is shut out already", mend="see the people")
            await end_all(transaction, tenant.id, id_)
            await transaction.execute(_DROP_LINKS, tenant.id, id_)
            await self._note(
                transaction,
                tenant,
                by,
                id_,
                why=why,
                before={"shut_out": False},
                after={"shut_out": True},
            )
        return await self.find(tenant, id_)

    async def let_in(self, tenant: Tenant, by: Principal, id_: str, *, why: str = "") -> Account:
        """Let somebody in again who was shut out."""
        before = await self.find(tenant, id_)
        refuse_more(by, before.roles)
        async with self._database.engine() as transaction:
            if not await transaction.execute(
                "update crossdock.person set suspended = null, suspended_by = '' "
                "where tenant = $1 and id = $2 and suspended is not null",
                tenant.id,
                id_,
            ):
                raise Conflict(f"{id_} is not shut out", mend="see the people")
            await self._note(
                transaction,
                tenant,
                by,
                id_,
                why=why,
                before={"shut_out": True},
                after={"shut_out": False},
            )
        return await self.find(tenant, id_)

    async def _rows(self, tenant: Tenant, id_: str | None) -> list[Account]:
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_ROWS, id_)
        return [Account(**{**dict(row), "roles": tuple(row["roles"])}) for row in rows]

    async def _note(
        self,
        transaction: EngineTransaction,
        tenant: Tenant,
        by: Principal,
        id_: str,
        *,
        why: str = "",
        before: Any = None,
        after: Any = None,
    ) -> None:
        resource = Resource(kind="person", id=id_)
        await self._audit.record(
            transaction, by, "person.change", resource, why=why, before=before, after=after, tenant=tenant.id
        )


async def add(
    transaction: EngineTransaction,
    tenant: Tenant,
    *,
    email: str,
    name: str,
    roles: Collection[str],
    made_by: str,
    password: str = "",
    issuer: str = "",
    subject: str = "",
) -> str:
    """A new person, by an id that nobody had; gives it. Raises `Conflict` where the address is known."""
    if email and await transaction.value(
        "select 1 from crossdock.person where tenant = $1 and email = $2", tenant.id, email
    ):
        raise Conflict("somebody of this address is known here already", mend="sign in as they do")
    stem = re.sub(r"[^a-z0-9._-]+", "-", email.partition("@")[0].lower()).strip("-._")[:50] or "person"
    for number in range(1, 10_000):
        id_ = stem if number == 1 and stem not in _NOT_IDS else f"{stem}-{number}"
        if await transaction.value(
            _ADD, tenant.id, id_, email, name, sorted(roles), made_by, issuer, subject, password
        ):
            return id_
    raise Conflict(f"there are too many {stem}", mend="choose another address")


def email_of(text: str) -> str:
    """An address as it is compared. Raises `Refused`."""
    email = text.strip().lower()
    if not _EMAIL.fullmatch(email) or not email.isprintable():
        raise Refused("this is no e-mail address", where="email", mend="write it like ann@example.com")
    return email


def name_of(text: str) -> str:
    """A name in one line. Raises `Refused`."""
    name = text.strip()
    if len(name) > LONGEST_NAME or not (name.isprintable() or not name):
        raise Refused(
            f"a name has at most {LONGEST_NAME} letters, in one line", where="name", mend="write it shorter"
        )
    return name


async def _link(
    transaction: EngineTransaction,
    tenant: Tenant,
    purpose: str,
    *,
    person: str = "",
    email: str = "",
    name: str = "",
    roles: Collection[str] = (),
    made_by: str,
    lasts: timedelta = INVITED_FOR,
) -> Link:
    text, kept = draw(LINK, tenant.id)
    await transaction.execute(_TIDY_LINKS, tenant.id)
    expires = await transaction.value(
        _LINK, tenant.id, kept.hash, purpose, person, email, name, list(roles), made_by, lasts
    )
    return Link(path=f"/invitation/{text}", expires=expires)


async def _refuse_last(transaction: EngineTransaction, tenant: Tenant, account: Account) -> None:
    if not ADMINS & set(account.roles) or account.suspended is not None:
        return
    if not await transaction.value(_ADMINS_BUT, tenant.id, account.id, sorted(ADMINS)):
        raise Conflict(
            f"{account.id} is the last who administers this tenant", mend="give the role to another first"
        )
