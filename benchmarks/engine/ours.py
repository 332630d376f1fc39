"""Crossdock's engine on the contest's orders: one worker, the process language, one tenant.

Each order enters as an event through the inbox, acknowledged when it is durable, and has ended when its run's
row says so; the rows are asked for that every few milliseconds, which is part of the time taken.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec

from benchmarks.engine.contest import CALLS, CONNECTIONS, TIMEOUT, Result, drive, order, path
from crossdock.engine import Arrival, Connections, Inbox, LeasedCall, Library, Worker
from crossdock.process import canonical, load
from crossdock.process.catalogue import OperationShape
from crossdock.process.messages import CallEnded
from crossdock.store import Database, Tenant, migrate

ASKED_EVERY = 0.01  # seconds
ASKED_AT_ONCE = 128  # orders, the oldest first


def process() -> str:
    """The process of the contest: one call after the other."""
    lines = ["process: contest", "owner: benchmarks", "document: Order", "key: ${ order.number }"]
    lines += ["start:", "  - on: order.released", "steps:"]
    for step in range(CALLS):
        lines += [f"  s{step}:"]
        lines += [f"    needs: s{step - 1}"] if step else []
        lines += [f"    call: stub.step_{step}", '    with: { order: "${ order }" }', "    undo: none"]
    return "\n".join(lines)


class Stub:
    """Carries the calls out."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def call(self, leased: LeasedCall) -> CallEnded:
        step = int(leased.call.operation.removeprefix("step_"))
        headers = {"Idempotency-Key": leased.key, "Content-Type": "application/json"}
        document = msgspec.json.encode(leased.call.input["order"])
        async with self.session.post(path(step), data=document, headers=headers) as answer:
            answer.raise_for_status()
            output = msgspec.json.decode(await answer.read())
        return CallEnded(command=leased.command, outcome="done", output=output)


class Ends:
    """Tells who waits for a run that it has ended durably."""

    def __init__(self, database: Database, tenant: Tenant) -> None:
        self.database = database
        self.tenant = tenant
        self.open: dict[int, asyncio.Future[None]] = {}

    def of(self, run: int) -> asyncio.Future[None]:
        return self.open.setdefault(run, asyncio.get_running_loop().create_future())

    async def ask(self) -> None:
        """Without end."""
        while True:
            await asyncio.sleep(ASKED_EVERY)
            oldest = [run for run, _ in zip(self.open, range(ASKED_AT_ONCE), strict=False)]
            if not oldest:
                continue
            rows = await self.database.at_once(
                "select id, status, ended from crossdock.run where tenant = $1 and id = any($2::bigint[])",
                self.tenant.id,
                oldest,
            )
            for row in rows:
                # Not asked for in SQL: PostgreSQL may walk the index of all that have ended.
                if row["ended"] is None:
                    continue
                if row["status"] != "completed":
                    raise RuntimeError(f"run {row['id']} is {row['status']}")
                self.open.pop(row["id"]).set_result(None)


async def run(orders: int, in_flight: int, stub_url: str, database_url: str) -> Result:
    """Carry the orders through the engine, in this process."""
    await migrate(database_url)
    async with engine(stub_url, database_url) as (database, library, worker):
        tenant = await database.create_tenant("bench")
        await Connections(database).put(tenant, "stub", system="stub", connector="stub")
        await library.publish(tenant, process())
        inbox = Inbox(database, library, worker.hear)
        ends = Ends(database, tenant)

        async def carry(number: int) -> None:
            (receipt,) = await inbox.put(tenant, [released(order(number))])
            await ends.of(receipt.runs[0])

        async with asyncio.TaskGroup() as group:
            work = group.create_task(worker.run())
            asking = group.create_task(ends.ask())
            result = await drive(orders, in_flight, carry)
            asking.cancel()
            worker.stop()
            await work
        return result


@contextlib.asynccontextmanager
async def engine(stub_url: str, database_url: str) -> AsyncIterator[tuple[Database, Library, Worker]]:
    """A worker that calls the stub, not yet running, and what it works with."""
    database = await Database.open(database_url)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        async with aiohttp.ClientSession(stub_url, connector=connector, timeout=timeout) as session:
            operations = {
                name: OperationShape(name=name) for name in (f"stub.step_{n}" for n in range(CALLS))
            }
            catalogue = canonical().including(operations=operations)
            library = Library(database, lambda text, *_: load(text, catalogue))
            yield database, library, Worker(database, library, Stub(session))
    finally:
        await database.close()


def released(document: dict[str, Any]) -> Arrival:
    """The event that starts an order."""
    number = document["number"]
    return Arrival(
        id=number,
        source="bench",
        type="order.released",
        time=datetime.now(UTC),
        data=document,
        about={"order": number},
    )
