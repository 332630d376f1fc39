"""What is asked of Waypost TMS. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from crossdock.connect.contract import Context, Request
from crossdock.connectors._carriers import destination, grams
from crossdock.connectors._words import told


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


def events(cursor: str, *, limit: int) -> Request:
    """What has happened after the cursor."""
    return Request("GET", "/v2/events", query={"after": cursor or "0", "limit": str(limit)})


def carriers() -> Request:
    """The carriers that it knows."""
    return Request("GET", "/v2/carriers")


def _day(instant: str, zone: str) -> str:
    return datetime.fromisoformat(instant).astimezone(ZoneInfo(zone)).date().isoformat()
