"""What happens to every request before its endpoint, and to every error after it. In this order:

1. Who asks is established: nobody else learns what would be wrong with the rest.
2. Query parameters that are not there, or stand twice, are refused, with the nearest name.
3. The body is read, up to a limit, and is strict JSON: no NUL, no number that JSON readers disagree on, no
   depth that hurts.
4. A POST with an idempotency key is done once.
5. The endpoint answers. An error becomes a problem, in this one place.

An endpoint that is going away says so in headers: `@going(since=..., until=...)`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, TypeVar

import structlog
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from crossdock.access.request_id import request_id
from crossdock.api.answers import once
from crossdock.api.ground import Call, Ground
from crossdock.api.names import missing
from crossdock.api.problems import Several, TooLarge, Unreadable, WrongMedia, problem
from crossdock.api.strict import near, shown, strict_json
from crossdock.errors import Broken, CrossdockError, Refused
from crossdock.model.document import models_in

log = structlog.get_logger(__name__)

MOST_BYTES = 4 * 2**20  # of a body
_NOTED = "crossdock_going"
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Going:
    """That something goes away: deprecated since, gone from `until` on, what to do said at `link`."""

    since: datetime
    until: datetime
    link: str

    @property
    def headers(self) -> dict[str, str]:
        """As RFC 9745 and RFC 8594 tell it."""
        return {
            "deprecation": f"@{int(self.since.timestamp())}",
            "sunset": format_datetime(self.until.astimezone(UTC), usegmt=True),
            "link": f'<{self.link}>; rel="deprecation"; type="text/html"',
        }


def going(*, since: datetime, until: datetime, link: str) -> Callable[[F], F]:
    """Mark an endpoint as one that goes away: its answers say so, and the description does."""

    def mark(endpoint: F) -> F:
        setattr(endpoint, _NOTED, Going(since, until, link))
        return endpoint

    return mark


def streamed(endpoint: F) -> F:
    """Mark an endpoint that reads its body by itself, piece by piece."""
    endpoint.crossdock_streamed = True  # type: ignore[attr-defined]
    return endpoint


def raw(endpoint: F) -> F:
    """Mark an endpoint that takes bodies of its own kinds: they are read up to the limit, and no more."""
    endpoint.crossdock_raw = True  # type: ignore[attr-defined]
    return endpoint


class StrictRoute(APIRoute):
    """An endpoint behind all that."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        """As FastAPI makes it; one that goes away is described so."""
        if hasattr(endpoint, _NOTED):
            more["deprecated"] = True
        super().__init__(path, endpoint, **more)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap what FastAPI would do."""
        inner = super().get_route_handler()
        known = dict(_parameters(self))
        body = self.body_field.field_info.annotation if self.body_field is not None else None
        noted: Going | None = getattr(self.endpoint, _NOTED, None)
        own_body = getattr(self.endpoint, "crossdock_streamed", False)
        own_kinds = getattr(self.endpoint, "crossdock_raw", False)

        async def answer(request: Request) -> Response:
            try:
                return await inner(request)
            except Exception as error:  # noqa: BLE001 - all become problems, those of ours are logged
                return told(request, error, body)

        async def handle(request: Request) -> Response:
            ground: Ground = request.app.state.ground
            try:
                call = request.state.call = await ground.call(request)
                _refuse_nul(request)
                _refuse_unknown(request, known)
                if not own_body and request.method in ("POST", "PUT", "PATCH", "DELETE"):
                    sent = await _read_body(request)
                    if not own_kinds:
                        _refuse_body(request, sent, wanted=body is not None)
                    if request.method == "POST" and "idempotency-key" in request.headers:
                        response = await once(call, await request.body(), lambda: answer(request))
                    else:
                        response = await answer(request)
                else:
                    response = await answer(request)
            except Exception as error:  # noqa: BLE001 - all become problems, those of ours are logged
                response = told(request, error, body)
            if noted is not None:
                response.headers.update(noted.headers)
            return response

        return handle


def router(tag: str) -> APIRouter:
    """A router whose endpoints are all behind the above."""
    return APIRouter(route_class=StrictRoute, tags=[tag], generate_unique_id_function=lambda one: one.name)


def told(request: Request, error: Exception, body: Any = None) -> Response:
    """The answer to an error, whatever it is."""
    path, id_ = request.url.path, request_id(request.scope)
    if isinstance(error, RequestValidationError):
        error = Several([_refusal(dict(one), body) for one in error.errors()])
    elif isinstance(error, HTTPException):
        error = Unreadable("the request cannot be read", mend="send JSON, as the description says")
    elif isinstance(error, ClientDisconnect):
        error = Unreadable("the request ended before its end")
    if isinstance(error, CrossdockError):
        _name_things(request, error)
    else:
        log.error("api.failed", path=path, request=id_, exc_info=error)
        error = Broken(f"{type(error).__name__}: {error}")
    return problem(error, path=path, request=id_)


_CALLED = {
    "parked": "event",
    "quarantined": "event",
    "unread": "delivery",
    "order": "run",
    "shipment": "order|run",
}


def _name_things(request: Request, error: CrossdockError) -> None:
    """Say names where an error says numbers of rows, which stand for nothing outside."""
    call: Call | None = getattr(request.state, "call", None)
    for name, (kind, number) in (call.used if call is not None else {}).items():
        words = f"{kind}|{_CALLED.get(kind, kind)}|{kind} event|parked event|quarantined event"
        for part in ("message", "where", "mend"):
            text = re.sub(rf"\b({words})([ /]){number}\b", rf"\1\2{name}", getattr(error, part))
            setattr(error, part, text)


def _parameters(route: APIRoute) -> Iterator[tuple[str, bool]]:
    """The query parameters that an endpoint knows: name, and whether it may stand several times."""
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            for name, one in kind.model_fields.items():
                yield one.alias or name, "list[" in str(one.annotation)
        else:
            yield field.alias, "list[" in str(kind)


def _refuse_nul(request: Request) -> None:
    """No name has a NUL in it, and the database takes none."""
    for kind, name in request.path_params.items():
        if "\0" in str(name):
            raise missing(kind.strip("_"), str(name))


def _refuse_unknown(request: Request, known: Mapping[str, bool]) -> None:
    seen: set[str] = set()
    for name, value in request.query_params.multi_items():
        where = f"query.{shown(name)}"
        if name not in known:
            raise Refused(f"there is no parameter {shown(name)}", where=where, mend=near(name, known))
        if name in seen and not known[name]:
            raise Refused(f"{name} is given twice", where=where, mend="give it once")
        if "\0" in value:
            raise Refused("a text holds a NUL character", where=where, mend="leave it out")
        seen.add(name)


async def _read_body(request: Request) -> bytes:
    """Read the body, up to the limit; the endpoint finds it read."""
    parts: list[bytes] = []
    size = 0
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > MOST_BYTES:
        raise _too_large()
    async for part in request.stream():
        size += len(part)
        if size > MOST_BYTES:
            raise _too_large()
        parts.append(part)
    request._body = b"".join(parts)  # noqa: SLF001 - where `request.body()` keeps it
    return request._body  # noqa: SLF001


def _refuse_body(request: Request, body: bytes, *, wanted: bool) -> None:
    """Look through the body. Raises `Refused`."""
    if not body:
        return
    if not wanted:
        raise Refused("nothing is sent with this", where="body", mend="send it without a body")
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/json" and not (media.startswith("application/") and media.endswith("+json")):
        raise WrongMedia(
            f"{shown(media) or 'what has no Content-Type'} is not taken here",
            where="header.Content-Type",
            mend="send application/json",
        )
    strict_json(body)


def _too_large() -> TooLarge:
    return TooLarge(f"more than {MOST_BYTES:,} bytes", where="body", mend="send it in parts, or as an import")


def _refusal(found: Mapping[str, Any], body: Any) -> Refused:
    """What Pydantic says of one field, with its place and the nearest name."""
    location: Sequence[Any] = found["loc"]
    where = ".".join(shown(str(part)) for part in location)
    message = str(found["msg"])
    match found["type"]:
        case "missing":
            return Refused("is missing", where=where, mend="give it")
        case "extra_forbidden":
            names = _fields_at(body, location[1:-1])
            return Refused("there is no such field", where=where, mend=near(str(location[-1]), names))
        case "json_invalid":
            return Unreadable("this is not JSON", where="body", mend="mend it")
        case "value_error":
            message = message.removeprefix("Value error, ")
    if location[0] == "query" and message.startswith("is a date alone"):
        return Refused(
            "is a date alone, which is no instant",
            where=where,
            mend="give one with its zone: 2026-03-02T00:00:00Z",
        )
    return Refused(message[:1].lower() + message[1:], where=where, mend="see the description of the API")


def _fields_at(model: Any, location: Sequence[Any]) -> Sequence[str]:
    """The fields of the model that a place is in."""
    for part in location:
        if isinstance(part, str) and (found := next(models_in(model), None)) is not None:
            field = found.model_fields.get(part)
            model = field.annotation if field is not None else None
    found = next(models_in(model), None)
    return list(found.model_fields) if found is not None else ()
