"""What the API takes where a million runs are: over real HTTP, one request after the other, from one client.

Real rows in all tables (`_waiting`), vacuumed and analysed; server and client are in this process, so both
their times are in it. Each address is asked for another run or page each time.

read_run_p99_ms  one run by its id
list_p99_ms      a page of 50 runs, filtered by process and status, from the first 40 pages
search_p99_ms    a run by one of its numbers
guard_ms         what a read of a run costs more than the same without Cedar, without row-level security and
                 without throttling: the difference of the medians, in turns; `bare` is the median without
audit_ratio      what the audit costs the engine: the CPU of carrying orders and of signing their history,
                 over that of carrying them alone, of engine and database together. Orders come in parts,
                 about as many as half a second brings, and each is signed when it has ended, so that what
                 signing takes is seen by itself. An installation signs its history twice a minute: in larger
                 parts, for less. `clock` is the same of the time that passes, with all waiting for the disk,
                 as if nothing else could be done meanwhile
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from benchmarks import Figure
from benchmarks._ground import Ground as Bench
from benchmarks._ground import Station, ground, read, say, scaled
from benchmarks._load import Taken, closed
from benchmarks._waiting import number_of, settle, wait_in
from crossdock.access import Policies, Principal
from crossdock.access.audit import Audit
from crossdock.access.audit_signer import Signer
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.redaction import Redaction
from crossdock.access.sealing import Sealing
from crossdock.access.secrets import ConnectionSecrets
from crossdock.access.tenants import Tenants
from crossdock.api import Ground, Imports, NameBook, app
from crossdock.api.graphql import Persisted
from crossdock.api.graphql.measure import Bounds
from crossdock.api.throttle import Alone, Throttle
from crossdock.api.throttle_rules import Limit, Rules
from crossdock.api.throttle_store import Shared
from crossdock.connect import Lines, Registry, SealedKeeper
from crossdock.desk import Acts
from crossdock.engine import Connections, Repairs
from crossdock.gateway import Quarantine
from crossdock.store import Database, Tenant, TenantTransaction

RUNS = 1_000_000
ASKED = 2_000
AUDITED = 300  # orders in each part ...
PARTS = 60  # ... that is carried and signed ...
WARM_PARTS = 3  # ... after some that do not count
AT_ONCE = 64
SEED = 7


class Unguarded(Policies):
    """Decides nothing: all is allowed."""

    async def require(self, *_: Any) -> None:
        """Allow."""


class Open:
    """A database in which a tenant is named and row-level security holds nobody back."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    @contextlib.asynccontextmanager
    async def of(self, tenant: Tenant) -> AsyncIterator[TenantTransaction]:
        """The engine's role, which spans tenants."""
        async with self._database.engine() as transaction:
            await transaction.value("select set_config('crossdock.tenant', $1, true)", str(tenant.id))
            yield TenantTransaction(transaction._connection, tenant)  # noqa: SLF001 - what no code of ours may


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Let them wait, ask, ask without what guards."""
    runs, asked = scaled(RUNS, scale, 50), scaled(ASKED, min(1.0, scale * 10), 20)
    chance = random.Random(SEED)
    async with ground(scale) as here, here.station() as station:
        await station.add_tenant("bench")
        audit = await audited(here, station, AUDITED, scaled(PARTS, min(1.0, scale * 10)))
        say(f"api: {runs:,} runs are let wait")
        await wait_in(station, runs)
        await settle(station)
        async with served(station, guarded=True) as ask, served(station, guarded=False) as bare:
            names = await some_runs(station, asked)
            for one_of in (ask, bare):  # connections, statements, names
                await closed(names[:50], 1, lambda name, one_of=one_of: one_of(f"/runs/{name}"))
            one = await closed(names, 1, lambda name: ask(f"/runs/{name}"))
            say(f"api: a run {one}")
            cursors = await some_cursors(ask, 40)
            pages = [chance.choice(cursors) for _ in range(asked)]
            page = await closed(
                pages, 1, lambda at: ask(f"/runs?process=delivery&status=active&limit=50{at}")
            )
            say(f"api: a page {page}")
            numbers = [number_of(chance.randrange(runs)) for _ in range(asked)]
            search = await closed(numbers, 1, lambda number: ask(f"/runs?q={number}"))
            say(f"api: a search {search}")
            with_, without = [], []
            for n in range(0, len(names), 50):
                some = names[n : n + 50]
                with_.append(median(await closed(some, 1, lambda name: ask(f"/runs/{name}"))))
                without.append(median(await closed(some, 1, lambda name: bare(f"/runs/{name}"))))
    yield Figure(
        figure="read_run_p99_ms", unit="ms", ours=one.ms(0.99), peers={"p50": one.ms(0.5)}, goal="< 30"
    )
    yield Figure(
        figure="list_p99_ms", unit="ms", ours=page.ms(0.99), peers={"p50": page.ms(0.5)}, goal="< 100"
    )
    yield Figure(
        figure="search_p99_ms", unit="ms", ours=search.ms(0.99), peers={"p50": search.ms(0.5)}, goal="< 100"
    )
    more = statistics.median(a - b for a, b in zip(with_, without, strict=True))
    yield Figure(
        figure="guard_ms", unit="ms", ours=more, peers={"bare": statistics.median(without)}, goal="< 1"
    )
    yield audit


async def audited(here: Bench, station: Station, orders: int, parts: int) -> Figure:
    """What signing their history adds to so many parts of so many orders."""
    tenant = await station.add_tenant("audited")
    numbers = itertools.count()
    carried, signed = Cost(), Cost()
    with tempfile.TemporaryDirectory() as directory:
        audit = Audit(station.database, Signer(Path(directory)))
        async with station.working():
            for n in range(parts + WARM_PARTS):
                if n == WARM_PARTS:
                    carried, signed = Cost(), Cost()
                names = [f"A{next(numbers):08d}" for _ in range(orders)]
                with carried.of(here):
                    await closed(names, AT_ONCE, lambda name: station.deliver(name, tenant))
                with signed.of(here):
                    await audit.seal_all(tenant.id)
        report = await audit.verify(tenant)
    if not report.good or report.unsigned_rows:  # what it costs is for what it shows
        raise RuntimeError(f"the audit is not what was recorded: {report}")
    say(f"api: {orders * parts:,} orders: {carried}; to sign their history: {signed}")
    return Figure(
        figure="audit_ratio",
        unit="x",
        ours=1 + signed.cpu / carried.cpu,
        peers={"clock": 1 + signed.clock / carried.clock},
        goal="<= 1.05",
    )


@dataclass(slots=True)
class Cost:
    """Seconds of CPU, of this process and the server, and of the clock."""

    cpu: float = 0.0
    clock: float = 0.0

    @contextlib.contextmanager
    def of(self, here: Bench) -> Iterator[None]:
        """Add what is done inside, and not what it takes to ask for it."""
        server, began, own = here.cpu(), time.perf_counter(), time.process_time()
        yield
        own, clock = time.process_time() - own, time.perf_counter() - began
        self.cpu += own + here.cpu() - server
        self.clock += clock


def median(taken: Taken) -> float:
    return taken.ms(0.5)


async def some_runs(station: Station, asked: int) -> list[str]:
    """Names of runs from all over the table."""
    book = await NameBook(station.database).of(station.tenant)
    rows = await station.sql(
        "select id from crossdock.run where tenant = $1 order by random() limit $2", station.tenant.id, asked
    )
    names = [book.name("run", row["id"]) for row in rows]
    return [names[n % len(names)] for n in range(asked)]


async def some_cursors(ask: Any, most: int) -> list[str]:
    """Places in the list: its beginning, and some pages on."""
    found = [""]
    while len(found) < most:
        page = await ask(f"/runs?process=delivery&status=active&limit=200{found[-1]}")
        if "next" not in page:
            break
        found.append(f"&cursor={page['next']}")
    return found


@contextlib.asynccontextmanager
async def served(station: Station, *, guarded: bool) -> AsyncIterator[Any]:
    """The API of that installation over HTTP; gives what asks it."""
    database: Any = station.database if guarded else Open(station.database)
    audit = Audit(database)
    policies = (Policies if guarded else Unguarded)(database, audit)
    limit = Limit(amount=10_000_000, seconds=60)
    rules = Rules(
        key={"read": limit, "search": limit}, tenant={"read": limit, "search": limit}, database=database
    )
    throttle = Throttle(Shared(database), rules) if guarded else Throttle(Alone(), Rules(key={}, tenant={}))
    names, connections = NameBook(database), Connections(database)
    with tempfile.TemporaryDirectory() as keys:
        masters = Masters(Path(keys) / "master.key")
        masters.make()
        sealing = Sealing(database, masters)
        identity = Identity(database, audit, sealing)
        secrets = ConnectionSecrets(database, sealing, audit, Redaction())
        lines = Lines(database, Registry.of([]), SealedKeeper(secrets))
        repairs = Repairs(database, station.library)
        acts = Acts(
            database=database,
            policies=policies,
            audit=audit,
            inbox=station.inbox,
            library=station.library,
            repairs=repairs,
            connections=connections,
            quarantine=Quarantine(database, station.inbox, lines),
            registry=Registry.of([]),
            secrets=secrets,
            lines=lines,
            sealing=sealing,
            identity=identity,
            read=read,
            problems=lambda _texts, _others: [],
        )
        site = app(
            Ground(
                database=database,
                names=names,
                identity=identity,
                throttle=throttle,
                policies=policies,
                acts=acts,
                connections=connections,
                imports=Imports(database, names, acts, identity, audit),
                tenants=Tenants(database, audit),
                audit=audit,
                persisted=Persisted(database, audit),
                query_bounds=Bounds(),
                read=read,
                check=lambda _text, _others: (None, []),
            )
        )
        by = Principal(tenant=station.tenant.id, id="bench", kind="human", roles=frozenset({"tenant-admin"}))
        key = (await identity.keys.create(station.tenant, by, roles=["viewer"])).text
        async with (
            _listening(Starlette(routes=[Mount("/api/v1", site)])) as url,
            aiohttp.ClientSession() as http,
        ):

            async def ask(path: str) -> Any:
                headers = {"authorization": f"Bearer {key}"}
                async with http.get(f"{url}/api/v1{path}", headers=headers) as answer:
                    value = await answer.json()
                    if answer.status != 200:
                        raise RuntimeError(f"{path}: {value}")
                    return value

            yield ask


@contextlib.asynccontextmanager
async def _listening(site: Starlette) -> AsyncIterator[str]:
    config = uvicorn.Config(
        site, host="127.0.0.1", port=0, log_level="warning", lifespan="off", access_log=False
    )
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
