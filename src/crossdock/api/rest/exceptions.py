"""Exceptions: what went otherwise, and closing it, one or many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.cases import EXCEPTION, ExceptionShown, exception_shown
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing, named_text
from crossdock.api.route import router
from crossdock.model.codes import Instant
from crossdock.store import TenantTransaction

routes = router("exceptions")

NAMES = tuple(ExceptionShown.model_fields)


class ExceptionQuery(Paged):
    """Which exceptions, in which order."""

    status: Literal["open", "closed", "any"] = Field("open", description="In this state")
    type: list[Text] = Field([], max_length=50, description="Of these types")
    severity: list[Literal["low", "medium", "high", "critical"]] = Field([], description="So severe")
    owner: Text | None = Field(None, description="Of this owner")
    connection: Text | None = Field(None, description="About calls to this connection")
    process: Text | None = Field(None, description="Of runs of this process")
    step: Text | None = Field(None, description="At this step")
    run: Text | None = Field(None, description="Of this run")
    message: Text | None = Field(None, description="Whose message has this text in it")
    opened_from: Instant | None = Field(None, description="Opened at this instant or later")
    opened_to: Instant | None = Field(None, description="Opened before this instant")
    sort: Literal["opened", "-opened"] = Field("opened", description="`opened`: oldest first")


class ExceptionPage(Out):
    """A page of exceptions."""

    items: list[ExceptionShown]
    next: str | None = Field(None, description="Cursor of the next page")


@routes.get("/exceptions", responses={200: {"model": ExceptionPage}})
async def list_exceptions(call: Asked, query: Annotated[ExceptionQuery, Query()]) -> Response:
    """List what went otherwise, oldest first."""
    await call.allow_list("exception.read")
    run = call.number("run", query.run) if query.run is not None else None

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        if query.status != "any":
            where.add(f"e.closed is {'' if query.status == 'open' else 'not '}null")
        if query.type:
            where.add("e.type = any({}::text[])", query.type)
        if query.severity:
            where.add("e.severity = any({}::text[])", query.severity)
        for name in ("owner", "connection", "process", "step"):
            where.maybe(f"e.{name} = {{}}", getattr(query, name))
        where.maybe("e.run = {}", run)
        if call.partners:
            where.add("e.connection = any({}::text[])", list(call.partners))
        where.maybe("position(lower({}) in lower(e.message)) > 0", query.message)
        where.maybe("e.opened >= {}", query.opened_from)
        where.maybe("e.opened < {}", query.opened_to)
        down = query.sort == "-opened"
        if place is not None:
            where.add(f"(e.opened, e.id) {'<' if down else '>'} ({{}}::text::timestamptz, {{}})", *place)
        order = "e.opened desc, e.id desc" if down else "e.opened, e.id"
        sql = f"{EXCEPTION}{where.sql} order by {order} limit {where.next(most)}"
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [exception_shown(call, row) for row in rows]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["opened"], row["id"]],
        show=show,
        names=NAMES,
        sees=lambda rows: call.visible("exception.read", rows),
    )
    return await listing.answer(call, query)


@routes.get("/exceptions/{exception}", responses={200: {"model": ExceptionShown}})
async def read_exception(call: Asked, exception: str, query: Annotated[View, Query()]) -> Response:
    """Read one exception. Its ETag changes when it comes again or is closed."""
    chosen = chosen_fields(query.fields, NAMES)
    row = await found(call, exception)
    return call.answer(pick(exception_shown(call, row), chosen), tag=tag_of(row))


async def found(call: Call, name: str) -> Row:
    """The row of an exception that who asks may see. Raises `NotFound`, `Forbidden`."""
    id_ = named_text("exception", name)
    async with call.look() as transaction:
        row = await transaction.row(EXCEPTION + " and e.id = $1", id_)
    if row is None:
        raise missing("exception", name)
    await call.allow(
        "exception.read", id_, process=row["process"], owner=row["owner"], connection=row["connection"]
    )
    return row


def tag_of(row: Row) -> str:
    """What changes when it comes again, or is closed."""
    return f"{row['id']}/{row['count']}/{row['closed']}"
