"""Runs in a list: filtered, sorted, found by any number that ever named them, ended ones too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, LiteralString, get_args

import msgspec
from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.cases import open_exceptions, open_tasks
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, Where, chosen_parts, expanding
from crossdock.api.route import router
from crossdock.engine.payloads import put_back
from crossdock.model.codes import Instant
from crossdock.process.messages import numbers_of
from crossdock.process.state import ENDED_RUN, RunStatus
from crossdock.store import TenantTransaction

routes = router("runs")

EXPAND = ("aliases", "document", "exceptions", "tasks")
MOST_FOUND = 10_000  # runs that one number names

_COLUMNS: LiteralString = """
  r.id, r.process, r.key, r.generation, r.status, r.seq, r.created, r.changed, r.ended, r.wake_at, r.parent,
  r.error, r.carrier, r.version as version_id, v.version,
  (select count(*)::int from crossdock.exception e
   where e.tenant = r.tenant and e.run = r.id and e.closed is null) as open_exceptions,
  (select count(*)::int from crossdock.task t
   where t.tenant = r.tenant and t.run = r.id and t.status = 'open') as open_tasks
"""
_FROM: LiteralString = """
from crossdock.run r join crossdock.process_version v on v.tenant = r.tenant and v.id = r.version
where r.tenant = crossdock.tenant()"""

# Processes are few: the walk goes from one to the next in the index, so that a key is looked up under each.
_HITS: LiteralString = """
with recursive processes as (
  (select process from crossdock.run where tenant = crossdock.tenant() order by process limit 1)
  union all
  select (select r.process from crossdock.run r where r.tenant = crossdock.tenant() and r.process > p.process
          order by r.process limit 1)
  from processes p where p.process is not null
), hits as materialized (
  select a.run from crossdock.alias a where a.tenant = crossdock.tenant() and a.value = any({0}::text[])
    and ({1}::text is null or a.kind = {1})
  union
  select k.id from processes p cross join lateral (
    select r.id from crossdock.run r where r.tenant = crossdock.tenant() and r.process = p.process
      and r.key = any({0}::text[])) k where {1}::text is null
  limit 10000
)
"""


class RunQuery(Paged):
    """Which runs, in which order."""

    q: Text | None = Field(None, description="Any number that names them: a key, an alias now or before")
    kind: Text | None = Field(None, description="With `q`: what the number is, as `order`, `tracking`")
    process: list[Text] = Field([], max_length=50, description="Of these processes")
    status: list[RunStatus] = Field([], max_length=6, description="In these states")
    parent: Text | None = Field(None, description="Started by this run")
    carrier: Text | None = Field(None, description="Whose document names this one as the carrier")
    stopped: bool | None = Field(None, description="Whether a broken decision has stopped them")
    version: Text | None = Field(None, description="Under this version of their process")
    created_from: Instant | None = Field(None, description="Begun at this instant or later")
    created_to: Instant | None = Field(None, description="Begun before this instant")
    sort: Literal["-created", "created"] = Field("-created", description="`-created`: newest first")
    expand: Text | None = expanding(*EXPAND)


class Alias(Out):
    """A number by which events find a run."""

    kind: str
    value: str
    live: bool = True


class Run(Out):
    """A run."""

    id: str = Field(description="Its name here")
    process: str = Field(description="Of this process")
    key: str = Field(description="Its business key")
    generation: int = Field(description="Counts runs of one key")
    status: RunStatus = Field(description="Where it stands")
    version: str = Field(description="Of its process, by content")
    decisions: int = Field(description="So far")
    created: datetime = Field(description="When it began")
    changed: datetime = Field(description="When it was decided last")
    ended: datetime | None = None
    next: datetime | None = Field(None, description="When something falls due")
    parent: str | None = Field(None, description="The run that started it")
    stopped: str | None = Field(None, description="The error of a decision that broke")
    open_exceptions: int = Field(description="That nobody has closed")
    open_tasks: int = Field(description="That wait for people")
    aliases: list[Alias] | None = Field(None, description="With `expand=aliases`")
    document: Any = Field(None, description="With `expand=document`")
    exceptions: list[dict[str, Any]] | None = Field(
        None, description="With `expand=exceptions`: the open ones"
    )
    tasks: list[dict[str, Any]] | None = Field(None, description="With `expand=tasks`: the open ones")


class RunPage(Out):
    """A page of runs."""

    items: list[Run]
    next: str | None = Field(None, description="Cursor of the next page")


NAMES = tuple(Run.model_fields)
COLUMNS = tuple(name for name in NAMES if name not in EXPAND)


class _Glimpse(msgspec.Struct):
    document: msgspec.Raw = msgspec.Raw(b"null")


_glimpse = msgspec.json.Decoder(_Glimpse)


@routes.get("/runs", responses={200: {"model": RunPage}})
async def list_runs(call: Asked, query: Annotated[RunQuery, Query()]) -> Response:
    """List runs, newest first: filtered, found by a number, a page or all of them."""
    await call.allow_list("run.read")
    parts = await parts_of(call, query.expand, EXPAND)
    listing = Listing(
        fetch=lambda transaction, place, most: fetch(call, transaction, query, place, most),
        place=place_of,
        show=lambda transaction, rows: show(call, transaction, rows, parts),
        names=NAMES,
        columns=COLUMNS,
        sees=lambda rows: call.visible("run.read", rows),
    )
    return await listing.answer(call, query)


def place_of(row: Row) -> list[Any]:
    """The place of a run in a list."""
    return [row["id"], row["created"]]


async def fetch(
    call: Call,
    transaction: TenantTransaction,
    query: RunQuery,
    place: list[Any] | None,
    most: int,
    where: Where | None = None,
) -> Sequence[Row]:
    """The rows of a list of runs, after a place; `where` has more conditions."""
    where = where or Where()
    with_, join = "", ""
    if query.q is not None:
        numbers, kind = where.next(numbers_of(query.q)), where.next(query.kind)
        with_, join = _HITS.format(numbers, kind), "join hits on hits.run = r.id"
    filters(call, query, where)
    down = query.sort == "-created"
    way, than = ("desc", "<") if down else ("asc", ">")
    # Ids are given in the order in which runs are made. Asked for a time, the index by time is walked.
    timed = query.created_from is not None or query.created_to is not None
    if not (place and not down):  # what a place says already is not said twice: the planner takes it for more
        where.maybe("r.created >= {}", query.created_from)
    if not (place and down):
        where.maybe("r.created < {}", query.created_to)
    if place is not None and timed:
        where.add(f"(r.created, r.id) {than} ({{}}::text::timestamptz, {{}})", place[1], place[0])
    elif place is not None:
        where.add(f"r.id {than} {{}}", place[0])
    order = f"r.created {way}, r.id {way}" if timed else f"r.id {way}"
    from_ = _FROM.replace("from crossdock.run r", f"from crossdock.run r {join}", 1)
    sql = f"{with_} select {_COLUMNS} {from_}{where.sql} order by {order} limit {where.next(most)}"
    return await call.with_open(transaction, await transaction.fetch(sql, *where.values))


async def parts_of(call: Call, expand: str | None, known: Sequence[str]) -> frozenset[str]:
    """The parts to show with each run: what is asked for, and may be seen. Raises `Refused`, `Forbidden`."""
    parts = chosen_parts(expand, known)
    for part, action in (
        ("document", "order.read"),
        ("exceptions", "exception.read"),
        ("tasks", "task.read"),
    ):
        if part in parts:
            await call.allow_list(action)
    return parts


def own(call: Call, where: Where) -> None:
    """To a partner, its own runs alone: those whose document names it as the carrier."""
    if call.partners:
        if len(call.partners) == 1:
            where.add("r.carrier = {}", call.partners[0])
        else:
            where.add("r.carrier = any({}::text[])", list(call.partners))


def filters(call: Call, query: RunQuery, where: Where) -> None:
    """What is asked of a run besides its numbers."""
    own(call, where)
    if len(query.process) == 1:  # in the order of its index
        where.add("r.process <> '' and r.process = {}", query.process[0])
    elif query.process:
        where.add("r.process <> '' and r.process = any({}::text[])", query.process)
    if query.status:
        # Spelt out, so that the planner knows which of the partial indexes hold them.
        where.add(f"r.status in ({', '.join(repr(s) for s in query.status if s in get_args(RunStatus))})")
        ended = ENDED_RUN & set(query.status)
        if not ended:
            where.add("r.ended is null")
        elif ended == set(query.status):
            where.add("r.ended is not null")
    where.maybe("r.carrier = {}", query.carrier)
    if query.parent is not None:
        where.add("r.parent = {}", call.number("run", query.parent))
    if query.stopped is not None:
        where.add("r.error is not null" if query.stopped else "r.error is null")
    where.maybe("v.version = {}", query.version)


async def show(
    call: Call, transaction: TenantTransaction, rows: Sequence[Row], parts: frozenset[str] = frozenset()
) -> list[dict[str, Any]]:
    """Runs as they are shown, with the parts that were asked for."""
    found = {row["id"]: shown(call, row) for row in rows}
    ids = list(found)
    if "aliases" in parts:
        for row in await transaction.fetch(
            "select run, kind, value, live from crossdock.alias where tenant = crossdock.tenant() "
            "and run = any($1::bigint[]) and kind <> 'exception' order by kind, value",
            ids,
        ):
            found[row["run"]].setdefault("aliases", []).append(
                {"kind": row["kind"], "value": row["value"], "live": row["live"]}
            )
    if "document" in parts:
        seen = [row["id"] for row in await call.visible("order.read", rows)]
        for run, document in (await documents(transaction, seen)).items():
            found[run]["document"] = document
    if "exceptions" in parts:
        for row, one in await open_exceptions(call, transaction, ids):
            found[row["run"]].setdefault("exceptions", []).append(one)
    if "tasks" in parts:
        for row, one in await open_tasks(call, transaction, ids):
            found[row["run"]].setdefault("tasks", []).append(one)
    for one in found.values():
        for part in parts & {"aliases", "exceptions", "tasks"}:
            one.setdefault(part, [])
    return list(found.values())


def shown(call: Call, row: Row) -> dict[str, Any]:
    """One run as it is shown."""
    return {
        "id": call.names.name("run", row["id"]),
        "process": row["process"],
        "key": row["key"],
        "generation": row["generation"],
        "status": row["status"],
        "version": row["version"],
        "decisions": row["seq"],
        "created": row["created"],
        "changed": row["changed"],
        "ended": row["ended"],
        "next": row["wake_at"],
        "parent": call.names.name("run", row["parent"]) if row["parent"] is not None else None,
        "stopped": row["error"],
        "open_exceptions": row["open_exceptions"],
        "open_tasks": row["open_tasks"],
    }


async def documents(transaction: TenantTransaction, ids: Sequence[int]) -> dict[int, Any]:
    """The documents of runs, as they are now."""
    rows = await transaction.fetch(
        "select id, state from crossdock.run where tenant = crossdock.tenant() and id = any($1::bigint[]) "
        "and state is not null",
        ids,
    )
    states = await put_back(transaction, transaction.tenant.id, *(row["state"] for row in rows))
    return {row["id"]: _glimpse.decode(state).document for row, state in zip(rows, states, strict=True)}


async def row_of(call: Call, transaction: TenantTransaction, number: int) -> Row | None:
    """The row of one run, or None."""
    rows = await transaction.fetch(f"select {_COLUMNS}, r.state {_FROM} and r.id = $1", number)
    return next(iter(await call.with_open(transaction, rows)), None)


async def rows_of(call: Call, transaction: TenantTransaction, ids: Sequence[int]) -> Sequence[Row]:
    """The rows of runs; to a partner, of its own alone."""
    where = Where(ids)
    own(call, where)
    rows = await transaction.fetch(
        f"select {_COLUMNS} {_FROM} and r.id = any($1::bigint[]){where.sql}", *where.values
    )
    return await call.with_open(transaction, rows)
