"""The graph beside the API of these tests, served behind the limits that a site has."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from api_world import World
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from crossdock.api.graphql import Asking, Persisted, endpoint
from crossdock.api.graphql.measure import Bounds
from crossdock.api.limits import Limits
from crossdock.api.throttle import Throttle
from crossdock.api.throttle_rules import Limit, Rules
from crossdock.api.throttle_store import Shared
from played_orders import serving


class Graph:
    """Asks the graph."""

    def __init__(self, world: World, url: str, http: aiohttp.ClientSession, persisted: Persisted) -> None:
        self.world, self.url, self.http, self.persisted = world, url, http, persisted

    async def send(self, body: Any, *, key: str | None = None, **headers: str) -> tuple[int, Any]:
        """Status and answer of whatever is sent; where a busy machine has it wait, as that says."""
        shown = {"authorization": f"Bearer {self.world.key if key is None else key}", **headers}
        given = {"data": body} if isinstance(body, bytes | str) else {"json": body}
        if isinstance(body, bytes | str):
            shown.setdefault("content-type", "application/json")
        while True:
            async with self.http.post(f"{self.url}/api/graphql", headers=shown, **given) as reply:
                self.headers = reply.headers
                answer = await reply.json(content_type=None)
                if not (reply.status == 503 and str(answer.get("type", "")).endswith("/busy")):
                    return reply.status, answer
            await asyncio.sleep(float(reply.headers["retry-after"]))

    async def ask(self, query: str, *, key: str | None = None, **variables: Any) -> Any:
        """The data; nothing may be wrong."""
        status, answer = await self.send({"query": query, "variables": variables}, key=key)
        assert status == 200, answer
        assert "errors" not in answer, answer
        self.told = answer["extensions"]
        return answer["data"]

    async def refused(self, query: str, *, key: str | None = None, **variables: Any) -> tuple[int, str]:
        """Status and message of a query that is refused before it runs."""
        status, answer = await self.send({"query": query, "variables": variables}, key=key)
        assert answer.get("data") is None, answer
        return status, answer["errors"][0]["message"]

    async def wrong(self, query: str, *, key: str | None = None, **variables: Any) -> tuple[Any, list[str]]:
        """The data, and the codes of what was wrong with some of it."""
        status, answer = await self.send({"query": query, "variables": variables}, key=key)
        assert status == 200, answer
        return answer["data"], [one["extensions"]["code"] for one in answer["errors"]]


@contextlib.asynccontextmanager
async def graph_of(
    world: World, *, only: bool = False, seconds: float = 10.0, limit: str = "", **bounds: Any
) -> AsyncIterator[Graph]:
    """The graph over that world, served."""
    database, ground = world.database, world.api.state.ground
    persisted = Persisted(database, world.audit, only=only)
    agreed = {"graphql": Limit.read(limit)} if limit else {}
    throttle = Throttle(Shared(database), Rules(key=agreed, tenant={}, address=Limit.read("5/hour")))
    route = endpoint(
        "/api/graphql",
        ground,
        throttle,
        Asking(bounds=Bounds(**bounds), persisted=persisted, seconds=seconds),
    )
    site = Starlette(routes=[route, Mount("/api/v1", world.api)], middleware=[Middleware(Limits)])
    async with serving(site) as url, aiohttp.ClientSession() as http:
        yield Graph(world, url, http, persisted)
