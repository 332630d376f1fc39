"""What EasyPost is asked."""

from __future__ import annotations

import base64
from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import (
    Access,
    Context,
    RefusedByPartner,
    Request,
    Response,
    Session,
    path,
    said,
)
from crossdock.connectors._carriers import addressee
from crossdock.connectors._labels import both_ends, lines, no_rate, offer, one_piece, ounces, phone
from crossdock.connectors._words import decimal_text, plain_number, told
from crossdock.connectors.easypost import replies
from crossdock.errors import UnknownOutcome

Json: TypeAlias = Mapping[str, Any]
Talking: TypeAlias = Generator[Request, Response, dict[str, Any]]
_REFUNDED = ("submitted", "refunded")


def track(data: Json, context: Context) -> Talking:
    """All that was seen of a number so far, where it has a tracker."""
    response = yield Request("GET", "/v2/trackers", query={"tracking_code": data["tracking_number"]})
    return replies.tracked(response, context.settings.get("zone", ""))


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """HTTP Basic: the key is the user, and there is no password."""
    pair = f"{access.secrets['key'].reveal()}:".encode()
    yield from ()  # asks nothing
    return Session(headers={"Authorization": f"Basic {base64.b64encode(pair).decode()}"})


def rate(data: Json, context: Context) -> Talking:
    """What each carrier of the account asks."""
    made = (yield _create(data, context, reference="", changes=False)).json()
    return {
        "offers": [
            offer(context, f"{one['carrier']} {one['service']}", one["rate"], one["currency"])
            for one in made["rates"]
        ]
    }


def book(data: Json, context: Context) -> Talking:
    """A label of the service that was asked for, or else of the cheapest."""
    made = (yield _create(data, context, reference=context.key, changes=True)).json()
    chosen = _chosen(made, data, context)
    answer = yield Request(
        "POST",
        path("/v2/shipments/{id}/buy", id=made["id"]),
        json={"rate": {"id": chosen["id"]}},
    )
    return _bought(answer.json())


def find(_: Json, context: Context) -> Generator[Request, Response, dict[str, Any] | None]:
    """The shipment that has our key as its reference, if its label was bought."""
    response = yield Request("GET", path("/v2/shipments/{reference}", reference=context.key), accept=(404,))
    if response.status == 404:
        return None
    found = response.json()
    if found["reference"] != context.key:
        raise UnknownOutcome("EasyPost answers with a shipment of another reference")
    return _bought(found) if found.get("tracking_code") else None


def void(data: Json, _: Context) -> Talking:
    """Its refund was asked for; it may have been before."""
    response = yield Request(
        "POST", path("/v2/shipments/{id}/refund", id=data["booking"]), json={}, accept=(422,)
    )
    if response.status == 422:
        found = (yield Request("GET", path("/v2/shipments/{id}", id=data["booking"]))).json()
        if found.get("refund_status") not in _REFUNDED:
            code, message = said(response)
            raise RefusedByPartner(message, code=code)
    elif response.json().get("refund_status") not in _REFUNDED:
        raise UnknownOutcome("EasyPost does not say that the refund was asked for")
    return {}


def _create(data: Json, context: Context, *, reference: str, changes: bool) -> Request:
    leaves, goes = both_ends(data, context)
    shipment = told(
        reference=reference,
        to_address=_address(goes),
        from_address=_address(leaves),
        parcel={"weight": plain_number(ounces(one_piece(data)))},
    )
    return Request("POST", "/v2/shipments", json={"shipment": shipment}, changes=changes)


def _chosen(made: Json, data: Json, context: Context) -> Json:
    """The rate that was asked for: `CARRIER SERVICE` or a service alone; without one, the cheapest."""
    wanted = str(data.get("service") or context.settings.get("service") or "")
    carrier = str(context.settings.get("carrier") or "")
    fit = [
        one
        for one in made["rates"]
        if (not wanted or wanted in (one["service"], f"{one['carrier']} {one['service']}"))
        and (not carrier or one["carrier"] == carrier)
    ]
    if not fit:
        why = [f"{one.get('carrier')}: {one.get('message')}" for one in made.get("messages") or ()]
        raise no_rate(wanted or "to take it", why)
    return min(fit, key=lambda one: Decimal(one["rate"]))


def _bought(shipment: Json) -> dict[str, Any]:
    price = shipment.get("selected_rate") or {}
    return {
        "booking": shipment["id"],
        "tracking_number": shipment["tracking_code"],
        **told(
            label=(shipment.get("postage_label") or {}).get("label_url"),
            price={"amount": decimal_text(price["rate"]), "currency": price["currency"]} if price else None,
        ),
    }


def _address(address: Json) -> Json:
    street = lines(address, most=2)
    return told(
        name=addressee(address),
        company=address.get("company"),
        street1=street[0],
        street2=street[1] if len(street) > 1 else "",
        city=address.get("city"),
        state=address.get("region"),
        zip=address.get("postal_code"),
        country=address["country"],
        phone=phone(address),
    )


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    yield Request("GET", "/v2/trackers", query={"page_size": "1"})
