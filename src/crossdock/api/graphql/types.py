"""The graph: what stands in it, and how one thing leads to others. Nothing in it changes anything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, Generic, TypeVar

import msgspec
import strawberry
from strawberry.dataloader import DataLoader
from strawberry.scalars import JSON
from strawberry.types import Info as StrawberryInfo

from crossdock.api.cases import exception_shown, task_shown
from crossdock.api.graphql.measure import LISTS
from crossdock.api.graphql.reader import Of, Reader, Some
from crossdock.api.listing import Row
from crossdock.engine.milestones import Happened, Telling
from crossdock.errors import Refused

Info = StrawberryInfo[Reader, None]
T = TypeVar("T")
First = Annotated[int, strawberry.argument(description="How many at most")]
After = Annotated[str | None, strawberry.argument(description="`endCursor` of the page before")]


@strawberry.enum(description="Open, closed, or any of the two")
class ExceptionState(Enum):
    """Which exceptions."""

    OPEN = "open"
    CLOSED = "closed"
    ANY = "any"


@strawberry.enum(description="Open, decided, withdrawn, or any of them")
class TaskState(Enum):
    """Which tasks."""

    OPEN = "open"
    DECIDED = "decided"
    WITHDRAWN = "withdrawn"
    ANY = "any"


@strawberry.enum(description="Where a run stands")
class RunState(Enum):
    """As the engine calls it."""

    ACTIVE = "active"
    HELD = "held"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    FAILED = "failed"


@strawberry.type
class PageInfo:
    """Where a page stands in its list."""

    has_next_page: bool
    end_cursor: str | None


@strawberry.type
class Edge(Generic[T]):
    """One of a page, and the cursor after it."""

    cursor: str
    node: T


@strawberry.type
class Connection(Generic[T]):
    """A page of a list."""

    edges: list[Edge[T]]
    page_info: PageInfo

    @strawberry.field(description="The things themselves")
    def nodes(self) -> list[T]:
        return [edge.node for edge in self.edges]


@strawberry.type(description="A number by which events find a run")
class Alias:
    """As it is kept."""

    kind: str
    value: str
    live: bool


@strawberry.type(description="Something that happened to goods on their way")
class Milestone:
    """As the event tells it."""

    event: str = strawberry.field(description="Type of the event that told it")
    at: datetime = strawberry.field(description="When it was decided here")
    code: str | None = strawberry.field(description="What happened; unknown where the word is not known")
    kind: str | None = strawberry.field(description="actual, planned or estimated")
    time: str | None = strawberry.field(description="When it happened")
    reason: str | None
    place: str | None
    by: str | None = strawberry.field(description="Who says so")
    text: str | None = strawberry.field(description="In the sender's words")
    package: str | None = strawberry.field(description="The package that it happened to, of several")
    source: str = strawberry.field(description="Where it came from")
    told: int = strawberry.field(description="How often it was told, such as by push and by poll")
    contradicts: Milestone | None = strawberry.field(
        description="The delivery that it cannot have followed; it is kept, and moves nothing"
    )


@strawberry.type(description="A run of a process")
class Run:
    """With all that it leads to."""

    row: strawberry.Private[Row]
    id: strawberry.ID
    process: str
    key: str = strawberry.field(description="Its business key")
    generation: int = strawberry.field(description="Counts runs of one key")
    status: RunState
    version: str
    decisions: int
    created: datetime
    changed: datetime
    ended: datetime | None
    next: datetime | None = strawberry.field(description="When something falls due")
    stopped: bool = strawberry.field(description="Whether a decision broke")
    open_exceptions: int
    open_tasks: int

    @strawberry.field(description="The run that started it")
    async def parent(self, info: Info) -> Run | None:
        if self.row["parent"] is None:
            return None
        row = await info.context.run.load(self.row["parent"])
        return run_of(info.context, row) if row is not None else None

    @strawberry.field(description="Runs that it started")
    async def children(self, info: Info, first: First = 20, after: After = None) -> Connection[Run]:
        read = info.context
        return await _nested(read, "children", read.children, self.row["id"], first, after, run_of)

    @strawberry.field(description="The document that it is about, as it is now")
    async def document(self, info: Info) -> JSON | None:
        await info.context.may("order.read")
        found: JSON | None = await info.context.document.load(self.row["id"])
        return found

    @strawberry.field(description="What happened to its goods, newest first")
    async def milestones(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[Milestone] | None:
        return await _milestones(info.context, self.row["id"], first, after)

    @strawberry.field(description="Numbers by which events find it")
    async def aliases(self, info: Info, first: First = 20, after: After = None) -> Connection[Alias]:
        read = info.context
        return await _nested(read, "aliases", read.aliases, self.row["id"], first, after, _alias)

    @strawberry.field(description="What went otherwise, oldest first")
    async def exceptions(
        self,
        info: Info,
        first: First = 20,
        state: ExceptionState = ExceptionState.OPEN,
        after: After = None,
    ) -> Connection[ExceptionCase] | None:
        return await _exceptions(info.context, self.row["id"], first, state, after)

    @strawberry.field(description="What people decide, oldest first")
    async def tasks(
        self,
        info: Info,
        first: First = 20,
        state: TaskState = TaskState.OPEN,
        after: After = None,
    ) -> Connection[Task] | None:
        return await _tasks(info.context, self.row["id"], first, state, after)


@strawberry.interface(description="A document, as its run knows it now")
class Document:
    """Orders and shipments have this in common."""

    row: strawberry.Private[Row]
    id: strawberry.ID
    number: str
    status: RunState = strawberry.field(description="Where its run stands")
    created: datetime
    changed: datetime
    ended: datetime | None
    open_exceptions: int
    open_tasks: int

    @strawberry.field(description="The document, as its schema says")
    async def document(self, info: Info) -> JSON | None:
        found: JSON | None = await info.context.document.load(self.row["id"])
        return found

    @strawberry.field(description="The run that it is in")
    async def run(self, info: Info) -> Run | None:
        await info.context.may("run.read")
        return run_of(info.context, self.row)

    @strawberry.field(description="What went otherwise, oldest first")
    async def exceptions(
        self,
        info: Info,
        first: First = 20,
        state: ExceptionState = ExceptionState.OPEN,
        after: After = None,
    ) -> Connection[ExceptionCase] | None:
        return await _exceptions(info.context, self.row["id"], first, state, after)

    @strawberry.field(description="What people decide, oldest first")
    async def tasks(
        self,
        info: Info,
        first: First = 20,
        state: TaskState = TaskState.OPEN,
        after: After = None,
    ) -> Connection[Task] | None:
        return await _tasks(info.context, self.row["id"], first, state, after)

    @strawberry.field(description="What happened to its goods, newest first")
    async def milestones(
        self, info: Info, first: First = 20, after: After = None
    ) -> Connection[Milestone] | None:
        return await _milestones(info.context, self.row["id"], first, after)


@strawberry.type(description="An order")
class Order(Document):
    """With its shipments."""

    @strawberry.field(description="What leaves for it")
    async def shipments(self, info: Info, first: First = 20, after: After = None) -> Connection[Shipment]:
        read = info.context
        return await _nested(
            read, "shipments", read.children, self.row["id"], first, after, shipment_of, "shipment"
        )


@strawberry.type(description="A shipment")
class Shipment(Document):
    """With its order."""

    @strawberry.field(description="The order that it is for, where that is known here")
    async def order(self, info: Info) -> Order | None:
        if self.row["parent"] is None:
            return None
        row = await info.context.run.load(self.row["parent"])
        if row is None or await info.context.document_of(row["version_id"]) != "order":
            return None
        return order_of(info.context, row)


@strawberry.type(name="Exception", description="Something that went otherwise than the process would have it")
class ExceptionCase:
    """With its run."""

    row: strawberry.Private[Row]
    id: strawberry.ID
    type: str
    severity: str
    status: str
    owner: str | None
    message: str
    process: str
    key: str
    step: str | None
    connection: str | None
    count: int
    holds: bool = strawberry.field(description="Whether the step waits for it")
    opened: datetime
    repeated: datetime | None
    closed: datetime | None

    @strawberry.field(description="The run that it is of")
    async def run(self, info: Info) -> Run | None:
        await info.context.may("run.read")
        row = await info.context.run.load(self.row["run"])
        return run_of(info.context, row) if row is not None else None


@strawberry.type(description="An approval or a task: something that a person decides")
class Task:
    """With its run."""

    row: strawberry.Private[Row]
    id: strawberry.ID
    kind: str
    status: str
    title: str | None
    role: str = strawberry.field(description="Who decides it: people with this role")
    process: str
    key: str
    step: str
    opened: datetime
    due: datetime | None
    ended: datetime | None
    content: JSON | None = strawberry.field(description="What is decided about")

    @strawberry.field(description="The run that it is of")
    async def run(self, info: Info) -> Run | None:
        await info.context.may("run.read")
        row = await info.context.run.load(self.row["run"])
        return run_of(info.context, row) if row is not None else None


def bounded(name: str, first: int) -> int:
    """How many of a list are given. Raises `Refused`."""
    most = LISTS[name][1]
    if not 0 <= first <= most:
        raise Refused(f"`first` is {first}", where=name, mend=f"give 0 to {most}")
    return first


def run_of(read: Reader, row: Row) -> Run:
    """A run as it is shown."""
    return Run(
        row=row,
        id=strawberry.ID(read.call.names.name("run", row["id"])),
        process=row["process"],
        generation=row["generation"],
        version=row["version"],
        decisions=row["seq"],
        next=row["wake_at"],
        stopped=row["error"] is not None,
        key=row["key"],
        **_stands(row),
    )


def order_of(read: Reader, row: Row) -> Order:
    """An order as it is shown."""
    id_ = strawberry.ID(read.call.names.name("order", row["id"]))
    return Order(row=row, id=id_, number=row["key"], **_stands(row))


def shipment_of(read: Reader, row: Row) -> Shipment:
    """A shipment as it is shown."""
    id_ = strawberry.ID(read.call.names.name("shipment", row["id"]))
    return Shipment(row=row, id=id_, number=row["key"], **_stands(row))


def exception_of(read: Reader, row: Row) -> ExceptionCase:
    """An exception as it is shown."""
    return ExceptionCase(row=row, **_without_run(exception_shown(read.call, row)))


def task_of(read: Reader, row: Row) -> Task:
    """A task as it is shown."""
    shown = _without_run(task_shown(read.call, row))
    for name in ("seen", "excluded"):
        shown.pop(name, None)
    return Task(row=row, **{**shown, "content": _plain(shown["content"])})


def _without_run(shown: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "run"}


def _plain(value: Any) -> Any:
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def _stands(row: Row) -> dict[str, Any]:
    return {
        "status": RunState(row["status"]),
        "created": row["created"],
        "changed": row["changed"],
        "ended": row["ended"],
        "open_exceptions": row["open_exceptions"],
        "open_tasks": row["open_tasks"],
    }


async def _nested(
    read: Reader,
    name: str,
    loader: DataLoader[Of, Some],
    run: int,
    first: int,
    after: str | None,
    make: Callable[[Reader, Any], T],
    which: str = "",
) -> Connection[T]:
    """A page of what one run has; its cursors are good for the same of that run alone."""
    names, asked = read.call.names, f"graph {name} {which} {run}"
    begin = tuple(names.place(asked, after)) if after is not None else ()
    page = await loader.load(Of(run, bounded(name, first), which, begin))
    cursors = {place: names.cursor(asked, list(place)) for place in (*page.places, page.end) if place}
    edges = [
        Edge(cursor=cursors[place], node=make(read, row))
        for row, place in zip(page.rows, page.places, strict=True)
    ]
    end = cursors.get(page.end)
    return Connection(edges=edges, page_info=PageInfo(has_next_page=page.more, end_cursor=end))


async def _exceptions(
    read: Reader, run: int, first: int, state: ExceptionState, after: str | None
) -> Connection[ExceptionCase]:
    await read.may("exception.read")
    return await _nested(read, "exceptions", read.exceptions, run, first, after, exception_of, state.value)


async def _tasks(read: Reader, run: int, first: int, state: TaskState, after: str | None) -> Connection[Task]:
    await read.may("task.read")
    return await _nested(read, "tasks", read.tasks, run, first, after, task_of, state.value)


async def _milestones(read: Reader, run: int, first: int, after: str | None) -> Connection[Milestone]:
    await read.may("order.read")
    return await _nested(read, "milestones", read.milestones, run, first, after, _milestone)


def _alias(_read: Reader, row: Row) -> Alias:
    return Alias(kind=row["kind"], value=row["value"], live=row["live"])


def _milestone(_read: Reader, one: Happened) -> Milestone:
    against = one.contradicts
    return _telling(
        one.telling, told=1 + len(one.also), contradicts=_telling(against) if against is not None else None
    )


def _telling(one: Telling, *, told: int = 1, contradicts: Milestone | None = None) -> Milestone:
    def text(name: str) -> str | None:
        value = one.milestone.get(name)
        return value if isinstance(value, str) else None

    place = one.milestone.get("place")
    name = place.get("name") if isinstance(place, dict) else None
    return Milestone(
        event=one.type,
        at=one.at,
        place=name if isinstance(name, str) else None,
        package=one.package or None,
        source=one.source,
        told=told,
        contradicts=contradicts,
        **{part: text(part) for part in ("code", "kind", "time", "reason", "by", "text")},
    )
