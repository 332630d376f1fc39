"""What UPS answers and tells, in our words: tracking (Track API v1) and pushes (Track Alert).

Track writes the clock of the place, newer answers with `gmtOffset`; Track Alert writes both clocks. UPS names
a scan by a type and a code (`I`/`DP`) and, more simply, by a package status of three digits. The same code
means another thing in each of UPS's tables (`UA` is an arrival among movements, a return among exceptions):
the type says which one is asked, freight and Mail Innovations have their own. What moves (`I`) is asked
among exceptions and deliveries too, but only where they tell of a movement as well. What no table has is
asked by the status, and only then by the type, unless that is as wide as `I` and `X` are. UPS ends a hold at
customs with the code that began it: what the status says has cleared is held no more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import told, words
from crossdock.connectors._zones import Moment, moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.ups"
_DUE = ("RDD", "SDD")  # rescheduled before scheduled
_CLOCKS = frozenset(("CMT", "EDW", "CDW", "IDW"))
_TABLES: Mapping[str, Sequence[str]] = {
    "M": ("manifest",),
    "MV": ("manifest",),
    "D": ("delivery", "exception"),
    "X": ("exception", "delivery"),
    "RS": ("exception", "delivery"),
    "U": ("update",),
}
_FREIGHT = ("freight", "freight exception")
_BACK = frozenset(("return_started", "returned_to_sender"))
_WIDE = frozenset(("I", "X"))  # too wide to say what a code means that is not known
_NO_ROW: Mapping[str, str] = {"milestone": "", "reason": ""}
Seen = Iterator[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """A push of Track Alert, or an answer of Track. Raises `Refused` for what is neither."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones in an answer of Track."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def delivery_id(notice: Notice) -> str:
    """UPS gives none: number, status and its time in GMT name the push."""
    body = payload(notice)
    status = body["activityStatus"]
    parts = [body.text("trackingNumber"), status.text("type"), status.text("code")]
    return (
        "/".join([*parts, body.text("gmtActivityDate"), body.text("gmtActivityTime")]) if all(parts) else ""
    )


def seen(body: Part, zone: str) -> Seen:
    """The packages of a payload and what was seen of them. Raises `Refused` where UPS tells of none."""
    if body["activityStatus"]:
        yield _pushed(body, zone)
        return
    answered = body["trackResponse"]
    if not answered:
        raise _refusal(body)
    for shipment in answered.each("shipment"):
        packages = list(shipment.each("package"))
        if not packages:
            raise _refusal(shipment)
        for package in packages:
            yield _package(shipment, package, len(packages), zone)


def _refusal(body: Part) -> Refused:
    for name in ("warnings", "errors"):
        for part in (body, body["response"]):
            for said in part.each(name):
                return Refused(
                    f"UPS says no tracking: {said.text('code')} {said.text('message')}".rstrip(),
                    where=said.where,
                    mend="see that the number is right and that UPS has the parcel; then ask again",
                )
    return Refused(
        "it is neither an answer of UPS Track (`trackResponse`) nor a push of Track Alert (`activityStatus`)",
        where=body.where,
    )


def _package(shipment: Part, package: Part, among: int, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    number = package.text("trackingNumber") or shipment.needed("inquiryNumber")
    count = package.text("packageCount")
    pieces = max(among, int(count) if count.isdecimal() else 1)
    several = pieces > 1
    delivery = package["deliveryInformation"]
    signed, left = delivery.text("receivedBy"), delivery.text("location")
    tables = _own_tables(package)
    scans = []
    for activity in package.each("activity"):
        address = activity["location"]["address"]
        country = address.text("countryCode") or address.text("country")
        when = moment(
            activity.needed("date"),
            activity.text("time"),
            offset=activity.text("gmtOffset")
            or _offset(*(activity.text(name) for name in ("date", "time", "gmtDate", "gmtTime"))),
            country=country,
            region=address.text("stateProvince"),
            postal_code=address.text("postalCode"),
            zone=zone,
            where=activity,
        )
        status = activity["status"]
        code = status.text("code")
        scan = _scan(status.text("type"), code, status.text("statusCode"), when, tables)
        scans.append(
            Scan(
                **scan,
                text=status.text("description"),
                place=_place(address, country),
                signed_by=signed,
                proof=told(left_at=left[:500]),
            )
        )
    parcel = Parcel(
        carrier="ups",
        number=(shipment.text("inquiryNumber") or number) if several else number,
        package=number if several else "",
        pieces=pieces,
        service=package.text("service", "description"),
        estimate=_due(package, zone),
    )
    return parcel, scans


def _pushed(body: Part, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    location, status = body["activityLocation"], body["activityStatus"]
    country, region = location.text("country"), location.text("stateProvince")
    day, clock = body.text("localActivityDate"), body.text("localActivityTime")
    offset = _offset(day, clock, body.text("gmtActivityDate"), body.text("gmtActivityTime"))
    if not day:
        day, clock, offset = body.needed("gmtActivityDate"), body.text("gmtActivityTime"), "Z"
    when = moment(day, clock, offset=offset, country=country, region=region, zone=zone, where=body)
    due = body.text("scheduledDeliveryDate")
    scan = Scan(
        **_scan(status.text("type"), status.text("code"), status.text("descriptionCode"), when),
        text=status.text("description"),
        place=_place(location, country),
        signed_by=body.text("receivedBy"),
    )
    parcel = Parcel(
        carrier="ups",
        number=body.needed("trackingNumber"),
        estimate=_estimate(due, "", offset=offset, country=country, region=region, zone=zone)
        if due and not body.text("actualDeliveryDate")
        else None,
    )
    return parcel, [scan]


def _own_tables(package: Part) -> Sequence[str]:
    """The tables of freight and of Mail Innovations; none for a package, whose types say which."""
    service = package.text("service", "description").lower()
    if "mail innovations" in service:
        return ("mail",)
    freight = "freight" in service and "express freight" not in service  # pallets among packages
    return _FREIGHT if freight else ()


def _scan(kind: str, code: str, number: str, when: Moment, tables: Sequence[str] = ()) -> dict[str, Any]:
    if not tables:
        tables = _FREIGHT if len(code) == 3 and code.isdecimal() else _TABLES.get(kind, ("movement",))
    forms = (code, code.lstrip("0")) if code else ()
    asks = [(table, form) for table in tables for form in forms]
    if tables == ("movement",):
        others = [(table, form) for table in ("exception", "delivery") for form in forms]
        asks += [ask for ask in others if not words(_WORDS).get(ask, {"reason": "?"})["reason"]]
    if number:
        status = ("status", number.zfill(3))
        if words(_WORDS).get(status, _NO_ROW)["milestone"] == "customs_cleared":
            asks = [ask for ask in asks if words(_WORDS).get(ask, _NO_ROW)["reason"] != "delay_customs"]
        asks.append(status)
    if kind == "RS":  # the same code is another thing where nothing goes back: only rows of a return count
        asks = [ask for ask in asks if words(_WORDS).get(ask, _NO_ROW)["milestone"] in _BACK]
    if not (code or number) or kind not in _WIDE:
        asks.append(("type", kind))
    return {
        "asks": asks,
        "code": " ".join(word for word in (kind, code, number) if word),
        "id": f"{kind or '-'}/{code or number}/{when.local[:19]}",
        "when": when,
    }


def _place(address: Part, country: str) -> dict[str, str]:
    return place(
        city=address.text("city"),
        region=address.text("stateProvince"),
        postal_code=address.text("postalCode"),
        country=country,
    )


def _offset(day: str, clock: str, gmt_day: str, gmt_clock: str) -> str:
    """How far the clock of the place is from GMT, where both were told."""
    if not (day and clock and gmt_day and gmt_clock):
        return ""
    try:
        local = datetime.fromisoformat(f"{day}T{clock.zfill(6)}")
        gmt = datetime.fromisoformat(f"{gmt_day}T{gmt_clock.zfill(6)}")
    except ValueError:
        return ""
    minutes = round((local - gmt) / timedelta(minutes=1))
    if abs(minutes) > 14 * 60 or minutes % 15:
        return ""  # no place has that: one of them is not what it says
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _due(package: Part, zone: str) -> Moment | None:
    days = {one.text("type"): one.text("date") for one in package.each("deliveryDate")}
    day = next((days[kind] for kind in _DUE if days.get(kind)), "")
    if not day or days.get("DEL"):
        return None
    clock = package["deliveryTime"]
    address = next(
        (one["address"] for one in package.each("packageAddress") if one.text("type") == "DESTINATION"),
        Part(None),
    )
    end = clock.text("endTime") if clock.text("type") in _CLOCKS else ""
    country = address.text("countryCode") or address.text("country")
    region, postal_code = address.text("stateProvince"), address.text("postalCode")
    return _estimate(day, end, country=country, region=region, postal_code=postal_code, zone=zone)


def _estimate(day: str, clock: str, **known: str) -> Moment | None:
    """An estimate; none where it cannot be read, since the scans stand whether or not it can."""
    try:
        return moment(day, clock, **known)
    except Refused:
        return None
