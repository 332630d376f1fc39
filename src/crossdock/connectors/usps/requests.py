"""What USPS is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, Request, Response, path
from crossdock.connectors._carriers import addressee
from crossdock.connectors._labels import (
    both_ends,
    label,
    lines,
    offer,
    one_piece,
    pounds,
    reference,
    setting,
)
from crossdock.connectors._words import decimal_text, plain_number, told
from crossdock.connectors.usps import replies
from crossdock.errors import Refused, UnknownOutcome

Json: TypeAlias = Mapping[str, Any]
Talking: TypeAlias = Generator[Request, Response, dict[str, Any]]


def track(data: Json, context: Context) -> Talking:
    """All that USPS has seen of a number so far."""
    response = yield Request(
        "GET",
        path("/tracking/v3/tracking/{number}", number=data["tracking_number"]),
        query={"expand": "DETAIL"},
    )
    return replies.tracked(response, context.settings.get("zone", ""))


def rate(data: Json, context: Context) -> Talking:
    """What USPS asks for its mail class, at retail."""
    leaves, goes = _inland(data, context)
    mail_class = str(context.settings["service"])
    body = {
        "originZIPCode": _zip(leaves),
        "destinationZIPCode": _zip(goes),
        **_piece(data, mail_class),
        "priceType": "RETAIL",
    }
    answer = (yield Request("POST", "/prices/v3/base-rates/search", json=body, changes=False)).json()
    return {"offers": [offer(context, mail_class, answer["totalBasePrice"], "USD")]}


def book(data: Json, context: Context) -> Talking:
    """A label; USPS answers with the first one when the same key comes again."""
    leaves, goes = _inland(data, context)
    token = yield from _payment(context)
    body = {
        "imageInfo": {"imageType": "PDF", "labelType": "4X6LABEL", "receiptOption": "NONE"},
        "toAddress": _address(goes),
        "fromAddress": _address(leaves),
        "packageDescription": {
            **_piece(data, str(data.get("service") or context.settings["service"])),
            "mailingDate": _mailing_day(data),
            "customerReference": [{"referenceNumber": reference(data, context)[:30]}],
        },
    }
    answer = yield Request(
        "POST",
        "/labels/v3/label",
        json=body,
        headers={
            "X-Payment-Authorization-Token": token,
            "X-Idempotency-Key": context.key,
            "Accept": "application/vnd.usps.labels+json",
        },
    )
    made = answer.json()
    about = made.get("labelMetadata") or made
    number = about.get("trackingNumber")
    if not number:
        raise UnknownOutcome("USPS names no number of the label that it made")
    price = about.get("postage")
    return {
        "booking": number,
        "tracking_number": number,
        **told(
            label=label(made.get("labelImage", ""), "application/pdf"),
            price={"amount": decimal_text(price), "currency": "USD"} if price is not None else None,
        ),
    }


def void(data: Json, context: Context) -> Talking:
    """The label is cancelled. USPS refuses one that was scanned."""
    token = yield from _payment(context)
    answer = yield Request(
        "DELETE",
        path("/labels/v3/label/{number}", number=data["booking"]),
        headers={"X-Payment-Authorization-Token": token},
    )
    if str(answer.json().get("status", "")).upper() not in ("CANCELED", "CANCELLED"):
        raise UnknownOutcome("USPS does not say that the label is cancelled")
    return {}


def _payment(context: Context) -> Generator[Request, Response, str]:
    """The token that lets the account be charged."""
    who = {
        "CRID": setting(context, "crid"),
        "MID": setting(context, "mid"),
        "manifestMID": setting(context, "mid"),
        "accountType": "EPS",
        "accountNumber": setting(context, "account"),
    }
    roles = [{"roleName": role, **who} for role in ("PAYER", "LABEL_OWNER")]
    answer = yield Request("POST", "/payments/v3/payment-authorization", json={"roles": roles}, changes=False)
    return str(answer.json()["paymentAuthorizationToken"])


def _inland(data: Json, context: Context) -> tuple[Json, Json]:
    leaves, goes = both_ends(data, context)
    if leaves["country"] != "US" or goes["country"] != "US":
        raise Refused(
            "labels of USPS are bought within the United States here",
            where="shipment.ship_to.country",
            mend="book it with a carrier that goes there",
        )
    return leaves, goes


def _piece(data: Json, mail_class: str) -> dict[str, Any]:
    package = (data["shipment"].get("packages") or [{}])[0]
    sides = {side: package.get(side) for side in ("length", "width", "height")}
    if not all(side and side["unit"] == "INH" for side in sides.values()):
        raise Refused(
            "USPS needs length, width and height of the package, in INH",
            where="shipment.packages",
            mend="measure the package before booking",
        )
    return {
        "mailClass": mail_class,
        "weight": plain_number(pounds(one_piece(data))),
        **{name: plain_number(side["value"]) for name, side in sides.items() if side},
        "processingCategory": "MACHINABLE",
        "rateIndicator": "SP",
        "destinationEntryFacilityType": "NONE",
    }


def _mailing_day(data: Json) -> str:
    told_ = data["shipment"].get("pickup_from") or data["shipment"].get("cut_off")
    if not told_:
        raise Refused(
            "the shipment does not say on which day it is mailed",
            where="shipment.pickup_from",
            mend="have the process give it `pickup_from` or `cut_off`",
        )
    return str(told_)[:10]


def _zip(address: Json) -> str:
    return str(address.get("postal_code") or "")[:5]


def _address(address: Json) -> Json:
    street = lines(address, most=2)
    return told(
        firstName=addressee(address),
        firm=address.get("company"),
        streetAddress=street[0],
        secondaryAddress=street[1] if len(street) > 1 else "",
        city=address.get("city"),
        state=address.get("region"),
        ZIPCode=_zip(address),
    )


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in; that it knows no such number is an answer."""
    yield Request("GET", "/tracking/v3/tracking/0000000000000000000000", accept=(400, 404))
