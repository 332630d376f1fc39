"""What assistants propose, and people accept or turn down."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import ASKED, Given, outcome
from crossdock.api.description import PREFIX
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing, named_text, text_name
from crossdock.api.route import router
from crossdock.desk import Asked as Told
from crossdock.desk.proposals import PROPOSAL, Proposal, proposal_of
from crossdock.errors import NotFound, Refused
from crossdock.store import TenantTransaction

routes = router("proposals")

Name = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
_ANSWERS = "answers"  # as the desk calls the exception that a repair answers


class ProposalQuery(Paged):
    """Which proposals, newest first."""

    status: Literal["open", "accepted", "declined", "fallen", "any"] = Field(
        "open", description="In this state. `fallen`: what it is about has changed since"
    )
    run: Name | None = Field(None, description="About this run, its tasks and exceptions")


class Proposed(Out):
    """What is proposed."""

    id: str = Field(description="Its name here")
    status: Literal["open", "accepted", "declined", "fallen"] = Field(
        description="`fallen`: what it is about has changed since, so it cannot be accepted"
    )
    deed: str = Field(description="What would be done: `run.retry`, `task.decide` ...")
    on: str = Field(description="To this run, task or exception, by name")
    run: str
    process: str
    key: str
    generation: int
    given: dict[str, Any] = Field(description="What the deed is given")
    why: str
    model: str | None = Field(None, description="What it was made by, as whoever proposed says")
    by: str = Field(description="Who proposed")
    person: str | None = Field(None, description="Who answers for whoever proposed")
    seen: str = Field(description="What was seen when it was proposed")
    at: datetime
    decided: datetime | None = None
    decided_by: str | None = None
    note: str | None = None


class ProposalPage(Out):
    """A page of proposals."""

    items: list[Proposed]
    next: str | None = Field(None, description="Cursor of the next page")


class Propose(Given):
    """Something to propose."""

    deed: Text = Field(description="`run.retry`, `run.cancel`, `task.decide`, `exception.close` ...")
    on: Name = Field(description="The run, task or exception, by name")
    given: dict[str, Any] = Field({}, description="What the deed takes where it is done: its body")
    why: Annotated[str, StringConstraints(min_length=1, max_length=2000)] = Field(
        description="Why; whoever decides reads it"
    )
    model: Annotated[str, StringConstraints(max_length=200)] = Field(
        "", description="What it was made by: a model with its version, a program"
    )
    seen: Name | None = Field(
        None,
        description="What was looked at, refused where it is not so any more: `decisions` of a run, "
        "`seen` of a task, `count` of an exception. Without, as it is now",
    )


class Say(Given):
    """What is said beside a decision."""

    note: Annotated[str, StringConstraints(max_length=2000)] = Field("", description="For the audit")


NAMES = tuple(Proposed.model_fields)


@routes.get("/proposals", responses={200: {"model": ProposalPage}})
async def list_proposals(call: Asked, query: Annotated[ProposalQuery, Query()]) -> Response:
    """List what is proposed, newest first."""
    await call.allow("run.read")
    run = call.number("run", query.run) if query.run is not None else None

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        return await rows_of(transaction, query.status, run, place, most)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(call, proposal_of(row)) for row in rows]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["id"]],
        show=show,
        names=NAMES,
        sees=lambda rows: call.visible("run.read", rows, "proposal"),
    )
    return await listing.answer(call, query)


@routes.post("/proposals", status_code=201, responses={201: {"model": Proposed, "description": "Proposed"}})
async def make_proposal(call: Asked, given: Propose) -> Response:
    """Propose a deed, for a person to accept or turn down. It changes nothing else."""
    kind = given.deed.partition(".")[0]
    thing: int | str
    if kind == "run":
        thing = call.number("run", given.on)
    elif kind in ("task", "exception"):
        thing = named_text(kind, given.on)
    else:
        deeds = ", ".join(call.ground.acts.proposals.deeds)
        raise Refused(f"{given.deed!r} cannot be proposed", where="body.deed", mend=f"one of {deeds}")
    proposals = call.ground.acts.proposals
    if call.done is None:
        found = await proposals.make(
            call.principal,
            given.deed,
            thing,
            _inside(given.given),
            why=given.why,
            model=given.model,
            seen=given.seen or "",
        )
    else:
        found = await proposals.find(call.principal, int(call.done))
    value = shown(call, found)
    where = {"location": f"{PREFIX}/proposals/{value['id']}"}
    return call.answer(pick(value, ()), 201, tag=tag_of(found), headers=where)


@routes.get("/proposals/{proposal}", responses={200: {"model": Proposed}})
async def read_proposal(call: Asked, proposal: str, query: Annotated[View, Query()]) -> Response:
    """Read what is proposed, and how it stands."""
    chosen = chosen_fields(query.fields, NAMES)
    found = await _found(call, proposal)
    return call.answer(pick(shown(call, found), chosen), tag=tag_of(found))


@routes.post("/proposals/{proposal}/accept", responses=ASKED, openapi_extra={"x-changes": "maybe"})
async def accept_proposal(call: Asked, proposal: str, given: Say) -> Response:
    """Accept it: what is proposed is done, by the rights of whoever accepts."""
    found = await _found(call, proposal)
    call.seen(tag_of(found), must=False)
    begun = call.asked() or await call.ground.acts.proposals.accept(call.principal, found.id, note=given.note)
    if isinstance(begun, Told):
        return await outcome(call, begun)
    repair = call.names.name("repair", begun.id)
    return call.answer({"run": call.names.name("run", found.run), "outcome": "pending", "event": repair}, 202)


@routes.post(
    "/proposals/{proposal}/decline",
    responses={200: {"model": Proposed, "description": "Turned down"}},
    openapi_extra={"x-changes": "maybe"},
)
async def decline_proposal(call: Asked, proposal: str, given: Say) -> Response:
    """Turn it down: nothing of it is done."""
    found = await _found(call, proposal)
    call.seen(tag_of(found), must=False)
    if call.done is None:
        await call.ground.acts.proposals.decline(call.principal, found.id, note=given.note)
    found = await call.ground.acts.proposals.find(call.principal, found.id)
    return call.answer(pick(shown(call, found), ()), tag=tag_of(found))


async def rows_of(
    transaction: TenantTransaction, status: str, run: int | None, place: list[Any] | None, most: int
) -> Sequence[Row]:
    """Rows of `PROPOSAL` in a state, or `any`, about a run or all, after a place; newest first."""
    where = Where()
    where.maybe("p.run = {}", run)
    if place is not None:
        where.add("p.id < {}", place[0])
    inner = f"{PROPOSAL}{where.sql}"
    outer = Where(*where.values)
    if status in ("open", "fallen"):  # what has fallen is open until somebody finds out
        inner += "\n  and p.status in ('open', 'fallen')"
    if status != "any":
        outer.add("q.status = {}", status)
    sql = f"select * from ({inner}) q where true{outer.sql} order by q.id desc limit {outer.next(most)}"  # noqa: S608 - literals
    return await transaction.fetch(sql, *outer.values)


async def _found(call: Call, name: str) -> Proposal:
    """A proposal that who asks may see. Raises `NotFound`, `Forbidden`."""
    await call.allow("run.read")
    number = call.number("proposal", name)
    try:
        found = await call.ground.acts.proposals.find(call.principal, number)
    except NotFound:
        raise missing("proposal", name) from None
    await call.allow("run.read", str(found.run), process=found.process)
    return found


def shown(call: Call, found: Proposal) -> dict[str, Any]:
    """One proposal as it is shown."""
    run = call.names.name("run", found.run)
    given = dict(found.given)
    if given.get(_ANSWERS):
        given["exception"] = text_name("exception", given.pop(_ANSWERS))
    return {
        "id": call.names.name("proposal", found.id),
        "status": found.status,
        "deed": found.deed,
        "on": run if found.kind == "run" else text_name(found.kind, found.thing),
        "run": run,
        "process": found.process,
        "key": found.key,
        "generation": found.generation,
        "given": given,
        "why": found.why,
        "model": found.model or None,
        "by": found.by,
        "person": found.person or None,
        "seen": found.seen,
        "at": found.at,
        "decided": found.decided,
        "decided_by": found.decided_by or None,
        "note": found.note or None,
    }


def tag_of(found: Proposal) -> str:
    """What changes as it falls, or is decided."""
    return f"{found.id}/{found.status}"


def _inside(given: dict[str, Any]) -> dict[str, Any]:
    """What a deed is given, in the desk's own words."""
    inside = dict(given)
    if isinstance(inside.get("exception"), str) and inside["exception"]:
        inside[_ANSWERS] = named_text("exception", inside.pop("exception"))
    return inside
