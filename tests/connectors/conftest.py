"""One sandbox for the tests here; each begins with everything reset and every system connected."""

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib import resources
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from partners import Partners

from crossdock.connect import Registry, Wire
from crossdock.connect.declarative import from_yaml
from crossdock.store import Database, EmbeddedServer


@pytest.fixture(scope="session")
def sandbox() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "crossdock.sandbox", "--port-base", "0", "--calm"]
    command += ["--start", "2026-03-02T08:00:00Z", "--stop-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())["services"]
        running.stdin.close()
        assert running.wait(10) == 0


@pytest.fixture(scope="session")
def registry() -> Registry:
    texts = {
        folder.name: folder.joinpath("connector.yaml").read_text()
        for folder in resources.files("crossdock.connectors").iterdir()
        if folder.joinpath("connector.yaml").is_file()
    }
    extra = [from_yaml(text, file=f"{name}/connector.yaml") for name, text in texts.items()]
    found = Registry.discover()
    return Registry.discover(extra=[one for one in extra if one.name not in found.connectors])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def connected(
    server: EmbeddedServer, sandbox: dict[str, Any], registry: Registry
) -> AsyncIterator[Partners]:
    """One database and one client for the tests of a module, which share their loop."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database connectors template template strategy file_copy")
    database = await Database.open(server.url("connectors"))
    wire = Wire()
    async with aiohttp.ClientSession() as http:
        yield Partners(sandbox, http, database, registry, wire)
    await wire.close()
    await database.close()
    await owner.execute("drop database connectors with (force)")
    await owner.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(server: EmbeddedServer) -> AsyncIterator[Database]:
    """One database for the tests of a module that have a partner of their own; each makes its tenant."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database ground template template strategy file_copy")
    database = await Database.open(server.url("ground"))
    yield database
    await database.close()
    await owner.execute("drop database ground with (force)")
    await owner.close()


@pytest_asyncio.fixture(loop_scope="module")
async def partners(connected: Partners) -> Partners:
    """The partners with nothing done yet, every one connected for a tenant of this test, nobody signed in."""
    await connected.begin()
    for service in connected.services:
        await connected.control(service, "/reset", {})
        await connected.control(service, "/configure", {"webhook_url": None, "calm": True})
    return connected
