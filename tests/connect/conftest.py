"""The partner and all that stands before it, for the tests here."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from partner_depot import Bench, Keeps, Partner

from crossdock.connect import Wire
from crossdock.store import Database, Tenant


@pytest.fixture
async def partner() -> AsyncIterator[Partner]:
    partner = Partner()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", partner.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    partner.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield partner
    await runner.cleanup()


@pytest.fixture
async def bench(database: Database, tenant: Tenant, partner: Partner) -> AsyncIterator[Bench]:
    wire = Wire()
    yield Bench(database, tenant, partner, wire, Keeps(key="k-secret-1"))
    await wire.close()
