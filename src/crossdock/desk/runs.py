"""Runs: started by hand, cancelled, repaired at a step, moved to another version, released."""

from __future__ import annotations

from typing import Any

import msgspec

from crossdock.access import Principal, Resource
from crossdock.access.resource import Value
from crossdock.desk.ground import Asked, Ground, Run, needs, note_of
from crossdock.desk.tasks import excluded_from
from crossdock.engine import Arrival, Library, Repairs, replay
from crossdock.engine.repair import Action, Cause, Progress
from crossdock.engine.replay import Replayed
from crossdock.errors import Conflict
from crossdock.expressions import EvaluationError
from crossdock.process.messages import (
    RUN_CANCEL,
    RUN_MOVE,
    RUN_START,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    apart,
)
from crossdock.store import Last, Tenant


class Runs:
    """What is done with one run."""

    def __init__(self, ground: Ground, library: Library, repairs: Repairs) -> None:
        """On that ground."""
        self._ground = ground
        self._library = library
        self._repairs = repairs

    async def start(
        self, by: Principal, process: str, document: Any, *, once: str, test: bool = False
    ) -> Asked:
        """Start a run of a process with that document. `once` names the deed: the same again starts none.

        One in `test` calls only connections of a sandbox.
        Raises `Refused` where the document does not start it, `Conflict` where a run of its key is live.
        """
        resource = Resource(kind="run", attributes={"process": process})
        await self._ground.policies.require(by, "run.start", resource)
        arrival = Arrival(
            id=once,
            source=f"desk/{by.id}",
            type=RUN_START,
            data={"process": process, "document": document},
            actor=by.actor(),
            test=test,
        )
        last = self._ground.noted(by, "run.start", resource, after={"event": once, "process": process})
        tenant = await self._ground.tenant(by)
        key = await self._refuse_live(tenant, process, document, arrival)
        (receipt,) = await self._ground.inbox.put(tenant, [arrival], last=last)
        run = receipt.runs[0] if receipt.runs else await self._started(tenant, process, key, arrival)
        return Asked(run=run, event=once, source=arrival.source, after=0, again=receipt.fate == "duplicate")

    async def _started(self, tenant: Tenant, process: str, key: str, arrival: Arrival) -> int:
        """The run that was started by what came before; 0 where it is gone."""
        for row in await self._ground.history.find(tenant, key):
            if (row.process, row.key) == (process, key):
                lines = await self._ground.history.decided(tenant, row.id, 0)
                if not lines or (lines[0].event.id, lines[0].event.source) == (arrival.id, arrival.source):
                    return row.id
        return 0

    async def _refuse_live(self, tenant: Tenant, process: str, document: Any, arrival: Arrival) -> str:
        """The key. A start for one that is live would go to the live run, and start nothing."""
        async with self._ground.database.engine() as transaction:
            shelf = await self._library.refresh(transaction, tenant.id)
            published = shelf.published.get(process)
            if published is None:
                return ""  # the inbox says so
            found = await self._library.process(transaction, tenant.id, published.id)
        of_tenant = shelf.references[shelf.reference].tenant
        try:
            key = str(found.key.evaluate({found.variable: document, "tenant": of_tenant}))
        except EvaluationError:
            return ""  # so does the inbox
        key = apart(key, test=arrival.test or shelf.in_test or found.environment == "sandbox")
        for row in await self._ground.history.find(tenant, key):
            if (row.process, row.key, row.ended) == (process, key, None):
                if await self._ground.inbox.knows(tenant, arrival):
                    return key
                raise Conflict(
                    f"a run of {process} for {key} is live already", mend=f"look at it: crossdock runs {key}"
                )
        return key

    async def cancel(self, by: Principal, run: int, *, reason: str, once: str = "") -> Asked:
        """Take back what was done, newest first, and end it. Raises `Conflict` where it has ended."""
        found = await self._ground.run(by, run)
        await self._ground.policies.require(by, "run.cancel", found.resource())
        reason = needs(reason, "reason")
        if found.ended:
            raise Conflict(f"{found.name} is {found.status} already", mend="nothing is left to cancel")
        return await self._ground.tell(by, found, "run.cancel", RUN_CANCEL, {"reason": reason}, once=once)

    async def retry(
        self,
        by: Principal,
        run: int,
        step: str,
        *,
        item: str = "",
        note: str = "",
        answers: str = "",
        once: str = "",
    ) -> Asked:
        """Try again what failed at a step, or one item of it.

        `answers`: the exception that was seen, without which nothing is done. Else it is what holds the step
        now; so with the other repairs of a step.
        """
        found = await self._may_repair(by, run, step)
        data = _at(found, step, item, note_of(note), answers)
        return await self._ground.tell(
            by, found, "run.repair", STEP_RETRY, data, once=once and f"{step}/{item}/{once}"
        )

    async def supply(
        self,
        by: Principal,
        run: int,
        step: str,
        output: Any,
        *,
        item: str = "",
        note: str = "",
        answers: str = "",
        once: str = "",
    ) -> Asked:
        """Give the result of a step by hand."""
        found = await self._may_repair(by, run, step, deciding=True)
        data = {**_at(found, step, item, note_of(note), answers), "output": output}
        return await self._ground.tell(
            by, found, "run.repair", STEP_SUPPLY, data, once=once and f"{step}/{item}/{once}"
        )

    async def skip(
        self,
        by: Principal,
        run: int,
        step: str,
        *,
        note: str,
        item: str = "",
        answers: str = "",
        once: str = "",
    ) -> Asked:
        """Go on without a step."""
        found = await self._may_repair(by, run, step, deciding=True)
        data = _at(found, step, item, needs(note), answers)
        return await self._ground.tell(
            by, found, "run.repair", STEP_SKIP, data, once=once and f"{step}/{item}/{once}"
        )

    async def redo(
        self, by: Principal, run: int, step: str, *, note: str = "", answers: str = "", once: str = ""
    ) -> Asked:
        """Take a step back, and what depends on it, and do it again."""
        found = await self._may_repair(by, run, step)
        data = _at(found, step, "", note_of(note), answers)
        return await self._ground.tell(
            by, found, "run.repair", STEP_REDO, data, once=once and f"{step}/{once}"
        )

    async def move(
        self, by: Principal, run: int, *, version: str = "", note: str = "", once: str = ""
    ) -> Asked | Progress:
        """Let it go on under another version of its process, the newest without `version`.

        One that a broken decision has stopped is moved by a repair, before what stopped it. Raises `Conflict`
        where it goes under that version already.
        """
        found = await self._ground.run(by, run)
        await self._ground.policies.require(by, "run.move", found.resource())
        tenant = await self._ground.tenant(by)
        if found.stopped:
            action = Action(act="move", note=note_of(note), version=version, actor=by.actor())
            cause = Cause(runs=(found.id,), stopped=True)
            after = {"version": version or "the newest"}

            def last(repair: int) -> Last:
                return self._ground.noted(
                    by, "run.move", found.resource(), why=action.note, after=after, made=str(repair)
                )

            return await self._repairs.begin(tenant, cause, action, by=by.id, trial=1, last=last)
        wanted = version or await self._library.newest(tenant, found.process) or ""
        data = {"version": wanted, "note": note_of(note)}
        return await self._ground.tell(
            by, found, "run.move", RUN_MOVE, data, once=once and f"{wanted}/{once}"
        )

    async def release(self, by: Principal, run: int, *, again: bool = True) -> None:
        """Let a run go on that a broken decision has stopped: with the event that stopped it, or without.

        Raises `Conflict` where it is not stopped.
        """
        found = await self._may_repair(by, run, "")
        last = self._ground.noted(by, "run.repair", found.resource(), after={"release": True, "again": again})
        await self._repairs.release(await self._ground.tenant(by), found.id, again=again, last=last)

    async def replay(self, by: Principal, run: int) -> Replayed:
        """Decide its events again, and compare with what is stored. Nothing is changed."""
        found = await self._ground.run(by, run)
        await self._ground.policies.require(by, "run.read", found.resource())
        return await replay(self._ground.database, self._library, await self._ground.tenant(by), found.id)

    async def _may_repair(self, by: Principal, run: int, step: str, *, deciding: bool = False) -> Run:
        """The run, where `by` may repair that step. Who may not decide there may not do without it either."""
        found = await self._ground.run(by, run)
        about: dict[str, Value] = {"step": step}
        if deciding:
            async with self._ground.look(by) as transaction:
                about["excluded"] = await excluded_from(transaction, [(found.id, step)])
        await self._ground.policies.require(by, "run.repair", found.resource(about))
        return found


class _Open(msgspec.Struct):
    step: str = ""
    holds: bool = False


class _State(msgspec.Struct):
    """As much of a run's state as says what holds its steps."""

    exceptions: dict[str, _Open] = {}


_state = msgspec.json.Decoder(_State)


def _at(found: Run, step: str, item: str, note: str, answers: str) -> dict[str, Any]:
    """What a repair says: with what holds the step, so that it counts only for as long as that does."""
    data: dict[str, Any] = {"step": step}
    if item:
        data["item"] = item
    elif not answers and found.state is not None:
        open_ = _state.decode(found.state).exceptions
        answers = next((id_ for id_, one in reversed(open_.items()) if one.step == step and one.holds), "")
    if answers:
        data["exception"] = answers
    if note:
        data["note"] = note
    return data
