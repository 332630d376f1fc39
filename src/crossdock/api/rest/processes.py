"""Processes and their versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, LiteralString

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.graph import graph_of
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, View, Where, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.rest.run import Graph
from crossdock.api.route import router
from crossdock.errors import CrossdockError
from crossdock.store import TenantTransaction

routes = router("processes")

_CURRENT: LiteralString = """
select c.name, v.version, v.published, v.published_by, c.share, n.version as next_version
from crossdock.process_current c
join crossdock.process_version v on v.tenant = c.tenant and v.id = c.id
left join crossdock.process_version n on n.tenant = c.tenant and n.id = c.next_id
where c.tenant = crossdock.tenant()"""


class Process(Out):
    """A process that new runs take."""

    name: str
    version: str = Field(description="That new runs take, by content")
    published: datetime
    published_by: str | None = None
    next_version: str | None = Field(None, description="A version that is being rolled out ...")
    share: float | None = Field(None, description="... to this share of new runs")


class ProcessPage(Out):
    """A page of processes."""

    items: list[Process]
    next: str | None = Field(None, description="Cursor of the next page")


class Version(Out):
    """A version of a process."""

    name: str
    version: str = Field(description="By its content")
    published: datetime
    published_by: str | None = None
    current: bool = Field(description="Whether new runs take it")
    source: str | None = Field(None, description="Its text: of one version, not in lists")


class VersionPage(Out):
    """A page of versions."""

    items: list[Version]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Process.model_fields)


@routes.get("/processes", responses={200: {"model": ProcessPage}})
async def list_processes(call: Asked, query: Annotated[Paged, Query()]) -> Response:
    """List the processes that new runs take, by name."""
    await call.allow("process.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        if place is not None:
            where.add("c.name > {}", place[0])
        sql = f"{_CURRENT}{where.sql} order by c.name limit {where.next(most)}"
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(row) for row in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row["name"]], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.get("/processes/{process}", responses={200: {"model": Process}})
async def read_process(call: Asked, process: str, query: Annotated[View, Query()]) -> Response:
    """Read which version of a process new runs take."""
    chosen = chosen_fields(query.fields, NAMES)
    row = await found(call, process)
    return call.answer(pick(shown(row), chosen), tag=tag_of(row))


@routes.get("/processes/{process}/versions", responses={200: {"model": VersionPage}})
async def list_versions(call: Asked, process: str, query: Annotated[Paged, Query()]) -> Response:
    """List the versions of a process, newest first."""
    current = (await found(call, process))["version"]

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where(process)
        if place is not None:
            where.add("id < {}", place[0])
        sql = f"""
            select id, name, version, published, published_by from crossdock.process_version
            where tenant = crossdock.tenant() and name = $1{where.sql}
            order by id desc limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [_version(row, current) for row in rows]

    names = tuple(name for name in Version.model_fields if name != "source")
    return await Listing(fetch=fetch, place=lambda row: [row["id"]], show=show, names=names).answer(
        call, query
    )


@routes.get("/processes/{process}/versions/{version}", responses={200: {"model": Version}})
async def read_version(call: Asked, process: str, version: str, query: Annotated[View, Query()]) -> Response:
    """Read one version of a process, with its text."""
    chosen = chosen_fields(query.fields, tuple(Version.model_fields))
    current = (await found(call, process))["version"]
    row = await _one(call, process, version)
    value = _version(row, current) | {"source": row["source"]}
    return call.answer(pick(value, chosen), tag=f"{row['id']}/{value['current']}")


@routes.get("/processes/{process}/versions/{version}/graph", responses={200: {"model": Graph}})
async def read_version_graph(call: Asked, process: str, version: str) -> Response:
    """Read the steps of a version, and how they hang together."""
    await found(call, process)
    row = await _one(call, process, version)
    try:
        read = call.ground.read(row["source"])
    except CrossdockError:
        read = None  # what it calls is no longer installed
    return call.answer(graph_of(process, row["version"], read, None), tag=f"graph/{row['id']}")


async def found(call: Call, name: str) -> Row:
    """The row of a process that who asks may see. Raises `NotFound`, `Forbidden`."""
    await call.allow("process.read", name, process=name)
    async with call.look() as transaction:
        row = await transaction.row(_CURRENT + " and c.name = $1", name)
    if row is None:
        raise missing("process", name)
    return row


async def _one(call: Call, process: str, version: str) -> Row:
    async with call.look() as transaction:
        row = await transaction.row(
            "select id, name, version, published, published_by, source from crossdock.process_version "
            "where tenant = crossdock.tenant() and name = $1 and version = $2",
            process,
            version,
        )
    if row is None:
        raise missing("version", version)
    return row


def tag_of(row: Row) -> str:
    """What changes when new runs take another version."""
    return f"{row['name']}/{row['version']}/{row['next_version']}/{row['share']}"


def shown(row: Row) -> dict[str, Any]:
    """A process as it is shown."""
    rolling = row["next_version"] is not None
    return {
        "name": row["name"],
        "version": row["version"],
        "published": row["published"],
        "published_by": row["published_by"] or None,
        "next_version": row["next_version"],
        "share": row["share"] if rolling else None,
    }


def _version(row: Row, current: str) -> dict[str, Any]:
    return {
        "name": row["name"],
        "version": row["version"],
        "published": row["published"],
        "published_by": row["published_by"] or None,
        "current": row["version"] == current,
    }
