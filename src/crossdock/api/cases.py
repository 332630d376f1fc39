"""Tasks and exceptions as they are shown: in their own lists, and with the run that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal, LiteralString

import msgspec
from pydantic import Field

from crossdock.api.ground import Call
from crossdock.api.listing import Out, Row
from crossdock.api.names import text_name
from crossdock.store import TenantTransaction

TASK: LiteralString = """
select t.id, t.run, r.process, r.key, r.generation, r.seq, t.step, t.status, t.role, t.opened, t.due, t.ended,
       t.data
from crossdock.task t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
where t.tenant = crossdock.tenant()"""

EXCEPTION: LiteralString = """
select e.id, e.run, r.process, r.key, r.generation, r.seq, e.step, e.type, e.severity, e.owner, e.connection,
       e.message, e.count, e.opened, e.repeated, e.closed, e.data
from crossdock.exception e join crossdock.run r on r.tenant = e.tenant and r.id = e.run
where e.tenant = crossdock.tenant()"""


class Task(Out):
    """An approval or a task: something that a person decides."""

    id: str = Field(description="Its name here")
    kind: Literal["approve", "task"]
    status: Literal["open", "decided", "withdrawn"]
    title: str | None = None
    role: str = Field(description="Who decides it: people with this role")
    run: str = Field(description="Of this run")
    process: str
    key: str
    step: str
    opened: datetime
    due: datetime | None = None
    ended: datetime | None = None
    content: Any = Field(None, description="What is decided about")
    seen: str | None = Field(None, description="Digest of the content: a decision sends it back")
    excluded: list[str] | None = Field(None, description="The people who may not decide it")


class ExceptionShown(Out):
    """Something that went otherwise than the process would have it."""

    id: str = Field(description="Its name here")
    type: str = Field(description="As docs/reference/exceptions.md lists them, or of the process's own")
    severity: str
    status: Literal["open", "closed"]
    owner: str | None = None
    message: str
    run: str = Field(description="Of this run")
    process: str
    key: str
    step: str | None = None
    connection: str | None = None
    count: int = Field(description="How often it came")
    holds: bool = Field(description="Whether the step waits for it")
    opened: datetime
    repeated: datetime | None = None
    closed: datetime | None = None


def task_shown(call: Call, row: Row) -> dict[str, Any]:
    """One task as it is shown."""
    data = msgspec.json.decode(row["data"])
    data = data if isinstance(data, dict) else {}
    return {
        "id": text_name("task", row["id"]),
        "kind": "approve" if data.get("kind") == "approve" else "task",
        "status": row["status"],
        "title": data.get("title") or None,
        "role": row["role"] or str(data.get("role", "")),
        "run": call.names.name("run", row["run"]),
        "process": row["process"],
        "key": row["key"],
        "step": row["step"],
        "opened": row["opened"],
        "due": row["due"],
        "ended": row["ended"],
        "content": data.get("content"),
        "seen": data.get("seen") or None,
        "excluded": data.get("excluded") or None,
    }


def exception_shown(call: Call, row: Row) -> dict[str, Any]:
    """One exception as it is shown."""
    data = msgspec.json.decode(row["data"])
    return {
        "id": text_name("exception", row["id"]),
        "type": row["type"],
        "severity": row["severity"],
        "status": "open" if row["closed"] is None else "closed",
        "owner": row["owner"] or None,
        "message": row["message"],
        "run": call.names.name("run", row["run"]),
        "process": row["process"],
        "key": row["key"],
        "step": row["step"] or None,
        "connection": row["connection"] or None,
        "count": row["count"],
        "holds": bool(isinstance(data, dict) and data.get("holds")),
        "opened": row["opened"],
        "repeated": row["repeated"],
        "closed": row["closed"],
    }


async def open_tasks(
    call: Call, transaction: TenantTransaction, runs: Sequence[int]
) -> list[tuple[Row, dict[str, Any]]]:
    """The open tasks of runs."""
    rows = await transaction.fetch(
        TASK + " and t.run = any($1::bigint[]) and t.status = 'open' order by t.opened, t.id limit 5000", runs
    )
    return [(row, _there(task_shown(call, row))) for row in await call.visible("task.read", rows)]


async def open_exceptions(
    call: Call, transaction: TenantTransaction, runs: Sequence[int]
) -> list[tuple[Row, dict[str, Any]]]:
    """The open exceptions of runs."""
    rows = await transaction.fetch(
        EXCEPTION + " and e.run = any($1::bigint[]) and e.closed is null "
        "and ($2::text[] = '{}' or e.connection = any($2)) order by e.opened, e.id limit 5000",
        runs,
        list(call.partners),
    )
    return [(row, _there(exception_shown(call, row))) for row in await call.visible("exception.read", rows)]


def _there(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}
