"""How long: `4 business hours`, `3 days`, `1h 30m`, `PT4H`. What they come to is for a calendar to say.

A duration keeps apart what clocks and calendars keep apart: days and time. `1 day` is the same local time on
the next day (23 or 25 hours when the clocks change), `24h` is 24 hours. A duration is either of business time
or not; a text that mixes both is refused, since the order of adding would change the result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import Self

from crossdock.errors import Refused

_FORMS = (
    "write it as 5s, 10m, 2h, 1h 30m, 90 minutes, 3 days, 1 week, 4 business hours, 3 business days, "
    "or as ISO 8601: PT4H, P3D"
)
_MOST = timedelta(days=3653)  # ten years: what lies beyond is a slip, not a deadline

_MICROSECONDS = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_DAYS = {"d": 1, "w": 7}
_NAMES = {
    "ms": "ms",
    "millisecond": "ms",
    "s": "s",
    "sec": "s",
    "second": "s",
    "m": "m",
    "min": "m",
    "minute": "m",
    "h": "h",
    "hr": "h",
    "hour": "h",
    "d": "d",
    "day": "d",
    "w": "w",
    "week": "w",
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(business\b)?\s*([a-z]+)[\s,]*", re.ASCII)
_ISO = re.compile(
    r"P(?:([0-9]+)W)?(?:([0-9]+)D)?"
    r"(?:T(?=[0-9])(?:([0-9]+(?:\.[0-9]+)?)H)?(?:([0-9]+(?:\.[0-9]+)?)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Duration:
    """A length of time: `days`, then `time` (exact), both of business time or both not. Never negative."""

    days: int = 0
    time: timedelta = timedelta(0)
    business: bool = False

    def __post_init__(self) -> None:
        """Refuse what is negative, or longer than ten years."""
        if self.days < 0 or self.time < timedelta(0):
            raise Refused("a duration cannot be negative", mend=_FORMS)
        if self.days > _MOST.days or self.time > _MOST or timedelta(self.days) + self.time > _MOST:
            raise Refused("a duration of more than ten years", mend="name a time within ten years")

    @classmethod
    def parse(cls, text: object, *, where: str = "") -> Self:
        """Read a duration as people or ISO 8601 write it; `Refused` names the accepted forms.

        Fractions are read for hours and less (`1.5h`); a day or week that is not whole has no one meaning.
        """
        if text == 0 and not isinstance(text, bool):
            return cls()
        if not isinstance(text, str):
            raise Refused(f"{text!r} is not a duration: it has no unit", where=where, mend=_FORMS)
        plain = text.strip()
        if plain == "0":
            return cls()
        if plain.startswith(("-", "+-", "\u2212")) or plain.upper().startswith("P-"):
            raise Refused(f"{text!r} is negative", where=where, mend=_FORMS)
        parts = _iso(plain) or _words(plain, where)
        if not parts:
            raise Refused(f"{text!r} is not a duration", where=where, mend=_FORMS)
        kinds = {business for _, business, _ in parts}
        if len(kinds) > 1:
            mend = "say business with each part, as in 1 business day 4 business hours, or with none"
            raise Refused(f"{text!r} mixes business time with plain time", where=where, mend=mend)
        units = [unit for _, _, unit in parts]
        if len(set(units)) < len(units):
            raise Refused(f"{text!r} gives one unit twice", where=where, mend=_FORMS)
        days = sum((amount * _DAYS[unit] for amount, _, unit in parts if unit in _DAYS), Fraction())
        time = sum(
            (amount * _MICROSECONDS[unit] for amount, _, unit in parts if unit not in _DAYS), Fraction()
        )
        if days.denominator != 1:
            raise Refused(f"{text!r} has a part of a day", where=where, mend="say it in hours")
        if days > _MOST.days or time > _MOST // timedelta(microseconds=1):
            mend = "name a time within ten years"
            raise Refused(f"{text!r} is more than ten years", where=where, mend=mend)
        business = kinds.pop()
        if business and "w" in units:
            mend = "say it in business days, as in 5 business days"
            raise Refused(f"{text!r}: a business week has no fixed length", where=where, mend=mend)
        try:
            return cls(days=int(days), time=timedelta(microseconds=round(time)), business=business)
        except Refused as error:
            raise Refused(f"{text!r}: {error.message}", where=where, mend=error.mend) from error

    @property
    def exact(self) -> timedelta:
        """Its length where no calendar is asked (retries, time-outs): a day counts 24 hours.

        `Refused` for business time, which has no length of its own.
        """
        if self.business:
            raise Refused(f"{self} depends on a calendar", mend="give a plain duration, as in 5s, 10m or 2h")
        return timedelta(self.days) + self.time

    def __str__(self) -> str:
        """The canonical text: `parse` of it gives the same duration."""
        if self.business:
            return " ".join(_spelt(amount, f"business {unit}") for amount, unit in self._parts()) or "0s"
        short = {"hour": "h", "minute": "m", "second": "s"}
        return (
            " ".join(
                f"{amount}{short[unit]}" if unit in short else _spelt(amount, unit)
                for amount, unit in self._parts()
            )
            or "0s"
        )

    def _parts(self) -> list[tuple[str, str]]:
        minutes, rest = divmod(self.time, timedelta(minutes=1))
        hours, minutes = divmod(minutes, 60)
        second = str(rest.seconds)
        if rest.microseconds:
            second += f".{rest.microseconds:06}".rstrip("0")
        parts = ((str(self.days), "day"), (str(hours), "hour"), (str(minutes), "minute"), (second, "second"))
        return [(amount, unit) for amount, unit in parts if amount != "0"]


def _spelt(amount: str, unit: str) -> str:
    return f"{amount} {unit}" if amount == "1" else f"{amount} {unit}s"


def _iso(text: str) -> list[tuple[Fraction, bool, str]] | None:
    found = _ISO.fullmatch(text.upper())
    if found is None or len(text) > 100:
        return None
    return [(Fraction(n), False, unit) for n, unit in zip(found.groups(), "wdhms", strict=True) if n]


def _words(text: str, where: str) -> list[tuple[Fraction, bool, str]]:
    """Read `1h 30m` and the like; empty where it is none of that."""
    parts: list[tuple[Fraction, bool, str]] = []
    rest = text.lower()
    while rest and len(text) <= 100:
        found = _PART.match(rest)
        if found is None:
            return []
        amount, business, word = found.groups()
        name = word if word in _NAMES else word.removesuffix("s")
        if name in {"month", "mon", "quarter", "year", "y"}:
            mend = "say it in days or weeks"
            raise Refused(f"{text!r}: {word} differ in length", where=where, mend=mend)
        if name not in _NAMES:
            return []
        parts.append((Fraction(amount), business is not None, _NAMES[name]))
        rest = rest[found.end() :]
    return [] if rest else parts
