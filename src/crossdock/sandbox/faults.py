"""Faults on demand, deterministic by their seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from crossdock.sandbox.clock import Clock

FOR_WEBHOOKS = frozenset({"duplicate", "out_of_order", "lost_webhook"})
DEFAULT_SECONDS = {"slow": 2.0, "timeout_after": 30.0}


class FaultOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /faults` takes."""

    fault: Literal[
        "slow",
        "429",
        "500",
        "timeout_after",
        "duplicate",
        "out_of_order",
        "lost_webhook",
        "outage",
        "refuse",
        "malformed",
    ]
    operation: str = "*"
    count: Annotated[int, Meta(ge=1)] | None = None
    rate: Annotated[float, Meta(ge=0, le=1)] | None = None
    seed: int = 0
    seconds: Annotated[float, Meta(ge=0)] | None = None
    retry_after: Annotated[int, Meta(ge=0)] = 1
    message: str = "Refused on demand"
    drop: bool = False


@dataclass(slots=True)
class Fault:
    """An order in force: how often it may still strike (None: no limit) and until when (None: no end)."""

    order: FaultOrder
    left: int | None
    until: datetime | None
    struck: int = 0
    draw: random.Random = field(default_factory=random.Random)

    @property
    def seconds(self) -> float:
        """How long an answer is held, in real seconds."""
        given = self.order.seconds
        return DEFAULT_SECONDS.get(self.order.fault, 0.0) if given is None else given


class Faults:
    """The faults of one service."""

    def __init__(self, clock: Clock) -> None:
        """Begin with none."""
        self._clock = clock
        self._faults: list[Fault] = []

    def add(self, order: FaultOrder) -> Fault:
        """Put a fault in force."""
        lasting = order.fault == "outage"
        left = order.count if order.count or order.rate is not None or lasting else 1
        until = None
        if lasting and order.seconds is not None:
            until = self._clock.now() + timedelta(seconds=order.seconds)
        fault = Fault(order, left, until, draw=random.Random(order.seed))
        self._faults.append(fault)
        return fault

    def clear(self) -> None:
        """End all."""
        self._faults.clear()

    def for_request(self, operation: str) -> Fault | None:
        """The fault that this request meets, None for none."""
        return self._strike(operation, webhook=False) if self._faults else None

    def for_webhook(self, event: str) -> Fault | None:
        """The fault that this webhook meets, None for none."""
        return self._strike(event, webhook=True) if self._faults else None

    def silenced(self) -> bool:
        """Whether an outage keeps webhooks from leaving; one that counts requests does not."""
        return any(
            fault.order.fault == "outage" and fault.left is None and self._in_force(fault)
            for fault in self._faults
        )

    def page(self) -> list[dict[str, Any]]:
        """The faults in force and how often each struck."""
        return [
            {
                "fault": fault.order.fault,
                "operation": fault.order.operation,
                "left": fault.left,
                "struck": fault.struck,
                "in_force": self._in_force(fault),
            }
            for fault in self._faults
        ]

    def _in_force(self, fault: Fault) -> bool:
        return fault.left != 0 and (fault.until is None or self._clock.now() < fault.until)

    def _strike(self, name: str, *, webhook: bool) -> Fault | None:
        for fault in self._faults:
            order = fault.order
            if (order.fault in FOR_WEBHOOKS) != webhook or not self._in_force(fault):
                continue
            if not fnmatchcase(name, order.operation):
                continue
            if order.rate is not None and fault.draw.random() >= order.rate:
                continue
            fault.struck += 1
            if fault.left is not None:
                fault.left -= 1
            return fault
        return None
