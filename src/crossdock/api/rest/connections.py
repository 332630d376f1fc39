"""Connections to outside systems, and how their calls stand. What is secret of them is never shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.route import router
from crossdock.engine.connections import Connection as Known
from crossdock.store import TenantTransaction

routes = router("connections")


class ConnectionQuery(Paged):
    """Which connections, by name."""

    system: Text | None = Field(None, description="That serve this system")
    connector: Text | None = Field(None, description="Of this connector")
    status: Literal["running", "stopped", "failing"] | None = Field(None, description="That stand like this")


class Connection(Out):
    """A connection, and how its calls stand."""

    name: str
    system: str = Field(description="The contract that processes call: erp, wms, carrier")
    connector: str
    status: Literal["running", "stopped", "failing"]
    settings: dict[str, Any] = Field(description="Without anything secret")
    concurrency: int | None = Field(None, description="Calls at one time")
    rate: float | None = Field(None, description="Calls a second")
    stopped: datetime | None = None
    stopped_by: str | None = None
    stand_still: bool = Field(description="While it is stopped, deadlines that wait for it stand still")
    drain_rate: float | None = Field(None, description="Calls a second, until what had waited has left")
    failures: int = Field(description="One after the other")
    open_until: datetime | None = Field(None, description="Nothing leaves before: it failed too often")
    waiting: int = Field(description="Calls that have not left")
    out: int = Field(description="Calls that are out")
    oldest: datetime | None = Field(None, description="Since when the oldest of those that wait is due")


class ConnectionPage(Out):
    """A page of connections."""

    items: list[Connection]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Connection.model_fields)


@routes.get("/connections", responses={200: {"model": ConnectionPage}})
async def list_connections(call: Asked, query: Annotated[ConnectionQuery, Query()]) -> Response:
    """List connections by name, with how their calls stand."""
    await call.allow_list("connection.read")
    known = await call.ground.connections.of(call.tenant)

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        return [
            one
            for one in known
            if (place is None or one.name > place[0])
            and (not call.partners or one.name in call.partners)
            and query.system in (None, one.system)
            and query.connector in (None, one.connector)
            and query.status in (None, _status(one))
        ][:most]

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(one) for one in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row.name], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.get("/connections/{connection}", responses={200: {"model": Connection}})
async def read_connection(call: Asked, connection: str, query: Annotated[View, Query()]) -> Response:
    """Read one connection. Its ETag changes when it is changed, stopped or started."""
    chosen = chosen_fields(query.fields, NAMES)
    one = await found(call, connection)
    return call.answer(pick(shown(one), chosen), tag=tag_of(one))


async def found(call: Call, name: str) -> Known:
    """A connection that who asks may see. Raises `NotFound`, `Forbidden`."""
    known = {one.name: one for one in await call.ground.connections.of(call.tenant)}
    one = known.get(name)
    if one is None:
        await call.allow_list("connection.read")
        raise missing("connection", name)
    await call.allow("connection.read", name, connection=name, system=one.system)
    return one


def tag_of(one: Known) -> str:
    """What changes when somebody changes it."""
    settings = sorted(one.settings.items(), key=str)
    return (
        f"{one.name}/{one.connector}/{settings}/{one.concurrency}/{one.rate}/{one.stopped}/{one.drain_rate}"
    )


def shown(one: Known) -> dict[str, Any]:
    """A connection as it is shown."""
    return {
        "name": one.name,
        "system": one.system,
        "connector": one.connector,
        "status": _status(one),
        "settings": dict(one.settings),
        "concurrency": one.concurrency,
        "rate": one.rate,
        "stopped": one.stopped,
        "stopped_by": one.stopped_by or None,
        "stand_still": one.stand_still,
        "drain_rate": one.drain_rate,
        "failures": one.failures,
        "open_until": one.open_until,
        "waiting": one.waiting,
        "out": one.out,
        "oldest": one.oldest,
    }


def _status(one: Known) -> str:
    if one.stopped is not None:
        return "stopped"
    return "failing" if one.open_until is not None else "running"
