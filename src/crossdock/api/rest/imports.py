"""Imports: many events or orders in one file, with how it stands and what is wrong in which line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.answers import key_of
from crossdock.api.description import PREFIX
from crossdock.api.ground import Asked, Call
from crossdock.api.importing.imports import Wanted
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.problems import WrongMedia
from crossdock.api.route import router, streamed
from crossdock.api.strict import near, shown
from crossdock.errors import Refused
from crossdock.model import EVENTS
from crossdock.model.orders import Order
from crossdock.store import TenantTransaction

routes = router("imports")

_MEDIA = {"application/x-ndjson": "ndjson", "application/jsonl": "ndjson", "text/csv": "csv"}
_IMPORT: LiteralString = """
select id, at, ended, status, what, form, type, whole, by, lines, good, bad, sent, fates::text as fates, error
from crossdock.api_import i where tenant = crossdock.tenant()"""


class ImportGiven(View):
    """How a file is taken."""

    what: Literal["events", "orders"] = Field("events", description="What each line is")
    type: Text = Field("order.released", description="Of orders: the type of the events that they become")
    whole: bool = Field(False, description="All or nothing: one line that is wrong, and none is sent")
    check: bool = Field(False, description="Only say what is wrong; nothing is sent")


class Import(Out):
    """One import, and how it stands."""

    id: str = Field(description="Its name here")
    status: Literal["receiving", "sending", "done", "refused", "checked", "stopped"]
    what: Literal["events", "orders"]
    form: Literal["ndjson", "csv"]
    type: str | None = None
    whole: bool
    by: str
    at: datetime
    ended: datetime | None = None
    lines: int = Field(description="Read")
    good: int = Field(description="Events that were found in them")
    bad: int = Field(description="Faults: see its report")
    sent: int = Field(description="Events that have gone in")
    fates: dict[str, int] = Field(description="What became of how many: routed, parked, duplicate ...")
    error: str | None = None


class ImportQuery(Paged):
    """Which imports, newest first."""

    status: Literal["receiving", "sending", "done", "refused", "checked", "stopped"] | None = Field(
        None, description="That stand like this"
    )


class ImportPage(Out):
    """A page of imports."""

    items: list[Import]
    next: str | None = Field(None, description="Cursor of the next page")


class FaultShown(Out):
    """What is wrong in one line."""

    line: int
    field: str | None = None
    detail: str
    mend: str | None = None


class Report(Out):
    """A page of what is wrong."""

    items: list[FaultShown]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Import.model_fields)
_BODY = {
    "requestBody": {
        "required": True,
        "content": {media: {"schema": {"type": "string"}} for media in ("application/x-ndjson", "text/csv")},
    }
}


@routes.post(
    "/imports",
    status_code=202,
    responses={
        202: {"model": Import, "description": "Received; it is sent meanwhile"},
        200: {"model": Import, "description": "Received before, with the same key"},
    },
    openapi_extra=_BODY,
)
@streamed
async def begin_import(call: Asked, query: Annotated[ImportGiven, Query()]) -> Response:
    """Import events or orders, NDJSON or CSV. It is received and checked whole before anything is sent."""
    await call.allow("event.send", owner=call.principal.id)
    media = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media not in _MEDIA:
        raise WrongMedia(
            f"{shown(media) or 'what has no Content-Type'} is not taken here",
            where="header.Content-Type",
            mend="send application/x-ndjson or text/csv",
        )
    if query.what == "orders":
        known = [name for name, event in EVENTS.items() if event.data is Order]
        if query.type not in known:
            raise Refused(
                f"no order is {shown(query.type)}", where="query.type", mend=near(query.type, known)
            )
    wanted = Wanted(
        what=query.what,
        form=_MEDIA[media],
        type=query.type if query.what == "orders" else "",
        whole=query.whole,
        check=query.check,
        key=key_of(call),
    )
    number, before = await call.ground.imports.receive(call.tenant, call.principal, wanted, _pieces(call))
    name = call.names.name("import", number)
    headers = {"location": f"{PREFIX}/imports/{name}"} | ({"idempotency-replayed": "true"} if before else {})
    row = await _found(call, name)
    return call.answer(_shown(call, row), 200 if before else 202, headers=headers)


async def _pieces(call: Call) -> AsyncIterator[bytes]:
    async for piece in call.request.stream():
        yield piece


@routes.get("/imports", responses={200: {"model": ImportPage}})
async def list_imports(call: Asked, query: Annotated[ImportQuery, Query()]) -> Response:
    """List imports, newest first."""
    await call.allow_list("event.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        where.maybe("status = {}", query.status)
        if call.partners:
            where.add("by = {}", call.principal.id)
        if place is not None:
            where.add("id < {}", place[0])
        sql = f"{_IMPORT}{where.sql} order by id desc limit {where.next(most)}"
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_shown(call, row) for row in rows]

    return await Listing(fetch=fetch, place=lambda row: [row["id"]], show=show, names=NAMES).answer(
        call, query
    )


@routes.get("/imports/{import_}", responses={200: {"model": Import}})
async def read_import(call: Asked, import_: str, query: Annotated[View, Query()]) -> Response:
    """Read how an import stands."""
    chosen = chosen_fields(query.fields, NAMES)
    row = await _found(call, import_)
    return call.answer(
        pick(_shown(call, row), chosen), tag=f"{row['id']}/{row['status']}/{row['lines']}/{row['sent']}"
    )


@routes.get("/imports/{import_}/report", responses={200: {"model": Report}})
async def read_report(call: Asked, import_: str, query: Annotated[Paged, Query()]) -> Response:
    """List what is wrong in which line, and what mends it."""
    number = (await _found(call, import_))["id"]

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where(number)
        if place is not None:
            where.add("n > {}", place[0])
        sql = f"""
            select n, line, field, detail, mend from crossdock.api_import_fault
            where tenant = crossdock.tenant() and import = $1{where.sql}
            order by n limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [
            {
                "line": row["line"],
                "field": row["field"] or None,
                "detail": row["detail"],
                "mend": row["mend"] or None,
            }
            for row in rows
        ]

    listing = Listing(
        fetch=fetch, place=lambda row: [row["n"]], show=show, names=tuple(FaultShown.model_fields)
    )
    return await listing.answer(call, query)


@routes.post("/imports/{import_}/stop", responses={200: {"model": Import, "description": "Stopped"}})
async def stop_import(call: Asked, import_: str) -> Response:
    """Send no more of it; what was sent stays sent."""
    row = await _found(call, import_)
    if call.done is None:
        await call.ground.imports.stop(call.tenant, call.principal, row["id"])
    return call.answer(_shown(call, await _found(call, import_)))


async def _found(call: Call, name: str) -> Row:
    number = call.number("import", name)
    async with call.look() as transaction:
        row = await transaction.row(f"{_IMPORT} and id = $1", number)
    if row is None or (call.partners and row["by"] != call.principal.id):
        raise missing("import", name)
    if row["by"] != call.principal.id:
        await call.allow_list("event.read")
    return row


def _shown(call: Call, row: Row) -> dict[str, Any]:
    value = {name: row[name] for name in NAMES}
    value |= {"id": call.names.name("import", row["id"]), "fates": msgspec.json.decode(row["fates"])}
    return pick(value | {"type": row["type"] or None, "error": row["error"] or None}, ())
