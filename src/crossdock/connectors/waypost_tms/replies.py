"""What Waypost TMS answers and tells, in our words."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Happening, Notice, Page, Request, Response
from crossdock.connectors._words import estimate, instant, minor, reading, told, unknown_event, words
from crossdock.connectors.waypost_tms import requests

Json = Mapping[str, Any]


def offers(response: Response, context: Context) -> Json:
    """The quotes, cheapest first, as the TMS gives them."""
    return {"offers": [_offer(quote, context.settings["zone"]) for quote in response.json()["quotes"]]}


def _offer(quote: Json, zone: str) -> dict[str, Any]:
    arrives = estimate(quote.get("estimated_delivery"), zone).get("estimated_delivery")
    return told(
        carrier=quote["carrier"],
        service=quote["service"],
        price=minor(quote["price"]["value_minor"], quote["price"]["currency"]),
        cut_off=quote.get("cut_off_at"),
        delivery_by=arrives,
    )


def read_events(cursor: str, _: Context) -> Generator[Request, Response, Page]:
    """A page of the feed."""
    limit = 200
    answer = (yield requests.events(cursor, limit=limit)).json()
    events = answer["events"]
    return Page(records=events, cursor=str(answer["next"]), more=len(events) >= limit)


def health(_: Any, __: Context) -> Generator[Request, Response, None]:
    """It answers and lets us in."""
    yield requests.carriers()


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """One event that was pushed. Raises `Refused` for one that cannot be read."""
    body = notice.json()
    with reading("the webhook"):
        yield from _happened(body)


def told_by_feed(event: Json, _: Json) -> Iterator[Happening]:
    """One event of the feed. Raises `Refused` for one that cannot be read."""
    with reading("the event"):
        yield from _happened(event)


def _happened(event: Json) -> Iterator[Happening]:
    """An answer to a tender. Raises `Refused` for what else it may tell."""
    row = words("crossdock.connectors.waypost_tms").get(("tender", event["event"]))
    if row is None:
        raise unknown_event(event["event"])
    tender = event["tender"]
    data = told(
        number=tender["tender_id"],
        shipment=tender["shipment"],
        order=tender.get("order"),
        carrier={"id": tender["carrier"], "roles": ["carrier"]},
        state=row["state"],
        answered=event["at"],
        reason=tender.get("reason"),
        custom=told(service=tender.get("service"), quote=tender.get("quote_id")),
    )
    yield Happening(type=row["event"], time=instant(event["at"]), data=data, id=event["event_id"])


def delivery_id(notice: Notice) -> str:
    """The TMS's own id of the event, the same when it is sent again."""
    body = notice.json()
    return str(body.get("event_id", "")) if isinstance(body, dict) else ""
