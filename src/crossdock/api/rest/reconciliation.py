"""Standing reconciliation: how the last comparison went, what differs, comparing and mending now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Where
from crossdock.api.route import router
from crossdock.gateway import WHATS
from crossdock.store import TenantTransaction

routes = router("reconciliation")

What = Literal["orders", "invoices", "shipments", "stock", "allocations"]


class Reconciled(Out):
    """How the last comparison went."""

    ran: datetime | None = Field(None, description="When it ended")
    due: datetime | None = Field(None, description="When the next one begins")
    since: datetime | None = Field(None, description="From when on it looked")
    compared: dict[str, int] = Field(description="How many of each were looked at there")
    failed: dict[str, str] = Field(description="Connections that could not be read, and why")
    differ: int = Field(description="How much differs now")
    waiting: int = Field(description="How much besides may be in flight, and is not told yet")


class SystemsDiffer(Out):
    """Something that stands otherwise there than here, or in one system than in another."""

    id: str = Field(description="What it is known by: its kind and its business number")
    what: str
    kind: str
    about: str = Field(description="The business number")
    connection: str
    against: str | None = Field(None, description="The other system, where it is not what stands here")
    severity: str
    here: str = Field(description="How it stands here, or in the system that it is held against")
    there: str = Field(description="How it stands there")
    mend: str = Field(description="What would mend it")
    takes_in: bool = Field(description="It is mended by taking in what was lost: `mend` does that")
    order: str | None = None
    shipment: str | None = None
    invoice: str | None = None
    item: str | None = None
    since: datetime = Field(description="When what differs last changed there")
    found: datetime
    seen: datetime = Field(description="The last comparison that found it")
    gone: datetime | None = Field(None, description="When a comparison found it no more")
    mended_by: str | None = None


class SystemsDifferPage(Out):
    """A page of differences."""

    items: list[SystemsDiffer]
    next: str | None = Field(None, description="Cursor of the next page")


class DifferenceQuery(Paged):
    """Which differences, newest first."""

    what: What | None = Field(None, description="Of these alone")
    kind: Annotated[str, Field(max_length=200)] | None = Field(None, description="Of this kind alone")
    system: Annotated[str, Field(max_length=200)] | None = Field(
        None, description="Between this connection and another, or what stands here"
    )
    state: Literal["open", "waiting", "gone", "any"] = Field(
        "open", description="Those that stand; may be in flight, and are not told yet; or stood"
    )


class Compare(Given):
    """What is compared now."""

    what: list[What] = Field([], max_length=5, description="These alone; all, without any")


class Mend(Given):
    """What is taken in."""

    difference: Annotated[str, Field(max_length=700)] = Field(description="The id of a difference")


class Mended(Out):
    """What was taken in."""

    events: int = Field(description="So many events; the next comparison shows what came of them")


_NAMES = tuple(SystemsDiffer.model_fields)
_STATES = {
    "open": "gone is null and told <> 'waiting'",
    "waiting": "told = 'waiting'",
    "gone": "gone is not null",
    "any": "true",
}


@routes.get("/reconciliation", responses={200: {"model": Reconciled}})
async def read_reconciliation(call: Asked) -> Response:
    """Read how the last comparison of the systems with what stands here went."""
    await call.allow_list("exception.read")
    async with call.look() as transaction:
        row = await transaction.row(
            "select ran, due, since, compared, failed from crossdock.reconciliation "
            "where tenant = crossdock.tenant()"
        )
        counts = await transaction.fetch(
            "select connection, count(*) filter (where told <> 'waiting')::int as differ, "
            "count(*) filter (where told = 'waiting')::int as waiting "
            "from crossdock.difference where tenant = crossdock.tenant() and gone is null "
            "and ($1::text[] = '{}' or connection = any($1)) group by connection",
            list(call.partners),
        )
    seen = await call.visible("exception.read", counts, "difference")
    found: dict[str, Any] = {"compared": {}, "failed": {}}
    if row is not None:
        times = {name: row[name] for name in ("ran", "due", "since") if row[name] is not None}
        found = times | {name: msgspec.json.decode(row[name]) for name in ("compared", "failed")}
    return call.answer({**found, **{name: sum(one[name] for one in seen) for name in ("differ", "waiting")}})


@routes.get("/reconciliation/differences", responses={200: {"model": SystemsDifferPage}})
async def list_differences(call: Asked, query: Annotated[DifferenceQuery, Query()]) -> Response:
    """List what stands otherwise there than here."""
    await call.allow_list("exception.read")

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(row) for row in rows]

    listing = Listing(
        fetch=lambda transaction, place, most: rows_of(call, transaction, query, place, most),
        place=place_of,
        show=show,
        names=_NAMES,
        sees=lambda rows: call.visible("exception.read", rows, "difference"),
    )
    return await listing.answer(call, query)


@routes.post("/reconciliation", responses={200: {"model": Reconciled, "description": "Compared"}})
async def compare_now(call: Asked, given: Compare) -> Response:
    """Compare now, instead of when it is due; it takes as long as reading the systems takes."""
    await call.ground.acts.reconciliation.compare(call.principal, given.what or WHATS)
    return await read_reconciliation(call)


@routes.post("/reconciliation/mend", responses={200: {"model": Mended, "description": "Taken in"}})
async def mend_difference(call: Asked, given: Mend) -> Response:
    """Take in what was lost on its way; the difference goes when a comparison finds it no more."""
    events = await call.ground.acts.reconciliation.mend(call.principal, given.difference)
    return call.answer({"events": events})


async def rows_of(
    call: Call, transaction: TenantTransaction, query: DifferenceQuery, place: list[Any] | None, most: int
) -> Sequence[Row]:
    """Up to `most` differences that `query` asks for, after a place in the list."""
    where = Where()
    where.maybe("what = {}", query.what)
    where.maybe("kind = {}", query.kind)
    where.maybe("{} in (connection, against)", query.system)
    where.add(_STATES[query.state])
    if call.partners:
        where.add("connection = any({}::text[])", list(call.partners))
    if place is not None:
        where.add("(found, id) < ({}::text::timestamptz, {})", *place)
    sql = f"""
        select * from crossdock.difference where tenant = crossdock.tenant(){where.sql}
        order by found desc, id desc limit {where.next(most)}"""  # noqa: S608 - literals
    return await transaction.fetch(sql, *where.values)


def place_of(row: Row) -> list[Any]:
    """Its place in the list."""
    return [row["found"].isoformat(), row["id"]]


def shown(row: Row) -> dict[str, Any]:
    """A difference as it is shown."""
    some = ("order", "shipment", "invoice", "item", "against", "mended_by")
    empty = {name: None for name in some if not row[name]}
    found = {name: row[name] for name in _NAMES if name not in ("id", "since")} | empty
    return {"id": f"{row['kind']}/{row['about']}", **found, "since": row["at"]}
