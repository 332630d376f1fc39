"""Orders and shipments: the documents of runs, as the runs know them now.

A document is found by the numbers of its run, and shown with where that stands. Which processes are about
orders stands in their text.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Row, Text, View, Where, chosen_fields, expanding, pick
from crossdock.api.names import missing
from crossdock.api.rest import runs
from crossdock.api.rest.run import about, tag_of
from crossdock.api.rest.runs import RunQuery
from crossdock.api.route import router
from crossdock.process.state import RunStatus
from crossdock.store import TenantTransaction

_EXPAND = ("aliases", "exceptions", "tasks")
_VERSIONS = """
select id, name from crossdock.process_version where tenant = crossdock.tenant()
  and substring(source from '(?n)^document:[ \\t]*["'']?([A-Za-z0-9_]+)') = $1
"""


class DocumentView(View):
    """How a document is shown."""

    expand: Text | None = expanding(*_EXPAND)


class DocumentQuery(RunQuery):
    """Which documents, in which order."""

    expand: Text | None = expanding(*_EXPAND)


class Shown(Out):
    """A document of a run."""

    id: str = Field(description="Its name here")
    number: str = Field(description="Its number: the key of its run")
    status: RunStatus = Field(description="Where its run stands")
    process: str = Field(description="What its run follows")
    run: str = Field(description="Its run")
    generation: int = Field(description="Counts runs of one number")
    created: datetime
    changed: datetime
    ended: datetime | None = None
    open_exceptions: int
    open_tasks: int
    document: dict[str, Any] | None = Field(None, description="The document, as its schema says")
    aliases: list[runs.Alias] | None = Field(None, description="With `expand=aliases`")
    exceptions: list[dict[str, Any]] | None = Field(
        None, description="With `expand=exceptions`: the open ones"
    )
    tasks: list[dict[str, Any]] | None = Field(None, description="With `expand=tasks`: the open ones")


class ShownPage(Out):
    """A page of documents."""

    items: list[Shown]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Shown.model_fields)
COLUMNS = tuple(name for name in NAMES if name not in (*_EXPAND, "document"))


def _routes(plural: str, kind: str, type_: str) -> APIRouter:
    """The addresses of one type of document."""
    routes = router(plural)

    @routes.get(f"/{plural}", responses={200: {"model": ShownPage}}, name=f"list_{plural}")
    async def list_documents(call: Asked, query: Annotated[DocumentQuery, Query()]) -> Response:
        await call.allow_list("order.read")
        parts = await runs.parts_of(call, query.expand, _EXPAND)

        async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
            versions = await transaction.fetch(_VERSIONS, type_)
            names = sorted({row["name"] for row in versions})
            more = Where()
            more.add("r.process <> '' and r.process = any({}::text[])", names)
            more.add("r.version = any({}::bigint[])", [row["id"] for row in versions])
            return await runs.fetch(call, transaction, query, place, most, more) if versions else []

        listing = Listing(
            fetch=fetch,
            place=runs.place_of,
            show=lambda transaction, rows: _show(call, transaction, kind, rows, parts),
            names=NAMES,
            columns=COLUMNS,
            sees=lambda rows: call.visible("order.read", rows),
        )
        return await listing.answer(call, query)

    @routes.get(f"/{plural}/{{document}}", responses={200: {"model": Shown}}, name=f"read_{kind}")
    async def read_document(call: Asked, document: str, query: Annotated[DocumentView, Query()]) -> Response:
        chosen, parts = chosen_fields(query.fields, NAMES), await runs.parts_of(call, query.expand, _EXPAND)
        number = call.number(kind, document)
        async with call.look() as transaction:
            row = await runs.row_of(call, transaction, number)
            if row is None:
                raise missing(kind, document)
            await call.allow("order.read", str(number), **about(call, row))
            (item,) = await _show(call, transaction, kind, [row], parts)
        return call.answer(pick(item, chosen), tag=tag_of(row))

    list_documents.__doc__ = (
        f"List {plural}, newest first: filtered, found by a number, a page or all of them."
    )
    read_document.__doc__ = f"Read one {kind}, with its document as it is now."
    return routes


async def _show(
    call: Call, transaction: TenantTransaction, kind: str, rows: Sequence[Row], parts: frozenset[str]
) -> list[dict[str, Any]]:
    found = await runs.show(call, transaction, rows, parts | {"document"})
    items = []
    for row, run in zip(rows, found, strict=True):
        document = run.pop("document", None)
        items.append(
            {
                "id": call.names.name(kind, row["id"]),
                "number": run["key"],
                "run": run["id"],
                "document": None if document in (None, msgspec.Raw(b"null")) else document,
                **{name: run[name] for name in NAMES if name in run and name not in ("id", "run", "number")},
            }
        )
    return items


orders = _routes("orders", "order", "Order")
shipments = _routes("shipments", "shipment", "Shipment")
