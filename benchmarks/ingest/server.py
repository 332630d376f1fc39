"""One server as a process: `python -m benchmarks.ingest.server NAME URL`; tells its port, ends with its
input.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import sys
import tempfile
from datetime import datetime
from pathlib import Path

import asyncpg
import uvicorn
import uvloop
from aiohttp import web
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks._ground import read
from benchmarks.ingest.client import SECRET
from crossdock.access import Policies
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.connect import Connector, Lines, Registry
from crossdock.connect.contract import Happening, Notice, Setting, Webhook
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import Scheme
from crossdock.engine import Connections, Inbox, Library
from crossdock.gateway import Senders, take_events, webhooks
from crossdock.process.messages import Actor
from crossdock.store import Database

TENANT = "bench"


def happened(notice: Notice) -> list[Happening]:
    """What the carrier says, in our words."""
    news = notice.json()
    return [
        Happening(
            type="shipment.delivered",
            time=datetime.fromisoformat(news["at"]),
            data={"shipment": news["shipment"], "tracking_number": news["tracking"]},
            id=news["number"],
        )
    ]


CARRIER = Connector(
    name="played",
    version="1",
    serves=("carrier",),
    settings={"url": Setting()},
    secrets={"hook": "signs webhooks"},
    events=("shipment.delivered",),
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Bench-Sign", encoding="hex"),
        translate=happened,
        delivery_id=lambda notice: notice.headers.get("x-bench-id", ""),
        secret="hook",
    ),
)


class Keeps:
    """Keeps the secret of the one webhook."""

    async def secrets(self, _tenant: int, _connection: str) -> dict[str, tuple[Secret, ...]]:
        return {"hook": (Secret(SECRET.decode()),)}


async def ours(url: str) -> None:
    """The door for webhooks, as `crossdock serve` serves it."""
    database = await Database.open(url)
    tenant = await database.tenant(TENANT)
    settings = {"url": "http://127.0.0.1:9"}
    await Connections(database).put(
        tenant, "carrier", system="carrier", connector="played", settings=settings
    )
    inbox = Inbox(database, Library(database, read))
    audit = Audit(database)
    with tempfile.TemporaryDirectory() as keys:
        sealing = Sealing(database, Masters(Path(keys) / "master.key"))
        senders = Senders(Identity(database, audit, sealing), Policies(database, audit))
        lines = Lines(database, Registry.of([CARRIER]), Keeps())
        await _serve(webhooks(database, inbox, lines, senders))
    await database.close()


async def programs(url: str) -> None:
    """The door for programs behind the least that can stand before it."""
    database = await Database.open(url)
    tenant = await database.tenant(TENANT)
    inbox = Inbox(database, Library(database, read))
    actor = Actor(id="bench", kind="key")

    async def events(request: Request) -> JSONResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        put = functools.partial(inbox.put, tenant)
        taken = await take_events(put, headers, await request.body(), actor=actor)
        errors = [str(one.error) for one in taken if one.error]
        return JSONResponse({"taken": len(taken), "errors": errors}, 422 if errors else 200)

    await _serve(Starlette(routes=[Route("/events", events, methods=["POST"])]))
    await database.close()


async def bare_insert(url: str) -> None:
    """A handler that inserts what it is given, and does nothing else."""
    pool = await asyncpg.create_pool(url, min_size=8, max_size=8)
    await pool.execute(
        "create table if not exists bare (id bigint generated always as identity primary key, "
        "at timestamptz not null default now(), body bytea not null)"
    )

    async def events(request: web.Request) -> web.Response:
        await pool.execute("insert into bare (body) values ($1)", await request.read())
        return web.json_response({"taken": 1})

    application = web.Application()
    application.router.add_post("/events", events)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    with _listening() as listening:
        await web.SockSite(runner, listening, backlog=512).start()
        print(listening.getsockname()[1], flush=True)
        await _told_to_end()
        await runner.cleanup()
    await pool.close()


async def _serve(application: Starlette) -> None:
    config = uvicorn.Config(application, log_level="warning", access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    with _listening() as listening:
        running = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        print(listening.getsockname()[1], flush=True)
        await _told_to_end()
        server.should_exit = True
        await running


def _listening() -> contextlib.closing[socket.socket]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    return contextlib.closing(listening)


async def _told_to_end() -> None:
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run({"ours": ours, "programs": programs, "bare_insert": bare_insert}[sys.argv[1]](sys.argv[2]))
