"""Quayline Express, a carrier: terse JSON, codes, epoch seconds, idempotency keys."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from msgspec import Meta, Struct

from crossdock.sandbox.carriers.journeys import Booking, Carrier, Scan, Shipment
from crossdock.sandbox.service import Call, Rejected, Reply, Route, same
from crossdock.sandbox.webhooks import Sealed

Name = Annotated[str, Meta(min_length=1, max_length=200)]

STATUS = {
    "info": "00",
    "picked_up": "10",
    "in_transit": "30",
    "delayed": "35",
    "out_for_delivery": "40",
    "attempted": "45",
    "delivered": "50",
    "damaged": "60",
    "exception": "70",
    "returned": "80",
    "cancelled": "98",
}
REASON = {
    "weather": "W1",
    "customs": "C1",
    "missort": "M1",
    "operational": "O1",
    "not_home": "N1",
    "address": "A1",
    "refused": "R1",
    "handling": "D1",
}
LAST_DIGIT = {"cut_off": 1, "key_reused": 1, "refused": 9}


class To(Struct):
    """The recipient."""

    name: Name
    country: Annotated[str, Meta(min_length=2, max_length=2)]
    line1: str = ""
    city: str = ""
    postcode: str = ""


class Piece(Struct):
    """A piece, in grams."""

    g: Annotated[int, Meta(gt=0)]


class Label(Struct):
    """A booking."""

    ref1: Name
    ref2: Name
    svc: Name
    to: To
    pcs: Annotated[list[Piece], Meta(min_length=1, max_length=99)]
    day: date | None = None
    tz: str = "UTC"


class Quayline(Carrier):
    """The carrier that honours `Idempotency-Key`."""

    name = "quayline"
    title = "Quayline Express"
    credentials: ClassVar = {"key": "qk-demo"}
    webhook_secret = "quayline-hook-secret"  # noqa: S105 - a published toy
    statuses: ClassVar = {**Carrier.statuses, "key_reused": 422}
    prefix = "QX"
    width = 8
    services: ClassVar = {
        "QX1": (1, Decimal("18.90"), Decimal("1.10")),
        "QX2": (2, Decimal("12.40"), Decimal("0.80")),
    }
    cut_off_hour = 17

    def begin(self) -> None:
        """Forget shipments and keys."""
        super().begin()
        self.keys: dict[str, tuple[bytes, str]] = {}

    def routes(self) -> list[Route]:
        """Labels and tracking."""
        return [
            Route("label.create", "POST", "/v1/labels", self.create_label),
            Route("label.void", "DELETE", "/v1/labels/{trk}", self.void_label),
            Route("track", "GET", "/v1/track/{trk}", self.track),
        ]

    def authenticate(self, call: Call) -> None:
        """An API key in a header."""
        key = call.request.headers.get("X-Quayline-Key")
        if key is None:
            raise Rejected("unauthenticated", "X-Quayline-Key missing")
        if not same(key, self.credentials["key"]):
            raise Rejected("forbidden", "Key not known")

    def error(self, rejected: Rejected) -> Any:
        """`{"err": {"no", "msg", "fld"}}`."""
        place = {"fld": rejected.field} if rejected.field else {}
        no = self.statuses[rejected.kind] * 10 + LAST_DIGIT.get(rejected.kind, 0)
        return {"err": {"no": no, "msg": rejected.message, **place}}

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """`t=..,v1=..`: HMAC-SHA256 in hex over the time and the body."""
        mac = hmac.new(secret.encode(), f"{sealed.at}.".encode() + sealed.body, hashlib.sha256).hexdigest()
        return {"Quayline-Event": sealed.event, "Quayline-Signature": f"t={sealed.at},v1={mac}"}

    def create_label(self, call: Call) -> Reply:
        """Book and print; the same key and body again give the same answer."""
        label, key = call.read(Label), call.idempotency_key
        digest = hashlib.sha256(call.body).digest()
        if key and key in self.keys:
            before, number = self.keys[key]
            if before != digest:
                raise Rejected("key_reused", "Idempotency-Key was used for another body")
            call.replayed, call.reference = True, label.ref1
            return Reply(201, self._show(self.shipments[number]), {"Idempotent-Replayed": "true"})
        booking = Booking(
            reference=label.ref1,
            order=label.ref2,
            service=label.svc,
            zone=label.tz,
            day=label.day,
            city=label.to.city,
            weights=[Decimal(piece.g) / 1000 for piece in label.pcs],
            sent=label,
        )
        shipment = self.book(call, booking, ("svc", "day", "tz"))
        if key:
            self.keys[key] = (digest, shipment.id)
        return Reply(201, self._show(shipment))

    def void_label(self, call: Call) -> Reply:
        """Void before pick-up; voided before is fine."""
        shipment = self.shipment(call.path("trk"))
        self.cancel(call, shipment, again=True)
        return Reply(200, {"trk": shipment.id, "st": STATUS["cancelled"]})

    def track(self, call: Call) -> Reply:
        """All scans of a shipment."""
        shipment = self.shipment(call.path("trk"))
        shown = {**self._about(shipment), "st": STATUS[shipment.status]}
        shown["scans"] = [_scan(scan) for scan in shipment.scans]
        return Reply(200, shown)

    def announce(self, shipment: Shipment, scan: Scan) -> None:
        """A webhook for each scan; there is no feed."""
        message_id = self.number("qx-", 1)
        payload = {"id": message_id, **self._about(shipment), "scan": _scan(scan)}
        self.post_webhook("scan", message_id, shipment.id, payload)

    def _about(self, shipment: Shipment) -> dict[str, Any]:
        about: dict[str, Any] = {
            "trk": shipment.id,
            "ref1": shipment.booking.reference,
            "ref2": shipment.booking.order,
            "eta": int(shipment.due_at.timestamp()),
        }
        if shipment.proof is not None:
            proof = shipment.proof
            noted = proof.damaged or proof.short
            about["pod"] = {
                "by": proof.by,
                "dt": int(proof.at.timestamp()),
                "dmg": proof.damaged,
                "sht": proof.short,
                "note": "Signed with remarks" if noted else "",
            }
        return about

    def _show(self, shipment: Shipment) -> dict[str, Any]:
        zpl = f"^XA^FO50,50^FD{shipment.id}^FS^FO50,90^FD{shipment.booking.reference}^FS^XZ"
        return {
            "trk": shipment.id,
            "ref1": shipment.booking.reference,
            "ref2": shipment.booking.order,
            "svc": shipment.booking.service,
            "st": STATUS["info"],
            "day": shipment.day,
            "eta": int(shipment.due_at.timestamp()),
            "lbl": {"fmt": "ZPL", "b64": base64.b64encode(zpl.encode()).decode()},
            "chg": {"c": int(shipment.price * 100), "cur": "USD"},
        }


def _scan(scan: Scan) -> dict[str, Any]:
    return {
        "n": scan.no,
        "st": STATUS[scan.kind],
        "dt": int(scan.at.timestamp()),
        "loc": scan.place,
        "rsn": REASON.get(scan.reason, ""),
        "txt": scan.text,
    }
