"""The bare loop: the least SQL for the same rows, written for these orders alone.

The rows are those that the engine leaves for the same orders: the run with its state, which events were
seen, a line of history for each event with what was decided, and a call in the outbox while it is open. One
connection, one statement a batch: it takes every answer that has come since the last commit, decides in
memory and writes all at once; the new calls leave as soon as that is durable, while the next batch is
decided. It polls, claims and leases nothing, keeps no inbox since it decides at once, and knows one process,
one tenant and one worker: what an engine costs is what lies above it. After a crash it could go on from its
rows.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp
import asyncpg
import msgspec

from benchmarks.engine.contest import CALLS, CONNECTIONS, TIMEOUT, Result, drive, order, path

TABLES = """
create table run (
    tenant int not null, id bigint not null, process text not null, key text not null,
    generation int not null, seq int not null, status text not null, wake_at timestamptz,
    changed timestamptz not null, state bytea not null,
    primary key (tenant, id), unique (tenant, process, key, generation)
) with (fillfactor = 70);
create table seen (
    tenant int not null, event uuid not null, at timestamptz not null, primary key (tenant, event)
);
create table history (
    tenant int not null, run bigint not null, seq int not null, at timestamptz not null,
    type text not null, event bytea not null, records bytea not null,
    primary key (tenant, run, seq)
);
create table outbox (
    tenant int not null, run bigint not null, command text not null, due timestamptz not null,
    status text not null, connection text not null, lane text not null, key text not null,
    call bytea not null, primary key (tenant, run, command)
) with (fillfactor = 80);
"""

BATCH = """
with accepted as (
    insert into seen select 1, event, $1 from unnest($2::uuid[]) as t (event)
), told as (
    insert into history
    select 1, run, seq, $1, type, event, records
    from unnest($3::bigint[], $4::int[], $5::text[], $6::bytea[], $7::bytea[])
        as t (run, seq, type, event, records)
), finished as (
    delete from outbox o using unnest($8::bigint[], $9::text[]) as t (run, command)
    where o.tenant = 1 and o.run = t.run and o.command = t.command
), called as (
    insert into outbox
    select 1, run, command, $1, 'ready', 'stub', lane, key, call
    from unnest($10::bigint[], $11::text[], $12::text[], $13::text[], $14::bytea[])
        as t (run, command, lane, key, call)
)
insert into run
select 1, id, 'bare', key, 1, seq, status, null, $1, state
from unnest($15::bigint[], $16::text[], $17::int[], $18::text[], $19::bytea[])
    as t (id, key, seq, status, state)
on conflict (tenant, id)
do update set seq = excluded.seq, status = excluded.status, changed = excluded.changed, state = excluded.state
"""

encode = msgspec.json.encode


class Order:
    """One run: its document, what its calls have answered, and who waits for its end."""

    __slots__ = ("ended", "id", "key", "outputs", "payload")

    def __init__(self, number: int, ended: asyncio.Future[None]) -> None:
        document = order(number)
        self.id = number
        self.key = str(document["number"])
        self.payload = encode(document)
        self.outputs: list[Any] = []
        self.ended = ended


class Loop:
    """Decide what has come, commit, call; over and over."""

    def __init__(self, connection: asyncpg.Connection, session: aiohttp.ClientSession) -> None:
        self.connection = connection
        self.session = session
        self.come: list[tuple[Order, bytes | None]] = []  # an order that begins, or the answer to its call
        self.something = asyncio.Event()
        self.due: asyncio.Queue[Order] = asyncio.Queue()  # orders whose next call may leave

    async def carry(self, number: int) -> None:
        """Carry one order from its release to its end being durable."""
        ended = asyncio.get_running_loop().create_future()
        self.put(Order(number, ended), None)
        await ended

    def put(self, run: Order, answer: bytes | None) -> None:
        self.come.append((run, answer))
        self.something.set()

    async def work(self) -> None:
        """Take all that has come, commit it, let the next calls go. Without end."""
        batch = await self.connection.prepare(BATCH)
        while True:
            await self.something.wait()
            self.something.clear()
            taken, self.come = self.come, []
            await batch.fetch(datetime.now(UTC), *self.decide(taken))
            for run, _ in taken:
                if len(run.outputs) == CALLS:
                    run.ended.set_result(None)
                else:
                    self.due.put_nowait(run)

    def decide(self, taken: list[tuple[Order, bytes | None]]) -> list[list[Any]]:
        """The columns of the batch, in the order of its parameters."""
        seen: list[UUID] = []
        told: list[tuple[Any, ...]] = []
        finished: list[tuple[Any, ...]] = []
        called: list[tuple[Any, ...]] = []
        states: list[tuple[Any, ...]] = []
        for run, answer in taken:
            records: list[dict[str, Any]] = []
            if answer is None:
                kind, name, data = "order.released", "release", run.payload
                records.append({"what": "run.started"})
            else:
                kind, name, data = "call.ended", f"s{len(run.outputs)}", answer
                run.outputs.append(msgspec.Raw(answer))
                records.append(
                    {"what": "step.succeeded", "step": name, "data": {"output": msgspec.Raw(answer)}}
                )
                finished.append((run.id, name))
            done = len(run.outputs)
            if done < CALLS:
                step = f"s{done}"
                call = {"id": step, "system": "stub", "operation": step, "input": msgspec.Raw(run.payload)}
                called.append((run.id, step, run.key, f"{run.key}:{step}", encode(call)))
                records.append(
                    {"what": "step.started", "step": step, "data": {"input": msgspec.Raw(run.payload)}}
                )
            else:
                records.append({"what": "run.completed"})
            source = f"{run.key}:{name}"
            seen.append(UUID(bytes=hashlib.md5(source.encode(), usedforsecurity=False).digest()))
            event = {"id": source, "source": "stub", "type": kind, "data": msgspec.Raw(data)}
            told.append((run.id, done, kind, encode(event), encode(records)))
            state = {"document": msgspec.Raw(run.payload), "outputs": run.outputs}
            states.append((run.id, run.key, done, "active" if done < CALLS else "completed", encode(state)))
        return [seen, *columns(told, 5), *columns(finished, 2), *columns(called, 5), *columns(states, 5)]

    async def call(self) -> None:
        """Make the calls that are due, one after the other; a batch takes their answers. Without end."""
        while True:
            run = await self.due.get()
            step = len(run.outputs)
            headers = {"Idempotency-Key": f"{run.key}:s{step}", "Content-Type": "application/json"}
            async with self.session.post(path(step), data=run.payload, headers=headers) as answer:
                answer.raise_for_status()
                self.put(run, await answer.read())


def columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] or [[] for _ in range(width)]


async def run(orders: int, in_flight: int, stub_url: str, database_url: str) -> Result:
    """Carry the orders through the bare loop, in this process."""
    connection = await asyncpg.connect(database_url)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    try:
        await connection.execute(TABLES)
        async with aiohttp.ClientSession(stub_url, connector=connector, timeout=timeout) as session:
            async with asyncio.TaskGroup() as group:
                loop = Loop(connection, session)
                tasks = [group.create_task(loop.work())]
                tasks += [group.create_task(loop.call()) for _ in range(CONNECTIONS)]
                result = await drive(orders, in_flight, loop.carry)
                for task in tasks:
                    task.cancel()
            return result
    finally:
        await connection.close()
