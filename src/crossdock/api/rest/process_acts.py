"""Processes checked, published, rolled back."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked
from crossdock.api.listing import Out, Text, pick
from crossdock.api.rest import processes
from crossdock.api.rest.processes import Process
from crossdock.api.route import router

routes = router("processes")

Source = Annotated[str, StringConstraints(min_length=1, max_length=1_000_000)]
Note = Annotated[str, StringConstraints(max_length=2000)]


class Check(Given):
    """The text of a process."""

    source: Source = Field(description="YAML, as docs/reference/process-language.md says")


class Publish(Given):
    """Processes to publish, all or none: those that run each other together."""

    sources: list[Source] = Field(min_length=1, max_length=50, description="The texts, YAML")
    share: float = Field(1.0, gt=0, le=1, description="The part of new runs that take them")
    note: Note = Field("", description="Why: it stays in the audit")


class RollBack(Given):
    """The version that new runs take again."""

    version: Text = Field(description="By its content")
    note: Note = Field("", description="Why: it stays in the audit")


class Found(Out):
    """One thing that is wrong, or that its author should know."""

    line: int
    column: int
    severity: Literal["error", "warning"]
    message: str
    mend: str | None = None
    step: str | None = None


class Checked(Out):
    """Whether it may be published, and every problem."""

    valid: bool
    name: str | None = None
    version: str | None = None
    problems: list[Found]


class Published(Out):
    """What new runs take now."""

    items: list[Process]


@routes.post("/processes/check", responses={200: {"model": Checked, "description": "Checked"}})
async def check_process(call: Asked, given: Check) -> Response:
    """Say whether a text is a process that may be published, and what is wrong with it. Nothing is kept."""
    await call.allow_list("process.read")
    others = await call.ground.acts.processes.others(call.principal, given.source)
    # A long text takes a while, and the others go on meanwhile.
    process, problems = await asyncio.to_thread(call.ground.check, given.source, others)
    found = [
        pick(
            {
                "line": one.line,
                "column": one.column,
                "severity": one.severity,
                "message": one.message,
                "mend": one.mend or None,
                "step": one.step or None,
            },
            (),
        )
        for one in problems
    ]
    value: dict[str, Any] = {"valid": process is not None, "problems": found}
    if process is not None:
        value |= {"name": process.name, "version": process.version}
    return call.answer(value)


@routes.post("/processes", responses={200: {"model": Published, "description": "Published"}})
async def publish_processes(call: Asked, given: Publish) -> Response:
    """Publish processes: new runs take them, all or a share; those under way stay where they are."""
    texts = {f"body.sources.{n}": text for n, text in enumerate(given.sources)}
    made = await call.ground.acts.processes.publish(call.principal, texts, share=given.share, note=given.note)
    rows = [await processes.found(call, process.name) for process in made]
    return call.answer({"items": [pick(processes.shown(row), ()) for row in rows]})


@routes.post(
    "/processes/{process}/roll-back",
    responses={200: {"model": Process, "description": "Rolled back"}},
    openapi_extra={"x-changes": "maybe"},
)
async def roll_back_process(call: Asked, process: str, given: RollBack) -> Response:
    """Let new runs take an older version again, all of them."""
    call.seen(processes.tag_of(await processes.found(call, process)), must=False)
    await call.ground.acts.processes.roll_back(call.principal, process, given.version, note=given.note)
    row = await processes.found(call, process)
    return call.answer(pick(processes.shown(row), ()), tag=processes.tag_of(row))
