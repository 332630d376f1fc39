"""What a process may refer to: documents, events, operations, other processes, exception types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pydantic import BaseModel

from crossdock.expressions import DYN, Record, Type, record_of
from crossdock.model import DOCUMENTS, EVENTS, EXCEPTIONS
from crossdock.model.exceptions import Settlement
from crossdock.process.messages import EXCEPTION_CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationShape:
    """An operation of a system, as a process sees it. `changes`: it changes something there."""

    name: str  # erp.check_credit
    input: Type = DYN
    output: Type = DYN
    changes: bool = True
    undo: str = ""  # the operation that takes it back, where there is one


@dataclass(frozen=True, slots=True, kw_only=True)
class EventShape:
    """A type of event: what it says, and the business keys in it by kind (dotted paths)."""

    type: str
    data: Type = DYN
    about: Mapping[str, str] = field(default_factory=dict)


SETTLE = EventShape(type=EXCEPTION_CLOSE, data=record_of(Settlement), about={"exception": "exception"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessShape:
    """Another process, as the one that runs it sees it."""

    name: str
    document: Type = DYN
    output: Type = DYN


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Everything that can be named, by name."""

    documents: Mapping[str, Record] = field(default_factory=dict)
    events: Mapping[str, EventShape] = field(default_factory=dict)
    operations: Mapping[str, OperationShape] = field(default_factory=dict)
    processes: Mapping[str, ProcessShape] = field(default_factory=dict)
    exceptions: frozenset[str] = frozenset()

    def emitted(self, type_: str) -> EventShape | None:
        """The shape of an event that a process may emit: a declared one, or what closes an exception."""
        return SETTLE if type_ == EXCEPTION_CLOSE else self.events.get(type_)

    def including(
        self,
        *,
        documents: Mapping[str, Record] | None = None,
        events: Mapping[str, EventShape] | None = None,
        operations: Mapping[str, OperationShape] | None = None,
        processes: Mapping[str, ProcessShape] | None = None,
        exceptions: frozenset[str] = frozenset(),
    ) -> Catalogue:
        """What is in here, and more."""
        return replace(
            self,
            documents={**self.documents, **(documents or {})},
            events={**self.events, **(events or {})},
            operations={**self.operations, **(operations or {})},
            processes={**self.processes, **(processes or {})},
            exceptions=self.exceptions | exceptions,
        )


def canonical() -> Catalogue:
    """The catalogue of the canonical model alone: its documents, events and exception types."""
    shapes: dict[type, Record] = {}

    def shape(model: type[BaseModel]) -> Record:
        if model not in shapes:
            shapes[model] = record_of(model)
        return shapes[model]

    return Catalogue(
        documents={name: shape(model) for name, model in DOCUMENTS.items()},
        events={
            name: EventShape(type=name, data=shape(event.data), about=event.about)
            for name, event in EVENTS.items()
        },
        exceptions=frozenset(EXCEPTIONS),
    )
