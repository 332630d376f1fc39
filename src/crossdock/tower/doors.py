"""Who looks at a page: the person of a session, or whoever sits at the machine where nobody has to sign in.

Every page asks before it is made; what is not proven leads to the sign-in, and back to the page from there.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossdock.access.headers import is_loopback
from crossdock.access.identity import Identity
from crossdock.access.sign_in import From
from crossdock.errors import NotProven
from crossdock.store import Tenant
from crossdock.tower.addresses import with_query
from crossdock.tower.ground import Person, Who
from crossdock.tower.guard import session_of

BROWSER_COOKIE = "crossdock_browser"


@dataclass(frozen=True, slots=True, kw_only=True)
class Doors:
    """What signing in needs. `address`: how the site is called from outside; empty: as requests say."""

    identity: Identity
    address: str = ""


def signed_in(
    identity: Identity, tenant: Tenant, otherwise: Callable[[Request], Awaitable[Person | None]] | None = None
) -> Who:
    """Who looks, by the session. `otherwise` may know somebody where there is none. Raises `NotProven`."""

    async def who(request: Request) -> Person:
        if cookie := session_of(request):
            try:
                of, found = await identity.by_session(cookie, origin=origin_of(request))
            except NotProven:
                of = None
            if of == tenant:
                return Person(principal=found, signed_in=True)
        person = await otherwise(request) if otherwise is not None else None
        if person is None:
            raise NotProven("you are not signed in", mend="sign in")
        return person

    return who


def is_here(request: Request) -> bool:
    """Whether a request comes from this machine, and was meant for it: by no proxy, under no other name.

    A page elsewhere may lead a browser here by a name that it lets point to this machine; the name tells.
    """
    host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    passed_on = any(name in request.headers for name in ("forwarded", "x-forwarded-for", "x-forwarded-host"))
    return is_loopback(origin_of(request)) and is_loopback(host) and not passed_on


async def as_long_as(
    may: Callable[[], Awaitable[bool]], heard: AsyncGenerator[str, None]
) -> AsyncIterator[str]:
    """What is heard, until whoever listens may not any more: asked each time, before anything is told."""
    async with contextlib.aclosing(heard):
        async for text in heard:
            if not await may():
                return
            yield text


def from_(request: Request) -> From:
    """Where somebody comes from who signs in."""
    return From(
        origin=origin_of(request),
        agent=request.headers.get("user-agent", "")[:200],
        browser=request.cookies.get(BROWSER_COOKIE, ""),
    )


def origin_of(request: Request) -> str:
    """The address of the other side, as the server believes it."""
    return request.client.host if request.client else ""


def to_sign_in(request: Request) -> Response | None:
    """Where a browser goes that asked for a page; None for what is no page, which is refused."""
    page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
    if not page or request.headers.get("x-refresh"):
        return None
    root = str(request.scope.get("root_path", ""))
    here = request.url.path.removeprefix(root) or "/"
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(root + with_query("/sign-in", {"back": here + query}), status_code=303)
