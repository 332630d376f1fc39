"""What happened to the goods of a shipment: one story, whoever told it, how often, and by which way."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field
from starlette.responses import Response

from crossdock.api.ground import Asked
from crossdock.api.listing import Out
from crossdock.api.names import missing
from crossdock.api.rest import runs
from crossdock.api.rest.run import about, tag_of
from crossdock.api.route import router
from crossdock.engine.milestones import Happened, Telling, stories

routes = router("shipments")


class Told(Out):
    """One telling of a milestone."""

    event: str = Field(description="Type of the event that told it")
    source: str = Field(description="Where it came from: a connection, a key")
    happened: datetime = Field(description="When it happened, as told")
    received: datetime = Field(description="When it came here")
    package: str | None = Field(None, description="The package that it happened to, of several")
    milestone: dict[str, Any] = Field(description="As its schema says; empty where none was told")


class MilestoneShown(Told):
    """One milestone: the telling whose time is trusted, and what else was told of it."""

    also: list[Told] = Field(description="Others that told the same, such as the poll of what was pushed")
    contradicts: Told | None = Field(
        None, description="The delivery that it cannot have followed; it is kept, and moves nothing"
    )


class Milestones(Out):
    """The milestones of a shipment, oldest first."""

    items: list[MilestoneShown]


@routes.get("/shipments/{shipment}/milestones", responses={200: {"model": Milestones}})
async def list_milestones(call: Asked, shipment: str) -> Response:
    """List what happened to a shipment, each thing once, in the order in which it happened."""
    number = call.number("shipment", shipment)
    async with call.look() as transaction:
        row = await runs.row_of(call, transaction, number)
        if row is None:
            raise missing("shipment", shipment)
        await call.allow("order.read", str(number), **about(call, row))
        found = await stories(transaction, [number])
    return call.answer({"items": [_shown(one) for one in found.get(number, ())]}, tag=tag_of(row))


def _shown(one: Happened) -> dict[str, Any]:
    against = {} if one.contradicts is None else {"contradicts": _told(one.contradicts)}
    return {**_told(one.telling), "also": [_told(other) for other in one.also], **against}


def _told(one: Telling) -> dict[str, Any]:
    return {
        "event": one.type,
        "source": one.source,
        "happened": one.happened,
        "received": one.received,
        **({"package": one.package} if one.package else {}),
        "milestone": dict(one.milestone),
    }
