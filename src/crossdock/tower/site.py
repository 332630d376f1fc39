"""The pages put together: addresses, headers, and what is shown when something goes wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from crossdock.access import Resource
from crossdock.access.headers import Headers
from crossdock.access.identity import Identity
from crossdock.access.request_id import RequestId, request_id
from crossdock.desk import Acts
from crossdock.engine import Connections, Repairs
from crossdock.errors import (
    Conflict,
    CrossdockError,
    Forbidden,
    NotFound,
    NotProven,
    Refused,
    Unreachable,
)
from crossdock.process import Process
from crossdock.store import Database, Tenant
from crossdock.tower.doors import Doors, as_long_as, to_sign_in
from crossdock.tower.ground import HERE, Ground, Who, templates
from crossdock.tower.guard import POLICY
from crossdock.tower.pages import (
    account,
    act,
    codes,
    desk,
    differences,
    events,
    mappings,
    overview,
    people,
    personal,
    processes,
    run,
    runs,
    sign_in,
)
from crossdock.tower.pages import connection as line
from crossdock.tower.pages import connections as lines
from crossdock.tower.pages import proposals as proposed
from crossdock.tower.pages import repairs as many
from crossdock.tower.stream import Stream
from crossdock.tower.telling.times import zone_of

log = structlog.get_logger(__name__)

_Handler = Callable[[Ground, Request], Awaitable[Response]]
_DoorHandler = Callable[[Ground, Doors, Request], Awaitable[Response]]

# What an error means to a browser. The first that fits counts.
_STATUS: tuple[tuple[type[CrossdockError], int, str], ...] = (
    (NotFound, 404, "Not here"),
    (NotProven, 401, "Please sign in"),
    (Forbidden, 403, "Not for you"),
    (Conflict, 409, "That has changed"),
    (Refused, 400, "Not taken"),
    (Unreachable, 503, "Not there at the moment"),
    (CrossdockError, 500, "Something is broken"),
)


def app(
    *,
    database: Database,
    tenant: Tenant,
    acts: Acts,
    connections: Connections,
    repairs: Repairs,
    read: Callable[[str], Process],
    who: Who,
    zone: str = "UTC",
    title: str = "",
    identity: Identity | None = None,
    address: str = "",
) -> Starlette:
    """The pages of one tenant, to be served alone or mounted anywhere.

    `read` compiles the text of a process, as the engine's library does. `who` says who looks. Times are told
    in `zone`, an IANA name; `title` is what the pages call the tenant. With `identity` people sign in here,
    which is called `address` from outside. Open pages keep connections open: `await app.state.stream.close()`
    before the server is told to stop. Raises `Refused` for a bad zone.
    """
    ground = Ground(
        database=database,
        tenant=tenant,
        acts=acts,
        connections=connections,
        repairs=repairs,
        read=read,
        who=who,
        zone=zone_of(zone),
        title=title,
        templates=templates(),
        signs_in=identity is not None,
        address=address,
    )
    stream = Stream(database, tenant, ground.zone)

    async def listen(request: Request) -> Response:
        if not (person := await ground.person(request)).may_act:
            await ground.acts.policies.require(person.principal, "run.read", Resource(kind="run"))

        async def may() -> bool:
            try:
                person = await ground.again(request)
            except CrossdockError:
                return False
            return person.may_act or person.may("run.read")

        headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
        heard = as_long_as(may, stream.listen())
        return StreamingResponse(heard, media_type="text/event-stream", headers=headers)

    doors: list[BaseRoute] = []
    if identity is not None:
        doors = _doors(ground, Doors(identity=identity, address=address))

    site = Starlette(
        routes=[*doors, *_routes(ground), Route("/stream", listen)],
        middleware=[Middleware(RequestId), Middleware(Headers, policy=POLICY)],
        exception_handlers={
            CrossdockError: _refusal(ground),
            404: _missing(ground),
            405: _missing(ground),
            Exception: _fault(ground),
        },
    )
    site.state.stream = stream
    return site


def _routes(ground: Ground) -> list[BaseRoute]:
    def page(path: str, handler: _Handler, method: str = "GET", *, shows: str = "") -> Route:
        """A page. Whoever may not see what it `shows` is refused; one that does something asks by itself."""

        async def answer(request: Request) -> Response:
            _refuse_zero(request)
            person = await ground.person(request)
            if shows and not person.may(shows):
                about = Resource(kind=shows.partition(".")[0])
                await ground.acts.policies.require(person.principal, shows, about)
            return await handler(ground, request)

        return _Page(path, answer, methods=[method])

    a_run = "/runs/{process}/{key:path}/{generation:int}"
    return [
        page("/", overview.overview),
        page("/runs", runs.table, shows="run.read"),
        page("/runs.csv", runs.export, shows="run.read"),
        page(a_run, run.run, shows="run.read"),
        page(a_run, act.repair, "POST"),
        page("/desk", desk.desk),
        page("/desk/task", act.decide, "POST"),
        page("/desk/exception", act.close, "POST"),
        page("/repairs", many.repairs, shows="exception.read"),
        page("/repairs", many.begin, "POST"),
        page("/repairs/new", many.choose, shows="exception.read"),
        page("/repairs/{id:int}", many.repair, shows="exception.read"),
        page("/repairs/{id:int}", many.turn, "POST"),
        page("/differences", differences.differences, shows="exception.read"),
        page("/differences", differences.mend, "POST"),
        page("/proposals", proposed.proposals, shows="run.read"),
        page("/proposals", proposed.turn, "POST"),
        page("/events", events.events, shows="event.read"),
        page("/events", events.settle, "POST"),
        page("/connections", lines.connections, shows="connection.read"),
        page("/connections", lines.turn, "POST"),
        page("/connections/new", line.new),
        page("/connections/{name}", line.connection, shows="connection.read"),
        page("/connections/{name}/recording.har", line.recording),
        page("/processes", processes.processes, shows="process.read"),
        page("/processes/{name}", processes.process, shows="process.read"),
        page("/mappings", mappings.mappings, shows="mapping.read"),
        page("/mappings", mappings.publish, "POST", shows="mapping.read"),
        page("/mappings/{name}", mappings.mapping, shows="mapping.read"),
        page("/mappings/{name}", mappings.try_mapping, "POST", shows="mapping.read"),
        page("/codes", codes.codes, shows="code.read"),
        page("/codes", codes.change, "POST", shows="code.read"),
        page("/personal", personal.personal),
        page("/personal", personal.turn, "POST"),
        page("/personal/{handle}", personal.subject),
        page("/people", people.people, shows="person.read"),
        page("/people", people.change, "POST"),
        page("/people/keys", people.keys, shows="key.read"),
        page("/people/keys", people.change_keys, "POST"),
        Route("/favicon.ico", _icon),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]


def _doors(ground: Ground, doors: Doors) -> list[BaseRoute]:
    def page(path: str, handler: _DoorHandler, method: str = "GET") -> Route:
        async def answer(request: Request) -> Response:
            _refuse_zero(request)
            return await handler(ground, doors, request)

        return Route(path, answer, methods=[method])

    return [
        page("/sign-in", sign_in.ask),
        page("/sign-in", sign_in.password, "POST"),
        page("/sign-in/code", sign_in.code, "POST"),
        page("/sign-in/with/{name}", sign_in.leave),
        page("/sign-in/back", sign_in.come_back),
        page("/sign-in/ended/{name}", sign_in.ended, "POST"),
        page("/sign-out", sign_in.out, "POST"),
        page("/signed-out", sign_in.signed_out),
        page("/invitation/{link}", sign_in.invitation),
        page("/invitation/{link}", sign_in.accept, "POST"),
        page("/account", account.account),
        page("/account", account.change, "POST"),
    ]


def _refuse_zero(request: Request) -> None:
    if "\0" in unquote(str(request.url)) or "~00" in request.url.path:
        raise NotFound("no page, and nothing on one, is named by a zero byte", mend="leave it out")


class _Page(Route):
    """The route of a page; a number that is too long for one is in no address."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether it is the page of that address."""
        try:
            return super().matches(scope)
        except ValueError:
            return Match.NONE, {}


async def _icon(request: Request) -> Response:
    return RedirectResponse(f"{request.scope.get('root_path', '')}/static/icon.svg")


def _refusal(ground: Ground) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        assert isinstance(error, CrossdockError)  # noqa: S101 - registered for it alone
        if isinstance(error, NotProven) and (leads := to_sign_in(request)) is not None:
            return leads
        status, title = next((s, t) for kind, s, t in _STATUS if isinstance(error, kind))
        if status >= 500:
            log.warning("tower.error", path=request.url.path, error=str(error))
        response = ground.plain_page(request, status=status, title=title, text=error.message, mend=error.mend)
        if isinstance(error, Unreachable):
            response.headers["retry-after"] = str(max(1, round(error.retry_after or 5)))
        return response

    return handle


def _missing(ground: Ground) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        return ground.plain_page(
            request,
            status=getattr(error, "status_code", 404),
            title="Not here",
            text=f"There is no page {request.url.path}.",
            mend="look for the case by any of its numbers, or start from the overview",
        )

    return handle


def _fault(ground: Ground) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def handle(request: Request, error: Exception) -> Response:
        id_ = request_id(request.scope)
        log.error("tower.fault", request=id_, path=request.url.path, error=f"{type(error).__name__}: {error}")
        return ground.plain_page(
            request,
            status=500,
            title="Something is broken",
            text="This page could not be made. Nothing was changed by it.",
            mend=f"try again; if it stays, the log of the server says what happened to {id_}",
        )

    return handle
