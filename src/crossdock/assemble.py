"""Settings become a running system: the only place that knows everything.

opened     the database (embedded, or a server's), migrated; what is installed; the tenant; what it reads
System     all of that; `worker()`, and `crossdock.site`, are what a process may run besides
"""

from __future__ import annotations

import asyncio
import contextlib
import platform
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import structlog
import yaml

from crossdock.access import Policies, Principal, Resource
from crossdock.access.audit import Audit
from crossdock.access.audit_signer import Signer
from crossdock.access.headers import is_loopback
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.outbound import Outbound, networks_of, places_of
from crossdock.access.redaction import Redaction
from crossdock.access.sealing import Sealing
from crossdock.access.secrets import ConnectionSecrets
from crossdock.access.sessions import Sessions
from crossdock.access.subjects import Subjects
from crossdock.access.tenants import OPERATOR, Tenants
from crossdock.access.who import EVERY_ROLE
from crossdock.api import Ground, Imports, NameBook
from crossdock.api.graphql.measure import Bounds
from crossdock.api.graphql.persisted import Persisted
from crossdock.api.throttle import Throttle
from crossdock.api.throttle_redis import InRedis
from crossdock.api.throttle_rules import Limit, Rules, limits_by_kind
from crossdock.api.throttle_store import Shared
from crossdock.connect import Calls, Lines, SealedKeeper, Watch, Wire
from crossdock.desk import Acts
from crossdock.engine import Connections, History, Inbox, Library, Pace, Repairs, Worker
from crossdock.engine.personal import Personal, SealedCalls
from crossdock.errors import Conflict, CrossdockError, NotFound, Refused, Unreachable
from crossdock.gateway import Imported, MasterReader, Poller, Quarantine, Reconciler, Tracker
from crossdock.installed import Installed, pack, read_text, texts_in
from crossdock.process.problems import Problem
from crossdock.settings import Settings, user
from crossdock.store import Clock, Database, EmbeddedServer, EngineTransaction, Last, Tenant, migrate

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 5.0  # between looks whether the embedded database runs


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
    audit: Audit
    identity: Identity
    policies: Policies
    acts: Acts
    throttle: Throttle
    names: NameBook
    imports: Imports
    sealing: Sealing
    secrets: ConnectionSecrets
    keeper: SealedKeeper
    lines: Lines
    personal: Personal
    outbound: Outbound
    locked: CrossdockError | None = None  # why secrets do not open

    async def unlock(self) -> None:
        """See that secrets open, and take them over from the file that held them once.

        Raises `Refused` where the master key is missing or another one, `Unreachable` where Vault is away.
        """
        await self.sealing.begin(self.tenant.id)
        await self.secrets.take_over(self.settings.data / "secrets.json", by=self.itself("secrets.json"))
        self.locked = None

    def itself(self, origin: str) -> Principal:
        """The installation, where it does something by itself."""
        return Principal(tenant=self.tenant.id, id="crossdock", kind="system", origin=origin)

    def whoever(self, origin: str) -> Principal:
        """Whoever sits at the machine: they have the database, so they may what its tenant may."""
        return Principal(
            tenant=self.tenant.id,
            id=self.settings.person or user(),
            kind="human",
            name=self.settings.person or user(),
            roles=frozenset({"operator-admin", "tenant-admin", EVERY_ROLE}),
            origin=origin,
        )

    async def operator(self, origin: str) -> Principal:
        """The same, for all tenants: of the operator, whose tenant is made when it is first needed."""
        try:
            operator = await self.database.tenant(OPERATOR)
        except NotFound:
            operator = await self.database.create_tenant(OPERATOR, title="Those who run this installation")
            self.policies.fresh(operator.id)
        return replace(self.whoever(origin), tenant=operator.id, roles=frozenset({"operator-admin"}))

    @contextlib.asynccontextmanager
    async def worker(self, pace: Pace | None = None) -> AsyncIterator[Worker]:
        """A worker and a reader of feeds that run meanwhile; they take hints from this process's inbox.

        Raises as `unlock` does.
        """
        if self.locked is not None:
            await self.unlock()
        watch = Watch(self.database)
        wire = Wire(watch, outbound=self.outbound)
        calls = Calls(self.lines, wire)
        sealed = SealedCalls(calls, self.personal)
        worker = Worker(self.database, self.library, sealed, pace or Pace(lease=self.settings.lease))
        poller = Poller(self.database, self.inbox, self.lines, calls, self.installed.connectors)
        tracker = Tracker(self.database, self.inbox, self.lines, calls, self.installed.connectors)
        reconciler = Reconciler(self.database, self.inbox, self.lines, calls, self.installed.connectors)
        masters = MasterReader(self.database, self.inbox, self.lines, calls, noted=self._fetched)
        self.inbox.hear, self.inbox.comes = worker.hear, worker.comes
        await self._note("system.started")
        running = asyncio.create_task(worker.run())
        reading = asyncio.create_task(poller.run())
        following = asyncio.create_task(tracker.run())
        comparing = asyncio.create_task(reconciler.run())
        fetching = asyncio.create_task(masters.run())
        sending = asyncio.create_task(self.imports.run())
        watching = asyncio.create_task(watch.run())
        try:
            yield worker
        finally:
            self.inbox.hear = self.inbox.comes = None
            reading.cancel()
            following.cancel()
            comparing.cancel()
            fetching.cancel()
            sending.cancel()
            worker.stop()
            await asyncio.gather(
                running, reading, following, comparing, fetching, sending, return_exceptions=True
            )
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await wire.close()
            with contextlib.suppress(Unreachable):
                await self._note("system.stopped")

    async def _note(self, action: str) -> None:
        """What the installation does by itself, for the audit."""
        async with self.database.of(self.tenant) as transaction:
            by = self.itself(platform.node())
            await self.audit.record(transaction, by, action, Resource(kind="worker"))

    def _fetched(self, tenant: Tenant, connection: str, imported: Imported) -> Last | None:
        """Master data that was set by itself, for the audit."""
        told = imported.told()
        by = replace(self.itself(platform.node()), tenant=tenant.id)
        resource = Resource(kind="code", id=connection, attributes={"connection": connection})

        async def last(transaction: EngineTransaction) -> None:
            await self.audit.record(transaction, by, "code.change", resource, after=told, tenant=tenant.id)

        return last if told["count"] else None

    def api(self, *, address: str = "") -> Ground:
        """What the API stands on. `address` is where its links lead; empty is where one asks."""
        return Ground(
            database=self.database,
            names=self.names,
            identity=self.identity,
            throttle=self.throttle,
            policies=self.policies,
            acts=self.acts,
            connections=self.connections,
            imports=self.imports,
            tenants=Tenants(self.database, self.audit),
            audit=self.audit,
            persisted=Persisted(self.database, self.audit, only=self.settings.graphql_persisted_only),
            query_bounds=Bounds(
                cost=self.settings.graphql_cost,
                depth=self.settings.graphql_depth,
                introspection=self.settings.graphql_introspection,
            ),
            read=self.installed.reopen,
            check=lambda text, others: self.installed.beside(*others).check(text),
            address=address or self.settings.address,
        )

    async def is_open(self) -> bool:
        """Whether whoever sits here need not sign in: nobody has an account, and nobody else gets here."""
        if self.settings.sign_in != "auto" or not is_loopback(self.settings.host):
            return self.settings.sign_in == "off"
        return not await self.identity.people.any(self.tenant)

    async def first_link(self, url: str) -> str | None:
        """The link that makes the first account, where one is needed; `url` is where it is served."""
        if await self.is_open():
            return None
        link = await self.identity.people.first(self.tenant)
        return None if link is None else (self.settings.address or url) + link.path

    def texts(self) -> dict[str, str]:
        """The processes of this installation: of its packs, and its own, which come after them."""
        found: dict[str, str] = {}
        for name in self.settings.packs:
            found |= pack(name)
        return found | texts_in(self.settings.processes)

    def problems(self, texts: Mapping[str, str]) -> list[Problem]:
        """Why processes that may run each other may not be published; warnings are none of that."""
        return self.installed.problems(texts)

    async def connect_those_named(self) -> None:
        """Set the connections that the installation's file names, where there is one. Raises `Refused`."""
        await self.unlock()
        path = self.settings.connections
        await self.acts.connections.put(self.whoever(path.name), _yaml(path), where=str(path))

    async def connectors_by_connection(self) -> dict[str, str]:
        """The connector of each connection: of those that are set, and of those that the file names."""
        named = _yaml(self.settings.connections)
        found = {
            str(name): str(given["connector"])
            for name, given in named.items()
            if isinstance(given, Mapping) and "connector" in given
        }
        return found | {one.name: one.connector for one in await self.connections.of(self.tenant)}

    async def wanted(self) -> list[tuple[dict[str, Any], dict[str, list[str]]]]:
        """What the installation's file would set. Raises `Refused` for what will not do."""
        path = self.settings.connections
        return await self.acts.connections.checked(self.tenant, _yaml(path), where=str(path))


@contextlib.asynccontextmanager
async def opened(settings: Settings, *, set_up: bool = False, durable: bool = True) -> AsyncIterator[System]:
    """Open an installation. `set_up` also makes the tenant, publishes processes and sets connections.

    Not `durable`: commits do not wait for the disk, for what is thrown away in the end.

    Raises `Refused` where the directory or a file cannot be used, `Unreachable` where no server is.
    """
    if not (set_up or settings.database_url or (settings.data / "postgres").exists()):
        raise NotFound(
            "there is no installation here",
            where=str(settings.data),
            mend="run `crossdock serve` once, or name the directory of one: --dir DIR",
        )
    server = None if settings.database_url else await asyncio.to_thread(EmbeddedServer.open, settings.data)
    try:
        url = settings.database_url or (server.url() if server else "")
        if not durable:
            url += f"{'&' if '?' in url else '?'}synchronous_commit=off"
        await migrate(url)
        database = await Database.open(url, prepared=settings.prepared_statements)
        looking = asyncio.create_task(_look_after(server))
        try:
            redaction = _redaction(settings)
            with redaction.over_logs():
                system = await _system(settings, database, redaction, set_up=set_up)
                async with system.audit.kept():
                    try:
                        yield system
                    finally:
                        await system.throttle.close()
                        await system.identity.settle()
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            await database.close()
    finally:
        if server is not None:
            await asyncio.to_thread(server.close)


async def _look_after(server: EmbeddedServer | None) -> None:
    """Start the embedded server again when it has ended, whatever ended it."""
    while server is not None:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            if await asyncio.to_thread(server.revive):
                log.warning("database.started_again", where=str(server.directory))
        except CrossdockError as error:
            log.warning("database.does_not_start", error=error.message, where=error.where)


def _redaction(settings: Settings) -> Redaction:
    """Knows what the settings hold that nobody may read in a log."""
    password = urlsplit(settings.database_url).password if settings.database_url else None
    texts = [unquote(password or ""), password or "", settings.vault_token, settings.audit_key]
    texts.append(unquote(urlsplit(settings.throttle_url).password or ""))
    texts += settings.master_key.replace(",", " ").split()
    return Redaction(text for text in texts if text)


async def _system(settings: Settings, database: Database, redaction: Redaction, *, set_up: bool) -> System:
    installed = Installed.find(settings.connectors)
    outbound = _outbound(settings, database)
    library = Library(database, installed.reopen)
    sealing = Sealing(
        database,
        Masters(
            settings.data / "keys" / "master.key",
            given=settings.master_key,
            given_file=settings.master_key_file,
            vault_token=settings.vault_token,
            vault_token_file=settings.vault_token_file,
        ),
    )
    audit = Audit(database, Signer(settings.data / "audit", key=settings.audit_key))
    secrets = ConnectionSecrets(database, sealing, audit, redaction)
    keeper = SealedKeeper(secrets)
    policies = Policies(database, audit)
    subjects = Subjects(database, sealing, audit)
    personal = Personal(database, library, subjects)
    inbox = Inbox(database, library, personal=personal)
    repairs, connections = Repairs(database, library), Connections(database)
    lines = Lines(database, installed.connectors, keeper)
    quarantine = Quarantine(database, inbox, lines)
    identity = Identity(
        database,
        audit,
        sealing,
        sessions=Sessions(
            database,
            idle=timedelta(hours=settings.session_idle),
            longest=timedelta(hours=settings.session_longest),
        ),
        plain=is_loopback(settings.host),
        outbound=outbound,
    )
    names = NameBook(database)
    acts = Acts(
        database=database,
        policies=policies,
        audit=audit,
        inbox=inbox,
        library=library,
        repairs=repairs,
        connections=connections,
        quarantine=quarantine,
        registry=installed.connectors,
        secrets=secrets,
        lines=lines,
        sealing=sealing,
        identity=identity,
        subjects=subjects,
        outbound=outbound,
        read=installed.reopen,
        problems=installed.problems,
    )
    system = System(
        settings=settings,
        database=database,
        clock=Clock(database),
        installed=installed,
        library=library,
        inbox=inbox,
        history=History(database),
        repairs=repairs,
        connections=connections,
        tenant=await _tenant(database, settings.tenant, make=set_up),
        audit=audit,
        identity=identity,
        policies=policies,
        acts=acts,
        throttle=_throttle(settings, database),
        names=names,
        imports=Imports(database, names, acts, identity, audit),
        sealing=sealing,
        secrets=secrets,
        keeper=keeper,
        lines=lines,
        personal=personal,
        outbound=outbound,
    )
    if set_up:
        await system.unlock()
        await system.acts.processes.publish(system.whoever("serve"), system.texts())
        if mappings := texts_in(settings.mappings):
            await system.acts.mappings.publish(system.whoever("serve"), mappings)
        await system.connect_those_named()
    else:
        try:
            await sealing.look()
        except CrossdockError as error:  # much can be done without them; a worker cannot
            system.locked = error
            log.warning("secrets.locked", error=error.message, where=error.where, mend=error.mend)
    return system


def _outbound(settings: Settings, database: Database) -> Outbound:
    """Which addresses may be called. Raises `Refused` for a network that is none."""
    own = [(settings.host, settings.port)]
    own += places_of(settings.database_url, 5432) + places_of(settings.throttle_url, 6379)
    return Outbound(
        private=settings.outbound_private,
        networks=networks_of(settings.outbound_networks, where="outbound_networks"),
        own=own,
        database=database,
    )


def _throttle(settings: Settings, database: Database) -> Throttle:
    """Counts requests in the database, or in Redis. Raises `Refused` for a limit that is none."""
    address = settings.throttle_address
    rules = Rules(
        key=limits_by_kind(settings.throttle_key, where="throttle_key"),
        tenant=limits_by_kind(settings.throttle_tenant, where="throttle_tenant"),
        address=Limit.read(address, where="throttle_address") if address else None,
        database=database,
    )
    return Throttle(InRedis(settings.throttle_url) if settings.throttle_url else Shared(database), rules)


async def _tenant(database: Database, name: str, *, make: bool) -> Tenant:
    try:
        return await database.tenant(name)
    except NotFound:
        if not make:
            raise NotFound(f"there is no tenant {name}", mend="run `crossdock serve` once") from None
        with contextlib.suppress(Conflict):  # another process that starts now was first
            return await database.create_tenant(name)
        return await database.tenant(name)


def _yaml(path: Path) -> Mapping[str, Any]:
    if not path.exists():
        return {}
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
