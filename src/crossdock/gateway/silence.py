"""When a carrier is asked about a number again, when news of it is due, and why there is none. Pure.

News is due by what was reported last, in the business time of the shipment's calendar; a tenant says
otherwise for a carrier, service or lane under `silence` in its settings:

    silence:
      - { carrier: quayline, after: 1 business day }
      - { carrier: quayline, lane: US-CA, after: 3 business days }

The rule that says most counts; of equals the first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from crossdock.errors import CrossdockError
from crossdock.process.calendar import DEFAULT_CALENDAR, Calendar
from crossdock.process.durations import Duration

FOLLOWED = timedelta(days=90)  # after booking; then only a push can tell
_OLD = timedelta(days=14)
_MOST_WAIT = timedelta(days=1)
_SOON = frozenset({"out_for_delivery", "delivery_attempted"})
_UNSCANNED = frozenset({"", "planned", "info_received", "booked", "labelled", "tendered"})
_DUE = {
    "out_for_delivery": "1 business day",
    "delivery_attempted": "2 business days",
    "available_for_pickup": "7 business days",
    "customs_started": "4 business days",
    "": "1 business day",
}
_ABROAD = "4 business days"
_HOME = "2 business days"


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """What is known of a tracking number."""

    carrier: str  # the connection
    service: str
    lane: str
    booked: datetime
    newest: datetime | None  # when what was reported last happened
    code: str
    place: str
    failures: int
    refused: bool
    error: str
    twice: bool  # another run has or had it


def asked_after(number: Number, every: float, now: datetime) -> timedelta:
    """How long until the carrier is asked again: sooner near the door, later for what is old or fails.

    `every` is in minutes.
    """
    wait = timedelta(minutes=every)
    if number.failures:
        slower: int = 2 ** min(number.failures - 1, 8)
        return min(wait * slower, max(_MOST_WAIT, wait))
    if number.code in _SOON:
        return wait / 4
    if now - number.booked > _OLD:
        return max(wait, min(wait * 4, _MOST_WAIT))
    return wait


def due(number: Number, rules: object, calendar: Calendar | None) -> datetime:
    """When the next news of it is due."""
    after = _rule(number, rules) or _usual(number)
    return (calendar or DEFAULT_CALENDAR).add(number.newest or number.booked, after)


def why(number: Number) -> tuple[str, str]:
    """Why there is no news: the word for it, and a sentence with what is known last."""
    if number.refused:
        return "wrong_number", f"{number.carrier} does not know the number: {number.error}"
    if number.failures:
        return "carrier_down", f"{number.carrier} could not be asked: {number.error}"
    if number.newest is not None and number.newest < number.booked - timedelta(days=2):
        return (
            "duplicate_number",
            f"{number.carrier} reports what was before the booking; another shipment had it: {_last(number)}",
        )
    if number.twice:
        return (
            "duplicate_number",
            f"Another shipment has or had the number: {_last(number)}",
        )
    if number.code in _UNSCANNED:
        return (
            "not_yet_scanned",
            f"{number.carrier} knows the label alone: {_last(number)}",
        )
    return "no_scan", f"{number.carrier} answers, and has no scan since: {_last(number)}"


def unscanned(code: str) -> bool:
    """Whether the goods were not in the carrier's hands yet."""
    return code in _UNSCANNED


def _last(number: Number) -> str:
    if number.newest is None:
        return "no milestone at all"
    where = f", {number.place}" if number.place else ""
    what, when = number.code.replace("_", " ") or "reported", number.newest.astimezone(UTC)
    return f"{what} {when:%Y-%m-%d %H:%M}Z{where}"


def _usual(number: Number) -> Duration:
    text = _DUE.get("" if number.code in _UNSCANNED else number.code)
    home, _, abroad = number.lane.partition("-")
    return Duration.parse(text or (_ABROAD if abroad and abroad != home else _HOME))


def _rule(number: Number, rules: object) -> Duration | None:
    """The rule of the tenant that says most of this number; one that cannot be read says nothing."""
    known = {"carrier": number.carrier, "service": number.service, "lane": number.lane}
    best: tuple[int, Duration] | None = None
    for rule in rules if isinstance(rules, Sequence) and not isinstance(rules, str) else ():
        if not isinstance(rule, Mapping):
            continue
        named = [name for name in known if rule.get(name)]
        if any(rule[name] != known[name] for name in named) or (best and len(named) <= best[0]):
            continue
        try:
            best = (len(named), Duration.parse(str(rule.get("after", ""))))
        except CrossdockError:
            continue
    return best[1] if best else None


def newest(events: Sequence[Mapping[str, Any]]) -> tuple[datetime, str, str] | None:
    """Of what a carrier reports, what happened last: when, what, where."""
    found: tuple[datetime, str, str] | None = None
    for event in events:
        data = event.get("data")
        milestone = data.get("milestone") if isinstance(data, Mapping) else None
        said = milestone if isinstance(milestone, Mapping) else {}
        if said.get("kind", "actual") != "actual":
            continue
        when = datetime.fromisoformat(str(event["time"]))
        place = said.get("place")
        name = place.get("name") or place.get("city") if isinstance(place, Mapping) else ""
        if found is None or when >= found[0]:
            found = (when, str(said.get("code") or said.get("reason") or "unknown"), str(name or ""))
    return found
