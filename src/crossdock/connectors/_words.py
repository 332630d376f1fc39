"""What connectors need to say a partner's words in ours: tables of codes, days, minor units."""

from __future__ import annotations

import csv
import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from crossdock.errors import Refused
from crossdock.model.codes import instant_text

Row = Mapping[str, str]

# ISO 4217: currencies whose minor unit is not a hundredth.
_WHOLE = frozenset(
    (
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    )
)
_THOUSANDTHS = frozenset(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"))


@functools.cache
def words(package: str) -> Mapping[tuple[str, str], Row]:
    """The connector's `statuses.csv`: by what a code is of and the code, its row."""
    text = resources.files(package).joinpath("statuses.csv").read_text(encoding="utf-8")
    return {(row["of"], row["code"]): row for row in csv.DictReader(text.splitlines())}


def instant(text: str) -> datetime:
    """An instant of RFC 3339 text. Raises `Refused` where it is none, or has no zone."""
    try:
        found = datetime.fromisoformat(text)
    except (ValueError, TypeError):
        raise Refused(f"{text!r} is not a time") from None
    if found.tzinfo is None:
        raise Refused(f"{text!r} has no zone")
    return found.astimezone(UTC)


def local_instant(day: str, clock: str, zone: str) -> datetime:
    """The instant of a local date and time in a zone; the first, where an hour comes twice."""
    try:
        local = datetime.combine(date.fromisoformat(day), time.fromisoformat(clock), ZoneInfo(zone))
    except (ValueError, TypeError, ZoneInfoNotFoundError):
        raise Refused(f"{day} {clock} {zone} is not a local time") from None
    return local.astimezone(UTC)


def end_of_day(day: str, zone: str) -> str:
    """The last second of a day in a zone, as JSON has it. Raises `Refused`."""
    return instant_text(local_instant(day, "23:59:59", zone))


def estimate(day: str | None, zone: str) -> dict[str, str]:
    """The end of an estimated day as field of an answer; nothing where no day was told, or none can be read.

    A booking stands whether or not its estimate can be read.
    """
    try:
        return {"estimated_delivery": end_of_day(day, zone)} if day else {}
    except Refused:
        return {}


def money(amount: object, currency: str) -> dict[str, str]:
    """Money as JSON has it."""
    return {"amount": decimal_text(amount), "currency": currency}


def minor(amount: int, currency: str) -> dict[str, str]:
    """Money that was told in the currency's minor unit, such as cents."""
    places = 0 if currency in _WHOLE else 3 if currency in _THOUSANDTHS else 2
    return money(Decimal(amount).scaleb(-places), currency)


def decimal_text(number: object) -> str:
    """A number without an exponent, with the places it has."""
    return format(Decimal(str(number)), "f")


def plain_number(text: str) -> int | Decimal:
    """An exact number for JSON, without a fraction where there is none."""
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else number


_EMPTY = (str, list, dict, tuple)  # say nothing where they are empty; a number of none does


def told(**fields: Any) -> dict[str, Any]:
    """The fields that say something: neither absent nor empty."""
    return {
        name: value
        for name, value in fields.items()
        if value or (value is not None and not isinstance(value, _EMPTY))
    }


def unknown_event(word: object) -> Refused:
    """The error for an event whose word the partner's page does not have: it is kept, and somebody looks."""
    return Refused(
        f"`{word}` is no event that we know of it",
        mend="see what the partner says of it: teach the connector and read this again, or dismiss it",
    )


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Say `Refused` where `what` lacks something or has it in another shape than we know."""
    try:
        yield
    except KeyError as error:
        raise Refused(f"{what} has no {error.args[0]}") from None
    except (TypeError, ValueError, AttributeError, IndexError, ArithmeticError) as error:
        raise Refused(f"{what} cannot be read: {error}") from None
