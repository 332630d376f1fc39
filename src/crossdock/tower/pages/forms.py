"""The form of a task: fields from its type, and back from what was posted to JSON values.

Field names are paths into the value (`amount`, `lines.note`); money and quantities have one input for each of
their parts. An empty input is a value left out. What cannot be read stays text, and the check of the whole
value against the form's type says what is wrong with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from crossdock.expressions import (
    BOOL,
    DECIMAL,
    DURATION,
    DYN,
    INT,
    MONEY,
    QUANTITY,
    STRING,
    TIMESTAMP,
    ListOf,
    Record,
    Type,
    problems,
)
from crossdock.expressions.types import Scalar
from crossdock.tower.telling.words import plain

PREFIX = "form."
_MEASURED = {MONEY: ("amount", "currency"), QUANTITY: ("value", "unit")}
_LONG = ("note", "comment", "reason", "text", "message", "finding", "description")
_CURRENCY, _UNIT = "EUR", "EA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """One input of a form. `kind`: text, long, yes_no, number, decimal, instant, list, json."""

    name: str
    label: str
    kind: str
    needed: bool
    help: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Inputs that belong together, such as the parts of money. A plain field is a group of one."""

    label: str
    inputs: tuple[Input, ...]
    needed: bool
    help: str = ""


def groups(form: Record, given: Mapping[str, str] | None = None) -> list[Group]:
    """The form's fields as inputs; `given` fills them with what was typed before."""
    return list(_groups(form, PREFIX, given or {}, needed=True))


def _groups(form: Record, path: str, given: Mapping[str, str], *, needed: bool) -> Iterator[Group]:
    for name, field in form.fields.items():
        label, own = plain(name), needed and not field.optional
        if isinstance(field.type, Record):
            for group in _groups(field.type, f"{path}{name}.", given, needed=own):
                yield Group(
                    label=f"{label}: {group.label.lower()}",
                    inputs=group.inputs,
                    needed=group.needed,
                    help=group.help,
                )
            continue
        parts = _parts(field.type)
        if parts:
            kinds = ("decimal", "text")
            defaults = ("", _CURRENCY if field.type == MONEY else _UNIT)
            inputs = tuple(
                Input(
                    name=f"{path}{name}.{part}",
                    label=plain(part),
                    kind=kind,
                    needed=own,
                    help="",
                    value=given.get(f"{path}{name}.{part}", default),
                )
                for part, kind, default in zip(parts, kinds, defaults, strict=True)
            )
        else:
            inputs = (
                Input(
                    name=path + name,
                    label=label,
                    kind=_kind(name, field.type),
                    needed=own,
                    help=field.doc,
                    value=given.get(path + name, ""),
                ),
            )
        yield Group(label=label, inputs=inputs, needed=own, help=field.doc or _hint(field.type))


def _parts(type_: Type) -> tuple[str, str] | None:
    return _MEASURED.get(type_) if isinstance(type_, Scalar) else None


def _kind(name: str, type_: Type) -> str:
    if type_ == STRING:
        return "long" if name.endswith(_LONG) else "text"
    if isinstance(type_, ListOf) and type_.item == STRING:
        return "list"
    kinds = {BOOL: "yes_no", INT: "number", DECIMAL: "decimal", TIMESTAMP: "instant", DURATION: "text"}
    return next((kind for scalar, kind in kinds.items() if scalar == type_), "json")


def _hint(type_: Type) -> str:
    if isinstance(type_, ListOf) and type_.item == STRING:
        return "one a line"
    if _parts(type_):
        return ""
    if type_ == DURATION:
        return "such as 90m or 2h"
    return "as JSON" if _kind("", type_) == "json" else ""


def read(form: Record, posted: Mapping[str, str], zone: ZoneInfo) -> tuple[dict[str, object], list[str]]:
    """The value that was posted, and what is wrong with it, one line each."""
    value, wrong = _read(form, PREFIX, posted, zone)
    return value, [*wrong, *problems(value, form)]


def _read(
    form: Record, path: str, posted: Mapping[str, str], zone: ZoneInfo
) -> tuple[dict[str, object], list[str]]:
    value: dict[str, object] = {}
    wrong: list[str] = []
    for name, field in form.fields.items():
        if isinstance(field.type, Record):
            inner, found = _read(field.type, f"{path}{name}.", posted, zone)
            if inner or not field.optional:
                value[name] = inner
            wrong += found
            continue
        parts = _parts(field.type)
        if parts:
            number, unit = (posted.get(f"{path}{name}.{part}", "").strip() for part in parts)
            if number:
                value[name] = {parts[0]: number.replace(",", "."), parts[1]: unit.upper()}
            continue
        text = posted.get(path + name, "").strip()
        if text:
            try:
                value[name] = _value(field.type, text, zone)
            except ValueError as error:
                wrong.append(f"{plain(name)}: {error}")
    return value, wrong


def _value(type_: Type, text: str, zone: ZoneInfo) -> object:
    kind = _kind("", type_)
    if kind == "yes_no":
        return {"yes": True, "no": False}.get(text, text)
    if kind == "number":
        return int(text) if text.lstrip("-").isdecimal() else text
    if kind == "decimal":
        return text.replace(",", ".")
    if kind == "list":
        return [line.strip() for line in text.splitlines() if line.strip()]
    if kind == "instant":
        try:
            local = datetime.fromisoformat(text)
        except ValueError:
            return text
        aware = local if local.tzinfo else local.replace(tzinfo=zone)
        return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if kind == "json":
        return read_json(text, or_text=type_ == DYN)
    return text


def read_json(text: str, *, or_text: bool = False) -> object:
    """The JSON value in `text`. Raises ValueError; with `or_text`, what is not JSON is a text."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        if or_text:
            return text
        raise ValueError(f"this is not JSON: {error}") from None


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")
