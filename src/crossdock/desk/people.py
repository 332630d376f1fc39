"""People of a tenant, and the identity providers where they sign in."""

from __future__ import annotations

from collections.abc import Collection

from crossdock.access import Principal, Resource
from crossdock.access.people import Account, Link
from crossdock.access.people import People as Kept
from crossdock.access.providers import Provider
from crossdock.access.providers import Providers as KeptProviders
from crossdock.desk.ground import Ground


class People:
    """What is done with people. What they do with their own account, they do signed in (`access.sign_in`)."""

    def __init__(self, ground: Ground, people: Kept) -> None:
        """On that ground."""
        self._ground = ground
        self._people = people

    async def list(self, by: Principal) -> list[Account]:
        """Everybody, by name."""
        await self._ground.policies.require(by, "person.read", Resource(kind="person"))
        return await self._people.of(await self._ground.tenant(by))

    async def invite(
        self, by: Principal, *, email: str, roles: Collection[str], name: str = "", note: str = ""
    ) -> Link:
        """A link by which somebody gets an account; it works once, and is shown this once."""
        await self._ground.policies.require(by, "person.change", Resource(kind="person"))
        tenant = await self._ground.tenant(by)
        return await self._people.invite(tenant, by, email=email, roles=roles, name=name, why=note)

    async def change(
        self,
        by: Principal,
        person: str,
        *,
        roles: Collection[str],
        seen: Collection[str] | None = None,
        note: str = "",
    ) -> Account:
        """Give a person these roles and no others; their sessions end. `seen`: those that they had.

        Raises `Conflict` where they have others by now.
        """
        await self._may(by, person)
        tenant = await self._ground.tenant(by)
        return await self._people.change(tenant, by, person, roles=roles, seen=seen, why=note)

    async def suspend(self, by: Principal, person: str, *, note: str = "") -> Account:
        """Let a person in no more; their sessions end, their keys fall silent."""
        await self._may(by, person)
        return await self._people.shut_out(await self._ground.tenant(by), by, person, why=note)

    async def resume(self, by: Principal, person: str, *, note: str = "") -> Account:
        """Let somebody in again."""
        await self._may(by, person)
        return await self._people.let_in(await self._ground.tenant(by), by, person, why=note)

    async def reset(self, by: Principal, person: str, *, note: str = "") -> Link:
        """A link by which a person sets another password; it works once, and is shown this once."""
        await self._may(by, person)
        return await self._people.reset(await self._ground.tenant(by), by, person, why=note)

    async def _may(self, by: Principal, person: str) -> None:
        await self._ground.policies.require(by, "person.change", Resource(kind="person", id=person))


class Providers:
    """What is done with identity providers: whom they let in, and as what, is as much as to invite."""

    def __init__(self, ground: Ground, providers: KeptProviders) -> None:
        """On that ground."""
        self._ground = ground
        self._providers = providers

    async def put(
        self,
        by: Principal,
        provider: Provider,
        *,
        secret: str | None = None,
        note: str = "",
        new: bool = False,
    ) -> None:
        """Set one; a `new` one only where there is none. Without a secret the one that is kept stays."""
        await self._may(by, provider.name)
        tenant = await self._ground.tenant(by)
        await self._providers.put(tenant, by, provider, secret=secret, why=note, new=new)

    async def drop(self, by: Principal, name: str, *, note: str = "") -> None:
        """Believe one no more; sessions that it began end."""
        await self._may(by, name)
        await self._providers.drop(await self._ground.tenant(by), by, name, why=note)

    async def _may(self, by: Principal, name: str) -> None:
        about = Resource(kind="person", id=f"provider/{name}")
        await self._ground.policies.require(by, "person.change", about)
