"""The record that a Pydantic model is, as its JSON form has it."""

from __future__ import annotations

import enum
import types
import typing
from collections import abc
from datetime import date, datetime, time, timedelta
from decimal import Decimal

import pydantic

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
    Field,
    ListOf,
    MapOf,
    Record,
    Type,
)

_LISTS = (list, tuple, set, frozenset, abc.Sequence, abc.Iterable, abc.Set, abc.Collection)
_MAPS = (dict, abc.Mapping, abc.MutableMapping)
# In this order: a bool is an int, a datetime is a date, an enum of strings is a string.
_PLAIN: tuple[tuple[type, Type], ...] = (
    (bool, BOOL),
    (int, INT),
    (float, DOUBLE),
    (Decimal, DECIMAL),
    (datetime, TIMESTAMP),
    (timedelta, DURATION),
    (date, STRING),
    (time, STRING),
    (str, STRING),
    (bytes, STRING),
    (enum.Enum, STRING),
)
_MARKED: dict[str, Type] = {"money": MONEY, "quantity": QUANTITY}


def record_of(model: type[pydantic.BaseModel]) -> Record:
    """The record that `model` is in JSON. Models may contain each other and themselves.

    A model with the class attribute `__crossdock_type__` = "money" or "quantity" is that scalar. What JSON
    cannot say in one type (unions, arbitrary classes) is `DYN`.
    """
    return _record(model, {})


def _record(model: type[pydantic.BaseModel], seen: dict[type, Record]) -> Record:
    if model in seen:
        return seen[model]
    fields: dict[str, Field] = {}
    record = seen[model] = Record(model.__name__, fields)
    for name, info in model.model_fields.items():
        inner, nullable = _unwrapped(info.annotation)
        optional = nullable or not info.is_required()
        fields[info.serialization_alias or info.alias or name] = Field(
            _type(inner, seen),
            optional=optional,
            doc=info.description or "",
            filled=not nullable and not info.is_required(),
        )
    for name, computed in model.model_computed_fields.items():
        inner, nullable = _unwrapped(computed.return_type)
        fields[computed.alias or name] = Field(
            _type(inner, seen), optional=True, doc=computed.description or "", filled=not nullable
        )
    return record


def _unwrapped(annotation: object) -> tuple[object, bool]:
    """Take off what does not change the JSON form; say whether None is allowed."""
    nullable = False
    while True:
        if isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
            continue
        origin = typing.get_origin(annotation)
        if origin is typing.Annotated:
            annotation = typing.get_args(annotation)[0]
        elif origin in (typing.Union, types.UnionType):
            args = typing.get_args(annotation)
            rest = [arg for arg in args if arg is not type(None)]
            nullable = nullable or len(rest) < len(args)
            if len(rest) != 1:
                return _common(rest), nullable
            annotation = rest[0]
        else:
            return annotation, nullable


def _common(options: list[object]) -> object:
    """The one class of all options of a union (several literals), else anything."""
    plain = {_type(_unwrapped(option)[0], {}) for option in options if not _is_model(option)}
    if len(plain) == 1 and not any(_is_model(option) for option in options):
        return options[0]
    return typing.Any


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel)


def _type(annotation: object, seen: dict[type, Record]) -> Type:
    annotation, _ = _unwrapped(annotation)
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        kinds = {_type(type(value), seen) for value in args}
        return kinds.pop() if len(kinds) == 1 else DYN
    if origin in _LISTS:
        items = [arg for arg in args if arg is not Ellipsis]
        return ListOf(_type(items[0], seen) if len(items) == 1 else DYN)
    if origin in _MAPS:
        return MapOf(_type(args[1], seen))
    if annotation in _LISTS:
        return ListOf(DYN)
    if annotation in _MAPS:
        return MapOf(DYN)
    if not isinstance(annotation, type):
        return DYN
    marked = _MARKED.get(getattr(annotation, "__crossdock_type__", ""))
    if marked is not None:
        return marked
    if issubclass(annotation, pydantic.RootModel):
        return _type(annotation.model_fields["root"].annotation, seen)
    if issubclass(annotation, pydantic.BaseModel):
        return _record(annotation, seen)
    return next((type_ for plain, type_ in _PLAIN if issubclass(annotation, plain)), DYN)
