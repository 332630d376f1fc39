"""What has come of the orders so far, counted from the history as it grows."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

from crossdock.engine.history import Line, Place, follow
from crossdock.process.messages import CALL_ENDED, Record
from crossdock.store import Database, Tenant

ORDER = "order-to-cash"


@dataclass(slots=True)
class Tally:
    """Follows one tenant's history. Sets hold keys: orders, shipments."""

    database: Database
    tenant: Tenant
    orders: set[str] = field(default_factory=set)
    packed: set[str] = field(default_factory=set)
    shipped: set[str] = field(default_factory=set)  # shipments
    delivered: set[str] = field(default_factory=set)  # shipments
    invoiced: set[str] = field(default_factory=set)
    credited: set[str] = field(default_factory=set)  # returns
    cancelled: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    exceptions: Counter[str] = field(default_factory=Counter)
    open_exceptions: set[str] = field(default_factory=set)
    open_tasks: set[str] = field(default_factory=set)
    decided_by: Counter[str] = field(default_factory=Counter)
    touched: Counter[str] = field(default_factory=Counter)  # manual acts by order
    seconds: dict[str, list[float]] = field(default_factory=dict)  # measures by name
    events: int = 0
    calls: int = 0
    unanswered: Counter[str] = field(default_factory=Counter)  # calls that a connection did not answer
    _runs: dict[int, tuple[str, str]] = field(default_factory=dict)
    _place: Place = field(default_factory=Place)

    @property
    def ended(self) -> int:
        """Orders that have come to their end."""
        return len(self.invoiced | self.cancelled | self.failed)

    async def catch_up(self) -> None:
        """Take in what has been decided since."""
        while True:
            lines, self._place = await follow(self.database, self.tenant, self._place)
            for run, line in lines:
                self._take(run, line)
            if len(lines) < 1000:
                return

    def _order_of(self, run: int) -> str:
        """The order that a run serves: its number stands in the key, also of shipments, cases and returns."""
        _, key = self._runs.get(run, ("", ""))
        return next((part for part in key.removeprefix("R-").split("/") if part in self.orders), key)

    def _take(self, run: int, line: Line) -> None:
        self.events += 1
        if line.event.type == CALL_ENDED:
            self.calls += 1
            if line.event.data["outcome"] in {"unreachable", "unknown"}:
                self.unanswered[line.event.source.removeprefix("call/")] += 1
        actor = line.event.actor
        if actor is not None and actor.kind in ("human", "system"):
            refused = any(record.what.endswith("refused") for record in line.records)
            if not refused and line.event.type != "run.start":
                self.decided_by[actor.id] += 1
                self.touched[self._order_of(run)] += 1
        for record in line.records:
            self._record(run, record)

    def _record(self, run: int, record: Record) -> None:
        data = record.data
        process, key = self._runs.get(run, ("", ""))
        match record.what:
            case "run.started":
                self._runs[run] = (str(data["process"]), "")
            case "alias.set" if not key:
                self._runs[run] = (process, str(data["value"]))
                if process == ORDER:
                    self.orders.add(str(data["value"]))
            case "step.succeeded":
                self._succeeded(process, key, record.step)
            case "run.cancelled" if process == ORDER:
                self.cancelled.add(key)
            case "run.failed" if process == ORDER:
                self.failed.add(key)
            case "exception.raised":
                self.exceptions[str(data["type"])] += 1
                self.open_exceptions.add(str(data["exception"]))
            case "exception.closed":
                self.open_exceptions.discard(str(data["exception"]))
            case "task.opened":
                self.open_tasks.add(str(data["task"]))
            case "task.decided" | "task.withdrawn":
                self.open_tasks.discard(str(data["task"]))
            case "measure":
                self.seconds.setdefault(str(data["name"]), []).append(float(data["seconds"]))
            case _:
                pass

    def _succeeded(self, process: str, key: str, step: str) -> None:
        match process, step:
            case ("order-to-cash", "picked"):
                self.packed.add(key)
            case ("order-to-cash", "invoice"):
                self.invoiced.add(key)
            case ("deliver-shipment", "book"):
                self.shipped.add(key)
            case ("deliver-shipment", "delivered"):
                self.delivered.add(key)
            case ("return-to-credit", "credit"):
                self.credited.add(key)
            case _:
                pass


def percentiles(values: list[float]) -> dict[str, float]:
    """The 10th, 50th and 90th percentile in hours, and how many there were (nearest rank)."""
    ordered = sorted(values)
    if not ordered:
        return {"count": 0}

    def at(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1] / 3600, 1)

    return {"count": len(ordered), "p10_hours": at(0.1), "p50_hours": at(0.5), "p90_hours": at(0.9)}
