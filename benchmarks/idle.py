"""Event in to command out when there is little to do: 10 events a second, one worker.

The time runs from the call that puts an event in to the moment at which the caller is asked to make the call
that follows from it: taken in, committed, decided, committed, called. Each event starts an order.

p50_ms, p99_ms   the door and the worker in one process (`crossdock serve`); `bare_commits` is two small
                 durable inserts on the same database, one after the other, at the same rate: what the disk
                 and PostgreSQL take for two commits by themselves
*_apart          the door in one process, the worker told by NOTIFY alone, as if in another one
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg

from benchmarks import Figure
from benchmarks._ground import Station, ground, released, say, scaled
from benchmarks._load import Taken, steady
from crossdock.engine import LeasedCall

EVENTS = 600
A_SECOND = 10.0


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Bare commits, then ours, then ours apart."""
    number = scaled(EVENTS, scale, 10)
    async with ground(scale) as here, here.station() as station:
        await station.add_tenant("bench")
        say(f"idle: 3 times {number / A_SECOND:.0f} s")
        bare = await _bare(station, number)
        together = await _ours(station, number, apart=False)
        apart = await _ours(station, number, apart=True)
    say(f"idle: bare commits {bare}; together {together}; apart {apart}")
    for share, name in ((0.5, "p50_ms"), (0.99, "p99_ms")):
        goal = "< 50" if share == 0.99 else ""
        peers = {"bare_commits": bare.ms(share)}
        yield Figure(figure=name, unit="ms", ours=together.ms(share), peers=peers, goal=goal)
        yield Figure(figure=f"{name}_apart", unit="ms", ours=apart.ms(share), peers=peers, goal=goal)


async def _ours(station: Station, number: int, *, apart: bool) -> Taken:
    left: dict[str, asyncio.Future[None]] = {}

    def asked(leased: LeasedCall) -> None:
        waits = left.get(leased.key.split("/")[2])
        if waits is not None and not waits.done():
            waits.set_result(None)

    async def carry(name: str) -> None:
        left[name] = asyncio.get_running_loop().create_future()
        await station.inbox.put(station.tenant, [released(name)])
        await left[name]

    station.partner.asked = asked
    kind = "S" if apart else "A"
    async with station.working():
        if apart:
            station.inbox.hear = None
        await steady((f"{kind}{n:08d}" for n in range(10)), 20, carry)
        return await steady((f"{kind}{n:08d}" for n in range(10, 10 + number)), A_SECOND, carry)


async def _bare(station: Station, number: int) -> Taken:
    connection = await asyncpg.connect(station.url)
    try:
        await connection.execute("create table bare (id bigint generated always as identity, data bytea)")
        lock = asyncio.Lock()

        async def carry(name: str) -> None:
            async with lock:
                for _ in range(2):
                    await connection.execute("insert into bare (data) values ($1)", name.encode() * 50)

        await carry("warm")
        return await steady((f"B{n:08d}" for n in range(number)), A_SECOND, carry)
    finally:
        await connection.close()
