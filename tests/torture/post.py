"""The post: what partners send goes through here on its way to Crossdock's doors.

What becomes of a message is drawn from the seed and its content: passed on at once, twice, after others, or
acknowledged and brought days later (by the partners' clock). A message that the post has acknowledged is brought
until a door takes it, so whatever is lost behind a door is Crossdock's loss. `taken` is what doors acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web

from torture.plan import SPEED

_DAY = 86_400 / SPEED  # real seconds of a day of the partners
_HOP = frozenset({"host", "content-length", "connection", "accept", "accept-encoding", "user-agent"})
_NOT_LATE = ("SO_CANCELLED", "SO_CHANGED")  # what a customer takes back must not wait behind what is done


@dataclass(slots=True)
class Post:
    """The relay; `doors` are addresses to which a service's name is added."""

    seed: int
    doors: Sequence[str]
    taken: set[tuple[str, str]] = field(default_factory=set)  # (service, SHA-256 of the body)
    struck: Counter[str] = field(default_factory=Counter)
    troubled: bool = True
    url: str = ""
    _hurry: asyncio.Event = field(default_factory=asyncio.Event)
    _later: set[asyncio.Task[None]] = field(default_factory=set)
    _session: aiohttp.ClientSession | None = None
    _runner: web.AppRunner | None = None
    _turn: int = 0

    async def start(self) -> None:
        """Listen on a free port."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=8))
        app = web.Application(client_max_size=8 * 2**20)
        app.router.add_post("/{service}", self._take)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Stop; what was not brought stays behind."""
        for task in list(self._later):
            task.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._session is not None:
            await self._session.close()

    async def settle(self) -> None:
        """Bring all that is still to be brought, now."""
        self.troubled = False
        self._hurry.set()
        while self._later:
            await asyncio.wait(self._later)

    @property
    def waiting(self) -> int:
        """How many messages are still to be brought."""
        return len(self._later)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        service = request.match_info["service"]
        body = await request.read()
        headers = {name: text for name, text in request.headers.items() if name.lower() not in _HOP}
        digest = hashlib.sha256(body).hexdigest()
        chance = random.Random(f"post/{self.seed}/{service}/{digest}")
        lot = chance.random() if self.troubled else 1.0
        held = any(word in body.decode(errors="replace") for word in _NOT_LATE)
        if lot < 0.10 and not held:
            self._count("brought days late")
            self._bring(service, headers, body, chance.uniform(1, 4) * _DAY)
            return web.Response(status=202)
        if lot < 0.25 and not held:
            self._count("brought after others")
            self._bring(service, headers, body, chance.uniform(0, 1.5))
            return web.Response(status=202)
        if lot < 0.40:
            self._count("brought twice")
            self._bring(service, headers, body, chance.uniform(0, 2))
        return web.Response(status=await self._pass(service, headers, body) or 502)

    def _count(self, what: str) -> None:
        self.struck[f"post: {what}"] += 1

    def _bring(self, service: str, headers: dict[str, str], body: bytes, seconds: float) -> None:
        task = asyncio.create_task(self._bring_later(service, headers, body, seconds))
        self._later.add(task)
        task.add_done_callback(self._later.discard)

    async def _bring_later(self, service: str, headers: dict[str, str], body: bytes, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._hurry.wait(), seconds)
        while not 200 <= await self._pass(service, headers, body) < 300:
            await asyncio.sleep(0.3)

    async def _pass(self, service: str, headers: dict[str, str], body: bytes) -> int:
        """One try, at one door after the other in turn; the status, 0 where nobody opened."""
        assert self._session is not None
        self._turn += 1
        door = self.doors[self._turn % len(self.doors)]
        try:
            async with self._session.post(f"{door}/{service}", data=body, headers=headers) as answer:
                await answer.read()
                if 200 <= answer.status < 300:
                    self.taken.add((service, hashlib.sha256(body).hexdigest()))
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
