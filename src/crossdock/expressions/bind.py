"""Values that an expression takes from outside, picked in Python: paths, `has`, our functions on them.

A getter takes the values and gives a JSON value. It raises `EvaluationError` where something is needed and
is not there; a getter that fails leaves its name unbound, so that only what comes to need it fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from crossdock.expressions import amounts
from crossdock.expressions.errors import EvaluationError
from crossdock.expressions.functions import written

Getter: TypeAlias = Callable[[Mapping[str, object]], Any]


@dataclass(frozen=True, slots=True)
class Step:
    """One name or index of a path; `optional` where nothing may be there."""

    key: str | int
    optional: bool


def picker(steps: tuple[Step, ...], empty: Callable[[], Any] | None) -> Getter:
    """Follow a path. A field of nothing is nothing: `empty` makes what that reads as, else it is null."""
    first = str(steps[0].key)
    pairs = tuple((step.key, step.optional) for step in steps[1:])

    def pick(values: Mapping[str, object]) -> Any:
        try:
            value: Any = values[first]
        except KeyError:
            raise EvaluationError(f"there is no {first!r} here") from None
        for place, (key, optional) in enumerate(pairs):
            if value is None and place and pairs[place - 1][1]:
                break
            inner = _field(value, key, steps, place)
            if inner is None and not optional and (place + 1 < len(pairs) or not _given(value, key)):
                raise EvaluationError(f"{_shown(steps, place + 2)} is missing")
            value = inner
        if isinstance(value, datetime):
            return written(value)
        return empty() if value is None and empty is not None else value

    return pick


def _field(value: Any, key: str | int, steps: tuple[Step, ...], place: int) -> Any:
    if isinstance(key, int):
        if not isinstance(value, list | tuple):
            raise EvaluationError(
                f"{_shown(steps, place + 1)} is {amounts.kind(value)}, where a list is needed"
            )
        return value[key] if 0 <= key < len(value) else None
    try:
        return value.get(key)
    except AttributeError:
        raise EvaluationError(
            f"{_shown(steps, place + 1)} is {amounts.kind(value)}, it has no {key!r}"
        ) from None


def _given(value: Any, key: str | int) -> bool:
    return key < len(value) if isinstance(key, int) else key in value


def prober(steps: tuple[Step, ...]) -> Getter:
    """Whether something is there at the end of the path."""
    keys = tuple(step.key for step in steps)

    def probe(values: Mapping[str, object]) -> bool:
        value: Any = values
        for key in keys:
            if isinstance(key, int):
                value = value[key] if isinstance(value, list | tuple) and 0 <= key < len(value) else None
            else:
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is None:
                return False
        return True

    return probe


def constant(value: Any) -> Getter:
    """The same value always."""
    return lambda _: value


def call(run: Callable[..., Any], getters: tuple[Getter, ...]) -> Getter:
    """A function of ours on values from outside."""
    if len(getters) == 1:
        only = getters[0]
        return lambda values: run(only(values))
    if len(getters) == 2:
        left, right = getters
        return lambda values: run(left(values), right(values))
    return lambda values: run(*[getter(values) for getter in getters])


def listed(getters: tuple[Getter, ...]) -> Getter:
    """A list that is written out."""
    return lambda values: [getter(values) for getter in getters]


def mapped(pairs: tuple[tuple[str, Getter], ...]) -> Getter:
    """A map that is written out."""
    return lambda values: {key: getter(values) for key, getter in pairs}


def _shown(steps: tuple[Step, ...], count: int) -> str:
    text = ""
    for step in steps[:count]:
        text += f"[{step.key}]" if isinstance(step.key, int) else f".{step.key}" if text else step.key
    return text
