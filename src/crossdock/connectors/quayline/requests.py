"""What is asked of Quayline Express. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, path
from crossdock.connectors._carriers import addressee, destination, grams, street
from crossdock.connectors._words import told


def book(data: Mapping[str, Any], context: Context) -> Request:
    """A label, for collection on the next day that its cut-off allows. Our key makes a repeat harmless."""
    shipment = data["shipment"]
    address = destination(shipment)
    body = told(
        ref1=data.get("reference") or shipment["number"],
        ref2=shipment.get("order"),
        svc=data.get("service") or context.settings["service"],
        tz=context.settings["zone"],
        to=told(
            name=addressee(address),
            line1=street(address),
            city=address.get("city"),
            postcode=address.get("postal_code"),
            country=address["country"],
        ),
        pcs=[{"g": weight} for weight in grams(shipment)],
    )
    return Request("POST", "/v1/labels", json=body, headers={"Idempotency-Key": context.key})


def void(data: Mapping[str, Any], _: Context) -> Request:
    """Take the label back; again is no harm."""
    return Request("DELETE", path("/v1/labels/{booking}", booking=data["booking"]))


def track(data: Mapping[str, Any], _: Context) -> Request:
    """All scans so far."""
    return Request("GET", path("/v1/track/{number}", number=data["tracking_number"]))


def nothing(_: Any, __: Context) -> Request:
    """A shipment that there is not: an answer shows that we are let in."""
    return Request("GET", "/v1/track/none", accept=(404,))
