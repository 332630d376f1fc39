"""A running engine for tests: real database, real kernel; only the outside world is played."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from crossdock.engine import Arrival, History, Inbox, LeasedCall, Library, Pace, Worker, idle_until, replay
from crossdock.process import canonical
from crossdock.process.catalogue import OperationShape
from crossdock.process.messages import CallEnded
from crossdock.process.publish import reopen
from crossdock.store import Clock, Database, Tenant

OPERATIONS = ["erp.do", "erp.undo", "wms.pick", "wms.unpick", "tms.book"]
SOON = 20.0  # seconds after which a test gives up waiting

_CATALOGUE = canonical().including(operations={name: OperationShape(name=name) for name in OPERATIONS})


def read(text: str, *_others: str):
    """The process in `text`, against the operations of these tests."""
    return reopen(text, _CATALOGUE)


def chain(name: str = "chain", steps: int = 3, **more: str) -> str:
    """A process of calls one after the other."""
    lines = [
        f"process: {name}",
        "title: Calls in a row",
        "owner: tests",
        "document: Order",
        "key: ${ order.number }",
    ]
    lines += [f"{key}: {value}" for key, value in more.items()]
    lines += ["start:", "  - on: order.released", "steps:"]
    for n in range(steps):
        lines += [f"  s{n}:"]
        lines += [f"    needs: s{n - 1}"] if n else []
        lines += [
            "    call: erp.do",
            f'    with: {{ order: "${{ order.number }}", n: {n} }}',
            "    undo: none",
        ]
    return "\n".join(lines)


def order(number: str, **data: Any) -> Arrival:
    """The release of an order."""
    return event("order.released", {"number": number, **data}, order=number)


def event(type_: str, data: Any = None, *, id: str = "", **about: str) -> Arrival:
    name = id or f"{type_}/{'/'.join(about.values())}"
    return Arrival(
        id=name, source="tests", type=type_, time=datetime(2026, 5, 4, 8, tzinfo=UTC), data=data, about=about
    )


Answer = Callable[[LeasedCall], Awaitable[CallEnded]]


@dataclass
class World:
    """The other side of all calls: does what it is told, writes down what it was asked."""

    calls: list[LeasedCall] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)  # by idempotency key: how often it was really done
    answers: dict[str, Answer] = field(default_factory=dict)  # by operation
    out: int = 0
    most_out: int = 0

    async def call(self, leased: LeasedCall) -> CallEnded:
        self.calls.append(leased)
        self.out += 1
        self.most_out = max(self.most_out, self.out)
        try:
            name = f"{leased.call.system}.{leased.call.operation}"
            if name in self.answers:
                return await self.answers[name](leased)
            return self.do(leased)
        finally:
            self.out -= 1

    def do(self, leased: LeasedCall, output: Any = None) -> CallEnded:
        """Carry it out, once for each key; a find sees what was done."""
        if leased.only_find and not self.done[leased.key]:
            return CallEnded(command=leased.command, outcome="withdrawn")
        if not leased.only_find and not (leased.find_first and self.done[leased.key]):
            self.done[leased.key] += 1
        return CallEnded(command=leased.command, outcome="done", output=output or {"ok": True})


@dataclass
class Engine:
    """Everything of one test."""

    database: Database
    tenant: Tenant
    library: Library
    inbox: Inbox
    history: History
    clock: Clock
    world: World

    async def connect(self, *systems: str, **limits: Any) -> None:
        from crossdock.engine import Connections

        for system in systems or ("erp", "wms", "tms"):
            await Connections(self.database).put(
                self.tenant, system, system=system, connector="tests", **limits
            )
        self.library.shelf_of(self.tenant.id).read_at = -1e9

    async def publish(self, text: str, **more: Any) -> int:
        _, number = await self.library.publish(self.tenant, text, **more)
        return number

    def worker(self, **pace: Any) -> Worker:
        return Worker(self.database, self.library, self.world, Pace(**{"look": 0.05, "tidy": 0.05, **pace}))

    @contextlib.asynccontextmanager
    async def working(self, *workers: Worker, **pace: Any) -> AsyncIterator[Worker]:
        """While inside, a worker (or those given) is at work."""
        workers = workers or (self.worker(**pace),)
        self.inbox.hear, self.inbox.comes = workers[0].hear, workers[0].comes
        tasks = [asyncio.create_task(worker.run()) for worker in workers]
        try:
            yield workers[0]
        finally:
            for worker in workers:
                worker.stop()
            await asyncio.gather(*tasks)
        assert [worker.faults for worker in workers] == [0] * len(workers)

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """Wait for the condition itself."""
        async with asyncio.timeout(SOON):
            while not (value := await condition()):
                await asyncio.sleep(0.01)
            return value

    async def idle(self) -> None:
        """Wait until nothing can go on now."""

        async def still() -> bool:
            return not (await idle_until(self.database)).busy

        await self.until(still)

    async def run_of(self, key: str, process: str | None = None):
        runs = [r for r in await self.history.find(self.tenant, key) if process in (None, r.process)]
        return await self.history.run(self.tenant, runs[0].id) if runs else None

    async def ended(self, key: str, status: str = "completed", process: str | None = None):
        async def is_so():
            detail = await self.run_of(key, process)
            return detail if detail is not None and detail.run.status == status else None

        return await self.until(is_so)

    async def sql(self, sql: str, *values: Any):
        async with self.database.engine() as transaction:
            return await transaction.fetch(sql, *values)

    async def assert_sound(self) -> None:
        """Every run replays to its stored state, nothing is left over."""
        for row in await self.sql("select tenant, id from crossdock.run"):
            assert (await replay(self.database, self.library, self.tenant, row["id"])).same, row["id"]
        assert (
            await self.sql(
                "select * from crossdock.inbox i join crossdock.run r on r.id = i.run where r.error is null"
            )
            == []
        )
        assert await self.sql("select * from crossdock.outbox where status in ('leased', 'reported')") == []
