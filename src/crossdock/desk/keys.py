"""Keys of programs: made and revoked."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from crossdock.access import Principal, Resource
from crossdock.access.keys import Key, NewKey
from crossdock.access.keys import Keys as Kept
from crossdock.desk.ground import Ground


class Keys:
    """What is done with keys."""

    def __init__(self, ground: Ground, keys: Kept) -> None:
        """On that ground."""
        self._ground = ground
        self._keys = keys

    async def list(self, by: Principal, *, revoked: bool = False) -> list[Key]:
        """Keys, newest first, without their texts; those that are revoked as well, if wanted."""
        await self._ground.policies.require(by, "key.read", Resource(kind="key"))
        return await self._keys.of(await self._ground.tenant(by), revoked=revoked)

    async def create(
        self,
        by: Principal,
        *,
        roles: Collection[str],
        scopes: Collection[str] | None = None,
        name: str = "",
        expires: datetime | None = None,
        note: str = "",
    ) -> NewKey:
        """A new key. Its text is given this once."""
        await self._ground.policies.require(by, "key.change", Resource(kind="key"))
        tenant = await self._ground.tenant(by)
        return await self._keys.create(
            tenant, by, roles=roles, scopes=scopes, name=name, expires=expires, why=note
        )

    async def revoke(self, by: Principal, key: str, *, note: str = "") -> Key:
        """Believe a key no more, from this moment on."""
        tenant = await self._ground.tenant(by)
        await self._ground.policies.require(by, "key.change", Resource(kind="key", id=key))
        return await self._keys.revoke(tenant, by, key, why=note)
