"""What FedEx is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, RefusedByPartner, Request, Response
from crossdock.connectors._carriers import addressee
from crossdock.connectors._labels import (
    both_ends,
    kilos,
    label,
    lines,
    number,
    offer,
    phone,
    reference,
    setting,
)
from crossdock.connectors._words import decimal_text, told
from crossdock.connectors.fedex import replies
from crossdock.errors import UnknownOutcome

Json: TypeAlias = Mapping[str, Any]
Talking: TypeAlias = Generator[Request, Response, dict[str, Any]]


def track(data: Json, context: Context) -> Talking:
    """All that FedEx has seen of a number so far."""
    response = yield Request(
        "POST",
        "/track/v1/trackingnumbers",
        json={
            "includeDetailedScans": True,
            "trackingInfo": [{"trackingNumberInfo": {"trackingNumber": data["tracking_number"]}}],
        },
        headers={"X-locale": "en_US"},
        changes=False,
    )
    return replies.tracked(response, context.settings.get("zone", ""))


def rate(data: Json, context: Context) -> Talking:
    """What FedEx asks for each service that it has between the two places."""
    shipment = _shipment(data, context) | {"rateRequestType": ["ACCOUNT"]}
    shipment["shipper"] = {"address": shipment["shipper"]["address"]}
    shipment["recipient"] = {"address": shipment.pop("recipients")[0]["address"]}
    body = {"accountNumber": {"value": setting(context, "account")}, "requestedShipment": shipment}
    answer = (yield Request("POST", "/rate/v1/rates/quotes", json=body, changes=False)).json()
    offers = []
    for reply in answer["output"]["rateReplyDetails"]:
        rated = reply["ratedShipmentDetails"][0]
        currency = rated.get("currency") or rated["shipmentRateDetail"]["currency"]
        offers.append(offer(context, reply["serviceType"], rated["totalNetCharge"], currency))
    return {"offers": offers}


def book(data: Json, context: Context) -> Talking:
    """A shipment and its labels. FedEx makes a second one when it is asked twice; it has no search."""
    shipment = _shipment(data, context)
    shipment["serviceType"] = str(data.get("service") or context.settings["service"])
    shipment["shippingChargesPayment"] = {"paymentType": "SENDER"}
    shipment["labelSpecification"] = {"imageType": "PDF", "labelStockType": "PAPER_4X6"}
    for item in shipment["requestedPackageLineItems"]:
        item["customerReferences"] = [
            {"customerReferenceType": "CUSTOMER_REFERENCE", "value": reference(data, context)[:40]}
        ]
    body = {
        "labelResponseOptions": "LABEL",
        "accountNumber": {"value": setting(context, "account")},
        "requestedShipment": shipment,
    }
    answer = yield Request(
        "POST", "/ship/v1/shipments", json=body, headers={"x-customer-transaction-id": context.key}
    )
    made = answer.json()["output"]["transactionShipments"][0]
    pieces = made["pieceResponses"]
    if not pieces:
        raise UnknownOutcome("FedEx names no package of the shipment that it made")
    document: Json = next(
        (one for one in pieces[0].get("packageDocuments", ()) if one.get("encodedLabel")), {}
    )
    rating = (made.get("completedShipmentDetail") or {}).get("shipmentRating") or {}
    details = rating.get("shipmentRateDetails") or [{}]
    return {
        "booking": made["masterTrackingNumber"],
        "tracking_number": made["masterTrackingNumber"],
        **told(
            label=label(document.get("encodedLabel", ""), "application/pdf"),
            price={"amount": decimal_text(details[0]["totalNetCharge"]), "currency": details[0]["currency"]}
            if details[0].get("totalNetCharge") is not None and details[0].get("currency")
            else None,
        ),
    }


def void(data: Json, context: Context) -> Talking:
    """The shipment is cancelled; FedEx says so again when it is asked again."""
    body = {"accountNumber": {"value": setting(context, "account")}, "trackingNumber": data["booking"]}
    answer = yield Request("PUT", "/ship/v1/shipments/cancel", json=body)
    if not answer.json()["output"]["cancelledShipment"]:
        raise RefusedByPartner(f"FedEx does not cancel {data['booking']}", code="not_cancelled")
    return {}


def _shipment(data: Json, context: Context) -> dict[str, Any]:
    leaves, goes = both_ends(data, context)
    return {
        "shipper": _party(leaves),
        "recipients": [_party(goes)],
        "pickupType": "USE_SCHEDULED_PICKUP",
        "packagingType": "YOUR_PACKAGING",
        "requestedPackageLineItems": [
            {"weight": {"units": "KG", "value": number(kilo)}} for kilo in kilos(data)
        ],
    }


def _party(address: Json) -> dict[str, Any]:
    return {
        "contact": told(
            personName=addressee(address), companyName=address.get("company"), phoneNumber=phone(address)
        ),
        "address": told(
            streetLines=lines(address),
            city=address.get("city"),
            stateOrProvinceCode=address.get("region"),
            postalCode=address.get("postal_code"),
            countryCode=address["country"],
            residential=address.get("residential"),
        ),
    }


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in; that it knows no such number is an answer."""
    yield Request(
        "POST",
        "/track/v1/trackingnumbers",
        json={
            "includeDetailedScans": False,
            "trackingInfo": [{"trackingNumberInfo": {"trackingNumber": "000000000000"}}],
        },
        changes=False,
        accept=(400, 404),
    )
