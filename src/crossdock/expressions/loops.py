"""Macros that run in Python, because what they do in each step calls a function of ours on their variable.

Their variable is one more name beside the values from outside. They keep CEL's meaning: `all` and `exists`
pass over an item that fails if another one decides, and what takes too many steps ends with an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from crossdock.expressions import amounts
from crossdock.expressions.bind import Getter
from crossdock.expressions.errors import EvaluationError

_MOST_STEPS = 50_000


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


def truth(value: object) -> bool:
    """A bool, and nothing that merely looks like one."""
    if value is True or value is False:
        return value
    raise EvaluationError(f"a bool is needed, not {amounts.kind(value)}")
