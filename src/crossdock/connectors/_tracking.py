"""What carriers' tracking tells, as events: scans in, one happening each, the same by push and by poll.

A connector's `replies.py` reads its payload into a `Parcel` and its `Scan`s; its `statuses.csv` says what the
codes mean, each row with its source. What happened (`milestone`) and why (`reason`) are told apart. A code
without a row is `unknown`: it keeps its text, and its reason `unknown` is the type of the exception that it
asks for. No row is guessed, and nothing is read out of the words. A row with neither is a note that tells
nothing of the journey (a claim was paid): it is no event. `estimated_delivery` is when it is expected now.

A parcel of several pieces: what happened to one is about that `package`; the shipment is delivered when the
last of its pieces is, which is told where the payload has all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from crossdock.connect.contract import Happening
from crossdock.connectors._words import Row, told
from crossdock.connectors._zones import Moment, no_moment
from crossdock.model.codes import COUNTRIES, instant_text
from crossdock.model.journey import journey

Words = Mapping[tuple[str, str], Row]
Place = Mapping[str, str]

_OF_MILESTONE = {
    "info_received": "shipment.announced",
    "picked_up": "shipment.picked_up",
    "departed": "shipment.departed",
    "in_transit": "shipment.in_transit",
    "arrived": "shipment.arrived",
    "customs_started": "shipment.customs_started",
    "customs_cleared": "shipment.customs_cleared",
    "out_for_delivery": "shipment.out_for_delivery",
    "available_for_pickup": "shipment.available_for_pickup",
    "delivery_attempted": "shipment.delivery_attempted",
    "delivered": "shipment.delivered",
    "return_started": "shipment.returned_to_sender",
    "returned_to_sender": "shipment.returned_to_sender",
    "cancelled": "shipment.cancelled",
}
_OF_REASON = {
    "delay_operational": "shipment.delayed",
    "delay_weather": "shipment.delayed",
    "delay_customs": "shipment.customs_held",
    "missort": "shipment.missorted",
    "held": "shipment.held",
    "security_hazmat": "shipment.held",
    "address_issue": "shipment.held",
    "payment_due": "shipment.held",
    "recipient_unavailable": "shipment.delivery_attempted",
    "damaged": "shipment.damaged",
    "lost": "shipment.lost",
    "refused": "shipment.refused",
    "delivery_change": "shipment.redirected",
    "pickup_failed": "shipment.pickup_failed",
    "returned_to_sender": "shipment.returned_to_sender",
    "cancelled": "shipment.cancelled",
    "temperature_excursion": "shipment.temperature_exceeded",
}
_OF_PACKAGE = {
    "shipment.delivered": "package.delivered",
    "shipment.damaged": "package.damaged",
    "shipment.lost": "package.lost",
}
_OTHER = "shipment.milestone"

REPORTS = tuple(
    sorted(
        {*_OF_MILESTONE.values(), *_OF_REASON.values(), *_OF_PACKAGE.values(), "shipment.estimated", _OTHER}
    )
)
"""The types of events that tracking leads to."""


class Parcel(msgspec.Struct, frozen=True, kw_only=True):
    """What a payload is about.

    `number` is the shipment's tracking number, `package` the piece's where there are several, `carrier` who
    says so. `references` are our own numbers where the payload has them: shipment, order, booking.
    """

    carrier: str
    number: str
    package: str = ""
    pieces: int = 1
    service: str = ""
    references: Mapping[str, str] = {}
    estimate: Moment | None = None  # of the delivery, as the carrier has it now

    @property
    def several(self) -> bool:
        """Whether it is one piece of several."""
        return self.pieces > 1 and bool(self.package)


class Scan(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that the carrier reports.

    `asks` are the keys by which its meaning is looked for in the table, the most telling first, and `why`
    those of its reason. `code` and `reason` are as told. `id` names it among those of its number, the same by
    whichever way it comes.
    """

    asks: Sequence[tuple[str, str]]
    when: Moment
    code: str
    text: str = ""
    why: Sequence[tuple[str, str]] = ()
    reason: str = ""
    place: Place = {}
    id: str = ""
    signed_by: str = ""
    proof: Mapping[str, Any] = {}
    kind: str = ""
    of: str = ""
    of_number: str = ""


def place(
    *, name: str = "", city: str = "", region: str = "", postal_code: str = "", country: str = ""
) -> dict[str, str]:
    """A place; a country that is no ISO 3166-1 code stands in its name."""
    known = country.upper() if country.upper() in COUNTRIES else ""
    if country and not known:
        name = ", ".join(part for part in (name, country) if part)
    return told(name=name[:500], city=city[:500], region=region, postal_code=postal_code, country=known)


def happenings(words: Words, seen: Iterable[tuple[Parcel, Sequence[Scan]]]) -> list[Happening]:
    """What a payload tells of its parcels, oldest first; the same scan told twice is one."""
    found: dict[str, Happening] = {}
    delivered: dict[str, list[tuple[Parcel, _Meant]]] = {}
    for parcel, scans in seen:
        once = {scan.id: meant for scan in _oldest_first(scans) if (meant := _Meant.by(words, scan)).tells}
        ordered = sorted(once.values(), key=lambda meant: meant.scan.when.bound)
        earlier = replace(parcel, estimate=None)
        for n, meant in enumerate(ordered):
            happening = _happening(parcel if n == len(ordered) - 1 else earlier, meant)
            found.setdefault(happening.id, happening)
        last = next((m for m in reversed(ordered) if m.row and m.row["milestone"] == "delivered"), None)
        if parcel.several and last is not None:
            delivered.setdefault(parcel.number, []).append((parcel, last))
    for pieces in delivered.values():
        whole = _whole(pieces)
        if whole is not None:
            found.setdefault(whole.id, whole)
    return sorted(found.values(), key=lambda happening: happening.time)


class _Meant(NamedTuple):
    """A scan with the rows of the table that say what its status and its reason mean, None for no row."""

    scan: Scan
    row: Row | None
    cause: Row | None

    @classmethod
    def by(cls, words: Words, scan: Scan) -> _Meant:
        return cls(scan, _row(words, scan.asks), _row(words, scan.why))

    @property
    def tells(self) -> bool:
        """Whether it tells of the journey, and is no mere note."""
        return self.row is None or bool(self.row["milestone"] or self.row["reason"])


def _oldest_first(scans: Sequence[Scan]) -> Iterable[Scan]:
    """Scans of the same minute stay in their order: most carriers tell the newest first, some the oldest."""
    told_so = len(scans) > 1 and scans[0].when.bound < scans[-1].when.bound
    return scans if told_so else reversed(scans)


def tracking(found: Iterable[Happening]) -> dict[str, Any]:
    """What `carrier.track` gives: the milestones as one story, and all that was told as events."""
    told_ = list(found)
    story = journey([happening.data["milestone"] for happening in told_])
    return {
        "milestones": [dict(step.milestone) for step in story],
        "events": [
            {"id": one.id, "type": one.type, "time": instant_text(one.time), "data": one.data}
            for one in told_
        ],
    }


def day_end(when: Moment | None) -> dict[str, str]:
    """An estimate as fields of a shipment's news; nothing where its instant is not known."""
    if when is None or when.time is None:
        return {}
    return told(estimated_delivery=instant_text(when.time), estimated_delivery_precision=when.precision)


def _happening(parcel: Parcel, meant: _Meant) -> Happening:
    scan = meant.scan
    type_, milestone = _milestone(parcel, meant)
    estimate = day_end(parcel.estimate)
    data = {
        **told(
            tracking_number=parcel.number,
            package=parcel.package if parcel.several else "",
            carrier=parcel.carrier,
            service=parcel.service[:200],
            **parcel.references,
        ),
        "milestone": milestone,
        **(estimate | {"estimated_by": parcel.carrier} if estimate else {}),
        **told(proof=_proof(parcel, scan) if milestone.get("code") == "delivered" else None),
    }
    return Happening(type=type_, time=scan.when.bound, data=data, id=_id(parcel, scan))


def _milestone(parcel: Parcel, meant: _Meant) -> tuple[str, dict[str, Any]]:
    scan, row, cause = meant
    code, event = (row["milestone"], row["event"]) if row else ("unknown", _OTHER)
    if cause is not None and not code:
        code, event = cause["milestone"], event or cause["event"]
    reason = cause["reason"] if cause else row["reason"] if row else "unknown"
    if scan.reason and cause is None and row is not None and not row["milestone"]:
        reason = row["reason"] if row["reason"] not in ("", "other_exception") else "unknown"
    when, kind = scan.when, scan.kind
    if code == "estimated_delivery":
        when, kind = parcel.estimate or no_moment(scan.when.bound, "the new time was not told"), "estimated"
    if kind not in ("", "actual"):
        event = "shipment.estimated"  # nothing has happened yet
    elif not event:
        event = _event(code, reason)
    if parcel.several:
        event = _OF_PACKAGE.get(event, event)
    return event, told(
        code=code,
        reason=reason,
        kind=kind,
        of=scan.of or ("package" if parcel.several else "shipment"),
        of_number=scan.of_number or (parcel.package if parcel.several else ""),
        time=instant_text(when.time) if when.time else None,
        precision=when.precision if when.time else None,
        local_time=when.local,
        by=parcel.carrier,
        code_told=scan.code[:500],
        reason_told=scan.reason[:500],
        text=scan.text[:20_000],
        place={**scan.place, **told(time_zone=when.zone)} or None,
        signed_by=scan.signed_by[:500] if code == "delivered" else "",
        origins={"time" if when.time else "local_time": when.origin} if when.origin else None,
    )


def _event(code: str, reason: str) -> str:
    if code == "delivery_attempted" and reason == "refused":
        return "shipment.refused"
    if code and code != "unknown":
        return _OF_MILESTONE.get(code, _OTHER)
    return _OF_REASON.get(reason, _OTHER)


def _row(words: Words, asks: Sequence[tuple[str, str]]) -> Row | None:
    for ask in asks:
        row = words.get(ask)
        if row is not None:
            return row
    return None


def _proof(parcel: Parcel, scan: Scan) -> dict[str, Any] | None:
    if not (scan.signed_by or scan.proof):
        return None
    return {
        **told(
            tracking_number=parcel.package if parcel.several else parcel.number,
            delivered=instant_text(scan.when.time) if scan.when.time else None,
            delivered_precision=scan.when.precision if scan.when.time else None,
            received_by=scan.signed_by[:500],
        ),
        **scan.proof,
    }


def _whole(pieces: Sequence[tuple[Parcel, _Meant]]) -> Happening | None:
    """The delivery of the shipment, where each of its pieces is delivered."""
    if len({parcel.package for parcel, _ in pieces}) < max(parcel.pieces for parcel, _ in pieces):
        return None
    parcel, last = max(pieces, key=lambda piece: piece[1].scan.when.bound)
    whole = replace(last.scan, id=f"all/{last.scan.id}")
    return _happening(replace(parcel, pieces=1, package=""), last._replace(scan=whole))


def _id(parcel: Parcel, scan: Scan) -> str:
    return f"{parcel.package if parcel.several else parcel.number}/{scan.id}"[:500]
