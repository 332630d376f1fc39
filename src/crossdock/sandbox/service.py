"""What every service of the sandbox is made of: routes, faults around them, a ledger, time and webhooks.

A service gives its routes, how a caller proves itself, its error form and its webhook signature. Handlers are
plain functions: one runs at a time, so what it does is atomic. Around each stands, in this order: outage, 429
and 500; authentication; refusal; the handler; then what spoils its answer (slow, malformed, none at all).
"""

from __future__ import annotations

import asyncio
import hmac
import random
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec
from aiohttp import web

from crossdock.sandbox.amounts import read_json, write_json
from crossdock.sandbox.clock import Clock, stamp
from crossdock.sandbox.control import Control
from crossdock.sandbox.faults import Fault, Faults
from crossdock.sandbox.ledger import Ledger
from crossdock.sandbox.webhooks import Message, Sealed, Webhooks

BODY_LIMIT = 1 << 20
BULK_LIMIT = 64 << 20

T = TypeVar("T")


class Rejected(Exception):
    """A call that a service refuses; `kind` is one of the keys of the service's table of errors."""

    def __init__(self, kind: str, message: str, field: str = "", **more: Any) -> None:
        """Name the kind, the text, the field at fault and what else the error form carries."""
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.field = field
        self.more = more


class Reply(NamedTuple):
    """An answer before it is bytes."""

    status: int
    payload: Any
    headers: Mapping[str, str] | None = None
    content_type: str = ""


class Call:
    """A request as a handler sees it."""

    __slots__ = ("body", "operation", "reference", "replayed", "request")

    def __init__(self, request: web.Request, operation: str, body: bytes = b"") -> None:
        """Wrap a request whose body has been read."""
        self.request = request
        self.operation = operation
        self.body = body
        self.reference = ""  # set by handlers, shown in the list of requests
        self.replayed = False

    @property
    def idempotency_key(self) -> str:
        """The header that all record and one honours."""
        return self.request.headers.get("Idempotency-Key", "")

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def query(self, name: str) -> str:
        """A query parameter, empty when absent."""
        return self.request.query.get(name, "")

    def number(self, name: str, default: int) -> int:
        """A query parameter that is a whole number."""
        text = self.request.query.get(name, "")
        if not text:
            return default
        if not text.isdecimal():
            raise Rejected("invalid", f"{name} is not a whole number", name)
        return int(text)

    def read(self, shape: type[T]) -> T:
        """The JSON body as `shape`, else a rejection that names the field."""
        return decode(self.body, shape)


Handler = Callable[[Call], Reply]


class Route(NamedTuple):
    """One operation of a service. `guarded`: needs authentication. `setup`: no faults, large bodies."""

    operation: str
    method: str
    path: str
    handler: Handler
    guarded: bool = True
    setup: bool = False


def decode(body: bytes, shape: type[T]) -> T:
    """JSON as `shape`; Rejected tells malformed from invalid and names the field."""
    try:
        return read_json(body, shape)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        raise Rejected("invalid", text, place.rstrip("`").lstrip(".")) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Rejected("malformed", f"Not JSON: {error}") from None


class Service:
    """Base of the partner systems."""

    name: ClassVar[str]
    title: ClassVar[str]
    credentials: ClassVar[Mapping[str, str]]
    webhook_secret: ClassVar[str] = ""
    statuses: ClassVar[Mapping[str, int]] = {
        "malformed": 400,
        "unauthenticated": 401,
        "forbidden": 403,
        "not_found": 404,
        "duplicate": 409,
        "wrong_state": 409,
        "cut_off": 409,
        "too_large": 413,
        "invalid": 422,
        "refused": 422,
        "busy": 429,
        "internal": 500,
    }
    content_type: ClassVar[str] = "application/json"
    error_content_type: ClassVar[str] = ""
    script_shape: ClassVar[type[Any]] = dict

    def __init__(self, clock: Clock, *, seed: int = 0, calm: bool = False) -> None:
        """Begin empty; `seed` decides what nobody scripted, `calm` leaves out the bad luck."""
        self.clock = clock
        self.seed = seed
        self.calm = calm
        self.token_seconds: float | None = None
        self.faults = Faults(clock)
        self.webhooks = Webhooks(self.name, clock, self.faults, self.sign, self.webhook_secret)
        self.ledger = Ledger(self.name)
        self.feed: list[Any] = []
        self._numbers: Counter[str] = Counter()
        self.begin()

    # What a service gives.

    def begin(self) -> None:
        """Set up empty state; called again by a reset."""

    def routes(self) -> list[Route]:
        """The service's own operations."""
        raise NotImplementedError

    def authenticate(self, call: Call) -> None:
        """Raise Rejected (`unauthenticated`, `forbidden`) unless the caller proves itself."""
        raise NotImplementedError

    def error(self, rejected: Rejected) -> Any:
        """The payload of an error in the service's own form."""
        raise NotImplementedError

    def sign(self, secret: str, sealed: Sealed) -> dict[str, str]:
        """Headers that prove a webhook's origin."""
        raise NotImplementedError

    def script(self, item: Any) -> None:
        """Take one script, already of `script_shape`; ValueError when it makes no sense."""
        raise ValueError(f"{self.title} takes no scripts, such as {item!r}")

    def encode(self, payload: Any) -> bytes:
        """Bytes of a payload."""
        return write_json(payload)

    # What a service uses.

    @property
    def now(self) -> datetime:
        """The clock's instant."""
        return self.clock.now()

    def number(self, prefix: str, width: int = 6) -> str:
        """The next number of a series."""
        self._numbers[prefix] += 1
        return f"{prefix}{self._numbers[prefix]:0{width}d}"

    def luck(self, *about: str) -> random.Random:
        """Random numbers that depend on the seed and on what they are about, not on the order of calls."""
        return random.Random("/".join((str(self.seed), self.name, *about)))

    def plan(self, when: datetime, action: Callable[[], None]) -> Callable[[], None]:
        """Do something at a time; answers with what calls it off."""
        entry = self.clock.at(when, self.name, action)
        return lambda: setattr(entry, "dropped", True)

    def did(self, call: Call, key: str, *, kind: str = "", change: int = 0, **more: str) -> None:
        """Note in the ledger that a call had effect."""
        call.reference = more.get("reference", "") or key
        self.ledger.write(
            call.operation,
            key,
            at=self.now,
            idempotency_key=call.idempotency_key,
            kind=kind,
            change=change,
            **more,
        )

    def post_webhook(self, event: str, message_id: str, lane: str, payload: Any) -> None:
        """Send a webhook about `lane`, if anybody listens."""
        if self.webhooks.url is None:
            self.webhooks.counts["unsubscribed"] += 1
            return
        self.webhooks.send(
            Message(message_id, event, lane, self.encode(payload), self.content_type, self.now)
        )

    def feed_page(self, call: Call) -> tuple[list[Any], int]:
        """The part of the feed that a poll asks for, and the position after it."""
        after = call.number("after", 0)
        events = self.feed[after : after + max(1, min(call.number("limit", 100), 1000))]
        return events, after + len(events)

    def reset(self) -> None:
        """Forget all documents, effects, faults and waiting webhooks."""
        self.clock.forget(self.name)
        self.faults.clear()
        self.webhooks.forget()
        self.ledger = Ledger(self.name)
        self.feed = []
        self._numbers.clear()
        self.begin()

    # How a request is answered.

    def app(self) -> web.Application:
        """The aiohttp application with the service's routes and the common ones."""
        app = web.Application(client_max_size=BULK_LIMIT)
        Control(self).add_to(app)
        for route in self.routes():
            app.router.add_route(route.method, route.path, self._door(route))
        nowhere = Route("unknown", "*", "/{tail:.*}", self._nowhere, guarded=False)
        app.router.add_route("*", nowhere.path, self._door(nowhere))
        return app

    def _nowhere(self, call: Call) -> Reply:
        raise Rejected("not_found", f"No such resource: {call.request.method} {call.request.path}")

    def _door(self, route: Route) -> Callable[[web.Request], Any]:
        async def answer(request: web.Request) -> web.StreamResponse:
            call = Call(request, route.operation)
            fault = None if route.setup else self.faults.for_request(route.operation)
            kind = fault.order.fault if fault else ""
            try:
                reply = await self._reply(route, call, fault)
            except Rejected as rejected:
                reply = self._error_reply(rejected)
            except Exception:  # noqa: BLE001 - a service answers in its own form whatever happens
                traceback.print_exc(file=sys.stderr)
                reply = self._error_reply(Rejected("internal", "Internal error"))
            self.ledger.requests.append(
                {
                    "at": stamp(self.now),
                    "operation": route.operation,
                    "method": request.method,
                    "path": request.path_qs,
                    "status": reply.status,
                    "fault": kind,
                    "reference": call.reference,
                    "idempotency_key": call.idempotency_key,
                    "replayed": call.replayed,
                }
            )
            if fault and kind in {"slow", "timeout_after"}:
                await asyncio.sleep(fault.seconds)
            if fault and (kind == "timeout_after" or (kind == "outage" and fault.order.drop)):
                return _hang_up(request)
            body = reply.payload if isinstance(reply.payload, bytes) else self.encode(reply.payload)
            if kind == "malformed":
                body = body[: len(body) // 2]
            return web.Response(
                body=body,
                status=reply.status,
                headers=reply.headers,
                content_type=reply.content_type or self.content_type,
            )

        return answer

    async def _reply(self, route: Route, call: Call, fault: Fault | None) -> Reply:
        kind = fault.order.fault if fault else ""
        if kind == "outage":
            return Reply(503, b"503 Service Unavailable\n", content_type="text/plain")
        if fault and kind == "429":
            raise Rejected("busy", "Too many requests", retry_after=fault.order.retry_after)
        if kind == "500":
            raise Rejected("internal", "Internal error")
        if route.guarded:
            self.authenticate(call)
        limit = BULK_LIMIT if route.setup else BODY_LIMIT
        try:
            if (call.request.content_length or 0) <= limit:
                call.body = await call.request.read()
        except web.HTTPRequestEntityTooLarge:
            raise Rejected("too_large", f"More than {limit} bytes") from None
        if (call.request.content_length or len(call.body)) > limit:
            raise Rejected("too_large", f"More than {limit} bytes")
        if fault and kind == "refuse":
            raise Rejected("refused", fault.order.message)
        return route.handler(call)

    def _error_reply(self, rejected: Rejected) -> Reply:
        status = self.statuses[rejected.kind]
        headers = {}
        if "retry_after" in rejected.more:
            headers["Retry-After"] = str(rejected.more.pop("retry_after"))
        return Reply(status, self.error(rejected), headers, self.error_content_type)


def _hang_up(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def same(one: str, other: str) -> bool:
    """Whether two secrets are equal."""
    return hmac.compare_digest(one.encode(), other.encode())
