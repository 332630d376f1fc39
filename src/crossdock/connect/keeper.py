"""Whence the secrets of connections come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from crossdock.access.secrets import ConnectionSecrets
from crossdock.connect.secret import Secret

Secrets: TypeAlias = Mapping[str, tuple[Secret, ...]]
"""Secrets by name; the first is the one to use, further ones still hold while it replaces them."""


class Keeper(Protocol):
    """Whoever keeps secrets."""

    async def secrets(self, tenant: int, connection: str) -> Secrets:
        """All secrets of a connection. Raises `Unreachable` when they cannot be had now."""


class SealedKeeper:
    """Secrets as they are sealed in the database. Read each time, so a change is seen at once."""

    def __init__(self, kept: ConnectionSecrets) -> None:
        """Open those."""
        self._kept = kept

    async def secrets(self, tenant: int, connection: str) -> Secrets:
        """All secrets of a connection. Raises `Unreachable`, `Refused`, `Broken` when they do not open."""
        found = await self._kept.open(tenant, connection)
        return {name: tuple(Secret(text) for text in texts) for name, texts in found.items()}
