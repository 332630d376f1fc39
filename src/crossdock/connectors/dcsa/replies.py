"""DCSA track and trace of containers, in our words: version 3 (`metadata`, `payload`), 2 and 1 (flat).

Carriers answer with a list, with `events`, or with a list of each kind. A transport or equipment event that
is planned or estimated tells nothing that happened: it is told as an estimate. Events of documents (a booking
confirmed, a transport document issued) are of the booking, and where a container goes empty, no goods move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from crossdock.connect.contract import Happening, Notice
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings
from crossdock.connectors._words import told, words
from crossdock.connectors._zones import told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.dcsa"
_KINDS = {"ACT": "actual", "EST": "estimated", "PLN": "planned", "REQ": "planned"}
_LISTS = ("events", "shipmentEvent", "transportEvent", "equipmentEvent")
_BOOKINGS = ("BKG", "CBR")  # a booking, a request for one
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}\Z")


def told_by_webhook(notice: Notice) -> list[Happening]:
    """An event or several. Raises `Refused` for what is none."""
    return happenings(words(_WORDS), _seen(payload(notice)))


def _seen(body: Part) -> Iterator[tuple[Parcel, Sequence[Scan]]]:
    if isinstance(body.value, list):
        events = [Part(one, f"[{n}]") for n, one in enumerate(body.value)]
        if not events:
            raise Refused("it is no event of DCSA: the list is empty", where=body.where)
    elif any(isinstance(body[name].value, list) for name in _LISTS):
        events = [event for name in _LISTS for event in body.each(name)]
    else:
        events = [body]
    whole = "" if isinstance(body.value, list) else body["shipment"].text("carrierBookingReference")
    for event in events:
        parcel, scans = _event(event, whole)
        if parcel.number or parcel.references or scans[0].of != "leg":
            yield parcel, scans  # else a ship's call, of no goods that are named


def _event(event: Part, whole: str) -> tuple[Parcel, Sequence[Scan]]:
    """What an event is about and says; `whole` is the booking of an answer that tells it for all of them."""
    head, said = (event["metadata"], event["payload"]) if event["payload"] else (event, event)
    kind = head.text("eventType").upper()
    code = said.text(f"{kind.lower()}EventTypeCode") if kind else ""
    if not code:
        raise Refused("it is no event of DCSA: it names no event type code", where=event.where)
    document = said.text("documentTypeCode") if kind == "SHIPMENT" else ""
    more = document or ("EMPTY" if said.text("emptyIndicatorCode").upper() == "EMPTY" else "")
    references = _references(said)
    container = said.text("equipmentReference") or references.get("EQ", "")
    booking = references.get("BKG", "")
    if document in _BOOKINGS:
        booking = booking or said.text("documentID") or said.text("documentId")
    if not container:
        booking = booking or whole
    parcel = Parcel(
        carrier=head["publisher"].text("carrierCode") or "dcsa",
        number=container,
        references=told(booking=booking[:200]),
    )
    when = told_moment(said.needed("eventDateTime"), where=said["eventDateTime"])
    scan = Scan(
        asks=[("event", f"{kind} {code} {more}".strip()), ("event", f"{kind} {code}")],
        when=when,
        code=" ".join(word for word in (kind, code, more) if word),
        text=said.text("reason") or said.text("description"),
        place=_place(said),
        id=head.text("eventID") or f"{kind}/{code}/{when.bound.isoformat()}",
        kind=_KINDS.get(said.text("eventClassifierCode"), ""),
        of="leg" if kind == "TRANSPORT" else "",
    )
    return parcel, [scan]


def _place(said: Part) -> dict[str, str]:
    """The location, which some carriers tell as its UN/LOCODE alone."""
    found = said["transportCall"]["location"] or said["eventLocation"]
    short = isinstance(found.value, str)
    locode = (found.text() if short else found.text("UNLocationCode")) or said["transportCall"].text(
        "UNLocationCode"
    )
    return told(
        name="" if short else found.text("locationName"), locode=locode if _LOCODE.match(locode) else ""
    )


def _references(said: Part) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, kind, value in (
        ("relatedDocumentReferences", "type", "value"),
        ("references", "type", "value"),
        ("documentReferences", "documentReferenceType", "documentReferenceValue"),
        ("references", "referenceType", "referenceValue"),
    ):
        for one in said.each(name):
            if one.text(kind):
                found.setdefault(one.text(kind), one.text(value))
    return found
