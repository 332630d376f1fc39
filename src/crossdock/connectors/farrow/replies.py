"""What Farrow Parcel answers and tells, in our words. Times carry their offset, estimates are days."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Happening, Notice, Page, RefusedByPartner, Request, Response
from crossdock.connect.contract import said as _said
from crossdock.connectors._carriers import Consignment, Proof, Scan, reported, tracking
from crossdock.connectors._words import estimate, instant, money, reading, told, unknown_event, words
from crossdock.connectors.farrow import requests

Json = Mapping[str, Any]

_WORDS = "crossdock.connectors.farrow"
_DISCREPANCIES = {"DAMAGED": "damaged", "MISSING": "short"}


def booked(response: Response, context: Context) -> Json:
    """The consignment that was made."""
    return _booked(response.json()["consignment"], context)


def find(data: Json, context: Context) -> Generator[Request, Response, Json | None]:
    """The consignment that stands under our reference, of the product that was asked for."""
    answer = (yield requests.find(data, context)).json()
    wanted = requests.product(data, context)
    for consignment in answer["consignments"]:
        if consignment["state"] != "CANCELLED" and consignment["product"] == wanted:
            return _booked(consignment, context)
    return None


def _booked(consignment: Json, context: Context) -> Json:
    label = next((one for one in consignment.get("documents", ()) if one["type"] == "LABEL"), None)
    price = consignment.get("price")
    zone = consignment.get("collection", {}).get("timeZone") or context.settings["zone"]
    return {
        "booking": consignment["consignmentId"],
        "tracking_number": consignment["consignmentId"],
        **told(
            label=f"data:{label['mediaType']};base64,{label['content']}" if label else None,
            price=money(price["amount"], price["currency"]) if price else None,
        ),
        **estimate(consignment.get("estimatedDelivery"), zone),
    }


def void(data: Json, _: Context) -> Generator[Request, Response, Json]:
    """The consignment is cancelled; it may have been before."""
    response = yield requests.void(data["booking"])
    if response.status == 409:
        state = (yield requests.consignment(data["booking"])).json()["consignment"]["state"]
        if state != "CANCELLED":
            code, message = _said(response)
            raise RefusedByPartner(message, code=code)
    return {}


def tracked(response: Response, context: Context) -> Json:
    """What has happened so far."""
    found = response.json()["tracking"]
    proof, scans = found.get("proofOfDelivery"), [_scan(event) for event in found["events"]]
    consignment = _consignment(found, context.settings)
    return tracking(words(_WORDS), consignment, scans, _proof(proof) if proof else None)


def read_events(cursor: str, _: Context) -> Generator[Request, Response, Page]:
    """A page of the feed."""
    limit = 200
    answer = (yield requests.events(cursor, limit=limit)).json()
    events = answer["events"]
    return Page(records=events, cursor=str(answer["next"]), more=len(events) >= limit)


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    yield requests.events("", limit=1)


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """One event that was pushed. Raises `Refused` for one that cannot be read, or of a kind not known."""
    body = notice.json()
    with reading("the webhook"):
        if body["type"] != "consignment.status":
            raise unknown_event(body["type"])
        yield _reported(body["data"], notice.settings)


def told_by_feed(event: Json, settings: Json) -> Iterator[Happening]:
    """One event of the feed. Raises `Refused` for one that cannot be read."""
    with reading("the event"):
        yield _reported(event, settings)


def _reported(data: Json, settings: Json) -> Happening:
    proof, scan = data.get("proofOfDelivery"), _scan(data["event"])
    return reported(words(_WORDS), _consignment(data, settings), scan, _proof(proof) if proof else None)


def _consignment(data: Json, settings: Json) -> Consignment:
    day, zone = data.get("estimatedDelivery"), settings.get("zone", "UTC")
    due = estimate(day, zone).get("estimated_delivery", "")
    return Consignment(
        carrier="farrow",
        number=data["consignmentId"],
        shipment=data.get("clientReference") or "",
        order=data.get("customerOrder") or "",
        estimated_delivery=due,
        estimated_precision="day" if due else "",
    )


def _scan(event: Json) -> Scan:
    reason = event.get("reason") or {}
    return Scan(
        id=event["eventId"],
        status=event["status"],
        time=instant(event["occurredAt"]),
        reason=reason.get("code") or "",
        text=reason.get("text") or "",
        place=(event.get("facility") or {}).get("name") or "",
        local_time=event["occurredAt"],
    )


def _proof(proof: Json) -> Proof:
    return Proof(
        delivered=instant(proof["deliveredAt"]),
        received_by=proof.get("signatory") or "",
        noted=tuple(
            (_DISCREPANCIES.get(noted["type"], "unknown"), int(noted.get("pieces") or 1), noted["type"])
            for noted in proof.get("discrepancies") or ()
        ),
    )
