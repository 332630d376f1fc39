"""The API as one application: what is in it, and what stands around every request.

A version is a path, `/api/v1`. Within it nothing that programs rely on is taken away or changes its
meaning; what is added, they pass by. What goes away is marked first, in its description and in headers
(`route.going`).
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from crossdock.access.request_id import RequestId, request_id
from crossdock.api.description import describe, description
from crossdock.api.ground import Ground
from crossdock.api.problems import NotAllowed, problem
from crossdock.api.rest import ROUTERS
from crossdock.api.route import told
from crossdock.api.strict import shown
from crossdock.errors import NotFound


def described() -> dict[str, Any]:
    """The description of the API, as `/openapi.json` gives it."""
    api = FastAPI()
    for router in ROUTERS:
        api.include_router(router)
    return description(api)


def app(ground: Ground) -> FastAPI:
    """The API on that ground, to be mounted at `/api/v1`."""
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    api.state.ground = ground
    for router in ROUTERS:
        api.include_router(router)
    api.add_exception_handler(HTTPException, nothing_here)
    api.add_exception_handler(Exception, _fault)

    async def openapi(_request: Request) -> Response:
        return Response(describe(api), media_type="application/json")

    api.add_route("/openapi.json", openapi, methods=["GET"])
    api.add_middleware(Head)
    api.add_middleware(RequestId)
    return api


async def nothing_here(request: Request, error: Exception) -> Response:
    """What no endpoint answers: an address that is not there, a method that it does not take."""
    path, id_ = request.url.path, request_id(request.scope)
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = _allowed(request)
        refused = NotAllowed(f"{request.method} is not taken here", mend=f"use {allowed}")
        return problem(refused, path=path, request=id_)
    mend = "leave out the / at its end" if path.endswith("/") else "see /api/v1/openapi.json"
    missing = NotFound(f"there is nothing at {shown(path)}", mend=mend)
    return problem(missing, path=path, request=id_)


def _allowed(request: Request) -> str:
    """The methods that an address takes: of the address as it stands, else of the pattern that it fits."""
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    fitting: dict[str, set[str]] = {}
    for one in (route for router in ROUTERS for route in router.routes):
        if isinstance(one, APIRoute) and one.path_regex.match(path):
            fitting.setdefault(one.path, set()).update(one.methods or ())
    nearest = min(fitting, key=lambda pattern: pattern.count("{"), default="")
    return ", ".join(sorted(fitting.get(nearest, {"GET"})))


async def _fault(request: Request, error: Exception) -> Response:
    return told(request, error)


class Head:
    """HEAD is answered as GET is, without the body."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap `app`."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the wrapped application answer GET, and send the head of that."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def head(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**scope, "method": "GET"}, receive, head)
