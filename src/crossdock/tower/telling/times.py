"""Instants as people read them: in one zone, which is named, and how far away they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from crossdock.errors import Refused

_WRITTEN = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def zone_of(name: str) -> ZoneInfo:
    """The zone of that IANA name. Raises `Refused`."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Refused(
            f"{name!r} is no time zone", where="zone", mend="give an IANA name such as Europe/Berlin"
        ) from error


@dataclass(frozen=True, slots=True)
class Times:
    """Tells instants in `zone`, seen from `now` (the engine's clock, which may be virtual)."""

    zone: ZoneInfo
    now: datetime
    rate: float | None = None  # of a virtual clock: so many times as fast as the real one

    @property
    def zone_name(self) -> str:
        """The zone as it is named beside times."""
        return self.zone.key

    def at(self, instant: datetime) -> str:
        """Day and minute; the year where it is not this one."""
        local = instant.astimezone(self.zone)
        year = "" if local.year == self.now.astimezone(self.zone).year else f" {local.year}"
        return f"{local.day} {local:%b}{year} {local:%H:%M}"

    def full(self, instant: datetime) -> str:
        """Everything: weekday, second, zone."""
        local = instant.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %Y %H:%M:%S} {local.tzname()}"

    def clock(self) -> str:
        """The time it is."""
        local = self.now.astimezone(self.zone)
        return f"{local:%a} {local.day} {local:%b %Y %H:%M}"

    def iso(self, instant: datetime) -> str:
        """For machines."""
        return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")

    def retold(self, text: str) -> str:
        """A text in which instants stand as machines write them, with each as people read it."""
        return _WRITTEN.sub(lambda hit: self._told(hit[0]), text)

    def _told(self, written: str) -> str:
        instant = instant_of(written)
        return self.at(instant) if instant is not None else written

    def away(self, instant: datetime) -> str:
        """How far off, in words: `in 3 h`, `2 d ago`."""
        seconds = (instant - self.now).total_seconds()
        if abs(seconds) < 60:
            return "now"
        return f"in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} ago"

    def due(self, instant: datetime) -> str:
        """A deadline in words: `due in 3 h`, `2 d late`."""
        seconds = (instant - self.now).total_seconds()
        if abs(seconds) < 60:
            return "due now"
        return f"due in {span(seconds)}" if seconds > 0 else f"{span(-seconds)} late"

    def late(self, instant: datetime) -> bool:
        """Whether a deadline has passed."""
        return instant <= self.now


def span(seconds: float | timedelta) -> str:
    """A length of time in its largest unit, and the next where that says something: `1 d 4 h`, `35 min`."""
    rest = int(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if rest < 60:
        return f"{rest} s"
    for n, (unit, size) in enumerate(_UNITS):
        whole, left = divmod(rest, size)
        if whole:
            smaller = left // _UNITS[n + 1][1] if n + 1 < len(_UNITS) else 0
            shown = f" {smaller} {_UNITS[n + 1][0]}" if smaller and whole < 10 else ""
            return f"{whole} {unit}{shown}"
    return "0 s"


def instant_of(value: object) -> datetime | None:
    """The instant that a JSON value writes, if it does."""
    if not isinstance(value, str) or len(value) < 16 or not value[:4].isdecimal():
        return None
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
