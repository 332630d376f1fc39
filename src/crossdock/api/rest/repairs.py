"""Repairs of many runs: what share a cause is counted first, then repaired; an outcome for each."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing
from crossdock.api.route import router
from crossdock.desk.seen import repairs_seen
from crossdock.store import TenantTransaction

routes = router("repairs")

_REPAIR: LiteralString = """
select p.id, p.at, p.by, p.action, p.filter, p.trial, p.rate, p.status, p.counted, p.sent, p.last,
       coalesce((select json_object_agg(outcome, n) from (
         select outcome, count(*) as n from crossdock.repair_item i
         where i.tenant = p.tenant and i.repair = p.id and outcome is not null group by 1) o), '{}')::text
       as outcomes
from crossdock.repair p where p.tenant = crossdock.tenant()"""


class RepairQuery(Paged):
    """Which repairs, newest first."""

    status: Literal["trial", "waiting", "running", "done", "stopped"] | None = Field(
        None, description="In this state"
    )


class ItemQuery(Paged):
    """Which runs of a repair, in the order of the set."""

    outcome: Text | None = Field(
        None, description="That came to this: mended, held, ended, stopped, moved, stayed; `open`, `waiting`"
    )


class Repair(Out):
    """A repair of many runs."""

    id: str = Field(description="Its name here")
    status: Literal["trial", "waiting", "running", "done", "stopped"]
    at: datetime
    by: str
    action: dict[str, Any] = Field(description="What is done to each")
    cause: dict[str, Any] = Field(description="What they have in common")
    trial: int = Field(description="So many go first")
    rate: float = Field(description="Runs a second, for the rest")
    counted: int = Field(description="Runs in the set")
    sent: int = Field(description="Of those, asked so far")
    outcomes: dict[str, int] = Field(description="What came of how many; the rest is at work")


class RepairPage(Out):
    """A page of repairs."""

    items: list[Repair]
    next: str | None = Field(None, description="Cursor of the next page")


class Item(Out):
    """One run of a repair, and what came of it."""

    n: int
    run: str
    process: str
    key: str
    generation: int
    step: str | None = None
    sent: datetime | None = None
    outcome: str | None = Field(None, description="Absent while it is at work or waits")
    detail: str | None = None


class ItemPage(Out):
    """A page of the runs of a repair."""

    items: list[Item]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Repair.model_fields)


@routes.get("/repairs", responses={200: {"model": RepairPage}})
async def list_repairs(call: Asked, query: Annotated[RepairQuery, Query()]) -> Response:
    """List the repairs of many runs, newest first."""
    await call.allow("run.read")

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        where.maybe("p.status = {}", query.status)
        if place is not None:
            where.add("p.id < {}", place[0])
        sql = f"{_REPAIR}{where.sql} order by p.id desc limit {where.next(most)}"
        return await transaction.fetch(sql, *where.values)

    async def show(transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [shown(call, row) for row in await _seen(call, transaction, rows)]

    return await Listing(fetch=fetch, place=lambda row: [row["id"]], show=show, names=NAMES).answer(
        call, query
    )


@routes.get("/repairs/{repair}", responses={200: {"model": Repair}})
async def read_repair(call: Asked, repair: str, query: Annotated[View, Query()]) -> Response:
    """Read how a repair stands."""
    chosen = chosen_fields(query.fields, NAMES)
    row = await found(call, repair)
    return call.answer(pick(shown(call, row), chosen), tag=tag_of(row))


@routes.get("/repairs/{repair}/items", responses={200: {"model": ItemPage}})
async def list_items(call: Asked, repair: str, query: Annotated[ItemQuery, Query()]) -> Response:
    """List the runs of a repair, with what came of each."""
    number = (await found(call, repair))["id"]

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where(number)
        where.maybe(
            "coalesce(i.outcome, case when i.sent is null then 'waiting' else 'open' end) = {}", query.outcome
        )
        if place is not None:
            where.add("i.n > {}", place[0])
        sql = f"""
            select i.n, i.run, i.step, i.sent, i.outcome, i.detail, r.process, r.key, r.generation
            from crossdock.repair_item i join crossdock.run r on r.tenant = i.tenant and r.id = i.run
            where i.tenant = crossdock.tenant() and i.repair = $1{where.sql}
            order by i.n limit {where.next(most)}"""  # noqa: S608 - literals
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [
            {
                **dict(row),
                "run": call.names.name("run", row["run"]),
                "step": row["step"] or None,
                "detail": row["detail"] or None,
            }
            for row in rows
        ]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["n"]],
        show=show,
        names=tuple(Item.model_fields),
        sees=lambda rows: call.visible("run.read", rows, "repair"),
    )
    return await listing.answer(call, query)


async def found(call: Call, name: str) -> Row:
    """The row of a repair that who asks may see. Raises `NotFound`, `Forbidden`."""
    number = call.number("repair", name)
    await call.allow("run.read")
    async with call.look() as transaction:
        rows = await _seen(call, transaction, await transaction.fetch(_REPAIR + " and p.id = $1", number))
    if not rows:
        raise missing("repair", name)
    return rows[0]


async def _seen(call: Call, transaction: TenantTransaction, rows: Sequence[Row]) -> Sequence[Row]:
    return await repairs_seen(call.ground.policies, call.principal, transaction, rows)


def shown(call: Call, row: Row) -> dict[str, Any]:
    """One repair as it is shown."""
    cause = msgspec.json.decode(row["filter"])
    if cause.get("runs"):
        cause["runs"] = [call.names.name("run", run) for run in cause["runs"]]
    action = msgspec.json.decode(row["action"])
    action.pop("actor", None)
    return {
        "id": call.names.name("repair", row["id"]),
        "status": row["status"],
        "at": row["at"],
        "by": row["by"],
        "action": action,
        "cause": cause,
        "trial": row["trial"],
        "rate": row["rate"],
        "counted": row["counted"],
        "sent": row["sent"],
        "outcomes": msgspec.json.decode(row["outcomes"]),
    }


def tag_of(row: Row) -> str:
    """What changes as it goes on."""
    return f"{row['id']}/{row['status']}/{row['sent']}/{row['outcomes']}"
