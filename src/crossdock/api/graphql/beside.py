"""What stands beside orders and runs in the graph: proposals of assistants, connections, and what differs."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any

import strawberry
from strawberry.scalars import JSON

from crossdock.api.graphql.reader import Reader
from crossdock.api.graphql.types import Info, Run, run_of
from crossdock.api.listing import Row
from crossdock.api.rest import connections as lines
from crossdock.api.rest import proposals as offers
from crossdock.api.rest import reconciliation
from crossdock.desk.proposals import proposal_of


@strawberry.enum(description="Open, accepted, declined, fallen, or any of them")
class ProposalState(Enum):
    """Which proposals."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    FALLEN = "fallen"
    ANY = "any"


@strawberry.enum(description="Whether calls leave: running, stopped by somebody, or failing too often")
class ConnectionState(Enum):
    """As REST calls it."""

    RUNNING = "running"
    STOPPED = "stopped"
    FAILING = "failing"


@strawberry.enum(description="Standing, perhaps in flight and not told yet, over, or any of them")
class DifferenceState(Enum):
    """Which differences."""

    OPEN = "open"
    WAITING = "waiting"
    GONE = "gone"
    ANY = "any"


@strawberry.enum(description="What is compared")
class Compared(Enum):
    """As REST calls it."""

    ORDERS = "orders"
    INVOICES = "invoices"
    SHIPMENTS = "shipments"
    STOCK = "stock"
    ALLOCATIONS = "allocations"


@strawberry.type(
    description="Something that stands otherwise there than here, or in one system than in another"
)
class Difference:
    """With both sides."""

    id: strawberry.ID = strawberry.field(description="Its kind and its business number")
    what: Compared
    kind: str
    about: str = strawberry.field(description="The business number")
    connection: str
    against: str | None = strawberry.field(description="The other system, where it is not what stands here")
    severity: str
    here: str = strawberry.field(description="How it stands here, or in the system that it is held against")
    there: str
    mend: str = strawberry.field(description="What would mend it")
    takes_in: bool = strawberry.field(description="It is mended by taking in what was lost")
    order: str | None
    shipment: str | None
    invoice: str | None
    item: str | None
    since: datetime = strawberry.field(description="When what differs last changed there")
    found: datetime
    seen: datetime = strawberry.field(description="The last comparison that found it")
    gone: datetime | None
    mended_by: str | None


@strawberry.type(description="What somebody proposes, mostly an assistant, for a person to decide")
class Proposal:
    """With its run."""

    row: strawberry.Private[Row]
    id: strawberry.ID
    status: str = strawberry.field(description="`fallen`: what it is about has changed since")
    deed: str = strawberry.field(description="What would be done: `run.retry`, `task.decide` ...")
    on: strawberry.ID = strawberry.field(description="To this run, task or exception")
    process: str
    key: str
    given: JSON = strawberry.field(description="What the deed is given")
    why: str
    model: str | None = strawberry.field(description="What it was made by, as whoever proposed says")
    by: str
    person: str | None = strawberry.field(description="Who answers for whoever proposed")
    seen: str = strawberry.field(description="What was seen when it was proposed")
    at: datetime
    decided: datetime | None
    decided_by: str | None
    note: str | None

    @strawberry.field(description="The run that it is about")
    async def run(self, info: Info) -> Run | None:
        row = await info.context.run.load(self.row["run"])
        return run_of(info.context, row) if row is not None else None


@strawberry.type(description="How far a feed is read")
class Feed:
    """As the gateway reads it."""

    name: str
    read: datetime | None = strawberry.field(description="When it was last read to its end")
    lag: float | None = strawberry.field(description="Seconds since then")
    failures: int = strawberry.field(description="Readings that failed, one after the other")


@strawberry.type(description="How calls went within the last hour; lengths in seconds")
class Health:
    """Figures are some seconds old."""

    last_success: datetime | None
    last_failure: datetime | None
    calls: int
    refused: int = strawberry.field(description="Answered with a no")
    failed: int = strawberry.field(description="Not answered, or nobody knows what came of it")
    error_rate: float | None = strawberry.field(description="The share of calls that failed, 0 to 1")
    p50: float | None
    p95: float | None
    lag: float | None = strawberry.field(description="The longest lag of its feeds, in seconds")
    quota_left: float | None = strawberry.field(description="Calls, as the other side says")
    quota_limit: float | None
    quota_resets: datetime | None
    feeds: list[Feed]


@strawberry.type(description="A connection to an outside system, without settings or anything secret")
class PartnerConnection:
    """With how its calls stand."""

    name: str
    system: str = strawberry.field(description="The contract that processes call: erp, wms, carrier")
    connector: str
    environment: str = strawberry.field(description="`sandbox`: only runs in test call it")
    status: ConnectionState
    stopped: datetime | None
    stopped_by: str | None
    failures: int = strawberry.field(description="One after the other")
    open_until: datetime | None = strawberry.field(description="Nothing leaves before: it failed too often")
    waiting: int = strawberry.field(description="Calls that have not left")
    out: int
    oldest: datetime | None = strawberry.field(description="Since when the oldest of those that wait is due")
    health: Health


def proposal_shown(read: Reader, row: Row) -> Proposal:
    """A proposal as it is shown."""
    shown = offers.shown(read.call, proposal_of(row))
    for name in ("run", "generation"):
        shown.pop(name)
    return Proposal(row=row, **shown)


def difference_shown(_read: Reader, row: Row) -> Difference:
    """A difference as it is shown."""
    one = reconciliation.shown(row)
    return Difference(**{**one, "what": Compared(one["what"])})


def connection_shown(_read: Reader, row: Row) -> PartnerConnection:
    """A connection as it is shown; `row` is that of `lines.shown`."""
    health: dict[str, Any] = dict(row["health"])
    feeds = [Feed(**{"read": None, "lag": None, **one}) for one in health.pop("feeds")]
    known = dict.fromkeys(name for name in lines.Health.model_fields if name != "feeds")
    names = ("name", "system", "connector", "environment", "stopped", "stopped_by", "failures", "open_until")
    return PartnerConnection(
        **{name: row[name] for name in (*names, "waiting", "out", "oldest")},
        status=ConnectionState(row["status"]),
        health=Health(**{**known, **health}, feeds=feeds),
    )
