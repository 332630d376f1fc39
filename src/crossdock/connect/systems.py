"""The systems that processes call, and everything that can be called: the catalogue of processes.

The contracts stand as data in `systems.yaml`. A connector's operation that belongs to a contract has its
types; others bring their own.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from crossdock.connect.contract import Connector, Notation, Operation
from crossdock.errors import Refused
from crossdock.expressions import DYN, Type, json_schema, parse_type
from crossdock.model import EVENTS
from crossdock.process import Catalogue, canonical
from crossdock.process.catalogue import EventShape, OperationShape
from crossdock.process.source import Source


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationContract:
    """What every connector to the system means by this operation."""

    system: str
    name: str
    doc: str
    shape: OperationShape


@functools.cache
def _canonical() -> Catalogue:
    return canonical()


@functools.cache
def contracts() -> Mapping[str, OperationContract]:
    """All operations of the systems' contracts, by `system.operation`."""
    text = resources.files("crossdock.connect").joinpath("systems.yaml").read_text()
    systems: Mapping[str, Any] = Source(text, file="systems.yaml").value
    found = {}
    for system, contract in systems.items():
        for name, operation in contract["operations"].items():
            undo = operation.get("undo")
            shape = _shape(
                f"{system}.{name}",
                operation["input"],
                operation["output"],
                changes=operation.get("changes", True),
                undo=f"{system}.{undo}" if undo else "",
            )
            found[shape.name] = OperationContract(system=system, name=name, doc=operation["doc"], shape=shape)
    return found


def shape_of(connector: Connector, operation: Operation) -> OperationShape:
    """What a connector's operation takes and gives. Raises `Refused` where nothing says so, or two do."""
    system = connector.system_of(operation)
    name = f"{system}.{operation.name}"
    contract = contracts().get(name)
    if contract is not None:
        if operation.input is not None or operation.output is not None or operation.changes is not None:
            raise Refused(
                f"{name} belongs to the contract of {system}, which says what it takes and gives",
                where=f"connector {connector.name}",
                mend="leave `input`, `output` and `changes` out, or give the operation another name",
            )
        return contract.shape
    if operation.changes is None:
        raise Refused(
            f"{name} is in no contract, and does not say whether it changes something",
            where=f"connector {connector.name}",
            mend="say `changes`, and its `input` and `output`",
        )
    return _shape(
        name,
        "any" if operation.input is None else operation.input,
        "any" if operation.output is None else operation.output,
        changes=operation.changes,
        undo=f"{system}.{operation.undo}" if operation.undo else "",
        where=f"connector {connector.name}, {name}",
    )


def catalogue(connectors: Iterable[Connector] = ()) -> Catalogue:
    """What processes may name: the model, the systems' contracts, and what these connectors add.

    Raises `Refused` where two connectors declare one operation or event beyond the contracts differently.
    """
    operations = {name: contract.shape for name, contract in contracts().items()}
    events: dict[str, EventShape] = {}
    origin: dict[str, str] = {}
    for connector in connectors:
        for operation in connector.operations:
            shape = shape_of(connector, operation)
            known = operations.get(shape.name)
            if known is not None and known is not shape and not _same(known, shape):
                raise _differs(shape.name, connector.name, origin.get(shape.name, ""))
            operations[shape.name] = known or shape
            origin.setdefault(shape.name, connector.name)
        for event in connector.own_events:
            if event.type in EVENTS:
                raise Refused(
                    f"{event.type} is an event of the canonical model",
                    where=f"connector {connector.name}",
                    mend="list it under `events`, or give it another type",
                )
            own = EventShape(
                type=event.type,
                data=type_of(event.data, name=event.type, where=f"connector {connector.name}, {event.type}"),
                about=dict(event.about),
            )
            before = events.get(event.type)
            if before is not None and _said(before) != _said(own):
                raise _differs(event.type, connector.name, origin.get(event.type, ""))
            events[event.type] = before or own
            origin.setdefault(event.type, connector.name)
    return _canonical().including(operations=operations, events=events)


def type_of(notation: Notation, *, name: str = "", where: str = "") -> Type:
    """A type in the short notation, with the model's documents by name. Raises `Refused`."""
    if notation == "any":
        return DYN
    return parse_type(notation, _canonical().documents, name=name, where=where)


def data_of(event_type: str) -> Type:
    """What an event type of the canonical model carries."""
    return _canonical().events[event_type].data


def _shape(
    name: str, input_: Notation, output: Notation, *, changes: bool, undo: str, where: str = ""
) -> OperationShape:
    return OperationShape(
        name=name,
        input=type_of(input_, name=name, where=f"{where or name}, input"),
        output=type_of(output, name=f"{name}.output", where=f"{where or name}, output"),
        changes=changes,
        undo=undo,
    )


def _said(event: EventShape) -> tuple[object, ...]:
    return json_schema(event.data), event.about


def _same(one: OperationShape, other: OperationShape) -> bool:
    return (one.changes, one.undo, json_schema(one.input), json_schema(one.output)) == (
        other.changes,
        other.undo,
        json_schema(other.input),
        json_schema(other.output),
    )


def _differs(what: str, connector: str, other: str) -> Refused:
    return Refused(
        f"{what} is declared otherwise by {other or 'another connector'}",
        where=f"connector {connector}",
        mend="declare it the same way, or give it another name",
    )
