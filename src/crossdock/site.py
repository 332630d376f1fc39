"""What an installation serves: pages, API, graph and webhooks, with what they take at most."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from crossdock.access.headers import Headers
from crossdock.access.opening import Opening
from crossdock.access.request_id import RequestId
from crossdock.api import app as rest
from crossdock.api import nothing_here
from crossdock.api.graphql import Asking, endpoint
from crossdock.api.limits import Bounds, Limits
from crossdock.api.oauth import oauth
from crossdock.assemble import System
from crossdock.gateway import Senders, webhooks
from crossdock.settings import Settings
from crossdock.tower import Person, app
from crossdock.tower.doors import is_here, signed_in


def site(system: System) -> Starlette:
    """Pages, API and webhooks of an installation. Close `site.state.stream` before the server ends."""
    settings = system.settings
    local = Person(principal=system.whoever("pages"))
    tower = app(
        database=system.database,
        tenant=system.tenant,
        acts=system.acts,
        connections=system.connections,
        repairs=system.repairs,
        read=system.installed.reopen,
        who=signed_in(system.identity, system.tenant, _who_is_here(system, local)),
        identity=None if settings.sign_in == "off" else system.identity,
        address=settings.address,
        zone=settings.zone,
        title=system.tenant.name,
    )
    ground = system.api()
    asking = Asking(bounds=ground.query_bounds, persisted=ground.persisted, seconds=settings.graphql_seconds)
    senders = Senders(system.identity, system.policies)
    made = Starlette(
        routes=[
            *oauth(system.database, system.identity, settings.address),
            Mount("/hooks", webhooks(system.database, system.inbox, system.lines, senders)),
            Mount("/api/v1", rest(ground)),
            endpoint("/api/graphql", ground, system.throttle, asking),
            *(Route(f"{below}{{rest:path}}", _no_page) for below in ("/api", "/oauth", "/.well-known")),
            Mount("/", tower),
        ],
        middleware=[
            Middleware(RequestId),
            Middleware(Headers),
            Middleware(Opening, subjects=system.personal.subjects, policies=system.policies),
            _limits(settings),
        ],
        exception_handlers={HTTPException: nothing_here},
    )
    made.state.stream = tower.state.stream
    return made


async def _no_page(_request: Request) -> Response:
    """What is below these and no address of theirs is no page either: programs are told in their own form."""
    raise HTTPException(404)


def _limits(given: Settings) -> Middleware:
    """What the site takes at most, and at once."""
    bounds = Bounds(
        body=given.largest_body,
        imported=given.largest_import,
        answer_within=given.answer_seconds,
        reads=given.reads_at_once,
        changes=given.changes_at_once,
        hooks=given.webhooks_at_once,
    )
    return Middleware(Limits, bounds=bounds)


def _who_is_here(system: System, local: Person) -> Callable[[Request], Awaitable[Person | None]]:
    """Who looks at pages where no session says so; see the setting `sign_in`."""

    async def who(request: Request) -> Person | None:
        if system.settings.sign_in == "off":
            return local
        return local if is_here(request) and await system.is_open() else None

    return who
