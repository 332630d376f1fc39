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
from crossdock.desk.health import Health as Figures
from crossdock.engine.connections import Connection as Known
from crossdock.store import TenantTransaction

routes = router("connections")


class ConnectionQuery(Paged):
    """Which connections, by name."""

    system: Text | None = Field(None, description="That serve this system")
    connector: Text | None = Field(None, description="Of this connector")
    status: Literal["running", "stopped", "failing"] | None = Field(None, description="That stand like this")
    environment: Literal["production", "sandbox"] | None = Field(None, description="Of this environment")


class Feed(Out):
    """How far a feed is read."""

    name: str
    read: datetime | None = Field(None, description="When it was last read to its end")
    lag: float | None = Field(None, description="Seconds since then")
    failures: int = Field(description="Readings that failed, one after the other")


class Health(Out):
    """How calls went within the last hour; figures are some seconds old, lengths in seconds."""

    last_success: datetime | None = None
    last_failure: datetime | None = None
    calls: int
    refused: int = Field(description="Answered with a no")
    failed: int = Field(description="Not answered, or nobody knows what came of it")
    error_rate: float | None = Field(None, description="The share of calls that failed, 0 to 1")
    p50: float | None = Field(None, description="Half of all calls took no longer")
    p95: float | None = Field(None, description="Nor did 95 of 100")
    lag: float | None = Field(None, description="The longest lag of its feeds, in seconds")
    quota_left: float | None = Field(None, description="Calls, as the other side says it in its answers")
    quota_limit: float | None = None
    quota_resets: datetime | None = Field(None, description="When there are more again")
    feeds: list[Feed]


class Connection(Out):
    """A connection, and how its calls stand."""

    name: str
    system: str = Field(description="The contract that processes call: erp, wms, carrier")
    connector: str
    environment: Literal["production", "sandbox"] = Field(description="Who calls it: `sandbox` runs in test")
    status: Literal["running", "stopped", "failing"]
    settings: dict[str, Any] = Field(description="Without anything secret")
    mapping: str | None = Field(None, description="All that it delivers passes through it")
    concurrency: int | None = Field(None, description="Calls at one time")
    rate: float | None = Field(None, description="Calls a second")
    stopped: datetime | None = None
    stopped_by: str | None = None
    stand_still: bool = Field(description="While it is stopped, deadlines that wait for it stand still")
    drain_rate: float | None = Field(None, description="Calls a second, until what had waited has left")
    record_until: datetime | None = Field(None, description="Until then its traffic is recorded")
    failures: int = Field(description="One after the other")
    open_until: datetime | None = Field(None, description="Nothing leaves before: it failed too often")
    waiting: int = Field(description="Calls that have not left")
    out: int = Field(description="Calls that are out")
    oldest: datetime | None = Field(None, description="Since when the oldest of those that wait is due")
    health: Health


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
    healths = await health_of(call)

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        return [
            one
            for one in known
            if (place is None or one.name > place[0])
            and (not call.partners or one.name in call.partners)
            and query.system in (None, one.system)
            and query.connector in (None, one.connector)
            and query.status in (None, _status(one))
            and query.environment in (None, one.environment)
        ][:most]

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(one, healths.get(one.name)) for one in rows]

    async def seen(rows: Sequence[Row]) -> Sequence[Row]:
        known = [{"connection": one.name, "system": one.system, "known": one} for one in rows]
        return [row["known"] for row in await call.visible("connection.read", known)]

    listing = Listing(fetch=fetch, place=lambda row: [row.name], show=show, names=NAMES, sees=seen)
    return await listing.answer(call, query)


@routes.get("/connections/{connection}", responses={200: {"model": Connection}})
async def read_connection(call: Asked, connection: str, query: Annotated[View, Query()]) -> Response:
    """Read one connection. Its ETag changes when it is changed, stopped or started."""
    chosen = chosen_fields(query.fields, NAMES)
    one = await found(call, connection)
    healths = await health_of(call)
    return call.answer(pick(shown(one, healths.get(connection)), chosen), tag=tag_of(one))


async def health_of(call: Call) -> dict[str, Figures]:
    """How the calls of all connections went."""
    return await call.ground.acts.connections.health(call.principal)


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
    limits = f"{one.concurrency}/{one.rate}/{one.drain_rate}/{one.mapping}"
    return f"{one.name}/{one.connector}/{one.environment}/{settings}/{limits}/{one.stopped}"


def shown(one: Known, health: Figures | None) -> dict[str, Any]:
    """A connection as it is shown."""
    return {
        "name": one.name,
        "system": one.system,
        "connector": one.connector,
        "environment": one.environment,
        "status": _status(one),
        "settings": dict(one.settings),
        "mapping": one.mapping,
        "concurrency": one.concurrency,
        "rate": one.rate,
        "stopped": one.stopped,
        "stopped_by": one.stopped_by or None,
        "stand_still": one.stand_still,
        "drain_rate": one.drain_rate,
        "record_until": one.record_until,
        "failures": one.failures,
        "open_until": one.open_until,
        "waiting": one.waiting,
        "out": one.out,
        "oldest": one.oldest,
        "health": pick(_health(health or Figures()), ()),
    }


def _health(one: Figures) -> dict[str, Any]:
    return {
        "last_success": one.last_success,
        "last_failure": one.last_failure,
        "calls": one.calls,
        "refused": one.refused,
        "failed": one.failed,
        "error_rate": one.error_rate,
        "p50": one.p50,
        "p95": one.p95,
        "lag": one.lag,
        "quota_left": one.quota_left,
        "quota_limit": one.quota_limit,
        "quota_resets": one.quota_resets,
        "feeds": [
            pick({"name": feed.name, "read": feed.read, "lag": feed.lag, "failures": feed.failures}, ())
            for feed in one.feeds
        ],
    }


def _status(one: Known) -> str:
    if one.stopped is not None:
        return "stopped"
    return "failing" if one.open_until is not None else "running"
