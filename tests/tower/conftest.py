"""Pages over a running engine: a real database, a real worker, real HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette
from tower_world import BOOKS, DELIVERIES, ORDERS, READS, NoSecrets, Tower, read

from acting import acts_of
from crossdock.access.audit import Audit
from crossdock.connect import Registry
from crossdock.engine import Connections, History, Inbox, Library, Repairs
from crossdock.store import Clock, Database, Tenant
from crossdock.tower import Person, app
from played_orders import START, Partners, serving


@pytest.fixture
async def tower(database: Database, tenant: Tenant, tmp_path: Path) -> AsyncIterator[Tower]:
    library = Library(database, read)
    clock = Clock(database)
    await clock.set(START, rate=0)
    for system in ("erp", "wms", "tms"):
        await Connections(database).put(tenant, system, system=system, connector="tests")
    for text in (DELIVERIES, ORDERS):
        await library.publish(tenant, text, by="tests")
    inbox = Inbox(database, library)
    audit = Audit(database)
    acts = acts_of(
        database,
        inbox,
        library,
        read=read,
        registry=Registry.of([READS, BOOKS]),
        keys=tmp_path,
        keeper=NoSecrets(),
        audit=audit,
    )
    tower = Tower(database, tenant, library, inbox, History(database), clock, Partners(), audit, acts)
    tower.seen_by("you")

    def make(of: Tenant) -> Starlette:
        async def who(_request: Any) -> Person:
            return Person(principal=replace(tower.person.principal, tenant=of.id))

        return app(
            database=database,
            tenant=of,
            acts=acts,
            repairs=Repairs(database, library),
            connections=Connections(database),
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
