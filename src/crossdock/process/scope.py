"""Which names an expression may use, and what type each has.

Everywhere: the document under its own name, `steps`, `run`, `tenant`, `now`. Besides, where they mean
something: `event` (in `match`, `on`, `start`), `item` (with `each`), `output` and `input` (in `alias`,
`undo`).
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping

from crossdock.expressions import (
    DYN,
    INT,
    STRING,
    TIMESTAMP,
    Environment,
    Expression,
    Field,
    ListOf,
    Record,
    Type,
)
from crossdock.process.catalogue import Catalogue

_VARIABLES = {"ExceptionCase": "exception", "CustomerCase": "case"}

# What CEL keeps for itself, and what the names of a process are: a document of that name gets a `_`.
_TAKEN = frozenset(
    {"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let"}
    | {"loop", "namespace", "null", "package", "return", "true", "var", "void", "while"}
    | {"event", "steps", "run", "tenant", "now", "item", "input", "output"}
)

_META = Record(
    "EventMeta",
    {
        "type": Field(STRING, doc="the event's type"),
        "id": Field(STRING),
        "source": Field(STRING),
        "time": Field(TIMESTAMP, doc="when it happened"),
        "received": Field(TIMESTAMP, doc="when it was received"),
    },
)
_COUNTS = Record(
    "Counts", {name: Field(INT) for name in ("total", "open", "succeeded", "failed", "cancelled")}
)
RUN = Record(
    "Run",
    {
        "id": Field(STRING),
        "key": Field(STRING),
        "generation": Field(INT),
        "process": Field(STRING),
        "version": Field(STRING),
        "status": Field(STRING),
        "started": Field(TIMESTAMP, optional=True),
        "started_by": Field(STRING, doc="who started it: a person's id, or empty"),
        "exceptions": Field(ListOf(STRING), doc="the types of its open exceptions"),
    },
)
TENANT = Record("Tenant", {"id": Field(STRING), "name": Field(STRING), "settings": Field(DYN)})


def variable_of(document: str) -> str:
    """The name that a document has in expressions: purchase_order for PurchaseOrder."""
    name = _VARIABLES.get(document) or re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", document).lower()
    return f"{name}_" if name in _TAKEN else name


def kind_of(document: str) -> str:
    """The kind of business key that names this document in events: order for Order."""
    return variable_of(document).rstrip("_")


def event_type(catalogue: Catalogue, types: tuple[str, ...]) -> Type:
    """The type of `event` for events of these types: what they say, and `meta`."""
    shapes = [catalogue.events[name].data for name in types if name in catalogue.events]
    if not shapes or len(shapes) < len(types):
        return DYN
    first = shapes[0]
    if not isinstance(first, Record):
        return DYN
    fields = dict(first.fields)
    for other in shapes[1:]:
        if not isinstance(other, Record):
            return DYN
        # what all of them have is there; what only some have may be absent
        for name, field in other.fields.items():
            known = fields.get(name)
            fields[name] = field if known is None else Field(_same(known.type, field.type), optional=True)
            if known is None:
                fields[name] = Field(field.type, optional=True)
        for name in [name for name in fields if name not in other.fields]:
            fields[name] = Field(fields[name].type, optional=True)
    fields["meta"] = Field(_META)
    return Record(f"Event_{'_or_'.join(types)}".replace(".", "_")[:120], fields)


def _same(one: Type, other: Type) -> Type:
    return one if one == other or str(one) == str(other) else DYN


def step_type(name: str, kind: str, output: Type | None, *, outputs: Type | None = None) -> Record:
    """The type of `steps.<name>`."""
    fields = {
        "status": Field(STRING, doc="pending, running, waiting, succeeded, skipped, failed, held ..."),
        "started": Field(TIMESTAMP, optional=True),
        "ended": Field(TIMESTAMP, optional=True),
        "by": Field(STRING, doc="who decided or supplied it"),
        "reason": Field(STRING),
        "redo": Field(INT, doc="how often it was done again"),
    }
    if output is not None:
        fields["output"] = Field(output, optional=True)
    if kind == "await" and output is not None:
        fields["events"] = Field(ListOf(output))
    if outputs is not None:
        fields["outputs"] = Field(ListOf(outputs), doc="what the children gave, in the order they ended")
        fields["counts"] = Field(_COUNTS)
    return Record(f"Step_{name}", fields)


def _filled(step: Record) -> Record:
    output = step.fields["output"]
    return Record(step.name, {**step.fields, "output": Field(output.type, optional=True, filled=True)})


class Scope:
    """Environments for the expressions of one process, each made once."""

    def __init__(self, variable: str, document: Type, steps: Mapping[str, Record]) -> None:
        """Take the document's name and type, and the types of the steps."""
        self.types = steps
        self._variable = variable
        self._base: dict[str, Type] = {
            variable: document,
            "steps": Record("Steps", {name: Field(step) for name, step in steps.items()}),
            "run": RUN,
            "tenant": TENANT,
            "now": TIMESTAMP,
        }
        self._made: dict[tuple[tuple[str, int], ...], Environment] = {}
        self._knowing: dict[frozenset[str], Scope] = {}
        self._kept: list[Type] = []  # ids stay unique while their owners live
        self._there: frozenset[tuple[str, ...]] = frozenset()
        self._wide: Scope | None = None  # the scope that names all steps, where this one does not

    def knowing(self, certain: frozenset[str]) -> Scope:
        """The scope of a step that starts when these steps have given their output."""
        known = frozenset(name for name in certain if "output" in self.types[name].fields)
        if not known:
            return self
        if known not in self._knowing:
            types = {name: _filled(step) if name in known else step for name, step in self.types.items()}
            self._knowing[known] = Scope(self._variable, self._base[self._variable], types)
        found = self._knowing[known]
        if self._there:
            found = copy.copy(found)
            found._there = self._there  # noqa: SLF001 - a copy of one of its own
        return found

    def among(self, names: frozenset[str]) -> Scope:
        """The same for a step that names only these: small, so that a long process is checked in no time."""
        if len(names) >= len(self.types):
            return self
        narrow = Scope(
            self._variable, self._base[self._variable], {name: self.types[name] for name in sorted(names)}
        )
        narrow._wide = self
        return narrow

    def where(self, condition: Expression | None) -> Scope:
        """The scope of a step that starts only where this holds: what it asks for is there."""
        there = condition.asserted if condition is not None else frozenset[tuple[str, ...]]()
        if not there:
            return self
        return self.given(there)

    def given(self, there: frozenset[tuple[str, ...]]) -> Scope:
        """The same where something stands at these paths for certain."""
        other = copy.copy(self)
        other._there = self._there | there  # noqa: SLF001 - a copy of itself
        return other

    def environment(
        self, extra: Mapping[str, Type] | None = None, *, only: tuple[str, ...] = ()
    ) -> Environment:
        """Where expressions see the common names (`only` those named, where given) and the extra ones."""
        more = dict(extra or {})
        key = (*((name, id(type_)) for name, type_ in sorted(more.items())), *((name, 0) for name in only))
        if key not in self._made:
            self._kept.extend(more.values())
            base = {name: t for name, t in self._base.items() if not only or name in only}
            self._made[key] = Environment({**base, **more})
            wide = self._wide
            if wide is not None:
                self._made[key].wider = lambda: wide.environment(extra, only=only)
        return self._made[key].where(self._there)
