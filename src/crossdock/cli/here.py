"""The installation here, asked by its API within this process, as whoever sits at the machine."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import anyio
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import Message
from yarl import URL

from crossdock.access import Principal
from crossdock.access.opening import Opening
from crossdock.api import app
from crossdock.api.door import WITHIN
from crossdock.assemble import System
from crossdock.cli.place import ORIGIN
from crossdock.client import Answer, Operator
from crossdock.errors import Broken
from crossdock.store import Tenant

_SOME = 8  # pieces of an answer that are made ahead of whoever reads them


class Here(Operator):
    """Asked once, and without idempotency keys: within a process no answer is lost."""

    def __init__(self, system: System, *, as_operator: bool = False, tenant: str | None = None) -> None:
        """As of the system's tenant, of `tenant`, or `as_operator` of those who run the installation."""
        super().__init__("http://127.0.0.1", key=secrets.token_hex(), patience=0.0)
        self._system = system
        self._as_operator = as_operator
        self._tenant = tenant
        settings = system.settings
        scheme = "https" if settings.tls_certificate else "http"
        address = settings.address or f"{scheme}://{settings.host}:{settings.port}"
        opening = Middleware(Opening, subjects=system.personal.subjects, policies=system.policies)
        routes = [Mount("/api/v1", app(system.api(address=address)))]
        self._app = Starlette(routes=routes, middleware=[opening])
        self._whose: tuple[Tenant, Principal] | None = None

    @contextlib.asynccontextmanager
    async def ask_once(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        data: bytes | None,
        *,
        whole: bool = True,  # noqa: ARG002 - a time-out is for what goes over a wire
    ) -> AsyncIterator[Answer]:
        """Ask the application itself, and give what it answers as it makes it."""
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.encode(),
            "root_path": "",
            "query_string": url.raw_query_string.encode(),
            "headers": [
                (name.encode(), value.encode())
                for name, value in headers.items()
                if name != "idempotency-key"
            ],
            WITHIN: await self._who(),
        }
        sent = iter([data or b""])

        async def receive() -> Message:
            for body in sent:
                return {"type": "http.request", "body": body, "more_body": False}
            return {"type": "http.disconnect"}

        give, take = anyio.create_memory_object_stream[Message](_SOME)

        async def answer() -> None:
            async with give:
                await self._app(scope, receive, give.send)

        answering = asyncio.create_task(answer())
        try:
            async with take:
                first = await anext(take, None)
                if first is None:
                    await answering
                    raise Broken("nothing was answered", where=f"{method} {url.path}")
                named = {name.decode(): value.decode() for name, value in first["headers"]}

                async def body() -> AsyncIterator[bytes]:
                    async for message in take:
                        yield message.get("body", b"")
                    await answering  # raises what ended it before its end

                yield Answer(first["status"], named, body())
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)

    async def _who(self) -> tuple[Tenant, Principal]:
        if self._whose is None:
            system = self._system
            if self._as_operator:
                by = await system.operator(ORIGIN)
                tenant = next(one for one in await system.database.tenants() if one.id == by.tenant)
            else:
                named = self._tenant
                tenant = system.tenant if named is None else await system.database.tenant(named)
                by = replace(system.whoever(ORIGIN), tenant=tenant.id)
            self._whose = tenant, by
        return self._whose
