"""When something happened, where carriers write the clock of the place and, often, no zone.

The rule, first that holds:

1.  an offset or a UTC time that was told with it
2.  the place of the event: a country all of whose zones had the same time then, or a state, province or
    territory of the United States, Canada or Australia of which that holds, or a ZIP code that tells which
    part of a state it is
3.  the setting `zone` of the connection
4.  none: the time is not known. The milestone keeps `local_time` alone, and says so in `origins`; its event
    has the latest instant that it can have been, so that nothing takes it for older than it is

A zone is never taken for granted, and never UTC. A day alone is the end of that day at its place, a bound.

Zones of countries are those of the IANA time zone database (zone.tab). Those of states are by its zones and,
for the United States, 49 CFR part 71. China is one zone, as its law has it.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from importlib import resources
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from crossdock.connect.contract import Setting
from crossdock.connectors._payload import Part
from crossdock.errors import Refused

ZONE = Setting(doc="IANA zone of times that come without one and whose place does not say it", optional=True)
"""The setting `zone` of a connection: rule 3."""

_LAST = timedelta(hours=-12)  # where a day ends last
_DAY_ENDS = time(23, 59, 59)
_NONE = timedelta()
_EASTERN, _CENTRAL = "America/New_York", "America/Chicago"
_MOUNTAIN, _PACIFIC = "America/Denver", "America/Los_Angeles"
_OFFSET = re.compile(r"(?:UTC|GMT)?\s*([+-])(\d{1,2}):?(\d{2})?\Z")
_DOT_NET = re.compile(r"/Date\((-?\d{1,15})([+-]\d{4})?\)/\Z").match
_CLOCK_AND_OFFSET = re.compile(r"([0-9:.,]+)\s*(Z|z|[+-]\d{1,2}:?\d{0,2})?\Z").match


def _states(country: str, *rows: tuple[str, str]) -> dict[tuple[str, str], tuple[str, ...]]:
    return {(country, state): tuple(zones.split()) for states, zones in rows for state in states.split()}


_STATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    **_states(
        "US",
        ("CT DC DE GA MA MD ME NC NH NJ NY OH PA RI SC VA VT WV", _EASTERN),
        ("AL AR IA IL LA MN MO MS OK WI", _CENTRAL),
        ("CO MT NM UT WY", _MOUNTAIN),
        ("CA NV WA", _PACIFIC),
        ("HI", "Pacific/Honolulu"),
        ("AZ", f"America/Phoenix {_MOUNTAIN}"),  # the Navajo Nation keeps summer time
        ("FL IN KY MI TN", f"{_EASTERN} {_CENTRAL}"),
        ("KS ND NE SD TX", f"{_CENTRAL} {_MOUNTAIN}"),
        ("ID OR", f"{_MOUNTAIN} {_PACIFIC}"),
        ("AK", "America/Anchorage America/Adak"),
        ("PR VI", "America/Puerto_Rico"),
        ("GU MP", "Pacific/Guam"),
        ("AS", "Pacific/Pago_Pago"),
    ),
    **_states(
        "CA",
        ("AB", "America/Edmonton"),
        ("BC", "America/Vancouver America/Creston America/Edmonton"),
        ("MB", "America/Winnipeg"),
        ("NB PE", "America/Moncton"),
        ("NS", "America/Halifax"),
        ("NL", "America/St_Johns America/Goose_Bay"),
        ("ON", "America/Toronto America/Winnipeg America/Atikokan"),
        ("QC PQ", "America/Toronto America/Blanc-Sablon America/Halifax"),
        ("SK", "America/Regina America/Edmonton"),
        ("YT", "America/Whitehorse"),
        ("NT", "America/Edmonton"),
        ("NU", "America/Iqaluit America/Rankin_Inlet America/Cambridge_Bay"),
    ),
    **_states(
        "AU",
        ("NSW", "Australia/Sydney Australia/Broken_Hill"),
        ("ACT", "Australia/Sydney"),
        ("VIC", "Australia/Melbourne"),
        ("QLD", "Australia/Brisbane"),
        ("SA", "Australia/Adelaide"),
        ("WA", "Australia/Perth Australia/Eucla"),
        ("TAS", "Australia/Hobart"),
        ("NT", "Australia/Darwin"),
    ),
}
_ONE = {"CN": ("Asia/Shanghai",)}
# States that two zones share, by the first three digits of the ZIP code: the zone of all but these prefixes.
_BY_ZIP: Mapping[str, tuple[str, frozenset[str]]] = {
    "TX": (_CENTRAL, frozenset(("798", "799", "885"))),
    "FL": (_EASTERN, frozenset(("324", "325"))),
    "MI": (_EASTERN, frozenset(("498", "499"))),
    "OR": (_PACIFIC, frozenset(("979",))),
    "KS": (_CENTRAL, frozenset(("677", "678", "679"))),
    "IN": (_EASTERN, frozenset(("463", "464", "465", "475", "476", "477", "479"))),
    "KY": (_EASTERN, frozenset(("401", "420", "421", "422", "423", "424", "425", "426", "427"))),
    "TN": (_CENTRAL, frozenset(("373", "374", "376", "377", "378", "379", "385"))),
}


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When: the instant where it is known, the bound for its event, and how it was told.

    `origin` says where the zone comes from; "" where it was told.
    """

    time: datetime | None
    bound: datetime
    local: str = ""
    precision: str = ""
    origin: str = ""
    zone: str = ""


def moment(
    day: str,
    clock: str = "",
    *,
    offset: str = "",
    country: str = "",
    region: str = "",
    postal_code: str = "",
    zone: str = "",
    where: Part | str = "",
) -> Moment:
    """The moment of a local day (`20240423`, `2024-04-23`) and clock (`095004`, `09:50`, `9:50 am`).

    `offset` is what was told with it (`-05:00`, `Z`), unless the clock has its own (`13:45:00+01:00`);
    `country` (ISO 3166-1), `region` and `postal_code` are its place, `zone` is the connection's setting.
    Raises `Refused` for what is no time.
    """
    split = _CLOCK_AND_OFFSET(clock.strip())
    if split is not None and split[2]:
        clock, offset = split[1], split[2]
    local = datetime.combine(_day(day, where), _clock(clock, where) if clock else _DAY_ENDS)
    precision = "day" if not clock else "" if _has_seconds(clock) else "minute"
    words = local.isoformat() if clock else local.date().isoformat()
    if offset:
        instant = _at(local, _fixed(offset, where), where)
        return Moment(time=instant, bound=instant, local=f"{words}{offset}", precision=precision)
    zones = _zones_at(country.upper(), region.upper(), postal_code) if country else ()
    offsets = {_offset_in(name, local) for name in zones}
    if len(offsets) == 1:
        instant = _at(local, offsets.pop(), where)
        return Moment(
            time=instant, bound=instant, local=words, precision=precision,
            origin=f"the zone of its place{_twice(zones[0], local)}", zone=zones[0],
        )  # fmt: skip
    if zone:
        instant = _at(local, _offset_in(zone, local), where)
        return Moment(
            time=instant, bound=instant, local=words, precision=precision,
            origin=f"the connection's zone {zone}{_twice(zone, local)}", zone="",
        )  # fmt: skip
    return Moment(
        time=None,
        bound=_at(local, min(offsets, default=_LAST), where),
        local=words,
        origin="no zone was told, and its place does not say one",
    )


def told_moment(
    text: str,
    *,
    country: str = "",
    region: str = "",
    postal_code: str = "",
    zone: str = "",
    where: Part | str = "",
    day_only: bool = False,
) -> Moment:
    """The moment of ISO 8601 text, with an offset or without: `2024-04-23T09:50:04-05:00`, `2024-04-23`.

    Or of JSON as .NET writes it: `/Date(1713883804000-0500)/`.

    With `day_only`, its clock is known to mean nothing.
    """
    text = text.strip()
    written = _DOT_NET(text)
    if written is not None:
        text = _of_dot_net(int(written[1]), written[2] or "+0000", where)
    day, clock = text[:10], text[11:]
    offset = ""
    if clock:
        split = _CLOCK_AND_OFFSET(clock)
        if split is None:
            raise Refused(f"{text!r} is not a time", where=str(where))
        clock, offset = split[1], split[2] or ""
    if day_only:
        clock = ""
    return moment(
        day,
        clock,
        offset=offset,
        country=country,
        region=region,
        postal_code=postal_code,
        zone=zone,
        where=where,
    )


def _of_dot_net(milliseconds: int, offset: str, where: Part | str) -> str:
    """Milliseconds since 1970 in UTC, with the offset of the clock that it was read from, as ISO 8601."""
    try:
        instant = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
        return instant.astimezone(timezone(_fixed(offset, where))).isoformat(timespec="seconds")
    except OverflowError:
        raise Refused(f"{milliseconds} is before or after all calendars", where=str(where)) from None


def expected(
    text: str, *, country: str = "", region: str = "", postal_code: str = "", zone: str = ""
) -> Moment | None:
    """When it is expected. Midnight stands for a day, whatever offset it is told with: the end of it there.

    None where it cannot be read, since the scans stand whether or not it can.
    """
    try:
        if "T00:00:00" not in text:
            return told_moment(text, country=country, region=region, postal_code=postal_code, zone=zone)
        day = told_moment(text[:10], country=country, region=region, postal_code=postal_code, zone=zone)
        return day if day.time else told_moment(text, day_only=True)
    except Refused:
        return None


def no_moment(received: datetime, origin: str = "no time was told") -> Moment:
    """Of what was told without any time: it was before it was received. `origin` says so."""
    return Moment(time=None, bound=received, origin=origin)


def _zones_at(country: str, region: str, postal_code: str) -> Sequence[str]:
    if country == "US" and region in _BY_ZIP and len(postal_code) >= 5 and postal_code[:5].isdecimal():
        zone, others = _BY_ZIP[region]
        if postal_code[:3] not in others:
            return (zone,)
    return _STATES.get((country, region)) or _ONE.get(country) or zones_of(country)


def is_state(code: str, *countries: str) -> bool:
    """Whether letters are a state, province or territory of these: the United States, Canada, Australia."""
    return any((country, code) in _STATES for country in countries or ("US", "CA", "AU"))


@functools.cache
def _countries() -> Mapping[str, Sequence[str]]:
    found: dict[str, list[str]] = {}
    text = resources.files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            country, _, name = line.split("\t")[:3]
            found.setdefault(country, []).append(name)
    return found


def zones_of(country: str) -> Sequence[str]:
    """The zones of a country by its ISO 3166-1 code; none for one that is not known."""
    return _countries().get(country, ())


def _at(local: datetime, offset: timedelta, where: Part | str) -> datetime:
    try:
        return (local - offset).replace(tzinfo=UTC)
    except OverflowError:
        raise Refused(f"{local.isoformat()} is before or after all calendars", where=str(where)) from None


def _offset_in(name: str, local: datetime) -> timedelta:
    """How far a zone's clocks are from UTC when they show that; at the first time, where they do twice."""
    try:
        return _zone(name).utcoffset(local) or _NONE
    except (ZoneInfoNotFoundError, ValueError):
        raise Refused(f"{name} is no IANA time zone", where="settings.zone", mend="name one") from None


def _twice(name: str, local: datetime) -> str:
    """What is said of a local time that comes twice where clocks are put back: it is the first."""
    first, second = (_zone(name).utcoffset(local.replace(fold=fold)) or _NONE for fold in (0, 1))
    return "; that hour comes twice there, and it is taken for the first" if second < first else ""


@functools.cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _fixed(text: str, where: Part | str) -> timedelta:
    found = _offset_of(text)
    if found is None:
        raise Refused(f"{text!r} is not an offset from UTC", where=str(where))
    return found


@functools.lru_cache(512)
def _offset_of(text: str) -> timedelta | None:
    if text in ("Z", "z", "UTC", "GMT"):
        return _NONE
    found = _OFFSET.match(text)
    if found is None or int(found[2]) > 14 or int(found[3] or 0) > 59:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return -offset if found[1] == "-" else offset


def _day(text: str, where: Part | str) -> date:
    try:
        return _date_of(text.strip())
    except ValueError:
        raise Refused(f"{text!r} is not a day", where=str(where)) from None


def _clock(text: str, where: Part | str) -> time:
    try:
        return _time_of(text.strip())
    except ValueError:
        raise Refused(f"{text!r} is not a time of day", where=str(where)) from None


@functools.lru_cache(4096)
def _date_of(text: str) -> date:
    if len(text) == 8 and text.isdecimal():
        return date(int(text[:4]), int(text[4:6]), int(text[6:]))
    if len(text) == 10 and text[4] == "-":
        return date.fromisoformat(text)
    return datetime.strptime(text, "%B %d, %Y").date()  # noqa: DTZ007 - a day has no zone


@functools.lru_cache(4096)
def _time_of(text: str) -> time:
    if text.isdecimal() and len(text) in (3, 4, 5, 6):
        text = text.zfill(4) if len(text) < 5 else text.zfill(6)
        return time(int(text[:2]), int(text[2:4]), int(text[4:] or 0))
    if text[-1:].lower() == "m":
        return datetime.strptime(text.lower(), "%I:%M %p").time()  # noqa: DTZ007 - nor has a clock
    return time.fromisoformat(text.replace(",", "."))


def _has_seconds(clock: str) -> bool:
    return clock.count(":") > 1 or (clock.isdecimal() and len(clock) > 4)
