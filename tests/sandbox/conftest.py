"""One sandbox process for all tests of a worker; each test begins with everything reset."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from partner_client import START, Receiver, Sandbox


@pytest.fixture(scope="session")
def process() -> Iterator[dict[str, Any]]:
    command = [
        sys.executable,
        "-m",
        "crossdock.sandbox",
        "--port-base",
        "0",
        "--start",
        START,
        "--stop-with-stdin",
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())
        running.stdin.close()
        assert running.wait(10) == 0


@pytest.fixture
async def sandbox(process: dict[str, Any]) -> AsyncIterator[Sandbox]:
    async with aiohttp.ClientSession() as session:
        it = Sandbox(process, session)
        for service in it.services:
            await it.control(service, "/reset", None)
            await it.control(service, "/configure", {"webhook_url": None, "calm": True})
        yield it


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    it = Receiver()
    app = web.Application()
    app.router.add_post("/{service}", it.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    it.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield it
    await runner.cleanup()
