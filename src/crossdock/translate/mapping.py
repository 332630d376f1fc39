"""A mapping, ready to be used: payloads to events, documents to payloads, calls in a partner's codes.

    a payload ──► records ──► rejects ──► rules of `events` ──► each event against the model ──► events
                     │ any of it goes wrong: `Rejected`, with every reason, where in what it should become
                     ▼ and where in the payload
                  nothing of the payload is taken

It is pure: master data is given as `Rows`, and a version is named by its content, so that what was translated
once can be translated the same way ever after.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import Expression, Template, Type, problems
from crossdock.model import EVENTS
from crossdock.model.documents import Invalid, parse
from crossdock.translate.payloads import of_csv, of_json, of_xml, plain
from crossdock.translate.rules import Rule, Told
from crossdock.translate.shape import Shape
from crossdock.translate.values import Values, holds
from crossdock.translate.work import Origin, Reject, Rejected, Rows, Work, joined

_INDEX = re.compile(r"\.(\d+)(?=\.|$)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """A record that is not taken, for a reason of the mapping's."""

    condition: Expression
    at: str
    because: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """How a call of one operation is put, and how its answer is read."""

    input: Shape | None = None
    output: Shape | None = None


@dataclass(frozen=True, slots=True)
class Translated:
    """What came of one thing: its value, and where each of its fields came from."""

    value: Any
    origins: tuple[Origin, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PartnerMapping:
    """What one text says. `version` is a hash of it; `reads` is `event` where it takes events."""

    name: str
    version: str
    source: str
    title: str = ""
    doc: str = ""
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    reads: str = "json"
    separator: str = ","
    group: str = ""
    lists: tuple[str, ...] = ()
    records: Expression | None = None
    rejects: tuple[Rejection, ...] = ()
    rules: tuple[Rule, ...] = ()
    own: Mapping[str, Type] = field(default_factory=dict)  # data of events beyond the model
    takes: Type | None = None
    gives: Shape | None = None
    operations: Mapping[str, Outgoing] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Name and version, as is recorded with what was translated."""
        return f"{self.name}@{self.version}"

    @property
    def of_payloads(self) -> bool:
        """Whether a partner's payloads are read by it, not by their connector."""
        return bool(self.rules) and self.reads != "event"

    def read(
        self,
        payload: bytes,
        *,
        rows: Rows,
        headers: Mapping[str, str] | None = None,
        settings: Mapping[str, Any] | None = None,
    ) -> list[tuple[Told, Translated]]:
        """The events that a payload is, as it came. Raises `Rejected`, `Refused` where it is no such text."""
        values = {"headers": dict(headers or {}), "settings": settings or {}, "tables": self.tables}
        root = ""
        if self.reads == "csv":
            body: Any = of_csv(payload, separator=self.separator, group=self.group)
        elif self.reads == "xml":
            root, body = of_xml(payload, self.lists)
        else:
            body = of_json(payload)
        listed: Any = [body]
        sources = [root]
        if self.records is not None:
            whole = Work(sources={"body": root})
            listed = self.records.evaluate({**values, "body": body})
            sources = [whole.item(self.records, {"body": body}, one, n) for n, one in enumerate(listed)]
        elif self.reads == "csv":
            listed, sources = body, [f"line {one.line}" for one in body]
        return self._told(list(zip(listed, sources, strict=True)), values, rows)

    def read_record(
        self, record: Any, *, rows: Rows, settings: Mapping[str, Any] | None = None
    ) -> list[tuple[Told, Translated]]:
        """The events that a record of a feed is, or an event that a connector has made. Raises `Rejected`."""
        values = {"headers": {}, "settings": settings or {}, "tables": self.tables}
        return self._told([(plain(record), "")], values, rows)

    def knows(self, record: Any) -> bool:
        """Whether any rule is about it."""
        values = {"headers": {}, "settings": {}, "tables": self.tables, "record": record}
        return any(rule.holds(values) for rule in self.rules)

    def give(self, document: Any, *, rows: Rows) -> Translated:
        """What a partner gets of one of our documents. Raises `Rejected`."""
        if self.gives is None or self.takes is None:
            raise Refused(f"the mapping {self.name} gives nothing", mend="say what it `takes` and `gives`")
        if wrong := problems(document, self.takes):
            raise Rejected([_misfit(wrong[0])], mapping=self.name)
        return self._given(self.gives, {"document": document}, "document", rows, "theirs")

    def asked(self, operation: str, data: Any, *, rows: Rows, settings: Mapping[str, Any]) -> Any:
        """The input of a call as the partner takes it; as it is where nothing is said. Raises `Rejected`."""
        return self.outgoing(operation, data, rows=rows, settings=settings).value

    def outgoing(self, operation: str, data: Any, *, rows: Rows, settings: Mapping[str, Any]) -> Translated:
        """The same, with where each field came from."""
        way = self.operations.get(operation)
        if way is None or way.input is None:
            return Translated(data, ())
        return self._given(way.input, {"input": data, "settings": settings}, "input", rows, "theirs")

    def answered(self, operation: str, data: Any, *, rows: Rows, settings: Mapping[str, Any]) -> Any:
        """The output of a call in our codes; as it is where nothing is said. Raises `Rejected`."""
        way = self.operations.get(operation)
        if way is None or way.output is None:
            return data
        return self._given(way.output, {"output": data, "settings": settings}, "output", rows, "ours").value

    def _given(self, shape: Shape, values: dict[str, Any], name: str, rows: Rows, way: Any) -> Translated:
        work = Work(rows=rows, way=way, sources={name: ""})
        found = shape.fill({**values, "tables": self.tables}, work)
        if work.rejects:
            raise Rejected(work.rejects, mapping=self.name)
        return Translated(found, tuple(work.origins))

    def _told(
        self, records: Iterable[tuple[Any, str]], values: Values, rows: Rows
    ) -> list[tuple[Told, Translated]]:
        found: list[tuple[Told, Translated]] = []
        rejects: list[Reject] = []
        for record, source in records:
            known = {**values, "record": record}
            rejects += self._rejected(known, source)
            rules = [rule for rule in self.rules if rule.holds(known)]
            if not rules:
                rejects.append(
                    Reject(
                        source=source,
                        message="no rule of `events` knows this record",
                        mend="add a rule, or one with `ignore`",
                    )
                )
            for rule in rules:
                for told, work in rule.worked_out(known, Work(rows=rows, sources={"record": source})):
                    rejects += work.rejects or self._misfits(told, work)
                    found.append((told, Translated(told.data, tuple(work.origins))))
        if rejects:
            raise Rejected(rejects, mapping=self.name)
        return found

    def _rejected(self, values: Values, source: str) -> Iterable[Reject]:
        for one in self.rejects:
            if holds(one.condition, values):
                yield Reject(source=joined(source, one.at), message=str(one.because.evaluate(values)))

    def _misfits(self, told: Told, work: Work) -> list[Reject]:
        """What is wrong with an event by its type, each at the place in the input that it came from."""
        if told.type in self.own:
            return [_misfit(one) for one in problems(told.data, self.own[told.type])]
        try:
            parse(EVENTS[told.type].data, told.data, under="data")
        except Invalid as error:
            return [
                _located(work, _INDEX.sub(r"[\1]", one.path), one.message, one.mend) for one in error.problems
            ]
        return []


def _misfit(said: str) -> Reject:
    path, _, message = said.partition(": ")
    return Reject(field=path, source=path, message=message or said)


def _located(work: Work, path: str, message: str, mend: str) -> Reject:
    place = path
    known = {one.field: one.source for one in work.origins} | work.places
    while place and place not in known:
        place = place[: max(place.rfind("."), place.rfind("["), 0)]
    return Reject(field=path, source=known.get(place, ""), message=message, mend=mend)
