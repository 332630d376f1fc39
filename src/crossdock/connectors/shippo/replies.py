"""What Shippo answers and tells, in our words: tracks, and the events that carry them.

Shippo names a scan by one of six statuses and, more closely, by a substatus. A substatus counts only beside
the status that it belongs to; else the status stands. A scan may come as the last one and in the history: it
is told once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crossdock.connect.contract import Happening, Notice, Response
from crossdock.connectors._countries import alpha2
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._tracking import Parcel, Scan, happenings, place, tracking
from crossdock.connectors._words import words
from crossdock.connectors._zones import Moment, expected, told_moment
from crossdock.errors import Refused

_WORDS = "crossdock.connectors.shippo"
Seen = list[tuple[Parcel, Sequence[Scan]]]


def told_by_webhook(notice: Notice) -> list[Happening]:
    """An event or a track; nothing for events of other objects. Raises `Refused` for what is neither."""
    return happenings(words(_WORDS), seen(payload(notice), notice.settings.get("zone", "")))


def tracked(response: Response, zone: str) -> dict[str, Any]:
    """The milestones of a track."""
    return tracking(happenings(words(_WORDS), seen(Part(response.json()), zone)))


def seen(body: Part, zone: str) -> Seen:
    """The track of a payload. Raises `Refused` where there is none."""
    event = body.text("event")
    if event and event != "track_updated":
        return []  # of a label, a batch: no concern of ours
    track = body["data"] if event else body
    if not track["tracking_number"]:
        said = body.text("detail") or body.text("message")
        if not said:
            raise Refused("it is no track of Shippo: `tracking_number` is missing", where=track.where)
        raise Refused(
            f"Shippo says no tracking: {said}",
            where=body.where,
            mend="see that carrier, number and token are right",
        )
    latest = track["tracking_status"]
    parts = [*track.each("tracking_history"), *([latest] if isinstance(latest.value, dict) else [])]
    parcel = Parcel(
        carrier=track.text("carrier") or "shippo",
        number=track.needed("tracking_number"),
        service=track["servicelevel"].text("name"),
        estimate=_due(track),
    )
    return [(parcel, [_scan(part, zone) for part in parts if part["status_date"]])]


def _scan(part: Part, zone: str) -> Scan:
    where, more = part["location"], part["substatus"]
    country = alpha2(where.text("country"))
    when = told_moment(
        part.needed("status_date"),
        country=country,
        region=where.text("state"),
        postal_code=where.text("zip"),
        zone=zone,
        where=part["status_date"],
    )
    status = part.text("status")
    code = (more.text("code") if isinstance(more.value, dict) else more.text()).lower()
    return Scan(
        asks=[("substatus", f"{status.upper()} {code}"), ("status", status.upper())],
        when=when,
        code=" ".join(word for word in (status, code) if word),
        text=part.text("status_details"),
        place=place(
            city=where.text("city"),
            region=where.text("state"),
            postal_code=where.text("zip"),
            country=country,
        ),
        id=f"{status}/{code}/{when.bound.isoformat()}",
    )


def _due(track: Part) -> Moment | None:
    text = track.text("eta")
    if not text or track["tracking_status"].text("status") == "DELIVERED":
        return None
    to = track["address_to"]
    return expected(
        text, country=alpha2(to.text("country")), region=to.text("state"), postal_code=to.text("zip")
    )
