"""Exact arithmetic on money, quantities and decimals in their JSON form.

Nothing here is ever rounded unless `rounded` or `divided` is asked for; what does not fit exactly into 60
digits is refused. A zero without currency or unit (the sum of nothing) adds to and compares with any.
"""

from __future__ import annotations

import decimal
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from crossdock.expressions.errors import EvaluationError

_PLACES = 60
_EXACT = decimal.Context(
    prec=_PLACES,
    rounding=decimal.ROUND_HALF_UP,
    traps=[decimal.Inexact, decimal.InvalidOperation, decimal.Overflow, decimal.DivisionByZero],
)
_ROUNDING = decimal.Context(prec=_PLACES, rounding=decimal.ROUND_HALF_UP, traps=[decimal.InvalidOperation])
EMPTY: Mapping[str, str] = {"value": "0", "unit": ""}
Form: TypeAlias = tuple[str, str, str]  # the names of its two parts, and what it is called
_PARTS: tuple[Form, ...] = (("amount", "currency", "money"), ("value", "unit", "a quantity"))

_COMPARE: Mapping[str, Callable[[Decimal, Decimal], bool]] = {
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "eq": operator.eq,
    "ne": operator.ne,
}
_ADD: Mapping[str, Callable[[Decimal, Decimal], Decimal]] = {"add": _EXACT.add, "sub": _EXACT.subtract}
_VERBS = {"add": "add", "sub": "subtract", "mul": "multiply"}


def number(value: object) -> Decimal:
    """The exact number that a JSON string or integer is; a float is refused, because it is not exact."""
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise EvaluationError(f"a decimal is needed, not {kind(value)}")
    try:
        found = Decimal(value)
    except decimal.InvalidOperation:
        raise EvaluationError(f"{value!r} is not a decimal", mend="write it as 12.50") from None
    if not found.is_finite():
        raise EvaluationError(f"{value!r} is not a number to reckon with")
    if found.adjusted() >= _PLACES or found.as_tuple().exponent < -_PLACES:  # type: ignore[operator]
        raise EvaluationError(f"the number has more than {_PLACES} digits before or after the point")
    return found


def whole(value: object) -> int:
    """An integer, where the types did not make sure of it."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise EvaluationError(f"an int is needed, not {kind(value)}")
    return value


def word(value: object) -> str:
    """A string, where the types did not make sure of it."""
    if not isinstance(value, str):
        raise EvaluationError(f"a string is needed, not {kind(value)}")
    return value


def items(value: object) -> Sequence[Any]:
    """A list, where the types did not make sure of it."""
    if not isinstance(value, list | tuple):
        raise EvaluationError(f"a list is needed, not {kind(value)}")
    return value


def text(value: Decimal) -> str:
    """A decimal as JSON has it: never with an exponent, with the places it has."""
    return format(value, "f")


def kind(value: object) -> str:
    """What a JSON value is, in words for messages."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, int):
        return "an int"
    if isinstance(value, float):
        return "a number with a fraction"
    if isinstance(value, str):
        return f"the string {value!r}" if len(value) < 40 else "a string"
    return "a list" if isinstance(value, list | tuple) else "a map"


def measure(value: object) -> tuple[Decimal, str, Form]:
    """Number, unit and form of money or a quantity; a plain decimal or integer has neither (`""`)."""
    if isinstance(value, Mapping):
        for form in _PARTS:
            if form[0] in value:
                unit = value.get(form[1], "")
                if not isinstance(unit, str):
                    raise EvaluationError(f"the {form[1]} is {kind(unit)}, where its code is needed")
                return number(value[form[0]]), unit, form
        raise EvaluationError("money or a quantity is needed, this map is neither")
    if isinstance(value, str | int) and not isinstance(value, bool):
        return number(value), "", ("", "", "")
    raise EvaluationError(f"money, a quantity or a decimal is needed, not {kind(value)}")


def built(value: Decimal, unit: str, form: Form) -> Any:
    """The JSON of a number in the form that `measure` has found."""
    return {form[0]: text(value), form[1]: unit} if form[0] else text(value)


def _together(operation: str, left: object, right: object) -> tuple[Decimal, Decimal, str, Form]:
    a, unit_a, form_a = measure(left)
    b, unit_b, form_b = measure(right)
    form_a, form_b = _as_form(a, form_a, form_b), _as_form(b, form_b, form_a)
    if form_a != form_b:
        raise EvaluationError(f"cannot {_VERBS.get(operation, 'compare')} {_named(left)} and {_named(right)}")
    if unit_a != unit_b and not (a == 0 and not unit_a) and not (b == 0 and not unit_b):
        what = "currency" if form_a[0] == "amount" else "unit"
        verb = _VERBS.get(operation, "compare")
        raise EvaluationError(
            f"cannot {verb} {unit_a or f'no {what}'} and {unit_b or f'no {what}'}",
            mend="convert one of them first",
        )
    return a, b, unit_a or unit_b, form_a


def _as_form(value: Decimal, form: Form, other: Form) -> Form:
    """The form of a value beside one of the `other`: the sum of nothing, of no known type, fits any."""
    return other if value == 0 and not form[0] else form


def _named(value: object) -> str:
    form = measure(value)[2]
    return form[2] or "a decimal"


def compared(operation: str, left: object, right: object) -> bool:
    """`left` lt, le, gt, ge `right`, within one currency or unit."""
    a, b, _, _ = _together(operation, left, right)
    return _COMPARE[operation](a, b)


def same(left: object, right: object) -> bool:
    """Equal by value: 10.0 EUR is 10.00 EUR; another currency or unit is not equal, nor is nothing."""
    if left is None or right is None:
        return left is right
    a, unit_a, form_a = measure(left)
    b, unit_b, form_b = measure(right)
    if _as_form(a, form_a, form_b) != _as_form(b, form_b, form_a) or a != b:
        return False
    return unit_a == unit_b or (a == 0 and not (unit_a and unit_b))


def added(operation: str, left: object, right: object) -> Any:
    """`left` add or sub `right`, within one currency or unit."""
    a, b, unit, form = _together(operation, left, right)
    return built(_exactly(_ADD[operation], a, b), unit, form)


def multiplied(left: object, right: object) -> Any:
    """Money or a quantity times a number, or two numbers."""
    a, unit_a, form_a = measure(left)
    b, unit_b, form_b = measure(right)
    if form_a[0] and form_b[0]:
        raise EvaluationError(f"cannot multiply {_named(left)} and {_named(right)}")
    return built(_exactly(_EXACT.multiply, a, b), unit_a or unit_b, form_a if form_a[0] else form_b)


def negated(value: object) -> Any:
    """The same with the other sign."""
    a, unit, form = measure(value)
    return built(a.copy_negate() if a else a, unit, form)


def rounded(value: object, digits: int) -> Any:
    """Rounded to `digits` places after the point; a half goes away from zero, as on invoices."""
    a, unit, form = measure(value)
    return built(_quantized(a, digits), unit, form)


def divided(value: object, by: object, digits: int) -> Any:
    """`value` divided by a number, rounded to `digits` places as `rounded` does."""
    a, unit, form = measure(value)
    b, unit_b, form_b = measure(by)
    if b == 0:
        raise EvaluationError("cannot divide by zero")
    if form_b[0]:
        if _as_form(a, form, form_b) != form_b or (unit != unit_b and (a != 0 or unit)):
            raise EvaluationError(f"cannot divide {_named(value)} by {_named(by)} of another kind")
        unit, form = "", ("", "", "")
    return built(_quantized(_ROUNDING.divide(a, b), digits), unit, form)


def total(values: object, zero: Any) -> Any:
    """The sum of money, quantities, decimals or integers; `zero` where there are none."""
    result = zero
    for index, value in enumerate(items(values)):
        if value is None:
            raise EvaluationError(f"item {index} of the list is nothing where a number is needed")
        if isinstance(value, int) and isinstance(result, int) and not isinstance(value, bool):
            result = result + value
        elif index == 0:
            result = built(*measure(value))
        else:
            result = added("add", result, value)
    return result


def extreme(values: object, *, largest: bool) -> Any:
    """The least or largest of a list of money, quantities, decimals, numbers or strings."""
    best: Any = None
    for value in items(values):
        if value is None:
            raise EvaluationError("an item of the list is nothing where a value is needed")
        if best is None or _before(best, value) is largest:
            best = value
    if best is None:
        raise EvaluationError(f"the {'largest' if largest else 'least'} of an empty list is asked for")
    return best


def _before(left: Any, right: Any) -> bool:
    if isinstance(left, Mapping) or isinstance(right, Mapping):
        return compared("lt", left, right)
    try:
        return bool(left < right)
    except TypeError:
        raise EvaluationError(f"cannot compare {kind(left)} and {kind(right)}") from None


def _exactly(operation: Callable[[Decimal, Decimal], Decimal], a: Decimal, b: Decimal) -> Decimal:
    try:
        return operation(a, b)
    except decimal.DecimalException:
        raise EvaluationError("the result does not fit into 60 digits exactly", mend="round first") from None


def _quantized(value: Decimal, digits: int) -> Decimal:
    if not 0 <= whole(digits) <= 20:
        raise EvaluationError(f"cannot round to {digits} places", mend="give 0 to 20")
    try:
        return value.quantize(Decimal(1).scaleb(-digits), context=_ROUNDING)
    except decimal.DecimalException:
        raise EvaluationError("the number is too large to round") from None


def reported(events: object) -> Any:
    """The total quantity over `events`, in their one unit; the empty quantity where there are none.

    Of each event (its `data`, where it has one) the first of these counts: `quantity`; of its `shipment`,
    else of itself: `quantity`, `lines[].quantity`, `packages[].contents[].quantity`. An event that reports
    none is refused: not known is not zero.
    """
    result: Any = dict(EMPTY)
    for index, event in enumerate(items(events)):
        body = (
            event.get("data")
            if isinstance(event, Mapping) and isinstance(event.get("data"), Mapping)
            else event
        )
        found = list(_quantities(body))
        if not found:
            raise EvaluationError(
                f"event {index} reports no quantity", mend="map the partner's event to quantity or lines"
            )
        for quantity in found:
            result = added("add", result, quantity)
    return result


def _quantities(body: object) -> Iterator[object]:
    if not isinstance(body, Mapping):
        return
    if body.get("quantity") is not None:
        yield body["quantity"]
        return
    for holder in (body.get("shipment"), body):
        if not isinstance(holder, Mapping):
            continue
        if holder.get("quantity") is not None:
            yield holder["quantity"]
            return
        found = [*_each(holder.get("lines"))]
        if not found:
            packages = holder.get("packages") or ()
            found = [
                q
                for package in packages
                if isinstance(package, Mapping)
                for q in _each(package.get("contents"))
            ]
        if found:
            yield from found
            return


def _each(lines: object) -> Iterator[object]:
    if isinstance(lines, list | tuple):
        for line in lines:
            if isinstance(line, Mapping) and line.get("quantity") is not None:
                yield line["quantity"]
