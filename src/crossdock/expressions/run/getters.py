"""Getters: how Python gets a value itself. Paths, `has`, our functions, plain comparisons, macros over ours.

A getter takes the values and gives a JSON value. It raises `EvaluationError` where something is needed and
is not there; in a CEL program that leaves its name unbound, so that only what comes to need it fails.

A macro runs here when its steps call a function of ours on its variable, which is then one more name beside
the values from outside. All keep CEL's meaning: `&&`, `||`, `all` and `exists` pass over a side or an item
that fails if another one decides, and what takes too many steps ends with an error.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from crossdock.expressions import amounts
from crossdock.expressions.errors import EvaluationError, Missing
from crossdock.expressions.functions import written

_MOST_STEPS = 50_000

EQUALITY: Mapping[str, Callable[[Any, Any], bool]] = {"_==_": operator.eq, "_!=_": operator.ne}
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}

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
                raise Missing(f"{_shown(steps, place + 2)} is missing")
            value = inner
        if isinstance(value, datetime):
            return written(value)
        return empty() if value is None and empty is not None else value

    return pick


def _field(value: Any, key: str | int, steps: tuple[Step, ...], place: int) -> Any:
    if value is None:
        asked = f"no {key!r}" if isinstance(key, str) else f"no item {key}"
        raise Missing(f"{_shown(steps, place + 1)} is nothing, it has {asked}")
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


def fallback(first: Getter, second: Getter) -> Getter:
    """`default`: the second value where the first is nothing, or where what it is a part of is not there."""

    def decide(values: Mapping[str, object]) -> Any:
        try:
            value = first(values)
        except Missing:
            value = None
        return second(values) if value is None else value

    return decide


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


def truth(value: object) -> bool:
    """A bool, and nothing that merely looks like one."""
    if value is True or value is False:
        return value
    raise EvaluationError(f"a bool is needed, not {amounts.kind(value)}")


def compared(compare: Callable[[Any, Any], bool], left: Getter, right: Getter) -> Getter:
    """Two integers or two strings, as the checker has found them to be."""

    def decide(values: Mapping[str, object]) -> bool:
        a, b = left(values), right(values)
        try:
            return compare(a, b)
        except TypeError:
            mend = "give a fallback: default(..., ...)" if a is None or b is None else ""
            raise EvaluationError(
                f"cannot compare {amounts.kind(a)} with {amounts.kind(b)}", mend=mend
            ) from None

    return decide


def connected(left: Getter, right: Getter, *, by: bool) -> Getter:
    """`||` (decided by a true), `&&` (by a false): a side that fails does not matter if the other decides."""

    def decide(values: Mapping[str, object]) -> bool:
        try:
            if truth(left(values)) is by:
                return by
        except EvaluationError as failure:
            try:
                other: object = right(values)
            except EvaluationError:
                raise failure from None
            if other is not by:
                raise
            return by
        return truth(right(values))

    return decide


def sized(value: Getter) -> Getter:
    """How many items a list has."""

    def count(values: Mapping[str, object]) -> int:
        items = value(values)
        if not isinstance(items, list | tuple | Mapping | str):
            mend = "give a fallback: default(..., ...)" if items is None else ""
            raise EvaluationError(f"size does not take {amounts.kind(items)}", mend=mend)
        return len(items)

    return count


def negated(value: Getter) -> Getter:
    """`!`."""
    return lambda values: not truth(value(values))


def chosen(condition: Getter, then: Getter, other: Getter) -> Getter:
    """`? :`; the side not taken is not looked at."""
    return lambda values: then(values) if truth(condition(values)) else other(values)


class _Scope(Mapping[str, object]):
    """The values from outside, the loop's variable before them; `steps` counts over all loops together."""

    __slots__ = ("_name", "_outer", "item", "steps")

    def __init__(self, outer: Mapping[str, object], name: str) -> None:
        self._outer = outer
        self._name = name
        self.item: object = None
        self.steps: list[int] = outer.steps if isinstance(outer, _Scope) else [0]

    def __getitem__(self, key: str) -> object:
        return self.item if key == self._name else self._outer[key]

    def __iter__(self) -> Iterator[str]:
        return iter({*self._outer, self._name})

    def __len__(self) -> int:
        return len({*self._outer, self._name})

    def over(self, items: object) -> Iterator[None]:
        """Put one item after the other in the variable's place; of a map its keys, in their order."""
        if isinstance(items, Mapping):
            items = sorted(items)
        if not isinstance(items, list | tuple):
            raise EvaluationError(f"a list is needed, not {amounts.kind(items)}")
        for item in items:
            self.steps[0] += 1
            if self.steps[0] > _MOST_STEPS:
                raise EvaluationError("the expression takes too many steps", mend="run over fewer items")
            self.item = item
            yield


def gathered(name: str, items: Getter, condition: Getter | None, item: Getter) -> Getter:
    """`map` and `filter`: the list of `item` for each where the condition holds."""

    def gather(values: Mapping[str, object]) -> list[object]:
        scope = _Scope(values, name)
        over = scope.over(items(values))
        if condition is None:
            return [item(scope) for _ in over]
        return [item(scope) for _ in over if truth(condition(scope))]

    return gather


def decided(name: str, items: Getter, condition: Getter, *, by: bool) -> Getter:
    """`exists` (decided by the first true) and `all` (by the first false)."""

    def decide(values: Mapping[str, object]) -> bool:
        scope = _Scope(values, name)
        failure: EvaluationError | None = None
        for _ in scope.over(items(values)):
            try:
                if truth(condition(scope)) is by:
                    return by
            except EvaluationError as error:
                if scope.steps[0] > _MOST_STEPS:
                    raise
                failure = failure or error
        if failure is not None:
            raise failure
        return not by

    return decide


def counted(name: str, items: Getter, condition: Getter) -> Getter:
    """`exists_one`: whether the condition holds for exactly one."""

    def count(values: Mapping[str, object]) -> bool:
        scope = _Scope(values, name)
        return sum(truth(condition(scope)) for _ in scope.over(items(values))) == 1

    return count
