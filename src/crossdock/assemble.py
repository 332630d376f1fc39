"""Settings become a running system: the only place that knows everything.

opened     the database (embedded, or a server's), migrated; what is installed; the tenant; what it reads
System     all of that; `worker()` and `pages()` are what a process may run besides
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount

from crossdock.connect import Calls, FileKeeper, Lines, Wire
from crossdock.engine import Connections, History, Inbox, Library, Pace, Repairs, Worker
from crossdock.errors import NotFound, Refused
from crossdock.gateway import Poller, webhooks
from crossdock.installed import Installed, pack, read_text, texts_in
from crossdock.process import Process
from crossdock.process.problems import NotAProcess, Problem
from crossdock.settings import Settings
from crossdock.store import Clock, Database, EmbeddedServer, Tenant, migrate
from crossdock.tower import EVERY_ROLE, Person, app


@dataclass(slots=True, kw_only=True)
class System:
    """An open installation, for one tenant at a time."""

    settings: Settings
    database: Database
    clock: Clock
    installed: Installed
    library: Library
    inbox: Inbox
    history: History
    repairs: Repairs
    connections: Connections
    tenant: Tenant
    keeper: FileKeeper
    lines: Lines

    @contextlib.asynccontextmanager
    async def worker(self, pace: Pace | None = None) -> AsyncIterator[Worker]:
        """A worker and a reader of feeds that run meanwhile; they take hints from this process's inbox."""
        wire = Wire()
        calls = Calls(self.lines, wire)
        worker = Worker(self.database, self.library, calls, pace or Pace(lease=self.settings.lease))
        poller = Poller(self.database, self.inbox, self.lines, calls, self.installed.connectors)
        self.inbox.hear = worker.hear
        running = asyncio.create_task(worker.run())
        reading = asyncio.create_task(poller.run())
        try:
            yield worker
        finally:
            self.inbox.hear = None
            reading.cancel()
            worker.stop()
            await asyncio.gather(running, reading, return_exceptions=True)
            await wire.close()

    def site(self) -> Starlette:
        """Pages and webhooks, to be served."""
        hooks = webhooks(self.database, self.inbox, self.lines)
        person = Person(id=self.settings.person, name=self.settings.person, roles=frozenset({EVERY_ROLE}))

        async def who(_request: Request) -> Person:
            return person

        tower = app(
            database=self.database,
            tenant=self.tenant,
            inbox=self.inbox,
            repairs=self.repairs,
            read=self.installed.reopen,
            who=who,
            zone=self.settings.zone,
            title=self.tenant.name,
        )

        @contextlib.asynccontextmanager
        async def lifespan(_site: Starlette) -> AsyncIterator[None]:
            yield
            await tower.state.stream.close()

        return Starlette(routes=[Mount("/hooks", hooks), Mount("/", tower)], lifespan=lifespan)

    async def publish(self, texts: Mapping[str, str], *, by: str = "") -> list[Process]:
        """Publish processes that may run each other. Raises `NotAProcess` for the first that may not be."""
        self.installed.learn(texts)
        found: list[Problem] = []
        for file, text in texts.items():
            process, problems = self.installed.check(text, file)
            if process is None:
                found += [problem for problem in problems if problem.severity == "error"]
        if found:
            raise NotAProcess(found)
        return [(await self.library.publish(self.tenant, text, by=by))[0] for text in texts.values()]

    async def connect(self, connections: Mapping[str, Any], *, where: str = "") -> None:
        """Set connections as `connections.yaml` describes them: connector, settings, secrets, limits."""
        for name, given in connections.items():
            place = f"{where}: {name}" if where else name
            if not isinstance(given, Mapping):
                raise Refused(
                    "a connection has fields", where=place, mend="write `connector:` and `settings:`"
                )
            unknown = set(given) - {"connector", "system", "settings", "secrets", "concurrency", "rate"}
            if unknown:
                mend = "a connection has connector, system, settings, secrets, concurrency, rate"
                raise Refused(f"unknown field `{min(unknown)}`", where=place, mend=mend)
            connector = self.installed.connectors.connector(str(given.get("connector", "")))
            await self.connections.put(
                self.tenant,
                name,
                system=str(given.get("system") or connector.serves[0]),
                connector=connector.name,
                settings=given.get("settings") or {},
                concurrency=given.get("concurrency", connector.limits.concurrency),
                rate=given.get("rate", connector.limits.rate),
            )
            secrets = {key: str(value) for key, value in (given.get("secrets") or {}).items()}
            if secrets:
                self.keeper.put(self.tenant.id, name, secrets)


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, set_up: bool = False, durable: bool = True) -> AsyncIterator[System]:
    """Open an installation. `set_up` also makes the tenant, publishes processes and sets connections.

    Not `durable`: commits do not wait for the disk, for what is thrown away in the end.

    Raises `Refused` where the directory or a file cannot be used, `Unreachable` where no server is.
    """
    server = None if settings.database_url else await asyncio.to_thread(EmbeddedServer.open, settings.data)
    try:
        url = settings.database_url or (server.url() if server else "")
        if not durable:
            url += f"{'&' if '?' in url else '?'}synchronous_commit=off"
        await migrate(url)
        database = await Database.open(url, prepared=settings.prepared_statements)
        try:
            system = await _system(settings, database, set_up=set_up)
            yield system
        finally:
            await database.close()
    finally:
        if server is not None:
            await asyncio.to_thread(server.close)


async def _system(settings: Settings, database: Database, *, set_up: bool) -> System:
    installed = Installed.find(settings.connectors)
    library = Library(database, installed.reopen)
    keeper = FileKeeper(settings.data / "secrets.json")
    system = System(
        settings=settings,
        database=database,
        clock=Clock(database),
        installed=installed,
        library=library,
        inbox=Inbox(database, library),
        history=History(database),
        repairs=Repairs(database, library),
        connections=Connections(database),
        tenant=await _tenant(database, settings.tenant, make=set_up),
        keeper=keeper,
        lines=Lines(database, installed.connectors, keeper),
    )
    texts: dict[str, str] = {}
    for name in settings.packs:
        texts |= pack(name)
    texts |= texts_in(settings.processes)
    if set_up:
        await system.publish(texts)
    else:
        installed.learn(texts)
    if settings.connections.exists():
        await system.connect(_yaml(settings.connections), where=str(settings.connections))
    return system


async def _tenant(database: Database, name: str, *, make: bool) -> Tenant:
    try:
        return await database.tenant(name)
    except NotFound:
        if not make:
            raise NotFound(f"there is no tenant {name}", mend="run `crossdock serve` once") from None
        return await database.create_tenant(name)


def _yaml(path: Path) -> Mapping[str, Any]:
    try:
        value = yaml.safe_load(read_text(path))
    except yaml.YAMLError as error:
        raise Refused(f"this is not YAML: {error}", where=str(path), mend="mend the line it names") from None
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise Refused(
            "connections are named fields", where=str(path), mend="write `name:` and below it `connector:`"
        )
    return value
