"""What a row of milestones comes to: one story, where several told it, late, twice or against each other.

The rules, for each package apart from the others:

1.  The same thing told twice (what happened, why, and the sender's code) within two minutes is one. It keeps
    the earliest time that is trustworthy: one that is known rather than not, and to the second rather than
    to the day.
2.  They stand in the order in which they happened, not in which they were told. What has no time stands where
    it was told.
3.  A delivery stands. What is told to have happened after it and says that the goods still move contradicts
    it: it is kept, and marked, and moves nothing. A return after a delivery contradicts nothing.

Actual ones only: what is planned or estimated is left as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

Told = Mapping[str, Any]

SAME = timedelta(minutes=2)
_MOVING = frozenset(
    (
        "planned",
        "info_received",
        "tendered",
        "booked",
        "labelled",
        "picked_up",
        "departed",
        "in_transit",
        "arrived",
        "customs_started",
        "customs_cleared",
        "out_for_delivery",
        "available_for_pickup",
        "delivery_attempted",
    )
)
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_FINE = ("second", "minute", "hour", "day", "unknown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One milestone as JSON, how often it was told, and whether it contradicts a delivery before it."""

    milestone: Told
    told: int = 1
    contradicts: bool = False


def journey(milestones: Sequence[Told]) -> list[Step]:
    """The story that these milestones of a shipment tell, by the rules above."""
    steps: list[Step] = []
    for one in milestones:
        same = next((n for n, step in enumerate(steps) if _same(step.milestone, one)), None)
        if same is None:
            steps.append(Step(milestone=one))
        else:
            kept = min(steps[same].milestone, one, key=_trust)
            steps[same] = Step(milestone=kept, told=steps[same].told + 1)
    ordered = _ordered(steps)
    delivered: dict[str, datetime] = {}
    for step in ordered:
        when = _time(step.milestone)
        if _actual(step.milestone) and step.milestone.get("code") == "delivered" and when is not None:
            number = str(step.milestone.get("of_number", ""))
            delivered[number] = min(delivered.get(number, when), when)
    return [
        Step(milestone=step.milestone, told=step.told, contradicts=_contradicts(step.milestone, delivered))
        for step in ordered
    ]


def _same(one: Told, other: Told) -> bool:
    keys = ("code", "reason", "code_told", "of_number")
    if not (_actual(one) and _actual(other)) or any(one.get(key) != other.get(key) for key in keys):
        return False
    first, second = _time(one), _time(other)
    if first is None or second is None:
        return one.get("local_time") == other.get("local_time")
    return abs(first - second) <= SAME


def _trust(one: Told) -> tuple[bool, int, str]:
    """Smaller is more to be trusted, then earlier."""
    return "time" not in one, _FINE.index(one.get("precision", "second")), str(one.get("time", ""))


def _ordered(steps: Sequence[Step]) -> list[Step]:
    """By time; what has none stays behind what it was told after."""
    placed: list[tuple[datetime | None, int, Step]] = []
    last: datetime | None = None
    for n, step in enumerate(steps):
        last = _time(step.milestone) or last
        placed.append((last, n, step))
    first = min((when for when, _, _ in placed if when is not None), default=_BEGINNING)
    return [step for *_, step in sorted(placed, key=lambda one: (one[0] or first, one[1]))]


def _contradicts(one: Told, delivered: Mapping[str, datetime]) -> bool:
    when, since = _time(one), delivered.get(str(one.get("of_number", "")))
    if when is None or since is None or not _actual(one) or one.get("reason") == "returned_to_sender":
        return False
    return bool(one.get("code") in _MOVING and when > since)


def _actual(one: Told) -> bool:
    return bool(one.get("kind", "actual") == "actual")


def _time(one: Told) -> datetime | None:
    text = one.get("time")
    return datetime.fromisoformat(text) if text else None
