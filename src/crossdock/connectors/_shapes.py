"""Carriers whose tracking is a list of parcels with their events, told apart by paths alone.

A `Shape` says where things stand in the payload; paths are dotted, the first that is there counts. Most of
the long tail needs no more; whoever does reads its payload itself, as the large carriers' connectors do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict
from zoneinfo import ZoneInfo

from crossdock.connect.contract import Happening, Notice
from crossdock.connectors._countries import alpha2, country_in
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings, place
from crossdock.connectors._words import words
from crossdock.connectors._zones import Moment, expected, is_state, moment, no_moment, told_moment
from crossdock.errors import Refused
from crossdock.model.codes import COUNTRIES

Paths = tuple[str, ...]


class _Known(TypedDict):
    country: str
    region: str
    postal_code: str
    zone: str
    where: Part


_NAMED: Mapping[str, str] = {
    "NST": "America/St_Johns",
    "AST": "America/Halifax",
    "EST": "America/Toronto",
    "CST": "America/Winnipeg",
    "CSTNO": "America/Regina",  # no summer time
    "MST": "America/Edmonton",
    "PST": "America/Vancouver",
}
"""Zones as Canada Post names them, in summer too: `EST` is what clocks in Toronto show in July as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Where a carrier's payload has what.

    `parcels` are paths from the payload ("" is itself), others from the parcel or its event. `of` is what the
    codes are of in the table. `clock` is the time of day where it stands apart from the day, `abbreviated`
    a zone as Canada Post names it. `formats` are those of `strptime` where it is not ISO 8601. `errors` are
    paths of what says that there is nothing, with those of its code and words.
    """

    package: str
    carrier: str
    parcels: Paths
    number: Paths
    events: Paths
    code: Paths
    time: Paths
    of: str = "event"
    back: tuple[str, str] = (
        "",
        "",
    )  # a path, and what stands there of an event on the way back to its sender
    clock: Paths = ()
    abbreviated: Paths = ()
    zone: Paths = ()
    formats: Paths = ()
    text: Paths = ()
    name: Paths = ()
    city: Paths = ()
    region: Paths = ()
    postal_code: Paths = ()
    country: Paths = ()
    home: str = ""  # the country of an event that names one of its states or provinces alone
    located: Paths = ()  # town, perhaps region, and perhaps country, in one text
    always_country: bool = False  # that text ends with a country where it ends with two letters
    signed: Paths = ()
    signed_by: Paths = ()  # of the parcel
    due: Paths = ()
    errors: tuple[tuple[str, str, str], ...] = field(default=())


def reader(shape: Shape) -> Callable[[Notice], list[Happening]]:
    """What reads a push or an answer of that shape. Raises `Refused` for what is none, or tells of none."""

    def read(notice: Notice) -> list[Happening]:
        body = payload(notice)
        known = words(shape.package)
        return happenings(known, _seen(shape, body, notice.settings.get("zone", ""), notice.received))

    return read


def _seen(shape: Shape, body: Part, zone: str, received: datetime) -> list[tuple[Parcel, Sequence[Scan]]]:
    found: list[tuple[Parcel, Sequence[Scan]]] = []
    no = next(_refusals(shape, body), None)
    for parcel in _all(body, shape.parcels):
        refusal = next(_refusals(shape, parcel), None)
        if not any(_first(parcel, (path,)) for path in shape.number):
            no = no or refusal
            continue
        events = list(_all(parcel, shape.events))
        if refusal is not None and not events:
            no = no or refusal
            continue
        scans = [_scan(shape, parcel, event, zone, received) for event in events]
        found.append((_parcel(shape, parcel), scans))
    if found:
        return found
    if no is not None:
        raise no
    raise Refused(
        f"it is no tracking of {shape.carrier}: there is no {' or '.join(shape.number)}", where=body.where
    )


def _refusals(shape: Shape, part: Part) -> Iterator[Refused]:
    for path, code, message in shape.errors:
        for error in _all(part, (path,)):
            said = " ".join(f"{_first(error, (code,))} {_first(error, (message,))}".split())
            if said:
                yield Refused(
                    f"{shape.carrier} says no tracking: {said}",
                    where=error.where,
                    mend="see that the number and the account are right; then ask again",
                )


def _parcel(shape: Shape, parcel: Part) -> Parcel:
    number = _first(parcel, shape.number)
    return Parcel(carrier=shape.carrier, number=number, estimate=_due(shape, parcel))


def _scan(shape: Shape, parcel: Part, event: Part, zone: str, received: datetime) -> Scan:
    code, text = _coded(shape, event), " ".join(": ".join(_every(event, shape.text)).split())
    when = _when(shape, event, zone, received)
    country, region = _country_and_region(shape, event)
    return Scan(
        asks=[(shape.of, code)],
        when=when,
        code=code,
        text=text,
        place=place(
            name=_first(event, shape.name) or _first(event, shape.located),
            city=_first(event, shape.city),
            region=region,
            postal_code=_first(event, shape.postal_code),
            country=country,
        ),
        id=f"{code}/{text[:60]}/{when.local[:19] if when.local else '-'}",
        signed_by=_first(event, shape.signed) or _first(parcel, shape.signed_by),
    )


def _coded(shape: Shape, event: Part) -> str:
    """Its code; of one on the way back, after the word that says so, since it means another thing there."""
    code, (path, word) = _first(event, shape.code), shape.back
    return f"{word} {code}" if word and _first(event, (path,)) == word else code


def _when(shape: Shape, event: Part, zone: str, received: datetime) -> Moment:
    text = _first(event, shape.time)
    if not text:
        return no_moment(received)
    country, region = _country_and_region(shape, event)
    known = _Known(
        country=country,
        region=region,
        postal_code=_first(event, shape.postal_code),
        zone=_first(event, shape.zone) or zone,
        where=event,
    )
    clock, abbreviated = _first(event, shape.clock), _first(event, shape.abbreviated).upper()
    if shape.abbreviated and clock == "00:00:00" and not abbreviated:
        clock = ""  # of an archive, which keeps days alone
    if clock:
        return moment(text, clock, offset=_offset(text, clock, abbreviated), **known)
    for format_ in shape.formats:
        try:
            local = datetime.strptime(text, format_)  # noqa: DTZ007 - its zone is found next
        except ValueError:
            continue
        return told_moment(local.isoformat(), **known)
    return told_moment(text.replace(" ", "T", 1), **known)


def _offset(day: str, clock: str, abbreviated: str) -> str:
    """That of the zone so named at that local time; "" for no zone, or no time."""
    try:
        local = datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=ZoneInfo(_NAMED[abbreviated]))
    except (KeyError, ValueError):
        return ""
    return local.isoformat()[-6:]


def _country_and_region(shape: Shape, event: Part) -> tuple[str, str]:
    """The country and region, from their fields or from the end of what locates it.

    `Amman, Jordan` names its country. `Berlin, DE` may be a place in Delaware: two letters that are a state
    as well are no country there, unless a region stands before them or the carrier always ends with a
    country.
    """
    country, region = alpha2(_first(event, shape.country)), _first(event, shape.region)
    if shape.home and not country:  # a site abroad ends with its country: `02650,Israel`
        country = shape.home if is_state(region, shape.home) else country_in(_first(event, shape.city))
    words_ = [word.strip() for word in _first(event, shape.located).split(",")]
    last = "GB" if words_[-1] == "UK" else words_[-1]
    if country or last not in COUNTRIES:
        return country or country_in(", ".join(words_)), region
    before = words_[-2] if len(words_) > 2 else ""
    if shape.always_country or before or not is_state(last):
        return last, region or before
    return "", region


def _due(shape: Shape, parcel: Part) -> Moment | None:
    text = _first(parcel, shape.due)
    return expected(text.replace(" ", "T", 1)) if text else None


def _all(part: Part, paths: Paths) -> Iterator[Part]:
    """The parts at the first path that has any; a list on the way is gone through."""
    for path in paths:
        found = [part]
        for name in path.split(".") if path else ():
            found = [inner for one in found for inner in (one.each(name) if _has(one, name) else ())]
        if path == "" and isinstance(part.value, list):
            found = [Part(one, f"[{n}]") for n, one in enumerate(part.value)]
        if found:
            yield from found
            return


def _first(part: Part, paths: Paths) -> str:
    return next(_every(part, paths), "")


def _every(part: Part, paths: Paths) -> Iterator[str]:
    for path in paths:
        if not path:
            text = part.text() if isinstance(part.value, str | int) else ""
        else:
            found = next(_all(part, (path,)), None)
            scalar = found is not None and not isinstance(found.value, dict | list)
            text = found.text() if found is not None and scalar else ""
        if text:
            yield text


def _has(part: Part, name: str) -> bool:
    if isinstance(part.value, Mapping):
        return name in part.value
    return hasattr(part.value, "findall")
