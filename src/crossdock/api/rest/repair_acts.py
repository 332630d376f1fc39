"""Repairs of many runs: counted first, begun with a few, gone on with, stopped."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.description import PREFIX
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Out
from crossdock.api.rest.repairs import Repair, found, shown, tag_of
from crossdock.api.route import router
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Refused

routes = router("repairs")

Word = Annotated[str, StringConstraints(max_length=200)]
MOST_RUNS = 1000  # that are named one by one


class GivenCause(Given):
    """What the runs have in common; what is left out does not matter."""

    process: Word = Field("", description="Of this process")
    step: Word = Field("", description="At this step")
    exception: Word = Field("", description="With an open exception of this type")
    connection: Word = Field("", description="That calls to this connection hold")
    error: Word = Field("", description="Whose message has this text in it")
    runs: list[Word] = Field([], max_length=MOST_RUNS, description="Among these")
    stopped: bool = Field(False, description="That a broken decision has stopped")


class GivenAction(Given):
    """What is done to each."""

    act: Literal["close", "retry", "supply", "skip", "redo", "move", "cancel", "release"]
    step: Word = Field("", description="At this step, where it is not that of the exception")
    note: Annotated[str, StringConstraints(max_length=2000)] = Field("", description="Why")
    output: Any = Field(None, description="Of `supply`: the result")
    version: Word = Field("", description="Of `move`: under this version; the newest, without")


class Preview(Given):
    """What would be repaired."""

    cause: GivenCause
    action: GivenAction | None = Field(None, description="What would be done")


class BeginRepair(Given):
    """A repair to begin."""

    cause: GivenCause
    action: GivenAction
    trial: int = Field(3, ge=0, le=1_000_000, description="So many go first; the rest when it proceeds")
    rate: float = Field(10.0, gt=0, le=1000, description="Runs a second, for the rest")
    seen: int | None = Field(
        None, ge=0, le=10_000_000, description="The count of the preview: refused if not so"
    )


class Counted(Out):
    """How many it would touch."""

    runs: int


@routes.post("/repairs/preview", responses={200: {"model": Counted, "description": "Counted"}})
async def preview_repair(call: Asked, given: Preview) -> Response:
    """Count what a repair of that cause would touch now. Nothing is changed."""
    action = _action(given.action) if given.action is not None else None
    count = await call.ground.acts.repairs.preview(call.principal, _cause(call, given.cause), action)
    return call.answer({"runs": count})


@routes.post("/repairs", status_code=201, responses={201: {"model": Repair, "description": "Begun"}})
async def begin_repair(call: Asked, given: BeginRepair) -> Response:
    """Freeze the set of a cause and repair the first few; the rest waits until it proceeds."""
    cause = _cause(call, given.cause)
    if not any(
        (cause.process, cause.step, cause.exception, cause.connection, cause.error, cause.runs, cause.stopped)
    ):
        raise Refused("nothing is named", where="body.cause", mend="name what the runs have in common")
    if call.done is None:
        begun = await call.ground.acts.repairs.begin(
            call.principal, cause, _action(given.action), trial=given.trial, rate=given.rate, seen=given.seen
        )
    name = call.names.name("repair", int(call.done) if call.done is not None else begun.id)
    row = await found(call, name)
    return call.answer(
        shown(call, row), 201, tag=tag_of(row), headers={"location": f"{PREFIX}/repairs/{name}"}
    )


@routes.post("/repairs/{repair}/proceed", responses={200: {"model": Repair, "description": "Goes on"}})
async def proceed_repair(call: Asked, repair: str) -> Response:
    """Send the rest: the trial was right."""
    number = call.number("repair", repair)
    if call.done is None:
        await call.ground.acts.repairs.proceed(call.principal, number)
    row = await found(call, repair)
    return call.answer(shown(call, row), tag=tag_of(row))


@routes.post("/repairs/{repair}/stop", responses={200: {"model": Repair, "description": "Stopped"}})
async def stop_repair(call: Asked, repair: str) -> Response:
    """Send no more; what was sent stays sent."""
    number = call.number("repair", repair)
    if call.done is None:
        await call.ground.acts.repairs.stop(call.principal, number)
    row = await found(call, repair)
    return call.answer(shown(call, row), tag=tag_of(row))


def _cause(call: Call, given: GivenCause) -> Cause:
    return Cause(
        process=given.process,
        step=given.step,
        exception=given.exception,
        connection=given.connection,
        error=given.error,
        runs=tuple(call.number("run", name) for name in given.runs),
        stopped=given.stopped,
    )


def _action(given: GivenAction) -> Action:
    if (given.act == "supply") is (given.output is None):
        needs = "needs" if given.act == "supply" else "takes no"
        raise Refused(f"{given.act} {needs} output", where="body.action.output", mend="see the description")
    return Action(act=given.act, step=given.step, note=given.note, output=given.output, version=given.version)
