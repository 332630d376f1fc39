"""Every partner system, the shipped processes and a worker: what stands here and there is compared and followed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from standing_world import World

from crossdock.connect import Wire
from crossdock.installed import Installed, pack
from crossdock.store import Database, EmbeddedServer


@pytest.fixture(scope="session")
def sandbox() -> Iterator[dict[str, Any]]:
    command = [sys.executable, "-m", "crossdock.sandbox", "--port-base", "0", "--calm"]
    command += ["--start", "2026-03-02T16:00:00Z", "--stop-with-stdin"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        yield json.loads(running.stdout.readline())["services"]
        running.stdin.close()
        assert running.wait(10) == 0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(server: EmbeddedServer, sandbox: dict[str, Any]) -> AsyncIterator[World]:
    """One database and one worker for the tests of a module; each has a tenant of its own."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database standing template template strategy file_copy")
    database = await Database.open(server.url("standing"))
    wire = Wire()
    async with aiohttp.ClientSession() as http:
        world = World(database, sandbox, http, wire, Installed.find(), pack("distribution"))
        async with world.working():
            yield world
    await wire.close()
    await database.close()
    await owner.execute("drop database standing with (force)")
    await owner.close()


@pytest_asyncio.fixture(loop_scope="module")
async def world(ground: World) -> World:
    """A tenant with every system connected, in which nothing has happened yet."""
    await ground.begin()
    return ground
