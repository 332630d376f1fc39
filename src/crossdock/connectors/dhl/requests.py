"""What DHL is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import Access, Context, Request, Response, Session, path
from crossdock.connect.sign_in import basic, secret_headers
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
from crossdock.connectors._words import instant, told
from crossdock.connectors.dhl import replies
from crossdock.errors import Refused, UnknownOutcome

Json: TypeAlias = Mapping[str, Any]
Talking: TypeAlias = Generator[Request, Response, dict[str, Any]]


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """HTTP Basic for MyDHL API, its key in a header for the unified tracking."""
    unified = access.settings["api"] == "unified"
    return (yield from (secret_headers({"DHL-API-Key": "{user}"}) if unified else basic())(access))


def track(data: Json, context: Context) -> Talking:
    """All that DHL has seen of a number so far."""
    number = data["tracking_number"]
    if context.settings["api"] == "unified":
        request = Request("GET", "/track/shipments", query={"trackingNumber": number})
    else:
        request = Request(
            "GET",
            path("/shipments/{number}/tracking", number=number),
            query={
                "trackingView": "all-checkpoints",
                "levelOfDetail": "all",
                "requestGMTOffsetPerEvent": "true",
            },
        )
    return replies.tracked((yield request), context.settings.get("zone", ""))


def rate(data: Json, context: Context) -> Talking:
    """What DHL Express asks for each product that it has between the two places."""
    _express_only(context)
    leaves, goes = both_ends(data, context)
    body = {
        "customerDetails": {"shipperDetails": _postal(leaves), "receiverDetails": _postal(goes)},
        "accounts": [{"typeCode": "shipper", "number": setting(context, "account")}],
        "plannedShippingDateAndTime": _planned(data),
        "unitOfMeasurement": "metric",
        "isCustomsDeclarable": leaves["country"] != goes["country"],
        "packages": _packages(data),
    }
    answer = (yield Request("POST", "/rates", json=body, changes=False)).json()
    offers = []
    for product in answer["products"]:
        price = next((one for one in product["totalPrice"] if one["currencyType"] == "BILLC"), None)
        if price is not None:
            offers.append(offer(context, product["productCode"], price["price"], price["priceCurrency"]))
    return {"offers": offers}


def book(data: Json, context: Context) -> Talking:
    """A shipment and its label. DHL makes a second one when it is asked twice, and has no search for it."""
    _express_only(context)
    leaves, goes = both_ends(data, context)
    if leaves["country"] != goes["country"]:
        raise Refused(
            "the shipment crosses a border, and its customs declaration is not known here",
            where="shipment.ship_to.country",
            mend="book it where the declaration is made",
        )
    body = {
        "plannedShippingDateAndTime": _planned(data),
        "pickup": {"isRequested": False},
        "productCode": str(data.get("service") or context.settings["service"]),
        "accounts": [{"typeCode": "shipper", "number": setting(context, "account")}],
        "customerReferences": [{"value": reference(data, context)[:35], "typeCode": "CU"}],
        "customerDetails": {"shipperDetails": _party(leaves), "receiverDetails": _party(goes)},
        "content": {
            "packages": _packages(data),
            "isCustomsDeclarable": False,
            "description": str(data["shipment"].get("text") or "Goods")[:70],
            "incoterm": "DAP",
            "unitOfMeasurement": "metric",
        },
    }
    answer = yield Request(
        "POST", "/shipments", json=body, headers={"Message-Reference": context.key.ljust(28, "0")}
    )
    made = answer.json()
    if not made.get("shipmentTrackingNumber"):
        raise UnknownOutcome("DHL names no number of the shipment that it made")
    document: Json = next((one for one in made.get("documents", ()) if one.get("typeCode") == "label"), {})
    return {
        "booking": made["shipmentTrackingNumber"],
        "tracking_number": made["shipmentTrackingNumber"],
        **told(label=label(document.get("content", ""), "application/pdf")),
    }


def _express_only(context: Context) -> None:
    if context.settings["api"] != "express":
        raise Refused(
            "the unified tracking of DHL sells nothing",
            where="settings.api",
            mend="book over a connection to MyDHL API",
        )


def _planned(data: Json) -> str:
    """When it is handed over, as DHL writes it. Raises `Refused` where the shipment does not say."""
    shipment = data["shipment"]
    told_ = shipment.get("pickup_from") or shipment.get("cut_off") or shipment.get("pickup_until")
    if not told_:
        raise Refused(
            "the shipment does not say when it is handed over",
            where="shipment.pickup_from",
            mend="have the process give it `pickup_from` or `cut_off`",
        )
    return instant(told_).strftime("%Y-%m-%dT%H:%M:%S GMT+00:00")


def _packages(data: Json) -> list[Json]:
    """The pieces; DHL Express needs the size of each."""
    pieces: list[Json] = []
    packages = data["shipment"].get("packages") or [{}]
    for package, kilo in zip(packages, kilos(data), strict=False):
        sides = [package.get(side) for side in ("length", "width", "height")]
        if not all(side and side["unit"] == "CMT" for side in sides):
            raise Refused(
                "DHL Express needs length, width and height of each package, in CMT",
                where="shipment.packages",
                mend="measure the packages before booking",
            )
        long, wide, high = (number(Decimal(side["value"])) for side in sides if side)
        pieces.append({"weight": number(kilo), "dimensions": {"length": long, "width": wide, "height": high}})
    return pieces


def _party(address: Json) -> Json:
    contact = told(
        fullName=addressee(address),
        companyName=address.get("company") or addressee(address),
        phone=phone(address),
        email=(address.get("contact") or {}).get("email"),
    )
    return {"postalAddress": _postal(address), "contactInformation": contact}


def _postal(address: Json) -> Json:
    street = lines(address)
    return told(
        addressLine1=street[0],
        addressLine2=street[1] if len(street) > 1 else "",
        addressLine3=street[2] if len(street) > 2 else "",
        cityName=address.get("city"),
        postalCode=address.get("postal_code"),
        provinceCode=address.get("region"),
        countryCode=address["country"],
    )


def health(_: Any, context: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in; that it knows no such number is an answer."""
    if context.settings["api"] == "unified":
        yield Request("GET", "/track/shipments", query={"trackingNumber": "0000000000"}, accept=(400, 404))
    else:
        yield Request("GET", "/shipments/0000000000/tracking", accept=(400, 404))
