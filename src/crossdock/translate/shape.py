"""What something becomes: a value with expressions and forms in it, compiled, and filled field by field.

    "${ line.sku }"                               an expression, as everywhere
    { of: "${ line.uom }", table: units }         their word for ours, or ours for theirs
    { of: "${ line.sku }", lookup: item }         the same, by the master data of the connection
    { of: ..., default: EA }                      what stands there where nothing was sent
    { of: ..., table: ..., unknown: EA }          what stands there for a word that is not in the table
    { of: ..., zone: Europe/Berlin }              an instant that was written without its zone
    { each: "${ record.lines }", give: ... }      a list, item by item; where each gives a list, all of them
    { if: "${ ... }", then: ..., else: ... }      one or the other
    { all: "${ record }", but: { ... } }          everything, with some fields otherwise
    { reject: why }                               it is not taken

What a word or code means is never guessed: one that is neither in the table nor in the master data, and has
no `unknown`, rejects the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NoReturn, TypeAlias
from zoneinfo import ZoneInfo

from crossdock.expressions import (
    DYN,
    STRING,
    TIMESTAMP,
    EvaluationError,
    Expression,
    Field,
    ListOf,
    Record,
    Template,
    Type,
)
from crossdock.expressions.errors import Missing
from crossdock.translate.values import Values, holds, text
from crossdock.translate.work import Kind, Origin, Reject, Work

_MEASURES = ({"value", "unit"}, {"amount", "currency"})
_PATH = re.compile(r"\s*[A-Za-z_]\w*(\.\w+|\[\d+\])*\s*\Z")


class _Nothing(Exception):
    """A field was rejected, and has no value; the others are looked at all the same."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value or text with expressions in it."""

    template: Template


@dataclass(frozen=True, slots=True)
class Fields:
    """Named fields; those that come to nothing are left out."""

    entries: tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list that is written out."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Of:
    """One value, translated."""

    value: Node
    table: str = ""
    rows: Mapping[str, str] | None = None
    lookup: Kind | None = None
    default: Node | None = None
    unknown: Node | None = None
    zone: ZoneInfo | None = None
    written: str = ""  # how the time is written, for strptime; as ISO 8601 without


@dataclass(frozen=True, slots=True, kw_only=True)
class Each:
    """A list, item by item."""

    listed: Expression
    name: str
    condition: Expression | None
    give: Node


@dataclass(frozen=True, slots=True, kw_only=True)
class If:
    """One or the other."""

    condition: Expression
    then: Node
    otherwise: Node | None


@dataclass(frozen=True, slots=True)
class But:
    """Everything, with some fields otherwise."""

    everything: Node
    but: Fields


@dataclass(frozen=True, slots=True)
class Refuse:
    """It is not taken, for this reason."""

    reason: Template


Node: TypeAlias = Leaf | Fields | Items | Of | Each | If | But | Refuse


class Shape:
    """A compiled shape. `type` is what it gives; `evaluate` as of a `Template`, `fill` tells more."""

    def __init__(self, node: Node) -> None:
        """Of a tree that the reader made."""
        self.node = node
        self.type: Type = _type(node)

    def evaluate(self, values: Values) -> Any:
        """The value as JSON. Raises `Refused` for the first thing that cannot be worked out."""
        work = Work()
        found = self.fill(values, work)
        if work.rejects:
            first = work.rejects[0]
            raise EvaluationError(str(first), mend=first.mend)
        return found

    def fill(self, values: Values, work: Work, *, at: str = "") -> Any:
        """The value as JSON, with origins and rejects left in `work`; None where the whole is rejected."""
        try:
            return _fill(self.node, values, work, at)
        except _Nothing:
            return None


def _fill(node: Node, values: Values, work: Work, at: str) -> Any:
    match node:
        case Leaf():
            return _leaf(node, values, work, at)
        case Fields():
            return _fields(node, values, work, at)
        case Items():
            return [_fill(item, values, work, f"{at}[{n}]") for n, item in enumerate(node.items)]
        case Of():
            return _of(node, values, work, at)
        case Each():
            return _each(node, values, work, at)
        case If():
            chosen = node.then if holds(node.condition, values) else node.otherwise
            return None if chosen is None else _fill(chosen, values, work, at)
        case But():
            everything = _fill(node.everything, values, work, at)
            if not isinstance(everything, Mapping):
                _reject(work, at, "what stands under `all` is no map", "name a part that has fields")
            return {**everything, **_fields(node.but, values, work, at)}
        case Refuse():
            return _reject(work, at, _guarded(work, at, node.reason, values))


def _fields(node: Fields, values: Values, work: Work, at: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, inner in node.entries:
        try:
            value = _fill(inner, values, work, f"{at}.{key}" if at else key)
        except _Nothing:
            continue  # so that all that is wrong is told at once
        if value is not None or (isinstance(inner, Leaf) and not inner.template.expressions):
            found[key] = value
    return found


def _leaf(node: Leaf, values: Values, work: Work, at: str) -> Any:
    value = _guarded(work, at, node.template, values)
    expressions = node.template.expressions
    source = ", ".join(filter(None, (work.source(one) for one in expressions)))
    if value is None:
        work.places[at] = source
        return None
    if not expressions:
        work.origins.append(Origin(field=at, kind="constant", value=value))
    elif any(_absent(one, values) for one in expressions):
        detail = " ".join(expressions[0].text.split())
        work.origins.append(Origin(field=at, kind="default", value=value, source=source, detail=detail))
    elif len(expressions) == 1 and _PATH.match(expressions[0].text):
        work.origins.append(Origin(field=at, kind="source", value=value, source=source))
    else:
        detail = ", ".join(" ".join(one.text.split()) for one in expressions)
        work.origins.append(Origin(field=at, kind="worked out", value=value, source=source, detail=detail))
    return value


def _absent(expression: Expression, values: Values) -> bool:
    """Whether an expression gave its fallback: it names nothing but what may be nothing, and is."""
    if not expression.probed or expression.paths - expression.probed:
        return False
    for path in expression.probed:
        within: Any = values
        for step in path:
            within = within.get(step) if isinstance(within, Mapping) else None
        if within is not None:
            return False
    return True


def _of(node: Of, values: Values, work: Work, at: str) -> Any:
    inner = Work(rows=work.rows, way=work.way, sources=work.sources)
    if node.default is not None and isinstance(node.value, Leaf) and _missing(node.value.template, values):
        value = None
    else:
        try:
            value = _fill(node.value, values, inner, at)
        finally:
            work.rejects += inner.rejects
    source = ", ".join(dict.fromkeys(one.source for one in inner.origins if one.source)) or _named(node, work)
    if value is None or value == "":
        if node.default is None:
            work.places[at] = source
            return None
        value = _fill(node.default, values, Work(rows=work.rows, way=work.way, sources=work.sources), at)
        work.origins.append(Origin(field=at, kind="default", value=value, source=source))
        return value
    if node.zone is not None:
        return _time(node, value, work, at, source)
    if node.rows is None and node.lookup is None:
        work.origins += inner.origins
        return value
    try:
        word = text(value)
    except EvaluationError as error:
        _reject(work, at, error.message, error.mend, source=source)
    if node.rows is not None:
        kind: Literal["table", "lookup"] = "table"
        found, detail = node.rows.get(word), f"{node.table}: {word}"
        missing = f"`{word}` is not in the table `{node.table}`"
        mend = f"add it to the table, as `{word}: ...`, or say `unknown:`"
    else:
        assert node.lookup is not None  # noqa: S101 - one of the two
        kind, found = "lookup", work.rows.find((node.lookup, work.way, word))
        detail = f"{node.lookup}: {word}"
        whose, none = ("theirs", "ours") if work.way == "ours" else ("ours", "theirs")
        missing = f"the {node.lookup} `{word}` of {whose} is none of {none} yet"
        given = f"OURS {word}" if work.way == "ours" else f"{word} THEIRS"
        mend = f"add it: crossdock codes set {work.rows.of or 'CONNECTION'} {node.lookup} {given}"
    if found is not None:
        work.origins.append(Origin(field=at, kind=kind, value=found, source=source, detail=detail))
        return found
    if node.unknown is not None:
        value = _fill(node.unknown, values, Work(rows=work.rows, way=work.way, sources=work.sources), at)
        detail += ", unknown"
        work.origins.append(Origin(field=at, kind="default", value=value, source=source, detail=detail))
        return value
    work.rejects.append(Reject(field=at, source=source, message=missing, mend=mend, code="unmapped_value"))
    raise _Nothing


def _missing(template: Template, values: Values) -> bool:
    try:
        template.evaluate(values)
    except Missing:
        return True
    except EvaluationError:
        pass  # of another fault, which is told where the value is taken
    return False


def _named(node: Of, work: Work) -> str:
    """What the value would have come from, where nothing did."""
    if not isinstance(node.value, Leaf):
        return ""
    return ", ".join(filter(None, (work.source(one) for one in node.value.template.expressions)))


def _time(node: Of, value: object, work: Work, at: str, source: str) -> str:
    try:
        told = str(value)
        found = datetime.strptime(told, node.written) if node.written else datetime.fromisoformat(told)  # noqa: DTZ007 - the zone comes next
    except ValueError:
        form = f"as {node.written}" if node.written else "as 2026-11-23T10:00"
        _reject(work, at, f"{value!r} is not a time, {form}", "see how they write it: `written:`", source)
    if found.tzinfo is None:
        found = found.replace(tzinfo=node.zone)
    told = found.isoformat()
    detail = f"{value} in {node.zone}"
    work.origins.append(Origin(field=at, kind="worked out", value=told, source=source, detail=detail))
    return told


def _each(node: Each, values: Values, work: Work, at: str, begin: int = 0) -> list[Any]:
    """A list; its items count from `begin`. Where each item is a list itself, they become one."""
    listed = _guarded(work, at, node.listed, values)
    if not isinstance(listed, list):
        if listed is None:
            return []
        _reject(work, at, "a list is needed here", source=work.source(node.listed))
    found: list[Any] = []
    before = dict(work.sources)
    for n, item in enumerate(listed):
        known = {**values, node.name: item, "n": n + 1}
        if node.condition is not None and not holds(node.condition, known):
            continue
        place = begin + len(found)
        work.sources[node.name] = work.places[f"{at}[{place}]"] = work.item(node.listed, values, item, n)
        try:
            if isinstance(node.give, Each):
                found += _each(node.give, known, work, at, place)
                continue
            value = _fill(node.give, known, work, f"{at}[{place}]")
        except _Nothing:
            continue
        finally:
            work.sources = dict(before)
        if value is not None:
            found.append(value)
    return found


def _guarded(work: Work, at: str, what: Template | Expression, values: Values) -> Any:
    """The value; what cannot be worked out is rejected, with its place."""
    try:
        return what.evaluate(values)
    except EvaluationError as error:
        expressions = what.expressions if isinstance(what, Template) else (what,)
        source = ", ".join(filter(None, (work.source(one) for one in expressions)))
        said = f"{error.message}, in `{' '.join(error.text.split())}`" if error.text else error.message
        mend = "give a default: { of: ..., default: ... }" if isinstance(error, Missing) else ""
        _reject(work, at, said, error.mend or mend, source)


def _reject(work: Work, at: str, message: str, mend: str = "", source: str = "") -> NoReturn:
    work.rejects.append(Reject(field=at, source=source, message=message, mend=mend))
    raise _Nothing


def _type(node: Node) -> Type:
    match node:
        case Leaf():
            return node.template.type
        case Fields():
            if {key for key, _ in node.entries} in _MEASURES:
                return DYN  # an amount or a quantity, or a partner's fields of these names
            return Record(
                "",
                {key: Field(_type(inner), optional=_nullable(inner)) for key, inner in node.entries},
                literal=True,
            )
        case Items():
            types = [_type(item) for item in node.items]
            same = bool(types) and all(one is types[0] or one == types[0] for one in types)
            return ListOf(types[0] if same else DYN)
        case Each():
            return _type(node.give) if isinstance(node.give, Each) else ListOf(_type(node.give))
        case Of():
            if node.zone is not None:
                return TIMESTAMP
            found = STRING if node.rows is not None or node.lookup is not None else _type(node.value)
            others = [_type(one) for one in (node.default, node.unknown) if one is not None]
            return found if all(one is found or one == found for one in others) else DYN
        case If():
            then = _type(node.then)
            other = (
                then
                if node.otherwise is None or isinstance(node.otherwise, Refuse)
                else _type(node.otherwise)
            )
            return then if then is other or then == other else DYN
        case But() | Refuse():
            return DYN


def _nullable(node: Node) -> bool:
    match node:
        case Leaf():
            return node.template.nullable
        case Of():
            return node.default is None and _nullable(node.value)
        case If():
            return node.otherwise is None or _nullable(node.then) or _nullable(node.otherwise)
        case _:
            return False
