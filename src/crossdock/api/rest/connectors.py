"""Connectors: what a connection of one needs to be told, as a JSON Schema that a form can be made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.ground import Asked
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.route import router
from crossdock.connect import Connector as Declared
from crossdock.desk.connection_form import settings_schema
from crossdock.store import TenantTransaction

routes = router("connections")


class ConnectorQuery(Paged):
    """Which connectors, by name."""

    system: Text | None = Field(None, description="That serve this system")


class Connector(Out):
    """A connector, and what a connection of it is told."""

    name: str
    title: str
    version: str
    serves: list[str] = Field(description="The contracts that it implements: erp, wms, carrier")
    doc: str | None = None
    settings: dict[str, Any] = Field(description="The settings of a connection, as a JSON Schema")
    secrets: dict[str, str] = Field(description="The secrets of a connection, and what each is")
    webhook: bool = Field(description="It takes what the system pushes")
    feeds: list[str] = Field(description="What it reads of the system with a cursor")
    tested: bool = Field(description="It says what to ask to see whether all is well")


class ConnectorPage(Out):
    """A page of connectors."""

    items: list[Connector]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Connector.model_fields)


@routes.get("/connectors", responses={200: {"model": ConnectorPage}})
async def list_connectors(call: Asked, query: Annotated[ConnectorQuery, Query()]) -> Response:
    """List the connectors that are installed, with what a connection of each needs."""
    await call.allow_list("connection.read")
    known = sorted(call.ground.acts.connections.connectors.values(), key=lambda one: one.name)

    async def fetch(_transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        return [
            one
            for one in known
            if (place is None or one.name > place[0]) and (query.system is None or query.system in one.serves)
        ][:most]

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(one) for one in rows]

    listing = Listing(fetch=fetch, place=lambda row: [row.name], show=show, names=NAMES)
    return await listing.answer(call, query)


@routes.get("/connectors/{connector}", responses={200: {"model": Connector}})
async def read_connector(call: Asked, connector: str, query: Annotated[View, Query()]) -> Response:
    """Read one connector."""
    chosen = chosen_fields(query.fields, NAMES)
    await call.allow_list("connection.read")
    try:
        one = call.ground.acts.connections.connectors[connector]
    except KeyError:
        raise missing("connector", connector) from None
    return call.answer(pick(shown(one), chosen))


def shown(one: Declared) -> dict[str, Any]:
    """A connector as it is shown."""
    return {
        "name": one.name,
        "title": one.title or one.name,
        "version": one.version,
        "serves": list(one.serves),
        "doc": one.doc or None,
        "settings": settings_schema(one),
        "secrets": dict(one.secrets),
        "webhook": one.webhook is not None,
        "feeds": [poll.name for poll in one.polls],
        "tested": one.health is not None,
    }
