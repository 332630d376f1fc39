"""The world of these tests: pages over a running engine; only the partner systems are played."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount
from yarl import URL

from acting import someone, whoever
from crossdock.access.audit import Audit
from crossdock.connect.contract import Connector, Happening, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.desk import Acts
from crossdock.engine import Arrival, History, Inbox, LeasedCall, Library, Pace, Worker
from crossdock.errors import Refused
from crossdock.process import canonical, load
from crossdock.process.catalogue import OperationShape, ProcessShape
from crossdock.process.messages import CallEnded
from crossdock.store import Clock, Database, Tenant
from crossdock.tower import Person

START = datetime(2026, 5, 4, 8, tzinfo=UTC)

ORDERS = """
process: order
title: Order to cash
owner: order-desk
document: Order
key: ${ order.number }
start:
  - on: order.released
on:
  order.cancelled: { do: cancel }
steps:
  check_credit:
    title: Check the credit
    call: erp.check_credit
    with: { customer: "${ order.customer.name }", amount: "${ order.total }" }
  approve:
    title: Approve a large order
    needs: check_credit
    if: ${ order.total >= money("1000", "EUR") }
    approve:
      role: finance
      not: ["${ order.created_by }"]
    with: { order: "${ order.number }", amount: "${ order.total }" }
    refused: { cancel: amount refused }
    within: 4 business hours
    late: { escalate: finance-lead }
  pick:
    needs: approve
    call: wms.pick
    with: { order: "${ order.number }" }
    retry: { attempts: 1 }
    undo: wms.unpick
  count:
    title: Count what is short
    needs: pick
    if: ${ order.channel == "desk" }
    task:
      role: warehouse
      form: { counted: quantity, damage: money, again: bool, when: timestamp, "note?": string }
    within: 2 business days
    late: { escalate: warehouse-lead }
  packed:
    needs: pick
    await: warehouse.shipment_packed
    within: 1 business day
    late: { raise: pick_late, severity: medium }
  deliver:
    needs: packed
    each: ${ steps.packed.events.map(e, e.shipment) }
    run: delivery
  invoice:
    needs: [deliver, count]
    call: erp.invoice
    with: { order: "${ order.number }" }
    undo: none
"""

DELIVERIES = """
process: delivery
owner: transport-desk
document: Shipment
key: ${ shipment.number }
alias:
  tracking: ${ default(shipment.carrier, "none") + "-" + shipment.number }
steps:
  book:
    call: tms.book
    with: { shipment: "${ shipment.number }" }
    undo: none
  delivered:
    needs: book
    await: shipment.delivered
    within: 3 business days
    late: { raise: delivery_late, severity: high }
"""

_BASE = canonical()
CATALOGUE = _BASE.including(
    operations={
        name: OperationShape(name=name, changes=name != "erp.check_credit")
        for name in ("erp.check_credit", "erp.invoice", "wms.pick", "wms.unpick", "tms.book")
    },
    processes={"delivery": ProcessShape(name="delivery", document=_BASE.documents["Shipment"])},
)


@functools.cache
def read(text: str, *_others: str):
    """The process in `text`, against what these tests have installed."""
    return load(text, CATALOGUE)


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


READS = Connector(
    name="tests",
    version="1",
    serves=("tms",),
    secrets={"hook": "signs webhooks"},
    events=("shipment.delivered",),
    webhook=Webhook(signature=Scheme(kind="hmac", header="X-Sign"), translate=_understood, secret="hook"),
)


class NoSecrets:
    """Nothing is kept: no call leaves these tests."""

    async def secrets(self, tenant: int, connection: str) -> dict[str, Any]:
        return {}


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
class Tower:
    """Pages, and the engine below them."""

    database: Database
    tenant: Tenant
    library: Library
    inbox: Inbox
    history: History
    clock: Clock
    partners: Partners
    acts: Acts
    audit: Audit
    url: str = ""
    site: Any = None
    make: Any = None  # the pages of a tenant
    person: Person | None = None
    http: Any = None

    def seen_by(self, id_: str, *roles: str) -> None:
        """From now on, pages are seen by that person, in these roles; without any, in all."""
        who = someone(self.tenant, *roles, id=id_) if roles else whoever(self.tenant, id_)
        self.person = Person(principal=who)

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

    @contextlib.asynccontextmanager
    async def neighbour(self, name: str) -> AsyncIterator[str]:
        """The pages of another tenant of the same installation."""
        tenant = await self.database.create_tenant(name)
        async with serving(self.make(tenant)) as url:
            yield url

    @contextlib.asynccontextmanager
    async def mounted(self, path: str) -> AsyncIterator[str]:
        """The same pages below a path of a larger site."""
        async with serving(Starlette(routes=[Mount(path, self.site)])) as url:
            yield url

    async def put(self, *arrivals: Arrival) -> None:
        await self.inbox.put(self.tenant, arrivals)

    async def retry(self, run: int, step: str) -> None:
        """Somebody else tries a step again."""
        retry = event("step.retry", {"step": step}, run=str(run))
        await self.inbox.tell(self.tenant, run, retry)

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
        """Put something into the tenant's database that no page can."""
        async with self.database.engine() as transaction:
            await transaction.execute(sql, self.tenant.id, *values)

    async def get(self, path: str, status: int = 200) -> str:
        """A page's text."""
        async with self.http.get(self.url + path) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return text

    async def post(self, path: str, status: int = 200, **fields: str) -> str:
        """Post a form as a browser would, with the token of its cookie; gives the page it leads to."""
        await self.get(fields.pop("page", "/desk"))
        cookie = self.http.cookie_jar.filter_cookies(URL(self.url)).get("crossdock_token")
        data = {"token": cookie.value if cookie else "", **fields}
        async with self.http.post(self.url + path, data=data) as answer:
            text = await answer.text()
            assert answer.status == status, text
            return text


@contextlib.asynccontextmanager
async def serving(site: Any, port: int = 0) -> AsyncIterator[str]:
    """A real server on a free port; gives its address."""
    config = uvicorn.Config(site, host="127.0.0.1", port=port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[method-assign] # tests keep their own
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await task
