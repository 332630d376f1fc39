"""What Waypost TMS answers and tells, in our words."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from crossdock.connect.contract import Context, Happening, Notice, Page, RefusedByPartner, Request, Response
from crossdock.connect.contract import said as _said
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
        offer=quote["quote_id"],
    )


def tender(response: Response, _: Context) -> Json:
    """The tender, with the answer where the planner knows it already."""
    return _tender(response.json())


def found_tender(response: Response, _: Context) -> Json | None:
    """The tender that was made with our key, whatever became of it."""
    return next((_tender(one) for one in response.json()["tenders"]), None)


def _tender(one: Json) -> Json:
    state = one["status"]
    return told(
        tender=one["tender_id"],
        state=state if state in ("accepted", "declined") else "offered",
        reason=one.get("reason") or None,
    )


def withdraw(data: Json, _: Context) -> Generator[Request, Response, Json]:
    """Taken back, or declined before: either way the carrier does not have it."""
    response = yield requests.withdraw(data["tender"])
    if response.status == 409 and (yield requests.one_tender(data["tender"])).json()["status"] not in (
        "declined",
        "withdrawn",
    ):
        code, words_ = _said(response)
        raise RefusedByPartner(words_, code=code)
    return {}


def appointment(response: Response, _: Context) -> Json:
    """The slot, agreed or not yet."""
    return _slot(response.json())


def found_appointment(response: Response, _: Context) -> Json | None:
    """The slot that was asked for with our key."""
    return next((_slot(one) for one in response.json()["appointments"]), None)


def _slot(one: Json) -> Json:
    if one["status"] == "refused":
        raise RefusedByPartner(str(one.get("reason") or "there is no such slot"), code="refused")
    return {
        "appointment": one["appointment_id"],
        "state": "confirmed" if one["status"] == "confirmed" else "requested",
        "start": one["start"],
        "end": one["end"],
    }


def nothing(_: Response, __: Context) -> Json:
    """It was done; there is nothing to tell."""
    return {}


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
    """An answer to a tender, or news of a slot. Raises `Refused` for what else it may tell."""
    kind = event["event"].partition(".")[0]
    row = words("crossdock.connectors.waypost_tms").get((kind, event["event"]))
    if row is None:
        raise unknown_event(event["event"])
    said = _answered(event, row) if kind == "tender" else _moved(event, row)
    yield Happening(type=row["event"], time=instant(event["at"]), data=said, id=event["event_id"])


def _answered(event: Json, row: Mapping[str, str]) -> Json:
    tender = event["tender"]
    return told(
        number=tender["tender_id"],
        shipment=tender["shipment"],
        order=tender.get("order") or None,
        carrier={"id": tender["carrier"], "roles": ["carrier"]},
        service=tender.get("service"),
        state=row["state"],
        answered=event["at"],
        reason=tender.get("reason") or None,
        custom=told(quote=tender.get("quote_id")),
    )


def _moved(event: Json, row: Mapping[str, str]) -> Json:
    slot = event["appointment"]
    return told(
        number=slot["appointment_id"],
        shipment=slot["shipment"],
        order=slot.get("order") or None,
        tender=slot.get("tender_id") or None,
        carrier=slot.get("carrier") or None,
        kind=slot["kind"],
        state=row["state"],
        start=slot["start"],
        end=slot["end"],
        start_before=slot.get("start_before"),
        end_before=slot.get("end_before"),
        dock=slot.get("dock"),
        reason=slot.get("reason") or None,
    )


def delivery_id(notice: Notice) -> str:
    """The TMS's own id of the event, the same when it is sent again."""
    body = notice.json()
    return str(body.get("event_id", "")) if isinstance(body, dict) else ""
