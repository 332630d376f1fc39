"""ERPs that are played by contract servers, each connected to our real runtime for a tenant of its own."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from erpnext_stand_in import KEY as ERPNEXT_KEY
from erpnext_stand_in import SECRET, ErpNext
from erpnext_stand_in import Northway as ErpNextNorthway
from odoo_stand_in import DATABASE, USER, Odoo
from odoo_stand_in import KEY as ODOO_KEY
from odoo_stand_in import Northway as OdooNorthway
from talking import connector

from asked import AsEngine
from crossdock.connect import Calls, Lines, Registry, Wire
from crossdock.connect.secret import Secret
from crossdock.engine import Connections, Inbox, Library
from crossdock.gateway import MasterReader
from crossdock.installed import Installed
from crossdock.store import Database, Tenant

_numbers = itertools.count(1)
HOUSES: Mapping[str, tuple[type[Any], str, Mapping[str, Any], Mapping[str, str]]] = {
    "odoo": (
        Odoo,
        "odoo",
        {"database": DATABASE, "sites": {"WH": "RNO"}},
        {"user": USER, "key": ODOO_KEY, "webhook_secret": "hook"},
    ),
    "odoo by json-rpc": (
        Odoo,
        "odoo",
        {"database": DATABASE, "interface": "jsonrpc", "sites": {"WH": "RNO"}},
        {"user": USER, "key": ODOO_KEY, "webhook_secret": "hook"},
    ),
    "erpnext": (
        ErpNext,
        "erpnext",
        {"company": "Northway", "sites": {"Stores - N": "RNO"}},
        {"key": ERPNEXT_KEY, "secret": SECRET, "webhook_secret": "hook"},
    ),
}


class Keeps:
    """The secrets of the one connection."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {name: (Secret(text),) for name, text in self._texts.items()}


@dataclass
class World:
    """One ERP, and our side of it."""

    house: str
    erp: Any
    database: Database
    tenant: Tenant
    inbox: Inbox
    lines: Lines
    calls: Calls
    registry: Registry

    @property
    def masters(self) -> MasterReader:
        return MasterReader(self.database, self.inbox, self.lines, self.calls)

    async def fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        async with self.database.of(self.tenant) as transaction:
            return [tuple(row) for row in await transaction.fetch(sql, *values)]


class OdooHouse(AsEngine, OdooNorthway):
    """Orders and deeds in Odoo; the numbers are its own."""

    order_number = "S00001"

    def __init__(self, world: World) -> None:
        self.tenant, self.calls, self.odoo = world.tenant, world.calls, world.erp

    def another(self) -> str:
        self.order("S00002", state="cancel")
        return "S00002"


class ErpNextHouse(AsEngine, ErpNextNorthway):
    """Orders and deeds in ERPNext."""

    order_number = "SO-1"

    def __init__(self, world: World) -> None:
        self.tenant, self.calls, self.erp = world.tenant, world.calls, world.erp

    def another(self) -> str:
        self.order("SO-2", docstatus=2, status="Cancelled")
        return "SO-2"


def house_of(world: World) -> Any:
    """Who works in it."""
    return (ErpNextHouse if world.house == "erpnext" else OdooHouse)(world)


@contextlib.asynccontextmanager
async def world_of(house: str, database: Database) -> AsyncIterator[World]:
    """That ERP, empty and connected as `erp`."""
    kind, name, settings, secrets = HOUSES[house]
    tenant = await database.create_tenant(f"acme-erp-{next(_numbers)}", title="Acme Goods")
    erp = Odoo(17) if "json-rpc" in house else kind()
    runner = web.AppRunner(erp.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await Connections(database).put(
        tenant, "erp", system="erp", connector=name, settings={"url": url, **settings}
    )
    registry = Registry.of([connector(name)])
    lines = Lines(database, registry, Keeps(secrets))
    inbox = Inbox(database, Library(database, Installed.find().reopen))
    wire = Wire()
    yield World(house, erp, database, tenant, inbox, lines, Calls(lines, wire), registry)
    await wire.close()
    await runner.cleanup()
