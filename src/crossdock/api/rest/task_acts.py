"""What people decide: approvals and tasks, exceptions closed, one or many at a time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import ASKED, Given, outcome
from crossdock.api.cases import task_shown
from crossdock.api.ground import Asked
from crossdock.api.listing import Out
from crossdock.api.names import named_text
from crossdock.api.problems import TYPES, kind_of
from crossdock.api.rest import exceptions, tasks
from crossdock.api.route import router
from crossdock.errors import Refused

routes = router("decisions")

MOST = 200  # exceptions that are closed at once; more of one cause are a repair
Name = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Note = Annotated[str, StringConstraints(max_length=2000)]


class Decide(Given):
    """A decision about what was seen."""

    decision: Literal["approved", "refused", "done"] = Field(
        description="`approved` or `refused` of an approval; `done` of a task"
    )
    seen: Name | None = Field(
        None, description="`seen` of the task as it was read; or send its ETag as If-Match"
    )
    note: Note = Field("", description="Stays with the run")
    form: dict[str, Any] | None = Field(None, description="What the task's form asks for")


class CloseOne(Given):
    """How an exception is closed."""

    action: Literal["close", "retry", "skip", "cancel"] = Field(
        "close", description="`retry` its step, `skip` it, `cancel` the run, or only close it"
    )
    note: Note = Field("", description="Why; `skip` and `cancel` need it")


class CloseMany(CloseOne):
    """Which exceptions are closed, and how."""

    exceptions: list[Name] = Field(min_length=1, max_length=MOST, description="By name")


class Closed(Out):
    """What came of one of them."""

    exception: str
    asked: bool = Field(description="Whether its run was asked to close it")
    event: str | None = Field(None, description="The id of the event that asked it")
    problem: dict[str, Any] | None = Field(None, description="Why not: type, detail and mend")


class ClosedMany(Out):
    """What came of each."""

    asked: int
    refused: int
    items: list[Closed]


@routes.post("/tasks/{task}/decide", responses=ASKED, openapi_extra={"x-changes": "or seen"})
async def decide_task(call: Asked, task: str, given: Decide) -> Response:
    """Approve or refuse, or say that a task is done: about what was seen, by whoever has the role."""
    row = await tasks.found(call, task)
    shown = task_shown(call, row)
    tag = tasks.tag_of(row, shown)
    call.seen(tag, must=given.seen is None and row["status"] == "open")
    asked = call.asked() or await call.ground.acts.tasks.decide(
        call.principal,
        row["id"],
        given.decision,
        seen=given.seen or shown["seen"] or "",
        note=given.note,
        form=given.form,
        once=call.once(),
    )
    return await outcome(call, asked)


@routes.post("/exceptions/{exception}/close", responses=ASKED, openapi_extra={"x-changes": "maybe"})
async def close_exception(call: Asked, exception: str, given: CloseOne) -> Response:
    """Close an exception; try its step again, skip it or cancel the run besides."""
    row = await exceptions.found(call, exception)
    call.seen(exceptions.tag_of(row), must=False)
    asked = call.asked() or await call.ground.acts.exceptions.close(
        call.principal, row["id"], given.action, note=given.note, once=call.once()
    )
    return await outcome(call, asked)


@routes.post("/exceptions/close", responses={200: {"model": ClosedMany, "description": "What came of each"}})
async def close_many(call: Asked, given: CloseMany) -> Response:
    """Close many exceptions; those that cannot be closed stop none of the others."""
    items: list[dict[str, Any]] = []
    for name in dict.fromkeys(given.exceptions):
        try:
            asked = await call.ground.acts.exceptions.close(
                call.principal, named_text("exception", name), given.action, note=given.note, once=call.once()
            )
            items.append({"exception": name, "asked": True, "event": asked.event})
        except Refused as error:
            told = {"type": TYPES + kind_of(error).name, "detail": error.message, "mend": error.mend}
            items.append({"exception": name, "asked": False, "problem": told})
    done = sum(one["asked"] for one in items)
    return call.answer({"asked": done, "refused": len(items) - done, "items": items})
