"""Farrow Parcel, a carrier: OAuth 2 client credentials, nested JSON, a feed, Standard Webhooks."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import parse_qs

from msgspec import Meta, Struct, field

from crossdock.sandbox.amounts import Positive
from crossdock.sandbox.carriers.journeys import Booking, Carrier, Scan, Shipment
from crossdock.sandbox.clock import stamp
from crossdock.sandbox.service import Call, Rejected, Reply, Route, same
from crossdock.sandbox.webhooks import Sealed

Name = Annotated[str, Meta(min_length=1, max_length=200)]
TOKEN_SECONDS = 1800

STATUS = {
    "info": "PRE_ADVISED",
    "picked_up": "COLLECTED",
    "in_transit": "IN_TRANSIT",
    "delayed": "DELAYED",
    "out_for_delivery": "OUT_FOR_DELIVERY",
    "attempted": "DELIVERY_ATTEMPTED",
    "delivered": "DELIVERED",
    "damaged": "DAMAGED",
    "exception": "EXCEPTION",
    "returned": "RETURNED",
    "cancelled": "CANCELLED",
}
REASON = {
    "weather": "WEATHER",
    "customs": "CUSTOMS_HOLD",
    "missort": "MISROUTED",
    "operational": "NETWORK_DELAY",
    "not_home": "NO_RECIPIENT",
    "address": "ADDRESS_QUERY",
    "refused": "REFUSED",
    "handling": "HANDLING_DAMAGE",
}
CODES = {
    "malformed": "MALFORMED",
    "unauthenticated": "UNAUTHENTICATED",
    "expired": "TOKEN_EXPIRED",
    "not_found": "NOT_FOUND",
    "wrong_state": "STATE_CONFLICT",
    "cut_off": "CUT_OFF_PASSED",
    "too_large": "TOO_LARGE",
    "invalid": "VALIDATION",
    "refused": "REJECTED",
    "busy": "RATE_LIMITED",
}


class Address(Struct, rename="camel"):
    """The recipient's address."""

    country_code: Annotated[str, Meta(min_length=2, max_length=2)]
    street: str = ""
    city: str = ""
    postal_code: str = ""


class Consignee(Struct, rename="camel"):
    """The recipient."""

    name: Name
    address: Address


class Weight(Struct):
    """A weight with its unit."""

    value: Positive
    unit: Literal["KG", "LB"] = "KG"


class Parcel(Struct):
    """One parcel."""

    weight: Weight


class Collection(Struct, rename="camel"):
    """The day and zone of collection."""

    date: date | None = None
    time_zone: str = "UTC"


class Consignment(Struct, rename="camel"):
    """A booking."""

    client_reference: Name
    customer_order: Name
    product: Name
    consignee: Consignee
    parcels: Annotated[list[Parcel], Meta(min_length=1, max_length=99)]
    collection: Collection = field(default_factory=Collection)


class NewConsignment(Struct):
    """A booking in its envelope."""

    consignment: Consignment


class Farrow(Carrier):
    """The carrier with tokens, a client reference and a search."""

    name = "farrow"
    title = "Farrow Parcel"
    credentials: ClassVar = {"client_id": "crossdock", "client_secret": "farrow-demo"}
    webhook_secret = "whsec_ZmFycm93LWhvb2stc2VjcmV0LWZvci1kZW1v"  # noqa: S105 - a published toy
    statuses: ClassVar = {**Carrier.statuses, "expired": 401, "invalid_client": 401, "bad_grant": 400}
    prefix = "FP-"
    services: ClassVar = {
        "STD24": (1, Decimal("16.30"), Decimal("0.95")),
        "STD48": (2, Decimal("9.80"), Decimal("0.70")),
    }
    cut_off_hour = 16

    def begin(self) -> None:
        """Forget shipments and tokens."""
        super().begin()
        self.tokens: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """Token, consignments, tracking, feed."""
        shipping, tracking = "/shipping/v3/consignments", "/tracking/v3/consignments"
        return [
            Route("token", "POST", "/oauth/token", self.token, guarded=False),
            Route("consignment.create", "POST", shipping, self.create),
            Route("consignment.find", "GET", shipping, self.find),
            Route("consignment.get", "GET", shipping + "/{id}", self.get),
            Route("consignment.cancel", "POST", shipping + "/{id}/cancellation", self.cancel_consignment),
            Route("track", "GET", tracking + "/{id}", self.track),
            Route("events", "GET", "/tracking/v3/events", self.events),
        ]

    def token(self, call: Call) -> Reply:
        """Client credentials for a token, which lasts half an hour of real time."""
        form = {name: values[0] for name, values in parse_qs(call.body.decode("utf-8", "replace")).items()}
        if form.get("grant_type") != "client_credentials":
            raise Rejected("bad_grant", "unsupported_grant_type")
        scheme, _, basic = call.request.headers.get("Authorization", "").partition(" ")
        client, secret = form.get("client_id", ""), form.get("client_secret", "")
        if scheme == "Basic":
            client, secret = _basic(basic)
        known = self.credentials
        if not (same(client, known["client_id"]) and same(secret, known["client_secret"])):
            raise Rejected("invalid_client", "Client id or secret is wrong")
        seconds = TOKEN_SECONDS if self.token_seconds is None else self.token_seconds
        number = self.number("token", 1)
        token = hashlib.sha256(f"{self.seed}/{number}/{time.time()}".encode()).hexdigest()
        self.tokens[token] = time.monotonic() + seconds
        return Reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": seconds})

    def authenticate(self, call: Call) -> None:
        """A bearer token that has not expired."""
        scheme, _, token = call.request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            raise Rejected("unauthenticated", "A bearer token is needed")
        if self.tokens[token] < time.monotonic():
            raise Rejected("expired", "The token has expired")

    def error(self, rejected: Rejected) -> Any:
        """OAuth errors in their own form, all others nested with a trace."""
        if rejected.kind == "invalid_client":
            return {"error": "invalid_client", "error_description": rejected.message}
        if rejected.kind == "bad_grant":
            return {"error": rejected.message}
        error: dict[str, Any] = {"code": CODES.get(rejected.kind, "INTERNAL"), "message": rejected.message}
        if rejected.field:
            error["details"] = [{"field": rejected.field, "issue": rejected.message}]
        return {"error": error, "traceId": self.number("trace-", 8)}

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """Standard Webhooks: base64 of HMAC-SHA256 over id, time and body."""
        key = base64.b64decode(secret.removeprefix("whsec_"))
        mac = hmac.new(key, f"{sealed.id}.{sealed.at}.".encode() + sealed.body, hashlib.sha256).digest()
        return {
            "webhook-id": sealed.id,
            "webhook-timestamp": str(sealed.at),
            "webhook-signature": f"v1,{base64.b64encode(mac).decode()}",
        }

    def create(self, call: Call) -> Reply:
        """Book; a second call books a second time."""
        new = call.read(NewConsignment).consignment
        booking = Booking(
            reference=new.client_reference,
            order=new.customer_order,
            service=new.product,
            zone=new.collection.time_zone,
            day=new.collection.date,
            city=new.consignee.address.city,
            weights=[_kg(parcel.weight) for parcel in new.parcels],
            sent=new,
        )
        names = ("consignment.product", "consignment.collection.date", "consignment.collection.timeZone")
        return Reply(201, {"consignment": self._show(self.book(call, booking, names))})

    def find(self, call: Call) -> Reply:
        """All consignments of a client reference."""
        found = self.by_reference.get(call.query("clientReference"), [])
        return Reply(200, {"consignments": [self._show(each) for each in found], "total": len(found)})

    def get(self, call: Call) -> Reply:
        """One consignment."""
        return Reply(200, {"consignment": self._show(self.shipment(call.path("id")))})

    def cancel_consignment(self, call: Call) -> Reply:
        """Cancel before collection, once."""
        shipment = self.shipment(call.path("id"))
        self.cancel(call, shipment, again=False)
        return Reply(200, {"consignment": self._show(shipment)})

    def track(self, call: Call) -> Reply:
        """All events of a consignment."""
        shipment = self.shipment(call.path("id"))
        newest = shipment.scans[-1]
        tracking = self._about(shipment)
        tracking["currentStatus"] = {
            "status": STATUS[newest.kind],
            "since": shipment.local(newest.at).isoformat(),
        }
        tracking["events"] = [_event(shipment, scan) for scan in shipment.scans]
        return Reply(200, {"tracking": tracking})

    def events(self, call: Call) -> Reply:
        """The feed, for what webhooks lost."""
        events, end = self.feed_page(call)
        return Reply(200, {"events": events, "next": end})

    def announce(self, shipment: Shipment, scan: Scan) -> None:
        """A webhook and an entry of the feed for each event."""
        sequence = len(self.feed) + 1
        data = {**self._about(shipment), "event": _event(shipment, scan)}
        self.feed.append({"sequence": sequence, **data})
        payload = {"type": "consignment.status", "timestamp": stamp(self.now), "data": data}
        self.post_webhook("consignment.status", f"fp-msg-{sequence}", shipment.id, payload)

    def _about(self, shipment: Shipment) -> dict[str, Any]:
        about: dict[str, Any] = {
            "consignmentId": shipment.id,
            "clientReference": shipment.booking.reference,
            "customerOrder": shipment.booking.order,
            "estimatedDelivery": shipment.due,
        }
        if shipment.proof is not None:
            proof = shipment.proof
            noted = (("DAMAGED", proof.damaged), ("MISSING", proof.short))
            about["proofOfDelivery"] = {
                "signatory": proof.by,
                "deliveredAt": shipment.local(proof.at).isoformat(),
                "discrepancies": [{"type": kind, "pieces": pieces} for kind, pieces in noted if pieces],
            }
        return about

    def _show(self, shipment: Shipment) -> dict[str, Any]:
        sent: Consignment = shipment.booking.sent
        label = f"%PDF-1.4 label {shipment.id}".encode()
        state = "BOOKED" if shipment.status == "info" else STATUS[shipment.status]
        return {
            "consignmentId": shipment.id,
            "clientReference": sent.client_reference,
            "customerOrder": sent.customer_order,
            "product": sent.product,
            "state": state,
            "collection": {"date": shipment.day, "timeZone": str(shipment.zone)},
            "estimatedDelivery": shipment.due,
            "consignee": sent.consignee,
            "parcels": [
                {"barcode": f"{shipment.id}-{n}", "weight": parcel.weight}
                for n, parcel in enumerate(sent.parcels, 1)
            ],
            "documents": [
                {
                    "type": "LABEL",
                    "mediaType": "application/pdf",
                    "content": base64.b64encode(label).decode(),
                }
            ],
            "price": {"amount": str(shipment.price), "currency": "USD"},
        }


def _event(shipment: Shipment, scan: Scan) -> dict[str, Any]:
    event: dict[str, Any] = {
        "eventId": f"{shipment.id}-{scan.no}",
        "status": STATUS[scan.kind],
        "occurredAt": shipment.local(scan.at).isoformat(),
        "facility": {"name": scan.place},
    }
    if scan.reason:
        event["reason"] = {"code": REASON[scan.reason], "text": scan.text}
    return event


def _kg(weight: Weight) -> Decimal:
    return weight.value if weight.unit == "KG" else weight.value * Decimal("0.45359237")


def _basic(text: str) -> tuple[str, str]:
    try:
        client, _, secret = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return client, secret
