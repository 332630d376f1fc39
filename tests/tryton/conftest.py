"""One Tryton for all tests here: they run in one process, on one loop."""

from collections.abc import AsyncIterator

import asyncpg
import pytest_asyncio
from tryton_world import World

from crossdock.connect import Registry, Wire
from crossdock.demo.tryton import Company, House, running
from crossdock.store import Database, EmbeddedServer


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def house() -> AsyncIterator[House]:
    """A Tryton with a company; the first time it is installed, which takes two minutes."""
    async with running() as house:
        yield house


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def connected(server: EmbeddedServer, house: House) -> AsyncIterator[World]:
    """One database and one client for all tests."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database tryton template template strategy file_copy")
    database = await Database.open(server.url("tryton"))
    wire = Wire()
    admin = await house.admin()
    yield World(house, admin, Company(admin), database, Registry.discover(), wire)
    await wire.close()
    await database.close()
    await owner.execute("drop database tryton with (force)")
    await owner.close()


@pytest_asyncio.fixture(loop_scope="session")
async def world(connected: World) -> World:
    """A tenant of the test's own, connected, nobody signed in."""
    await connected.begin()
    return connected
