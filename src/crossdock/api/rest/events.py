"""Events: what was decided last, and what no run has: parked, quarantined, not read."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, Where
from crossdock.api.rest.runs import own
from crossdock.api.route import router
from crossdock.engine.payloads import put_back
from crossdock.model.codes import Instant
from crossdock.store import TenantTransaction

routes = router("events")

LONGEST = 20_000  # bytes that are shown of what could not be read


class EventQuery(Paged):
    """Which of the events that were decided, newest first."""

    type: list[Text] = Field([], max_length=50, description="Of these types")
    run: Text | None = Field(None, description="Of this run")
    at_from: Instant | None = Field(None, description="Decided at this instant or later")
    at_to: Instant | None = Field(None, description="Decided before this instant")


class KeptQuery(Paged):
    """Which of the events that no run has, newest first."""

    type: list[Text] = Field([], max_length=50, description="Of these types")


class UnreadQuery(Paged):
    """Which of the deliveries that could not be read, newest first."""

    connection: Text | None = Field(None, description="That came by this connection")


class Decided(Out):
    """An event as a run decided it."""

    run: str = Field(description="Its run")
    process: str
    key: str
    seq: int = Field(description="The number of the decision in the run")
    at: datetime = Field(description="When it was decided")
    type: str
    event: dict[str, Any]


class Kept(Out):
    """An event that no run has."""

    id: str = Field(description="Its name here")
    at: datetime
    type: str
    reason: str | None = Field(None, description="Why it was refused")
    event: Any = None


class Unread(Out):
    """What a partner sent and nobody could read."""

    id: str = Field(description="Its name here")
    at: datetime
    connection: str
    feed: str | None = Field(None, description="Absent for what was pushed")
    message: str | None = Field(None, description="What its sender calls it, else the digest of its body")
    reason: str
    body: str | None = Field(None, description="As it came, the beginning of it")


class DecidedPage(Out):
    """A page of events that were decided."""

    items: list[Decided]
    next: str | None = Field(None, description="Cursor of the next page")


class KeptPage(Out):
    """A page of events that no run has."""

    items: list[Kept]
    next: str | None = Field(None, description="Cursor of the next page")


class UnreadPage(Out):
    """A page of what could not be read."""

    items: list[Unread]
    next: str | None = Field(None, description="Cursor of the next page")


@routes.get("/events", responses={200: {"model": DecidedPage}})
async def list_events(call: Asked, query: Annotated[EventQuery, Query()]) -> Response:
    """List the events that runs have decided, newest first."""
    await call.allow_list("event.read")
    run = call.number("run", query.run) if query.run is not None else None

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        where.maybe("h.run = {}", run)
        own(call, where)
        if query.type:
            where.add("h.type = any({}::text[])", query.type)
        where.maybe("h.at >= {}", query.at_from)
        where.maybe("h.at < {}", query.at_to)
        if place is not None:
            where.add("(h.xid, h.run, h.seq) < ({}::text::xid8, {}, {})", *place)
        sql = f"""
            select h.xid::text as xid, h.run, h.seq, h.at, h.type, h.event, r.process, r.key
            from crossdock.history h join crossdock.run r on r.tenant = h.tenant and r.id = h.run
            where h.tenant = crossdock.tenant(){where.sql}
            order by h.xid desc, h.run desc, h.seq desc limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        events = await put_back(transaction, call.tenant.id, *(row["event"] for row in rows))
        return [
            {
                "run": call.names.name("run", row["run"]),
                "process": row["process"],
                "key": row["key"],
                "seq": row["seq"],
                "at": row["at"],
                "type": row["type"],
                "event": call.names.event(msgspec.json.decode(event)),
            }
            for row, event in zip(rows, events, strict=True)
        ]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["xid"], row["run"], row["seq"]],
        show=show,
        names=tuple(Decided.model_fields),
        sees=lambda rows: call.visible("event.read", rows),
    )
    return await listing.answer(call, query)


@routes.get("/events/parked", responses={200: {"model": KeptPage}})
async def list_parked(call: Asked, query: Annotated[KeptQuery, Query()]) -> Response:
    """List the events that no run has claimed yet, newest first."""
    return await _kept(call, query, "parked", "'' as reason", "x.dismissed is null")


@routes.get("/events/quarantined", responses={200: {"model": KeptPage}})
async def list_quarantined(call: Asked, query: Annotated[KeptQuery, Query()]) -> Response:
    """List the events that were refused, with the reason, newest first."""
    return await _kept(call, query, "quarantine", "x.reason", "x.released is null")


async def _kept(call: Call, query: KeptQuery, table: str, reason: str, open_: str) -> Response:
    await call.allow("event.read")
    kind = "parked" if table == "parked" else "quarantined"

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        if query.type:
            where.add("x.type = any({}::text[])", query.type)
        if place is not None:
            where.add("x.id < {}", place[0])
        sql = f"""
            select x.id, x.at, x.type, {reason}, x.event from crossdock.{table} x
            where x.tenant = crossdock.tenant() and {open_}{where.sql}
            order by x.id desc limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [
            {
                "id": call.names.name(kind, row["id"]),
                "at": row["at"],
                "type": row["type"],
                "reason": row["reason"] or None,
                "event": _event(row["event"]),
            }
            for row in rows
        ]

    listing = Listing(fetch=fetch, place=lambda row: [row["id"]], show=show, names=tuple(Kept.model_fields))
    return await listing.answer(call, query)


def _event(data: bytes) -> Any:
    """An event as it was kept. Evidence that is no event shows as its text."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return data.decode(errors="replace")[:LONGEST]


@routes.get("/events/unread", responses={200: {"model": UnreadPage}})
async def list_unread(call: Asked, query: Annotated[UnreadQuery, Query()]) -> Response:
    """List what partners sent and nobody could read, newest first."""
    await call.allow_list("event.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where(LONGEST)
        if call.partners:
            where.add("d.connection = any({}::text[])", list(call.partners))
        where.maybe("d.connection = {}", query.connection)
        if place is not None:
            where.add("d.id < {}", place[0])
        sql = f"""
            select d.id, d.at, d.connection, d.feed, d.message, d.reason, substring(b.data for
              case when substring(b.data for 3) = '\\xe29fa6'::bytea then 200000 else $1 end) as data
            from crossdock.delivery d left join crossdock.blob b on b.tenant = d.tenant and b.hash = d.body
            where d.tenant = crossdock.tenant() and d.outcome = 'quarantined'{where.sql}
            order by d.id desc limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [
            {
                "id": call.names.name("unread", row["id"]),
                "at": row["at"],
                "connection": row["connection"],
                "feed": row["feed"] or None,
                "message": row["message"] or None,
                "reason": row["reason"],
                "body": (row["data"] or b"").decode(errors="replace"),
            }
            for row in rows
        ]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["id"]],
        show=show,
        names=tuple(Unread.model_fields),
        sees=lambda rows: call.visible("event.read", rows, "delivery"),
    )
    return await listing.answer(call, query)
