"""Decides what nobody has decided after a while, so that the demo goes on. It is named as what it is."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from crossdock.engine import Arrival, History, Inbox
from crossdock.engine.history import ExceptionRow, TaskRow
from crossdock.process.messages import (
    EXCEPTION_CLOSE,
    STEP_RETRY,
    STEP_SKIP,
    TASK_DECIDED,
    Actor,
)
from crossdock.store import Tenant

NAME = "stand-in"
AFTER = timedelta(hours=3)  # of the demo's clock
MOST_TRIES = 3  # of one case: what is not taken then is left to people
_SAMPLE = {"string": "decided by the stand-in", "bool": True, "int": 1}


@dataclass(slots=True)
class StandIn:
    """Looks at what is open, and decides what has waited for `AFTER` and for `patience` real seconds."""

    history: History
    inbox: Inbox
    tenant: Tenant
    patience: float
    _seen: dict[str, float] = field(default_factory=dict)
    _tried: dict[str, int] = field(default_factory=dict)
    _told: Counter[str] = field(default_factory=Counter)

    async def turn(self, now: datetime) -> tuple[int, datetime | None, bool]:
        """Decide what is due: how many, when the next will be, and whether real time is waited for."""
        decided = 0
        upcoming: datetime | None = None
        waiting = False
        tasks = await self.history.tasks(self.tenant, most=1000)
        exceptions = await self.history.exceptions(self.tenant, most=1000)
        cases: list[TaskRow | ExceptionRow] = [*tasks, *exceptions]
        for one in cases:
            due = one.opened + AFTER
            first = self._seen.setdefault(one.id, time.monotonic())
            if due > now:
                upcoming = min(upcoming or due, due)
            elif time.monotonic() - first < self.patience:
                waiting = True
            elif self._told[one.id] < MOST_TRIES:
                self._told[one.id] += 1
                type_, data, role = _decision(one) if isinstance(one, TaskRow) else self._repair(one)
                await self._tell(one.run, type_, data, role)
                decided += 1
        return decided, upcoming, waiting

    def _repair(self, case: ExceptionRow) -> tuple[str, dict[str, Any], str]:
        """What it does with an exception: let it pass, try again once, then go on without the step.

        Who is away comes back: that is tried again for as long as it takes.
        """
        name = f"{case.run}/{case.step}/{case.type}"  # a try that fails opens another case
        self._tried[name] = self._tried.get(name, 0) + 1
        if not case.data.get("holds"):
            return EXCEPTION_CLOSE, {"exception": case.id, "note": "noted by the stand-in"}, case.owner
        if case.type == "invoice_hold":
            note = "the stand-in has the invoice released in spite of it"
            return STEP_SKIP, {"step": case.step, "note": note}, case.owner
        if self._tried[name] <= 1 or case.type == "partner_down":
            return STEP_RETRY, {"step": case.step, "note": "the stand-in tries again"}, case.owner
        return STEP_SKIP, {"step": case.step, "note": "the stand-in goes on without it"}, case.owner

    async def _tell(self, run: int, type_: str, data: dict[str, Any], role: str) -> None:
        actor = Actor(id=NAME, kind="system", roles=(role,) if role else ())
        arrival = Arrival(id=str(uuid4()), source=NAME, type=type_, data=data, actor=actor)
        await self.inbox.tell(self.tenant, run, arrival)


def _decision(task: TaskRow) -> tuple[str, dict[str, Any], str]:
    """Yes to an approval, a sample for each field of a form."""
    data: dict[str, Any] = {"task": task.id, "note": "decided by the stand-in: nobody else did"}
    form = task.data.get("form")
    if task.data.get("kind") == "task":
        data["decision"] = "done"
        data["form"] = _filled(form)
    else:
        data["decision"] = "approved"
    return TASK_DECIDED, data, task.role


def _filled(form: Any) -> dict[str, Any]:
    fields = form if isinstance(form, dict) else {"action": "string", "note": "string"}
    return {
        name.removesuffix("?"): _SAMPLE.get(str(kind), _SAMPLE["string"])
        for name, kind in fields.items()
        if not name.endswith("?")
    }
