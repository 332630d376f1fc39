"""The edge of the site: tokens of personal data are opened in what leaves, for whoever may read it.

It stands before pages, API and webhooks alike, so that none of them can forget it. A door says who asks
(`asks`); without that, and without leave (`personal.read`), there is `[hidden]`. An answer without tokens
passes as it is.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossdock.access.policy import Policies
from crossdock.access.resource import Resource
from crossdock.access.seals import CUT, HIDDEN
from crossdock.access.subjects import Subjects
from crossdock.access.who import Principal
from crossdock.errors import CrossdockError

_ASKS = "crossdock_asks"
_MARKS = ("⟦p:".encode(), b"\\u27e6p:")
_BEGIN, _END = "(?:⟦|\\\\u27e6)", "(?:⟧|\\\\u27e7)"
_TOKEN = re.compile(rf"{_BEGIN}p:([\w-]{{16}}):([\w-]+){_END}")
_BROKEN = re.compile(rf"{_BEGIN}p:[\w:-]*(?:{_END})?")
_LONGEST = 8 * 2**20  # bytes that are held back for the end of a token

Escape = Callable[[str], str]


def asks(scope: MutableMapping[str, Any], tenant: int, principal: Principal) -> None:
    """Say who gets the answer to a request."""
    scope[_ASKS] = (tenant, principal)


class Opening:
    """Opens tokens in the answers of an application."""

    def __init__(self, app: ASGIApp, *, subjects: Subjects, policies: Policies) -> None:
        """Around `app`."""
        self._app = app
        self._subjects = subjects
        self._policies = policies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the wrapped application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun: Message | None = None
        waits = False  # the beginning, for the length of what follows
        kept = b""

        async def opening(message: Message) -> None:
            nonlocal begun, waits, kept
            if message["type"] == "http.response.start":
                begun, waits = message, bool(_header(message, b"content-length"))
                if not waits:
                    await send(message)
                return
            if message["type"] != "http.response.body" or begun is None:
                await send(message)
                return
            body, more = kept + message.get("body", b""), message.get("more_body", False)
            kept = b""
            if any(mark in body for mark in _MARKS):
                media = _header(begun, b"content-type").partition(b";")[0].decode("latin-1")
                body, kept = _whole(body, media) if more else (body, b"")
                body = await self._opened(scope, body, media)
                if waits:
                    _set_length(begun, None if more else len(body))
            if waits:
                waits = False
                await send(begun)
            await send({**message, "body": body})

        await self._app(scope, receive, opening)

    async def _opened(self, scope: Scope, body: bytes, media: str) -> bytes:
        tenant, principal = scope.get(_ASKS, (0, None))
        may = principal is not None and await self._may(principal)

        async def put(text: str, escape: Escape) -> str:
            if not may:
                return _BROKEN.sub(HIDDEN, text)
            opened = await self._subjects.reveal_text(tenant, text, escape, _TOKEN)
            return _BROKEN.sub(CUT, opened)

        text = body.decode(errors="surrogateescape")
        found = await (
            _in_csv(text, put) if media == "text/csv" else put(text, _ESCAPES.get(media, _as_json))
        )
        return found.encode(errors="surrogateescape")

    async def _may(self, principal: Principal) -> bool:
        try:
            verdict = await self._policies.decide(principal, "personal.read", Resource(kind="personal"))
        except CrossdockError:
            return False
        return verdict.allowed


def _as_json(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]


_ESCAPES: dict[str, Escape] = {
    "text/html": lambda text: html.escape(text, quote=True),
    "text/event-stream": lambda text: html.escape(text, quote=True),
    "text/plain": lambda text: text,
}


async def _in_csv(text: str, put: Callable[[str, Escape], Awaitable[str]]) -> str:
    """Cells of a table; one that a spreadsheet would take for a formula gets an apostrophe."""
    rows = [
        [await put(cell, _no_formula) if "⟦" in cell else cell for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""))
    ]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n" if "\r\n" in text else "\n").writerows(rows)
    return out.getvalue()


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in "=+-@\t\r" else text


def _whole(body: bytes, media: str) -> tuple[bytes, bytes]:
    """As much as can be opened now, and what waits for the rest of a token, or of a line of a table."""
    at = len(body)
    if media == "text/csv":
        at = body.rfind(b"\n") + 1
    else:
        last = max(body.rfind(mark) for mark in _MARKS)
        if last > max(body.rfind("⟧".encode()), body.rfind(b"\\u27e7")):
            at = last
    return (body[:at], body[at:]) if len(body) - at < _LONGEST else (body, b"")


def _header(start: Message, header: bytes) -> bytes:
    return next((value for name, value in start.get("headers", ()) if name.lower() == header), b"")


def _set_length(start: Message, length: int | None) -> None:
    headers = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
    start["headers"] = [*headers, (b"content-length", b"%d" % length)] if length is not None else headers
