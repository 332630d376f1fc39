"""What EasyPost answers and tells, in our words: trackers, and the events that carry them.

EasyPost names each scan by one of ten statuses of its own, and sometimes by a detail. A detail counts only
beside the status that it belongs to. Its `unknown` and `error` are `unknown` here as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._countries import alpha2
from crossdock.connectors._payload import Part, payload, unfolded
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import words
from crossdock.connectors._zones import Moment, expected, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.easypost"
Seen = list[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """An event, a tracker, or a list of either; nothing for events of other objects. Raises `Refused`."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def delivery_id(notice: Notice) -> str:
    """The id of the event, the same when it is sent again."""
    return payload(notice).text("id")


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones of a tracker, or of each in a list."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def seen(body: Part, zone: str) -> Seen:
    """The trackers of a payload. Raises `Refused` for an error, or for what is none of EasyPost's objects."""
    return [_tracker(tracker, zone) for tracker in _trackers(body)]


def _trackers(body: Part) -> Iterator[Part]:
    if isinstance(body.value, list):
        for n, one in enumerate(body.value):
            yield from _trackers(Part(one, f"[{n}]"))
        return
    error = body["error"]
    if error:
        raise Refused(
            f"EasyPost says no tracking: {error.text('code')} {error.text('message')}".strip(),
            where=error.where,
            mend="see that number, carrier and key are right; then ask again",
        )
    kind = body.text("object")
    if kind == "Tracker" or body["tracking_details"]:
        yield body
    elif kind == "Event":
        yield from _of_event(body)
    elif kind == "Payload" or body["request_body"]:
        yield from _of_delivery(body)
    elif isinstance(body["trackers"].value, list):
        yield from body.each("trackers")
    elif isinstance(body["events"].value, list) or isinstance(body["payloads"].value, list):
        for one in (*body.each("events"), *body.each("payloads")):
            yield from _trackers(one)
    elif not body["id"] and not kind:
        raise Refused("it is no tracker or event of EasyPost", where=body.where)


def _of_event(event: Part) -> Iterator[Part]:
    if not event.text("description").startswith("tracker."):
        return  # of a batch, a refund, an invoice: no concern of ours
    if event["result"]:
        yield event["result"]


def _of_delivery(delivery: Part) -> Iterator[Part]:
    """A webhook as EasyPost keeps it: what was sent stands in it as text."""
    if delivery.text("request_body"):
        yield from _trackers(unfolded(delivery["request_body"]))


def _tracker(tracker: Part, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    signed = tracker.text("signed_by")
    details = list(tracker.each("tracking_details"))
    parcel = Parcel(
        carrier=tracker.text("carrier") or "easypost",
        number=tracker.needed("tracking_code"),
        service=tracker["carrier_detail"].text("service"),
        estimate=_due(tracker),
    )
    return parcel, [_scan(detail, zone, signed) for detail in details]


def _scan(detail: Part, zone: str, signed: str) -> Scan:
    where = detail["tracking_location"]
    country = alpha2(where.text("country"))
    when = told_moment(
        detail.needed("datetime"),
        country=country,
        region=where.text("state"),
        postal_code=where.text("zip"),
        zone=zone,
        where=detail["datetime"],
    )
    status, more = detail.text("status"), detail.text("status_detail")
    return Scan(
        asks=[("detail", f"{status} {more}"), ("status", status)],  # none is not known, as others are not
        when=when,
        code=" ".join(word for word in (status, more, detail.text("carrier_code")) if word),
        text=detail.text("message"),
        place=place(
            city=where.text("city"),
            region=where.text("state"),
            postal_code=where.text("zip"),
            country=country,
        ),
        id=f"{status}/{detail.text('message')[:80]}/{when.bound.isoformat()}",
        signed_by=signed,
    )


def _due(tracker: Part) -> Moment | None:
    text = tracker.text("est_delivery_date")
    if not text or tracker.text("status") == "delivered":
        return None
    to = tracker["carrier_detail"]["destination_tracking_location"]
    return expected(
        text, country=alpha2(to.text("country")), region=to.text("state"), postal_code=to.text("zip")
    )
