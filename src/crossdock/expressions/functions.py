"""The functions that Crossdock adds to CEL, in one table: checked, run and documented from it."""

from __future__ import annotations

import functools
import math
import zoneinfo
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cel_expr_python import cel

from crossdock.expressions import amounts
from crossdock.expressions.check.messages import signature
from crossdock.expressions.errors import EvaluationError
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
    Scalar,
    Type,
)
from crossdock.model.codes import CURRENCIES

ANY = Scalar("A")  # one type, whatever it is, the same at each place of a signature
_EXACT = (MONEY, QUANTITY, DECIMAL)
_ORDERED = (INT, DOUBLE, STRING, BOOL, TIMESTAMP, DURATION)
_EVENTS = ListOf(DYN)


@dataclass(frozen=True, slots=True)
class Overload:
    """One signature. Without `run` it is the operator of CEL that the name stands for."""

    params: tuple[Type, ...]
    result: Type
    run: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A function as expressions call it. `doc` is empty for what an expression cannot name itself."""

    name: str
    overloads: tuple[Overload, ...]
    doc: str = ""

    def signatures(self) -> list[str]:
        """How it is called, for people: `money(string, string) -> money`."""
        return [f"{self.name}({', '.join(map(str, o.params))}) -> {o.result}" for o in self.overloads]

    def ids(self) -> Iterator[tuple[str, Overload]]:
        """Each overload with the name it has between the checker and the runtime."""
        for index, overload in enumerate(self.overloads):
            yield f"{self.name}:{index}" if overload.run else f"builtin:{self.name}:{index}", overload


def instant(value: object) -> datetime:
    """An aware datetime from what JSON or CEL has for an instant."""
    if isinstance(value, datetime):
        return value
    if not isinstance(value, str):
        raise EvaluationError(f"an instant is needed, not {amounts.kind(value)}")
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise EvaluationError(f"{value!r} is not an instant") from None
    if found.tzinfo is None:
        raise EvaluationError(f"{value!r} has no time zone", mend="write it with Z or an offset")
    return found


def written(value: object) -> Any:
    """A result in JSON: instants as RFC 3339 with Z, durations in seconds, the keys of maps in order."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        seconds, rest = divmod(value, timedelta(seconds=1))
        fraction = f".{rest.microseconds:06d}".rstrip("0") if rest else ""
        if value < timedelta(0) and rest:
            return f"-{written(-value)}"
        return f"{seconds}{fraction}s"
    if isinstance(value, float) and not math.isfinite(value):
        raise EvaluationError("the result is not a number", mend="ask first whether the divisor is 0")
    if isinstance(value, dict):
        return {key: written(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [written(item) for item in value]
    if isinstance(value, bytes | bytearray):
        raise EvaluationError("the result is bytes, which JSON does not have")
    return value


def as_text(value: object) -> str:
    """A value inside a text: 12.50 EUR, 10 EA, true, 2026-11-23T10:00:00Z."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | timedelta):
        return str(written(value))
    if isinstance(value, int | float):
        return str(value)
    if value is None:
        raise EvaluationError("nothing cannot stand in a text", mend="give a fallback: default(..., ...)")
    if isinstance(value, Mapping) and ("amount" in value or "value" in value):
        found, unit, _ = amounts.measure(value)
        return f"{amounts.text(found)} {unit}".rstrip()
    raise EvaluationError(f"{amounts.kind(value)} cannot stand in a text")


def is_zone(name: str) -> bool:
    """Whether it names a time zone, as Europe/Berlin does."""
    try:
        return bool(zoneinfo.ZoneInfo(name))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False


def _date(value: object, zone: str) -> str:
    try:
        place = zoneinfo.ZoneInfo(amounts.word(zone))
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise EvaluationError(f"unknown time zone {zone!r}", mend="write it as Europe/Berlin") from None
    try:
        return instant(value).astimezone(place).date().isoformat()
    except OverflowError:
        raise EvaluationError(f"{written(value)} has no date in {zone}: it is beyond all calendars") from None


def _seconds(each: int, count: int) -> str:
    return f"{each * amounts.whole(count)}s"


def _money(value: object, code: str) -> Any:
    if amounts.word(code) not in CURRENCIES:
        raise EvaluationError(
            f"{amounts.word(code)[:40]!r} is not an ISO 4217 currency code", mend="write it as EUR"
        )
    return {"amount": amounts.text(amounts.number(value)), "currency": code}


def _quantity(value: object, code: str) -> Any:
    return {"value": amounts.text(amounts.number(value)), "unit": amounts.word(code)}


def _contained_instant(value: object, items: Sequence[object]) -> bool:
    return value is not None and any(
        item is not None and instant(item) == instant(value) for item in amounts.items(items)
    )


def _compare(name: str) -> Function:
    run = functools.partial(amounts.compared, name)
    ours = [(a, a) for a in _EXACT] + [(DECIMAL, INT), (INT, DECIMAL)]
    return Function(
        f"op_{name}",
        (
            *(Overload((a, a), BOOL) for a in _ORDERED),
            *(Overload(pair, BOOL, run) for pair in ours),
        ),
    )


def _same(name: str, *, wanted: bool) -> Function:
    run = (lambda a, b: amounts.same(a, b)) if wanted else (lambda a, b: not amounts.same(a, b))  # noqa: PLW0108
    return Function(
        f"op_{name}",
        (
            Overload((ANY, ANY), BOOL),
            Overload((DECIMAL, INT), BOOL, run),
            Overload((INT, DECIMAL), BOOL, run),
        ),
    )


def _plus(name: str, builtin: tuple[tuple[Type, Type, Type], ...]) -> Function:
    run = functools.partial(amounts.added, name)
    ours = [(a, a, a) for a in _EXACT] + [(DECIMAL, INT, DECIMAL), (INT, DECIMAL, DECIMAL)]
    return Function(
        f"op_{name}",
        (
            *(Overload((a, b), c) for a, b, c in builtin),
            *(Overload((a, b), c, run) for a, b, c in ours),
        ),
    )


_TIMES = amounts.multiplied
_PRODUCTS = [(MONEY, INT), (MONEY, DECIMAL), (QUANTITY, INT), (QUANTITY, DECIMAL), (DECIMAL, INT)]

OPERATORS: tuple[Function, ...] = (
    *(_compare(name) for name in ("lt", "le", "gt", "ge")),
    _same("eq", wanted=True),
    _same("ne", wanted=False),
    _plus(
        "add",
        (
            (INT, INT, INT),
            (DOUBLE, DOUBLE, DOUBLE),
            (STRING, STRING, STRING),
            (ListOf(ANY), ListOf(ANY), ListOf(ANY)),
            (TIMESTAMP, DURATION, TIMESTAMP),
            (DURATION, TIMESTAMP, TIMESTAMP),
            (DURATION, DURATION, DURATION),
        ),
    ),
    _plus(
        "sub",
        (
            (INT, INT, INT),
            (DOUBLE, DOUBLE, DOUBLE),
            (TIMESTAMP, TIMESTAMP, DURATION),
            (TIMESTAMP, DURATION, TIMESTAMP),
            (DURATION, DURATION, DURATION),
        ),
    ),
    Function(
        "op_mul",
        (
            Overload((INT, INT), INT),
            Overload((DOUBLE, DOUBLE), DOUBLE),
            *(Overload((a, b), a, _TIMES) for a, b in _PRODUCTS),
            *(Overload((b, a), a, _TIMES) for a, b in _PRODUCTS),
            Overload((DECIMAL, DECIMAL), DECIMAL, _TIMES),
        ),
    ),
    Function("op_div", (Overload((INT, INT), INT), Overload((DOUBLE, DOUBLE), DOUBLE))),
    Function("op_mod", (Overload((INT, INT), INT),)),
    Function(
        "op_neg",
        (
            Overload((INT,), INT),
            Overload((DOUBLE,), DOUBLE),
            *(Overload((a,), a, amounts.negated) for a in _EXACT),
        ),
    ),
)

_ZEROS: tuple[tuple[Type, Any], ...] = (
    (MONEY, {"amount": "0", "currency": ""}),
    (QUANTITY, {"value": "0", "unit": ""}),
    (DECIMAL, "0"),
    (INT, 0),
)


def _over_list(name: str, run: Callable[..., Any], doc: str) -> Function:
    kinds = (INT, DOUBLE, STRING, *_EXACT)
    return Function(name, tuple(Overload((ListOf(a),), a, run) for a in kinds), doc)


def _report(name: str, done: str) -> Function:
    doc = f"The total quantity that these events report as {done}; the empty quantity if there are none."
    return Function(name, (Overload((_EVENTS,), QUANTITY, amounts.reported),), doc)


FUNCTIONS: tuple[Function, ...] = (
    Function(
        "money",
        tuple(Overload((a, STRING), MONEY, _money) for a in (STRING, INT, DECIMAL)),
        'Money of an amount and a currency, by its ISO 4217 code: money("12.50", "EUR").',
    ),
    Function(
        "quantity",
        tuple(Overload((a, STRING), QUANTITY, _quantity) for a in (STRING, INT, DECIMAL)),
        'A quantity of a value and a unit: quantity(10, "EA").',
    ),
    Function(
        "decimal",
        tuple(
            Overload((a,), DECIMAL, lambda x: amounts.text(amounts.number(x))) for a in (STRING, INT, DECIMAL)
        ),
        'An exact number: decimal("0.19").',
    ),
    Function(
        "sum",
        tuple(Overload((ListOf(a),), a, functools.partial(amounts.total, zero=zero)) for a, zero in _ZEROS),
        "The exact sum of a list; of an empty one a zero without currency or unit, which fits any.",
    ),
    _over_list(
        "min", lambda x: amounts.extreme(x, largest=False), "The least of a list; an empty one is refused."
    ),
    _over_list(
        "max", lambda x: amounts.extreme(x, largest=True), "The largest of a list; an empty one is refused."
    ),
    Function(
        "round",
        tuple(Overload((a, INT), a, amounts.rounded) for a in _EXACT),
        "Rounded to so many places after the point; a half goes away from zero.",
    ),
    Function(
        "divide",
        (
            *(Overload((a, b, INT), a, amounts.divided) for a in _EXACT for b in (INT, DECIMAL)),
            *(Overload((a, a, INT), DECIMAL, amounts.divided) for a in (MONEY, QUANTITY)),
        ),
        "Divided, then rounded to so many places, as `round` does: divide(order.total, 3, 2).",
    ),
    Function(
        "text",
        tuple(Overload((a,), STRING, as_text) for a in (*_EXACT, STRING, INT, BOOL, TIMESTAMP, DURATION)),
        "A value as text: 12.50 EUR, 10 EA, 2026-11-23T10:00:00Z.",
    ),
    Function(
        "default",
        (Overload((ANY, ANY), ANY, lambda value, other: other if value is None else value),),
        "The first value, or the second where the first is nothing, or a part of what is not there.",
    ),
    Function(
        "date",
        (Overload((TIMESTAMP, STRING), STRING, _date),),
        'The calendar date of an instant in a zone: date(now, "Europe/Berlin") is "2026-11-23".',
    ),
    Function(
        "days", (Overload((INT,), DURATION, functools.partial(_seconds, 86400)),), "So many times 24 hours."
    ),
    Function("hours", (Overload((INT,), DURATION, functools.partial(_seconds, 3600)),), "So many hours."),
    Function("minutes", (Overload((INT,), DURATION, functools.partial(_seconds, 60)),), "So many minutes."),
    _report("picked", "picked"),
    _report("packed", "packed"),
    _report("shipped", "shipped"),
    _report("delivered", "delivered"),
    _report("received", "received"),
    _report("returned", "returned"),
)

# What an expression comes to by its types: equality by value, and `in` by value.
SAME = "@same"
IN = "@in_exact"
IN_TIMES = "@in_times"
_HIDDEN: Mapping[str, Callable[..., Any]] = {
    SAME: amounts.same,
    IN: lambda value, items: any(amounts.same(value, item) for item in amounts.items(items)),
    IN_TIMES: _contained_instant,
}


@functools.cache
def checked_config() -> Any:
    """The functions as the checking environment takes them."""
    lines = ["functions:"]
    for function in (*OPERATORS, *FUNCTIONS):
        lines += [f"- name: {function.name}", "  overloads:"]
        for name, overload in function.ids():
            params = ",".join(signature(param) for param in overload.params)
            lines.append(f'  - id: "{name}"')
            lines.append(f'    signature: "{function.name}({params})"')
            lines.append(f'    return: "{signature(overload.result)}"')
    return cel.NewEnvConfigFromYaml("\n".join(lines))


@functools.cache
def implementations() -> Mapping[str, Callable[..., Any]]:
    """What runs an overload, by its id; and by the function's name, where the types leave it open."""
    found = dict(_HIDDEN)
    for function in (*OPERATORS, *FUNCTIONS):
        for name, overload in function.ids():
            if overload.run is not None:
                found[name] = overload.run
                found[function.name] = overload.run  # the last one: with integers and plain decimals
    return found


@functools.cache
def names() -> frozenset[str]:
    """The functions of ours that an expression may name."""
    return frozenset(function.name for function in FUNCTIONS)
