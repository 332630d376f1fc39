"""What the events of runs tell of their goods, as one story each (`model.journey` has the rules).

What came after a run had ended is parked by the numbers of its run: it is part of the story as well, so that
a scan told after the delivery is seen where one looks for it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

from crossdock.engine.correlate import decode_event
from crossdock.engine.payloads import put_back
from crossdock.model.codes import instant_text
from crossdock.model.journey import journey, time_of, told_by
from crossdock.store import TenantTransaction

MOST = 500  # tellings of one run that are read: the last ones

_TOLD: LiteralString = """
select k.run, h.seq, h.at, h.type, h.event from unnest($1::bigint[]) as k(run) cross join lateral (
  select h.seq, h.at, h.type, h.event from crossdock.history h
  where h.tenant = crossdock.tenant() and h.run = k.run
    and (h.type like 'shipment.%' or h.type like 'package.%')
  order by h.seq desc limit $2) h
order by k.run, h.seq
"""

_LATER: LiteralString = """
select distinct a.run, 0 as seq, p.at, p.type, p.event, p.id
from crossdock.alias a
join crossdock.parked_key k on k.tenant = a.tenant and k.kind = a.kind and k.value = a.value
join crossdock.parked p on p.tenant = k.tenant and p.id = k.parked
where a.tenant = crossdock.tenant() and a.run = any($1::bigint[])
  and a.kind in ('tracking', 'shipment', 'booking')
  and (p.type like 'shipment.%' or p.type like 'package.%')
order by p.id limit $2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """One event that tells a milestone. `seq` is its decision; 0: it came when its run had ended."""

    seq: int
    at: datetime
    received: datetime
    happened: datetime
    type: str
    source: str
    package: str
    milestone: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """One milestone: the telling whose time is trusted, those that told the same, what it contradicts."""

    telling: Telling
    also: tuple[Telling, ...]
    contradicts: Telling | None

    @property
    def place(self) -> tuple[str, int]:
        """Where it stands in the story: by when it happened, then by when it was told."""
        return (self.telling.happened.isoformat(), self.telling.seq)


async def stories(transaction: TenantTransaction, runs: Sequence[int]) -> dict[int, list[Happened]]:
    """Of each run, what happened to its goods, oldest first."""
    rows = await transaction.fetch(_TOLD, list(runs), MOST)
    rows = [*rows, *await transaction.fetch(_LATER, list(runs), MOST)]
    whole = await put_back(transaction, transaction.tenant.id, *(row["event"] for row in rows))
    told: dict[int, list[tuple[Mapping[str, Any], Telling]]] = defaultdict(list)
    for row, text in zip(rows, whole, strict=True):
        event = decode_event(text)
        data = event.data if isinstance(event.data, dict) else {}
        milestone = data.get("milestone")
        given = milestone if isinstance(milestone, dict) else {}
        telling = Telling(
            seq=row["seq"],
            at=row["at"],
            received=event.received,
            happened=time_of(given) or event.time,
            type=event.type,
            source=event.source,
            package=str(given.get("of_number") or data.get("package") or ""),
            milestone=given,
        )
        # One that brings no milestone is a step of its own: it is the same as no other.
        compared = told_by(data, instant_text(event.time)) or {"kind": "untold"}
        told[row["run"]].append((compared, telling))
    return {run: _story(pairs) for run, pairs in told.items()}


def _story(pairs: Sequence[tuple[Mapping[str, Any], Telling]]) -> list[Happened]:
    by_identity = {id(compared): telling for compared, telling in pairs}

    def telling(compared: Mapping[str, Any] | None) -> Telling | None:
        return None if compared is None else by_identity[id(compared)]

    found = [
        Happened(
            telling=by_identity[id(step.milestone)],
            also=tuple(by_identity[id(one)] for one in step.also),
            contradicts=telling(step.contradicts),
        )
        for step in journey([compared for compared, _ in pairs])
    ]
    return sorted(found, key=lambda one: one.place)
