"""Pages over a running engine: a real database, a real worker, real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from tower_world import DELIVERIES, ORDERS, READS, START, NoSecrets, Partners, Tower, read, serving

from crossdock.connect import Lines, Registry
from crossdock.engine import Connections, History, Inbox, Library, Repairs
from crossdock.gateway import Quarantine
from crossdock.store import Clock, Database, Tenant
from crossdock.tower import Person, app


@pytest.fixture
async def tower(database: Database, tenant: Tenant) -> AsyncIterator[Tower]:
    library = Library(database, read)
    clock = Clock(database)
    await clock.set(START, rate=0)
    for system in ("erp", "wms", "tms"):
        await Connections(database).put(tenant, system, system=system, connector="tests")
    for text in (DELIVERIES, ORDERS):
        await library.publish(tenant, text, by="tests")
    inbox = Inbox(database, library)
    tower = Tower(database, tenant, library, inbox, History(database), clock, Partners())

    async def who(_request: Any) -> Person:
        return tower.person

    def make(of: Tenant) -> Starlette:
        return app(
            database=database,
            tenant=of,
            inbox=inbox,
            repairs=Repairs(database, library),
            connections=Connections(database),
            quarantine=Quarantine(database, inbox, Lines(database, Registry.of([READS]), NoSecrets())),
            read=read,
            who=who,
            zone="Europe/Berlin",
            title=of.name,
        )

    tower.make = make
    tower.site = make(tenant)
    async with (
        serving(tower.site) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        tower.url, tower.http = url, http
        yield tower
        await tower.site.state.stream.close()
