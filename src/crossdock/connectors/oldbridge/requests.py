"""What is asked of Oldbridge Freight. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context, Request
from crossdock.connectors._carriers import addressee, destination, grams, kilograms, street
from crossdock.connectors._markup import Content, write
from crossdock.connectors._words import decimal_text


def book(data: Mapping[str, Any], context: Context) -> Request:
    """A consignment, for collection on the next day that its cut-off allows. Twice makes two."""
    shipment = data["shipment"]
    address = destination(shipment)
    return _asked(
        "booking",
        "BookingRequest",
        {
            "CustomerRef": reference(data),
            "OrderRef": shipment.get("order") or "",
            "Service": service(data, context),
            "Collection": {"Zone": context.settings["zone"]},
            "Consignee": {
                "Name": addressee(address),
                "Street": street(address),
                "City": address.get("city") or "",
                "Postcode": address.get("postal_code") or "",
                "Country": address["country"],
            },
            "Pieces": {
                "Piece": [{"WeightKg": decimal_text(weight)} for weight in kilograms(grams(shipment))]
            },
        },
    )


def search(wanted: str) -> Request:
    """The consignments of a reference."""
    return _asked("search", "SearchRequest", {"CustomerRef": wanted}, changes=False)


def void(number: str) -> Request:
    """Take the consignment back. Again is refused."""
    return _asked("cancel", "CancelRequest", {"ConsignmentNo": number}, accept=(409,))


def track(number: str) -> Request:
    """All scans so far, and how the consignment stands."""
    return _asked("track", "TrackRequest", {"ConsignmentNo": number}, changes=False)


def reference(data: Mapping[str, Any]) -> str:
    """Our reference of the consignment: the shipment, which its webhooks name."""
    return str(data.get("reference") or data["shipment"]["number"])


def service(data: Mapping[str, Any], context: Context) -> str:
    """Its service."""
    return str(data.get("service") or context.settings["service"])


def _asked(
    where: str, root: str, content: Content, *, changes: bool | None = None, accept: tuple[int, ...] = ()
) -> Request:
    return Request(
        "POST",
        f"/services/{where}",
        headers={"Content-Type": "application/xml; charset=utf-8", "Accept": "application/xml"},
        body=write(root, content),
        changes=changes,
        accept=accept,
    )
