"""What a process may name, and what it declares itself: operations, events, documents, forms."""

from __future__ import annotations

import re
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import DYN, STRING, Field, Record, Type, assignable, parse_type
from crossdock.process.catalogue import Catalogue, EventShape, OperationShape
from crossdock.process.places import Places, written_as
from crossdock.process.problems import nearest
from crossdock.process.scope import event_type, kind_of, variable_of
from crossdock.process.source import Path, Source

DOTTED = re.compile(r"[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+\Z")
OPERATION = re.compile(r"[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*\Z")


class Names(Places):
    """Looks names up in the catalogue, and tells where one is not there."""

    def __init__(self, source: Source, catalogue: Catalogue) -> None:
        """Read from `source` what may refer to `catalogue` and to what the process itself declares."""
        super().__init__(source)
        self.catalogue = catalogue
        self.declared_events: frozenset[str] = frozenset()
        self._event_types: dict[tuple[str, ...], Type] = {}

    def check_document(self, document: str) -> None:
        """Say so where there is no such document."""
        known = self.catalogue.documents
        if document not in known:
            mend = (
                nearest(document, known)
                or "use a canonical document, or declare it under `declare: documents:`"
            )
            self.problem(("document",), f"there is no document `{document}`", mend)

    def operation(self, path: Path, name: str) -> OperationShape | None:
        """The operation of that name, or None and a problem."""
        known = self.catalogue.operations
        if name in known:
            return known[name]
        same = [other for other in known if other.partition(".")[0] == name.partition(".")[0]]
        mend = nearest(name, same or known)
        if not mend:
            mend = "connect a system that has it, or declare it under `declare: operations:`"
        self.problem(path, f"no connector declares the operation `{name}`", mend)
        return None

    def event_name(self, path: Path, raw: Any) -> str:
        """The name of an event type; a problem where it is none, or unknown."""
        if not isinstance(raw, str) or not DOTTED.match(raw):
            self.problem(path, f"{raw!r} is not an event type", "write it as `document.what_happened`")
            return ""
        if raw not in self.catalogue.events:
            mend = nearest(raw, self.catalogue.events)
            more = mend or "declare it under `declare: events:`, or connect a system that gives it"
            self.problem(path, f"there is no event `{raw}`", more)
        return raw

    def event_type(self, types: tuple[str, ...]) -> Type:
        """The type of `event` for events of these types: the same always, so that lists of it add."""
        if types not in self._event_types:
            self._event_types[types] = event_type(self.catalogue, types)
        return self._event_types[types]

    def names(self, path: Path, raw: Any) -> tuple[str, ...]:
        """One name or several."""
        if raw is None:
            return ()
        return tuple(str(name) for name in ([raw] if isinstance(raw, str) else self.sequence(path, raw)))

    def fits(self, path: Path, actual: Type, wanted: Type, what: str) -> None:
        """Say so where what is given does not fit what is asked for."""
        why = assignable(actual, wanted, trusting=True)
        if why:
            self.problem(path, f"{what} cannot take this: {why}", written_as(why, actual, wanted))
            return
        doubt = assignable(actual, wanted)
        if doubt:
            self.problem(path, f"{what} may be given nothing: {doubt}", warning=True)

    def form(self, path: Path, raw: Any, *, quiet: bool = False) -> Record | None:
        """The fields of a form, where there is one; `quiet` tells no problem."""
        if raw is None:
            return None
        try:
            form = parse_type(raw, self.catalogue.documents, name="Form")
        except Refused as error:
            if not quiet:
                self.problem(path, f"{error.where}: {error.message}".removeprefix(": "), error.mend)
            return None
        if isinstance(form, Record):
            return form
        if not quiet:
            self.problem(path, "a form has named fields", "write `form: { amount: money }`")
        return None

    def declare(self, raw: Any) -> None:
        """Take in what the process declares: from here on it can be named."""
        value = self.mapping(("declare",), raw, "declare") or {}
        documents = self._documents(value.get("documents") or {})
        self.catalogue = self.catalogue.including(documents=documents)
        events: dict[str, EventShape] = {}
        for name, raw_event in (value.get("events") or {}).items():
            part = raw_event if isinstance(raw_event, dict) else {}
            data = self._type(("declare", "events", name, "data"), part.get("data", "any"), "", documents)
            about = part.get("about") or self._keys_in(data)
            for kind, way in (part.get("about") or {}).items():
                self._stands(("declare", "events", name, "about", kind), data, way)
            events[name] = EventShape(type=name, data=data or DYN, about=dict(about))
        operations: dict[str, OperationShape] = {}
        for name, raw_operation in (value.get("operations") or {}).items():
            part = raw_operation if isinstance(raw_operation, dict) else {}
            path: Path = ("declare", "operations", name)
            if not OPERATION.match(name):
                self.problem(path, f"{name!r} is not an operation", "write it as `system.operation`")
            operations[name] = OperationShape(
                name=name,
                input=self._type((*path, "input"), part.get("input", "any"), "", documents) or DYN,
                output=self._type((*path, "output"), part.get("output", "any"), "", documents) or DYN,
                changes=part.get("changes", True) is not False,
                undo=str(part.get("undo") or ""),
            )
        self.declared_events = frozenset(events)
        exceptions = frozenset(value.get("exceptions") or {})
        self.catalogue = self.catalogue.including(events=events, operations=operations, exceptions=exceptions)

    def _documents(self, raw: dict[str, Any]) -> dict[str, Record]:
        """The documents that the process declares: each may name all, in whatever order they stand."""
        fields: dict[str, dict[str, Field]] = {name: {} for name in raw}
        documents = {name: Record(name, fields[name]) for name in raw}
        # what is only another name for one comes after that one has its fields
        for name, notation in sorted(raw.items(), key=lambda one: isinstance(one[1], str)):
            path: Path = ("declare", "documents", name)
            found = self._type(path, notation, name, documents)
            if isinstance(found, Record):
                fields[name].update(found.fields)
            elif found is not None:
                self.problem(path, f"{name} has no fields: it is {found}", "write `name: type` lines")
        return documents

    def _stands(self, path: Path, data: Type | None, way: str) -> None:
        """Say so where the data of an event has no such field for a business key to stand in."""
        for word in str(way).split("."):
            if not isinstance(data, Record):
                return
            if word not in data.fields:
                mend = nearest(word, data.fields)
                self.problem(path, f"its data has no field `{word}`: there stands no business key", mend)
                return
            data = data.fields[word].type

    def _keys_in(self, data: Type | None) -> dict[str, str]:
        """Where the business keys of a declared event stand that does not say it: in fields of their name."""
        value = self.source.value
        if not isinstance(data, Record) or not isinstance(document := value.get("document"), str):
            return {}
        steps = (step for step in (value.get("steps") or {}).values() if isinstance(step, dict))
        named = (part.get("alias") for part in (value, *steps))
        kinds = [kind_of(document), *(kind for alias in named if isinstance(alias, dict) for kind in alias)]
        found = {kind: kind for kind in kinds if kind in data.fields and data.fields[kind].type == STRING}
        own = re.fullmatch(rf"\s*\$\{{\s*{variable_of(document)}\.([\w.]+)\s*\}}\s*", str(value.get("key")))
        if own and data.name == document:
            found.setdefault(kind_of(document), own.group(1))
        for name, field in data.fields.items():
            if own and isinstance(field.type, Record) and field.type.name == document:
                found.setdefault(kind_of(document), f"{name}.{own.group(1)}")
        return found

    def _type(self, path: Path, notation: Any, name: str, documents: dict[str, Record]) -> Type | None:
        try:
            return parse_type(notation, {**self.catalogue.documents, **documents}, name=name)
        except Refused as error:
            self.problem(path, f"{error.where}: {error.message}".removeprefix(": "), error.mend)
            return None
