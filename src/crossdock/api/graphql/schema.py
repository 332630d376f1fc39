"""Where the graph is entered: lists in pages, single things by their id. No mutation, on purpose."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, LiteralString

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig

from crossdock.api.cases import EXCEPTION, TASK
from crossdock.api.graphql.beside import (
    Compared,
    ConnectionState,
    Difference,
    DifferenceState,
    PartnerConnection,
    Proposal,
    ProposalState,
    connection_shown,
    difference_shown,
    proposal_shown,
)
from crossdock.api.graphql.reader import Reader
from crossdock.api.graphql.types import (
    Connection,
    Edge,
    ExceptionCase,
    ExceptionState,
    First,
    Info,
    Order,
    PageInfo,
    Run,
    RunState,
    Shipment,
    T,
    Task,
    TaskState,
    bounded,
    exception_of,
    order_of,
    run_of,
    shipment_of,
    task_of,
)
from crossdock.api.listing import Row, Where
from crossdock.api.names import missing, named_text
from crossdock.api.rest import connections as lines
from crossdock.api.rest import proposals as offers
from crossdock.api.rest import reconciliation, runs
from crossdock.api.rest.run import about
from crossdock.api.rest.runs import RunQuery
from crossdock.desk.health import health
from crossdock.desk.proposals import PROPOSAL
from crossdock.engine.connections import all_connections
from crossdock.errors import Refused
from crossdock.store import TenantTransaction

_LONGEST = 200


@strawberry.type
class Query:
    """What can be asked for."""

    @strawberry.field(description="Orders, newest first")
    async def orders(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        number: str | None = None,
        status: list[RunState] | None = None,
    ) -> Connection[Order] | None:
        return await _documents(info.context, "orders", order_of, first, after, number, status)

    @strawberry.field(description="Shipments, newest first")
    async def shipments(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        number: str | None = None,
        status: list[RunState] | None = None,
    ) -> Connection[Shipment] | None:
        return await _documents(info.context, "shipments", shipment_of, first, after, number, status)

    @strawberry.field(description="Runs, newest first; `number` is any that ever named one")
    async def runs(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        number: str | None = None,
        process: str | None = None,
        status: list[RunState] | None = None,
    ) -> Connection[Run] | None:
        read = info.context
        await read.may("run.read")
        query = _run_query(number, process, status)
        asked = _asked("runs", number, process, status)
        return await _page(
            read,
            bounded("runs", first),
            after,
            asked,
            "run.read",
            lambda transaction, place, most: runs.fetch(read.call, transaction, query, place, most),
            runs.place_of,
            run_of,
        )

    @strawberry.field(description="Exceptions, oldest first")
    async def exceptions(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        state: ExceptionState = ExceptionState.OPEN,
        type: str | None = None,  # noqa: A002 - what it is
        severity: str | None = None,
    ) -> Connection[ExceptionCase] | None:
        read = info.context
        await read.may("exception.read")
        _see_texts(type, severity)

        async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
            where = Where()
            if state is not ExceptionState.ANY:
                where.add(f"e.closed is {'' if state is ExceptionState.OPEN else 'not '}null")
            where.maybe("e.type = {}", type)
            where.maybe("e.severity = {}", severity)
            if read.call.partners:
                where.add("e.connection = any({}::text[])", list(read.call.partners))
            if place is not None:
                where.add("(e.opened, e.id) > ({}::text::timestamptz, {})", *place)
            sql = f"{EXCEPTION}{where.sql} order by e.opened, e.id limit {where.next(most)}"
            return await transaction.fetch(sql, *where.values)

        return await _page(
            read,
            bounded("exceptions", first),
            after,
            _asked("exceptions", state, type, severity),
            "exception.read",
            fetch,
            lambda row: [row["opened"].isoformat(), row["id"]],
            exception_of,
        )

    @strawberry.field(description="Approvals and tasks, oldest first")
    async def tasks(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        state: TaskState = TaskState.OPEN,
        role: str | None = None,
    ) -> Connection[Task] | None:
        read = info.context
        await read.may("task.read")
        _see_texts(role)

        async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
            where = Where()
            if state is TaskState.OPEN:
                where.add("t.status = 'open'")
            elif state is not TaskState.ANY:
                where.add("t.status = {}", state.value)
            where.maybe("t.role = {}", role)
            if place is not None:
                where.add("(t.opened, t.id) > ({}::text::timestamptz, {})", *place)
            sql = f"{TASK}{where.sql} order by t.opened, t.id limit {where.next(most)}"
            return await transaction.fetch(sql, *where.values)

        return await _page(
            read,
            bounded("tasks", first),
            after,
            _asked("tasks", state, role),
            "task.read",
            fetch,
            lambda row: [row["opened"].isoformat(), row["id"]],
            task_of,
        )

    @strawberry.field(description="What assistants propose, newest first; `run` is the id of one")
    async def proposals(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        state: ProposalState = ProposalState.OPEN,
        run: strawberry.ID | None = None,
    ) -> Connection[Proposal] | None:
        read = info.context
        await read.call.allow("run.read")
        number = read.call.names.number("run", run) if run is not None else None
        return await _page(
            read,
            bounded("proposals", first),
            after,
            _asked("proposals", state, run),
            "run.read",
            lambda transaction, place, most: offers.rows_of(transaction, state.value, number, place, most),
            lambda row: [row["id"]],
            proposal_shown,
            of="proposal",
        )

    @strawberry.field(description="Connections to outside systems by name, with how their calls fare")
    async def connections(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        status: ConnectionState | None = None,
        system: str | None = None,
    ) -> Connection[PartnerConnection] | None:
        read = info.context
        await read.may("connection.read")
        _see_texts(system)

        async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
            healths = await health(transaction)
            known = [
                lines.shown(one, healths.get(one.name))
                for one in await all_connections(transaction)
                if (place is None or one.name > place[0])
                and (not read.call.partners or one.name in read.call.partners)
                and system in (None, one.system)
            ]
            rows = [one for one in known if status is None or one["status"] == status.value]
            return [{**one, "id": one["name"], "connection": one["name"]} for one in rows[:most]]

        return await _page(
            read,
            bounded("connections", first),
            after,
            _asked("connections", status, system),
            "connection.read",
            fetch,
            lambda row: [row["name"]],
            connection_shown,
        )

    @strawberry.field(description="What stands otherwise in one system than in another, newest first")
    async def differences(
        self,
        info: Info,
        first: First = 20,
        after: str | None = None,
        state: DifferenceState = DifferenceState.OPEN,
        what: Compared | None = None,
        kind: str | None = None,
        system: str | None = None,
    ) -> Connection[Difference] | None:
        read = info.context
        await read.may("exception.read")
        _see_texts(kind, system)
        query = reconciliation.DifferenceQuery.model_validate(
            {"state": state.value, "what": what.value if what else None, "kind": kind, "system": system}
        )
        return await _page(
            read,
            bounded("differences", first),
            after,
            _asked("differences", state, what, kind, system),
            "exception.read",
            lambda transaction, place, most: reconciliation.rows_of(
                read.call, transaction, query, place, most
            ),
            reconciliation.place_of,
            difference_shown,
            of="difference",
        )

    @strawberry.field(description="One proposal")
    async def proposal(self, info: Info, id: strawberry.ID) -> Proposal | None:  # noqa: A002 - what it is
        read = info.context
        await read.call.allow("run.read")
        rows = await read.fetch(f"{PROPOSAL} and p.id = $1", read.call.names.number("proposal", id))
        if not rows:
            raise missing("proposal", id)
        await read.call.allow("run.read", str(rows[0]["run"]), process=rows[0]["process"])
        return proposal_shown(read, rows[0])

    @strawberry.field(description="One order")
    async def order(self, info: Info, id: strawberry.ID) -> Order | None:  # noqa: A002 - what it is
        return order_of(info.context, await _one_run(info.context, "order", id))

    @strawberry.field(description="One shipment")
    async def shipment(self, info: Info, id: strawberry.ID) -> Shipment | None:  # noqa: A002 - what it is
        return shipment_of(info.context, await _one_run(info.context, "shipment", id))

    @strawberry.field(description="One run")
    async def run(self, info: Info, id: strawberry.ID) -> Run | None:  # noqa: A002 - what it is
        return run_of(info.context, await _one_run(info.context, "run", id))

    @strawberry.field(description="One exception")
    async def exception(self, info: Info, id: strawberry.ID) -> ExceptionCase | None:  # noqa: A002
        return exception_of(
            info.context, await _one(info.context, "exception", id, EXCEPTION + " and e.id = $1")
        )

    @strawberry.field(description="One approval or task")
    async def task(self, info: Info, id: strawberry.ID) -> Task | None:  # noqa: A002 - what it is
        return task_of(info.context, await _one(info.context, "task", id, TASK + " and t.id = $1"))


class _Schema(strawberry.Schema):
    def process_errors(self, errors: list[GraphQLError], execution_context: Any = None) -> None:
        """Whoever carries it out tells them."""


def schema() -> strawberry.Schema:
    """The schema."""
    return _Schema(Query, config=StrawberryConfig(auto_camel_case=True))


async def _documents(
    read: Reader,
    plural: str,
    make: Callable[[Reader, Row], T],
    first: int,
    after: str | None,
    number: str | None,
    status: list[RunState] | None,
) -> Connection[T]:
    await read.may("order.read")
    query = _run_query(number, None, status)
    kind = plural.removesuffix("s")
    versions = [one for one, document in (await read.versions()).items() if document == kind]

    async def fetch(transaction: TenantTransaction, place: list[Any] | None, most: int) -> Sequence[Row]:
        where = Where()
        where.add("r.version = any({}::bigint[])", versions)
        return await runs.fetch(read.call, transaction, query, place, most, where)

    asked = _asked(plural, number, status)
    return await _page(
        read, bounded(plural, first), after, asked, "order.read", fetch, lambda row: [row["id"]], make
    )


async def _page(
    read: Reader,
    first: int,
    after: str | None,
    asked: str,
    action: str,
    fetch: Callable[[TenantTransaction, list[Any] | None, int], Awaitable[Sequence[Row]]],
    place: Callable[[Row], list[Any]],
    make: Callable[[Reader, Row], T],
    of: str = "",
) -> Connection[T]:
    """A page of a list, after a cursor that was made for the same list; `of` as `Call.visible` has it."""
    names = read.call.names
    begin = names.place(asked, after) if after is not None else None
    rows = await read.listed(lambda transaction: fetch(transaction, begin, first + 1))
    page, more = rows[:first], len(rows) > first
    cursors = {row["id"]: names.cursor(asked, place(row)) for row in page}
    edges = [
        Edge(cursor=cursors[row["id"]], node=make(read, row))
        for row in await read.call.visible(action, page, of)
    ]
    end = cursors[page[-1]["id"]] if page else None
    return Connection(edges=edges, page_info=PageInfo(has_next_page=more, end_cursor=end))


async def _one_run(read: Reader, kind: str, name: str) -> Row:
    """The row of a run, or of the document in it, that may be seen. Raises `NotFound`, `Forbidden`."""
    number = read.call.names.number(kind, name)
    rows = await read.listed(lambda transaction: _as_list(runs.row_of(read.call, transaction, number)))
    row = rows[0]
    if row is None or (kind != "run" and await read.document_of(row["version_id"]) != kind):
        raise missing(kind, name)
    action = "run.read" if kind == "run" else "order.read"
    await read.call.allow(action, str(number), **about(read.call, row))
    return row


async def _as_list(one: Awaitable[Row | None]) -> list[Row | None]:
    return [await one]


async def _one(read: Reader, kind: str, name: str, sql: LiteralString) -> Row:
    """The row of an exception or a task that may be seen. Raises `NotFound`, `Forbidden`."""
    id_ = named_text(kind, name)
    rows = await read.fetch(sql, id_)
    if not rows:
        raise missing(kind, name)
    row = rows[0]
    names = {"exception": ("process", "owner", "connection"), "task": ("process", "role", "status")}[kind]
    await read.call.allow(f"{kind}.read", id_, **{one: row[one] for one in names if row[one] is not None})
    return row


def _run_query(number: str | None, process: str | None, status: list[RunState] | None) -> RunQuery:
    _see_texts(number, process)
    return RunQuery.model_validate(
        {
            "q": number or None,
            "process": [process] if process else [],
            "status": [one.value for one in dict.fromkeys(status or ())],
        }
    )


def _see_texts(*texts: str | None) -> None:
    for text in texts:
        if text is not None and (len(text) > _LONGEST or "\0" in text):
            raise Refused(
                "a text is too long, or holds a NUL character", mend=f"give at most {_LONGEST} letters"
            )


def _asked(*parts: Any) -> str:
    """What a cursor is bound to."""
    return "graphql/" + repr([getattr(part, "value", part) for part in parts])
