"""What people do on pages, by the desk; the run's own decision says what comes of it.

A deed is named after person, run, what is done and the number of decisions that the page had seen: a button
pressed twice is done once, and after the run has gone on the same deed is a new one. The page waits a moment
for the decision, so that it can say what came of it, and why where it was refused.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossdock.desk import REFUSALS, Asked
from crossdock.engine.repair import Progress
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.process.definition import PersonWork
from crossdock.tower import queries
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice, own_address, posted, set_notice
from crossdock.tower.pages.desk import one_task
from crossdock.tower.pages.forms import PREFIX, read, read_json
from crossdock.tower.pages.run import find_run
from crossdock.tower.telling.timeline import entry, titles_of

WAIT = 2.0  # seconds for a decision before the page goes on without it
LONGEST_NOTE = 2000

Act = Callable[[Ground, Request, Person, dict[str, str]], Awaitable[Response]]


def doing(act: Act) -> Callable[[Ground, Request], Awaitable[Response]]:
    """A page for posts: checks the form's token, then who asks. Whether they may, each deed asks itself."""

    async def handle(ground: Ground, request: Request) -> Response:
        fields = await posted(request)
        return await act(ground, request, await ground.person(request), fields)

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
    form: dict[str, Any] | None = None
    if step is not None and isinstance(step.work, PersonWork) and step.work.form and decision != "refused":
        form, problems = read(step.work.form, fields, ground.zone)
        if problems:
            typed = {name: value for name, value in fields.items() if name.startswith(PREFIX)}
            page = await one_task(ground, request, id_, {**typed, "note": note_of(fields)}, problems)
            return page or back(request, fields, Notice("bad", "It was decided or withdrawn before."))
    return await told(
        ground,
        request,
        person,
        fields,
        lambda: ground.acts.tasks.decide(
            person.principal,
            id_,
            decision,  # type: ignore[arg-type] # one of the three
            seen=fields.get("seen", ""),
            note=note_of(fields),
            form=form,
            once=_seq(fields, row),
        ),
    )


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
    return await told(
        ground,
        request,
        person,
        fields,
        lambda: ground.acts.exceptions.close(
            person.principal,
            id_,
            action,  # type: ignore[arg-type] # one of the four
            note=note,
            once=_seq(fields, rows[0]),
        ),
    )


@doing
async def repair(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST` to a run's page: retry, supply, skip, redo a step; cancel, move or release the run."""
    act, note, by, runs = fields.get("act", ""), note_of(fields), person.principal, ground.acts.runs
    async with ground.look() as (transaction, _):
        row = await find_run(transaction, request)
    run, step, once = row["id"], fields.get("step", ""), _seq(fields, row)
    answers = fields.get("exception", "")
    if act == "release":
        try:
            await runs.release(by, run, again=fields.get("again") == "yes")
        except Conflict as error:
            return back(request, fields, Notice("bad", sentence(error.message)))
        return back(request, fields, Notice("good", "The run goes on."))
    if act in ("skip", "cancel") and not note:
        return back(request, fields, Notice("bad", "Give a reason: it stays with the run."))
    if act == "supply":
        try:
            output = read_json(fields.get("output", "").strip() or "{}")
        except ValueError as error:
            return back(request, fields, Notice("bad", sentence(f"the result is not taken: {error}")))
    deeds: dict[str, Callable[[], Awaitable[Asked | Progress]]] = {
        "retry": lambda: runs.retry(by, run, step, note=note, answers=answers, once=once),
        "supply": lambda: runs.supply(by, run, step, output, note=note, answers=answers, once=once),
        "skip": lambda: runs.skip(by, run, step, note=note, answers=answers, once=once),
        "redo": lambda: runs.redo(by, run, step, note=note, answers=answers, once=once),
        "cancel": lambda: runs.cancel(by, run, reason=note, once=once),
        "move": lambda: runs.move(by, run, version=fields.get("version", ""), note=note, once=once),
    }
    if act not in deeds:
        raise Refused(f"{act!r} is no repair", mend="use the buttons of the page")
    return await told(ground, request, person, fields, deeds[act])


async def told(
    ground: Ground,
    request: Request,
    person: Person,
    fields: Mapping[str, str],
    deed: Callable[[], Awaitable[Asked | Progress]],
) -> Response:
    """Do it, wait a moment for what comes of it, and go back to where that is told."""
    try:
        asked = await deed()
    except (Conflict, NotFound) as error:
        return back(request, fields, Notice("bad", sentence(error.message)))
    if isinstance(asked, Progress):
        return back(request, {"back": f"/repairs/{asked.id}"}, Notice("good", "Asked to go on."))
    return back(request, fields, await _outcome(ground, person, asked))


async def _outcome(ground: Ground, person: Person, asked: Asked) -> Notice:
    if asked.again:
        return Notice("wait", "That was sent before; it is not done twice.")
    answer = await ground.acts.outcome(person.principal, asked, within=WAIT)
    if answer is None:
        return Notice("wait", "Taken. The run decides it as soon as a worker is free.")
    async with ground.look() as (transaction, times):
        row = await queries.decision(transaction, asked.run, answer.line.seq)
        version = await queries.version_of(transaction, asked.run)
        process = await ground.process(transaction, version)
        lines = entry(row, titles_of(process), times).lines
    if answer.refusal:
        return Notice("bad", next((one.text for one in lines if one.what in REFUSALS), answer.refusal))
    return Notice("good", ". ".join(line.text for line in lines[:3]) + ".")


def _seq(fields: Mapping[str, str], row: Any) -> str:
    """What the page had seen of the run: a button pressed twice names the same deed."""
    return fields.get("seq", "") or str(row["seq"])


def note_of(fields: Mapping[str, str]) -> str:
    """What was written beside a decision."""
    return fields.get("note", "").strip()[:LONGEST_NOTE]


def sentence(text: str) -> str:
    """A text with a capital and one full stop, or the mark of a question."""
    said = text[:1].upper() + text[1:].rstrip(".")
    return said if said.endswith("?") else f"{said}."


def back(request: Request, fields: Mapping[str, str], notice: Notice) -> Response:
    """To the page that a form names as the one to go back to, which says `notice` once."""
    root = str(request.scope.get("root_path", ""))
    response = RedirectResponse(root + own_address(fields.get("back", ""), "/desk"), status_code=303)
    set_notice(request, response, notice)
    return response
