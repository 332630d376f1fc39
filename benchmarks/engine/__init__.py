"""Orders a second: 8 sequential durable HTTP calls each, against one local stub, with 64 and 1,000 in flight.

Contestants, one after the other, each in a process of its own, on the same machine, stub and PostgreSQL:

    ours        Crossdock's engine: one worker process, the process language, aiohttp as its caller
    two_workers the same with a second worker process on the same database
    bare_loop   the least SQL for the same rows: what a program for these orders alone would do (`bare_loop`)
    dbos        DBOS on the same PostgreSQL, a workflow of 8 steps
    temporal    Temporal's development server, in memory (so not durable: its faster form), 8 activities

The load is closed: when an order ends, the next begins. `orders_per_s_*` is orders over the time from the
first begin to the last end; `p99_ms_64` is from an order's begin to its end being durable. Slow contestants
get fewer orders, so that each runs for ten to twenty seconds; with 1,000 in flight each gets at least 1,000.
The stub counts the calls: a contestant that made fewer than 8 for an order is refused.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg

from benchmarks import Figure
from benchmarks.engine.contest import WARM_UP, Result
from benchmarks.engine.processes import StubProcess, hold
from crossdock.store.embedded import EmbeddedServer

# Orders for each contestant, with 64 and with 1,000 in flight.
ORDERS = {
    "ours": (6_000, 12_000),
    "two_workers": (6_000, 12_000),
    "dbos": (400, 1_000),
    "temporal": (300, 1_000),
    "bare_loop": (8_000, 12_000),
}


_FEW = "10 times the engines, 0.8 of the bare loop"
_MANY = "20 times the engines, 0.7 of the bare loop"


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Run every contestant with 64 and with 1,000 orders in flight."""
    with tempfile.TemporaryDirectory(prefix="crossdock-bench-") as folder:
        server = await asyncio.to_thread(EmbeddedServer.open, Path(folder))
        try:
            async with StubProcess() as stub:
                few = {name: await contest(name, 64, server, stub, scale) for name in ORDERS}
                yield _figure("orders_per_s_64", "orders/s", few, lambda result: result.orders_per_s, _FEW)
                yield _figure("p99_ms_64", "ms", few, lambda result: result.p99_ms)
                many = {name: await contest(name, 1_000, server, stub, scale) for name in ORDERS}
                yield _figure(
                    "orders_per_s_1000", "orders/s", many, lambda result: result.orders_per_s, _MANY
                )
        finally:
            await asyncio.to_thread(server.close)


async def contest(
    name: str, in_flight: int, server: EmbeddedServer, stub: StubProcess, scale: float
) -> Result | None:
    """One contestant in a process and a database of its own; None, with the reason told, when it fails."""
    orders = max(1, round(ORDERS[name][0 if in_flight == 64 else 1] * scale))
    database = f"{name}_{in_flight}"
    connection = await asyncpg.connect(server.url())
    try:
        await connection.execute(f"create database {database}")
        await connection.execute("checkpoint")  # nobody pays for what the one before has written
    finally:
        await connection.close()
    before = await stub.calls()
    result = await hold(name, orders, in_flight, stub.url, server.url(database))
    if result is None:
        return None
    made, due = await stub.calls() - before, (orders + WARM_UP) * 8
    if made < due:
        print(f"{name}: {made} calls instead of {due}; its figures do not count", file=sys.stderr)
        return None
    told = f"{result.orders_per_s:.1f} orders/s, p50 {result.p50_ms:.0f} ms, p99 {result.p99_ms:.0f} ms"
    told += f", {result.cpu_us:.0f} µs of its process for a call"
    print(
        f"{name}, {in_flight} in flight: {told} ({result.orders} in {result.seconds:.1f} s)", file=sys.stderr
    )
    return result


def _figure(
    figure: str,
    unit: str,
    results: dict[str, Result | None],
    value: Callable[[Result], float],
    goal: str = "",
) -> Figure:
    values = {name: None if result is None else value(result) for name, result in results.items()}
    return Figure(figure=figure, unit=unit, ours=values.pop("ours"), peers=values, goal=goal)
