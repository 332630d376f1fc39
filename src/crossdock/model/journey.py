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

`told_by` is how an event tells its milestone: with the goods that it is about, so that what happened to one
package, or to one of several shipments of a run, says nothing of another.
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
_SAME = ("code", "reason", "code_told", "of_number", "about")
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_WITHIN = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_FINE = ("second", "minute", "hour", "day", "unknown")


_NUMBERS = ("tracking_number", "booking", "shipment")  # what goods are known by, the most telling first
_SAYS = ("code", "reason", "kind", "code_told", "time", "precision", "local_time", "by")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One milestone as JSON, and the others that told the same.

    `contradicts` is the delivery that it cannot have followed, where there is one.
    """

    milestone: Told
    also: tuple[Told, ...] = ()
    contradicts: Told | None = None

    @property
    def told(self) -> int:
        """How often it was told."""
        return 1 + len(self.also)


def told_by(data: Any, time: str = "") -> dict[str, Any] | None:
    """What the data of an event says of a milestone, without its words: to be compared; None where nothing.

    `time` is when the event happened, where the milestone says no time at all.
    """
    milestone = data.get("milestone") if isinstance(data, Mapping) else None
    if not isinstance(milestone, Mapping):
        return None
    found = {name: milestone[name] for name in _SAYS if isinstance(milestone.get(name), str)}
    number = milestone.get("of_number") or data.get("package")
    about = next((data[name] for name in _NUMBERS if isinstance(data.get(name), str)), "")
    if time and "time" not in found and "local_time" not in found:
        found["time"] = time
    return {**found, **({"of_number": number} if number else {}), **({"about": about} if about else {})}


def journey(milestones: Sequence[Told]) -> list[Step]:
    """The story that these milestones of a shipment tell, by the rules above."""
    groups: list[list[Told]] = []
    for one in milestones:
        group = next((group for group in groups if same(_kept(group), one)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    steps = _ordered([_step(group) for group in groups])
    stories = [step.milestone for step in steps]
    return [
        Step(milestone=step.milestone, also=step.also, contradicts=contradicted(step.milestone, stories))
        for step in steps
    ]


def same(one: Told, other: Told) -> bool:
    """Whether two tell of one thing that has happened."""
    if not (_actual(one) and _actual(other)) or any(one.get(key) != other.get(key) for key in _SAME):
        return False
    first, second = time_of(one), time_of(other)
    if first is None or second is None:
        return one.get("local_time") == other.get("local_time")
    return abs(first - second) <= SAME


def contradicted(one: Told, others: Sequence[Told]) -> Told | None:
    """The first delivery among the others that this one cannot have followed."""
    if not _actual(one) or one.get("code") not in _MOVING or one.get("reason") == "returned_to_sender":
        return None
    when = _earliest(one)
    deliveries = [(since, other) for other in others if (since := _delivered(other, one)) is not None]
    since, first = min(deliveries, key=lambda delivery: delivery[0], default=(None, None))
    return first if when is not None and since is not None and when > since else None


def better(one: Told, other: Told) -> Told:
    """Which of two that tell the same has the time that is to be trusted."""
    return min(one, other, key=_trust)


def _delivered(other: Told, one: Told) -> datetime | None:
    """When the other says that the same goods were delivered."""
    alike = all(other.get(key, "") == one.get(key, "") for key in ("of_number", "about"))
    return time_of(other) if alike and _actual(other) and other.get("code") == "delivered" else None


def _kept(group: Sequence[Told]) -> Told:
    return min(group, key=_trust)


def _step(group: Sequence[Told]) -> Step:
    kept = _kept(group)
    return Step(milestone=kept, also=tuple(one for one in group if one is not kept))


def _trust(one: Told) -> tuple[bool, int, str]:
    """Smaller is more to be trusted, then earlier."""
    return "time" not in one, _FINE.index(_precision(one)), str(one.get("time", ""))


def _ordered(steps: Sequence[Step]) -> list[Step]:
    """By time; what has none stays behind what it was told after."""
    placed: list[tuple[datetime | None, int, Step]] = []
    last: datetime | None = None
    for n, step in enumerate(steps):
        last = time_of(step.milestone) or last
        placed.append((last, n, step))
    first = min((when for when, _, _ in placed if when is not None), default=_BEGINNING)
    return [step for *_, step in sorted(placed, key=lambda one: (one[0] or first, one[1]))]


def _precision(one: Told) -> str:
    found = one.get("precision", "second")
    return found if found in _FINE else "unknown"


def _actual(one: Told) -> bool:
    return bool(one.get("kind", "actual") == "actual")


def time_of(one: Told) -> datetime | None:
    """When it happened, as told; None where that is not known."""
    try:
        found = datetime.fromisoformat(one["time"])
    except (KeyError, TypeError, ValueError):
        return None
    return found if found.tzinfo is not None else None


def _earliest(one: Told) -> datetime | None:
    """The first instant that it can have been: of a day, `time` is the end."""
    when = time_of(one)
    return None if when is None else when - _WITHIN.get(str(one.get("precision")), timedelta())
