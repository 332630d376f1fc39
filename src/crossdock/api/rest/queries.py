"""Queries of the graph that are known by their hash: let in, listed, let in no longer."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from pydantic import Field, StringConstraints
from starlette.responses import Response

from crossdock.api.acting import Given
from crossdock.api.graphql.measure import measured
from crossdock.api.graphql.persisted import LONGEST, digest
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row
from crossdock.api.route import router
from crossdock.api.strict import shown
from crossdock.errors import NotFound, Refused
from crossdock.store import TenantTransaction

routes = router("graphql")

Note = Annotated[str, StringConstraints(max_length=2000)]


class KnownQuery(Out):
    """A query of the graph that is known by its hash."""

    hash: str = Field(description="SHA-256 of its text, in hex")
    allowed: bool = Field(description="Let in; else a program has sent it to be kept")
    text: str


class QueryPage(Out):
    """A page of queries."""

    items: list[KnownQuery]
    next: str | None = Field(None, description="Cursor of the next page")


class QueryQuery(Paged):
    """Which queries, by hash."""

    allowed: bool | None = Field(None, description="Whether they were let in")


class Allow(Given):
    """Queries to let in."""

    texts: list[Annotated[str, StringConstraints(min_length=1, max_length=LONGEST)]] = Field(
        min_length=1, max_length=100, description="One query each"
    )
    note: Note = Field("", description="Why: it stays in the audit")


class LetIn(Out):
    """The queries that were let in, in their order."""

    items: list[KnownQuery]


class DropQuery(Given):
    """Why a query is let in no longer."""

    note: Note = Field("", description="Why: it stays in the audit")


@routes.get("/graphql/queries", responses={200: {"model": QueryPage}})
async def list_queries(call: Asked, query: Annotated[QueryQuery, Query()]) -> Response:
    """List queries: those that are let in, and those that programs have sent to be kept."""
    await call.allow("setting.read", "graphql")
    known = [
        {"hash": hash_, "allowed": allowed, "text": text}
        for hash_, allowed, text in sorted(await call.ground.persisted.list(call.tenant))
        if query.allowed in (None, allowed)
    ]

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> list[Row]:
        return [one for one in known if place is None or one["hash"] > place[0]][:most]

    async def show(_transaction: TenantTransaction, rows: Any) -> list[dict[str, Any]]:
        return list(rows)

    names = tuple(KnownQuery.model_fields)
    listing = Listing(fetch=fetch, place=lambda row: [row["hash"]], show=show, names=names)
    return await listing.answer(call, query)


@routes.post("/graphql/queries", responses={200: {"model": LetIn, "description": "Let in"}})
async def allow_queries(call: Asked, given: Allow) -> Response:
    """Let queries in, all or none. One that would be refused, for what it costs or says, is not let in."""
    await call.allow("setting.change", "graphql")
    for n, text in enumerate(given.texts):
        try:
            measured(text, {}, None, call.ground.query_bounds)
        except Refused as error:
            raise Refused(error.message, where=f"body.texts.{n}", mend=error.mend) from None
    if call.done is None:
        await call.ground.persisted.allow(call.tenant, call.principal, given.texts, why=given.note)
    items = [{"hash": digest(text), "allowed": True, "text": text} for text in given.texts]
    return call.answer({"items": items})


@routes.delete(
    "/graphql/queries/{hash_}", responses={200: {"model": KnownQuery, "description": "As it was dropped"}}
)
async def drop_query(call: Asked, hash_: str, query: Annotated[DropQuery, Query()]) -> Response:
    """Let a query in no longer. It holds in every process within half a minute."""
    await call.allow("setting.change", "graphql")
    hash_, text, allowed = await _found(call, hash_)
    call.seen(f"{hash_}/{allowed}")
    await call.ground.persisted.drop(call.tenant, call.principal, hash_, why=query.note)
    return call.answer({"hash": hash_, "allowed": allowed, "text": text})


@routes.get("/graphql/queries/{hash_}", responses={200: {"model": KnownQuery}})
async def read_query(call: Asked, hash_: str) -> Response:
    """Read one query by its hash."""
    await call.allow("setting.read", "graphql")
    hash_, text, allowed = await _found(call, hash_)
    value = {"hash": hash_, "allowed": allowed, "text": text}
    return call.answer(value, tag=f"{hash_}/{allowed}")


async def _found(call: Call, hash_: str) -> tuple[str, str, bool]:
    """Hash, text, and whether it was let in. Raises `NotFound`."""
    try:
        return await call.ground.persisted.find(call.tenant, hash_)
    except NotFound:
        raise NotFound(
            f"no query has the hash {shown(hash_)}", mend="take one that their list gives"
        ) from None
