"""The world of these tests: the API over a running engine, by real HTTP; only the partner systems are played."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.routing import Mount

from acting import acts_of, someone
from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.headers import Headers
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.access.tenants import Tenants
from crossdock.api import Ground, Imports, NameBook, app, nothing_here
from crossdock.api.graphql import Persisted
from crossdock.api.graphql.measure import Bounds
from crossdock.api.throttle import Alone, Throttle
from crossdock.api.throttle_rules import Rules
from crossdock.connect import Registry
from crossdock.engine import (
    Arrival,
    Connections,
    History,
    Inbox,
    Library,
)
from crossdock.installed import Installed
from crossdock.process import canonical
from crossdock.process.catalogue import OperationShape
from crossdock.store import Clock, Database, Tenant
from played_orders import START, Partners, Played, reads, serving

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
alias:
  customer_po: ${ default(order.customer_po, "none-" + order.number) }
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
  packed:
    needs: pick
    await: warehouse.shipment_packed
    within: 1 business day
    late: { raise: pick_late, severity: medium }
  deliver:
    needs: packed
    each: ${ steps.packed.events.map(e, e.shipment) }
    run: delivery
"""

DELIVERIES = """
process: delivery
owner: transport-desk
document: Shipment
key: ${ shipment.number }
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


READS = reads("erp", "wms", "tms")
OPERATIONS = {
    name: OperationShape(name=name, changes=name != "erp.check_credit")
    for name in ("erp.check_credit", "wms.pick", "wms.unpick", "tms.book")
}
INSTALLED = Installed(Registry.of([READS]), canonical().including(operations=OPERATIONS))
"""What is installed here: what was read once is not read again by the next test."""


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: Any
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass
class World(Played):
    """The API, and the engine below it."""

    identity: Identity
    imports: Imports
    site: Starlette
    api: Any
    key: str = ""

    async def key_of(self, *roles: str, tenant: Tenant | None = None, scopes: list[str] | None = None) -> str:
        """A new key in these roles."""
        tenant = tenant or self.tenant
        by = Principal(
            tenant=tenant.id, id="root", kind="human", roles=frozenset({"operator-admin", "tenant-admin"})
        )
        made = await self.identity.keys.create(tenant, by, roles=roles, scopes=scopes, name="tests")
        return made.text

    async def ask(
        self, method: str, path: str, *, key: str | None = None, status: int | None = None, **more: Any
    ) -> Answer:
        """Ask, and see that the status is as expected."""
        headers = {"authorization": f"Bearer {self.key if key is None else key}", **more.pop("headers", {})}
        async with self.http.request(
            method, f"{self.url}/api/v1{path}", headers=headers, allow_redirects=False, **more
        ) as answer:
            text = await answer.text()
            found = Answer(answer.status, answer.headers, text)
        assert status is None or found.status == status, f"{method} {path}: {found.status} {text[:2000]}"
        return found

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        """What is at an address."""
        return (await self.ask("GET", path, status=status, **more)).json

    async def post(self, path: str, body: Any = None, status: int = 200, **more: Any) -> Any:
        """What comes of a post."""
        more |= {"json": body} if body is not None else {}
        return (await self.ask("POST", path, status=status, **more)).json

    async def account(self, email: str, *roles: str) -> str:
        """Somebody who has used the link that they were invited with; gives their id."""
        admin = someone(self.tenant, "tenant-admin")
        link = await self.identity.people.invite(self.tenant, admin, email=email, roles=roles)
        text = link.path.rpartition("/")[2]
        return (await self.identity.people.accept(text, password="x", origin="here"))[1].id

    async def put(self, *arrivals: Arrival, tenant: Tenant | None = None) -> None:
        await self.inbox.put(tenant or self.tenant, arrivals)

    async def neighbour(self, name: str = "zeta") -> tuple[Tenant, str]:
        """Another tenant of the same installation, with the same processes and a key."""
        tenant = await self.database.create_tenant(name)
        await furnish(self.database, self.library, tenant)
        return tenant, await self.key_of("tenant-admin", tenant=tenant)


async def furnish(database: Database, library: Library, tenant: Tenant) -> None:
    """Connections and processes of a tenant."""
    for system in ("erp", "wms", "tms"):
        await Connections(database).put(tenant, system, system=system, connector="tests")
    for text in (DELIVERIES, ORDERS):
        await library.publish(tenant, text, by="tests")


@contextlib.asynccontextmanager
async def world_of(database: Database, tenant: Tenant, keys: Path) -> AsyncIterator[World]:
    """The API of that installation, served."""
    library = Library(database, INSTALLED.reopen)
    clock = Clock(database)
    await clock.set(START, rate=0)
    await furnish(database, library, tenant)
    inbox = Inbox(database, library)
    audit = Audit(database)
    sealing = Sealing(database, Masters(keys / "master.key"))
    identity = Identity(database, audit, sealing)
    names = NameBook(database)
    acts = acts_of(
        database,
        inbox,
        library,
        read=INSTALLED.reopen,
        problems=INSTALLED.problems,
        registry=INSTALLED.connectors,
        keys=keys,
        audit=audit,
    )
    imports = Imports(database, names, acts, identity, audit)
    rules = Rules(key={}, tenant={}, address=None)
    ground = Ground(
        database=database,
        names=names,
        identity=identity,
        throttle=Throttle(Alone(), rules),
        policies=acts.policies,
        acts=acts,
        connections=Connections(database),
        imports=imports,
        tenants=Tenants(database, audit),
        audit=audit,
        persisted=Persisted(database, audit),
        query_bounds=Bounds(),
        read=INSTALLED.reopen,
        check=lambda text, others: INSTALLED.beside(*others).check(text),
    )
    api = app(ground)
    site = Starlette(
        routes=[Mount("/api/v1", api)],
        middleware=[Middleware(Headers)],
        exception_handlers={HTTPException: nothing_here},
    )
    world = World(
        database,
        tenant,
        library,
        inbox,
        History(database),
        clock,
        Partners(),
        audit,
        identity,
        imports,
        site,
        api,
    )
    world.key = await world.key_of("tenant-admin")
    async with serving(site) as url, aiohttp.ClientSession() as http:
        world.url, world.http = url, http
        yield world
