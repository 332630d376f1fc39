"""What Oldbridge Freight answers and tells, in our words. Its times are local to a zone, to the minute."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from crossdock.connect.contract import Context, Happening, Notice, RefusedByPartner, Request, Response
from crossdock.connectors._carriers import Consignment, Proof, Scan, reported, tracking
from crossdock.connectors._markup import needed, read, text
from crossdock.connectors._words import estimate, local_instant, money, reading, told, words
from crossdock.connectors.oldbridge import requests
from crossdock.errors import Refused, UnknownOutcome

Json = Mapping[str, Any]

_WORDS = "crossdock.connectors.oldbridge"


def said(response: Response) -> tuple[str, str]:
    """Code and words of a fault."""
    try:
        fault = read(response.body)
    except Refused:
        return "", " ".join(response.text()[:300].split())
    element = text(fault, "Element")
    return text(fault, "Code"), text(fault, "Text") + (f" ({element})" if element else "")


def booked(response: Response, _: Context) -> Json:
    """The consignment that was made."""
    reply = _answer(response, "BookingReply")
    label = reply.find("Label")
    found = _booked(_consignment(reply))
    if label is not None and label.text:
        kind = "application/pdf" if label.get("Format") == "PDF" else "application/octet-stream"
        return {**found, "label": f"data:{kind};base64,{label.text.strip()}"}
    return found


def find(data: Json, context: Context) -> Generator[Request, Response, Json | None]:
    """The consignment that stands under our reference, of the service that was asked for."""
    reply = _answer((yield requests.search(requests.reference(data))), "SearchReply")
    wanted = requests.service(data, context)
    for consignment in reply.iterfind("Consignment"):
        if text(consignment, "Status") != "CANC" and text(consignment, "Service") == wanted:
            return _booked(consignment)
    return None


def void(data: Json, _: Context) -> Generator[Request, Response, Json]:
    """The consignment is cancelled; it may have been before."""
    response = yield requests.void(data["booking"])
    if response.status != 409:
        _answer(response, "CancelReply")
    else:
        reply = _answer((yield requests.track(data["booking"])), "TrackReply")
        if text(_consignment(reply), "Status") != "CANC":
            code, message = said(response)
            raise RefusedByPartner(message, code=code)
    return {}


def track(data: Json, _: Context) -> Generator[Request, Response, Json]:
    """What has happened so far."""
    number = data["tracking_number"]
    reply = _answer((yield requests.track(number)), "TrackReply")
    scans = [_scan(scan, number) for scan in reply.iterfind("Scan")]
    about, proof = reply.find("Consignment"), reply.find("Proof")
    zone = text(about, "Collection/Zone") if about is not None else ""
    consignment = _named(about if about is not None else reply, number, zone or "UTC")
    return tracking(words(_WORDS), consignment, scans, _proof(proof) if proof is not None else None)


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    _answer((yield requests.search("none")), "SearchReply")


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """One scan that was pushed. Raises `Refused` for one that cannot be read."""
    root = read(notice.body)
    with reading("the notice"):
        scan, proof = root.find("Scan"), root.find("Proof")
        if scan is None:
            raise KeyError("Scan")
        number = needed(root, "ConsignmentNo")
        consignment = _named(root, number, text(scan, "Zone"))
        yield reported(
            words(_WORDS), consignment, _scan(scan, number), _proof(proof) if proof is not None else None
        )


def delivery_id(notice: Notice) -> str:
    """The carrier's own id of the notice, the same when it is sent again."""
    return text(read(notice.body), "NoticeId")


def _answer(response: Response, root: str) -> Element:
    try:
        found = read(response.body)
    except Refused as error:
        raise UnknownOutcome(error.message) from None
    if found.tag != root:
        raise UnknownOutcome(f"the answer is a {found.tag}, not a {root}")
    return found


def _consignment(reply: Element) -> Element:
    found = reply.find("Consignment")
    if found is None:
        raise UnknownOutcome("the answer holds no Consignment")
    return found


def _booked(consignment: Element) -> dict[str, Any]:
    number = needed(consignment, "ConsignmentNo")
    charge = consignment.find("Charge")
    return {
        "booking": number,
        "tracking_number": number,
        **told(
            price=money((charge.text or "").strip(), charge.get("Currency", ""))
            if charge is not None
            else None
        ),
        **estimate(text(consignment, "DueDate"), text(consignment, "Collection/Zone") or "UTC"),
    }


def _named(element: Element, number: str, zone: str) -> Consignment:
    due = estimate(text(element, "DueDate"), zone).get("estimated_delivery", "")
    return Consignment(
        carrier="oldbridge",
        number=number,
        shipment=text(element, "CustomerRef"),
        order=text(element, "OrderRef"),
        estimated_delivery=due,
        estimated_precision="day" if due else "",
    )


def _scan(scan: Element, number: str) -> Scan:
    day, clock, zone = needed(scan, "Date"), needed(scan, "Time"), needed(scan, "Zone")
    return Scan(
        id=f"{number}/{needed(scan, 'No')}",
        status=needed(scan, "Status"),
        time=local_instant(day, clock, zone),
        reason=text(scan, "Reason"),
        text=text(scan, "Text"),
        place=text(scan, "Place"),
        precision="minute",
        local_time=f"{day}T{clock} {zone}",
    )


def _proof(proof: Element) -> Proof:
    return Proof(
        delivered=local_instant(needed(proof, "Date"), needed(proof, "Time"), needed(proof, "Zone")),
        received_by=text(proof, "SignedBy"),
        noted=tuple(
            (kind, int(text(proof, name) or 0), "")
            for kind, name in (("damaged", "Damaged"), ("short", "Missing"))
        ),
        precision="minute",
    )
