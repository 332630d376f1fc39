"""Events acknowledged durably over HTTP, each a POST of its own, 64 connections that send one after the
other.

acknowledged_per_s, p50_ms, p99_ms webhooks: signed JSON of about 300 bytes, each about one of the runs that
wait. Ours: the gateway as it is served: verified on the raw bytes, kept raw, translated, checked, known again
when it comes twice, routed to its run, committed, answered bare_insert an aiohttp handler that does one
thing: one insert a request, by asyncpg programs ours for programs: a CloudEvent in the body, through
`take_events`

The three servers run one after the other as processes of their own, on one PostgreSQL; the client is a bare
protocol. No worker runs: what came in waits. The client and PostgreSQL share the cores with the server.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncIterator

from benchmarks import Figure
from benchmarks._ground import Ground, ground, say, scaled
from benchmarks._load import Taken
from benchmarks._waiting import settle, wait_in
from benchmarks.ingest.client import Senders, cloud_event, webhook

WAITING = 10_000
EVENTS = 20_000
CONNECTIONS = 64
SERVERS = {"ours": webhook, "programs": cloud_event, "bare_insert": cloud_event}


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """One server after the other, each on a copy of the same database."""
    waiting, events = scaled(WAITING, scale, 20), scaled(EVENTS, scale, 100)
    async with ground(scale) as here:
        url = await here.database()
        async with here.station(url) as station:
            await station.add_tenant("bench")
            say(f"ingest: {waiting:,} runs are let wait")
            await wait_in(station, waiting)
            await settle(station)
        found: dict[str, Taken] = {}
        for name, make in SERVERS.items():
            async with serving(name, url) as port, Senders(port, CONNECTIONS) as senders:
                requests = (make(n, waiting) for n in itertools.count())
                await senders.send(itertools.islice(requests, min(events, 500)))
                found[name] = await senders.send(itertools.islice(requests, events))
            say(f"ingest: {name}: {found[name]}")
            if name != "bare_insert":
                await _all_there(here, url, min(events, 500) + events)
    ours = found.pop("ours")
    yield Figure(
        figure="acknowledged_per_s",
        unit="events/s",
        ours=ours.a_second,
        peers={name: taken.a_second for name, taken in found.items()},
    )
    for share, figure in ((0.5, "p50_ms"), (0.99, "p99_ms")):
        peers = {name: taken.ms(share) for name, taken in found.items()}
        yield Figure(figure=figure, unit="ms", ours=ours.ms(share), peers=peers)


@contextlib.asynccontextmanager
async def serving(name: str, url: str) -> AsyncIterator[int]:
    """The port of a server that runs as a process meanwhile."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.ingest.server", name, url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stdout
    try:
        yield int(await process.stdout.readline())
    finally:
        process.stdin.close()
        await process.wait()


async def _all_there(here: Ground, url: str, number: int) -> None:
    """What was acknowledged is in the inbox; then away with it, for the next one."""
    async with here.station(url) as station:
        (row,) = await station.sql("select count(*) as events from crossdock.inbox")
    if row["events"] != number:
        raise RuntimeError(f"{number} events were acknowledged, and {row['events']} are there")
    await here.owner("truncate crossdock.inbox, crossdock.seen, crossdock.delivery", "checkpoint", url=url)
