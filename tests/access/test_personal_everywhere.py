"""Canaries of a person come in by every door, go to a partner in clear, and stand nowhere in the database."""

from __future__ import annotations

import asyncio
import base64
import html
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from crossdock.assemble import System, opened
from crossdock.cli.serving import pages
from crossdock.engine import replay
from crossdock.settings import Settings

CONNECTOR = """
connector: courier
title: A courier
version: 1
serves: courier
settings:
  url: { doc: Where it answers }
secrets:
  hook: Its webhooks carry it
operations:
  book:
    doc: Book a delivery.
    input: { number: string, to: Address, email: string }
    output: { label: string, printed: string, contact: { email: string } }
    changes: true
    idempotency: key
    post: /bookings
    json: { number: "${ input.number }", to: "${ input.to.name }", mail: "${ input.email }", ref: "${ key }" }
    result: { label: "${ reply.label }", printed: "${ reply.printed }", contact: "${ reply.contact }" }
webhook:
  signature: { kind: shared, secret: hook, header: X-Courier-Token }
  records: ${ body.records }
events:
  - if: ${ record.kind == "delivered" }
    type: shipment.delivered
    time: ${ record.at }
    about: { order: "${ record.order }" }
    data: { shipment: "${ record.shipment }", milestone: { code: delivered, signed_by: "${ record.by }" } }
"""

PROCESS = """
process: order
title: Deliver an order
owner: order-desk
document: Order
key: ${ order.number }
start:
  - on: order.released
steps:
  book:
    call: courier.book
    with: { number: "${ order.number }", to: "${ order.ship_to }", email: "${ order.ship_to.contact.email }" }
    undo: none
  ask:
    needs: book
    task: { role: order-desk, form: { phone: string } }
    with: { printed: "${ steps.book.output.printed }", to: "${ order.ship_to.name }" }
    within: 5 business days
    late: { raise: delivery_late }
  delivered:
    needs: ask
    await: shipment.delivered
    within: 5 business days
    late: { raise: delivery_late }
output: { same: "${ order.ship_to.name == order.ship_to.contact.name }" }
"""

NAME, MAIL, STREET, BACK, PHONE, SIGNED, RAW = (
    "Canaria Vogel",
    "canary@vogel.example",
    'Canary "Row" <7>, rear',
    "canary-desk@courier.example",
    "+49 241 4711 0815",
    "Canaria V. Signed",
    "Canaria Unread",
)
CANARIES = (NAME, MAIL, STREET, BACK, PHONE, SIGNED, RAW)


def order(number: str) -> dict[str, Any]:
    return {
        "number": number,
        "customer": {"id": "C-7", "name": NAME},
        "ship_to": {
            "name": NAME,
            "lines": [STREET],
            "city": "Aachen",
            "contact": {"name": NAME, "email": MAIL},
        },
        "lines": [{"number": "1", "item": "KIT", "quantity": {"value": "1", "unit": "EA"}}],
    }


def released(number: str) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"released-{number}",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": order(number),
    }


@dataclass
class World:
    """An installation that is served, its courier, and somebody who asks."""

    system: System
    url: str
    http: aiohttp.ClientSession
    asked: list[dict[str, Any]]
    database_url: str
    keys: dict[str, str] = field(default_factory=dict)

    async def ask(
        self, method: str, path: str, *, role: str = "tenant-admin", status: int = 200, **more: Any
    ) -> str:
        if role not in self.keys:
            by = self.system.whoever("tests")
            made = await self.system.identity.keys.create(self.system.tenant, by, roles=(role,), name=role)
            self.keys[role] = made.text
        headers = {"authorization": f"Bearer {self.keys[role]}", **more.pop("headers", {})}
        async with self.http.request(method, f"{self.url}{path}", headers=headers, **more) as reply:
            text = await reply.text()
        assert reply.status == status, f"{method} {path}: {reply.status} {text[:1000]}"
        return text

    async def get(self, path: str, **more: Any) -> Any:
        return json.loads(await self.ask("GET", f"/api/v1{path}", **more))

    async def page(self, path: str) -> str:
        async with self.http.get(f"{self.url}{path}") as reply:
            assert reply.status == 200
            return await reply.text()

    async def graph(self, query: str, **more: Any) -> str:
        return await self.ask("POST", "/api/graphql", json={"query": query}, **more)

    async def hook(self, body: Any) -> Any:
        headers = {"X-Courier-Token": "hook-1"}
        async with self.http.post(f"{self.url}/hooks/default/courier", json=body, headers=headers) as reply:
            return await reply.json()

    async def run(self, number: str, status: str, waits: str = "") -> Any:
        """The run of an order, once it stands so."""

        async def stands() -> Any:
            (found,) = (await self.get(f"/runs?q={number}"))["items"] or [None]
            if found is None or found["status"] != status:
                return None
            state = await self.get(f"/runs/{found['id']}/state")
            step = state["steps"].get(waits, {}) if waits else {"status": "waiting"}
            return found if step.get("status") in ("waiting", "running") else None

        return await until(stands)

    async def everything(self) -> dict[str, str]:
        """All texts and bytes of all tables, by table and column."""
        owner = await asyncpg.connect(self.database_url)
        columns = await owner.fetch(
            "select c.relname, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace "
            "join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped "
            "where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' "
            "and c.relkind in ('r', 'p') and not c.relispartition"
        )
        found = {}
        for table, column in columns:
            rows = await owner.fetch(f'select "{column}" from crossdock."{table}"')
            found[f"{table}.{column}"] = "\n".join(
                row[0].decode("utf-8", "backslashreplace") if isinstance(row[0], bytes) else str(row[0])
                for row in rows
            )
        await owner.close()
        assert len(found) > 200
        return found

    async def canaries_in_the_database(self) -> list[tuple[str, str]]:
        found = []
        for place, text in (await self.everything()).items():
            for canary in CANARIES:
                forms = (canary, json.dumps(canary)[1:-1], base64.b64encode(canary.encode()).decode())
                if any(form.lower() in text.lower() for form in forms):
                    found.append((place, canary))
        return found


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(20):
        while not (found := await condition()):
            await asyncio.sleep(0.03)
    return found


@pytest.fixture
async def world(url: str, tmp_path: Path) -> AsyncIterator[World]:
    asked: list[dict[str, Any]] = []

    async def book(request: web.Request) -> web.Response:
        body = await request.json()
        asked.append(body)
        printed = f"LABEL FOR {body['to'].upper()} / {body['number']}"
        return web.json_response({"label": "L-1", "printed": printed, "contact": {"email": BACK}})

    app = web.Application()
    app.router.add_post("/bookings", book)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    courier = f"http://127.0.0.1:{runner.addresses[0][1]}"
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "courier.yaml").write_text(CONNECTOR)
    (tmp_path / "processes").mkdir()
    (tmp_path / "processes" / "order.yaml").write_text(PROCESS)
    connection = {"connector": "courier", "settings": {"url": courier}, "secrets": {"hook": ["hook-1"]}}
    (tmp_path / "connections.yaml").write_text(json.dumps({"courier": connection}))
    settings = Settings.read(tmp_path, {"DATABASE_URL": url, "CROSSDOCK_PACKS": "", "CROSSDOCK_PORT": "0"})
    async with (
        opened(settings, set_up=True) as system,
        pages(system, port=0) as address,
        system.worker(),
        aiohttp.ClientSession() as http,
    ):
        yield World(system, address, http, asked, url)
    await runner.cleanup()


async def sealing(world: World) -> None:
    await world.system.acts.personal.begin(
        world.system.whoever("tests"), note="agreed with the works council"
    )

    async def seals() -> bool:
        return bool(await world.system.personal.seals(world.system.tenant.id))

    await until(seals)


async def test_a_person_is_nowhere_in_the_database_and_gone_when_erased(world):
    await sealing(world)
    await world.ask("POST", "/api/v1/events", json=released("SO-1"), headers={"idempotency-key": "k1"})
    run = await world.run("SO-1", "active", "ask")
    assert [(one["to"], one["mail"]) for one in world.asked] == [(NAME, MAIL)]  # the partner has it in clear
    (task,) = (await world.get("/tasks"))["items"]
    assert task["content"]["printed"] == f"LABEL FOR {NAME.upper()} / SO-1"
    done = {"decision": "done", "form": {"phone": PHONE}, "seen": task["seen"]}
    await world.ask("POST", f"/api/v1/tasks/{task['id']}/decide", json=done, role="order-desk")
    await world.run("SO-1", "active", "delivered")
    said = {
        "kind": "delivered",
        "at": "2026-05-05T08:00:00Z",
        "order": "SO-1",
        "shipment": "S-1",
        "by": SIGNED,
    }
    unread = {"kind": "delivered", "at": "never", "order": "SO-1", "by": RAW}
    assert (await world.hook({"records": [said]}))["outcome"] == "taken"
    assert (await world.hook({"records": [unread]}))["outcome"] == "quarantined"
    await until(lambda: ended(world, run["id"]))
    assert await world.canaries_in_the_database() == []

    shown = await everywhere(world, run)
    for where in ("the state", "the history", "the graph", "the page", "the orders as a table"):
        assert (NAME in shown[where], "⟦" in shown[where]) == (True, False), where
    assert html.escape(STREET) in shown["the page"]
    assert (MAIL in shown["the state"], BACK in shown["the state"]) == (True, True)
    assert (PHONE in shown["the history"], SIGNED in shown["the history"]) == (True, True)
    assert RAW in shown["what could not be read"]
    masked = await everywhere(world, run, role="auditor")
    assert "[hidden]" in masked["the state"]
    assert [
        (where, one)
        for where, text in masked.items()
        for one in CANARIES
        if one in text and where != "the page"
    ] == []

    for text in (NAME, MAIL, PHONE, "canaria", SIGNED):
        assert [(one["subject"], one["runs"]) for one in await found(world, text)] == [("customer/C-7", 1)], (
            text
        )
    await world.ask("POST", "/api/v1/personal/find", json={"text": "x1"}, role="auditor", status=403)
    gone = json.loads(
        await world.ask(
            "POST", "/api/v1/personal/erase", json={"subject": "customer/C-7", "why": "asked on 2 March"}
        )
    )
    assert (gone["runs"], gone["open_runs"], gone["words"] > 5) == (1, 0, True)
    assert gone["raw_until"] is not None

    after = await everywhere(world, run)
    for where, text in after.items():
        assert [
            one for one in CANARIES if one in text and (one, where) != (RAW, "what could not be read")
        ] == [], where
    assert "[erased]" in after["the state"]
    assert "[erased]" in after["the page"]
    assert await found(world, "canaria") == []
    assert await world.canaries_in_the_database() == []
    (told,) = (await world.get("/personal/erased", role="auditor"))["items"]
    assert (told["why"], told["handle"]) == ("asked on 2 March", gone["handle"])
    for row in await world.system.history.runs(world.system.tenant):
        assert (await replay(world.system.database, world.system.library, world.system.tenant, row.id)).same
    checked = await world.get("/audit/verify", role="auditor")
    assert checked["good"], checked


async def found(world: World, text: str) -> list[Any]:
    return json.loads(await world.ask("POST", "/api/v1/personal/find", json={"text": text}))["items"]


async def ended(world: World, run: str) -> bool:
    return (await world.get(f"/runs/{run}"))["status"] == "completed"


async def everywhere(world: World, run: Any, role: str = "tenant-admin") -> dict[str, str]:
    """What whoever has that role sees, wherever something of a run is shown."""
    path = f"/api/v1/runs/{run['id']}"
    query = f"""{{ run(id: "{run["id"]}") {{ document }} }}"""
    return {
        "the state": await world.ask("GET", f"{path}/state", role=role),
        "the history": await world.ask("GET", f"{path}/history", role=role),
        "the orders as a table": await world.ask(
            "GET", "/api/v1/orders?expand=tasks&format=csv&fields=number,document", role=role
        ),
        "the graph": await world.graph(query, role=role),
        "the events": await world.ask("GET", "/api/v1/events?format=ndjson", role=role),
        "what could not be read": await world.ask("GET", "/api/v1/events/unread", role=role),
        "the page": await world.page("/runs/order/SO-1/1"),
        "the list": await world.page("/runs"),
    }
