"""What is asked of Waypost TMS. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crossdock.connect.contract import Context, Request, path
from crossdock.connectors._carriers import destination, grams
from crossdock.connectors._words import told
from crossdock.errors import Refused


def rate(data: Mapping[str, Any], context: Context) -> Request:
    """Quotes for the shipment, from now on."""
    shipment, zone = data["shipment"], context.settings["zone"]
    address = destination(shipment)
    promised = shipment.get("promised_delivery")
    body = told(
        reference=shipment["number"],
        site=shipment.get("site"),
        zone=zone,
        to=told(country=address["country"], postcode=address.get("postal_code")),
        packages=[{"weight_g": weight} for weight in grams(shipment)],
        deliver_by=_day(promised, zone) if promised else None,
        currency=context.settings["currency"],
    )
    return Request("POST", "/v2/rate-requests", json=body, changes=False)


def tender(data: Mapping[str, Any], context: Context) -> Request:
    """A load for the carrier of an offer, which is what a tender takes up here."""
    shipment = data["shipment"]
    if not data.get("offer"):
        raise Refused(
            "a tender takes up an offer of this planner, and none is named",
            where="offer",
            mend="ask for rates first, and give the `offer` of one of them",
        )
    body = told(
        client_id=context.key,
        quote_id=data["offer"],
        shipment=shipment["number"],
        order=shipment.get("order"),
    )
    return Request("POST", "/v2/tenders", json=body)


def find_tender(_: Mapping[str, Any], context: Context) -> Request:
    """The tenders with our key."""
    return Request("GET", "/v2/tenders", query={"client_id": context.key})


def withdraw(number: str) -> Request:
    """Take a tender back."""
    return Request("POST", path("/v2/tenders/{id}/withdraw", id=number), json={}, accept=(409,))


def one_tender(number: str) -> Request:
    """A tender as it stands."""
    return Request("GET", path("/v2/tenders/{id}", id=number))


def request_appointment(data: Mapping[str, Any], context: Context) -> Request:
    """A slot at a dock."""
    shipment = data["shipment"]
    body = told(
        client_id=context.key,
        shipment=shipment["number"],
        order=shipment.get("order"),
        kind=data["kind"],
        carrier=data.get("carrier"),
        tender_id=data.get("tender"),
        not_before=data.get("from"),
        not_after=data.get("until"),
    )
    return Request("POST", "/v2/appointments", json=body)


def find_appointment(_: Mapping[str, Any], context: Context) -> Request:
    """The slots with our key."""
    return Request("GET", "/v2/appointments", query={"client_id": context.key})


def cancel_appointment(data: Mapping[str, Any], _: Context) -> Request:
    """Give a slot back; again is no harm."""
    return Request("POST", path("/v2/appointments/{id}/cancel", id=data["appointment"]), json={})


def events(cursor: str, *, limit: int) -> Request:
    """What has happened after the cursor."""
    return Request("GET", "/v2/events", query={"after": cursor or "0", "limit": str(limit)})


def carriers() -> Request:
    """The carriers that it knows."""
    return Request("GET", "/v2/carriers")


def _day(instant: str, zone: str) -> str:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(zone)).date().isoformat()
