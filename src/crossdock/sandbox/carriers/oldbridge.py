"""Oldbridge Freight, a carrier: XML, Basic authentication, local times, nothing against booking twice."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar
from xml.etree import ElementTree as ET

from crossdock.sandbox.carriers.journeys import Booking, Carrier, Scan, Shipment, day_of
from crossdock.sandbox.service import Call, Rejected, Reply, Route, same
from crossdock.sandbox.webhooks import Sealed

STATUS = {
    "info": "INFO",
    "picked_up": "COLL",
    "in_transit": "HUB",
    "delayed": "LATE",
    "out_for_delivery": "OUT",
    "attempted": "CARD",
    "delivered": "POD",
    "damaged": "DMG",
    "exception": "EXC",
    "returned": "RTS",
    "cancelled": "CANC",
}
REASON = {
    "weather": "11",
    "customs": "12",
    "missort": "13",
    "operational": "14",
    "not_home": "21",
    "address": "22",
    "refused": "23",
    "handling": "31",
}
CODES = {"cut_off": "E410", "refused": "E430"}


class Oldbridge(Carrier):
    """The carrier of the old school."""

    name = "oldbridge"
    title = "Oldbridge Freight"
    credentials: ClassVar = {"user": "crossdock", "password": "oldbridge-demo"}
    webhook_secret = "oldbridge-hook-secret"  # noqa: S105 - a published toy
    content_type = "application/xml"
    prefix = "OB"
    width = 7
    services: ClassVar = {
        "ECONOMY": (5, Decimal("7.50"), Decimal("0.45")),
        "PALLET": (4, Decimal("48.00"), Decimal("0.20")),
    }
    cut_off_hour = 14

    def routes(self) -> list[Route]:
        """Four services, all of them POST."""
        return [
            Route("book", "POST", "/services/booking", self.create),
            Route("search", "POST", "/services/search", self.search),
            Route("cancel", "POST", "/services/cancel", self.cancel_booking),
            Route("track", "POST", "/services/track", self.track),
        ]

    def authenticate(self, call: Call) -> None:
        """HTTP Basic."""
        scheme, _, basic = call.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Basic":
            raise Rejected("unauthenticated", "Basic authentication is needed")
        try:
            user, _, password = base64.b64decode(basic, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            raise Rejected("unauthenticated", "Basic authentication is not readable") from None
        if not (same(user, self.credentials["user"]) and same(password, self.credentials["password"])):
            raise Rejected("forbidden", "User or password is wrong")

    def error(self, rejected: Rejected) -> Any:
        """A `Fault`."""
        fault = ET.Element("Fault")
        _add(fault, "Code", CODES.get(rejected.kind, f"E{self.statuses[rejected.kind]}"))
        _add(fault, "Text", rejected.message)
        if rejected.field:
            _add(fault, "Element", rejected.field)
        return fault

    def encode(self, payload: Any) -> bytes:
        """XML in UTF-8."""
        text: str = ET.tostring(payload, encoding="unicode")  # half the time of writing bytes
        return b'<?xml version="1.0" encoding="UTF-8"?>' + text.encode()

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """HMAC-SHA256 of the raw body in hex, nothing before it."""
        return {"X-Oldbridge-Mac": hmac.new(secret.encode(), sealed.body, hashlib.sha256).hexdigest()}

    def create(self, call: Call) -> Reply:
        """Book; a second call books a second time."""
        root = _parse(call.body, "BookingRequest")
        weights = [_weight(piece) for piece in root.iterfind("Pieces/Piece")]
        if not weights or len(weights) > 99:
            raise Rejected("invalid", "One to 99 pieces are needed", "Pieces")
        consignee = root.find("Consignee")
        if consignee is None or not _text(consignee, "Name") or len(_text(consignee, "Country")) != 2:
            raise Rejected("invalid", "A name and a country of two letters are needed", "Consignee")
        booking = Booking(
            reference=_needed(root, "CustomerRef"),
            order=_needed(root, "OrderRef"),
            service=_needed(root, "Service"),
            zone=_text(root, "Collection/Zone") or "UTC",
            day=day_of(_text(root, "Collection/Date"), "Collection/Date"),
            city=_text(consignee, "City"),
            weights=weights,
            sent=None,
        )
        shipment = self.book(call, booking, ("Service", "Collection/Date", "Collection/Zone"))
        reply = ET.Element("BookingReply")
        self._consignment(reply, shipment)
        label = base64.b64encode(f"%PDF-1.4 label {shipment.id}".encode()).decode()
        _add(reply, "Label", label, Format="PDF")
        return Reply(200, reply)

    def search(self, call: Call) -> Reply:
        """All consignments of a customer reference."""
        reference = _needed(_parse(call.body, "SearchRequest"), "CustomerRef")
        reply = ET.Element("SearchReply")
        for shipment in self.by_reference.get(reference, []):
            self._consignment(reply, shipment)
        return Reply(200, reply)

    def cancel_booking(self, call: Call) -> Reply:
        """Cancel before collection, once."""
        shipment = self.shipment(_needed(_parse(call.body, "CancelRequest"), "ConsignmentNo"))
        self.cancel(call, shipment, again=False)
        reply = ET.Element("CancelReply")
        self._consignment(reply, shipment)
        return Reply(200, reply)

    def track(self, call: Call) -> Reply:
        """All scans of a consignment."""
        shipment = self.shipment(_needed(_parse(call.body, "TrackRequest"), "ConsignmentNo"))
        reply = ET.Element("TrackReply")
        self._consignment(reply, shipment)
        for scan in shipment.scans:
            _scan(reply, shipment, scan)
        _proof(reply, shipment)
        return Reply(200, reply)

    def announce(self, shipment: Shipment, scan: Scan) -> None:
        """A notice for each scan; there is no feed."""
        message_id = self.number("ob-", 1)
        notice = ET.Element("TrackingNotice")
        _add(notice, "NoticeId", message_id)
        _add(notice, "ConsignmentNo", shipment.id)
        _add(notice, "CustomerRef", shipment.booking.reference)
        _add(notice, "OrderRef", shipment.booking.order)
        _add(notice, "DueDate", shipment.due.isoformat())
        _scan(notice, shipment, scan)
        _proof(notice, shipment)
        self.post_webhook("notice", message_id, shipment.id, notice)

    def _consignment(self, parent: ET.Element, shipment: Shipment) -> None:
        node = ET.SubElement(parent, "Consignment")
        _add(node, "ConsignmentNo", shipment.id)
        _add(node, "CustomerRef", shipment.booking.reference)
        _add(node, "OrderRef", shipment.booking.order)
        _add(node, "Service", shipment.booking.service)
        _add(node, "Status", STATUS[shipment.status])
        collection = ET.SubElement(node, "Collection")
        _add(collection, "Date", shipment.day.isoformat())
        _add(collection, "Zone", str(shipment.zone))
        _add(node, "DueDate", shipment.due.isoformat())
        _add(node, "Charge", str(shipment.price), Currency="USD")


def _parse(body: bytes, root: str) -> ET.Element:
    """The document, if it is UTF-8, declares no entities and has the wanted root."""
    try:
        text = body.decode("utf-8")
        if "<!" in text.replace("<!--", ""):
            raise Rejected("malformed", "No DOCTYPE, please")
        document = ET.fromstring(text)  # noqa: S314 - entities are refused above
    except (ET.ParseError, UnicodeDecodeError) as error:
        raise Rejected("malformed", f"Not XML: {error}") from None
    if document.tag != root:
        raise Rejected("invalid", f"{root} is expected here", document.tag)
    return document


def _text(node: ET.Element, path: str) -> str:
    return (node.findtext(path) or "").strip()


def _needed(node: ET.Element, path: str) -> str:
    text = _text(node, path)
    if not text or len(text) > 200:
        raise Rejected("invalid", f"{path} is needed, of at most 200 characters", path)
    return text


def _weight(piece: ET.Element) -> Decimal:
    try:
        weight = Decimal(_text(piece, "WeightKg"))
    except InvalidOperation:
        weight = Decimal(0)
    if not weight.is_finite() or weight <= 0:
        raise Rejected("invalid", "A weight above zero is needed", "Pieces/Piece/WeightKg")
    return weight


def _add(parent: ET.Element, tag: str, text: str, **attributes: str) -> None:
    ET.SubElement(parent, tag, attributes).text = text


def _time(parent: ET.Element, shipment: Shipment, at: datetime) -> None:
    local = shipment.local(at)
    _add(parent, "Date", local.date().isoformat())
    _add(parent, "Time", local.strftime("%H:%M"))
    _add(parent, "Zone", str(shipment.zone))


def _scan(parent: ET.Element, shipment: Shipment, scan: Scan) -> None:
    node = ET.SubElement(parent, "Scan")
    _add(node, "No", str(scan.no))
    _add(node, "Status", STATUS[scan.kind])
    if scan.reason:
        _add(node, "Reason", REASON[scan.reason])
    _add(node, "Text", scan.text)
    _add(node, "Place", scan.place)
    _time(node, shipment, scan.at)


def _proof(parent: ET.Element, shipment: Shipment) -> None:
    if shipment.proof is None:
        return
    node = ET.SubElement(parent, "Proof")
    _add(node, "SignedBy", shipment.proof.by)
    _time(node, shipment, shipment.proof.at)
    _add(node, "Damaged", str(shipment.proof.damaged))
    _add(node, "Missing", str(shipment.proof.short))
