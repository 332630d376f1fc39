"""Migrations: from empty, again, at once by many, and refused where they must be."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from crossdock.errors import Broken, Refused, Unreachable
from crossdock.store import EmbeddedServer, migrate
from crossdock.store.migrate import migrations


@pytest.fixture
async def empty(server: EmbeddedServer):
    connection = await asyncpg.connect(server.url())
    await connection.execute("create database empty_one")
    yield server.url("empty_one")
    await connection.execute("drop database empty_one with (force)")
    await connection.close()


async def test_an_empty_database_is_brought_up_once_and_a_second_time_changes_nothing(empty):
    assert await migrate(empty) == [m.number for m in migrations()]
    assert await migrate(empty) == []


async def test_many_processes_may_migrate_at_once(empty):
    done = await asyncio.gather(*(migrate(empty) for _ in range(4)))
    assert sorted(map(len, done)) == [0, 0, 0, len(migrations())]


async def test_a_connection_that_dies_meanwhile_is_told_as_that(empty):
    await migrate(empty)
    owner = await asyncpg.connect(empty)
    await owner.execute("begin; lock table crossdock.migration in access exclusive mode")
    migrating = asyncio.create_task(migrate(empty))
    looking = await asyncpg.connect(empty)
    async with asyncio.timeout(10):  # not by the owner: what a transaction sees of others stands still
        while not await looking.fetchval(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where wait_event_type = 'Lock' and datname = current_database()"
        ):
            await asyncio.sleep(0.01)
    with pytest.raises(Unreachable, match="the database does not answer"):
        await migrating
    await looking.close()
    await owner.close()


async def test_a_database_newer_than_the_code_is_refused(url):
    connection = await asyncpg.connect(url)
    await connection.execute("insert into crossdock.migration values (9999, 'from_the_future', '')")
    with pytest.raises(Refused, match="newer than this Crossdock: it has migration 9999"):
        await migrate(url)
    await connection.close()


async def test_an_applied_migration_that_reads_differently_now_is_refused(url):
    connection = await asyncpg.connect(url)
    await connection.execute("update crossdock.migration set checksum = 'x' where number = 1")
    with pytest.raises(Broken, match="migration 1 "):
        await migrate(url)
    await connection.close()


async def test_no_server_is_said_plainly(tmp_path):
    with pytest.raises(Unreachable, match="cannot be reached"):
        await migrate(f"postgresql://postgres@/postgres?host={tmp_path}")


def test_the_numbers_have_no_gap_and_no_twin():
    assert [m.number for m in migrations()] == list(range(1, len(migrations()) + 1))
