"""1, 2 and 4 worker processes on one database: how throughput grows, and what holds it back.

A backlog of orders waits (released, and their delivery is in as well); so many workers begin at one time and
carry all to their ends (2 calls each, answered at once in memory; 3 to 5 decisions). Each number of workers
gets a fresh database, and the numbers take turns.

orders_per_s           `ours` is with 4 workers, beside it 1 and 2
cores_of_workers       CPU seconds that the worker processes took, for each second
cores_of_postgres      the same for all processes of PostgreSQL. When both together reach the cores there are,
                       more workers cannot help; if not, they wait for each other or for the disk
waiting_for_locks      share of looks at busy sessions that found them waiting for a lock of another one
waiting_for_disk       ... and for a write or the log to reach the disk
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import psutil

from benchmarks import Figure
from benchmarks._ground import JUST_RUNS, Ground, Station, cpu, delivered, ground, released, say, scaled

WORKERS = (1, 2, 4)
ORDERS = 10_000
ROUNDS = 3
_LOOK = 0.05  # seconds between looks at what sessions wait for


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one number of workers reached once."""

    orders_per_s: float
    cores_of_workers: float
    cores_of_postgres: float
    waiting_for_locks: float
    waiting_for_disk: float


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Numbers of workers in turn."""
    numbers = WORKERS if scale >= JUST_RUNS else WORKERS[:2]
    rounds: dict[int, list[Round]] = {number: [] for number in numbers}
    async with ground(scale) as here:
        for _ in range(scaled(ROUNDS, min(1.0, scale * 5))):
            for number in numbers:
                rounds[number].append(await _round(here, number, scaled(ORDERS, scale, 50)))
                say(f"workers: {number}: {rounds[number][-1]}")
    for name, unit in (
        ("orders_per_s", "orders/s"),
        ("cores_of_workers", "cores"),
        ("cores_of_postgres", "cores"),
        ("waiting_for_locks", "%"),
        ("waiting_for_disk", "%"),
    ):
        values = {n: statistics.median(getattr(one, name) for one in rounds[n]) for n in numbers}
        peers = {f"workers_{n}": values[n] for n in numbers[:-1]}
        yield Figure(figure=name, unit=unit, ours=values[numbers[-1]], peers=peers)


async def _round(here: Ground, number: int, orders: int) -> Round:
    url = await here.database()
    async with here.station(url) as station:
        await station.add_tenant("bench")
        for make in (released, delivered):
            for begin in range(0, orders, 500):
                names = (f"A{n:08d}" for n in range(begin, min(begin + 500, orders)))
                await station.inbox.put(station.tenant, [make(name) for name in names])
        await here.owner("vacuum (analyze)", "checkpoint", url=url)
        async with contextlib.AsyncExitStack() as stack:
            starting = [stack.enter_async_context(_worker(url)) for _ in range(number)]
            workers = await asyncio.gather(*starting)
            waits: Counter[str] = Counter()
            looking = asyncio.create_task(_look(station, waits))
            pids = [psutil.Process(worker.pid) for worker in workers]
            before, of_postgres = sum(map(cpu, pids)), here.cpu()
            began = time.perf_counter()
            for worker in workers:
                assert worker.stdin
                worker.stdin.write(b"go\n")
            await station.until(
                "select count(*) = $2 from crossdock.run where tenant = $1 and ended is not null",
                station.tenant.id,
                orders,
            )
            took = time.perf_counter() - began
            of_workers, of_postgres = sum(map(cpu, pids)) - before, here.cpu() - of_postgres
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
    await here.drop(url)
    looks = max(1, waits.total())
    if waits:
        say(
            "workers: sessions are at "
            + ", ".join(f"{name} {n * 100 // looks} %" for name, n in waits.most_common(5))
        )
    return Round(
        orders_per_s=orders / took,
        cores_of_workers=of_workers / took,
        cores_of_postgres=of_postgres / took,
        waiting_for_locks=_share(waits, "Lock", "LWLock", "BufferPin"),
        waiting_for_disk=_share(waits, "IO"),
    )


@contextlib.asynccontextmanager
async def _worker(url: str) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks._worker", url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        await process.stdout.readline()
        yield process
    finally:
        process.stdin.close()
        await process.wait()


async def _look(station: Station, waits: Counter[str]) -> None:
    while True:
        rows = await station.sql(
            "select coalesce(wait_event_type || ' ' || wait_event, 'CPU') as what, count(*)::int as n "
            "from pg_stat_activity where datname = current_database() and state = 'active' "
            "and pid <> pg_backend_pid() group by 1"
        )
        for row in rows:
            waits[row["what"]] += row["n"]
        await asyncio.sleep(_LOOK)


def _share(waits: Counter[str], *kinds: str) -> float:
    found = sum(n for what, n in waits.items() if what.split(" ")[0] in kinds)
    return 100 * found / max(1, waits.total())
