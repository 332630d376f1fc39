"""What DHL answers and tells, in our words, in each of its forms.

    MyDHL API        JSON of DHL Express: `shipments[].shipmentTrackingNumber`; perhaps with `GMTOffset`
    XML services     the same of older Express accounts: `TrackingResponse` with `AWBInfo`
    unified          JSON of all divisions, answered or pushed: `shipments[].id`, one `statusCode` of five

Express writes the clock of the service area, and its country at the end of the area's name, if at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._countries import alpha2, country_in
from crossdock.connectors._payload import Part, below, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import told, words
from crossdock.connectors._zones import Moment, expected, moment, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.dhl"
Seen = list[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """A push or an answer in any of its forms. Raises `Refused` for what is none, or tells of none."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones in an answer."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def seen(body: Part, zone: str) -> Seen:
    """The shipments of a payload and what was seen of them. Raises `Refused` where DHL tells of none."""
    answered = body["TrackingResponse"]
    if answered:
        return _from_xml(answered, zone)
    shipments = list(body.each("shipments"))
    if not shipments and body["events"] and body["id"]:
        shipments = [body]
    if not shipments:
        raise _refusal(body)
    found: Seen = []
    for shipment in shipments:
        express = bool(shipment["shipmentTrackingNumber"])
        found += _express(shipment, zone) if express else _unified(shipment, zone)
    return found


def _refusal(body: Part) -> Refused:
    for condition in below(body, "Condition"):
        return _no(condition, f"{condition.text('ConditionCode')} {condition.text('ConditionData')}")
    if body["title"] or body["detail"]:
        return _no(body, f"{body.text('status')} {body.text('detail') or body.text('title')}")
    return Refused(
        "it is no tracking of DHL: there is neither `shipments` nor `TrackingResponse`", where=body.where
    )


def _no(part: Part, said: str) -> Refused:
    return Refused(
        f"DHL says no tracking: {said.strip()}",
        where=part.where,
        mend="see that the number and the account are right; then ask again",
    )


# -- MyDHL API -------------------------------------------------------------------------------------------


def _express(shipment: Part, zone: str) -> Seen:
    number = shipment.needed("shipmentTrackingNumber")
    pieces = list(shipment.each("pieces"))
    parcel = Parcel(
        carrier="dhl", number=number, service=shipment.text("description"), estimate=_due(shipment)
    )
    found: Seen = [(parcel, [_express_scan(event, zone) for event in shipment.each("events")])]
    if len(pieces) > 1:
        for piece in pieces:
            own = piece.text("trackingNumber") or f"{number}/{piece.needed('number')}"
            one = Parcel(carrier="dhl", number=number, package=own, pieces=len(pieces))
            found.append((one, [_express_scan(event, zone) for event in piece.each("events")]))
    return found


def _express_scan(event: Part, zone: str) -> Scan:
    area = next(event.each("serviceArea"), Part(None))
    when = moment(
        event.needed("date"),
        event.text("time"),
        offset=event.text("GMTOffset"),
        country=country_in(area.text("description")),
        region=_state(area.text("description")),
        zone=zone,
        where=event,
    )
    return _scan(
        event.needed("typeCode"),
        when,
        event.text("description"),
        area.text("description"),
        event.text("signedBy"),
    )


def _due(shipment: Part) -> Moment | None:
    text = shipment.text("estimatedTimeOfDelivery") or shipment.text("estimatedDeliveryDate")
    address = shipment["receiverDetails"]["postalAddress"]
    return expected(text, country=address.text("countryCode")) if text else None


def _scan(code: str, when: Moment, text: str, area: str, signed: str) -> Scan:
    return Scan(
        asks=[("express", code)],
        when=when,
        code=code,
        text=text,
        place=place(name=" ".join(area.split())) | told(country=country_in(area)),
        id=f"{code}/{when.local[:19]}",
        signed_by=signed,
    )


def _state(area: str) -> str:
    """The state in `SPRINGFIELD GARDENS,NY-USA`."""
    town, dash, country = area.strip().rpartition("-")
    return town.rpartition(",")[2].strip() if dash and len(country.strip()) in (2, 3) else ""


# -- XML services ----------------------------------------------------------------------------------------


def _from_xml(answered: Part, zone: str) -> Seen:
    found: Seen = []
    no: Refused | None = None
    for info in answered.each("AWBInfo"):
        shipment = info["ShipmentInfo"]
        if not shipment:
            condition = next(info["Status"].each("Condition"), Part(None))
            said = f"{condition.text('ConditionCode')} {condition.text('ConditionData')}".strip()
            no = no or _no(info, said or info.text("Status", "ActionStatus"))
            continue
        parcel = Parcel(
            carrier="dhl", number=info.needed("AWBNumber"), estimate=_due_utc(shipment.text("EstDlvyDateUTC"))
        )
        found.append((parcel, [_xml_scan(event, zone) for event in shipment.each("ShipmentEvent")]))
        found += _xml_pieces(info, zone)
    if not found and no is not None:
        raise no
    return found


def _xml_pieces(info: Part, zone: str) -> Iterator[tuple[Parcel, Sequence[Scan]]]:
    pieces = list(info["Pieces"].each("PieceInfo")) if info["Pieces"] else []
    for piece in pieces if len(pieces) > 1 else ():
        number = piece["PieceDetails"].needed("LicensePlate")
        parcel = Parcel(carrier="dhl", number=info.needed("AWBNumber"), package=number, pieces=len(pieces))
        yield parcel, [_xml_scan(event, zone) for event in piece.each("PieceEvent")]


def _xml_scan(event: Part, zone: str) -> Scan:
    happened, area = event["ServiceEvent"], event["ServiceArea"].text("Description")
    when = moment(
        event.needed("Date"),
        event.text("Time"),
        offset=event.text("GMTOffset"),
        country=country_in(area),
        region=_state(area),
        zone=zone,
        where=event,
    )
    text = " ".join(happened.text("Description").split())
    return _scan(happened.needed("EventCode"), when, text, area, event.text("Signatory"))


def _due_utc(text: str) -> Moment | None:
    try:
        return moment(text[:10], text[11:19], offset="Z") if text else None
    except Refused:
        return None


# -- unified ---------------------------------------------------------------------------------------------


def _unified(shipment: Part, zone: str) -> Seen:
    number = shipment.needed("id")
    details = shipment["details"]
    total = details.text("totalNumberOfPieces")
    pieces = int(total) if total.isdecimal() else 1
    proof = details["proofOfDelivery"]
    signed = proof["signed"].text("name") or proof["signed"].text("familyName")
    latest = shipment["status"]
    events = list(shipment.each("events")) or list(shipment.each("status"))
    of: dict[str, list[Scan]] = {"": []}
    for event in events:
        same = event.text("timestamp") == latest.text("timestamp")
        scan = _unified_scan(event, zone, signed, latest.text("statusCode") if same else "")
        for piece in [one.text() for one in event.each("pieceIds")] if pieces > 1 else [""]:
            of.setdefault(piece, []).append(scan)
        if pieces > 1 and not event["pieceIds"]:
            of[""].append(scan)
    service = shipment.text("service")
    found: Seen = []
    for piece, scans in of.items():
        if scans or not piece:
            found.append(
                (
                    Parcel(
                        carrier="dhl",
                        number=number,
                        package=piece,
                        pieces=pieces if piece else 1,
                        service=service,
                        estimate=_due_unified(shipment, zone) if not piece else None,
                    ),
                    scans,
                )
            )
    return found


def _unified_scan(event: Part, zone: str, signed: str, of_shipment: str) -> Scan:
    """`of_shipment` is the status of the shipment at that time, for an event that says none itself."""
    address = event["location"]["address"]
    town = address.text("addressLocality")
    country = alpha2(address.text("countryCode")) or country_in(town)
    code = event.text("statusCode") or of_shipment
    when = told_moment(
        event.needed("timestamp"),
        country=country,
        region=_state(town),
        zone=zone,
        where=event["timestamp"],
    )
    said = [event.text("status"), event.text("description"), event.text("remark")]
    return Scan(
        asks=[("unified", code.lower())],
        when=when,
        code=code or event.text("status"),
        text=": ".join(dict.fromkeys(word for word in said if word)),
        place=place(city=town, postal_code=address.text("postalCode"), country=country),
        id=f"{code}/{event.text('status')[:60]}/{when.local[:19]}",
        signed_by=signed,
    )


def _due_unified(shipment: Part, zone: str) -> Moment | None:
    text = shipment["estimatedDeliveryTimeFrame"].text("estimatedThrough") or shipment.text(
        "estimatedTimeOfDelivery"
    )
    country = alpha2(shipment["destination"]["address"].text("countryCode"))
    return expected(text, country=country, zone=zone) if text else None
