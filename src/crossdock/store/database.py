"""Connections, and the two kinds of transaction that everything else gets: of the engine, of one tenant.

    EngineTransaction   role crossdock_engine: spans tenants, so each statement joins on tenant and key
    TenantTransaction   role crossdock_app: row-level security shows the rows of one tenant, whatever is asked

They are different types, so that code which answers people cannot be handed the engine's by mistake. No state
stays behind in a session, so a transaction-pooling proxy may stand between (`prepared=False`).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, LiteralString, TypeAlias

import asyncpg

from crossdock.errors import Conflict, NotFound
from crossdock.store.migrate import APP_ROLE, ENGINE_ROLE, LOCK_TIMEOUT, role_url
from crossdock.store.reachable import GONE, reachable

CHANNEL: LiteralString = "crossdock"

_Connection: TypeAlias = (
    "asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tenant:
    """One of those who share the installation; `id` is its number in every key, `name` what people type."""

    id: int
    name: str


class _Transaction:
    __slots__ = ("_connection",)

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def fetch(self, sql: LiteralString, *values: Any) -> list[asyncpg.Record]:
        """All rows."""
        return await self._connection.fetch(sql, *values)

    async def row(self, sql: LiteralString, *values: Any) -> asyncpg.Record | None:
        """The first row, or None."""
        return await self._connection.fetchrow(sql, *values)

    async def value(self, sql: LiteralString, *values: Any) -> Any:
        """The first column of the first row, or None."""
        return await self._connection.fetchval(sql, *values)

    async def execute(self, sql: LiteralString, *values: Any) -> int:
        """Carry out; give the number of rows touched."""
        status = await self._connection.execute(sql, *values)
        last = status.rpartition(" ")[2]
        return int(last) if last.isdecimal() else 0


class EngineTransaction(_Transaction):
    """A transaction that spans tenants. For the engine alone."""

    __slots__ = ()


Last = Callable[[EngineTransaction], Awaitable[None]]
"""What is done last in the transaction of an act, with it or not at all: its entry in the audit."""


class TenantTransaction(_Transaction):
    """A transaction that sees one tenant."""

    __slots__ = ("tenant",)

    def __init__(self, connection: _Connection, tenant: Tenant) -> None:
        super().__init__(connection)
        self.tenant = tenant


class Database:
    """The pools of both roles. `open` it, `close` it."""

    def __init__(
        self, url: str, engine: asyncpg.Pool[asyncpg.Record], app: asyncpg.Pool[asyncpg.Record]
    ) -> None:
        """Take two pools that are open; see `open`."""
        self.url = url
        self.mark = secrets.token_hex(8)
        self._engine = engine
        self._app = app

    @staticmethod
    async def open(
        url: str,
        *,
        engine_url: str | None = None,
        app_url: str | None = None,
        prepared: bool = True,
        engine_connections: int = 8,
        app_connections: int = 10,
    ) -> Database:
        """Open the pools on a database that `migrate` has prepared.

        The roles' addresses are derived from the owner's `url` unless they are given. `prepared=False` does
        without named prepared statements, for proxies that do not follow them. Raises `Unreachable`.
        """

        async def pool(address: str, size: int) -> asyncpg.Pool[asyncpg.Record]:
            return await asyncpg.create_pool(
                address,
                min_size=0,
                max_size=size,
                statement_cache_size=256 if prepared else 0,
                max_cached_statement_lifetime=0,
                max_inactive_connection_lifetime=60,
                reset=_leave_as_is,
                command_timeout=90,
            )

        with reachable():
            engine = await pool(engine_url or role_url(url, ENGINE_ROLE), engine_connections)
            app = await pool(app_url or role_url(url, APP_ROLE), app_connections)
        database = Database(url, engine, app)
        try:
            async with database.engine() as transaction:
                await transaction.value("select 1")
        except BaseException:
            await database.close()
            raise
        return database

    async def close(self) -> None:
        """Close all connections; those in use are waited for, a little."""
        for pool in (self._engine, self._app):
            try:
                await asyncio.wait_for(pool.close(), 5)
            except TimeoutError:
                pool.terminate()

    @contextlib.asynccontextmanager
    async def engine(self) -> AsyncIterator[EngineTransaction]:
        """A transaction that spans tenants; committed at the end, rolled back by an exception."""
        with reachable():
            async with self._engine.acquire() as connection, connection.transaction():
                yield EngineTransaction(connection)

    @contextlib.asynccontextmanager
    async def owner(self) -> AsyncIterator[EngineTransaction]:
        """A transaction of the owner of all tables, on a connection of its own: for what no role of ours may.

        It waits for locks of others for some seconds, not longer.
        """
        with reachable():
            connection = await asyncpg.connect(self.url, statement_cache_size=0)
            try:
                async with connection.transaction():
                    await connection.execute(f"set local lock_timeout = '{LOCK_TIMEOUT}'")
                    yield EngineTransaction(connection)
            finally:
                await connection.close()

    async def at_once(self, sql: LiteralString, *values: Any) -> list[asyncpg.Record]:
        """One statement of the engine that is a transaction by itself: one way there and back. All rows."""
        with reachable():
            async with self._engine.acquire() as connection:
                return await connection.fetch(sql, *values)

    @contextlib.asynccontextmanager
    async def of(self, tenant: Tenant) -> AsyncIterator[TenantTransaction]:
        """A transaction that sees the rows of `tenant` and no others."""
        with reachable():
            async with self._app.acquire() as connection, connection.transaction():
                await connection.fetchval("select set_config('crossdock.tenant', $1, true)", str(tenant.id))
                yield TenantTransaction(connection, tenant)

    async def tenant(self, name: str) -> Tenant:
        """The tenant of that name. Raises `NotFound`."""
        async with self.engine() as transaction:
            found = await transaction.value("select tenant from crossdock.tenant where name = $1", name)
        if found is None:
            raise NotFound(f"there is no tenant {name}", mend="see the tenants, or create it")
        return Tenant(id=found, name=name)

    async def tenants(self) -> list[Tenant]:
        """All tenants, by number."""
        async with self.engine() as transaction:
            rows = await transaction.fetch("select tenant, name from crossdock.tenant order by tenant")
        return [Tenant(id=row["tenant"], name=row["name"]) for row in rows]

    async def create_tenant(self, name: str, *, title: str = "") -> Tenant:
        """A new tenant. Raises `Conflict` when the name is taken."""
        async with self.engine() as transaction:
            found = await transaction.value(
                "insert into crossdock.tenant (name, title) values ($1, $2) "
                "on conflict do nothing returning tenant",
                name,
                title,
            )
        if found is None:
            raise Conflict(f"there is a tenant {name} already", mend="choose another name")
        return Tenant(id=found, name=name)

    @contextlib.asynccontextmanager
    async def hints(self, hear: Callable[[str], None]) -> AsyncIterator[None]:
        """While inside, call `hear` with what others notify. Only hints: they may be lost or never come.

        Who notifies with `mark` is not heard here: what it has to say was said in this process.
        """

        def heard(_connection: Any, _pid: int, _channel: str, payload: Any) -> None:
            if payload != self.mark:
                hear(str(payload))

        connection: _Connection | None = None
        with contextlib.suppress(*GONE, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await self._engine.acquire()
            await connection.add_listener(CHANNEL, heard)
        try:
            yield
        finally:
            if connection is not None:
                with contextlib.suppress(*GONE, asyncpg.PostgresError, asyncpg.InterfaceError):
                    await connection.remove_listener(CHANNEL, heard)
                await self._engine.release(connection)  # type: ignore[arg-type] # what acquire gave


async def _leave_as_is(_connection: Any) -> None:
    """Our transactions leave nothing behind in a session, so there is nothing to reset."""
