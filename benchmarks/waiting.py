"""What runs that wait cost those that do not: 10 thousand, 100 thousand and 1 million of them.

Each number waits in a database of its own, real rows in all tables (`_waiting`), vacuumed and analysed. The
load is orders from release to end (2 events, 2 calls that are answered at once in memory, 4 to 5 decisions),
by one worker in this process. It goes round the databases several times, so that what else the machine does
falls on all alike, and the median of the rounds counts.

orders_per_s, p50_ms, p99_ms  64 orders at a time; `ours` is with the most runs waiting
slowdown                      orders_per_s with the fewest, over that with the most
p99_ms_at_10_per_s            10 orders a second: latency without a queue
bytes_per_waiting_run         all tables and their indexes, over the runs that wait
woken_ms                      an event to the end of a run that has waited (some of the copies, by tracking
                              number: shows that they are real)
worker_start_s                a worker from nothing to its first decision, with the most runs waiting
overview_ms, runs_page_ms     what the first page counts, and the newest 50 runs of a status that few have
"""

from __future__ import annotations

import contextlib
import itertools
import statistics
import time
from collections.abc import AsyncIterator

from benchmarks import Figure
from benchmarks._ground import Ground, Station, delivered, ground, say, scaled
from benchmarks._load import Taken, closed, steady
from benchmarks._waiting import number_of, settle, wait_in
from crossdock.engine import History

WAITING = (10_000, 100_000, 1_000_000)
ROUNDS = 5
ORDERS = 1_500  # a round
IDLE = 100  # orders a round, 10 a second
WOKEN = 50


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Load, go round, look."""
    numbers = [scaled(number, scale, 20) for number in WAITING]
    names = {number: f"waiting_{number}" for number in numbers}
    async with ground(scale) as here, contextlib.AsyncExitStack() as stack:
        stations: dict[int, Station] = {}
        for number in numbers:
            station = stations[number] = await stack.enter_async_context(here.station())
            await station.add_tenant("bench")
            say(f"waiting: {number:,} runs are let wait")
            await wait_in(station, number)
            await settle(station)
        sizes = {number: await _bytes(station) / number for number, station in stations.items()}
        orders = (f"A{n:08d}" for n in itertools.count())
        taken: dict[int, list[Taken]] = {number: [] for number in numbers}
        idle: dict[int, list[Taken]] = {number: [] for number in numbers}
        for round_ in range(scaled(ROUNDS, min(1.0, scale * 10))):
            for number, station in stations.items():
                async with station.working():
                    await closed(itertools.islice(orders, scaled(100, scale, 5)), 64, station.deliver)
                    some = itertools.islice(orders, scaled(ORDERS, min(1.0, scale * 5), 20))
                    taken[number].append(await closed(some, 64, station.deliver))
                    some = itertools.islice(orders, scaled(IDLE, scale, 5))
                    idle[number].append(await steady(some, 10, station.deliver))
                say(f"waiting: round {round_ + 1}, {number:,} wait: {taken[number][-1]}")
        speed = {n: statistics.median(t.a_second for t in taken[n]) for n in numbers}

        def figure(name: str, unit: str, values: dict[int, float], goal: str = "") -> Figure:
            peers = {names[n]: values[n] for n in numbers[:-1] if n in values}
            return Figure(figure=name, unit=unit, ours=values[numbers[-1]], peers=peers, goal=goal)

        yield figure("orders_per_s", "orders/s", speed)
        yield Figure(
            figure="slowdown", unit="x", ours=speed[numbers[0]] / speed[numbers[-1]], peers={}, goal="<= 1.2"
        )
        for share, name in ((0.5, "p50_ms"), (0.99, "p99_ms")):
            yield figure(name, "ms", {n: statistics.median(t.ms(share) for t in taken[n]) for n in numbers})
        yield figure(
            "p99_ms_at_10_per_s", "ms", {n: statistics.median(t.ms(0.99) for t in idle[n]) for n in numbers}
        )
        yield figure("bytes_per_waiting_run", "bytes", sizes)
        woken = {number: await _wake(station, number, scale) for number, station in stations.items()}
        yield figure("woken_ms", "ms", woken)
        starts = {number: await _start(here, station) for number, station in stations.items()}
        yield figure("worker_start_s", "s", starts)
        overview = {number: await _timed(station, _overview) for number, station in stations.items()}
        yield figure("overview_ms", "ms", overview)
        pages = {number: await _timed(station, _held) for number, station in stations.items()}
        yield figure("runs_page_ms", "ms", pages)


async def _bytes(station: Station) -> float:
    (row,) = await station.sql(
        "select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c "
        "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'crossdock' and c.relkind = 'r'"
    )
    return float(row["bytes"])


async def _wake(station: Station, waiting: int, scale: float) -> float:
    """Some copies get what they wait for, one after the other; ms of the median."""
    chosen = [
        waiting - 1 - n * (waiting // 2 // scaled(WOKEN, scale, 5)) for n in range(scaled(WOKEN, scale, 5))
    ]
    took: list[float] = []
    async with station.working():
        for n in chosen:
            began = time.perf_counter()
            (receipt,) = await station.inbox.put(station.tenant, [delivered(number_of(n), kind="tracking")])
            await station.end_of(receipt.runs[0])
            took.append(time.perf_counter() - began)
    rows = await station.sql(
        "select status from crossdock.run where tenant = $1 and process = 'delivery' and key = any($2)",
        station.tenant.id,
        [number_of(n) for n in chosen],
    )
    if [row["status"] for row in rows] != ["completed"] * len(chosen):
        raise RuntimeError("runs that were multiplied do not end as those that they were copied from")
    return statistics.median(took) * 1000


async def _start(here: Ground, known: Station) -> float:
    """A worker from nothing to its first decision: an event waits for it."""
    await known.inbox.put(known.tenant, [delivered(number_of(1), kind="tracking")])
    began = time.perf_counter()
    async with here.station(known.url) as station, station.working() as worker:
        await station.until("not exists (select 1 from crossdock.inbox)")
        took = time.perf_counter() - began
        if not worker.decisions:
            raise RuntimeError("the worker has decided nothing")
    return took


async def _timed(station: Station, look: object) -> float:
    took: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        await look(station)  # type: ignore[operator]
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000


async def _overview(station: Station) -> None:
    await History(station.database).counts(station.tenant)


async def _held(station: Station) -> None:
    await History(station.database).runs(station.tenant, statuses=["held"], most=50)
