"""The routes that every service has beside its own: ledger, faults, time, scripts, configuration."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from crossdock.sandbox.amounts import read_plain
from crossdock.sandbox.clock import stamp
from crossdock.sandbox.faults import FaultOrder
from crossdock.sandbox.webhooks import Sealed

if TYPE_CHECKING:
    from crossdock.sandbox.service import Service


class Time(Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /clock` takes."""

    now: Annotated[datetime, Meta(tz=True)]


class Configuration(Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /configure` takes; what is absent stays as it is."""

    webhook_url: str | msgspec.UnsetType | None = msgspec.UNSET
    secret: str | msgspec.UnsetType = msgspec.UNSET
    calm: bool | msgspec.UnsetType = msgspec.UNSET
    token_seconds: float | msgspec.UnsetType = msgspec.UNSET


class Control:
    """The common routes of one service."""

    def __init__(self, service: Service) -> None:
        """Serve the given service."""
        self._service = service

    def add_to(self, app: web.Application) -> None:
        """Add the routes."""
        for method, path, handler in (
            ("GET", "/", self._about),
            ("GET", "/ledger", self._ledger),
            ("GET", "/faults", self._faults),
            ("POST", "/faults", self._add_fault),
            ("DELETE", "/faults", self._clear_faults),
            ("GET", "/clock", self._clock),
            ("POST", "/clock", self._advance),
            ("POST", "/script", self._script),
            ("POST", "/configure", self._configure),
            ("GET", "/webhooks/pending", self._pending),
            ("POST", "/webhooks/retry", self._retry),
            ("POST", "/reset", self._reset),
        ):
            app.router.add_route(method, path, _guard(handler))

    async def _about(self, _request: web.Request) -> Any:
        service = self._service
        return {
            "service": service.name,
            "title": service.title,
            "operations": sorted({route.operation for route in service.routes() if not route.setup}),
        }

    async def _ledger(self, request: web.Request) -> Any:
        ledger = self._service.ledger
        if request.query.get("detail") == "requests":
            return {"service": ledger.service, "requests": list(ledger.requests)}
        since = request.query.get("since", "0")
        if not since.isdecimal():
            raise ValueError("since is not a whole number")
        query = request.query
        return ledger.page(key=query.get("key", ""), operation=query.get("operation", ""), since=int(since))

    async def _faults(self, _request: web.Request) -> Any:
        return {"faults": self._service.faults.page()}

    async def _add_fault(self, request: web.Request) -> Any:
        service = self._service
        fault = service.faults.add(msgspec.json.decode(await request.read(), type=FaultOrder))
        if fault.until is not None:
            service.plan(fault.until, service.webhooks.wake)
        return {"faults": service.faults.page()}

    async def _clear_faults(self, _request: web.Request) -> Any:
        self._service.faults.clear()
        self._service.webhooks.wake()
        return {"faults": []}

    async def _clock(self, _request: web.Request) -> Any:
        clock = self._service.clock
        due = clock.next()
        return {
            "now": stamp(clock.now()),
            "next": None if due is None else stamp(due),
            "mode": clock.mode,
        }

    async def _advance(self, request: web.Request) -> Any:
        clock = self._service.clock
        if clock.mode == "real":
            raise web.HTTPConflict(text="the clock runs by itself")
        to = msgspec.json.decode(await request.read(), type=Time).now
        try:
            ran = await clock.advance(to)
        except ValueError as error:
            raise web.HTTPConflict(text=str(error)) from None
        due = clock.next()
        return {
            "now": stamp(clock.now()),
            "next": None if due is None else stamp(due),
            "ran": ran,
            "pending": sum(pending() for pending in clock.pending),
        }

    async def _script(self, request: web.Request) -> Any:
        service = self._service
        data = msgspec.json.decode(await request.read())
        items = data["scripts"] if isinstance(data, dict) and "scripts" in data else [data]
        scripts = [read_plain(item, service.script_shape) for item in items]
        for item in scripts:
            service.script(item)
        return {"scripts": len(scripts)}

    async def _configure(self, request: web.Request) -> Any:
        service = self._service
        given = msgspec.json.decode(await request.read(), type=Configuration)
        if given.webhook_url is not msgspec.UNSET:
            service.webhooks.url = given.webhook_url
        if given.secret is not msgspec.UNSET:
            service.sign(given.secret, Sealed("", "", b"", 0))  # ValueError for one that cannot sign
            service.webhooks.secret = given.secret
        if given.calm is not msgspec.UNSET:
            service.calm = given.calm
        if given.token_seconds is not msgspec.UNSET:
            service.token_seconds = given.token_seconds
        return {"webhook_url": service.webhooks.url, "calm": service.calm}

    async def _pending(self, _request: web.Request) -> Any:
        return self._service.webhooks.page()

    async def _retry(self, _request: web.Request) -> Any:
        self._service.webhooks.wake()
        await self._service.webhooks.settle()
        return self._service.webhooks.page()

    async def _reset(self, _request: web.Request) -> Any:
        self._service.reset()
        return {"reset": self._service.name}


def _guard(handler: Callable[[web.Request], Any]) -> Callable[[web.Request], Any]:
    async def answer(request: web.Request) -> web.Response:
        status = 200
        try:
            payload = await handler(request)
        except (web.HTTPConflict, web.HTTPRequestEntityTooLarge) as error:
            status, payload = error.status, {"error": error.text}
        except (ValueError, msgspec.DecodeError) as error:
            status, payload = 400, {"error": str(error)}
        return web.Response(body=msgspec.json.encode(payload), status=status, content_type="application/json")

    return answer
