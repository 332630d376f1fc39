"""The world of these tests: pages over a running engine; only the partner systems are played."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount
from yarl import URL

from acting import someone, whoever
from crossdock.connect.contract import Connector, Context, Operation, Request, Response
from crossdock.desk import Acts
from crossdock.engine import Arrival
from crossdock.process import canonical, load
from crossdock.process.catalogue import OperationShape, ProcessShape
from crossdock.tower import Person
from played_orders import Played, event, reads, serving

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
on:
  shipment.in_transit: { do: nothing, reason: on its way }
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


READS = reads("tms")


def _items(_: Any, __: Context) -> Generator[Request, Response, Any]:
    yield from ()
    kit = {"id": "7", "code": "KIT/30", "ours": "KIT-30", "name": "Kit", "active": True}
    twice = {"id": "8", "code": "GEL/1", "ours": "GEL-1", "name": "Gel", "active": True}
    return {"records": [kit, twice, {**twice, "id": "9"}], "cursor": "1", "more": False}


# A system that keeps master data.
BOOKS = Connector(
    name="books", version="1", serves=("erp",), operations=(Operation(name="list_items", do=_items),)
)


class NoSecrets:
    """Nothing is kept: no call leaves these tests."""

    async def secrets(self, tenant: int, connection: str) -> dict[str, Any]:
        return {}


@dataclass
class Tower(Played):
    """Pages, and the engine below them."""

    acts: Acts
    site: Any = None
    make: Any = None  # the pages of a tenant
    person: Person | None = None

    def seen_by(self, id_: str, *roles: str) -> None:
        """From now on, pages are seen by that person, in these roles; without any, in all."""
        who = someone(self.tenant, *roles, id=id_) if roles else whoever(self.tenant, id_)
        self.person = Person(principal=who)

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
