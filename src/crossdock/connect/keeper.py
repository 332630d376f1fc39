"""Where the secrets of connections are kept."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

from crossdock.connect.secret import Secret
from crossdock.errors import Broken

Secrets: TypeAlias = Mapping[str, tuple[Secret, ...]]
"""Secrets by name; the first is the one to use, further ones still hold while it replaces them."""


class Keeper(Protocol):
    """Whoever keeps secrets: a file, a vault."""

    async def secrets(self, tenant: int, connection: str) -> Secrets:
        """All secrets of a connection. Raises `Unreachable` when they cannot be had now."""


class FileKeeper:
    """Secrets in one file that only its owner may read: {tenant: {connection: {name: [text, ...]}}}.

    It is read again when it changes, so that processes see what another one has set.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, int] = (0, 0)
        self._kept: dict[str, dict[str, dict[str, list[str]]]] = {}

    async def secrets(self, tenant: int, connection: str) -> Secrets:
        """All secrets of a connection. Raises `Broken` when the file is not what it should be."""
        self._refresh()
        kept = self._kept.get(str(tenant), {}).get(connection, {})
        return {name: tuple(Secret(text) for text in texts) for name, texts in kept.items()}

    def put(self, tenant: int, connection: str, secrets: Mapping[str, str | Sequence[str]]) -> None:
        """Set secrets of a connection; those not named stay. Several texts may hold, the first is used."""
        self._refresh()
        kept = self._kept.setdefault(str(tenant), {}).setdefault(connection, {})
        kept.update({name: [t] if isinstance(t, str) else list(t) for name, t in secrets.items()})
        self._path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._path.with_suffix(f".{os.getpid()}")
        with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:  # noqa: PTH123
            json.dump(self._kept, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)

    def _refresh(self) -> None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp == self._read:
            return
        try:
            kept = json.loads(self._path.read_text())
        except (OSError, ValueError) as error:
            raise Broken(
                f"the file of secrets cannot be read: {type(error).__name__}", where=str(self._path)
            ) from None
        self._read, self._kept = stamp, kept
