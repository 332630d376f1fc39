"""A real PostgreSQL for all tests: one embedded server a session, one fresh database a test."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
from structlog.dev import ConsoleRenderer, plain_traceback

from crossdock.store import Database, EmbeddedServer, Tenant, migrate

_numbers = itertools.count(1)

# What tests write need not survive the machine, and a fresh database for each is a few hundred files: in memory
# that takes 30 ms, on a busy disk up to a second. Programs that tests start inherit it.
_MEMORY = Path("/dev/shm")
_ROOM = 4 * 2**30  # bytes
if "TMPDIR" not in os.environ and _MEMORY.is_dir() and shutil.disk_usage(_MEMORY).free > _ROOM:
    os.environ["TMPDIR"] = str(_MEMORY)
    tempfile.tempdir = None  # read again

# What is compiled is kept, even where that is not usual: a program that a test starts need not compile all anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# As an installation logs them; tracebacks with all that is in them, in colours, take seconds each.
ConsoleRenderer.get_active().exception_formatter = plain_traceback


def pytest_collection_finish() -> None:
    """What has been imported by now stays to the end: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def server() -> Iterator[EmbeddedServer]:
    """The embedded server, with a database `template` that is migrated and empty."""
    with tempfile.TemporaryDirectory(prefix="cd-", ignore_cleanup_errors=True) as directory:
        server = EmbeddedServer.open(Path(directory))
        asyncio.run(_make_template(server))
        yield server
        server.close()


async def _make_template(server: EmbeddedServer) -> None:
    connection = await asyncpg.connect(server.url())
    await connection.execute("create database template")
    await connection.close()
    await migrate(server.url("template"))
    connection = await asyncpg.connect(server.url())
    # What is written in tests need not survive the machine; the server's own setting stays durable.
    await connection.execute("alter system set synchronous_commit = off")
    await connection.execute("select pg_reload_conf()")
    for role in ("crossdock_app", "crossdock_engine"):
        for name, value in await _settings_of(connection, role):
            await connection.execute(f"alter role {role} set {name} = '{value}'")
    await connection.close()


async def _settings_of(connection: asyncpg.Connection, role: str) -> list[tuple[str, str]]:
    """Settings of a role in `template`: they do not travel with a copy of the database."""
    found = await connection.fetchval(
        "select setconfig from pg_db_role_setting s join pg_roles r on r.oid = s.setrole "
        "join pg_database d on d.oid = s.setdatabase where r.rolname = $1 and d.datname = 'template'",
        role,
    )
    return [tuple(setting.split("=", 1)) for setting in found or []]


@pytest.fixture
async def url(server: EmbeddedServer) -> AsyncIterator[str]:
    """The owner's address of a fresh database, migrated and empty."""
    name = f"test{next(_numbers)}"
    connection = await asyncpg.connect(server.url())
    await connection.execute(f"create database {name} template template strategy file_copy")
    yield server.url(name)
    await connection.execute(f"drop database {name} with (force)")
    await connection.close()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    """A fresh database, open."""
    database = await Database.open(url)
    yield database
    await database.close()


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    """A tenant in it."""
    return await database.create_tenant("acme", title="Acme Goods")
