"""What FedEx answers and tells, in our words: Track API v1 (JSON), its push, and the older web service (XML).

Scans carry an offset; one at midnight without an offset is a day alone. A tracking number may have several
results, of one parcel that was shipped anew or of one from long ago: all are told, each scan once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import told, words
from crossdock.connectors._zones import Moment, expected, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.fedex"
_BAD = ("ERROR", "FAILURE")
_MASTERS = ("STANDARD_MPS", "GROUP_MPS")
_LONG_AGO = timedelta(days=90)
_DONE = {"DL": "ACTUAL_DELIVERY", "PU": "ACTUAL_PICKUP"}
Seen = list[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """A push or an answer, in either form. Raises `Refused` for what is none, or says that there is none."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones in an answer of the Track API."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def seen(body: Part, zone: str) -> Seen:
    """The packages of a payload and what was seen of them. Raises `Refused` where FedEx tells of none."""
    reply = body["TrackReply"] or body["Envelope"]["Body"]["TrackReply"]
    if reply:
        details = [d for done in reply.each("CompletedTrackDetails") for d in done.each("TrackDetails")]
        found, no = _each(details or list(reply.each("TrackDetails")), zone, _detail, _no_detail)
        no = no or _no_reply(reply)
    else:
        output = body["output"] or body
        results = [r for done in output.each("completeTrackResults") for r in done.each("trackResults")]
        if not output["completeTrackResults"] and not body["errors"]:
            raise Refused(
                "it is no tracking of FedEx: there is neither `completeTrackResults` nor `TrackReply`",
                where=body.where,
            )
        found, no = _each(results, zone, _result, _no_result)
        no = no or next((_no(e, e.text("code"), e.text("message")) for e in body.each("errors")), None)
    if not found and no is not None:
        raise no
    return _current(found)


def _current(found: Seen) -> Seen:
    """Without parcels of long ago: FedEx gives a number again and tells of all that had it."""
    last = {
        n: (parcel.number, max(scan.when.bound for scan in scans))
        for n, (parcel, scans) in enumerate(found)
        if scans
    }
    newest = {number: max(b for of, b in last.values() if of == number) for number, _ in last.values()}
    old = {n for n, (number, bound) in last.items() if newest[number] - bound > _LONG_AGO}
    return [one for n, one in enumerate(found) if n not in old]


def _each(parts: list[Part], zone: str, read: Any, refuse: Any) -> tuple[Seen, Refused | None]:
    """Those that tell something, and why the first of the others does not."""
    found: Seen = []
    no: Refused | None = None
    for part in parts:
        refusal = refuse(part)
        if refusal is None:
            found.append(read(part, zone))
        no = no or refusal
    return found, no


def _no(part: Part, code: str, message: str) -> Refused:
    return Refused(
        f"FedEx says no tracking: {code} {message}".strip(),
        where=part.where,
        mend="see that the number is right and that FedEx has the parcel; then ask again",
    )


def _no_result(result: Part) -> Refused | None:
    error = result["error"]
    if error and not result["scanEvents"]:
        return _no(error, error.text("code"), error.text("message"))
    return None


def _no_detail(detail: Part) -> Refused | None:
    for note in detail.each("Notification"):
        if note.text("Severity") in _BAD:
            return _no(note, note.text("Code"), note.text("Message"))
    return None


def _no_reply(reply: Part) -> Refused | None:
    for holder in (reply, *reply.each("CompletedTrackDetails")):
        for note in holder.each("Notifications"):
            if note.text("Severity") in _BAD:
                return _no(note, note.text("Code"), note.text("Message"))
    return None


# -- Track API v1 ----------------------------------------------------------------------------------------


def _result(result: Part, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    number = result.needed("trackingNumberInfo", "trackingNumber")
    package = result["packageDetails"]
    count = package.text("count")
    pieces = int(count) if count.isdecimal() else 1
    delivery = result["deliveryDetails"]
    signed = delivery.text("receivedByName") or delivery.text("signedByName")
    proof = told(left_at=delivery.text("locationDescription")[:500])
    events = list(result.each("scanEvents")) or _latest(result)
    scans = [_scan(event, zone, signed, proof) for event in events]
    parcel = Parcel(
        carrier="fedex",
        number=_master(result) or number if pieces > 1 else number,
        package=number if pieces > 1 else "",
        pieces=pieces,
        service=result.text("serviceDetail", "description"),
        estimate=_due(result),
    )
    return parcel, scans


def _latest(result: Part) -> list[Part]:
    """Delivery or pickup as an event, of an answer without scans that says when it was."""
    latest = result["latestStatusDetail"]
    times = {one.text("type"): one.text("dateTime") for one in result.each("dateAndTimes")}
    code = latest.text("code")
    date = times.get(_DONE.get(code, ""), "")
    if not date:
        return []
    fields = {
        "eventType": code,
        "date": date,
        "eventDescription": latest.text("statusByLocale"),
        "scanLocation": latest["scanLocation"].value,
    }
    return [Part(fields, latest.path)]


def _scan(event: Part, zone: str, signed: str, proof: dict[str, str]) -> Scan:
    address = event["scanLocation"]
    kind, cause = event.text("eventType").upper(), event.text("exceptionCode")
    derived = event.text("derivedStatusCode").upper()
    delay = event["delayDetail"]
    late = delay.text("type") if delay.text("status") == "DELAYED" else ""
    when = _when(event, "date", address.text("countryCode"), address.text("stateOrProvinceCode"), zone)
    return Scan(
        asks=[("status", kind)] if kind else [("derived", derived), ("status", derived)],
        when=when,
        code=kind or derived,
        text=_joined(event.text("eventDescription"), event.text("exceptionDescription")),
        why=[("reason", cause), ("delay", late)],
        reason=cause or late,
        place=place(
            name=event.text("locationId"),
            city=address.text("city"),
            region=address.text("stateOrProvinceCode"),
            postal_code=address.text("postalCode"),
            country=address.text("countryCode"),
        ),
        id=f"{kind}/{cause}/{when.bound.isoformat()}",
        signed_by=signed,
        proof=proof,
    )


def _when(event: Part, name: str, country: str, region: str, zone: str) -> Moment:
    text = event.needed(name)
    return told_moment(
        text,
        country=country,
        region=region,
        zone=zone,
        where=event[name],
        day_only=text.endswith("T00:00:00"),
    )


def _due(result: Part) -> Moment | None:
    times = {one.text("type"): one.text("dateTime") for one in result.each("dateAndTimes")}
    window = result["estimatedDeliveryTimeWindow"]["window"]
    text = window.text("ends") or times.get("ESTIMATED_DELIVERY", "")
    if not text or times.get("ACTUAL_DELIVERY"):
        return None
    address = result["recipientInformation"]["address"]
    return expected(text, country=address.text("countryCode"), region=address.text("stateOrProvinceCode"))


def _master(result: Part) -> str:
    """The number of the shipment that the package belongs to."""
    for identifier in result["additionalTrackingInfo"].each("packageIdentifiers"):
        if identifier.text("type") in _MASTERS:
            return identifier.text("value") or next((v.text() for v in identifier.each("values")), "")
    return ""


# -- the older web service -------------------------------------------------------------------------------


def _detail(detail: Part, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    number = detail.needed("TrackingNumber")
    count = detail.text("PackageCount")
    pieces = int(count) if count.isdecimal() else 1
    signed = detail.text("DeliverySignatureName")
    proof = told(left_at=detail.text("DeliveryLocationDescription")[:500])
    scans = [_event(event, zone, signed, proof) for event in detail.each("Events")]
    parcel = Parcel(
        carrier="fedex",
        number=_master_of(detail) or number if pieces > 1 else number,
        package=number if pieces > 1 else "",
        pieces=pieces,
        service=detail.text("Service", "Description") if detail["Service"] else detail.text("ServiceInfo"),
        estimate=_due_of(detail),
    )
    return parcel, scans


def _due_of(detail: Part) -> Moment | None:
    text = detail.text("EstimatedDeliveryTimestamp")
    if not text or detail["ActualDeliveryTimestamp"]:
        return None
    to = detail["DestinationAddress"]
    return expected(text, country=to.text("CountryCode"), region=to.text("StateOrProvinceCode"))


def _event(event: Part, zone: str, signed: str, proof: dict[str, str]) -> Scan:
    address = event["Address"]
    kind, cause = event.text("EventType"), event.text("StatusExceptionCode")
    region = address.text("StateOrProvinceCode")
    when = _when(event, "Timestamp", address.text("CountryCode"), region, zone)
    return Scan(
        asks=[("status", kind)],
        when=when,
        code=kind,
        text=_joined(event.text("EventDescription"), event.text("StatusExceptionDescription")),
        why=[("reason", cause)],
        reason=cause,
        place=place(
            city=address.text("City"),
            region=region,
            postal_code=address.text("PostalCode"),
            country=address.text("CountryCode"),
        ),
        id=f"{kind}/{cause}/{when.bound.isoformat()}",
        signed_by=signed,
        proof=proof,
    )


def _master_of(detail: Part) -> str:
    for other in detail.each("OtherIdentifiers"):
        for one in (*other.each("PackageIdentifier"), other):
            if one.text("Type") in _MASTERS:
                return one.text("Value")
    return ""


def _joined(text: str, more: str) -> str:
    return f"{text}: {more}" if text and more else text or more
