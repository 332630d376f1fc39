"""One worker as a process: `python -m benchmarks._worker URL`. Says that it is ready, begins when told, ends
with its input.
"""

from __future__ import annotations

import asyncio
import gc
import sys

import uvloop

from benchmarks._ground import Partner, read
from crossdock.engine import Library, Worker
from crossdock.store import Database


async def work(url: str) -> None:
    """Work until nobody holds the other end of the input."""
    loop = asyncio.get_running_loop()
    database = await Database.open(url)
    gc.set_threshold(50_000, 20, 50)  # as `crossdock worker` has it
    worker = Worker(database, Library(database, read), Partner())
    print("ready", flush=True)
    if await loop.run_in_executor(None, sys.stdin.buffer.readline):
        running = asyncio.create_task(worker.run())
        await loop.run_in_executor(None, sys.stdin.buffer.read)
        worker.stop()
        await running
    await database.close()


if __name__ == "__main__":
    uvloop.run(work(sys.argv[1]))
