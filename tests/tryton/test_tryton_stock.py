"""What lies in a Tryton that runs, and what it has promised, held against a warehouse; counts are taken over."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from tryton_world import Keeps, Order, World

from crossdock.connect import Calls, Lines
from crossdock.engine import Connections, Inbox, Library
from crossdock.gateway import Reconciler
from crossdock.installed import Installed
from crossdock.store import Clock

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("tryton"),
    pytest.mark.timeout(600),  # the first one installs it
]


async def listed(world: World, operation: str, items: list[str]) -> list[Any]:
    """All pages of what it lists of these items."""
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await world.done(operation, {"items": items, **cursor})
        rows += page["stock" if operation == "list_stock" else "allocations"]
        if "next" not in page:
            return rows
        cursor = {"cursor": page["next"]}


def told(rows: list[Any], name: str) -> dict[tuple[str, str], str]:
    return {(one["item"], one["site"]): f"{one[name]['value']} {one[name]['unit']}" for one in rows}


async def test_stock_and_promises_are_listed_by_warehouse_as_they_change(world: World) -> None:
    order = await world.order(4, 2, stock={"RDC": Decimal(20), "DIRECT": Decimal(5)})
    one, other = order.codes
    assert told(await listed(world, "list_stock", order.codes), "on_hand") == {
        (one, "RDC"): "20 EA",
        (other, "RDC"): "20 EA",
        (one, "DIRECT"): "5 EA",
        (other, "DIRECT"): "5 EA",
    }
    promised = await listed(world, "list_allocations", order.codes)
    assert {row["order"] for row in promised} == {order.number}
    assert told(promised, "quantity") == {(one, "RDC"): "4 EA", (other, "RDC"): "2 EA"}
    await world.done(
        "release_invoice", {"order": order.number, "shipments": ["S-1"], "lines": [order.part(3, 2)]}
    )
    after = told(await listed(world, "list_stock", order.codes), "on_hand")
    assert (after[one, "RDC"], after[other, "RDC"]) == ("17 EA", "18 EA")
    left = await listed(world, "list_allocations", order.codes)
    assert told(left, "quantity") == {(one, "RDC"): "1 EA"}  # its back-order


async def test_a_count_is_taken_over_once_more_or_less(world: World) -> None:
    order = await world.order(1, stock={"RDC": Decimal(20)}, release=False)
    (item,) = order.codes
    less = {"item": item, "site": "RDC", "change": {"value": "-3", "unit": "EA"}, "adjustment": "CC-1"}
    made = await world.done("adjust_stock", less, key="count/1")
    again = await world.call("adjust_stock", less, key="count/1", find_first=True)
    assert again.output == made
    assert told(await listed(world, "list_stock", [item]), "on_hand") == {(item, "RDC"): "17 EA"}
    await world.done("adjust_stock", {**less, "change": {"value": "2", "unit": "EA"}}, key="count/2")
    assert told(await listed(world, "list_stock", [item]), "on_hand") == {(item, "RDC"): "19 EA"}


async def test_a_warehouse_that_has_less_than_tryton_shows_until_the_count_is_taken_over(
    world: World,
) -> None:
    order = await world.order(4, stock={"RDC": Decimal(20)}, release=False)
    floor = Floor(order)
    async with TestServer(floor.app()) as server:
        await Connections(world.database).put(
            world.tenant,
            "wms",
            system="wms",
            connector="stackyard_wms",
            settings={"url": str(server.make_url("")).rstrip("/")},
        )
        library = Library(world.database, Installed.find().reopen)
        settings = {"reconcile": {"grace": "30 minutes"}}
        await library.set_reference(world.tenant, settings=settings, calendars={}, by="jo")
        inbox, clock = Inbox(world.database, library), Clock(world.database)
        secrets = {**world.house.connection()["secrets"], "client": "acme", "secret": "floor-secret-1"}
        lines = Lines(world.database, world.registry, Keeps(secrets))
        calls = Calls(lines, world.wire)
        reconciler = Reconciler(world.database, inbox, lines, calls, world.registry)
        states = []
        for _ in range(2):
            await heard(world)
            outcome = await reconciler.once(world.tenant, ["stock"])
            assert outcome.failed == {}
            states.append((await open_of(world, order.codes[0])).get("told"))
            await clock.step(timedelta(hours=1))
        assert states == ["waiting", "found"]
        found = await open_of(world, order.codes[0])
        assert (found["here"], found["there"]) == (f"20 EA of {order.codes[0]} at RDC", "17 EA on hand")
        less = {"item": order.codes[0], "site": "RDC", "change": {"value": "-3", "unit": "EA"}}
        await world.done("adjust_stock", less)
        await reconciler.once(world.tenant, ["stock"])
        assert await open_of(world, order.codes[0]) == {}
    await clock.follow_real()  # the other tests are on this database too


async def heard(world: World) -> None:
    """All feeds of both are read, and had nothing."""
    sql = """
        insert into crossdock.feed (tenant, connection, name, read_at)
        select c.tenant, c.name, $3, crossdock.now() from crossdock.connection c
        where c.tenant = $1 and c.connector = $2
        on conflict (tenant, connection, name) do update set read_at = excluded.read_at
    """
    async with world.database.engine() as transaction:
        for connector in ("tryton", "stackyard_wms"):
            for poll in world.registry.connectors[connector].polls:
                await transaction.execute(sql, world.tenant.id, connector, poll.name)


async def open_of(world: World, item: str) -> dict[str, Any]:
    async with world.database.of(world.tenant) as transaction:
        row = await transaction.row(
            "select here, there, told from crossdock.difference "
            "where tenant = crossdock.tenant() and gone is null and about = $1",
            f"{item}@RDC",
        )
    return dict(row) if row else {}


class Floor:
    """The warehouse at RDC, over HTTP: it has less of one item."""

    def __init__(self, order: Order) -> None:
        self.item = order.codes[0]

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/stock", self._stock)
        app.router.add_get("/api/allocations/open", self._none)
        return app

    async def _stock(self, _: web.Request) -> web.Response:
        row = {"sku": self.item, "warehouse": "RDC", "onHand": 17, "changedAt": "2026-01-01T00:00:00Z"}
        return web.json_response({"items": [row], "next": None})

    async def _none(self, _: web.Request) -> web.Response:
        return web.json_response({"items": [], "next": None})
