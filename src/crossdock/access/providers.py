"""The identity providers of a tenant: where its people sign in elsewhere, and what groups there mean here.

Groups give roles: of each group that a person is in, its roles; of `*`, those of everybody whom the provider
lets in. Where a provider has groups set, they alone say what roles its people have, at each sign-in anew; who
gets none is not let in. The secret is sealed, and never shown again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import LiteralString
from urllib.parse import urlsplit

from crossdock.access.audit import Audit
from crossdock.access.audit_form import plain
from crossdock.access.keys import refuse_more, refuse_roles
from crossdock.access.people import name_of
from crossdock.access.resource import Resource
from crossdock.access.sealing import Sealing
from crossdock.access.who import Principal
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.store import Database, Tenant

SCOPES = ("openid", "email", "profile")
MOST_GROUPS = 500
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,100}")

_ROWS: LiteralString = """
select name, title, issuer, client_id, scopes, claim, groups::text as groups
from crossdock.identity_provider where tenant = crossdock.tenant() and ($1::text is null or name = $1)
order by name
"""
_PUT: LiteralString = """
insert into crossdock.identity_provider
  (tenant, name, title, issuer, client_id, client_secret, scopes, claim, groups)
values ($1, $2, $3, $4, $5, $6, $7::text[], $8, $9::jsonb)
on conflict (tenant, name) do update set
  title = excluded.title, issuer = excluded.issuer, client_id = excluded.client_id,
  client_secret = coalesce(excluded.client_secret, identity_provider.client_secret),
  scopes = excluded.scopes, claim = excluded.claim, groups = excluded.groups
  where not $10
returning name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An identity provider, without its secret. `claim` lists groups; `groups`: the roles of each."""

    name: str
    title: str
    issuer: str
    client_id: str
    scopes: tuple[str, ...] = SCOPES
    claim: str = "groups"
    groups: Mapping[str, tuple[str, ...]]

    def roles(self, in_groups: Collection[str]) -> frozenset[str]:
        """The roles of whoever is in these groups."""
        return frozenset(role for group in (*in_groups, "*") for role in self.groups.get(group, ()))


class Providers:
    """The providers of all tenants, one at a time."""

    def __init__(self, database: Database, audit: Audit, sealing: Sealing) -> None:
        """Of that database."""
        self._database = database
        self._audit = audit
        self._sealing = sealing

    async def of(self, tenant: Tenant) -> list[Provider]:
        """The providers of a tenant, by name."""
        return await self._rows(tenant, None)

    async def find(self, tenant: Tenant, name: str) -> Provider:
        """One of them. Raises `NotFound`."""
        for one in await self._rows(tenant, name):
            return one
        raise NotFound(f"there is no identity provider {plain(name, 63)}", mend="see the providers")

    async def secret(self, tenant: Tenant, name: str) -> str:
        """What proves us there; empty for none. Raises as `Sealing.open` does."""
        rows = await self._database.at_once(
            "select client_secret from crossdock.identity_provider where tenant = $1 and name = $2",
            tenant.id,
            name,
        )
        sealed = rows[0]["client_secret"] if rows else None
        if sealed is None:
            return ""
        return (await self._sealing.open(tenant.id, ("provider", name), sealed)).decode()

    async def put(
        self,
        tenant: Tenant,
        by: Principal,
        provider: Provider,
        *,
        secret: str | None = None,
        why: str = "",
        new: bool = False,
    ) -> None:
        """Set one; a `new` one only where there is none. Without a secret the one that is kept stays.

        Raises `Refused`, `Forbidden`, `Conflict`.
        """
        _refuse(provider)
        for roles in provider.groups.values():
            refuse_roles(roles)
            refuse_more(by, roles)
        sealed = None
        if secret:
            sealed = await self._sealing.seal(tenant.id, ("provider", provider.name), secret.encode())
        groups = {group: sorted(roles) for group, roles in provider.groups.items()}
        async with self._database.engine() as transaction:
            done = await transaction.value(
                _PUT,
                tenant.id,
                provider.name,
                provider.title,
                provider.issuer,
                provider.client_id,
                sealed,
                list(provider.scopes),
                provider.claim,
                json.dumps(groups),
                new,
            )
            if done is None:
                raise Conflict(
                    f"there is a provider {provider.name} already", mend="change it, or name another"
                )
            said = {"issuer": provider.issuer, "client": provider.client_id, "groups": groups}
            resource = Resource(kind="setting", id=f"provider/{provider.name}")
            await self._audit.record(
                transaction, by, "setting.change", resource, why=why, after=said, tenant=tenant.id
            )

    async def drop(self, tenant: Tenant, by: Principal, name: str, *, why: str = "") -> None:
        """Believe a provider no more; sessions that it began end. Raises `NotFound`."""
        gone = await self.find(tenant, name)
        async with self._database.engine() as transaction:
            for table in (_DROP, _DROP_SESSIONS):
                await transaction.execute(table, tenant.id, name)
            resource = Resource(kind="setting", id=f"provider/{name}")
            await self._audit.record(
                transaction,
                by,
                "setting.change",
                resource,
                why=why,
                before={"issuer": gone.issuer},
                tenant=tenant.id,
            )

    async def _rows(self, tenant: Tenant, name: str | None) -> list[Provider]:
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_ROWS, name)
        return [
            Provider(
                **{
                    **dict(row),
                    "scopes": tuple(row["scopes"]),
                    "groups": {group: tuple(roles) for group, roles in json.loads(row["groups"]).items()},
                }
            )
            for row in rows
        ]


_DROP: LiteralString = "delete from crossdock.identity_provider where tenant = $1 and name = $2"
_DROP_SESSIONS: LiteralString = "delete from crossdock.session where tenant = $1 and provider = $2"


def _refuse(provider: Provider) -> None:
    if not _NAME.fullmatch(provider.name):
        raise Refused("this is no name of a provider", where="name", mend="give a-z, 0-9 and -")
    name_of(provider.title)
    parts = urlsplit(provider.issuer)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.query or parts.fragment:
        raise Refused("this is no issuer", where="issuer", mend="write it as the provider does, https://...")
    if "@" in parts.netloc:
        raise Refused("a password stands in the issuer", where="issuer", mend="leave it out")
    if not provider.client_id.strip() or len(provider.client_id) > 255:
        raise Refused("the client's id is missing", where="client_id", mend="the provider gives it")
    if "openid" not in provider.scopes or not all(_SCOPE.fullmatch(one) for one in provider.scopes):
        raise Refused("these are no scopes", where="scopes", mend="openid, and others beside it")
    if len(provider.groups) > MOST_GROUPS:
        raise Refused(f"at most {MOST_GROUPS} groups", where="groups")
