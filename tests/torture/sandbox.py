"""The partners: the sandbox as a process of its own, whose time runs by itself."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from datetime import datetime

import aiohttp

from crossdock.demo.partners import Partners
from torture.plan import SPEED


@contextlib.asynccontextmanager
async def sandbox(start: datetime, *, seed: int) -> AsyncIterator[Partners]:
    """Start the partners with their clock at `start`; they end with this."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crossdock.sandbox", "--port-base", "0", "--calm", "--seed", str(seed)),
        *("--start", start.isoformat().replace("+00:00", "Z"), "--real-time", "--speed", str(SPEED)),
        "--stop-with-stdin",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
            yield Partners(json.loads(line)["services"], session)
    finally:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 5)
        if process.returncode is None:
            process.kill()
            await process.wait()
