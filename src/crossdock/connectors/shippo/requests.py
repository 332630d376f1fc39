"""What Shippo is asked."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, RefusedByPartner, Request, Response, path
from crossdock.connectors._carriers import addressee
from crossdock.connectors._labels import both_ends, kilos, lines, no_rate, number, offer, phone
from crossdock.connectors._words import decimal_text, told
from crossdock.connectors.shippo import replies
from crossdock.errors import Refused, UnknownOutcome

Json: TypeAlias = Mapping[str, Any]
Talking: TypeAlias = Generator[Request, Response, dict[str, Any]]
_PAGES = 5


def track(data: Json, context: Context) -> Talking:
    """All that was seen of a number so far."""
    response = yield Request(
        "GET",
        path(
            "/tracks/{carrier}/{number}", carrier=context.settings["carrier"], number=data["tracking_number"]
        ),
    )
    return replies.tracked(response, context.settings.get("zone", ""))


def rate(data: Json, context: Context) -> Talking:
    """What each carrier of the account asks."""
    made = (yield _create(data, context, changes=False)).json()
    return {
        "offers": [
            offer(context, one["servicelevel"]["token"], one["amount"], one["currency"])
            for one in made["rates"]
        ]
    }


def book(data: Json, context: Context) -> Talking:
    """A label of the service that was asked for, or else of the cheapest of the connection's carrier."""
    made = (yield _create(data, context, changes=True)).json()
    chosen = _chosen(made, data, context)
    answer = yield Request(
        "POST",
        "/transactions",
        json={
            "rate": chosen["object_id"],
            "label_file_type": "PDF",
            "async": False,
            "metadata": context.key,
        },
    )
    bought = answer.json()
    if bought["status"] == "ERROR":
        said = "; ".join(str(one.get("text", one)) for one in bought.get("messages", ())) or "no reason"
        raise RefusedByPartner(said, code="transaction_error")
    return _bought(bought, chosen)


def find(_: Json, context: Context) -> Generator[Request, Response, dict[str, Any] | None]:
    """The transaction that has our key, among the latest; Shippo has no search by it."""
    for page in range(1, _PAGES + 1):
        answer = (yield Request("GET", "/transactions", query={"results": "100", "page": str(page)})).json()
        for one in answer["results"]:
            if one.get("metadata") == context.key and one["status"] == "SUCCESS":
                return _bought(one, one["rate"] if isinstance(one.get("rate"), dict) else {})
        if not answer.get("next"):
            return None
    raise UnknownOutcome(f"it is not among the latest {_PAGES * 100} transactions, and there are more")


def void(data: Json, _: Context) -> Talking:
    """Its refund was asked for; Shippo says so again when it is asked again."""
    answer = (yield Request("POST", "/refunds", json={"transaction": data["booking"], "async": False})).json()
    if answer["status"] == "ERROR":
        raise RefusedByPartner(f"Shippo does not refund {data['booking']}", code="refund_error")
    if answer["status"] not in ("QUEUED", "PENDING", "SUCCESS"):
        raise UnknownOutcome(f"Shippo says {answer['status']} of the refund")
    return {}


def _create(data: Json, context: Context, *, changes: bool) -> Request:
    leaves, goes = both_ends(data, context)
    body = {
        "address_from": _address(leaves),
        "address_to": _address(goes),
        "parcels": _parcels(data),
        "metadata": context.key,
        "async": False,
    }
    return Request("POST", "/shipments", json=body, changes=changes)


def _parcels(data: Json) -> list[Json]:
    """The packages; Shippo needs the size of each."""
    found: list[Json] = []
    packages = data["shipment"].get("packages") or [{}]
    for package, kilo in zip(packages, kilos(data), strict=False):
        sides = {side: package.get(side) for side in ("length", "width", "height")}
        if not all(side and side["unit"] == "CMT" for side in sides.values()):
            raise Refused(
                "Shippo needs length, width and height of each package, in CMT",
                where="shipment.packages",
                mend="measure the packages before booking",
            )
        size = {name: str(side["value"]) for name, side in sides.items() if side}
        found.append({**size, "distance_unit": "cm", "weight": str(number(kilo)), "mass_unit": "kg"})
    return found


def _chosen(made: Json, data: Json, context: Context) -> Json:
    wanted = str(data.get("service") or context.settings.get("service") or "")
    carrier = str(context.settings["carrier"])
    fit = [
        one
        for one in made["rates"]
        if (one["servicelevel"]["token"] == wanted if wanted else one["provider"].lower() == carrier.lower())
    ]
    if not fit:
        why = [f"{one.get('source')}: {one.get('text')}" for one in made.get("messages") or ()]
        raise no_rate(wanted or carrier, why)
    return min(fit, key=lambda one: Decimal(one["amount"]))


def _bought(transaction: Json, rated: Json) -> dict[str, Any]:
    if not transaction.get("tracking_number"):
        raise UnknownOutcome("Shippo names no tracking number of the label that it made")
    return {
        "booking": transaction["object_id"],
        "tracking_number": transaction["tracking_number"],
        **told(
            label=transaction.get("label_url"),
            price={"amount": decimal_text(rated["amount"]), "currency": rated["currency"]}
            if rated.get("amount")
            else None,
        ),
    }


def _address(address: Json) -> Json:
    street = lines(address)
    return told(
        name=addressee(address),
        company=address.get("company"),
        street1=street[0],
        street2=street[1] if len(street) > 1 else "",
        street3=street[2] if len(street) > 2 else "",
        city=address.get("city"),
        state=address.get("region"),
        zip=address.get("postal_code"),
        country=address["country"],
        phone=phone(address),
        email=(address.get("contact") or {}).get("email"),
    )


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    yield Request("GET", "/carrier_accounts", query={"results": "1"})
