"""DCSA track and trace of containers, in our words: version 3 (`metadata`, `payload`) and 2 (flat).

A transport or equipment event that is planned or estimated tells nothing that happened: it is told as an
estimate. Events of documents (a booking confirmed, a transport document issued) are of the booking.
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
_LOCODE = re.compile(r"[A-Z]{2}[A-Z2-9]{3}\Z")


def told_by_webhook(notice: Notice) -> list[Happening]:
    """An event or a list of them. Raises `Refused` for what is none."""
    return happenings(words(_WORDS), _seen(payload(notice)))


def _seen(body: Part) -> Iterator[tuple[Parcel, Sequence[Scan]]]:
    events = (
        [Part(one, f"[{n}]") for n, one in enumerate(body.value)] if isinstance(body.value, list) else [body]
    )
    if not events:
        raise Refused("it is no event of DCSA: the list is empty", where=body.where)
    for event in events:
        yield _event(event)


def _event(event: Part) -> tuple[Parcel, Sequence[Scan]]:
    head, said = (event["metadata"], event["payload"]) if event["payload"] else (event, event)
    kind = head.text("eventType")
    code = said.text(f"{kind.lower()}EventTypeCode") if kind else ""
    if not code:
        raise Refused("it is no event of DCSA: it names no event type code", where=event.where)
    document = said.text("documentTypeCode") if kind == "SHIPMENT" else ""
    references = _references(said)
    container = said.text("equipmentReference") or references.get("EQ", "")
    booking = references.get("BKG", "")
    parcel = Parcel(
        carrier=head["publisher"].text("carrierCode") or "dcsa",
        number=container,
        references=told(booking=booking[:200]),
    )
    when = told_moment(said.needed("eventDateTime"), where=said["eventDateTime"])
    place = said["transportCall"]["location"] or said["eventLocation"]
    locode = place.text("UNLocationCode") or said["transportCall"].text("UNLocationCode")
    scan = Scan(
        asks=[("event", f"{kind} {code} {document}".strip()), ("event", f"{kind} {code}")],
        when=when,
        code=" ".join(word for word in (kind, code, document) if word),
        text=said.text("reason") or said.text("description"),
        place=told(name=place.text("locationName"), locode=locode if _LOCODE.match(locode) else ""),
        id=head.text("eventID") or f"{kind}/{code}/{when.bound.isoformat()}",
        kind=_KINDS.get(said.text("eventClassifierCode"), ""),
        of="leg" if kind == "TRANSPORT" else "",
    )
    return parcel, [scan]


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
