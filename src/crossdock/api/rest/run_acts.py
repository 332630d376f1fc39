"""What is done with one run: started, cancelled, repaired at a step, moved, released."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import ASKED, Given, Outcome, outcome
from crossdock.api.description import PREFIX
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Text, pick
from crossdock.api.names import missing, named_text
from crossdock.api.rest import run as one
from crossdock.api.rest import runs
from crossdock.api.route import router
from crossdock.desk import Asked as Told
from crossdock.engine.repair import Progress
from crossdock.errors import Conflict
from crossdock.expressions import DYN, problems
from crossdock.model import DOCUMENTS, parse_document, to_json
from crossdock.model.documents import Invalid, Problem
from crossdock.process import canonical
from crossdock.process.publish import own_document

routes = router("runs")

Note = Annotated[str, StringConstraints(max_length=2000)]
Step = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Item = Annotated[str, StringConstraints(max_length=500)]
Answers = Annotated[str, StringConstraints(max_length=1000)]
_ANSWERS = (
    "The exception that it answers: nothing is done where that is closed by now. Else what holds the step"
)


class Start(Given):
    """A run to start by hand."""

    process: Text = Field(description="The process by name")
    document: dict[str, Any] = Field(description="What it is about, as the schema of its document says")
    test: bool = Field(False, description="Call only connections of a sandbox; its key begins with `test/`")


class AtStep(Given):
    """Something to do at a step."""

    step: Step = Field(description="The step by name")
    item: Item = Field("", description="Of a step with many child runs: which of them")
    note: Note = Field("", description="Why: it stays with the run")
    exception: Answers = Field("", description=_ANSWERS)


class Supply(AtStep):
    """The result of a step, found out by hand."""

    output: Any = Field(description="As the operation's contract has it")


class Skip(Given):
    """A step to go on without."""

    step: Step = Field(description="The step by name")
    item: Item = Field("", description="Of a step with many child runs: which of them")
    note: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(description="Why")
    exception: Answers = Field("", description=_ANSWERS)


class Redo(Given):
    """A step to take back, with what depends on it, and to do again."""

    step: Step = Field(description="The step by name")
    note: Note = Field("", description="Why: it stays with the run")
    exception: Answers = Field("", description=_ANSWERS)


class Cancel(Given):
    """Why a run is cancelled."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="Why: it stays with the run"
    )


class Close(Given):
    """The exceptions of a run to close."""

    step: Text | None = Field(None, description="Those at this step; all, without")
    note: Note = Field("", description="Why: it stays with the run")


class Release(Given):
    """How a run goes on that a broken decision has stopped."""

    again: bool = Field(True, description="With the event that stopped it; else that goes to quarantine")


class Move(Given):
    """Where a run goes on."""

    version: Text | None = Field(None, description="Under this version of its process; the newest, without")
    note: Note = Field("", description="Why: it stays with the run")


@routes.post("/runs", status_code=201, responses={201: {"model": runs.Run, "description": "Started"}})
async def start_run(call: Asked, given: Start) -> Response:
    """Start a run of a process by hand. Refused where a run of that key is live."""
    await call.allow("run.start", process=given.process)
    document = await _document(call, given)
    asked = await call.ground.acts.runs.start(
        call.principal, given.process, document, once=call.once() or str(uuid4()), test=given.test
    )
    if not asked.run:
        raise Conflict("the same was asked before", mend="see the runs")
    async with call.look() as transaction:
        row = await runs.row_of(call, transaction, asked.run)
    if row is None:
        raise Conflict("the run is gone", mend="see the runs")
    value = runs.shown(call, row)
    return call.answer(
        pick(value, ()), 201, tag=one.tag_of(row), headers={"location": f"{PREFIX}/runs/{value['id']}"}
    )


async def _document(call: Call, given: Start) -> Any:
    """The document, with what follows from the rest filled in. Raises `NotFound`, `Invalid`."""
    async with call.look() as transaction:
        source = await transaction.value(
            "select v.source from crossdock.process_current c join crossdock.process_version v "
            "on v.tenant = c.tenant and v.id = c.id where c.tenant = crossdock.tenant() and c.name = $1",
            given.process,
        )
    if source is None:
        raise missing("process", given.process)
    process = call.ground.read(source)
    kind = process.document
    own = own_document(process, canonical())
    if own is not None or kind not in DOCUMENTS:
        wrong = [line.partition(": ") for line in problems(given.document, own or DYN)]
        if wrong:
            raise Invalid(kind, tuple(Problem(f"body.document.{path}", said) for path, _, said in wrong))
        return given.document
    try:
        return to_json(parse_document(kind, given.document))
    except Invalid as error:
        told = tuple(Problem(f"body.document.{p.path}", p.message, p.mend) for p in error.problems)
        raise Invalid(kind, told) from None


async def _of(call: Call, run: str) -> int:
    """The run, if who asks may see it and it is what they saw. Raises `NotFound`, `Changed`."""
    number = call.number("run", run)
    async with call.look() as transaction:
        row = await one.found(call, transaction, run, number)
    call.seen(one.tag_of(row), must=False)
    return number


_CHANGES = {"x-changes": "maybe"}


def _seen(exception: str) -> str:
    """The exception that somebody answers, by its name here. Raises `NotFound`."""
    return named_text("exception", exception) if exception else ""


@routes.post("/runs/{run}/retry", responses=ASKED, openapi_extra=_CHANGES)
async def retry_step(call: Asked, run: str, given: AtStep) -> Response:
    """Try again what failed at a step."""
    number, acts = await _of(call, run), call.ground.acts.runs
    asked = call.asked() or await acts.retry(
        call.principal,
        number,
        given.step,
        item=given.item,
        note=given.note,
        answers=_seen(given.exception),
        once=call.once(),
    )
    return await outcome(call, asked)


@routes.post("/runs/{run}/supply", responses=ASKED, openapi_extra=_CHANGES)
async def supply_step(call: Asked, run: str, given: Supply) -> Response:
    """Give the result of a step by hand."""
    number, acts = await _of(call, run), call.ground.acts.runs
    asked = call.asked() or await acts.supply(
        call.principal,
        number,
        given.step,
        given.output,
        item=given.item,
        note=given.note,
        answers=_seen(given.exception),
        once=call.once(),
    )
    return await outcome(call, asked)


@routes.post("/runs/{run}/skip", responses=ASKED, openapi_extra=_CHANGES)
async def skip_step(call: Asked, run: str, given: Skip) -> Response:
    """Go on without a step."""
    number, acts = await _of(call, run), call.ground.acts.runs
    asked = call.asked() or await acts.skip(
        call.principal,
        number,
        given.step,
        item=given.item,
        note=given.note,
        answers=_seen(given.exception),
        once=call.once(),
    )
    return await outcome(call, asked)


@routes.post("/runs/{run}/redo", responses=ASKED, openapi_extra=_CHANGES)
async def redo_step(call: Asked, run: str, given: Redo) -> Response:
    """Take a step back, and what depends on it, and do it again."""
    number, acts = await _of(call, run), call.ground.acts.runs
    asked = call.asked() or await acts.redo(
        call.principal, number, given.step, note=given.note, answers=_seen(given.exception), once=call.once()
    )
    return await outcome(call, asked)


@routes.post("/runs/{run}/cancel", responses=ASKED, openapi_extra=_CHANGES)
async def cancel_run(call: Asked, run: str, given: Cancel) -> Response:
    """Take back what a run did, newest first, and end it."""
    number, acts = await _of(call, run), call.ground.acts.runs
    asked = call.asked() or await acts.cancel(call.principal, number, reason=given.reason, once=call.once())
    return await outcome(call, asked)


@routes.post("/runs/{run}/close", responses=ASKED, openapi_extra=_CHANGES)
async def close_exceptions_of_run(call: Asked, run: str, given: Close) -> Response:
    """Close the exceptions of a run that are open, at one step or all."""
    number = await _of(call, run)
    async with call.look() as transaction:
        rows = await transaction.fetch(
            "select id from crossdock.exception where tenant = crossdock.tenant() and run = $1 "
            "and closed is null and ($2::text is null or step = $2) order by opened, id limit 100",
            number,
            given.step,
        )
    asked = call.asked()
    if not rows and asked is None:
        raise Conflict("nothing is open there", mend="see the exceptions of the run")
    for row in rows:
        asked = await call.ground.acts.exceptions.close(
            call.principal, row["id"], "close", note=given.note, once=call.once()
        )
    assert asked is not None  # noqa: S101 - there was a row, or it was asked
    return await outcome(call, asked)


@routes.post(
    "/runs/{run}/release", responses={200: {"model": Outcome, "description": "Done"}}, openapi_extra=_CHANGES
)
async def release_run(call: Asked, run: str, given: Release) -> Response:
    """Let a run go on that a broken decision has stopped."""
    number = await _of(call, run)
    if call.done is None:
        await call.ground.acts.runs.release(call.principal, number, again=given.again)
    return call.answer({"run": run, "outcome": "done"})


@routes.post("/runs/{run}/move", responses=ASKED, openapi_extra=_CHANGES)
async def move_run(call: Asked, run: str, given: Move) -> Response:
    """Let a run go on under another version of its process, where its history is valid under it."""
    number, acts = await _of(call, run), call.ground.acts.runs
    begun: Told | Progress | None = call.asked()
    if begun is None and call.done is None:
        begun = await acts.move(
            call.principal, number, version=given.version or "", note=given.note, once=call.once()
        )
    if isinstance(begun, Told):
        return await outcome(call, begun)
    repair = call.names.name("repair", begun.id if begun is not None else int(call.done or 0))
    return call.answer({"run": run, "outcome": "pending", "event": repair}, 202)
