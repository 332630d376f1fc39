"""Connections, ready to be used: connector, settings, secrets, and the session that signing in gave."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString, TypeVar

import msgspec

from crossdock.access.redaction import GONE, forms, hidden, is_word
from crossdock.connect.contract import Connector, Operation, Session
from crossdock.connect.fit import Fits, fits
from crossdock.connect.keeper import Keeper, Secrets
from crossdock.connect.references import References
from crossdock.connect.registry import Registry
from crossdock.connect.systems import catalogue, shape_of
from crossdock.errors import NotFound, Refused
from crossdock.process import Catalogue
from crossdock.process.catalogue import OperationShape
from crossdock.store import Database
from crossdock.translate import PartnerMapping, Rows, load

FRESH_SECONDS = 1.0  # how long another process may not yet see a changed setting or secret

KEEP_SECONDS = 600.0  # how long a connection that nobody uses stays open in memory
_MOST_MAPPINGS = 500  # that are kept compiled
_LEAST = 8  # letters of a secret that is looked for in what a partner answers

_READ: LiteralString = """
select c.connector, c.settings, c.system, m.source as mapping,
  case when c.record_until > crossdock.now() then c.record_until end as record_until
from crossdock.connection c
left join lateral (
  select m.source from crossdock.mapping m
  where m.tenant = c.tenant and m.name = c.mapping order by m.published desc limit 1
) m on true
where c.tenant = $1 and c.name = $2
"""

T = TypeVar("T")


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
    system: str = ""  # that it serves
    mapping: PartnerMapping | None = None  # what it delivers passes through it, and what is asked of it
    unmapped: Refused | None = None  # why its mapping cannot be used
    session: Session | None = None
    session_until: float = float("inf")  # monotonic seconds
    session_asked: bool = False  # it was asked for, so another one can be
    tokens: frozenset[str] = frozenset()  # texts that signing in was answered with
    record_until: datetime | None = None  # until then what is asked and answered is kept
    recorded: set[bytes] = field(default_factory=set)  # digests of what was kept: the same is kept once
    signing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _shown: tuple[str, ...] | None = None  # our secrets as they may come back, longest first

    def hide(self, text: str) -> str:
        """The text without any of our secrets in it: partners repeat what they were sent."""
        for shown in self._forms():
            text = text.replace(shown, GONE)
        if self.session is not None:
            for header in self.session.headers.values():
                for word in header.split():
                    if len(word) >= _LEAST:
                        text = text.replace(word, GONE)
        return hidden(text)

    def hide_in(self, value: Any) -> Any:
        """A JSON value without any of our secrets in its texts, but for words that anybody might say."""
        longer = [shown for shown in self._forms() if len(shown) >= _LEAST and not is_word(shown)]
        if not longer:
            return value
        text = msgspec.json.encode(value, enc_hook=str).decode()
        return _without(value, longer) if any(shown in text for shown in longer) else value

    def _forms(self) -> tuple[str, ...]:
        if self._shown is None:
            texts = [secret.reveal() for secrets in self.secrets.values() for secret in secrets]
            every = {form for text in texts for form in forms(text)}
            self._shown = tuple(sorted(every, key=lambda one: (-len(one), one)))
        return self._shown


class Lines:
    """The connections of all tenants, each read when it is first used and again when it may have changed."""

    def __init__(self, database: Database, registry: Registry, keeper: Keeper) -> None:
        """Of the connections in that database, with these connectors and secrets."""
        self._database = database
        self._registry = registry
        self._keeper = keeper
        self._lines: dict[tuple[int, str], tuple[float, bytes, Line]] = {}
        self._reading: defaultdict[tuple[int, str], asyncio.Lock] = defaultdict(asyncio.Lock)
        self._sweep = 0.0
        self._ready: dict[str, Mapping[tuple[str, str], Ready]] = {}
        self._references = References(database)
        self._mappings: dict[str, PartnerMapping] = {}  # by their texts
        self._catalogue: Catalogue | None = None

    async def line(self, tenant: int, name: str) -> Line:
        """That connection. Raises `NotFound` where there is none, `Refused` where its settings do not do."""
        known = self._lines.get((tenant, name))
        if known is not None and time.monotonic() - known[0] < FRESH_SECONDS:
            return known[2]
        async with self._reading[tenant, name]:  # one reads for all, so that all share one session
            return await self._read(tenant, name)

    async def with_rows(self, line: Line, read: Callable[[Rows], T]) -> T:
        """What a translation gives, with the master data that it looks up, fetched as it asks for it.

        `read` is done again for what it asked for, so it does nothing but translate. Raises as it does.
        """
        rows = Rows(of=line.name)
        while True:
            try:
                found = read(rows)
            except Refused:
                if not rows.wanted:
                    raise
            else:
                if not rows.wanted:
                    return found
            rows.add(await self._references.find(line.tenant, (line.name, line.system), rows.wanted))

    def _mapping(self, text: str) -> PartnerMapping:
        """A published mapping. Raises `Refused` where it fits no more what is installed."""
        known = self._mappings.get(text)
        if known is None:
            if self._catalogue is None:
                self._catalogue = catalogue(self._registry.connectors.values())
            if len(self._mappings) >= _MOST_MAPPINGS:
                self._mappings.clear()
            known = self._mappings[text] = load(text, self._catalogue)
        return known

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
        if row["record_until"] != line.record_until:
            line.record_until, line.recorded = row["record_until"], set()
        line.system = row["system"]
        try:
            line.mapping, line.unmapped = row["mapping"] and self._mapping(row["mapping"]), None
        except Refused as error:
            line.mapping, line.unmapped = None, error
        if now > self._sweep:
            self._sweep = now + KEEP_SECONDS / 10
            self._lines = {key: one for key, one in self._lines.items() if now - one[0] < KEEP_SECONDS}
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


def _without(value: Any, shown: Sequence[str]) -> Any:
    if isinstance(value, str):
        for one in shown:
            value = value.replace(one, GONE)
        return value
    if isinstance(value, Mapping):
        return {name: _without(part, shown) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_without(part, shown) for part in value]
    return value


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
