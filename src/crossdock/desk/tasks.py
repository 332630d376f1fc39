"""Approvals and tasks: the decision of a person, about what that person has seen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal, LiteralString

import msgspec

from crossdock.access import Principal, Resource
from crossdock.access.who import EVERY_ROLE
from crossdock.desk.ground import Asked, Ground, note_of
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.process.messages import TASK_DECIDED, Actor
from crossdock.store import TenantTransaction

_PART = 10_000  # runs that are asked about at once
Decision = Literal["approved", "refused", "done"]

_TASK: LiteralString = """
select t.id, t.run, t.step, t.status, t.role, t.data, r.process, r.state
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where t.tenant = crossdock.tenant() and t.id = $1
"""

_OPEN_OF: LiteralString = """
select t.id, t.run, t.step, t.status, t.role, t.data, r.process, r.state
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where t.tenant = crossdock.tenant() and t.run = any($1::bigint[]) and t.status = 'open'
  and position('"excluded"'::bytea in t.data) > 0
"""


class _Step(msgspec.Struct):
    escalated: list[str] = []


class _State(msgspec.Struct):
    """As much of a run's state as says to whom its tasks were escalated."""

    steps: dict[str, _Step] = {}


_state = msgspec.json.Decoder(_State)
_told = msgspec.json.Decoder(dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An approval or a task. `roles` decide it, those that it was escalated to as well."""

    id: str
    run: int
    process: str
    step: str
    open: bool
    kind: str
    seen: str
    roles: tuple[str, ...]
    excluded: tuple[str, ...]

    def resource(self) -> Resource:
        """As a decision about it sees it."""
        return Resource(
            kind="task",
            id=self.id,
            attributes={
                "process": self.process,
                "step": self.step,
                "type": self.kind,
                "roles": self.roles,
                "excluded": self.excluded,
            },
        )


class Tasks:
    """What is done with approvals and tasks."""

    def __init__(self, ground: Ground) -> None:
        """On that ground."""
        self._ground = ground

    async def find(self, by: Principal, task: str) -> Task:
        """A task of the tenant of `by`, decided or not. Raises `NotFound`."""
        async with self._ground.look(by) as transaction:
            row = await transaction.row(_TASK, task)
        if row is None:
            raise NotFound(f"there is no task {task}", mend="see what is open")
        return _task(row)

    async def decide(
        self,
        by: Principal,
        task: str,
        decision: Decision,
        *,
        seen: str = "",
        note: str = "",
        form: Mapping[str, Any] | None = None,
        once: str = "",
    ) -> Asked:
        """Approve or refuse it, or say that it is done. `seen` is the digest of what was looked at.

        Raises `Conflict` where it was decided, or is about something else by now.
        """
        found = await self.find(by, task)
        await self._ground.policies.require(by, "task.decide", found.resource())
        if not found.open:
            raise Conflict("it was decided or withdrawn before", where=task, mend="see what is open")
        if decision not in ("approved", "refused", "done"):
            raise Refused(
                f"{decision!r} is no decision", where="decision", mend="approve, refuse, or say done"
            )
        if found.seen and not seen:
            raise Refused(
                "nothing says what was looked at",
                where="seen",
                mend="give the `seen` of the task as it was shown",
            )
        if seen and seen != found.seen:
            raise Conflict(
                "what is decided has changed since it was looked at", where=task, mend="look at it again"
            )
        data: dict[str, Any] = {"task": task, "decision": decision, "note": note_of(note)}
        if seen:
            data["seen"] = seen
        if form is not None:
            data["form"] = dict(form)
        run = await self._ground.run(by, found.run)
        return await self._ground.tell(
            by,
            run,
            "task.decide",
            TASK_DECIDED,
            data,
            once=f"{task}/{decision}/{once}" if once else "",
            actor=_in_the_role(by, found),
            resource=found.resource(),
        )


async def excluded_from(
    transaction: TenantTransaction, places: Collection[tuple[int, str]], *, step: str = ""
) -> tuple[str, ...]:
    """Who may not decide what is open at these steps of these runs; or at `step` of each."""
    found: set[str] = set()
    wanted = {(run, step or at) for run, at in places}
    runs = sorted({run for run, _ in wanted})
    for first in range(0, len(runs), _PART):
        for row in await transaction.fetch(_OPEN_OF, runs[first : first + _PART]):
            if (row["run"], row["step"]) in wanted:
                found |= set(_task(row).excluded)
    return tuple(sorted(found))


def _in_the_role(by: Principal, task: Task) -> Actor:
    """Whoever decides, in those of their roles that count for it."""
    roles = set(task.roles) if EVERY_ROLE in by.roles else set(task.roles) & by.roles
    return msgspec.structs.replace(by.actor(), roles=tuple(sorted(roles)))


def _task(row: Any) -> Task:
    data = _told.decode(row["data"] or b"{}")
    escalated: list[str] = []
    if row["state"] is not None:
        step = _state.decode(row["state"]).steps.get(row["step"])
        escalated = step.escalated if step is not None else []
    roles = {row["role"], str(data.get("role") or ""), *escalated} - {""}
    return Task(
        id=row["id"],
        run=row["run"],
        process=row["process"],
        step=row["step"],
        open=row["status"] == "open",
        kind=str(data.get("kind") or "task"),
        seen=str(data.get("seen") or ""),
        roles=tuple(sorted(roles)),
        excluded=tuple(sorted(str(one) for one in data.get("excluded") or ())),
    )
