"""Connections, ready to be used: connector, settings, secrets, and the session that signing in gave."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, LiteralString

import msgspec

from crossdock.connect.contract import Connector, Operation, Session
from crossdock.connect.fit import Fits, fits
from crossdock.connect.keeper import Keeper, Secrets
from crossdock.connect.registry import Registry
from crossdock.connect.systems import shape_of
from crossdock.errors import NotFound, Refused
from crossdock.process.catalogue import OperationShape
from crossdock.store import Database

FRESH_SECONDS = 2.0  # how long another process may not yet see a changed setting or secret

_READ: LiteralString = """
select connector, settings from crossdock.connection where tenant = $1 and name = $2
"""


@dataclass(frozen=True, slots=True)
class Ready:
    """An operation with what its calls need, worked out once."""

    operation: Operation
    shape: OperationShape
    input_fits: Fits
    output_fits: Fits


@dataclass(slots=True, eq=False)
class Line:
    """A connection of a tenant. `session` is what signing in gave; `signing` lets one sign in for all."""

    tenant: int
    name: str
    connector: Connector
    settings: Mapping[str, Any]
    secrets: Secrets
    base: str
    operations: Mapping[tuple[str, str], Ready]
    session: Session | None = None
    session_until: float = float("inf")  # monotonic seconds
    session_asked: bool = False  # it was asked for, so another one can be
    signing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def hide(self, text: str) -> str:
        """The text without any of our secrets in it: partners repeat what they were sent."""
        for secrets in self.secrets.values():
            for secret in secrets:
                shown = secret.reveal()
                if len(shown) > 3 and shown in text:
                    text = text.replace(shown, "***")
        return text


class Lines:
    """The connections of all tenants, each read when it is first used and again when it may have changed."""

    def __init__(self, database: Database, registry: Registry, keeper: Keeper) -> None:
        """Of the connections in that database, with these connectors and secrets."""
        self._database = database
        self._registry = registry
        self._keeper = keeper
        self._lines: dict[tuple[int, str], tuple[float, bytes, Line]] = {}
        self._reading: defaultdict[tuple[int, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._ready: dict[str, Mapping[tuple[str, str], Ready]] = {}

    async def line(self, tenant: int, name: str) -> Line:
        """That connection. Raises `NotFound` where there is none, `Refused` where its settings do not do."""
        known = self._lines.get((tenant, name))
        if known is not None and time.monotonic() - known[0] < FRESH_SECONDS:
            return known[2]
        async with self._reading[tenant, name]:  # one reads for all, so that all share one session
            return await self._read(tenant, name)

    async def _read(self, tenant: int, name: str) -> Line:
        known = self._lines.get((tenant, name))
        now = time.monotonic()
        if known is not None and now - known[0] < FRESH_SECONDS:
            return known[2]
        async with self._database.engine() as transaction:
            row = await transaction.row(_READ, tenant, name)
        if row is None:
            self._lines.pop((tenant, name), None)
            self._reading.pop((tenant, name), None)  # nobody fills it with names that are guessed
            raise NotFound(f"there is no connection {name}", mend="create it, or name another")
        secrets = await self._keeper.secrets(tenant, name)
        written: bytes = row["settings"]
        line = known[2] if known is not None else None
        if (
            line is None
            or line.connector.name != row["connector"]
            or written != (known or (0, b""))[1]
            or secrets != line.secrets
        ):
            line = self._made(tenant, name, row["connector"], msgspec.json.decode(written), secrets)
        self._lines[tenant, name] = (now, written, line)
        return line

    def _made(
        self, tenant: int, name: str, connector_name: str, given: Mapping[str, Any], secrets: Secrets
    ) -> Line:
        connector = self._registry.connector(connector_name)
        settings = settled(connector, given, where=f"connection {name}")
        if connector.name not in self._ready:
            self._ready[connector.name] = {
                (connector.system_of(operation), operation.name): _ready(connector, operation)
                for operation in connector.operations
            }
        return Line(
            tenant=tenant,
            name=name,
            connector=connector,
            settings=settings,
            secrets=secrets,
            base=str(settings.get("url", "")).rstrip("/"),
            operations=self._ready[connector.name],
        )


def settled(connector: Connector, given: Mapping[str, Any], *, where: str = "") -> dict[str, Any]:
    """The settings of a connection, with defaults. Raises `Refused` for one that is missing or unknown."""
    for name in given:
        if name not in connector.settings:
            known = ", ".join(connector.settings) or "none"
            raise Refused(f"{connector.name} has no setting {name}", where=where, mend=f"it has: {known}")
    settings = {}
    for name, setting in connector.settings.items():
        value = given.get(name, setting.default)
        if value is None and not setting.optional:
            raise Refused(f"the setting {name} is missing", where=where, mend=setting.doc or "give it")
        if value is not None:
            settings[name] = value
    return settings


def _ready(connector: Connector, operation: Operation) -> Ready:
    shape = shape_of(connector, operation)
    return Ready(operation, shape, fits(shape.input), fits(shape.output))
