"""The door for webhooks over HTTP: POST /{tenant}/{connection}.

200  taken, set aside, or known already: the sender may forget it
401  not proven to be the partner's, or there is no such door: who knocks is not told which
413  larger than is taken
503  could not be kept: the sender tries again
"""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from crossdock.connect import Lines
from crossdock.connect.signatures import NotVerified
from crossdock.engine import Inbox
from crossdock.engine.inbox import Suspended
from crossdock.errors import NotFound, Refused, Unreachable
from crossdock.gateway.receive import Receiver, Unverified
from crossdock.gateway.senders import Senders
from crossdock.store import Database

LARGEST = 2 * 2**20  # bytes of one webhook


def webhooks(
    database: Database, inbox: Inbox, lines: Lines, senders: Senders, *, largest: int = LARGEST
) -> Starlette:
    """The application that takes webhooks in; mount it where partners are told to send them."""
    receiver = Receiver(database, inbox, lines, senders)

    async def hook(request: Request) -> Response:
        try:
            body = await _body(request, largest)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return _said(413, f"larger than {largest} bytes")
        unverified = Unverified(
            tenant=request.path_params["tenant"],
            connection=request.path_params["connection"],
            headers=request.headers.items(),
            body=body,
            query=request.query_params.multi_items(),
            origin=request.client.host if request.client else "",
        )
        try:
            receipt = await receiver.receive(unverified)
        except (NotVerified, NotFound):
            return _said(401, "not verified, or there is no such door")
        except (Unreachable, Suspended):
            return JSONResponse({"error": "not kept; send it again"}, 503, {"Retry-After": "5"})
        except Refused as error:
            return _said(422, error.message)
        return JSONResponse({"outcome": receipt.outcome, "events": receipt.events})

    return Starlette(routes=[Route("/{tenant}/{connection}", hook, methods=["POST"])])


async def _body(request: Request, largest: int) -> bytes | None:
    """The raw bytes; None where there are more than are taken."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > largest:
        return None
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > largest:
            return None
        parts.append(part)
    return b"".join(parts)


def _said(status: int, what: str) -> Response:
    return JSONResponse({"error": what}, status)
