"""What those who look after a house do: keys, people and where they sign in, limits, tenants, the audit."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from crossdock.client.asking import named
from crossdock.client.client import Client
from crossdock.client.house_shapes import (
    Act,
    Gone,
    Held,
    HeldOf,
    Key,
    KnownQuery,
    Limits,
    Link,
    Person,
    Proof,
    Provider,
    Rotated,
    Rules,
    Sealed,
    Tenant,
    Verified,
    Why,
)
from crossdock.client.shapes import Page, Shape
from crossdock.errors import NotFound


class _Keys(Shape, frozen=True, kw_only=True):
    keys: dict[str, str]


class _Held(Shape, frozen=True, kw_only=True):
    items: list[Held]


class _Erased(Shape, frozen=True, kw_only=True):
    items: list[Gone]


class _Providers(Shape, frozen=True, kw_only=True):
    items: list[Provider]


class _Queries(Shape, frozen=True, kw_only=True):
    items: list[KnownQuery]


class House(Client):
    """A server, asked by those who look after it."""

    def keys(self, *, revoked: bool = False, most: int | None = None) -> AsyncIterator[Key]:
        """Keys, newest first; those that are revoked as well, if wanted."""
        return self.each("keys", Page[Key], most, {"revoked": revoked})

    async def make_key(
        self,
        roles: Sequence[str],
        *,
        scopes: Sequence[str] | None = None,
        name: str = "",
        expires: datetime | None = None,
        note: str = "",
    ) -> Key:
        """Make a key. Its text stands in this answer alone."""
        told: dict[str, Any] = {"roles": list(roles), "name": name, "note": note}
        told |= {"scopes": list(scopes)} if scopes is not None else {}
        told |= {"expires": expires} if expires is not None else {}
        return await self.post("keys", told, Key)

    async def revoke_key(self, key: str, *, note: str = "", once: str | None = None) -> Key:
        """Believe a key no more, from this moment on."""
        return await self.post(f"keys/{named(key)}/revoke", {"note": note}, Key, once=once)

    def people(self, *, role: str | None = None, most: int | None = None) -> AsyncIterator[Person]:
        """The people of the tenant, by id."""
        return self.each("people", Page[Person], most, {"role": role})

    async def invite(self, email: str, roles: Sequence[str], *, name: str = "", note: str = "") -> Link:
        """Make a link by which somebody gets an account, once. Nothing is sent."""
        return await self.post(
            "people", {"email": email, "roles": list(roles), "name": name, "note": note}, Link
        )

    async def give_roles(self, person: str, roles: Sequence[str], *, note: str = "") -> Person:
        """Give a person these roles and no others, whatever they have now."""
        told = {"roles": list(roles), "note": note}
        return await self.change("PATCH", f"people/{named(person)}", Person, body=told)

    async def shut_out(self, person: str, *, note: str, once: str | None = None) -> Person:
        """Let a person in no more; their sessions end, their keys fall silent."""
        return await self.post(f"people/{named(person)}/suspend", {"note": note}, Person, once=once)

    async def let_in(self, person: str, *, note: str = "", once: str | None = None) -> Person:
        """Let somebody in again who was shut out."""
        return await self.post(f"people/{named(person)}/resume", {"note": note}, Person, once=once)

    async def reset(self, person: str, *, note: str = "") -> Link:
        """Make a link by which a person sets another password, once."""
        return await self.post(f"people/{named(person)}/reset", {"note": note}, Link)

    async def explain(self, who: str, action: str, *, on: str = "") -> Why:
        """Whether a person, `key:ID` or `role:NAME` may do something, on KIND/ID, and why."""
        return await self.get("access", Why, who=who, action=action, on=on or None)

    async def rules(self) -> Rules:
        """The roles and policies of the tenant, and what each role may do."""
        return await self.get("roles", Rules)

    async def set_rules(self, roles: Mapping[str, Any], policies: str, *, note: str = "") -> Rules:
        """Set what the tenant adds to the shipped roles and policies, whatever it had. Raises `Refused`."""
        told = {"roles": dict(roles), "policies": policies, "note": note}
        return await self.change("PUT", "roles", Rules, body=told)

    async def personal(self) -> Sealed:
        """Whether personal data is sealed."""
        return await self.get("personal", Sealed)

    async def seal_personal(self, *, on: bool, note: str = "", once: str | None = None) -> Sealed:
        """Begin to seal personal data that comes in, or end it."""
        return await self.post("personal", {"on": on, "note": note}, Sealed, once=once)

    async def find_personal(self, text: str) -> list[Held]:
        """Whose personal data is held, by what they are called. That somebody looked is noted."""
        return (await self.post("personal/find", {"text": text}, _Held)).items

    async def held_personal(self, subject: str) -> HeldOf:
        """What is held of somebody, named or by handle. That it was looked at is noted. Raises `NotFound`."""
        return await self.post("personal/held", {"subject": subject}, HeldOf)

    async def erase_personal(self, subject: str, *, why: str, once: str | None = None) -> Gone:
        """Erase somebody's personal data, for ever. Raises `NotFound`."""
        return await self.post("personal/erase", {"subject": subject, "why": why}, Gone, once=once)

    async def erased_personal(self) -> list[Gone]:
        """What was erased, the last first."""
        return (await self.get("personal/erased", _Erased)).items

    async def tenant(self) -> Tenant:
        """The tenant whose key this is."""
        return await self.get("tenant", Tenant)

    def tenants(self, *, most: int | None = None) -> AsyncIterator[Tenant]:
        """All tenants, by name. What concerns tenants needs a key of the operator."""
        return self.each("tenants", Page[Tenant], most, {})

    async def make_tenant(
        self, name: str, *, title: str = "", note: str = "", once: str | None = None
    ) -> Tenant:
        """Make a tenant."""
        return await self.post("tenants", {"name": name, "title": title, "note": note}, Tenant, once=once)

    async def suspend_tenant(self, name: str, *, why: str, once: str | None = None) -> Tenant:
        """Let nothing in or out of a tenant; its people read why."""
        return await self.post(f"tenants/{named(name)}/suspend", {"why": why}, Tenant, once=once)

    async def resume_tenant(self, name: str, *, note: str = "", once: str | None = None) -> Tenant:
        """Let a tenant go on."""
        return await self.post(f"tenants/{named(name)}/resume", {"note": note}, Tenant, once=once)

    async def delete_tenant(self, name: str, *, why: str) -> Proof:
        """Delete a suspended tenant and all its rows; gives the proof, signed. There is no way back."""
        return await self.change("DELETE", f"tenants/{named(name)}", Proof, why=why)

    def export_tenant(self, name: str) -> AsyncIterator[str]:
        """All rows of a tenant, as of one moment, as lines of JSON."""
        return self.lines(f"tenants/{named(name)}/export")

    def audit(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        on: str | None = None,
        outcome: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        most: int | None = None,
    ) -> AsyncIterator[Act]:
        """Who did what, newest first. `on` is a kind, or kind/id; `before` the number of an entry."""
        kind, _, id_ = (on or "").partition("/")
        query = {
            "actor": actor,
            "action": action,
            "kind": kind or None,
            "on": id_ or None,
            "outcome": outcome,
            "since": since,
            "until": until,
            "before": before,
        }
        return self.each("audit", Page[Act], most, query)

    async def verify_audit(self) -> Verified:
        """Compare all that is kept of the audit with what was hashed and signed."""
        return await self.get("audit/verify", Verified)

    async def audit_keys(self) -> dict[str, str]:
        """The public keys that sign the audit, base64, by name."""
        return (await self.get("audit/keys", _Keys)).keys

    def export_audit(self) -> AsyncIterator[str]:
        """The whole audit as lines of JSON, which verify by themselves."""
        return self.lines("audit/export")

    async def providers(self) -> list[Provider]:
        """Identity providers at which people sign in, by name."""
        return (await self.get("providers", _Providers)).items

    async def provider(self, provider: str) -> Provider:
        """One identity provider. Raises `NotFound`."""
        return await self.get(f"providers/{named(provider)}", Provider)

    async def put_provider(
        self,
        provider: str,
        *,
        issuer: str,
        client_id: str,
        secret: str | None = None,
        title: str = "",
        scopes: Sequence[str] | None = None,
        claim: str = "groups",
        groups: Mapping[str, Sequence[str]] | None = None,
        note: str = "",
    ) -> Provider:
        """Set an identity provider, new or not. Without a secret the one that is kept stays."""
        told: dict[str, Any] = {"issuer": issuer, "client_id": client_id, "title": title, "claim": claim}
        told |= {"groups": {group: list(roles) for group, roles in (groups or {}).items()}, "note": note}
        told |= {"scopes": list(scopes)} if scopes is not None else {}
        told |= {"secret": secret} if secret is not None else {}
        path = f"providers/{named(provider)}"
        try:
            return await self.change("PUT", path, Provider, body=told)
        except NotFound:
            headers = {"if-none-match": "*", "content-type": "application/json"}
            return await self._ask("PUT", path, Provider, headers=headers, data=msgspec.json.encode(told))

    async def drop_provider(self, provider: str, *, note: str = "") -> Provider:
        """Believe an identity provider no more; sessions that it began end."""
        return await self.change("DELETE", f"providers/{named(provider)}", Provider, note=note)

    async def limits(self, tenant: str | None = None) -> Limits:
        """How often the tenant whose key this is may ask; or another, with a key of the operator."""
        return await self.get(
            "tenant/limits" if tenant is None else f"tenants/{named(tenant)}/limits", Limits
        )

    async def agree_limit(
        self, tenant: str, kind: str, limit: str, *, who: str | None = None, note: str = ""
    ) -> Limits:
        """Agree with a tenant, or a key of it (`key:ID`), how often it may ask, such as `600/minute`."""
        told = {"limit": limit, "note": note}
        path = f"tenants/{named(tenant)}/limits/{named(kind)}"
        return await self.change("PUT", path, Limits, body=told, who=who)

    async def drop_limit(self, tenant: str, kind: str, *, who: str | None = None, note: str = "") -> Limits:
        """Go back to what holds for all. Raises `NotFound` where nothing was agreed."""
        path = f"tenants/{named(tenant)}/limits/{named(kind)}"
        return await self.change("DELETE", path, Limits, who=who, note=note)

    def queries(self, *, allowed: bool | None = None, most: int | None = None) -> AsyncIterator[KnownQuery]:
        """Queries of the graph that are known by their hash."""
        return self.each("graphql/queries", Page[KnownQuery], most, {"allowed": allowed})

    async def allow_queries(
        self, texts: Sequence[str], *, note: str = "", once: str | None = None
    ) -> list[KnownQuery]:
        """Let queries of the graph in, all or none. Raises `Refused` for one that would be refused."""
        told = {"texts": list(texts), "note": note}
        return (await self.post("graphql/queries", told, _Queries, once=once)).items

    async def drop_query(self, hash_: str, *, note: str = "") -> KnownQuery:
        """Let a query in no longer. Raises `NotFound`."""
        return await self.change("DELETE", f"graphql/queries/{named(hash_)}", KnownQuery, note=note)

    async def rotate_secrets(self, *, values: bool = False, once: str | None = None) -> Rotated:
        """Seal the data keys of all tenants with the current master key; with a key of the operator.

        `values`: also new data keys, and all secrets sealed with them.
        """
        return await self.post("secrets/rotate", {"values": values}, Rotated, once=once)
