"""Webhooks out: in order about one thing, tried again until acknowledged, with faults where asked for.

A lane is what a message is about. Its messages leave one after the other; lanes leave side by side. A lane
whose head is not acknowledged waits, and the others go on.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import aiohttp

from crossdock.sandbox.clock import Clock, stamp
from crossdock.sandbox.faults import Faults

WIDTH = 8  # lanes at a time
MOST_WAITING = 10_000
QUICK_TRIES = (0.0, 0.1, 0.4)  # real seconds before each
WORTH_A_QUICK_TRY = frozenset({408, 429})  # of the statuses that blame the sender
ROUNDS = (60, 300, 900, 3600)  # seconds on the service's clock; then LATER
LATER = 4 * 3600
MOST_ROUNDS = 24
HELD_AT_MOST = timedelta(hours=2)


class Sealed(NamedTuple):
    """What a signature may cover: the message's id and event, its body, and the real unix time of sending."""

    id: str
    event: str
    body: bytes
    at: int


Sign = Callable[[str, Sealed], dict[str, str]]
"""(secret, what is signed) -> headers that prove the origin."""


@dataclass(slots=True)
class Message:
    """One webhook: what it says and how often it was tried."""

    id: str
    event: str
    lane: str
    body: bytes
    content_type: str
    created: datetime
    copies: int = 1
    rounds: int = 0


class Webhooks:
    """The sender of one service."""

    def __init__(self, owner: str, clock: Clock, faults: Faults, sign: Sign, secret: str) -> None:
        """Begin without a receiver; what happens before there is one is not sent later."""
        self.url: str | None = None
        self.secret = secret
        self.counts: Counter[str] = Counter()
        self.session: aiohttp.ClientSession | None = None
        self._owner = owner
        self._clock = clock
        self._faults = faults
        self._sign = sign
        self._lanes: dict[str, deque[Message]] = {}
        self._ready: deque[str] = deque()
        self._held: dict[str, Message] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0

    def send(self, message: Message) -> None:
        """Take a message for delivery, as the faults in force would have it."""
        fault = self._faults.for_webhook(message.event)
        kind = fault.order.fault if fault else ""
        if kind == "lost_webhook" or self._waiting >= MOST_WAITING:
            self.counts["lost"] += 1
            return
        if kind == "duplicate":
            message.copies = 2
            self.counts["duplicated"] += 1
        self._waiting += 1
        if kind == "out_of_order" and message.lane not in self._held:
            self._held[message.lane] = message
            self._clock.at(self._clock.now() + HELD_AT_MOST, self._owner, lambda: self._release(message))
            return
        self._queue(message)
        overtaken = self._held.pop(message.lane, None)
        if overtaken is not None:
            self.counts["reordered"] += 1
            self._queue(overtaken)
        self._pump()

    def wake(self) -> None:
        """Try all that wait, now."""
        self._ready = deque(lane for lane in self._lanes if lane not in self._busy)
        self._pump()

    async def settle(self) -> None:
        """Wait until each message is acknowledged or left for a later round."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def forget(self) -> None:
        """Drop all that waits."""
        self._lanes.clear()
        self._ready.clear()
        self._held.clear()
        self.counts.clear()
        self._waiting = 0

    @property
    def pending(self) -> int:
        """How many messages are not yet acknowledged."""
        return self._waiting

    def page(self) -> dict[str, Any]:
        """Counts, and the first hundred messages that wait."""
        waiting = [m for lane in self._lanes.values() for m in lane] + list(self._held.values())
        counted = ("delivered", "lost", "duplicated", "reordered", "given_up", "unsubscribed")
        return {
            "pending": self.pending,
            **{name: self.counts[name] for name in counted},
            "messages": [
                {
                    "id": m.id,
                    "event": m.event,
                    "about": m.lane,
                    "created": stamp(m.created),
                    "rounds": m.rounds,
                }
                for m in waiting[:100]
            ],
        }

    @property
    def _busy(self) -> set[str]:
        return {task.get_name() for task in self._tasks}

    def _release(self, message: Message) -> None:
        if self._held.get(message.lane) is message:
            del self._held[message.lane]
            self._queue(message)
            self._pump()

    def _queue(self, message: Message) -> None:
        lane = self._lanes.get(message.lane)
        if lane is None:
            self._lanes[message.lane] = deque([message])
            self._ready.append(message.lane)
        else:
            lane.append(message)  # its runner, or its next round, comes to it

    def _pump(self) -> None:
        if self._faults.silenced():
            return
        while self._ready and len(self._tasks) < WIDTH:
            lane = self._ready.popleft()
            task = asyncio.create_task(self._run(lane), name=lane)
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._pump()

    async def _run(self, name: str) -> None:
        lane = self._lanes.get(name)
        while lane:
            message = lane[0]
            if self._faults.silenced():
                self._ready.append(name)  # the end of the outage wakes it
                return
            delivered = await self._deliver(message)
            if self._lanes.get(name) is not lane:
                return  # forgotten meanwhile
            if not delivered:
                message.rounds += 1
                if message.rounds < MOST_ROUNDS:
                    self._again(name, message.rounds)
                    return
            self.counts["delivered" if delivered else "given_up"] += 1
            lane.popleft()
            self._waiting -= 1
        self._lanes.pop(name, None)

    def _again(self, name: str, rounds: int) -> None:
        seconds = ROUNDS[rounds - 1] if rounds <= len(ROUNDS) else LATER

        def ready() -> None:
            if name in self._lanes and name not in self._busy and name not in self._ready:
                self._ready.append(name)
                self._pump()

        self._clock.at(self._clock.now() + timedelta(seconds=seconds), self._owner, ready)

    async def _deliver(self, message: Message) -> bool:
        for wait in QUICK_TRIES:
            if wait:
                await asyncio.sleep(wait)
            while 200 <= (status := await self._post(message)) < 300:
                message.copies -= 1
                if message.copies <= 0:
                    return True
            if 400 <= status < 500 and status not in WORTH_A_QUICK_TRY:
                break
        return False

    async def _post(self, message: Message) -> int:
        """The status of the answer, 0 for none."""
        if self.url is None or self.session is None:
            return 0
        sealed = Sealed(message.id, message.event, message.body, int(time.time()))
        headers = self._sign(self.secret, sealed)
        headers["Content-Type"] = message.content_type
        try:
            async with self.session.post(self.url, data=message.body, headers=headers) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError, OSError):
            return 0
