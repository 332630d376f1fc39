"""What is asked of Farrow Parcel. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, path
from crossdock.connectors._carriers import addressee, destination, grams, kilograms, street
from crossdock.connectors._words import told

CONSIGNMENTS = "/shipping/v3/consignments"


def book(data: Mapping[str, Any], context: Context) -> Request:
    """A consignment, for collection on the next day that its cut-off allows. Twice makes two."""
    shipment = data["shipment"]
    address = destination(shipment)
    consignment = told(
        clientReference=reference(data),
        customerOrder=shipment.get("order"),
        product=product(data, context),
        collection={"timeZone": context.settings["zone"]},
        consignee={
            "name": addressee(address),
            "address": told(
                street=street(address),
                city=address.get("city"),
                postalCode=address.get("postal_code"),
                countryCode=address["country"],
            ),
        },
        parcels=[{"weight": {"value": weight, "unit": "KG"}} for weight in kilograms(grams(shipment))],
    )
    return Request("POST", CONSIGNMENTS, json={"consignment": consignment})


def find(data: Mapping[str, Any], _: Context) -> Request:
    """The consignments of our reference."""
    return Request("GET", CONSIGNMENTS, query={"clientReference": reference(data)})


def consignment(id_: str) -> Request:
    """One consignment."""
    return Request("GET", path(CONSIGNMENTS + "/{id}", id=id_))


def void(id_: str) -> Request:
    """Take the consignment back. Again is refused."""
    return Request("POST", path(CONSIGNMENTS + "/{id}/cancellation", id=id_), json={}, accept=(409,))


def track(data: Mapping[str, Any], _: Context) -> Request:
    """All events so far."""
    return Request("GET", path("/tracking/v3/consignments/{id}", id=data["tracking_number"]))


def events(cursor: str, *, limit: int) -> Request:
    """The events of all consignments after the cursor."""
    return Request("GET", "/tracking/v3/events", query={"after": cursor or "0", "limit": str(limit)})


def reference(data: Mapping[str, Any]) -> str:
    """Our reference of the consignment: the shipment, which its webhooks name."""
    return str(data.get("reference") or data["shipment"]["number"])


def product(data: Mapping[str, Any], context: Context) -> str:
    """Its product."""
    return str(data.get("service") or context.settings["service"])
