"""Exact numbers in JSON: quantities and amounts that are read without passing through floating point."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")
MOST = Decimal(10) ** 12
FINEST = -9


class Positive(Decimal):
    """A number above zero, written in JSON as a number or a string."""


class NotNegative(Decimal):
    """A number of at least zero, written in JSON as a number or a string."""


def read_json(body: bytes, shape: type[T]) -> T:
    """JSON as `shape`; msgspec's errors name the place."""
    decoded: T = _decoder(shape).decode(body)  # type: ignore[arg-type] # classes are hashable
    return decoded


def read_plain(value: Any, shape: type[T]) -> T:
    """Lists and dicts, as decoded from JSON, as `shape`."""
    return msgspec.convert(value, shape, dec_hook=_number)


def write_json(value: Any) -> bytes:
    """JSON with decimals as numbers."""
    return _encoder.encode(value)


def exact(value: Decimal) -> Decimal:
    """A quantity without trailing zeros or exponent."""
    return value.quantize(Decimal(1)) if value == value.to_integral_value() else value.normalize()


@cache
def _decoder(shape: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(shape, dec_hook=_number, float_hook=Decimal)


def _number(shape: type[Any], value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise ValueError("Expected a number")  # noqa: TRY004 - msgspec adds the place to ValueError alone
    try:
        number: Decimal = shape(str(value))
    except InvalidOperation:
        raise ValueError("Expected a number") from None
    if not number.is_finite() or abs(number) >= MOST or int(number.as_tuple().exponent) < FINEST:
        raise ValueError("Expected a number below 10**12 with at most nine decimals")
    if number < 0 or (number == 0 and shape is Positive):
        raise ValueError("Expected a number above zero" if shape is Positive else "Expected at least zero")
    return number


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return Decimal(value)
    raise NotImplementedError(f"no JSON for {type(value).__name__}")


_encoder = msgspec.json.Encoder(decimal_format="number", enc_hook=_plain)
