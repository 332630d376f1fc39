"""Whether a JSON value, or what another type promises, fits a type; and the JSON Schema of a type."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from crossdock.expressions.types import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    MONEY,
    QUANTITY,
    STRING,
    TIMESTAMP,
    ListOf,
    MapOf,
    Record,
    Scalar,
    Type,
)
from crossdock.model.codes import CURRENCIES

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)")
_DURATION = re.compile(r"-?(\d+(\.\d+)?(h|m|s|ms|us|ns))+|-?P(\d+W|(\d+D)?(T(\d+H)?(\d+M)?(\d+(\.\d+)?S)?)?)")
_KINDS: tuple[tuple[type, str], ...] = (
    (bool, "a bool"),
    (int, "an int"),
    (float, "a number with a fraction"),
    (str, "a string"),
    (list, "a list"),
    (tuple, "a list"),
    (dict, "a map"),
)
_PARTS = {MONEY: ("amount", "currency"), QUANTITY: ("value", "unit")}


def problems(value: object, type: Type) -> list[str]:  # noqa: A002
    """What is wrong with a JSON value that should be of `type`, one line each, with its path.

    Fields that the type does not know are no problem: documents grow. A null counts as left out.
    """
    return [f"{path or 'the value'}: {message}" for path, message in _problems(value, type, "")]


def _problems(value: object, type_: Type, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(type_, Scalar):
        if message := _scalar_problem(value, type_):
            yield path, message
        elif type_ == MONEY and isinstance(value, Mapping) and not _has_currency(value):
            inner = f"{path}.currency" if path else "currency"
            yield inner, f"{value['currency'][:40]!r} is not an ISO 4217 currency code, such as EUR"
    elif isinstance(type_, ListOf):
        if not isinstance(value, list | tuple):
            yield path, f"a list is needed, not {_kind(value)}"
            return
        for index, item in enumerate(value):
            yield from _problems(item, type_.item, f"{path}[{index}]")
    elif not isinstance(value, Mapping):
        yield path, f"{_described(type_)} is needed, not {_kind(value)}"
    elif isinstance(type_, MapOf):
        for key, item in value.items():
            yield from _problems(item, type_.value, f"{path}.{key}" if path else str(key))
    else:
        for key, field in type_.fields.items():
            inner = f"{path}.{key}" if path else key
            given = value.get(key)
            if given is not None:
                yield from _problems(given, field.type, inner)
            elif not field.optional and field.type != DYN:
                yield inner, f"missing; {_described(field.type)} is needed"
            elif not field.optional and key not in value:
                yield inner, "missing"


def _scalar_problem(value: object, type_: Scalar) -> str:
    if type_ == DYN:
        return ""
    fits = {
        STRING: lambda: isinstance(value, str),
        BOOL: lambda: isinstance(value, bool),
        INT: lambda: isinstance(value, int) and not isinstance(value, bool),
        DOUBLE: lambda: isinstance(value, int | float) and not isinstance(value, bool),
        DECIMAL: lambda: _is_decimal(value) or (isinstance(value, int) and not isinstance(value, bool)),
        TIMESTAMP: lambda: isinstance(value, str) and _INSTANT.fullmatch(value) is not None,
        DURATION: lambda: isinstance(value, str) and _DURATION.fullmatch(value) is not None,
        MONEY: lambda: _is_measured(value, MONEY),
        QUANTITY: lambda: _is_measured(value, QUANTITY),
    }
    if fits[type_]():
        return ""
    needed = {
        DECIMAL: 'a decimal as a string ("12.50")',
        TIMESTAMP: "an instant with its zone (2026-11-23T10:00:00Z)",
        DURATION: 'a duration ("3600s")',
        MONEY: 'money ({"amount": "12.50", "currency": "EUR"})',
        QUANTITY: 'a quantity ({"value": "10", "unit": "EA"})',
    }.get(type_, _article(type_.name))
    return f"{needed} is needed, not {_kind(value)}"


def _is_decimal(value: object) -> bool:
    return isinstance(value, str) and _DECIMAL.fullmatch(value) is not None


def _is_measured(value: object, type_: Scalar) -> bool:
    number, unit = _PARTS[type_]
    return isinstance(value, Mapping) and _is_decimal(value.get(number)) and isinstance(value.get(unit), str)


def _has_currency(money: Mapping[str, Any]) -> bool:
    """Whether it is a currency; the sum of nothing has none."""
    return money["currency"] in CURRENCIES or (money["currency"] == "" and not money["amount"].strip("+-0."))


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    kind = next((name for plain, name in _KINDS if isinstance(value, plain)), type(value).__name__)
    shown = isinstance(value, bool | int | float | str) and len(repr(value)) < 60
    return f"{kind} ({value!r})" if shown else kind


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "aeiouAEIO" else f"a {name}"


_NOTHING = "may be nothing where a value is needed; give a fallback: default(..., ...)"


def assignable(actual: Type, wanted: Type, *, trusting: bool = False) -> str | None:
    """Why a value of type `actual` may not stand where `wanted` is needed; None when it may.

    Records fit by structure: each needed field must be there and fit. `DYN` fits all, on either side.
    `trusting` lets pass what may turn out to be nothing: that is seen only at run time.
    """
    found = next(
        (one for one in _misfits(actual, wanted, "", set()) if not (trusting and one[1] == _NOTHING)), None
    )
    if found is None:
        return None
    path, message = found
    return f"{path}: {message}" if path else message


def _misfits(actual: Type, wanted: Type, path: str, seen: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    if actual is wanted or DYN in (actual, wanted):
        return
    if isinstance(wanted, ListOf) and isinstance(actual, ListOf):
        yield from _misfits(actual.item, wanted.item, f"{path}[]", seen)
    elif isinstance(wanted, MapOf) and isinstance(actual, MapOf):
        yield from _misfits(actual.value, wanted.value, f"{path}.*" if path else "*", seen)
    elif isinstance(wanted, MapOf) and isinstance(actual, Record):
        for key, field in actual.fields.items():
            yield from _misfits(field.type, wanted.value, f"{path}.{key}" if path else key, seen)
    elif isinstance(wanted, Record) and isinstance(actual, Record):
        yield from _record_misfits(actual, wanted, path, seen)
    elif isinstance(wanted, Record) and isinstance(actual, MapOf):
        for key, field in wanted.fields.items():
            yield from _misfits(actual.value, field.type, f"{path}.{key}" if path else key, seen)
    elif actual != wanted and (actual, wanted) not in ((INT, DOUBLE), (INT, DECIMAL)):
        yield path, f"{_described(wanted)} is needed, this is {_described(actual)}"


def _record_misfits(
    actual: Record, wanted: Record, path: str, seen: set[tuple[int, int]]
) -> Iterator[tuple[str, str]]:
    if (id(actual), id(wanted)) in seen:
        return
    seen.add((id(actual), id(wanted)))
    for key, field in wanted.fields.items():
        inner = f"{path}.{key}" if path else key
        given = actual.fields.get(key)
        if given is None:
            if not field.optional:
                yield inner, f"missing; {_described(field.type)} is needed"
            continue
        if given.absent and not field.optional:
            yield inner, _NOTHING
        yield from _misfits(given.type, field.type, inner, seen)
    if actual.literal:
        for key in actual.fields:
            if key not in wanted.fields:
                close = difflib.get_close_matches(key, wanted.fields, 1, 0.6)
                names = ", ".join(wanted.fields) or "no fields"
                hint = f"did you mean {close[0]!r}?" if close else f"it has: {names}"
                yield path, f"{wanted} has no field {key!r}; {hint}"


def _described(type_: Type) -> str:
    if isinstance(type_, ListOf):
        return f"a list of {type_.item}"
    if isinstance(type_, MapOf):
        return f"a map of {type_.value}"
    return str(type_) if type_ == MONEY else _article(str(type_))


_NUMBER = {"type": "string", "pattern": r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"}
_SCHEMAS: dict[Scalar, dict[str, Any]] = {
    STRING: {"type": "string"},
    BOOL: {"type": "boolean"},
    INT: {"type": "integer"},
    DOUBLE: {"type": "number"},
    DECIMAL: _NUMBER,
    TIMESTAMP: {"type": "string", "format": "date-time"},
    DURATION: {"type": "string", "examples": ["3600s"]},
    MONEY: {
        "type": "object",
        "properties": {"amount": _NUMBER, "currency": {"type": "string", "pattern": "^[A-Z]{3}$"}},
        "required": ["amount", "currency"],
    },
    QUANTITY: {
        "type": "object",
        "properties": {"value": _NUMBER, "unit": {"type": "string"}},
        "required": ["value", "unit"],
    },
    DYN: {},
}


def json_schema(type: Type) -> dict[str, Any]:  # noqa: A002
    """The JSON Schema (2020-12) of a type; records with a name stand once, under `$defs`."""
    definitions: dict[str, Any] = {}
    schema = _schema(type, definitions, {})
    return {**schema, "$defs": definitions} if definitions else schema


def _schema(type_: Type, definitions: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    if isinstance(type_, Scalar):
        return dict(_SCHEMAS[type_])
    if isinstance(type_, ListOf):
        return {"type": "array", "items": _schema(type_.item, definitions, names)}
    if isinstance(type_, MapOf):
        return {"type": "object", "additionalProperties": _schema(type_.value, definitions, names)}
    if not type_.name:
        return _record_schema(type_, definitions, names)
    if id(type_) not in names:
        taken = sum(1 for name in definitions if name == type_.name or name.startswith(f"{type_.name}-"))
        names[id(type_)] = name = f"{type_.name}-{taken + 1}" if taken else type_.name
        definitions[name] = {}  # its place is taken before its fields, which may name it
        definitions[name] = _record_schema(type_, definitions, names)
    return {"$ref": f"#/$defs/{names[id(type_)]}"}


def _record_schema(record: Record, definitions: dict[str, Any], names: dict[int, str]) -> dict[str, Any]:
    properties = {}
    for key, field in record.fields.items():
        inner = _schema(field.type, definitions, names)
        properties[key] = {**inner, "description": field.doc} if field.doc else inner
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required := [key for key, field in record.fields.items() if not field.optional]:
        schema["required"] = required
    return schema
