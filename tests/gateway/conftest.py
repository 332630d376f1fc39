"""The doors, served over HTTP, before a real inbox; a connector whose partner signs."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crossdock.access import Policies
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.connect import Calls, Connector, Lines, Registry, Wire
from crossdock.connect.contract import Happening, OwnEvent, Page, Poll, Request, Setting, Webhook
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import Scheme
from crossdock.engine import Connections, Inbox, Library
from crossdock.errors import Refused
from crossdock.gateway import Poller, Quarantine, Senders, webhooks
from crossdock.process import canonical
from crossdock.process.publish import reopen
from crossdock.store import Database, Tenant
from played_orders import serving


def happened(record: Any) -> list[Happening]:
    """A record of the depot in our words."""
    if record["what"] == "noise":
        return []
    if record["what"] not in ("delivered", "counted"):
        raise Refused(f"unknown word {record['what']!r}", where="what", mend="map it")
    if record["what"] == "counted":
        data: Any = {"bin": record["bin"]}
        kind = "depot.bin_counted"
    else:
        data, kind = {"shipment": record["shipment"]}, "shipment.delivered"
    return [
        Happening(type=kind, time=datetime.fromisoformat(record["at"]), data=data, id=record.get("id", ""))
    ]


def read_feed(cursor: str, _context: Any) -> Any:
    reply = (yield Request("GET", "/feed", query={"after": cursor})).json()
    return Page(records=reply["records"], cursor=str(reply["next"]), more=reply["more"])


CONNECTOR = Connector(
    name="depot",
    version="1",
    serves=("wms",),
    settings={"url": Setting()},
    secrets={"hook": "signs webhooks"},
    events=("shipment.delivered",),
    own_events=(OwnEvent(type="depot.bin_counted", data={"bin": "string"}, about={"bin": "bin"}),),
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Depot-Sign", encoding="hex"),
        translate=lambda notice: happened(notice.json()),
        delivery_id=lambda notice: notice.headers.get("x-depot-id", ""),
        secret="hook",
    ),
    polls=(Poll(name="feed", read=read_feed, translate=lambda record, _: happened(record), every=60),),
)


class Keeps:
    def __init__(self) -> None:
        self.kept = {"hook": ("s3cret",)}

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {name: tuple(map(Secret, texts)) for name, texts in self.kept.items()}


@dataclass
class Doors:
    database: Database
    tenant: Tenant
    inbox: Inbox
    lines: Lines
    quarantine: Quarantine
    poller: Poller
    http: aiohttp.ClientSession
    keeps: Keeps
    url: str = ""
    feed: list[Any] = field(default_factory=list)

    async def send(
        self, body: bytes, *, secret: str = "s3cret", door: str = "acme/depot", **headers: str
    ) -> tuple[int, Any]:
        sign = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        given = {"X-Depot-Sign": sign, **{k.replace("_", "-"): v for k, v in headers.items()}}
        async with self.http.post(f"{self.url}/{door}", data=body, headers=given) as reply:
            return reply.status, await reply.json()

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.database.engine() as transaction:
            return [dict(row) for row in await transaction.fetch(sql)]

    async def parked(self) -> list[Any]:
        found = await self.rows("select event from crossdock.parked order by id")
        return [json.loads(row["event"]) for row in found]


@pytest.fixture
async def doors(database: Database, tenant: Tenant, tmp_path: Path) -> AsyncIterator[Doors]:
    catalogue = canonical()
    inbox = Inbox(database, Library(database, lambda text, *_: reopen(text, catalogue)))
    registry = Registry.of([CONNECTOR])
    keeps = Keeps()
    lines = Lines(database, registry, keeps)
    wire = Wire()
    poller = Poller(database, inbox, lines, Calls(lines, wire), registry)
    audit = Audit(database)
    identity = Identity(database, audit, Sealing(database, Masters(tmp_path / "master.key")))
    senders = Senders(identity, Policies(database, audit))
    await Connections(database).put(
        tenant, "depot", system="wms", connector="depot", settings={"url": "http://127.0.0.1:9"}
    )
    app = webhooks(database, inbox, lines, senders, largest=100_000)
    async with serving(app) as url, aiohttp.ClientSession() as http:
        yield Doors(
            database, tenant, inbox, lines, Quarantine(database, inbox, lines), poller, http, keeps, url
        )
    await wire.close()
