"""What AfterShip answers and tells, in our words: trackings, and the pushes that carry them.

A checkpoint has a subtag, which says what happened, and a tag, which says it more roughly and stands where
there is no subtag, or one that is newer than our table: then what happened is known, and why an `Exception`
is one is not. Who says so is the carrier, by AfterShip's name of it (`slug`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._countries import alpha2
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import told, words
from crossdock.connectors._zones import Moment, expected, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.aftership"
_OF_THE_WHOLE = ("Expired", "Exception_013")  # said of the tracking without a checkpoint: silence, loss
Seen = list[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """A push, a tracking or a list of them. Raises `Refused` for an error and for what is none of these."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def delivery_id(notice: Notice) -> str:
    """The id of the event, the same when it is sent again."""
    body = payload(notice)
    return body.text("event_id") or body.text("id")


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones of each tracking in an answer."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def seen(body: Part, zone: str) -> Seen:
    """The trackings of a payload. Raises `Refused` for an error."""
    return [_tracking(one, zone) for one in _trackings(body)]


def _trackings(body: Part) -> Iterator[Part]:
    meta = body["meta"]
    code = meta.text("code")
    if code and not code.startswith("2"):
        raise Refused(
            f"AfterShip says no tracking: {code} {meta.text('message')}".strip(),
            where=meta.where,
            mend="see that key, carrier and number are right; then ask again",
        )
    if body["msg"]:
        yield body["msg"]
        return
    data = body["data"] if body["data"] or meta else body
    if isinstance(data["trackings"].value, list):
        yield from data.each("trackings")
    elif data["tracking"]:
        yield data["tracking"]
    elif data["tracking_number"]:
        yield data
    elif not meta:
        raise Refused(
            "it is neither a push of AfterShip (`msg`) nor an answer (`meta`, `data`)", where=body.where
        )


def _tracking(tracking: Part, zone: str) -> tuple[Parcel, Sequence[Scan]]:
    carrier = tracking.text("slug") or "aftership"
    count = tracking.text("shipment_package_count")
    signed = tracking.text("signed_by")
    order = tracking.text("order_id") or tracking.text("order_number")
    parcel = Parcel(
        carrier=carrier,
        number=tracking.needed("tracking_number"),
        service=tracking.text("shipment_type"),
        references=told(order=order[:200]),
        pieces=int(count) if count.isdecimal() else 1,
        estimate=_due(tracking),
    )
    scans = [_scan(point, zone, signed) for point in tracking.each("checkpoints")]
    told_last, at = tracking.text("subtag"), tracking.text("updated_at")
    if told_last.startswith(_OF_THE_WHOLE) and at and not any(told_last in scan.code for scan in scans):
        fields = {"tag": tracking.text("tag"), "subtag": told_last, "checkpoint_time": at}
        fields["message"] = tracking.text("subtag_message")
        scans.append(_scan(Part(fields, tracking.path), zone, ""))
    return parcel, scans


def _scan(point: Part, zone: str, signed: str) -> Scan:
    country = alpha2(point.text("country_region") or point.text("country_iso3"))
    region, postal_code = point.text("state"), point.text("postal_code") or point.text("zip")
    when = told_moment(
        point.needed("checkpoint_time"),
        country=country,
        region=region,
        postal_code=postal_code,
        zone=zone,
        where=point["checkpoint_time"],
    )
    tag, more = point.text("tag"), point.text("subtag")
    new = more if more and ("subtag", more) not in words(_WORDS) else ""
    return Scan(
        asks=[("subtag", more), ("tag", tag)],
        when=when,
        code=" ".join(word for word in (tag, more, point.text("raw_tag")) if word),
        text=point.text("message"),
        reason=new,
        place=place(
            name=point.text("location") or point.text("country_name"),
            city=point.text("city"),
            region=region,
            postal_code=postal_code,
            country=country,
        ),
        id=f"{more or tag}/{point.text('message')[:80]}/{when.bound.isoformat()}",
        signed_by=signed,
    )


def _due(tracking: Part) -> Moment | None:
    text = tracking["latest_estimated_delivery"].text("datetime") or tracking.text("expected_delivery")
    if not text or tracking.text("tag") == "Delivered":
        return None
    country = alpha2(tracking.text("destination_country_region") or tracking.text("destination_country_iso3"))
    return expected(text, country=country)
