"""What USPS answers and tells, in our words: Tracking v3 (JSON), its push, and Web Tools TrackV2 (XML).

A push of a subscription holds what Tracking v3 answers, as JSON in the text `payload`.

The JSON has GMT or its offset with each event; Web Tools has the clock of the place, and the state says the
zone where it lies in one. Neither says a country inside the United States.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree as ET

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._payload import Part, payload, unfolded
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import words
from crossdock.connectors._zones import Moment, moment, no_moment, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.usps"
Seen = list[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """A push or an answer, in either form. Raises `Refused` for what is none, or tells of none."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones in an answer of Tracking v3."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def seen(body: Part, zone: str) -> Seen:
    """The pieces of a payload and what was seen of them. Raises `Refused` where USPS tells of none."""
    if body["TrackResponse"]:
        return _web_tools(body["TrackResponse"], zone)
    if body["subscriptionId"] and body["payload"]:
        body = unfolded(body["payload"])
    listed = [*body.each("trackingDetails"), *body.each("TrackingDetails")] if _is_object(body) else []
    if isinstance(body.value, list):
        listed = [Part(one, f"[{n}]") for n, one in enumerate(body.value)]
    pieces = [one for one in listed or [body] if one["trackingEvents"] or one["eventCode"]]
    if pieces:
        return [_piece(one, zone) for one in pieces]
    if body["trackingNumber"] and not body["error"]:
        return []  # known, and nothing seen yet
    raise _refusal(body)


def _is_object(body: Part) -> bool:
    return isinstance(body.value, dict)


def _refusal(body: Part) -> Refused:
    web_tools = body["Error"]
    if web_tools:
        return _no(web_tools, f"{web_tools.text('Number')} {web_tools.text('Description')}")
    error = body["error"]
    if error:
        nested = isinstance(error.value, dict)
        code = error.text("code") if nested else error.text()
        said = error.text("message") if nested else body.text("error_description")
        return _no(error, f"{code} {said}")
    return Refused(
        "it is no tracking of USPS: there is neither `trackingEvents` nor `TrackResponse`", where=body.where
    )


def _no(part: Part, said: str) -> Refused:
    return Refused(
        f"USPS says no tracking: {' '.join(said.split())}",
        where=part.where,
        mend="see that the number is right and that USPS has the piece; then ask again",
    )


# -- Tracking v3 and its push ----------------------------------------------------------------------------


def _piece(piece: Part, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    events = list(piece.each("trackingEvents")) or [piece]
    scans = [_scan(event, zone) for event in events]
    return (
        Parcel(
            carrier="usps",
            number=piece.needed("trackingNumber"),
            service=_plain(piece.text("mailClass")),
            estimate=_due(piece),
        ),
        scans,
    )


def _scan(event: Part, zone: str) -> Scan:
    code, local = event.text("eventCode"), event.text("eventTimestamp")
    country, region = event.text("eventCountry"), event.text("eventState")
    home = country.upper() in ("", "US", "USA", "UNITED STATES")
    offset, gmt = event.text("GMTOffset"), event.text("GMTTimestamp")
    if local and offset:
        when = moment(local[:10], local[11:19], offset=offset, where=event)
    elif gmt:
        when = told_moment(gmt if gmt.endswith("Z") or "+" in gmt[10:] else f"{gmt}Z", where=event)
    else:
        when = told_moment(
            event.needed("eventTimestamp"),
            country="US" if home and region else "",
            region=region,
            postal_code=event.text("eventZIP"),
            zone=zone,
            where=event["eventTimestamp"],
        )
    return Scan(
        asks=[("event", code)],
        when=when,
        code=code,
        text=event.text("eventType") or event.text("event"),
        place=_place(event.text("eventCity"), region, event.text("eventZIP"), "" if home else country),
        id=f"{code}/{when.local[:16]}",
        signed_by=event.text("name") or event.text("firm"),
    )


def _due(piece: Part) -> Moment | None:
    expected = piece["deliveryDateExpectation"]
    text = (
        expected.text("predictedDeliveryDate")
        or expected.text("expectedDeliveryDate")
        or piece.text("expectedDeliveryTimeStamp")
    )
    region = piece.text("destinationState")
    if not text or piece.text("statusCategory").startswith("Delivered"):
        return None
    try:
        country, postal_code = "US" if region else "", piece.text("destinationZIP")
        return told_moment(text[:10], country=country, region=region, postal_code=postal_code)
    except Refused:
        return None  # the scans stand whether or not the estimate can be read


def _place(city: str, region: str, postal_code: str, country: str) -> dict[str, str]:
    inside = "US" if region and not country else country
    return place(city=city, region=region, postal_code=postal_code, country=inside)


def _plain(text: str) -> str:
    return text.partition("<")[0].partition("&lt;")[0].strip()


# -- Web Tools -------------------------------------------------------------------------------------------


def _web_tools(answered: Part, zone: str) -> Seen:
    found: Seen = []
    no: Refused | None = None
    for info in answered.each("TrackInfo"):
        error = info["Error"]
        if error:
            no = no or _no(error, f"{error.text('Number')} {error.text('Description')}")
            continue
        events = [*info.each("TrackSummary"), *info.each("TrackDetail")]
        number = info.value.get("ID", "").strip() if isinstance(info.value, ET.Element) else ""
        if not number:
            raise Refused("`ID` is missing", where=info.where)
        parcel = Parcel(
            carrier="usps", number=number, service=_plain(info.text("Class")), estimate=_day(info)
        )
        scans = [_event(event, zone) for event in events if event["EventDate"] or not event["Event"]]
        first = min((scan.when.bound for scan in scans), default=None)
        undated = [event for event in events if event["Event"] and not event["EventDate"]]
        scans += [_event(event, zone, no_moment(first)) for event in undated if first]
        found.append((parcel, scans))
    if not found and no is not None:
        raise no
    return found


def _event(event: Part, zone: str, undated: Moment | None = None) -> Scan:
    """`undated` stands for what has no date, such as news of the post in another country."""
    if isinstance(event.value, str):
        raise Refused(
            "the event is a sentence, without its code and time apart",
            where=event.where,
            mend="ask with TrackFieldRequest",
        )
    code, region, country = event.text("EventCode"), event.text("EventState"), event.text("EventCountry")
    when = undated or moment(
        event.needed("EventDate"),
        event.text("EventTime"),
        country="US" if region and not country else "",
        region=region,
        postal_code=event.text("EventZIPCode"),
        zone=zone,
        where=event,
    )
    return Scan(
        asks=[("event", code)],
        when=when,
        code=code,
        text=event.text("Event"),
        place=_place(event.text("EventCity"), region, event.text("EventZIPCode"), country),
        id=f"{code}/{when.local[:16]}",
        signed_by=event.text("Name") or event.text("FirmName"),
    )


def _day(info: Part) -> Moment | None:
    text = info.text("PredictedDeliveryDate") or info.text("ExpectedDeliveryDate")
    region = info.text("DestinationState")
    if not text or info.text("StatusCategory").startswith("Delivered"):
        return None
    try:
        country, postal_code = "US" if region else "", info.text("DestinationZip")
        return moment(text, country=country, region=region, postal_code=postal_code)
    except Refused:
        return None
