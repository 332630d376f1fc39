"""Order to cash through a Tryton that runs, a warehouse, a planner and carriers, while things go wrong.

Each document is there once in each system at the end: picks and bookings by the partners' ledgers, shipments,
invoices and credits by Tryton's own books.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from crossdock.assemble import System, opened
from crossdock.cli.place import settings_in
from crossdock.cli.serving import pages
from crossdock.demo.director import Director
from crossdock.demo.orders import DemoOrder, load
from crossdock.demo.partners import partners
from crossdock.demo.stand_in import StandIn
from crossdock.demo.summary import summary
from crossdock.demo.tally import Tally
from crossdock.demo.tryton import Company, House, OnTryton
from crossdock.store import EmbeddedServer

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("tryton"),
    pytest.mark.timeout(600),
]
ORDERS = 4  # released at once
CALENDARS = {
    name: {"name": name, "zone": "UTC", "hours": {"mon-fri": "08:00-18:00"}}
    for name in ("default", "RDC", "DIRECT")
}


@pytest_asyncio.fixture(loop_scope="session")
async def journey(server: EmbeddedServer) -> AsyncIterator[str]:
    """The address of a database of its own."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database journey template template strategy file_copy")
    yield server.url("journey")
    await owner.execute("drop database journey with (force)")
    await owner.close()


@dataclass(slots=True)
class Steady(OnTryton):
    """The demo's clock waits while Tryton is away: it takes real seconds to start, not days."""

    up: asyncio.Event = field(default_factory=asyncio.Event, kw_only=True)

    async def next_due(self) -> datetime | None:
        await self.up.wait()
        return await OnTryton.next_due(self)


async def test_four_orders_at_once_a_kill_and_a_lost_cursor_leave_each_document_once(
    journey: str, house: House, tmp_path: Path
) -> None:
    settings = settings_in(
        tmp_path,
        data=str(tmp_path),
        database_url=journey,
        connections=str(tmp_path / "connections.yaml"),
    )
    start = datetime.now(UTC)
    async with contextlib.AsyncExitStack() as stack:
        system = await stack.enter_async_context(opened(settings, set_up=True))
        await system.clock.set(start, rate=0)
        by = system.whoever("test")
        await system.acts.settings.change(by, settings={"approval_limit": "100000000"}, calendars=CALENDARS)
        sandbox = await stack.enter_async_context(partners(start))
        company = Company(await house.admin())
        stage = Steady(sandbox.services, sandbox.session, house=house, company=company)
        stage.up.set()
        orders = await stage.sell(load(ORDERS), start, lambda _: None)
        first = min(range(ORDERS), key=lambda n: _delivered(orders[n]))
        back = _delivered(orders[first]) + timedelta(days=6)  # while others are still on their way
        orders[first] = replace(orders[first], returned=back)
        await company.limit(
            orders[first].erp["customer"], Decimal(1)
        )  # so that somebody has to let it through
        await system.acts.connections.put(by, stage.connections(), where="test")
        url = await stack.enter_async_context(pages(system, port=0, fallback=True))
        await stage.prepare(orders, f"{url}/hooks/{system.tenant.name}")
        await stack.enter_async_context(system.worker())
        tally = Tally(system.database, system.tenant)
        director = Director(
            system=system,
            partners=stage,
            stand_in=StandIn(system.history, system.inbox, system.tenant, 0.0),
            tally=tally,
            orders=orders,
            outages=[],
            show=lambda _: None,
        )
        async with asyncio.TaskGroup() as together:
            together.create_task(_trouble(stage, system))
            await director.play()
        found = await summary(stage, tally, orders, [], 1.0)
        assert found["ledger"]["wrong"] == []
        assert found["orders"]["invoiced"] == ORDERS
        assert found["returns_credited"] == 1
        assert found["ledger"]["invoiced"] == ORDERS
        assert tally.unanswered["erp"] > 0
        approvals = await system.history.tasks(system.tenant, status=None)
        assert orders[first].number in {one.key for one in approvals if one.step == "approve_credit"}


def _delivered(order: DemoOrder) -> datetime:
    return max(datetime.fromisoformat(script["delivered_at"]) for script in order.carrier_scripts)


async def _trouble(stage: Steady, system: System) -> None:
    """Once the first goods are on their way in Tryton: kill it, lose the cursors, start it again."""
    reading = await stage.house.admin()
    ours = [["reference", "like", "SO-%"], ["state", "!=", "done"]]
    while not await reading.find("stock.shipment.out", ours):
        await asyncio.sleep(0.02)
    stage.up.clear()
    await stage.house.kill()
    await _sql(system, "update crossdock.feed set cursor = '' where connection = 'erp'")
    await stage.house.start()
    stage.up.set()


async def _sql(system: System, statement: Any) -> None:
    async with system.database.engine() as transaction:
        await transaction.execute(statement)
