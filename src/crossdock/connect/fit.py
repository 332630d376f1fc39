"""Whether a JSON value fits a type, quickly: a type becomes a function once, its calls take microseconds.

`crossdock.expressions.problems` says in words what does not fit; it is asked only when something does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from crossdock.expressions import DYN, MONEY, QUANTITY, STRING, ListOf, MapOf, Record, Type, problems

Fits: TypeAlias = Callable[[Any], bool]
_PARTS: Mapping[Type, tuple[str, str]] = {MONEY: ("amount", "currency"), QUANTITY: ("value", "unit")}
_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?").fullmatch


def fits(type_: Type) -> Fits:
    """The function that says whether a value is of the type, as `problems` would."""
    return _fits(type_, {})


def misfit(value: Any, type_: Type) -> str:
    """What is wrong with a value, in one line; "" when nothing is."""
    found = problems(value, type_)
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return found[0] + more if found else ""


def plain(value: Any) -> Any:
    """A value as JSON has it: decimals as text, instants in RFC 3339, structs and documents as objects."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=_document)


def _document(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json")
    raise NotImplementedError(f"{type(value).__name__} is not JSON")


def _fits(type_: Type, known: dict[int, list[Fits]]) -> Fits:
    if type_ == DYN:
        return lambda _: True
    if type_ == STRING:
        return lambda value: isinstance(value, str)
    if isinstance(type_, ListOf):
        item = _fits(type_.item, known)
        return lambda value: isinstance(value, list | tuple) and all(map(item, value))
    if isinstance(type_, MapOf):
        inner = _fits(type_.value, known)
        return lambda value: isinstance(value, Mapping) and all(map(inner, value.values()))
    if isinstance(type_, Record):
        if id(type_) in known:  # it contains itself
            place = known[id(type_)]
            return lambda value: all(test(value) for test in place)
        known[id(type_)] = place = []
        place.append(_record(type_, known))
        return place[0]
    if type_ in _PARTS:
        return _measured(*_PARTS[type_])
    return lambda value: not problems(value, type_)


def _measured(number: str, unit: str) -> Fits:
    def measured(value: Any) -> bool:
        if not isinstance(value, dict) or not isinstance(value.get(unit), str):
            return False
        amount = value.get(number)
        return isinstance(amount, str) and _DECIMAL(amount) is not None

    return measured


def _record(type_: Record, known: dict[int, list[Fits]]) -> Fits:
    fields = {name: _fits(field.type, known) for name, field in type_.fields.items()}
    needed = tuple(n for n, f in type_.fields.items() if not f.optional and f.type != DYN)
    named = tuple(n for n, f in type_.fields.items() if not f.optional and f.type == DYN)
    check = fields.get

    def record(value: Any) -> bool:
        if not isinstance(value, dict):
            return False
        for name in needed:
            if value.get(name) is None:
                return False
        for name in named:
            if name not in value:
                return False
        for name, part in value.items():
            if part is not None:
                test = check(name)
                if test is not None and not test(part):
                    return False
        return True

    return record
