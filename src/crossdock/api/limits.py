"""What the site takes, and what it lets wait, or go, when there is too much: before any application is asked.

    head     of a bounded size, complete within ten seconds (`slow_clients`)
    body     read whole before anything is held for it, at a least speed; bounded, and JSON in its depth.
             What is imported is larger, and goes through as it comes. What comes packed is bounded as it is
             unpacked (`encodings`)
    place    each request needs one, by what it is. Webhooks have places of their own, and wait long for one;
             changes wait a little, reads less, and reads are refused at once while the process falls behind.
             So partners are acknowledged, however much is read
    answer   begun within its time, and each part of it taken within its time; else the connection ends

What is refused for its form is 4xx, and mended by who asks. What is refused for want of room is 503, or 429
where one takes too much of it, with Retry-After: the same will do a little later.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossdock.api.depth import deeper_than
from crossdock.api.encodings import TAKEN, NotPacked, NotTaken, Unpacking, unpacking
from crossdock.api.places import Full, Gate, Places, Pulse
from crossdock.api.refusals import Refusal, answer, not_packed, too_large, too_slow
from crossdock.errors import TooMany

ROOM = "crossdock_room"  # in the scope: what `join` counts in
STANDING = "crossdock_standing"  # in the scope: headers that tell how often one may ask
_HOOKS_WAIT = 32  # for each place


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How much is taken. Sizes are bytes, times seconds."""

    body: int = 4 * 2**20
    imported: int = 64 * 2**20  # of lines: NDJSON and CSV
    held: int = 256 * 2**20  # of all bodies that wait for a place
    depth: int = 64
    target: int = 8 * 2**10
    head: int = 24 * 2**10
    headers: int = 100
    body_within: float = 15.0  # and a second more for each `slowest` bytes
    slowest: int = 8 * 2**10
    answer_within: float = 30.0
    part_within: float = 30.0
    whole_within: float = 600.0  # a long answer; pages that listen are not ended
    reads: int = 48
    changes: int = 48
    hooks: int = 256
    listeners: int = 512
    each: int = 24  # under way for one key, session or address
    tenant: int = 64


class _Answered:
    """Sends for an application until something else had to be answered: then what it sends is dropped."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        places: Places,
        clock: asyncio.Timeout,
        bounds: Bounds,
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._places = places
        self._clock = clock
        self._bounds = bounds
        self._ends = time.monotonic() + bounds.whole_within
        self._now = asyncio.get_running_loop().time
        self.begun = False
        self.dropped = False

    async def send(self, message: Message) -> None:
        """Pass on, as long as each part is taken in time."""
        if self.dropped:
            return
        if message["type"] == "http.response.start":
            kind = dict(message.get("headers", ())).get(b"content-type", b"")
            if kind.startswith(b"text/event-stream"):
                try:
                    self._places.listen()
                except Full as full:
                    await self.instead(Refusal(503, "no-room", "too many pages listen", full.retry_after))
                    return
                self._ends = float("inf")
            self.begun = True
            standing = self._scope.get(STANDING, {})
            told = [(name.lower().encode(), value.encode()) for name, value in standing.items()]
            message["headers"] = [*message.get("headers", ()), *told]
        within = min(self._bounds.part_within, max(0.0, self._ends - time.monotonic()))
        self._clock.reschedule(self._now() + within)
        await self._send(message)

    async def instead(self, refusal: Refusal) -> None:
        """Answer with that, if nothing was answered; what the application sends from now on is dropped."""
        self.dropped = True
        if not self.begun:
            self.begun = True
            await answer(self._send, refusal, self._scope, receive=self._receive)


class Limits:
    """Stands before the whole site: `hooks` is where webhooks come in, `reading` are posts that only read."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        bounds: Bounds | None = None,
        hooks: str = "/hooks/",
        reading: Sequence[str] = ("/api/graphql",),
    ) -> None:
        """Wrap `app`."""
        self._app = app
        self._bounds = bounds or Bounds()
        self._hooks = hooks
        self._reading = tuple(reading)
        self._pulse = Pulse()
        self._gates = {
            "read": Gate(self._bounds.reads, waiting=4 * self._bounds.reads, patience=1.0),
            "change": Gate(self._bounds.changes, waiting=8 * self._bounds.changes, patience=3.0),
            "hook": Gate(self._bounds.hooks, waiting=_HOOKS_WAIT * self._bounds.hooks, patience=10.0),
        }
        self._under_way: dict[str, int] = {}
        self._listeners = Gate(self._bounds.listeners, waiting=0, patience=0.0)
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the wrapped application does, or say why not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        try:
            kind = self._kind(scope["method"], path)
            self._see_head(scope)
            if kind == "read":
                self._see_pulse()
            packed = _unpacking(scope)
            streamed = kind == "change" and _media(scope) in ("application/x-ndjson", "text/csv")
            body = None if streamed else await self._body(scope, receive, packed, hook=kind == "hook")
            if body is None and not streamed:
                return  # they went away
            if packed is not None:
                _say_unpacked(scope, body)
            with self._holding(body or b""):
                async with self._place(scope, kind) as places:
                    await self._pass(scope, receive, send, places, body, packed)
        except Refusal as refusal:
            await answer(send, refusal, scope, receive=receive, hook=path.startswith(self._hooks))

    def _kind(self, method: str, path: str) -> str:
        if path.startswith(self._hooks):
            return "hook"
        reads = method in ("GET", "HEAD", "OPTIONS") or path.startswith(self._reading)
        return "read" if reads else "change"

    def _see_head(self, scope: Scope) -> None:
        bounds, headers = self._bounds, scope["headers"]
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > bounds.target:
            raise Refusal(414, "address-too-long", f"an address has at most {bounds.target} bytes")
        if len(headers) > bounds.headers or sum(len(n) + len(v) for n, v in headers) > bounds.head:
            most = f"a request has at most {bounds.headers} headers, of {bounds.head} bytes in all"
            raise Refusal(431, "headers-too-large", most)

    def _see_pulse(self) -> None:
        if self._pulse.behind():
            raise Refusal(503, "busy", "there is too much to do; nothing is read meanwhile", 2.0)

    # -- the body ----------------------------------------------------------------------------------------

    async def _body(
        self, scope: Scope, receive: Receive, packed: Unpacking | None, *, hook: bool
    ) -> bytes | None:
        """All of it; None where they went away."""
        bounds = self._bounds
        declared = _header(scope, b"content-length")
        if declared.isdigit() and int(declared) > bounds.body:
            raise too_large(bounds.body)
        parts: list[bytes] = []
        came, size, more = 0, 0, True
        begun = asyncio.get_running_loop().time() + bounds.body_within
        try:
            while more:
                async with asyncio.timeout_at(begun + came / bounds.slowest):
                    message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                part, more = message.get("body", b""), message.get("more_body", False)
                came += len(part)
                for piece in (part,) if packed is None else packed.unpack(part, last=not more):
                    size += len(piece)
                    if size > bounds.body:
                        raise too_large(bounds.body)
                    parts.append(piece)
        except TimeoutError:
            raise too_slow() from None
        except NotPacked:
            raise not_packed() from None
        body = b"".join(parts)
        # A webhook that is too deep is its connector's to read: it is kept, with the reason.
        if not hook and body[:1] in b"[{ \t\r\n" and deeper_than(body, bounds.depth):
            raise Refusal(
                400,
                "too-deep",
                f"it is nested deeper than {bounds.depth} levels",
                where="body",
                mend="send it flatter",
            )
        return body

    @contextlib.contextmanager
    def _holding(self, body: bytes) -> Any:
        if self._held + len(body) > self._bounds.held:
            raise Refusal(503, "no-room", "too much is being sent in", 2.0)
        self._held += len(body)
        try:
            yield
        finally:
            self._held -= len(body)

    # -- a place, and the answer -------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _place(self, scope: Scope, kind: str) -> AsyncIterator[Places]:
        places = Places(self._under_way, self._listeners)
        try:
            try:
                if kind == "hook":
                    tenant = scope["path"].removeprefix(self._hooks).partition("/")[0]
                    places.join(f"hooks/{tenant[:64]}", self._bounds.hooks * _HOOKS_WAIT * 3 // 4)
                else:
                    places.join(_who(scope), self._bounds.each)
                await places.enter(self._gates[kind])
            except Full as full:
                raise Refusal(503, "busy", "there is too much to do", full.retry_after) from None
            except TooMany as error:
                if kind == "hook":
                    raise Refusal(503, "busy", "there is too much to do", error.retry_after or 1) from None
                raise Refusal(429, "too-many", error.message, error.retry_after or 1) from None
            scope[ROOM] = (places, self._bounds.tenant)
            self._pulse.begin()
            yield places
        finally:
            places.leave()

    async def _pass(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        places: Places,
        body: bytes | None,
        packed: Unpacking | None,
    ) -> None:
        """Let the application answer, in time."""
        bounds = self._bounds
        answered: _Answered | None = None
        first = asyncio.get_running_loop().time() + bounds.answer_within
        try:
            # A body that goes through has its own time; the answer's begins after it.
            async with asyncio.timeout_at(first if body is not None else None) as clock:
                answered = _Answered(scope, receive, send, places, clock, bounds)
                if body is not None:
                    given = _given(body, receive)
                else:
                    given = self._counted(receive, answered, clock, packed)
                await self._app(scope, given, answered.send)
        except TimeoutError:
            if answered is None or not clock.expired():
                raise
            if not answered.begun:
                said = Refusal(503, "took-too-long", "no answer was found in time", 5.0)
                await answered.instead(said)
            # Else the server sees an answer without its end, and closes the connection.
        except Exception:
            if answered is None or not answered.dropped:
                raise  # what an application says that was cut off is of no use

    def _counted(
        self, receive: Receive, answered: _Answered, clock: asyncio.Timeout, packed: Unpacking | None
    ) -> Receive:
        """What is imported, as it comes: counted, and at a least speed; unpacked piece by piece."""
        bounds = self._bounds
        loop = asyncio.get_running_loop()
        begun, came, size, done = loop.time() + bounds.body_within, 0, 0, False
        pieces: Iterator[bytes] = iter(())

        async def counted() -> Message:
            nonlocal came, size, done, pieces
            if answered.dropped:
                return {"type": "http.disconnect"}
            try:
                while (piece := next(pieces, None)) is None:
                    if done:
                        return await receive()
                    # The time that the application takes between two parts is its own.
                    async with asyncio.timeout(max(1.0, begun + came / bounds.slowest - loop.time())):
                        message = await receive()
                    if message["type"] == "http.disconnect":
                        return message
                    part, done = message.get("body", b""), not message.get("more_body", False)
                    came += len(part)
                    unpacked = (part,) if packed is None else packed.unpack(part, last=done)
                    pieces = itertools.chain(filter(None, unpacked), (b"",) if done else ())
                    if done:
                        clock.reschedule(loop.time() + bounds.whole_within)
            except TimeoutError:
                await answered.instead(too_slow())
                return {"type": "http.disconnect"}
            except NotPacked:
                await answered.instead(not_packed())
                return {"type": "http.disconnect"}
            size += len(piece)
            if size > bounds.imported:
                await answered.instead(too_large(bounds.imported))
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": piece, "more_body": bool(piece)}

        return counted


def join(scope: Scope, name: str) -> None:
    """Count a request as one of `name`, a tenant, while it is under way. Raises `TooMany`."""
    room = scope.get(ROOM)
    if room is not None:
        places, most = room
        places.join(name, most)


def _given(body: bytes, receive: Receive) -> Receive:
    told = False

    async def give() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return give


def _who(scope: Scope) -> str:
    """Who asks, as far as the request says: a key, a session, an address. Counted, and not believed."""
    shown = _header(scope, b"authorization") or _header(scope, b"cookie")
    if shown:
        return hashlib.blake2b(shown, digest_size=12).hexdigest()
    client = scope.get("client")
    return client[0] if client else ""


def _header(scope: Scope, name: bytes) -> bytes:
    found: bytes = next((value for one, value in scope["headers"] if one == name), b"")
    return found


def _media(scope: Scope) -> str:
    return _header(scope, b"content-type").decode("latin-1").partition(";")[0].strip().lower()


def _unpacking(scope: Scope) -> Unpacking | None:
    try:
        return unpacking(scope["headers"])
    except NotTaken as error:
        raise Refusal(
            415,
            "media-type",
            f"a body in the encoding {str(error)[:100]} is not taken here",
            mend=f"send it as it is, or in one of {', '.join(TAKEN)}",
        ) from None


def _say_unpacked(scope: Scope, body: bytes | None) -> None:
    """Take from the head what is so no more: applications read what is unpacked."""
    gone = (b"content-encoding", b"content-length")
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] not in gone]
    if body is not None:
        scope["headers"].append((b"content-length", str(len(body)).encode()))
