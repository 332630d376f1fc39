"""What became of each step, read from the run's history: its state keeps only what it still needs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from crossdock.process.messages import Record

_records = msgspec.json.Decoder(list[Record])
_ENDS = frozenset(
    {"step.succeeded", "step.skipped", "step.failed", "step.cancelled", "step.undone"},
)
_BEGINS = frozenset({"step.started", "step.waiting", "task.opened"})


@dataclass(slots=True, kw_only=True)
class Trace:
    """A step's last life, as its records tell it."""

    started: datetime | None = None
    ended: datetime | None = None
    given: Any = None
    output: Any = None
    via: str = ""
    by: str = ""
    reason: str = ""


def traces(rows: Iterable[Any]) -> dict[str, Trace]:
    """The trace of each step; `rows` of history (`at`, `records`), oldest first."""
    found: dict[str, Trace] = {}
    for row in rows:
        try:
            records = _records.decode(row["records"])
        except msgspec.DecodeError:
            continue
        for record in records:
            if record.step:
                _take(found, record, row["at"])
    return found


def _take(found: dict[str, Trace], record: Record, at: datetime) -> None:
    data = record.data
    if record.what in _BEGINS:
        trace = found[record.step] = Trace(started=at)
        trace.given = data.get("input", data.get("content"))
        trace.via = str(data.get("via", ""))
    elif record.what == "step.redone":
        found.pop(record.step, None)
    elif record.what in _ENDS:
        trace = found.setdefault(record.step, Trace())
        trace.ended = at
        trace.by = str(data.get("by", "")) or trace.by
        trace.reason = str(data.get("reason", ""))
        trace.output = data.get("output", trace.output)
    elif record.what in ("task.changed", "step.held"):
        trace = found.setdefault(record.step, Trace())
        trace.given = data.get("content", trace.given)
        trace.reason = str(data.get("reason", trace.reason))
