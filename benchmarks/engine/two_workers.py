"""Crossdock's engine with a second worker process on the same database: what another core adds.

The second one hears of new orders by looking, and takes what the first has not taken.
"""

from __future__ import annotations

import asyncio
import sys

from benchmarks.engine import ours
from benchmarks.engine.contest import Result
from crossdock.store import migrate


async def run(orders: int, in_flight: int, stub_url: str, database_url: str) -> Result:
    """Carry the orders through the engine, with a worker here and one in a process beside."""
    await migrate(database_url)
    beside = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "benchmarks.engine.two_workers", stub_url, database_url),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert beside.stdin
    assert beside.stdout
    try:
        await beside.stdout.readline()
        return await ours.run(orders, in_flight, stub_url, database_url)
    finally:
        beside.stdin.close()
        await beside.wait()


async def _work(stub_url: str, database_url: str) -> None:
    async with ours.engine(stub_url, database_url) as (_database, _library, worker):
        running = asyncio.create_task(worker.run())
        print("works", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        worker.stop()
        await running


if __name__ == "__main__":
    import uvloop

    uvloop.run(_work(*sys.argv[1:]))
