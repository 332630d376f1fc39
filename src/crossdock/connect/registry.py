"""Which connectors there are: those that come with Crossdock, and those of other packages.

Another package ships a connector by an entry point in the group `crossdock.connectors` that names a
`Connector` or a module with one called `connector`. One that does not load is named with the reason; the
others work.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from crossdock.connect.contract import Connector, Operation
from crossdock.connect.systems import contracts, shape_of
from crossdock.errors import Conflict, CrossdockError, NotFound, Refused
from crossdock.model import EVENTS

GROUP = "crossdock.connectors"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class Registry:
    """Connectors by name, and what did not load: where from, and why."""

    connectors: Mapping[str, Connector]
    problems: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def of(connectors: Iterable[Connector]) -> Registry:
        """Those and no others. Raises `Refused` for a declaration that does not hold together."""
        found: dict[str, Connector] = {}
        for connector in connectors:
            _add(found, connector)
        return Registry(found)

    @staticmethod
    def discover(*, package: str = GROUP, extra: Iterable[Connector] = ()) -> Registry:
        """All that are shipped in `package`, installed as plug-ins, or given."""
        found: dict[str, Connector] = {}
        problems: dict[str, str] = {}
        for connector in extra:
            _add(found, connector)
        for place, load in (*_shipped(package), *_installed()):
            try:
                _add(found, _connector(load(), place))
            except CrossdockError as error:
                problems[place] = str(error)
            except Exception as error:  # noqa: BLE001 - a plug-in may fail in any way; the others go on
                problems[place] = f"{type(error).__name__}: {error}"
        return Registry(found, problems)

    def connector(self, name: str) -> Connector:
        """The connector of that name. Raises `NotFound`, with why it did not load where that is known."""
        found = self.connectors.get(name)
        if found is None:
            failed = "; ".join(f"{p}: {why}" for p, why in self.problems.items() if name in p)
            raise NotFound(
                f"there is no connector {name}",
                mend=failed or f"known are: {', '.join(sorted(self.connectors)) or 'none'}",
            )
        return found


def declared(connector: Connector) -> None:
    """Refuse a declaration that does not hold together, saying what and where."""
    where = f"connector {connector.name}"
    if not _NAME.match(connector.name):
        raise Refused(f"{connector.name!r} is no name", where=where, mend="use lower-case letters and _")
    if not connector.serves:
        raise Refused("it serves no system", where=where, mend="name one in `serves`, such as carrier")
    seen: set[str] = set()
    for operation in connector.operations:
        shape = shape_of(connector, operation)
        if shape.name in seen:
            raise Refused(f"{shape.name} is declared twice", where=where, mend="keep one of them")
        seen.add(shape.name)
        _sound(connector, operation, f"{where}, {shape.name}", changes=shape.changes)
    for operation in connector.operations:
        undo = shape_of(connector, operation).undo
        if undo and undo not in seen and undo not in contracts():
            raise Refused(f"{undo}, its undo, is not declared", where=f"{where}, {operation.name}")
    own = {event.type for event in connector.own_events}
    for type_ in connector.events:
        if type_ not in EVENTS and type_ not in own:
            raise Refused(f"there is no event {type_}", where=where, mend="declare it under `own_events`")
    if connector.webhook is not None and connector.webhook.secret not in connector.secrets:
        raise Refused(
            f"the webhook is signed with {connector.webhook.secret}, which is none of the secrets",
            where=where,
            mend="list it under `secrets`",
        )


def _sound(connector: Connector, operation: Operation, where: str, *, changes: bool) -> None:
    if connector.system_of(operation) not in connector.serves:
        raise Refused(f"{operation.system} is not among what it serves", where=where, mend="add it")
    if changes and operation.idempotency is None:
        raise Refused(
            "it changes something, and does not say what makes a repeat safe",
            where=where,
            mend="say `idempotency`: key, find, natural or none",
        )
    if operation.idempotency == "find" and operation.find is None:
        raise Refused("it is repeated after a `find`, and has none", where=where, mend="add `find`")
    if operation.timeout <= 0:
        raise Refused("its time-out is not positive", where=where, mend="give seconds")


def _add(found: dict[str, Connector], connector: Connector) -> None:
    declared(connector)
    if connector.name in found and found[connector.name] is not connector:
        raise Conflict(f"there are two connectors {connector.name}", mend="rename or uninstall one")
    found[connector.name] = connector


def _connector(loaded: Any, place: str) -> Connector:
    found = loaded if isinstance(loaded, Connector) else getattr(loaded, "connector", None)
    if not isinstance(found, Connector):
        raise Refused(
            "there is no `connector` in it", where=place, mend="declare it: connector = Connector(...)"
        )
    return found


def _shipped(package: str) -> Iterable[tuple[str, Any]]:
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__, f"{package}."):
        if not module.name.rpartition(".")[2].startswith("_"):  # what several connectors share
            yield module.name, lambda name=module.name: importlib.import_module(name)


def _installed() -> Iterable[tuple[str, Any]]:
    for point in entry_points(group=GROUP):
        yield f"{point.name} of {point.dist.name if point.dist else point.value}", point.load
