"""Comparisons and connections of plain values that need no CEL, with CEL's meaning."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from crossdock.expressions import amounts
from crossdock.expressions.bind import Getter
from crossdock.expressions.errors import EvaluationError
from crossdock.expressions.loops import truth

EQUALITY: Mapping[str, Callable[[Any, Any], bool]] = {"_==_": operator.eq, "_!=_": operator.ne}
ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}


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


def negated(value: Getter) -> Getter:
    """`!`."""
    return lambda values: not truth(value(values))


def chosen(condition: Getter, then: Getter, other: Getter) -> Getter:
    """`? :`; the side not taken is not looked at."""
    return lambda values: then(values) if truth(condition(values)) else other(values)
