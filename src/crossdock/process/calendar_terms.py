"""What a calendar is made of, read from plain data (YAML, JSON), every problem told, not only the first.

name: hamburg
zone: Europe/Berlin
hours: { mon-thu: "08:00-12:00, 13:00-17:00", fri: "08:00-14:00" }    # "22:00-06:00" runs overnight; or 24/7
holidays: { country: DE, subdivision: HH, except: [] }                # by rule; or a list of such
closed: [12-24, 2026-08-03 to 2026-08-14]                             # each year, or one date, or a span
open: { 2026-12-19: "09:00-13:00" }                                   # closed otherwise, or other hours
half_days: { 12-31: "08:00-12:00" }                                   # shorter hours on days open by the week
cut_offs: { parcel: "15:30", freight: { mon-thu: "14:00", fri: "11:00" } }
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, available_timezones

import holidays

from crossdock.errors import Refused

DAY = 86_400  # seconds of wall-clock time in a day
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_KEYS = ("name", "zone", "hours", "holidays", "closed", "open", "half_days", "cut_offs")
_CLOCK = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])", re.ASCII)
_EACH_YEAR = re.compile(r"(?:--)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])", re.ASCII)
_HOURS_FORM = '"08:00-12:00, 13:00-17:00" (in quotes), an overnight "22:00-06:00", or 24/7'
_DATE_FORM = "write 2026-12-24 for one date, 12-24 for each year"

T = TypeVar("T")

Hours = tuple[tuple[int, int], ...]
"""Opening hours of one day: (from, to) in seconds of wall-clock time after midnight; past DAY: overnight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HolidayRule:
    """Public holidays of a country (ISO 3166) or a part of it, without those that `without` names."""

    country: str
    subdivision: str = ""
    without: tuple[str, ...] = ()

    def closes(self, day: date, table: Any) -> bool:
        """Whether the day is a holiday of `table` (from `table()`) that is not excepted."""
        return day in table and any(_plain(name) not in self.without for name in table.get_list(day))

    def table(self) -> Any:
        """The rule as a mapping of date to names; any year is worked out when it is first asked for."""
        part = self.subdivision or None
        table = holidays.country_holidays(self.country, subdiv=part)
        if "en_US" in (table.supported_languages or ()):
            return holidays.country_holidays(self.country, subdiv=part, language="en_US")
        return table


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """A calendar as data. Dates are keys: `2026-12-24`, or `12-24` for each year."""

    name: str
    zone: str
    week: tuple[Hours, ...]  # Monday first
    rules: tuple[HolidayRule, ...]
    closed: frozenset[str]
    opened: dict[str, Hours]
    half_days: dict[str, Hours]
    cut_offs: dict[str, tuple[int | None, ...]]  # by weekday, seconds of wall-clock time after midnight

    def version(self) -> str:
        """A hash of what the data means: order and spelling do not change it."""
        content = {
            "name": self.name,
            "zone": self.zone,
            "week": self.week,
            "rules": [(rule.country, rule.subdivision, sorted(rule.without)) for rule in self.rules],
            "closed": sorted(self.closed),
            "open": self.opened,
            "half_days": self.half_days,
            "cut_offs": self.cut_offs,
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def read_terms(data: object, where: str = "") -> Terms:
    """Read a calendar from plain data; `Refused` lists every problem with its place in the data."""
    reading = _Reading()
    terms = reading.calendar(data)
    if reading.problems:
        count = len(reading.problems)
        told = "its problem" if count == 1 else f"its {count} problems"
        lines = "\n".join(f"  {problem}" for problem in reading.problems)
        raise Refused(f"the calendar does not hold; {told}:\n{lines}", where=where)
    return terms


class _Reading:
    """One pass over the data that notes problems and goes on."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def problem(self, at: str, what: str, mend: str = "") -> None:
        self.problems.append(f"{at}: {what}; {mend}" if mend else f"{at}: {what}")

    def calendar(self, data: object) -> Terms:
        fields = self.mapping("calendar", data)
        for key in fields:
            if key not in _KEYS:
                close = difflib.get_close_matches(str(key), _KEYS, n=1)
                mend = f"did you mean {close[0]}?" if close else "known are " + ", ".join(_KEYS)
                self.problem(str(key), "there is no such field", mend)
        name = fields.get("name")
        if not isinstance(name, str) or not name.strip():
            self.problem("name", "a calendar needs a name")
        week = self.week(fields.get("hours"))
        closed = frozenset(
            key for at, item in self.items("closed", fields.get("closed")) for key in self.dates(at, item)
        )
        opened = self.hours_by_date("open", fields.get("open"))
        half_days = self.hours_by_date("half_days", fields.get("half_days"))
        for key in sorted(closed & opened.keys()):
            self.problem("open", f"{key} stands under closed too", "keep one")
        for key in sorted(half_days.keys() & (closed | opened.keys())):
            self.problem("half_days", f"{key} stands under closed or open too", "keep one")
        if not any(week) and not opened and "hours" in fields and not self.problems:
            self.problem("hours", "it is never open", "give hours for at least one weekday, or open days")
        return Terms(
            name=str(name).strip(),
            zone=self.zone(fields.get("zone")),
            week=week,
            rules=tuple(self.rules(fields.get("holidays"))),
            closed=closed,
            opened=opened,
            half_days=half_days,
            cut_offs={
                str(key): self.cut_off(f"cut_offs.{key}", value)
                for key, value in self.mapping("cut_offs", fields.get("cut_offs", {})).items()
            },
        )

    def mapping(self, at: str, data: object) -> Mapping[object, object]:
        if isinstance(data, Mapping):
            return data
        self.problem(at, f"{data!r} is not a mapping of names to values")
        return {}

    def items(self, at: str, data: object) -> Iterator[tuple[str, object]]:
        if isinstance(data, list | tuple):
            yield from ((f"{at}[{n}]", item) for n, item in enumerate(data))
        elif data is not None:
            yield at, data

    def zone(self, data: object) -> str:
        if data is None:
            self.problem("zone", "it is missing", "name an IANA zone, as in Europe/Berlin or UTC")
            return ""
        try:
            return ZoneInfo(str(data)).key
        except (KeyError, ValueError, OSError):
            close = difflib.get_close_matches(str(data), available_timezones(), n=1)
            mend = f"did you mean {close[0]}?" if close else "name an IANA zone, as in Europe/Berlin or UTC"
            self.problem("zone", f"there is no zone {data!r}", mend)
            return ""

    def week(self, data: object) -> tuple[Hours, ...]:
        if data is None:
            self.problem("hours", "they are missing", f'as in mon-fri: "09:00-17:00"; {_HOURS_FORM}')
            return ((),) * 7
        if not isinstance(data, Mapping):
            return (self.hours("hours", data),) * 7
        by_day = self.by_weekday("hours", data, self.hours)
        return tuple(by_day.get(day, ()) for day in range(7))

    def by_weekday(
        self, at: str, data: Mapping[object, object], read: Callable[[str, object], T]
    ) -> dict[int, T]:
        by_day: dict[int, T] = {}
        for key, value in data.items():
            days = self.weekdays(f"{at}.{key}", key)
            held = read(f"{at}.{key}", value)
            for day in days:
                if day in by_day:
                    self.problem(f"{at}.{key}", f"{_WEEKDAYS[day]} is given twice", "keep one")
                by_day[day] = held
        return by_day

    def weekdays(self, at: str, key: object) -> list[int]:
        first, dash, last = (part.strip()[:3] for part in str(key).lower().partition("-"))
        if first == "dai" and not dash:
            return list(range(7))
        last = last if dash else first
        if first not in _WEEKDAYS or last not in _WEEKDAYS:
            self.problem(
                at, f"{key!r} is not a weekday", "write mon, tue ... sun, a span such as mon-fri, or daily"
            )
            return []
        start = _WEEKDAYS.index(first)
        return [(start + n) % 7 for n in range((_WEEKDAYS.index(last) - start) % 7 + 1)]

    def hours(self, at: str, data: object) -> Hours:
        if isinstance(data, str) and data.strip().lower() in {"24/7", "24h", "always"}:
            return ((0, DAY),)
        if data in (None, False, "closed", "", []):
            return ()
        texts = data if isinstance(data, list | tuple) else str(data).split(",")
        spans: list[tuple[int, int]] = []
        for text in texts:
            first, _, last = str(text).partition("-")
            start, end = self.clock(first), self.clock(last)
            if start is None or end is None or start in (end, DAY):
                self.problem(at, f"{text!r} are not opening hours", f"write {_HOURS_FORM}")
                continue
            spans.append((start, end if end > start else end + DAY))
        spans.sort()
        for before, after in itertools.pairwise(spans):
            if after[0] < before[1]:
                self.problem(at, f"{_told(before)} and {_told(after)} overlap", "join them")
        return tuple(spans)

    def clock(self, text: object) -> int | None:
        found = _CLOCK.fullmatch(text.strip()) if isinstance(text, str) else None
        seconds = int(found[1]) * 3600 + int(found[2]) * 60 if found else None
        return seconds if seconds is None or seconds <= DAY else None

    def cut_off(self, at: str, data: object) -> tuple[int | None, ...]:
        if isinstance(data, Mapping):
            by_day = self.by_weekday(at, data, self.cut_off_time)
            if not by_day:
                self.problem(at, "it has no time", 'as in mon-fri: "15:30"')
            return tuple(by_day.get(day) for day in range(7))
        return (self.cut_off_time(at, data),) * 7

    def cut_off_time(self, at: str, data: object) -> int | None:
        seconds = self.clock(data)
        if seconds is None:
            self.problem(at, f"{data!r} is not a time of day", 'write it as "15:30", in quotes')
        return seconds

    def dates(self, at: str, data: object) -> list[str]:
        """Keys of one date, one day of each year, or a span of dates."""
        first, to, last = str(data).partition(" to ")
        if not to:
            key = self.date_key(at, data)
            return [key] if key else []
        try:
            start, end = date.fromisoformat(first.strip()), date.fromisoformat(last.strip())
        except ValueError:
            self.problem(at, f"{data!r} is not a span of dates", "write 2026-12-24 to 2027-01-02")
            return []
        length = (end - start).days + 1
        if not 0 < length <= 366:
            self.problem(
                at, f"{data!r} runs over {length} days", "a span has 1 to 366 days, the earlier date first"
            )
            return []
        return [(start + timedelta(n)).isoformat() for n in range(length)]

    def date_key(self, at: str, data: object) -> str:
        if isinstance(data, date) and not isinstance(data, datetime):
            return data.isoformat()
        text = str(data).strip()
        try:
            if found := _EACH_YEAR.fullmatch(text):
                return date(2024, int(found[1]), int(found[2])).isoformat()[5:]  # a leap year knows 02-29
            return date.fromisoformat(text).isoformat()
        except ValueError:
            self.problem(at, f"{data!r} is not a date", _DATE_FORM)
            return ""

    def hours_by_date(self, at: str, data: object) -> dict[str, Hours]:
        if data is None:
            return {}
        held: dict[str, Hours] = {}
        for given, value in self.mapping(at, data).items():
            hours = self.hours(f"{at}.{given}", value)
            if not hours and not any(problem.startswith(f"{at}.{given}:") for problem in self.problems):
                self.problem(
                    f"{at}.{given}", "it has no hours", f"write {_HOURS_FORM}, or put it under closed"
                )
            if key := self.date_key(f"{at}.{given}", given):
                held[key] = hours
        return held

    def rules(self, data: object) -> Iterator[HolidayRule]:
        for at, item in self.items("holidays", data):
            fields = {"country": item} if isinstance(item, str) else self.mapping(at, item)
            for key in fields:
                if key not in {"country", "subdivision", "except"}:
                    mend = "known are country, subdivision, except"
                    self.problem(f"{at}.{key}", "there is no such field", mend)
            country, part = fields.get("country"), fields.get("subdivision", "")
            if country is False:
                self.problem(f"{at}.country", "YAML reads NO as a no", 'write "NO" in quotes')
                continue
            supported = holidays.list_supported_countries(include_aliases=True)
            if not isinstance(country, str) or country.upper() not in supported:
                mend = "give its ISO 3166 code, as in DE, US, GB"
                self.problem(f"{at}.country", f"no holiday rules are known for {country!r}", mend)
                continue
            names = tuple(str(name) for _, name in self.items("", fields.get("except")))
            rule = HolidayRule(country=country.upper(), subdivision=str(part or ""), without=names)
            try:
                table = rule.table()
            except NotImplementedError:
                mend = "known are " + ", ".join(supported[rule.country])
                self.problem(f"{at}.subdivision", f"{rule.country} has no {part!r}", mend)
                continue
            self.names(f"{at}.except", table, names)
            yield rule

    def names(self, at: str, table: Any, names: tuple[str, ...]) -> None:
        """Check that each excepted name is one of the rule's: a misspelt one would be a day off."""
        if not names:
            return
        known = {
            _plain(name)
            for year in range(2016, 2036)
            for day in table[f"{year}-01-01" : f"{year}-12-31"]
            for name in table.get_list(day)
        }
        for name in names:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                mend = f"did you mean {close[0]}?" if close else "known are " + ", ".join(sorted(known))
                self.problem(at, f"no holiday there is called {name!r}", mend)


def _plain(name: str) -> str:
    """A holiday's name without what is said of one year's date: `Independence Day (observed)`."""
    return re.sub(r" \((observed|estimated|observed, estimated)\)$", "", name)


def _told(span: tuple[int, int]) -> str:
    return "-".join(f"{t % DAY // 3600:02}:{t % 3600 // 60:02}" for t in span)
