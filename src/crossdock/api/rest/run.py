"""One run: where it stands, its state, its history, its graph, what it waits for."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.graph import graph_of
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import (
    Listing,
    Out,
    Paged,
    Row,
    Text,
    View,
    Where,
    chosen_fields,
    expanding,
    pick,
)
from crossdock.api.names import missing
from crossdock.api.rest import runs
from crossdock.api.rest.runs import EXPAND, NAMES, Run
from crossdock.api.route import router
from crossdock.engine.payloads import put_back
from crossdock.errors import CrossdockError
from crossdock.process import decode_state
from crossdock.store import TenantTransaction

routes = router("runs")


class RunView(View):
    """How a run is shown."""

    expand: Text | None = expanding(*EXPAND)


class HistoryQuery(Paged):
    """Which decisions, in which order."""

    sort: Literal["seq", "-seq"] = Field("seq", description="`-seq`: newest first")


class Decision(Out):
    """One decision: the event, and what was told."""

    seq: int = Field(description="Its number in the run")
    at: datetime = Field(description="When it was decided")
    event: dict[str, Any] = Field(description="The event, as it was decided")
    records: list[dict[str, Any]] = Field(description="What it told, as docs/reference/records.md says")


class DecisionPage(Out):
    """A page of decisions."""

    items: list[Decision]
    next: str | None = Field(None, description="Cursor of the next page")


class Node(Out):
    """A step of the process, and where the run stands in it."""

    step: str
    title: str
    kind: str = Field(description="call, await, approve, task, wait, choose, emit, run, set")
    status: str | None = None
    reason: str | None = None
    due: datetime | None = None
    redone: int = 0


class Edge(Out):
    """Why one step comes after another."""

    before: str
    after: str
    kind: Literal["needs", "any", "acts"]


class Graph(Out):
    """The steps of a run's process and how they hang together."""

    process: str
    version: str
    title: str
    nodes: list[Node]
    edges: list[Edge]


class WaitingCall(Out):
    """A call that is not settled."""

    command: str
    connection: str
    status: str
    attempt: int
    due: datetime
    in_doubt: bool
    error: str | None = None


class Calls(Out):
    """The calls of a run that are not settled."""

    items: list[WaitingCall]


class Replayed(Out):
    """Whether a run, decided again, is what is stored."""

    same: bool = Field(description="State and records are those that are stored, byte for byte")
    decisions: int
    differs_at: int | None = Field(None, description="The first decision whose records differ")


@routes.get("/runs/{run}", responses={200: {"model": Run}})
async def read_run(call: Asked, run: str, query: Annotated[RunView, Query()]) -> Response:
    """Read one run. Its ETag changes with every decision."""
    chosen, parts = chosen_fields(query.fields, NAMES), await runs.parts_of(call, query.expand, EXPAND)
    number = call.number("run", run)
    async with call.look() as transaction:
        row = await found(call, transaction, run, number)
        (item,) = await runs.show(call, transaction, [row], parts)
    return call.answer(pick(item, chosen), tag=tag_of(row))


@routes.get("/runs/{run}/state", responses={200: {"model": dict[str, Any]}})
async def read_state(call: Asked, run: str) -> Response:
    """Read all that a run keeps between two decisions: its document, its steps, what it waits for."""
    number = call.number("run", run)
    async with call.look() as transaction:
        row = await found(call, transaction, run, number)
        state = b"{}"
        if row["state"] is not None:
            (state,) = await put_back(transaction, call.tenant.id, row["state"])
    return call.answer(msgspec.Raw(state), tag=tag_of(row))


@routes.get("/runs/{run}/history", responses={200: {"model": DecisionPage}})
async def list_history(call: Asked, run: str, query: Annotated[HistoryQuery, Query()]) -> Response:
    """List what was decided for a run, and what each decision told."""
    number = call.number("run", run)
    async with call.look() as transaction:
        await found(call, transaction, run, number)
    newest = query.sort == "-seq"

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> list[Row]:
        where = Where(number)
        if place is not None:
            where.add("seq < {}" if newest else "seq > {}", place[0])
        sql = f"""
            select seq, at, event, records from crossdock.history
            where tenant = crossdock.tenant() and run = $1{where.sql}
            order by seq {"desc" if newest else "asc"} limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(transaction: TenantTransaction, rows: Any) -> list[dict[str, Any]]:
        items = []
        for row in rows:
            event, records = await put_back(transaction, call.tenant.id, row["event"], row["records"])
            items.append(
                {
                    "seq": row["seq"],
                    "at": row["at"],
                    "event": call.names.event(msgspec.json.decode(event)),
                    "records": msgspec.json.decode(records),
                }
            )
        return items

    listing = Listing(
        fetch=fetch, place=lambda row: [row["seq"]], show=show, names=tuple(Decision.model_fields)
    )
    return await listing.answer(call, query)


@routes.get("/runs/{run}/graph", responses={200: {"model": Graph}})
async def read_graph(call: Asked, run: str) -> Response:
    """Read the steps of a run's process, how they hang together, and where the run stands in each."""
    number = call.number("run", run)
    async with call.look() as transaction:
        row = await found(call, transaction, run, number)
        source = await transaction.value(
            "select source from crossdock.process_version where tenant = crossdock.tenant() and id = $1",
            row["version_id"],
        )
        state = None
        if row["state"] is not None:
            (data,) = await put_back(transaction, call.tenant.id, row["state"])
            state = decode_state(data)
    try:
        process = call.ground.read(source)
    except CrossdockError:
        process = None  # what it calls is no longer installed
    return call.answer(graph_of(row["process"], row["version"], process, state), tag=tag_of(row))


@routes.get("/runs/{run}/calls", responses={200: {"model": Calls}})
async def list_calls(call: Asked, run: str) -> Response:
    """List the calls of a run to outside systems that are not settled."""
    number = call.number("run", run)
    async with call.look() as transaction:
        await found(call, transaction, run, number)
        rows = await transaction.fetch(
            "select command, connection, status, attempt, due, doubt as in_doubt, nullif(error, '') as error "
            "from crossdock.outbox where tenant = crossdock.tenant() and run = $1 order by id limit 1000",
            number,
        )
    return call.answer({"items": [pick(dict(row), ()) for row in rows]})


@routes.get("/runs/{run}/replay", responses={200: {"model": Replayed}})
async def replay_run(call: Asked, run: str) -> Response:
    """Decide the events of a run again, and compare with what is stored. Nothing is changed."""
    number = call.number("run", run)
    async with call.look() as transaction:
        await found(call, transaction, run, number)
    told = await call.ground.acts.runs.replay(call.principal, number)
    value = {"same": told.same, "decisions": told.decisions, "differs_at": told.differs_at}
    return call.answer(pick(value, ()))


async def found(
    call: Call, transaction: TenantTransaction, name: str, number: int, action: str = "run.read"
) -> Row:
    """The row of a run that who asks may see. Raises `NotFound`, `Forbidden`."""
    row = await runs.row_of(call, transaction, number)
    if row is None:
        raise missing("run", name)
    await call.allow(action, str(number), **about(call, row))
    return row


def about(call: Call, row: Row) -> dict[str, str]:
    """What a decision about a run knows of it; for a partner, whose it is."""
    found = {"process": row["process"], "status": row["status"]}
    if call.partners:
        found["partner"] = row["carrier"] or ""
    return found


def tag_of(row: Row) -> str:
    """What changes with every decision of a run, and when a broken one stops it or it is let go."""
    return f"{row['id']}/{row['seq']}/{row['status']}/{row['error'] is not None}"
