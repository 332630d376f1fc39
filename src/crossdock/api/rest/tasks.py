"""Approvals and tasks: what waits for people, and their decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import Field
from starlette.responses import Response

from crossdock.api.cases import TASK, Task, task_shown
from crossdock.api.ground import Asked, Call
from crossdock.api.listing import Listing, Out, Paged, Row, Text, View, Where, chosen_fields, pick
from crossdock.api.names import missing, named_text
from crossdock.api.route import router
from crossdock.errors import Forbidden
from crossdock.model.codes import Instant
from crossdock.store import TenantTransaction

routes = router("tasks")

NAMES = tuple(Task.model_fields)
_NEVER = "'infinity'::timestamptz"


class TaskQuery(Paged):
    """Which tasks, in which order."""

    status: Literal["open", "decided", "withdrawn", "any"] = Field("open", description="In this state")
    role: list[Text] = Field([], max_length=50, description="For people with one of these roles")
    process: Text | None = Field(None, description="Of runs of this process")
    run: Text | None = Field(None, description="Of this run")
    due_before: Instant | None = Field(None, description="Due before this instant")
    sort: Literal["due", "opened", "-opened"] = Field("due", description="`due`: due soonest first")


class TaskPage(Out):
    """A page of tasks."""

    items: list[Task]
    next: str | None = Field(None, description="Cursor of the next page")


@routes.get("/tasks", responses={200: {"model": TaskPage}})
async def list_tasks(call: Asked, query: Annotated[TaskQuery, Query()]) -> Response:
    """List what people decide, due soonest first."""
    roles: list[str] = []
    try:
        await call.allow("task.read")
    except Forbidden:  # who decides sees what is theirs to decide, whatever else they may see
        roles = sorted(call.principal.roles)
        await call.allow("task.read", roles=tuple(roles))
    run = call.number("run", query.run) if query.run is not None else None

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        if query.status == "open":
            where.add("t.status = 'open'")
        elif query.status != "any":
            where.add("t.status = {}", query.status)
        if roles:
            where.add("t.role = any({}::text[])", roles)
        if query.role:
            where.add("t.role = any({}::text[])", query.role)
        where.maybe("r.process = {}", query.process)
        where.maybe("t.run = {}", run)
        where.maybe("t.due < {}", query.due_before)
        if query.sort == "due":
            key = f"coalesce(t.due, {_NEVER}), t.opened, t.id"
            if place is not None:
                where.add(
                    f"({key}) > (coalesce({{}}::text::timestamptz, {_NEVER}), {{}}::text::timestamptz, {{}})",
                    *place,
                )
            order = key
        else:
            down = query.sort == "-opened"
            if place is not None:
                where.add(
                    f"(t.opened, t.id) {'<' if down else '>'} ({{}}::text::timestamptz, {{}})", *place[1:]
                )
            order = "t.opened desc, t.id desc" if down else "t.opened, t.id"
        sql = f"{TASK}{where.sql} order by {order} limit {where.next(most)}"
        return await transaction.fetch(sql, *where.values)

    async def show(_transaction: TenantTransaction, rows: Sequence[Row]) -> list[dict[str, Any]]:
        return [task_shown(call, row) for row in rows]

    listing = Listing(
        fetch=fetch,
        place=lambda row: [row["due"], row["opened"], row["id"]],
        show=show,
        names=NAMES,
        sees=lambda rows: call.visible("task.read", rows),
    )
    return await listing.answer(call, query)


@routes.get("/tasks/{task}", responses={200: {"model": Task}})
async def read_task(call: Asked, task: str, query: Annotated[View, Query()]) -> Response:
    """Read one task. Its ETag changes with what is decided about."""
    chosen = chosen_fields(query.fields, NAMES)
    row = await found(call, task)
    shown = task_shown(call, row)
    return call.answer(pick(shown, chosen), tag=tag_of(row, shown))


async def found(call: Call, name: str) -> Row:
    """The row of a task that who asks may see. Raises `NotFound`, `Forbidden`."""
    id_ = named_text("task", name)
    async with call.look() as transaction:
        row = await transaction.row(TASK + " and t.id = $1", id_)
    if row is None:
        raise missing("task", name)
    await call.allow("task.read", id_, process=row["process"], roles=(row["role"],), status=row["status"])
    return row


def tag_of(row: Row, shown: dict[str, Any]) -> str:
    """What changes when something else is to be decided, or it was decided."""
    return f"{row['id']}/{row['status']}/{shown['seen']}/{shown['role']}/{row['due']}"
