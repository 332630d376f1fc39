"""An engine that decides orders, and partner systems that are played: what the worlds of several rooms share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from crossdock.access.audit import Audit
from crossdock.connect.contract import Connector, Happening, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.engine import Arrival, History, Inbox, LeasedCall, Library, Pace, Worker
from crossdock.errors import Refused
from crossdock.process.messages import CallEnded
from crossdock.store import Clock, Database, Tenant

START = datetime(2026, 5, 4, 8, tzinfo=UTC)


def order(number: str, total: str = "100.00", **more: Any) -> Arrival:
    """The release of an order."""
    document = {
        "number": number,
        "customer": {"id": "C-7", "name": "Müller & Söhne <Lager>"},
        "total": {"amount": total, "currency": "EUR"},
        "created_by": "ann",
        **more,
    }
    return event("order.released", document, order=number)


def event(type_: str, data: Any = None, *, named: str = "", **about: str) -> Arrival:
    """A business event."""
    name = named or f"{type_}/{'/'.join(about.values())}"
    return Arrival(id=name, source="tests", type=type_, time=START, data=data, about=about)


def _understood(notice: Any) -> list[Happening]:
    """What a carrier tells, where we know its words."""
    said = notice.json()
    if said["what"] != "delivered":
        raise Refused(f"unknown word {said['what']!r}", mend="map it")
    return [Happening(type="shipment.delivered", time=START, data={"shipment": said["shipment"]}, id="d1")]


def reads(*serves: str) -> Connector:
    """A connector to systems that say when a shipment is delivered."""
    return Connector(
        name="tests",
        version="1",
        serves=serves,
        secrets={"hook": "signs webhooks"},
        events=("shipment.delivered",),
        webhook=Webhook(signature=Scheme(kind="hmac", header="X-Sign"), translate=_understood, secret="hook"),
    )


@dataclass
class Partners:
    """The other side of all calls. `refuse` holds operations that say no, with the reason."""

    refuse: dict[str, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def call(self, leased: LeasedCall) -> CallEnded:
        name = f"{leased.call.system}.{leased.call.operation}"
        self.calls.append(name)
        if name in self.refuse:
            return CallEnded(command=leased.command, outcome="refused", reason=self.refuse[name])
        return CallEnded(command=leased.command, outcome="done", output={"ok": True})


@dataclass
class Played:
    """An engine over one tenant's orders; `url` and `http` ask what is served above it."""

    database: Database
    tenant: Tenant
    library: Library
    inbox: Inbox
    history: History
    clock: Clock
    partners: Partners
    audit: Audit
    url: str = field(default="", kw_only=True)
    http: Any = field(default=None, kw_only=True)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[Worker]:
        """While inside, a worker decides and calls."""
        worker = Worker(self.database, self.library, self.partners, Pace(look=0.05, tidy=0.05))
        self.inbox.hear = worker.hear
        task = asyncio.create_task(worker.run())
        try:
            yield worker
        finally:
            worker.stop()
            await task

    async def until(self, condition: Callable[[], Awaitable[Any]]) -> Any:
        """Wait for the condition itself."""
        async with asyncio.timeout(20):
            while not (value := await condition()):
                await asyncio.sleep(0.01)
            return value

    async def steps(self, key: str, **wanted: str) -> Any:
        """The run of that key, once its steps stand as wanted."""

        async def is_so() -> Any:
            for row in await self.history.find(self.tenant, key):
                detail = await self.history.run(self.tenant, row.id)
                state = detail.state
                if state and all(n in state.steps and state.steps[n].status == s for n, s in wanted.items()):
                    return detail
            return None

        return await self.until(is_so)

    async def sql(self, sql: str, *values: Any) -> None:
        """Put something into the tenant's database that nothing above it can."""
        async with self.database.engine() as transaction:
            await transaction.execute(sql, self.tenant.id, *values)


@contextlib.asynccontextmanager
async def serving(site: Any, port: int = 0, **more: Any) -> AsyncIterator[str]:
    """A real server on a free port; gives its address. With uvicorn's own loop its end takes a quarter second.

    `more` goes into uvicorn's settings. What still answers a second after the end is cut off.
    """
    config = uvicorn.Config(site, **{"log_level": "warning", "lifespan": "off", **more})
    config.load()
    state = ServerState()

    def protocol() -> asyncio.Protocol:
        return config.http_protocol_class(config=config, server_state=state, app_state={})

    loop = asyncio.get_running_loop()
    server = await loop.create_server(protocol, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()
        late = loop.time() + 1
        while state.connections or state.tasks:
            await asyncio.sleep(0.002)
            if loop.time() > late:
                for task in state.tasks:
                    task.cancel()
        await server.wait_closed()
