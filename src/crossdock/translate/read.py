"""A mapping from its text: read, checked with places and mends, made ready.

record, headers, settings, tables   what `events` and `rejects` may name, `item` inside a rule's `each`
body, headers, settings, tables     what `records` may name
document, tables                    what `gives` may name
input, settings, tables             what an operation's `input` may name; `output`, of what it gives
n, and what `as` says               inside `each` of a shape
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import DYN, Environment, Field, MapOf, Record, Type, parse_type
from crossdock.model import EVENTS
from crossdock.process.catalogue import Catalogue
from crossdock.process.problems import Problem, nearest
from crossdock.process.source import Source
from crossdock.translate.grammar import FORMATS, SCHEMA, fields_of
from crossdock.translate.mapping import Outgoing, PartnerMapping, Rejection
from crossdock.translate.rules import Rule
from crossdock.translate.shapes import ANY_LIST, WORDS, Shapes

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,62}\Z")
_NAMED = re.compile(r"^mapping:[ \t]*[\"']?([a-z][a-z0-9_-]*)", re.MULTILINE)


class NotAMapping(Refused):
    """The text is not a mapping; `problems` says why, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take every problem found."""
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problems" if len(self.problems) != 1 else "1 problem"
        super().__init__(count + "\n" + "\n".join(str(problem) for problem in self.problems))


def name_in(text: str) -> str:
    """The name that a text gives its mapping, right or wrong as the rest may be; "" where it gives none."""
    found = _NAMED.search(text)
    return found.group(1) if found else ""


def check(text: str, catalogue: Catalogue, *, file: str = "") -> tuple[PartnerMapping | None, list[Problem]]:
    """The mapping, if the text is one, and all problems in the order of the file; some are only warnings."""
    try:
        source = Source(text, file=file)
    except Refused as error:
        place = re.search(r":(\d+):(\d+)\Z", error.where)
        line, column = (int(place[1]), int(place[2])) if place else (1, 1)
        return None, [Problem(line=line, column=column, message=error.message, mend=error.mend, file=file)]
    reader = _Reader(source, catalogue)
    mapping = reader.whole(reader.read)
    found = sorted(reader.problems, key=lambda problem: (problem.line, problem.column))
    wrong = any(problem.severity == "error" for problem in found)
    return (None if wrong else mapping), found


def load(text: str, catalogue: Catalogue, *, file: str = "") -> PartnerMapping:
    """The mapping in `text`. Raises `NotAMapping` with all its problems."""
    mapping, problems = check(text, catalogue, file=file)
    if mapping is None:
        raise NotAMapping(problem for problem in problems if problem.severity == "error")
    return mapping


class _Reader(Shapes):
    """Reads the whole."""

    def __init__(self, source: Source, catalogue: Catalogue) -> None:
        super().__init__(source)
        self.catalogue = catalogue
        self.looks_up = True
        self.known: dict[str, Type] = {}

    def read(self) -> PartnerMapping | None:
        value = self.source.value
        if not isinstance(value, dict):
            self.problem((), "this is not a mapping", "begin with `mapping: name`")
            return None
        top = self.fields_in((), value, fields_of("mapping"))
        name = self.word(
            ("mapping",), top.get("mapping"), _NAME, "a name", "write it in lower case, with `-` between"
        )
        if "mapping" not in top:
            self.problem((), "`mapping` is missing", "write `mapping: name`")
        self.tables = {
            str(table): {str(k): str(v) for k, v in (self.mapping(("tables", table), rows, "") or {}).items()}
            for table, rows in (self.mapping(("tables",), top.get("tables", {}), "") or {}).items()
        }
        tables = Record("tables", {table: Field(WORDS) for table in self.tables})
        self.known = {"settings": MapOf(DYN), "tables": tables}
        reads = self.choice(("reads",), top.get("reads", "json"), FORMATS)
        for field, of in (("separator", "csv"), ("group", "csv"), ("lists", "xml")):
            if field in top and reads != of:
                self.problem((field,), f"`{field}` is of {of}", f"write `reads: {of}`, or leave it out")
        records = None
        if "records" in top:
            within = Environment({**self.known, "body": DYN, "headers": WORDS})
            records = self.expression(("records",), top["records"], within, want=ANY_LIST)
        rules = self._rules(top)
        takes, gives = self._gives(top)
        operations = self._operations(top)
        if not (rules or gives or operations):
            self.problem((), "it translates nothing", "write `events:`, `gives:` or `operations:`")
        if self.problems and any(one.severity == "error" for one in self.problems):
            return None
        return PartnerMapping(
            name=name,
            version=hashlib.sha256(self.source.text.encode()).hexdigest()[:16],
            source=self.source.text,
            title=str(top.get("title", "")),
            doc=str(top.get("doc", "")),
            tables=self.tables,
            reads=reads,
            separator=str(top.get("separator", ",")),
            group=str(top.get("group", "")),
            lists=tuple(map(str, self.sequence(("lists",), top.get("lists", [])))),
            records=records,
            rejects=self._rejects(top),
            rules=rules,
            own={type_: one.data for type_, one in self.catalogue.events.items() if type_ not in EVENTS},
            takes=takes,
            gives=gives,
            operations=operations,
        )

    def _rules(self, top: dict[str, Any]) -> tuple[Rule, ...]:
        known = {**self.known, "record": DYN, "headers": WORDS}
        events = {type_: one.data for type_, one in self.catalogue.events.items()}
        return tuple(
            self.rule(path, self.fields_in(path, given, fields_of("event")), known, events)
            for n, given in enumerate(self.sequence(("events",), top.get("events", [])))
            for path in [("events", n)]
        )

    def _rejects(self, top: dict[str, Any]) -> tuple[Rejection, ...]:
        environment = Environment({**self.known, "record": DYN, "headers": WORDS})
        found = []
        for n, value in enumerate(self.sequence(("rejects",), top.get("rejects", []))):
            given = self.fields_in(("rejects", n), value, fields_of("rejects"))
            condition = self.expression(("rejects", n, "if"), given.get("if"), environment)
            because = self.template(("rejects", n, "because"), given.get("because", ""), environment)
            if not given.get("because"):
                self.problem(("rejects", n), "it is not said why", "write `because: ...`")
            if condition is not None and because is not None:
                found.append(Rejection(condition=condition, at=str(given.get("at", "")), because=because))
        return tuple(found)

    def _gives(self, top: dict[str, Any]) -> tuple[Type | None, Any]:
        if "gives" not in top:
            if "takes" in top:
                self.problem(("takes",), "it takes a document, and gives nothing", "write `gives:`")
            return None, None
        try:
            takes = parse_type(top.get("takes", "any"), self.catalogue.documents, name="document")
        except Refused as error:
            self.problem(("takes",), error.message, error.mend)
            return None, None
        if "takes" not in top:
            self.problem(("gives",), "of which document?", "write `takes:`, such as Order or Shipment")
        environment = Environment({"document": takes, "tables": self.known["tables"]})
        return takes, self.shape(("gives",), top["gives"], environment)

    def _operations(self, top: dict[str, Any]) -> dict[str, Outgoing]:
        found: dict[str, Outgoing] = {}
        for name, value in (self.mapping(("operations",), top.get("operations", {}), "") or {}).items():
            path = ("operations", name)
            shape = self.catalogue.operations.get(name)
            if shape is None:
                self.problem(
                    path, f"there is no operation `{name}`", nearest(name, self.catalogue.operations)
                )
                continue
            given = self.fields_in(path, value, SCHEMA["$defs"]["operation"]["properties"])
            asked, answered = (
                self.maybe_shape(
                    (*path, part),
                    given.get(part),
                    Environment({**self.known, part: type_}),
                    type_,
                )
                for part, type_ in (("input", shape.input), ("output", shape.output))
            )
            found[name] = Outgoing(input=asked, output=answered)
        return found
