"""The id of a request: on each answer of every door, in what went wrong with it, and in the log."""

from __future__ import annotations

import re
import secrets

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ID = re.compile(r"[A-Za-z0-9._:-]{8,128}")
_HELD = "crossdock_request"
HEADER = b"x-request-id"


def new_id() -> str:
    """An id for what has none."""
    return secrets.token_hex(12)


def request_id(scope: Scope) -> str:
    """The id of that request: the asker's, where it is well-formed, else a new one that it keeps."""
    if _HELD not in scope:
        given = next((value for name, value in scope["headers"] if name == HEADER), b"").decode("latin-1")
        scope[_HELD] = given if _ID.fullmatch(given) else new_id()
    found: str = scope[_HELD]
    return found


class RequestId:
    """Answers as the application does, with the id; what is logged meanwhile has it too."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the wrapped application does, with the id."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        id_ = request_id(scope)

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", ())
                if all(name.lower() != HEADER for name, _ in headers):
                    message["headers"] = [*headers, (HEADER, id_.encode())]
            await send(message)

        with structlog.contextvars.bound_contextvars(request=id_):
            await self._app(scope, receive, named)
