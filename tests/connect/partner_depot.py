"""A partner over real HTTP that does as it is told, and a connector to it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from crossdock.connect import Calls, Connector, Lines, Registry, Wire
from crossdock.connect.contract import (
    Context,
    Operation,
    Request,
    Response,
    Setting,
    exchange,
)
from crossdock.connect.secret import Secret
from crossdock.connect.sign_in import secret_headers
from crossdock.engine import Connections, LeasedCall
from crossdock.process.messages import Call
from crossdock.store import Database, Tenant

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Partner:
    """Keeps what it was asked; `answer` says what it answers, by default it does as asked."""

    url: str = ""
    requests: list[tuple[str, str, dict[str, str], Any]] = field(default_factory=list)
    things: dict[str, str] = field(default_factory=dict)  # reference: id
    answer: Answer | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.requests.append(
            (request.method, request.path_qs, {k.lower(): v for k, v in request.headers.items()}, body)
        )
        if self.answer is not None:
            return await self.answer(request)
        return await self.do(request)

    async def do(self, request: web.Request) -> web.StreamResponse:
        if request.method == "GET":
            found = self.things.get(request.query.get("reference", ""))
            return web.json_response({"items": [{"id": found}] if found else []})
        data = await request.json()
        self.things[data["reference"]] = f"P-{len(self.things) + 1}"
        return web.json_response({"id": self.things[data["reference"]]}, status=201)


def build(data: Any, context: Context) -> Request:
    return Request("POST", "/picks", json={"reference": context.key, "order": data["order"]["number"]})


def read(response: Response, _: Context) -> Any:
    return {"pick": response.json()["id"]}


def look(_: Any, context: Context) -> Request:
    return Request("GET", "/picks", query={"reference": context.key})


def looked(response: Response, _: Context) -> Any:
    items = response.json()["items"]
    return {"pick": items[0]["id"]} if items else None


def depot(**changed: Any) -> Connector:
    """A connector to the partner."""
    pick = {"idempotency": "find", "find": exchange(look, looked), **changed.pop("pick", {})}
    declared: dict[str, Any] = {
        "name": "depot",
        "version": "1",
        "serves": ("wms",),
        "settings": {"url": Setting(doc="where it is")},
        "secrets": {"key": "the key"},
        "sign_in": secret_headers({"X-Key": "{key}"}),
        "operations": (Operation(name="create_pick", do=exchange(build, read), **pick),),
    }
    return Connector(**{**declared, **changed})


class Keeps:
    """Secrets in memory."""

    def __init__(self, **secrets: str | tuple[str, ...]) -> None:
        self.kept = secrets

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {n: tuple(map(Secret, (t,) if isinstance(t, str) else t)) for n, t in self.kept.items()}


ORDER = {
    "number": "SO-1",
    "customer": {"id": "C1"},
    "lines": [{"number": "1", "item": "KIT", "quantity": {"value": "2", "unit": "EA"}}],
}


def leased(
    operation: str = "create_pick", data: Any = None, *, system: str = "wms", **changed: Any
) -> LeasedCall:
    call = Call(
        id="pick",
        step="pick",
        system=system,
        operation=operation,
        input={"order": ORDER} if data is None else data,
    )
    given: dict[str, Any] = {
        "tenant": 1,
        "run": 1,
        "command": "pick",
        "connection": "depot",
        "key": "acme/otc/SO-1/1/pick",
        "attempt": 1,
        "find_first": False,
        "only_find": False,
        "seconds": 5.0,
        "token": 1,
        "call": call,
    }
    return LeasedCall(**{**given, **changed})


@dataclass
class Bench:
    """Everything between the engine and the partner, for one connector."""

    database: Database
    tenant: Tenant
    partner: Partner
    wire: Wire
    keeps: Keeps

    async def calls(self, connector: Connector, url: str | None = None, **settings: Any) -> Calls:
        await Connections(self.database).put(
            self.tenant,
            "depot",
            system=connector.serves[0],
            connector=connector.name,
            settings={"url": url or self.partner.url, **settings},
        )
        return Calls(Lines(self.database, Registry.of([connector]), self.keeps), self.wire)
