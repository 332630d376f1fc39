"""Canaries of a person come in by every door, go to a partner in clear, and stand nowhere in the database."""

from __future__ import annotations

import asyncio
import base64
import csv
import html
import io
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg
import pytest
import pytest_asyncio
from aiohttp import web

from crossdock.assemble import System, opened
from crossdock.cli.serving import pages
from crossdock.engine import replay
from crossdock.settings import Settings
from crossdock.store import EmbeddedServer

pytestmark = pytest.mark.asyncio(loop_scope="module")

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
  confirm:
    needs: ask
    call: courier.book
    with: { number: "${ order.number }", to: "${ order.ship_to }", email: "${ order.ship_to.contact.email }" }
    undo: none
  delivered:
    needs: confirm
    await: shipment.delivered
    within: 5 business days
    late: { raise: delivery_late }
output: { same: "${ order.ship_to.name == order.ship_to.contact.name }" }
"""

GIVEN = """
import shlex, sys
from crossdock.cli import main
here, *commands = sys.argv[1:]
for command in commands:
    sys.argv = ["crossdock", *shlex.split(command), "--json", "--dir", here]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
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


def order(number: str, customer: str = "C-7", **more: Any) -> dict[str, Any]:
    return {
        "number": number,
        "customer": {"id": customer, "name": NAME},
        "ship_to": {
            "name": NAME,
            "lines": [STREET],
            "city": "Aachen",
            "contact": {"name": NAME, "email": MAIL},
        },
        "lines": [{"number": "1", "item": "KIT", "quantity": {"value": "1", "unit": "EA"}}],
        **more,
    }


def released(number: str, customer: str = "C-7", **more: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": f"released-{number}",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": order(number, customer, **more),
    }


@dataclass
class World:
    """An installation that is served, its courier, and somebody who asks."""

    system: System
    url: str
    http: aiohttp.ClientSession
    asked: list[dict[str, Any]]
    environment: dict[str, str]
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

    async def commands(self, *commands: str) -> list[Any]:
        """Commands in a process of their own, one after the other; the objects that they tell."""
        here = str(self.system.settings.data.parent)
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", GIVEN, here, *commands),
            env={**os.environ, **self.environment},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
        assert process.returncode == 0, out
        return [json.loads(line) for line in out.splitlines()]

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
        owner = await asyncpg.connect(self.environment["DATABASE_URL"])
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

    async def send(self, number: str, customer: str = "C-7", **more: Any) -> Any:
        """An order comes in; its run, once it waits for somebody."""
        await self.ask("POST", "/api/v1/events", json=released(number, customer, **more))
        return await self.run(number, "active", "ask")

    async def answer(self, number: str) -> None:
        """Somebody calls, and says so."""
        (task,) = [
            one for one in (await self.get("/tasks"))["items"] if f"/ {number}" in one["content"]["printed"]
        ]
        done = {"decision": "done", "form": {"phone": PHONE}, "seen": task["seen"]}
        await self.ask("POST", f"/api/v1/tasks/{task['id']}/decide", json=done, role="order-desk")

    async def find(self, text: str) -> list[Any]:
        return json.loads(await self.ask("POST", "/api/v1/personal/find", json={"text": text}))["items"]

    async def erase(self, subject: str) -> Any:
        given = {"subject": subject, "why": "asked on 2 March"}
        return json.loads(await self.ask("POST", "/api/v1/personal/erase", json=given))

    async def state(self, run: Any, **more: Any) -> str:
        return await self.ask("GET", f"/api/v1/runs/{run['id']}/state", **more)

    async def replays(self) -> bool:
        """Whether each run replays to what is stored, byte for byte."""
        system = self.system
        rows = await system.history.runs(system.tenant)
        return all(
            [(await replay(system.database, system.library, system.tenant, row.id)).same for row in rows]
        )

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


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def world(server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """One for all tests here: each has orders and customers of its own."""
    owner = await asyncpg.connect(server.url())
    await owner.execute("create database personal template template strategy file_copy")
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
    place = tmp_path_factory.mktemp("personal")
    (place / "connectors").mkdir()
    (place / "connectors" / "courier.yaml").write_text(CONNECTOR)
    (place / "processes").mkdir()
    (place / "processes" / "order.yaml").write_text(PROCESS)
    connection = {
        "connector": "courier",
        "settings": {"url": f"http://127.0.0.1:{runner.addresses[0][1]}"},
        "secrets": {"hook": ["hook-1"]},
    }
    (place / "connections.yaml").write_text(json.dumps({"courier": connection}))
    environment = {"DATABASE_URL": server.url("personal"), "CROSSDOCK_PACKS": "", "CROSSDOCK_PORT": "0"}
    async with (
        opened(Settings.read(place, environment), set_up=True) as system,
        pages(system, port=0) as address,
        system.worker(),
        aiohttp.ClientSession() as http,
    ):
        world = World(system, address, http, asked, environment)
        await world.ask("POST", "/api/v1/personal", json={"on": True, "note": "agreed on"})
        await until(lambda: system.personal.seals(system.tenant.id))
        yield world
    await runner.cleanup()
    await owner.execute("drop database personal with (force)")
    await owner.close()


async def test_a_person_is_nowhere_in_the_database_and_gone_when_erased(world):
    run = await world.send("SO-1")
    assert [(one["to"], one["mail"]) for one in world.asked] == [(NAME, MAIL)]  # the partner has it in clear
    await world.answer("SO-1")
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
    await until(lambda: ended(world, run))
    assert await world.canaries_in_the_database() == []

    shown = await everywhere(world, run)
    for where in ("the state", "the history", "the graph", "the page", "the orders as a table"):
        assert (NAME in shown[where], "⟦" in shown[where]) == (True, False), where
    assert html.escape(STREET) in shown["the page"]
    table = list(csv.DictReader(io.StringIO(shown["the orders as a table"])))
    assert json.loads(table[0]["document"])["ship_to"]["lines"] == [STREET]
    assert (MAIL in shown["the state"], BACK in shown["the state"]) == (True, True)
    assert f"LABEL FOR {NAME.upper()} / SO-1" in shown["the state"]  # what the partner said back
    assert (PHONE in shown["the history"], SIGNED in shown["the history"]) == (True, True)
    assert RAW in shown["what could not be read"]
    masked = await everywhere(world, run, role="auditor")
    assert "[hidden]" in masked["the state"]
    assert [(where, one) for where, text in masked.items() for one in CANARIES if one in text] == []

    for text in (NAME, MAIL, PHONE, "canaria", SIGNED):
        assert [(one["subject"], one["runs"]) for one in await world.find(text)] == [("customer/C-7", 1)], (
            text
        )
    await world.ask("POST", "/api/v1/personal/find", json={"text": "x1"}, role="auditor", status=403)
    gone = await world.erase("customer/C-7")
    assert (gone["runs"], gone["open_runs"], gone["words"] > 5) == (1, 0, True)
    assert gone["raw_until"] is not None

    after = await everywhere(world, run)
    del after["what could not be read"]  # sealed with the key of its day, and gone with that
    assert [(where, one) for where, text in after.items() for one in CANARIES if one in text] == []
    assert "[erased]" in after["the state"]
    assert "[erased]" in after["the page"]
    assert await world.find("canaria") == []
    assert await world.canaries_in_the_database() == []
    (told,) = (await world.get("/personal/erased", role="auditor"))["items"]
    assert (told["why"], told["handle"]) == ("asked on 2 March", gone["handle"])
    assert await world.replays()
    assert (await world.get("/audit/verify", role="auditor"))["good"]


async def test_what_comes_late_is_not_kept_and_no_call_says_what_was_erased(world):
    run = await world.send("SO-2", "C-8")
    asked = len(world.asked)
    assert (await world.erase("customer/C-8"))["open_runs"] == 1
    await world.answer("SO-2")

    async def refused() -> Any:
        return [one for one in (await world.get("/exceptions"))["items"] if one["key"] == "SO-2"]

    (exception,) = await until(refused)
    assert "was erased" in exception["message"]
    said = {
        "kind": "delivered",
        "at": "2026-05-05T08:00:00Z",
        "order": "SO-2",
        "shipment": "S-2",
        "by": SIGNED,
    }
    assert (await world.hook({"records": [said]}))["outcome"] == "taken"
    history = await until(lambda: holds(world, run, "[erased]"))
    assert not [one for one in CANARIES if one in history]
    assert len(world.asked) == asked
    assert await world.canaries_in_the_database() == []

    again = await world.send("SO-3", "C-8")  # the customer comes again: with that, something new is held
    assert NAME in await world.state(again)
    assert "[erased]" in await world.state(run)
    assert [(one["subject"], one["runs"]) for one in await world.find(NAME)] == [("customer/C-8", 1)]
    assert await world.replays()


async def test_what_came_before_its_customer_was_known_goes_with_the_customer(world):
    early = {
        "kind": "delivered",
        "at": "2026-05-05T08:00:00Z",
        "order": "SO-4",
        "shipment": "S-4",
        "by": SIGNED,
    }
    assert (await world.hook({"records": [early]}))["outcome"] == "taken"
    assert [one["subject"] for one in await world.find(SIGNED)] == ["order/SO-4"]
    run = await world.send("SO-4", "C-9")
    assert SIGNED in await until(lambda: holds(world, run, SIGNED))
    await world.erase("customer/C-9")
    assert SIGNED not in await world.ask("GET", f"/api/v1/runs/{run['id']}/history")
    assert await world.find(SIGNED) == []
    assert await world.replays()


async def test_what_is_imported_or_refused_is_nowhere_either(world):
    lines = "\n".join(json.dumps(order(f"SO-5{n}", "C-10")) for n in range(5))
    media = {"content-type": "application/x-ndjson"}
    path = "/api/v1/imports?what=orders&type=order.released"
    await world.ask("POST", path, data=lines.encode(), headers=media, status=202)
    assert await world.canaries_in_the_database() == []
    run = await world.run("SO-54", "active", "ask")
    assert NAME in await world.state(run)
    wrong = released("SO-6", "C-10", weight=NAME)
    wrong["data"]["ship_to"]["country"] = MAIL
    key = {"idempotency-key": "refused-1"}
    await world.ask("POST", "/api/v1/events", json=wrong, headers=key, status=422)
    assert await world.canaries_in_the_database() == []


async def test_a_token_that_is_sent_in_opens_nothing(world):
    await world.send("SO-7", "C-11")
    tokens = "".join((await world.everything()).values())
    stolen = re.search(r"⟦p:[\w:-]+⟧", tokens).group()
    run = await world.send("SO-8", "C-12", custom={"note": stolen}, customer_po=stolen)
    state = json.loads(await world.state(run))
    assert state["document"]["custom"]["note"] == stolen.replace("⟦", "[").replace("⟧", "]")


async def test_commands_start_show_find_and_erase(world, tmp_path):
    document = tmp_path / "order.json"
    document.write_text(json.dumps(order("SO-9", "C-13")))
    await world.commands(f"run order --document {document}")
    run = await world.run("SO-9", "active", "ask")
    assert await world.canaries_in_the_database() == []
    shown, *held, gone = await world.commands(
        "runs order/SO-9", f"personal find '{NAME}'", "personal erase customer/C-13 --why asked"
    )
    assert shown["state"]["document"]["ship_to"]["name"] == NAME
    assert [one["runs"] for one in held if one["subject"] == "customer/C-13"] == [1]
    assert gone["open_runs"] == 1
    await until(lambda: holds(world, run, "[erased]"))  # this process opens it no more after two seconds


async def test_where_it_is_ended_what_was_sealed_is_opened_still(world):
    run = await world.send("SO-10", "C-14")
    await world.ask("POST", "/api/v1/personal", json={"on": False})

    async def over() -> bool:
        return await world.system.personal.seals(world.system.tenant.id) is False

    await until(over)
    await world.answer("SO-10")
    await world.run("SO-10", "active", "delivered")
    assert world.asked[-1] == {**world.asked[-1], "number": "SO-10", "to": NAME}
    assert NAME in await world.state(run)
    assert {canary for _, canary in await world.canaries_in_the_database()} == {PHONE}  # what came after
    await world.erase("customer/C-14")
    assert "[erased]" in await world.state(run)


async def ended(world: World, run: Any) -> bool:
    return (await world.get(f"/runs/{run['id']}"))["status"] == "completed"


async def holds(world: World, run: Any, text: str) -> str:
    history = await world.ask("GET", f"/api/v1/runs/{run['id']}/history")
    return history if text in history else ""


async def everywhere(world: World, run: Any, role: str = "tenant-admin") -> dict[str, str]:
    """What whoever has that role sees, wherever something of a run is shown."""
    path = f"/api/v1/runs/{run['id']}"
    query = f"""{{ run(id: "{run["id"]}") {{ document }} }}"""
    table = "/api/v1/orders?format=csv&fields=number,document"
    found = {
        "the state": await world.ask("GET", f"{path}/state", role=role),
        "the history": await world.ask("GET", f"{path}/history", role=role),
        "the orders as a table": await world.ask("GET", table, role=role),
        "the graph": await world.graph(query, role=role),
        "the events": await world.ask("GET", "/api/v1/events?format=ndjson", role=role),
        "what could not be read": await world.ask("GET", "/api/v1/events/unread", role=role),
    }
    if role == "tenant-admin":  # as whoever sits at the machine
        found |= {"the page": await world.page("/runs/order/SO-1/1"), "the list": await world.page("/runs")}
    return found
