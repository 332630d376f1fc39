"""What stands in Odoo and in ERPNext, played by contract servers, is compared with what stands here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from importlib import resources

import pytest
import pytest_asyncio
from erp_world import World, house_of, world_of

from crossdock.gateway import Reconciler
from crossdock.store import Clock, Database

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROCESSES = ("settle-difference", "deliver-shipment", "tender-shipment", "order-to-cash")


@pytest_asyncio.fixture(params=["odoo", "odoo by json-rpc", "erpnext"], loop_scope="module")
async def world(request: pytest.FixtureRequest, ground: Database) -> AsyncIterator[World]:
    clock = Clock(ground)
    await clock.set(datetime(2026, 3, 2, 10, tzinfo=UTC), rate=0)
    async with world_of(request.param, ground) as world:
        pack = resources.files("crossdock.packs").joinpath("distribution")
        texts = [pack.joinpath(f"{name}.yaml").read_text() for name in PROCESSES]
        await world.inbox.library.publish_all(world.tenant, texts)
        settings = {"reconcile": {"window": "1 day", "grace": "30 minutes"}}
        await world.inbox.library.set_reference(world.tenant, settings=settings, calendars={}, by="jo")
        yield world
    await clock.follow_real()


async def open_of(world: World) -> dict[str, tuple[str, str]]:
    """What differs now: by number its kind, and how it stands there."""
    rows = await world.fetch(
        "select about, kind, there from crossdock.difference "
        "where tenant = crossdock.tenant() and gone is null order by about"
    )
    return {about: (kind, there) for about, kind, there in rows}


async def test_an_order_that_was_lost_is_taken_in_and_an_invoice_made_by_hand_has_no_proof(
    world: World,
) -> None:
    house = house_of(world)
    house.begin()
    house.order()
    house.another()
    reconciler = Reconciler(world.database, world.inbox, world.lines, world.calls, world.registry)
    number = house.order_number
    billed = await house.done("release_invoice", {"order": number, "shipments": ["X-1"]})
    outcome = await reconciler.once(world.tenant)
    assert (outcome.failed, outcome.compared["orders"], outcome.compared["invoices"]) == ({}, 2, 1)
    found = await open_of(world)
    assert set(found) == {number, billed["invoice"]}  # the cancelled one is missed nowhere
    assert found[number][0] == "order_missing_here"
    assert found[number][1].startswith(f"{number} is released, 137")
    kind, there = found[billed["invoice"]]
    assert (kind, there) == ("invoice_without_proof", f"invoice {billed['invoice']} of {number}, 137.0 USD")
    assert await reconciler.mend(world.tenant, f"order_missing_here/{number}", by="jo") == 1
    await reconciler.once(world.tenant)
    assert set(await open_of(world)) == {billed["invoice"]}


async def test_an_order_that_was_cancelled_there_and_runs_here_is_found(world: World) -> None:
    house = house_of(world)
    house.begin()
    house.order()
    number = house.order_number
    reconciler = Reconciler(world.database, world.inbox, world.lines, world.calls, world.registry)
    await reconciler.once(world.tenant)
    await reconciler.mend(world.tenant, f"order_missing_here/{number}", by="jo")
    if world.house == "erpnext":
        order = world.erp.documents["Sales Order"][number]
        world.erp.again(order, docstatus=2, status="Cancelled")
    else:
        (order,) = world.erp.all("sale.order")
        order["state"] = "cancel"
        world.erp.touch(order)
    await Clock(world.database).step(timedelta(hours=1))
    await reconciler.once(world.tenant)
    assert (await open_of(world))[number][0] == "order_cancelled_there"
    assert await reconciler.mend(world.tenant, f"order_cancelled_there/{number}", by="jo") == 1
