"""Keys: how programs show who they are. Made, listed and revoked here; `identity` believes or refuses them.

The rules:

- The text of a key is given once, when it is made. What is kept proves it and does not give it back.
- A key has roles, as people have. `scopes` narrow it to some acts.
- Nobody makes a key that may more than they: roles and scopes are among those of its maker. Who administers
  the tenant may give any role, but the operator's.
- Behind a key stands the person who made it. It falls silent while that person is shut out, and has at most
  the roles that the person could give now.
- A key that is revoked or has expired stays in the list; its id is never used again.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import LiteralString

from crossdock.access.actions import ACTIONS
from crossdock.access.audit import Audit
from crossdock.access.audit_form import plain
from crossdock.access.resource import Resource
from crossdock.access.tokens import KEY, draw
from crossdock.access.who import PARTNER, Principal
from crossdock.errors import Conflict, Forbidden, NotFound, Refused
from crossdock.process.problems import nearest
from crossdock.store import Database, Tenant

ADMINS = frozenset({"tenant-admin", "operator-admin"})
OPERATORS = frozenset({"operator-admin"})
MOST_ROLES = 50
LONGEST_NAME = 100
_ROLE = re.compile(rf"({PARTNER})?[A-Za-z0-9][A-Za-z0-9_-]{{0,62}}")

_ADD: LiteralString = """
insert into crossdock.key (tenant, id, name, hash, roles, scopes, behind, made_by, expires)
values ($1, $2, $3, $4, $5::text[], $6::text[], $7, $8, $9)
"""
_ROWS: LiteralString = """
select id, name, roles, scopes, behind, made, made_by, expires, used, used_from, revoked, revoked_by,
  expires <= statement_timestamp() as expired
from crossdock.key
where tenant = crossdock.tenant() and ($1::text is null or id = $1) and ($2 or revoked is null)
order by made desc, id
"""
_REVOKE: LiteralString = """
update crossdock.key set revoked = statement_timestamp(), revoked_by = $3
where tenant = $1 and id = $2 and revoked is null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key, without its text. `scopes` None: all that its roles may. `used` is exact to a minute."""

    id: str
    name: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None
    behind: str
    made: datetime
    made_by: str
    expires: datetime | None
    used: datetime | None
    used_from: str
    revoked: datetime | None
    revoked_by: str
    expired: bool = False

    @property
    def works(self) -> bool:
        """Neither revoked nor expired."""
        return self.revoked is None and not self.expired


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key that was just made, and its text: shown to its maker, kept by nobody here."""

    key: Key
    text: str = field(repr=False)


class Keys:
    """The keys of all tenants, one at a time."""

    def __init__(self, database: Database, audit: Audit) -> None:
        """Of that database."""
        self._database = database
        self._audit = audit

    async def create(
        self,
        tenant: Tenant,
        by: Principal,
        *,
        roles: Collection[str],
        scopes: Collection[str] | None = None,
        name: str = "",
        expires: datetime | None = None,
        why: str = "",
    ) -> NewKey:
        """A new key. Raises `Refused` for what no key can have, `Forbidden` for more than its maker may."""
        roles, scopes = sorted(set(roles)), None if scopes is None else sorted(set(scopes))
        _refuse(roles, scopes, name, expires)
        refuse_more(by, roles)
        if by.scopes is not None:
            scopes = sorted(by.scopes) if scopes is None else scopes
            if more := set(scopes) - by.scopes:
                raise Forbidden(f"{by.id} may not give {', '.join(sorted(more))}", where="scopes")
        text, kept = draw(KEY, tenant.id)
        async with self._database.engine() as transaction:
            await transaction.execute(
                _ADD, tenant.id, kept.id, name.strip(), kept.hash, roles, scopes, by.person, by.id, expires
            )
            await self._audit.record(
                transaction,
                by,
                "key.change",
                Resource(kind="key", id=kept.id),
                why=why,
                after={"name": name.strip(), "roles": roles, "scopes": scopes, "expires": _said(expires)},
                tenant=tenant.id,
            )
        return NewKey(key=await self.find(tenant, kept.id), text=text)

    async def of(self, tenant: Tenant, *, revoked: bool = False) -> list[Key]:
        """The keys of a tenant, newest first; with `revoked`, those as well."""
        return await self._rows(tenant, None, revoked=revoked)

    async def find(self, tenant: Tenant, id_: str) -> Key:
        """One key, also one that is revoked. Raises `NotFound`."""
        for row in await self._rows(tenant, id_, revoked=True):
            return row
        raise NotFound(f"there is no key {plain(id_, 40)}", mend="see the keys")

    async def revoke(self, tenant: Tenant, by: Principal, id_: str, *, why: str = "") -> Key:
        """Believe a key no more, nor any token that stands for it. Raises `NotFound`, `Conflict`."""
        before = await self.find(tenant, id_)
        async with self._database.engine() as transaction:
            if not await transaction.execute(_REVOKE, tenant.id, id_, by.id):
                raise Conflict(f"the key {id_} is revoked already", mend="see the keys")
            await transaction.execute(
                "delete from crossdock.access_token where tenant = $1 and key = $2", tenant.id, id_
            )
            await transaction.execute(
                "delete from crossdock.link where tenant = $1 and made_by = 'key:' || $2", tenant.id, id_
            )
            await self._audit.record(
                transaction,
                by,
                "key.change",
                Resource(kind="key", id=id_),
                why=why,
                before={"name": before.name, "revoked": False},
                after={"name": before.name, "revoked": True},
                tenant=tenant.id,
            )
        return await self.find(tenant, id_)

    async def _rows(self, tenant: Tenant, id_: str | None, *, revoked: bool) -> list[Key]:
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_ROWS, id_, revoked)
        return [
            Key(
                **{
                    **dict(row),
                    "roles": tuple(row["roles"]),
                    "scopes": None if row["scopes"] is None else tuple(row["scopes"]),
                    "expired": bool(row["expired"]),
                }
            )
            for row in rows
        ]


def refuse_more(by: Principal, roles: Collection[str]) -> None:
    """Nobody gives what they do not have, but who administers. Raises `Forbidden`."""
    given = set(roles)
    if not by.roles & ADMINS:
        given -= by.roles
    elif not by.roles & OPERATORS:
        given &= OPERATORS
    else:
        given = set()
    if given:
        raise Forbidden(
            f"{by.id} may not give the role {', '.join(sorted(given))}",
            where="roles",
            mend="give roles that you have, or ask who administers the tenant",
        )


def refuse_roles(roles: Collection[str]) -> None:
    """Raises `Refused` for what is no name of a role."""
    for role in roles:
        if not _ROLE.fullmatch(role):
            raise Refused(
                f"{plain(role, 63)!r} is no role", where="roles", mend="give letters, digits, - and _"
            )
    if len(roles) > MOST_ROLES:
        raise Refused(f"{len(roles)} roles; at most {MOST_ROLES}", where="roles")


def _refuse(roles: list[str], scopes: list[str] | None, name: str, expires: datetime | None) -> None:
    if not roles:
        raise Refused("a key without a role may nothing", where="roles", mend="give it a role")
    refuse_roles(roles)
    for scope in scopes or ():
        if scope not in ACTIONS:
            raise Refused(
                f"there is no act {plain(scope, 63)!r}",
                where="scopes",
                mend=nearest(scope, ACTIONS) or "see `crossdock access roles`",
            )
    if len(name) > LONGEST_NAME or not (name.isprintable() or not name):
        raise Refused(
            f"a name has at most {LONGEST_NAME} letters, in one line", where="name", mend="write it shorter"
        )
    if expires is not None and (expires.tzinfo is None or expires <= datetime.now(UTC)):
        raise Refused("the key would have expired already", where="expires", mend="give a time to come")


def _said(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds")
