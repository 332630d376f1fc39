"""The people at the desk: they decide what waits for them, by the same events as the pages send.

They never go on without a call, unless its partner has said why. Where an outcome is unknown they look in the
partner's own books: what is there they supply, what is not they have tried again.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from crossdock.assemble import System
from crossdock.connect.call import short_key
from crossdock.engine import Arrival
from crossdock.engine.history import ExceptionRow, TaskRow
from crossdock.errors import CrossdockError
from crossdock.process.messages import (
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    TASK_DECIDED,
    Actor,
)
from torture.house import House

# What they write into forms, by step.
_FORMS: dict[str, Any] = {
    "evidence": {"amount": {"amount": "20.00", "currency": "USD"}, "reason": "crushed"},
    "decide": {"action": "wait", "note": "as it is"},
}


@dataclass(slots=True)
class People:
    """Those who decide. `acts` counts what they did."""

    system: System
    house: House
    acts: Counter[str] = field(default_factory=Counter)
    supplied: set[str] = field(default_factory=set)  # keys of calls whose outcome they found out
    left_standing: set[tuple[str, str]] = field(
        default_factory=set
    )  # (process key, step) that was not undone
    _chance: random.Random = field(default_factory=lambda: random.Random("people"))

    async def turn(self, *, share: float = 1.0) -> int:
        """Decide what is open (a `share` of it); gives how many things were open. Raises `Unreachable`."""
        history, tenant = self.system.history, self.system.tenant
        tasks = await history.tasks(tenant, most=1000)
        exceptions = await history.exceptions(tenant, most=1000)
        for task in tasks:
            if self._chance.random() < share:
                await self._decide(task)
        for one in exceptions:
            if self._chance.random() < share:
                await self._mend(one)
        return len(tasks) + len(exceptions) + await self._release()

    async def _decide(self, task: TaskRow) -> None:
        data: dict[str, Any] = {"task": task.id, "note": "decided under torture"}
        if task.data.get("kind") == "task":
            data["decision"] = "done"
            data["form"] = _FORMS.get(task.step, {})
        else:
            data["decision"] = "approved"
        self.acts[f"decided {task.data.get('kind', 'task')}"] += 1
        await self._tell(task.run, TASK_DECIDED, data, task.role)

    async def _mend(self, case: ExceptionRow) -> None:
        if not case.data.get("holds"):
            self.acts["closed a case"] += 1
            await self._tell(case.run, EXCEPTION_CLOSE, {"exception": case.id, "note": "noted"}, case.owner)
        elif case.type == "invoice_hold" or self._never_again(case):
            self.acts[f"went on without {case.step}"] += 1
            await self._repair(case, STEP_SKIP, note="looked at")
        elif case.type == "undo_failed" and case.data.get("code"):  # they said no: it is left as it is
            self.acts[f"left {case.step} standing"] += 1
            self.left_standing.add((case.key, case.step))
            await self._repair(case, STEP_SKIP, note="looked at")
        elif case.type == "unknown_outcome" and case.step == "mark":
            await self._look_up(case)
        else:
            self.acts[f"tried again: {case.type}"] += 1
            await self._repair(case, STEP_RETRY, note="again")

    def _never_again(self, case: ExceptionRow) -> bool:
        """What the partner will say no to for ever: the order was cancelled there meanwhile."""
        said = case.message.lower()
        return case.type == "refused_by_partner" and case.step == "invoice" and "cancelled" in said

    async def _look_up(self, case: ExceptionRow) -> None:
        """The counting house cannot be asked by a program; its book can be read by a person."""
        run = (await self.system.history.run(self.system.tenant, case.run)).run
        call = case.data.get("call", case.step)
        key = f"{self.system.tenant.name}/{run.process}/{run.key}/{run.generation}/{call}"
        line = short_key(key)
        if self.house.lines[line]:
            self.acts["found a call that was done"] += 1
            self.supplied.add(line)
            await self._repair(case, STEP_SUPPLY, output={"line": line}, note="it stands in their book")
        else:
            self.acts["found a call that was not done"] += 1
            await self._repair(case, STEP_RETRY, note="not there")

    async def _release(self) -> int:
        """Runs that a decision has stopped: go on without the event that did it, then cancel the run."""
        system = self.system
        async with system.database.engine() as transaction:
            rows = await transaction.fetch(
                "select id, error from crossdock.run where tenant = $1 and error is not null",
                system.tenant.id,
            )
        for row in rows:
            self.acts["released a stopped run"] += 1
            try:
                await system.repairs.release(system.tenant, row["id"], again=False)
            except CrossdockError:
                continue
            await self._tell(row["id"], RUN_CANCEL, {"reason": "it was fed too much"}, "")
        return len(rows)

    async def _repair(self, case: ExceptionRow, type_: str, **data: Any) -> None:
        """As the desk tells a run: for as long as what the person saw holds the step."""
        await self._tell(case.run, type_, {"step": case.step, "exception": case.id, **data}, case.owner)

    async def _tell(self, run: int, type_: str, data: dict[str, Any], role: str) -> None:
        actor = Actor(id=self._chance.choice(("ann", "bob", "cy")), roles=(role,) if role else ())
        arrival = Arrival(
            id=str(uuid4()), source="desk", type=type_, time=datetime.now(UTC), data=data, actor=actor
        )
        await self.system.inbox.tell(self.system.tenant, run, arrival)
