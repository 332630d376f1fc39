"""The world of these tests: all systems of the sandbox behind real connections, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import aiohttp

from crossdock.connect import Calls, Lines, Wire
from crossdock.connect.secret import Secret
from crossdock.engine import Connections, History, Inbox, Library, Pace, Worker
from crossdock.gateway import Poller, Reconciler, Tracker
from crossdock.installed import Installed
from crossdock.store import Clock, Database, Tenant
from erp_orders import ZONE, erp_order

CONNECTORS = {
    "erp": "northway_erp",
    "wms": "stackyard_wms",
    "tms": "waypost_tms",
    "quayline": "quayline",
    "farrow": "farrow",
    "oldbridge": "oldbridge",
    "postbox": "postbox",
}
CARRIERS = ("quayline", "farrow", "oldbridge")
_numbers = itertools.count(1)
_OPEN = """
select exists (select from crossdock.inbox where tenant = $1)
    or exists (select from crossdock.outbox where tenant = $1 and due <= crossdock.now()
               and status in ('queued', 'ready', 'leased', 'reported'))
    or exists (select from crossdock.run where tenant = $1 and wake_at <= crossdock.now())
"""


class Keeps:
    """Secrets as the sandbox prints them."""

    def __init__(self, services: Mapping[str, Any]) -> None:
        self._services = services

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        service = self._services[connection]
        texts = {**service["credentials"], "webhook_secret": service["webhook_secret"]}
        return {name: (Secret(text),) for name, text in texts.items() if text}


@dataclass
class World:
    """What a test moves and asks."""

    database: Database
    services: Mapping[str, Any]
    http: aiohttp.ClientSession
    wire: Wire
    installed: Installed
    texts: Mapping[str, str]
    tenant: Tenant = field(init=False)

    def __post_init__(self) -> None:
        registry = self.installed.connectors
        self.clock = Clock(self.database)
        self.library = Library(self.database, self.installed.reopen)
        self.inbox = Inbox(self.database, self.library)
        self.history = History(self.database)
        self.connections = Connections(self.database)
        self.lines = Lines(self.database, registry, Keeps(self.services))
        self.calls = Calls(self.lines, self.wire)
        self.poller = Poller(self.database, self.inbox, self.lines, self.calls, registry)
        self.tracker = Tracker(self.database, self.inbox, self.lines, self.calls, registry)
        self.reconciler = Reconciler(self.database, self.inbox, self.lines, self.calls, registry)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """While inside, a worker decides and calls."""
        worker = Worker(self.database, self.library, self.calls, Pace(look=0.05, tidy=0.2))
        self.inbox.hear = worker.hear
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await task

    async def begin(self) -> None:
        """A new tenant alone at work, on a Monday; partners in which nothing stands."""
        for service in self.services:
            await self.control(service, "/reset", {})
            await self.control(service, "/configure", {"webhook_url": None, "calm": True})
        now = await self.partners_now()
        monday = (now + timedelta(days=-now.weekday() % 7 or 7)).replace(hour=16)
        await self.control("erp", "/clock", {"now": monday.isoformat()})
        await self.clock.set(monday, rate=0)
        async with self.database.engine() as transaction:
            await transaction.execute("update crossdock.tenant set suspended = now(), suspended_why = 'over'")
        self.tenant = await self.database.create_tenant(f"acme-{next(_numbers)}", title="Acme Goods")
        for name, connector in CONNECTORS.items():
            settings = {"url": self.services[name]["url"]}
            if name in (*CARRIERS, "tms"):
                settings["zone"] = ZONE
            system = self.installed.connectors.connectors[connector].serves[0]
            await self.connections.put(
                self.tenant, name, system=system, connector=connector, settings=settings
            )
        await self.library.publish_all(self.tenant, list(self.texts.values()))

    # -- time --------------------------------------------------------------------------------------------

    async def partners_now(self) -> datetime:
        return datetime.fromisoformat((await self.control("erp", "/clock"))["now"])

    async def rest(self) -> None:
        """Until nothing is left to decide or to call."""
        async with asyncio.timeout(30):
            while True:
                async with self.database.engine() as transaction:
                    if not await transaction.value(_OPEN, self.tenant.id):
                        return
                await asyncio.sleep(0.01)

    async def advance(self, *, poll: bool = True, **delta: float) -> None:
        """Let time pass there and here; with `poll`, feeds are read after."""
        now = await self.partners_now() + timedelta(**delta)
        await self.control("erp", "/clock", {"now": now.isoformat()})
        await self.clock.step_to(now)
        await self.rest()
        if poll:
            await self.poll()

    async def poll(self) -> None:
        """Read all feeds that are due, and what follows."""
        while await self.poller.turn():
            pass
        await self.rest()

    # -- partners ----------------------------------------------------------------------------------------

    async def control(self, service: str, path: str, body: Any = None) -> Any:
        url = self.services[service]["url"] + path
        async with self.http.request("GET" if body is None else "POST", url, json=body) as reply:
            assert reply.status == 200, await reply.text()
            return await reply.json()

    async def erp(self, method: str, path: str, body: Any = None) -> Any:
        """Somebody works in the ERP by hand."""
        given = self.services["erp"]["credentials"]
        url = self.services["erp"]["url"]
        async with self.http.post(f"{url}/login", json=given) as reply:
            session = (await reply.json())["result"]["session"]
        headers = {"Authorization": f"Session {session}"}
        async with self.http.request(method, url + path, json=body, headers=headers) as reply:
            answer = await reply.json()
            assert "result" in answer, answer
            return answer["result"]

    async def wms(self, method: str, path: str, body: Any = None) -> Any:
        """Somebody works in the warehouse by hand."""
        given, url = self.services["wms"]["credentials"], self.services["wms"]["url"]
        headers = {"X-Stackyard-Client": given["client"], "X-Stackyard-Secret": given["secret"]}
        async with self.http.request(method, url + path, json=body, headers=headers) as reply:
            assert reply.status < 300, await reply.text()
            return await reply.json()

    async def script(self, service: str, **script: Any) -> None:
        await self.control(service, "/script", script)

    async def release(self, *numbers: str) -> None:
        """Orders that the ERP has, released now."""
        now = (await self.partners_now()).isoformat()
        customer = {
            "code": "C1001",
            "name": "Harbour Clinic",
            "email": "dock@harbour.example",
            "currency": "USD",
        }
        orders = [{**erp_order(number), "release_at": now} for number in numbers]
        await self.control("erp", "/import", {"customers": [customer], "orders": orders})
        await self.control("erp", "/clock", {"now": now})

    # -- what stands here --------------------------------------------------------------------------------

    async def fetch(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        async with self.database.of(self.tenant) as transaction:
            return [dict(row) for row in await transaction.fetch(sql, *values)]

    async def run(self, process: str, key: str) -> Any:
        """The state of a run."""
        (row,) = [one for one in await self.history.find(self.tenant, key) if one.process == process]
        return (await self.history.run(self.tenant, row.id)).state

    async def exceptions(self) -> list[tuple[str, str, bool]]:
        """Type, message, and whether it is open, oldest first."""
        rows = await self.fetch(
            "select type, message, closed is null as open from crossdock.exception "
            "where tenant = crossdock.tenant() order by opened, id"
        )
        return [(row["type"], row["message"], row["open"]) for row in rows]


def said(value: Any) -> str:
    """JSON on one line."""
    return json.dumps(value, sort_keys=True, default=str)
