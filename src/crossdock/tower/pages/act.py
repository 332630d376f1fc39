"""What people do on pages. Each is an event put into the inbox; the run's own decision says what comes of it.

An event is named after person, run, deed and the number of decisions that the page had seen: a button pressed
twice is one event, and after the run has gone on the same deed is a new one. The page waits a moment for the
decision, so that it can say what came of it, and why where it was refused.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossdock.engine import Arrival
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Conflict, Refused
from crossdock.process.definition import PersonWork
from crossdock.process.messages import (
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    RUN_MOVE,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    TASK_DECIDED,
    Actor,
)
from crossdock.tower import queries
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice, own_address, posted, set_notice
from crossdock.tower.pages.desk import one_task
from crossdock.tower.pages.forms import PREFIX, read, read_json
from crossdock.tower.pages.run import find_run
from crossdock.tower.telling.timeline import Entry, entry, titles_of

WAIT = 2.0  # seconds for a decision before the page goes on without it
LONGEST_NOTE = 2000

_REPAIRS = {
    "retry": STEP_RETRY,
    "supply": STEP_SUPPLY,
    "skip": STEP_SKIP,
    "redo": STEP_REDO,
    "cancel": RUN_CANCEL,
    "move": RUN_MOVE,
}
_REFUSALS = frozenset(
    {
        "decision.refused",
        "repair.refused",
        "cancel.refused",
        "redo.refused",
        "run.move_refused",
        "step.retry_refused",
        "step.skip_refused",
        "step.supply_refused",
    }
)

Act = Callable[[Ground, Request, Person, dict[str, str]], Awaitable[Response]]


def doing(act: Act) -> Callable[[Ground, Request], Awaitable[Response]]:
    """A page for posts: checks the form's token and whether the person may act at all."""

    async def handle(ground: Ground, request: Request) -> Response:
        fields = await posted(request)
        person = await ground.who(request)
        if not person.may_act:
            raise Refused(f"{person.id} may look, not act", mend="ask somebody who decides here")
        return await act(ground, request, person, fields)

    return handle


@doing
async def decide(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /desk/task`: a decision, or a task's form."""
    id_, decision = fields.get("task", ""), fields.get("decision", "")
    if decision not in ("approved", "refused", "done"):
        raise Refused(f"{decision!r} is no decision", mend="approve, refuse, or send the form")
    async with ground.look() as (transaction, _):
        rows = await queries.tasks(transaction, id_=id_, limit=1)
        if not rows:
            return back(request, fields, Notice("bad", "It was decided or withdrawn before."))
        row = rows[0]
        process = await ground.process(transaction, row["version"])
    step = process.steps.get(row["step"]) if process is not None else None
    data: dict[str, Any] = {"task": id_, "decision": decision, "note": note_of(fields)}
    if fields.get("seen"):
        data["seen"] = fields["seen"]
    if step is not None and isinstance(step.work, PersonWork) and step.work.form and decision != "refused":
        form, problems = read(step.work.form, fields, ground.zone)
        if problems:
            typed = {name: value for name, value in fields.items() if name.startswith(PREFIX)}
            page = await one_task(ground, request, id_, {**typed, "note": note_of(fields)}, problems)
            return page or back(request, fields, Notice("bad", "It was decided or withdrawn before."))
        data["form"] = form
    roles = person.roles_for(row["role"])
    asked = step.work.role if step is not None and isinstance(step.work, PersonWork) else ""
    roles = tuple(sorted({*roles, *person.roles_for(asked)}))
    notice = await _send(ground, row["run"], person, TASK_DECIDED, data, fields, roles)
    return back(request, fields, notice)


@doing
async def close(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /desk/exception`: close it, try its step again, skip the step, or cancel the run."""
    id_, action, note = fields.get("exception", ""), fields.get("action", "close"), note_of(fields)
    if action not in ("close", "retry", "skip", "cancel"):
        raise Refused(f"{action!r} is nothing that an exception takes", mend="use the buttons of the page")
    if action in ("skip", "cancel") and not note:
        return back(request, fields, Notice("bad", "Give a reason: it stays with the run."))
    async with ground.look() as (transaction, _):
        rows = await queries.exceptions(transaction, id_=id_, limit=1)
    if not rows:
        return back(request, fields, Notice("wait", "It has been closed meanwhile."))
    data = {"exception": id_, "action": action, "note": note}
    notice = await _send(ground, rows[0]["run"], person, EXCEPTION_CLOSE, data, fields)
    return back(request, fields, notice)


@doing
async def repair(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST` to a run's page: retry, supply, skip, redo a step; cancel, move or release the run."""
    act, note = fields.get("act", ""), note_of(fields)
    async with ground.look() as (transaction, _):
        row = await find_run(transaction, request)
    if act == "release":
        try:
            await ground.repairs.release(ground.tenant, row["id"], again=fields.get("again") == "yes")
        except Conflict as error:
            return back(request, fields, Notice("bad", sentence(error.message)))
        return back(request, fields, Notice("good", "The run goes on."))
    if act == "move" and row["error"]:  # what stopped it would be decided before the move
        cause, action = Cause(runs=(row["id"],), stopped=True), Action(act="move", note=note)
        try:
            begun = await ground.repairs.begin(ground.tenant, cause, action, by=person.id, trial=1)
        except Refused as error:
            return back(request, fields, Notice("bad", sentence(error.message)))
        return back(request, {"back": f"/repairs/{begun.id}"}, Notice("good", "Asked to go on."))
    if act not in _REPAIRS:
        raise Refused(f"{act!r} is no repair", mend="use the buttons of the page")
    if act in ("skip", "cancel") and not note:
        return back(request, fields, Notice("bad", "Give a reason: it stays with the run."))
    of = "version" if act == "move" else "step"
    data: dict[str, Any] = {"reason": note} if act == "cancel" else {of: fields.get(of, "")}
    if act != "cancel" and note:
        data["note"] = note
    if act == "supply":
        try:
            data["output"] = read_json(fields.get("output", "").strip() or "{}")
        except ValueError as error:
            return back(request, fields, Notice("bad", sentence(f"the result is not taken: {error}")))
    return back(request, fields, await _send(ground, row["id"], person, _REPAIRS[act], data, fields))


async def _send(
    ground: Ground,
    run: int,
    person: Person,
    type_: str,
    data: Mapping[str, Any],
    fields: Mapping[str, str],
    roles: tuple[str, ...] = (),
) -> Notice:
    """Put the event, and wait a moment for what comes of it."""
    async with ground.look() as (transaction, times):
        before = await queries.decisions(transaction, run)
    seq = fields.get("seq", "")
    deed = "/".join(
        str(data.get(k, "")) for k in ("task", "exception", "step", "action", "decision", "version")
    )
    once = hashlib.sha256(f"{run}/{type_}/{deed}/{seq or before}".encode()).hexdigest()[:24]
    arrival = Arrival(
        id=once,
        source=f"tower/{person.id}",
        type=type_,
        time=times.now,
        data=dict(data),
        actor=Actor(id=person.id, roles=roles or person.roles_for("")),
    )
    receipt = await ground.inbox.tell(ground.tenant, run, arrival)
    if receipt.fate == "duplicate":
        return Notice("wait", "That was sent before; it is not done twice.")
    told = await _outcome(ground, run, before, arrival)
    if told is None:
        return Notice("wait", "Taken. The run decides it as soon as a worker is free.")
    refusal = next((line.text for line in told.lines if line.what in _REFUSALS), "")
    if refusal:
        return Notice("bad", refusal)
    return Notice("good", ". ".join(line.text for line in told.lines[:3]) + ".")


async def _outcome(ground: Ground, run: int, before: int, arrival: Arrival) -> Entry | None:
    """The decision of that event, if it comes within `WAIT` seconds."""
    loop = asyncio.get_running_loop()
    until, pause = loop.time() + WAIT, 0.03
    while loop.time() < until:
        await asyncio.sleep(pause)
        pause = min(0.25, pause * 1.5)
        async with ground.look() as (transaction, times):
            for row in await queries.decided(transaction, run, before):
                told = entry(row, {}, times)
                if told.event is not None and (told.event.id, told.event.source) == (
                    arrival.id,
                    arrival.source,
                ):
                    version = await queries.version_of(transaction, run)
                    process = await ground.process(transaction, version)
                    return entry(row, titles_of(process), times)
    return None


def note_of(fields: Mapping[str, str]) -> str:
    """What was written beside a decision."""
    return fields.get("note", "").strip()[:LONGEST_NOTE]


def sentence(text: str) -> str:
    """A text with a capital and one full stop."""
    return text[:1].upper() + text[1:].rstrip(".") + "."


def back(request: Request, fields: Mapping[str, str], notice: Notice) -> Response:
    """To the page that a form names as the one to go back to, which says `notice` once."""
    root = str(request.scope.get("root_path", ""))
    response = RedirectResponse(root + own_address(fields.get("back", ""), "/desk"), status_code=303)
    set_notice(request, response, notice)
    return response
