"""A long answer that is held while something else happens: its reader takes the first part, and then waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class Held:
    """An answer whose reader takes the first part, and no more until `go` is set."""

    def __init__(self, site: Any, path: str, **headers: str) -> None:
        self.body = b""
        self.whole = False
        self.first, self.go = asyncio.Event(), asyncio.Event()
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
        }
        self.task = asyncio.create_task(site(scope, self._receive, self._send))

    async def _receive(self) -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.whole = not message.get("more_body", False)
            self.first.set()
            await self.go.wait()

    async def meanwhile(self, act: Callable[[], Awaitable[Any]]) -> None:
        """Do that after the first part, then read on, to the end."""
        async with asyncio.timeout(20):
            await asyncio.wait(
                [self.task, asyncio.ensure_future(self.first.wait())], return_when="FIRST_COMPLETED"
            )
            await act()
            self.go.set()
            await self.task
