"""What UPS is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, RefusedByPartner, Request, Response, path, said
from crossdock.connectors._carriers import addressee
from crossdock.connectors._labels import both_ends, kilos, label, lines, offer, phone, reference, setting
from crossdock.connectors._words import decimal_text, told
from crossdock.connectors.ups import replies
from crossdock.errors import UnknownOutcome

Json: TypeAlias = Mapping[str, Any]
Talking: TypeAlias = Generator[Request, Response, dict[str, Any]]
_VOID_ALREADY = "190117"  # UPS: the shipment has already been voided


def track(data: Json, context: Context) -> Talking:
    """All that UPS has seen of a number so far."""
    response = yield Request(
        "GET",
        path("/api/track/v1/details/{number}", number=data["tracking_number"]),
        query={"locale": "en_US", "returnSignature": "false"},
        headers={"transId": context.key or "crossdock", "transactionSrc": "crossdock"},
    )
    return replies.tracked(response, context.settings.get("zone", ""))


def rate(data: Json, context: Context) -> Talking:
    """What UPS asks for each service that it has between the two places."""
    shipment = _shipment(data, context)
    body = {"RateRequest": {"Request": {"RequestOption": "Shop"}, "Shipment": shipment}}
    answer = (yield Request("POST", "/api/rating/v2409/Shop", json=body, changes=False)).json()
    offers = []
    for rated in _listed(answer["RateResponse"]["RatedShipment"]):
        total = (rated.get("NegotiatedRateCharges") or {}).get("TotalCharge") or rated["TotalCharges"]
        offers.append(offer(context, rated["Service"]["Code"], total["MonetaryValue"], total["CurrencyCode"]))
    return {"offers": offers}


def book(data: Json, context: Context) -> Talking:
    """A shipment and its labels. UPS makes a second one when it is asked twice, and has no search for it."""
    shipment = _shipment(data, context)
    shipment["Service"] = {"Code": str(data.get("service") or context.settings["service"])}
    account = setting(context, "account")
    shipment["PaymentInformation"] = {
        "ShipmentCharge": [{"Type": "01", "BillShipper": {"AccountNumber": account}}]
    }
    shipment["Description"] = str(data["shipment"].get("text") or "Goods")[:50]
    shipment["ReferenceNumber"] = [{"Value": reference(data, context)[:35]}]
    body = {
        "ShipmentRequest": {
            "Request": {
                "RequestOption": "nonvalidate",
                "TransactionReference": {"CustomerContext": context.key},
            },
            "Shipment": shipment,
            "LabelSpecification": {"LabelImageFormat": {"Code": "GIF"}},
        }
    }
    answer = yield Request("POST", "/api/shipments/v2409/ship", json=body, headers=_named(context))
    result = answer.json()["ShipmentResponse"]["ShipmentResults"]
    packages = _listed(result["PackageResults"])
    if not packages:
        raise UnknownOutcome("UPS names no package of the shipment that it made")
    charges = (result.get("ShipmentCharges") or {}).get("TotalCharges")
    image = packages[0].get("ShippingLabel") or {}
    return {
        "booking": result["ShipmentIdentificationNumber"],
        "tracking_number": packages[0]["TrackingNumber"],
        **told(
            label=label(image.get("GraphicImage", ""), "image/gif"),
            price={"amount": decimal_text(charges["MonetaryValue"]), "currency": charges["CurrencyCode"]}
            if charges
            else None,
        ),
    }


def void(data: Json, context: Context) -> Talking:
    """The shipment is void; it may have been before."""
    response = yield Request(
        "DELETE",
        path("/api/shipments/v2403/void/cancel/{number}", number=data["booking"]),
        headers=_named(context),
        accept=(400,),
    )
    if response.status == 400:
        code, message = said(response)
        if code != _VOID_ALREADY:
            raise RefusedByPartner(message, code=code)
    elif response.json()["VoidShipmentResponse"]["SummaryResult"]["Status"]["Code"] != "1":
        raise UnknownOutcome("UPS does not say that the shipment is void")
    return {}


def _shipment(data: Json, context: Context) -> dict[str, Any]:
    leaves, goes = both_ends(data, context)
    shipper = _party(leaves) | {"ShipperNumber": setting(context, "account")}
    return {
        "Shipper": shipper,
        "ShipFrom": _party(leaves),
        "ShipTo": _party(goes),
        "Package": [
            {
                "Packaging": {"Code": "02"},
                "PackagingType": {"Code": "02"},
                "PackageWeight": {"UnitOfMeasurement": {"Code": "KGS"}, "Weight": decimal_text(kilo)},
            }
            for kilo in kilos(data)
        ],
    }


def _party(address: Json) -> dict[str, Any]:
    return told(
        Name=str(address.get("company") or addressee(address))[:35],
        AttentionName=str(address.get("name") or "")[:35],
        Phone=told(Number=phone(address)),
        Address=told(
            AddressLine=lines(address),
            City=address.get("city"),
            StateProvinceCode=address.get("region"),
            PostalCode=address.get("postal_code"),
            CountryCode=address["country"],
        ),
    )


def _named(context: Context) -> dict[str, str]:
    return {"transId": context.key, "transactionSrc": "crossdock"}


def _listed(value: Any) -> list[Any]:
    """UPS writes one thing alone where it could write several."""
    return value if isinstance(value, list) else [value]


def health(_: Any, context: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in; that it knows no such number is an answer."""
    yield Request(
        "GET",
        path("/api/track/v1/details/{number}", number="1Z0000000000000000"),
        headers=_named(context),
        accept=(400, 404),
    )
