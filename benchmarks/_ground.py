"""What the load benchmarks stand on: a PostgreSQL of their own, and an engine on it whose partners are
played.

The process is a delivery: a call that books the carrier (which gives the run a tracking number), a wait for
the delivery of at most 30 days, a call that invoices. A run that waits for its delivery is what most rows of
a real installation are; one whose delivery comes at once is an active one.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import psutil

from crossdock.engine import Arrival, Caller, Connections, Inbox, LeasedCall, Library, Pace, Worker
from crossdock.process import Process, canonical, load
from crossdock.process.catalogue import OperationShape
from crossdock.process.messages import CallEnded
from crossdock.store import Database, EmbeddedServer, Tenant, migrate

PROCESS = """
process: delivery
owner: benchmarks
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  book:
    call: carrier.book
    with: { order: "${ order }" }
    undo: none
    alias: { tracking: "${ output.tracking }" }
  delivered:
    needs: book
    await: shipment.delivered
    within: 30 days
    late: skip
  invoice:
    needs: delivered
    call: erp.invoice
    with: { order: "${ order.number }" }
    undo: none
"""
SYSTEMS = ("carrier", "erp")
_CATALOGUE = canonical().including(
    operations={name: OperationShape(name=name) for name in ("carrier.book", "erp.invoice")}
)
ENDS_ASKED_EVERY = 0.005  # seconds
JUST_RUNS = 0.005  # the scale below which figures mean nothing


def say(text: str) -> None:
    """Progress, for whoever waits."""
    print(text, file=sys.stderr, flush=True)


def read(text: str, *_others: str) -> Process:
    """The process in `text`, against the operations of the benchmarks."""
    return load(text, _CATALOGUE)


def cpu(process: psutil.Process) -> float:
    """CPU seconds of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def scaled(number: int, scale: float, least: int = 1) -> int:
    """So many, at that scale."""
    return max(least, round(number * scale))


class Partner:
    """Carries calls out in memory: answers at once, or after so many seconds where `slow` says so."""

    def __init__(self, slow: dict[tuple[int, str], float] | None = None) -> None:
        self.slow = slow or {}  # by tenant and connection
        self.done: Counter[int] = Counter()  # by tenant
        self.asked: Callable[[LeasedCall], None] | None = None  # told of each call as it comes
        self.last: set[tuple[int, int]] = set()  # runs whose last call was made

    async def call(self, leased: LeasedCall) -> CallEnded:
        if self.asked is not None:
            self.asked(leased)
        seconds = self.slow.get((leased.tenant, leased.connection))
        if seconds:
            await asyncio.sleep(seconds)
        self.done[leased.tenant] += 1
        if leased.connection == "erp":
            self.last.add((leased.tenant, leased.run))
        number = leased.key.split("/")[2]
        return CallEnded(command=leased.command, outcome="done", output={"tracking": f"T{number}"})


def order(number: str) -> dict[str, Any]:
    """The document of an order."""
    return {
        "number": number,
        "customer": {"id": "C-1001", "name": "Nordwind Handel GmbH"},
        "total": {"amount": "1249.50", "currency": "EUR"},
        "lines": [{"line": 1, "item": "SKU-4711", "quantity": {"value": "10", "unit": "EA"}}],
    }


def released(number: str, **more: Any) -> Arrival:
    """The event that starts the run of an order."""
    return Arrival(
        id=number,
        source="bench",
        type="order.released",
        time=datetime.now(UTC),
        data=order(number) | more,
        about={"order": number},
    )


def delivered(number: str, *, kind: str = "order") -> Arrival:
    """The event for which a run waits, naming its order or (`kind="tracking"`) its tracking number."""
    value = number if kind == "order" else f"T{number}"
    return Arrival(
        id=f"delivered/{number}",
        source="bench",
        type="shipment.delivered",
        time=datetime.now(UTC),
        data={"shipment": value},
        about={kind: value},
    )


@dataclass
class Station:
    """An engine on one database, with a worker in this process as long as it is `working`."""

    url: str
    database: Database
    library: Library
    inbox: Inbox
    partner: Partner
    tenants: list[Tenant] = field(default_factory=list)
    calls: Caller | None = None  # what stands before the partner
    _open: dict[tuple[int, int], asyncio.Future[None]] = field(default_factory=dict)

    @property
    def tenant(self) -> Tenant:
        """The first one."""
        return self.tenants[0]

    async def add_tenant(self, name: str, process: str = PROCESS) -> Tenant:
        """One more tenant, with connections and the process."""
        tenant = await self.database.create_tenant(name)
        for system in SYSTEMS:
            await Connections(self.database).put(tenant, system, system=system, connector="played")
        await self.library.publish(tenant, process)
        self.tenants.append(tenant)
        return tenant

    @contextlib.asynccontextmanager
    async def working(self, pace: Pace | None = None) -> AsyncIterator[Worker]:
        """A worker is at work meanwhile; faults of ours are raised at its end."""
        worker = Worker(self.database, self.library, self.calls or self.partner, pace)
        self.inbox.hear, self.inbox.comes = worker.hear, worker.comes
        tasks = [asyncio.create_task(worker.run()), asyncio.create_task(self._ask_for_ends())]
        try:
            yield worker
        finally:
            worker.stop()
            tasks[1].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.inbox.hear = self.inbox.comes = None
        if worker.faults:
            raise RuntimeError(f"{worker.faults} turns of the worker failed; see its log")

    def end_of(self, run: int, tenant: Tenant | None = None) -> asyncio.Future[None]:
        """Done when the run has ended durably."""
        name = ((tenant or self.tenant).id, run)
        return self._open.setdefault(name, asyncio.get_running_loop().create_future())

    async def _ask_for_ends(self) -> None:
        while True:
            await asyncio.sleep(ENDS_ASKED_EVERY)
            asked = [name for name in self._open if name in self.partner.last]
            if not asked:
                continue
            rows = await self.sql(
                "select r.tenant, r.id, r.ended from unnest($1::int[], $2::bigint[]) as k(tenant, id) "
                "join crossdock.run r on r.tenant = any(array[k.tenant]) and r.id = any(array[k.id])",
                *zip(*asked, strict=True),
            )
            for row in rows:
                # Not asked for in SQL: PostgreSQL may walk the index of all that have ended.
                if row["ended"] is None:
                    continue
                name = (row["tenant"], row["id"])
                self.partner.last.discard(name)
                self._open.pop(name).set_result(None)

    async def deliver(self, number: str, tenant: Tenant | None = None, **more: Any) -> None:
        """Carry one order from its release to its end; its delivery comes as soon as it is released."""
        tenant = tenant or self.tenant
        (receipt,) = await self.inbox.put(tenant, [released(number, **more)])
        await self.inbox.put(tenant, [delivered(number)])
        await self.end_of(receipt.runs[0], tenant)

    async def until(self, condition: str, *values: Any, seconds: float = 600) -> None:
        """Wait until a query gives true."""
        async with asyncio.timeout(seconds):
            while not (await self.sql(f"select ({condition}) as so", *values))[0]["so"]:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def sql(self, sql: str, *values: Any) -> list[Any]:
        """A statement as the engine would make it."""
        return await self.database.at_once(sql, *values)  # type: ignore[arg-type] # literals of ours


class Ground:
    """A temporary embedded PostgreSQL, with the product's own settings; it is gone at the end."""

    def __init__(self, server: EmbeddedServer) -> None:
        self.server = server
        self._number = 0

    async def database(self) -> str:
        """The owner's address of a fresh database, migrated."""
        if not self._number:
            await self.owner("create database template")
            await migrate(self.server.url("template"))
        self._number += 1
        name = f"bench{self._number}"
        await self.owner(f"create database {name} template template strategy file_copy")
        await migrate(self.server.url(name))  # the roles' settings are those of one database
        return self.server.url(name)

    async def owner(self, *statements: str, url: str = "") -> None:
        """Statements of the server's owner."""
        connection = await asyncpg.connect(url or self.server.url())
        try:
            for statement in statements:
                await connection.execute(statement, timeout=3600)
        finally:
            await connection.close()

    def cpu(self) -> float:
        """CPU seconds of the server so far; sessions that have ended count where the system tells it."""
        postmaster = psutil.Process(
            int((self.server.directory / "postgres/postmaster.pid").read_text().split()[0])
        )
        gone = postmaster.cpu_times()
        spent = cpu(postmaster) + float(gone.children_user + gone.children_system)
        for session in postmaster.children():
            with contextlib.suppress(psutil.NoSuchProcess):
                spent += cpu(session)
        return spent

    async def drop(self, url: str) -> None:
        """Drop a database that `database` made."""
        name = url.partition("@/")[2].partition("?")[0]
        await self.owner(f"drop database {name} with (force)")

    @contextlib.asynccontextmanager
    async def station(self, url: str = "", partner: Partner | None = None) -> AsyncIterator[Station]:
        """An engine on a fresh database, or on that one with the tenants that it has."""
        at = url or await self.database()
        database = await Database.open(at)
        try:
            library = Library(database, read)
            station = Station(at, database, library, Inbox(database, library), partner or Partner())
            station.tenants = await database.tenants()
            yield station
        finally:
            await database.close()


@contextlib.asynccontextmanager
async def ground(scale: float) -> AsyncIterator[Ground]:
    """The ground of a benchmark. One so small that it only shows that it runs does not wait for disks."""
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-", ignore_cleanup_errors=True) as folder:
        server = await asyncio.to_thread(EmbeddedServer.open, Path(folder))
        try:
            here = Ground(server)
            if scale < JUST_RUNS:
                await here.owner("alter system set fsync = off", "select pg_reload_conf()")
            yield here
        finally:
            await asyncio.to_thread(server.close)


@contextlib.asynccontextmanager
async def meanwhile(work: Awaitable[None]) -> AsyncIterator[None]:
    """`work` goes on meanwhile, and ends with it."""
    task = asyncio.ensure_future(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
