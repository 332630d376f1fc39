"""What is told where no application was asked: of a connection, a head, a body, or for want of room."""

from __future__ import annotations

import asyncio
import contextlib
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from crossdock.access.request_id import HEADER, new_id, request_id
from crossdock.api.encodings import TAKEN

log = structlog.get_logger(__name__)

_PROBLEMS = "https://schemas.crossdock.dev/problem/"
_MEDIA = "application/problem+json"
_TITLES = {
    400: "It cannot be read",
    408: "Not there in time",
    413: "Too large",
    414: "The address is too long",
    415: "Of a kind that is not taken",
    429: "Too many at once",
    431: "Too many headers",
    503: "Not now",
}
_UNREAD = frozenset({408, 413, 415})  # what is left of the body is not read
# A connection that ends while more comes is reset, and with it goes the answer, unless the client has read it
# already: so for a moment what still comes is let go by.
_GOING_BY_WITHIN = 2.0  # seconds
_PAUSE = 0.25  # seconds: who sends nothing for so long reads
_MOST_GOING_BY = 32 * 2**20  # bytes


class Refusal(Exception):
    """A request is not passed on; `name` is that of the problem."""

    def __init__(
        self, status: int, name: str, detail: str, retry_after: float = 0.0, mend: str = "", where: str = ""
    ) -> None:
        """Say why, where in what was sent, and what mends it."""
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.retry_after = retry_after
        self.mend = mend
        self.where = where


def too_large(most: int) -> Refusal:
    """More than is taken, unpacked."""
    said = f"at most {most} bytes are taken here"
    return Refusal(413, "too-large", said, where="body", mend="send it in parts")


def too_slow() -> Refusal:
    """A body that does not come."""
    return Refusal(408, "too-slow", "the body did not come in time")


def not_packed() -> Refusal:
    """A body that is not what its encoding says."""
    return Refusal(400, "unreadable", "the body is not packed as its Content-Encoding says", where="body")


async def answer(send: Send, refusal: Refusal, scope: Scope, *, receive: Receive, hook: bool = False) -> None:
    """Answer with that; to a webhook in the words of webhooks."""
    id_, path = request_id(scope), str(scope["path"])
    if not refusal.retry_after:  # what was only too much at once would fill the log besides
        log.info("limits.refused", request=id_, path=path[:200], status=refusal.status, name=refusal.name)
    body = _problem(refusal, id_, instance=quote(path[:200], errors="replace"))
    media = _MEDIA
    if hook:
        body, media = {"error": refusal.detail}, "application/json"
    text = msgspec.json.encode(body)
    headers = [
        (b"content-type", media.encode()),
        (b"content-length", str(len(text)).encode()),
        (HEADER, id_.encode()),
    ]
    if refusal.retry_after:
        headers.append((b"retry-after", str(max(1, round(refusal.retry_after))).encode()))
    if refusal.status == 415:
        headers.append((b"accept-encoding", ", ".join(TAKEN).encode()))
    if refusal.status in _UNREAD:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    if refusal.status in (413, 415):
        await send({"type": "http.response.body", "body": text, "more_body": True})
        await _let_go_by(receive)
        text = b""
    await send({"type": "http.response.body", "body": text})


async def _let_go_by(receive: Receive) -> None:
    left, more = _MOST_GOING_BY, True
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GOING_BY_WITHIN):
            while more and left > 0:
                async with asyncio.timeout(_PAUSE):
                    message = await receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)


def ended(refusal: Refusal) -> bytes:
    """The last bytes of a connection on which no request came that can be read."""
    id_ = new_id()
    log.info("connection.refused", request=id_, status=refusal.status, name=refusal.name)
    body = msgspec.json.encode(_problem(refusal, id_))
    head = (
        f"HTTP/1.1 {refusal.status} {HTTPStatus(refusal.status).phrase}",
        f"content-type: {_MEDIA}",
        f"content-length: {len(body)}",
        f"{HEADER.decode()}: {id_}",
        "x-content-type-options: nosniff",
        "connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


def _problem(refusal: Refusal, id_: str, **more: str) -> dict[str, Any]:
    told = {
        "type": _PROBLEMS + refusal.name,
        "title": _TITLES[refusal.status],
        "status": refusal.status,
        **more,
        "request": id_,
        "detail": refusal.detail,
        "where": refusal.where,
        "mend": refusal.mend,
    }
    return {name: value for name, value in told.items() if value}
