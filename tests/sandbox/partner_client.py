"""The partner systems as a test sees them: a client for all of them, and a receiver of their webhooks."""

import asyncio
import base64
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from aiohttp import web

START = "2026-03-02T08:00:00Z"  # a Monday

HEADERS = {
    "wms": {"X-Stackyard-Client": "crossdock", "X-Stackyard-Secret": "stackyard-demo"},
    "tms": {"Authorization": "Token crossdock:waypost-demo"},
    "quayline": {"X-Quayline-Key": "qk-demo"},
    "oldbridge": {"Authorization": "Basic " + base64.b64encode(b"crossdock:oldbridge-demo").decode()},
    "postbox": {"Authorization": "Bearer postbox-demo"},
}


@dataclass
class Answer:
    status: int
    body: bytes
    headers: Any

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Hook:
    path: str
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Where webhooks go; answers with `status`."""

    url: str = ""
    status: int = 204
    hooks: list[Hook] = field(default_factory=list)
    arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def take(self, request: web.Request) -> web.Response:
        self.hooks.append(Hook(request.path, request.headers.copy(), await request.read()))
        async with self.arrived:
            self.arrived.notify_all()
        return web.Response(status=self.status)


class Sandbox:
    """The services over HTTP, with the credentials of each."""

    def __init__(self, line: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self.services = line["services"]
        self._session = session
        self.headers = {name: dict(headers) for name, headers in HEADERS.items()}

    async def raw(self, service: str, method: str, path: str, **more: Any) -> Answer:
        """A request without credentials."""
        async with self._session.request(method, self.services[service]["url"] + path, **more) as answer:
            return Answer(answer.status, await answer.read(), answer.headers.copy())

    async def call(self, service: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A request as the service's client."""
        if service not in self.headers:
            await self._log_in(service)
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | self.headers[service]
        more = {"data": body} if isinstance(body, bytes | str | io.BytesIO) else {"json": body}
        return await self.raw(service, method, path, headers=sent, **more)

    async def _log_in(self, service: str) -> None:
        if service == "erp":
            login = await self.raw("erp", "POST", "/login", json=self.services["erp"]["credentials"])
            self.headers["erp"] = {"Authorization": f"Session {login.json['result']['session']}"}
        else:
            form = {"grant_type": "client_credentials", **self.services["farrow"]["credentials"]}
            token = await self.raw("farrow", "POST", "/oauth/token", data=form)
            self.headers["farrow"] = {"Authorization": f"Bearer {token.json['access_token']}"}

    async def control(self, service: str, path: str, body: Any) -> Any:
        answer = await self.raw(service, "POST", path, json=body)
        assert answer.status == 200, answer.body
        return answer.json

    async def ledger(self, service: str) -> Any:
        return (await self.raw(service, "GET", "/ledger")).json

    async def now(self) -> datetime:
        return datetime.fromisoformat((await self.raw("erp", "GET", "/clock")).json["now"])

    async def advance(self, **delta: float) -> Any:
        to = await self.now() + timedelta(**delta)
        return await self.control("wms", "/clock", {"now": to.isoformat()})

    async def monday(self, hour: int) -> datetime:
        """Go to the next Monday at that hour, UTC."""
        now = await self.now()
        to = (now + timedelta(days=(7 - now.weekday()) % 7)).replace(
            hour=hour, minute=0, second=0, microsecond=0
        )
        to += timedelta(days=7 if to < now else 0)
        await self.control("wms", "/clock", {"now": to.isoformat()})
        return to.astimezone(UTC)

    async def listen(self, receiver: Receiver, *services: str) -> None:
        for service in services:
            await self.control(service, "/configure", {"webhook_url": f"{receiver.url}/{service}"})
