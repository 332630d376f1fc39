"""Personal data: whether it is sealed, whose is held, what was erased."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked
from crossdock.api.listing import Out, pick
from crossdock.api.route import router

routes = router("personal")

Words = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Why = Annotated[str, StringConstraints(min_length=1, max_length=2000)]


class Sealed(Out):
    """Whether personal data is sealed."""

    on: bool = Field(description="Whether what comes in is sealed, from `since` on")
    since: datetime | None = None
    until: datetime | None = Field(None, description="When that ended; what was sealed stays so")
    by: str | None = Field(None, description="Who began it")


class Turn(Given):
    """Whether personal data shall be sealed."""

    on: bool = Field(description="Seal what comes in from now on, or no more")
    note: Annotated[str, StringConstraints(max_length=2000)] = Field("", description="Why: for the audit")


class Search(Given):
    """Who is looked for. It is sent as a body, since addresses stand in logs."""

    text: Words = Field(description="Words of names and addresses, an e-mail address or a telephone number")


class Subject(Out):
    """Somebody whose data is held."""

    subject: str = Field(description="As `customer/C-7`")
    handle: str = Field(description="What stands for it in the database, and in the audit")
    since: datetime
    runs: int = Field(description="Runs that hold it")
    open_runs: int = Field(description="Of these, how many have not ended")


class Subjects(Out):
    """Those who were found, at most a hundred."""

    items: list[Subject]


class HeldRun(Out):
    """A run that holds somebody's data."""

    run: str = Field(description="Its name here")
    process: str
    key: str
    generation: int
    status: str
    created: datetime
    ended: datetime | None = None


class HeldOf(Subject):
    """What is held of somebody."""

    holds: list[HeldRun] = Field(description="The newest runs that hold it, at most a hundred")


class Look(Given):
    """Whose data is looked at."""

    subject: Words = Field(description="As it was found: `customer/C-7`, or its handle")


class Erase(Given):
    """Whose data is erased, and why."""

    subject: Words = Field(description="As it was found: `customer/C-7`, or its handle")
    why: Why = Field(description="Who asked for it, and when; it stays in the audit, so name nobody")


class Gone(Out):
    """What was erased."""

    handle: str
    at: datetime
    by: str
    why: str
    since: datetime = Field(description="Since when data had been held")
    words: int | None = Field(None, description="Words of the index that went")
    runs: int = Field(description="Runs that had held it; they stay, and show `[erased]`")
    open_runs: int = Field(description="Of these, not ended: calls that would send what is gone are refused")
    raw_until: datetime | None = Field(
        None, description="Until then a delivery that could not be read may hold some of it, sealed"
    )


class GonePage(Out):
    """What was erased, the last first."""

    items: list[Gone]


@routes.get("/personal", responses={200: {"model": Sealed}})
async def read_personal(call: Asked) -> Response:
    """Read whether personal data is sealed."""
    return call.answer(pick(asdict(await call.ground.acts.personal.state(call.principal)), ()))


@routes.post("/personal", responses={200: {"model": Sealed}})
async def turn_personal(call: Asked, given: Turn) -> Response:
    """Begin to seal personal data that comes in, or end it. What was written before stays as it is."""
    acts = call.ground.acts.personal
    if call.done is None:
        state = await (acts.begin if given.on else acts.end)(call.principal, note=given.note)
    else:
        state = await acts.state(call.principal)
    return call.answer(pick(asdict(state), ()))


@routes.post("/personal/find", responses={200: {"model": Subjects}})
async def find_personal(call: Asked, given: Search) -> Response:
    """Find whose data is held, by what they are called."""
    found = await call.ground.acts.personal.find(call.principal, given.text)
    return call.answer({"items": [asdict(one) for one in found]})


@routes.post("/personal/held", responses={200: {"model": HeldOf}})
async def read_held(call: Asked, given: Look) -> Response:
    """Read what is held of somebody: since when, and in which runs. That it was looked at is noted."""
    held, runs = await call.ground.acts.personal.held(call.principal, given.subject)
    shown = [
        pick(
            {"run": call.names.name("run", one.id), **{k: v for k, v in asdict(one).items() if k != "id"}}, ()
        )
        for one in runs
    ]
    return call.answer({**asdict(held), "holds": shown})


@routes.post("/personal/erase", responses={200: {"model": Gone}})
async def erase_personal(call: Asked, given: Erase) -> Response:
    """Erase somebody's personal data, for ever: the key that opens it is destroyed."""
    acts = call.ground.acts.personal
    if call.done is None:
        gone = await acts.erase(call.principal, given.subject, why=given.why)
    else:
        gone = await acts.gone(call.principal, call.done)
    return call.answer(pick(asdict(gone), ()))


@routes.get("/personal/erased", responses={200: {"model": GonePage}})
async def list_erased(call: Asked) -> Response:
    """List what was erased, the last first. Whose it was, nobody can say any more."""
    found = await call.ground.acts.personal.erased(call.principal)
    return call.answer({"items": [pick(asdict(one) | {"words": None}, ()) for one in found]})
