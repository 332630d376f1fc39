"""The door of the API: who asks is established, and counted, before anything else is looked at.

Programs show a key, or a token that stands for one. A browser in which somebody has signed in shows the
cookie of the session. It comes along whichever site asked, so a change needs the token of the session too, in
`X-CSRF-Token`. Whoever shows both is known by the key.
"""

from __future__ import annotations

import hmac

from starlette.requests import Request
from starlette.types import Scope

from crossdock.access import Principal
from crossdock.access.cookies import session_cookie, session_token
from crossdock.access.identity import Identity
from crossdock.access.opening import asks
from crossdock.api.limits import STANDING, join
from crossdock.api.throttle import Throttle, Throttled, address_of
from crossdock.errors import Forbidden, NotProven
from crossdock.store import Tenant

WITHIN = "crossdock.within"
"""In the scope of what is asked inside of the process: whose it is, as a door of its own has established it.
No server puts anything there, so nothing that comes over a wire has it."""
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})
_OWN = ("same-origin", "none")  # what browsers say of requests of our own pages (Fetch Metadata)


async def entered(
    scope: Scope, identity: Identity, throttle: Throttle, *, kind: str, weight: int = 1
) -> tuple[Tenant, Principal]:
    """Whose request it is, of those of `kind`. The answer will tell how its buckets stand.

    Raises `NotProven`, `Forbidden` for a change that may be forged, and `TooMany` for whoever asks, or
    guesses, too often or too much at once.
    """
    within: tuple[Tenant, Principal] | None = scope.get(WITHIN)
    if within is not None:
        tenant, principal = within
        asks(scope, tenant.id, principal)
        return within
    client = scope.get("client")
    origin = client[0] if client else ""
    address = address_of(origin)
    throttle.refuse_shut(address)
    request = Request(scope)
    session = session_of(request)
    try:
        tenant, principal = await _known(request, session, identity, origin)
    except NotProven:
        if not session:
            await throttle.failed(address)  # a session that has ended is no guess, and is not counted
        raise
    if session:
        _refuse_forged(request, session)
    try:
        standing = await throttle.admit(tenant=tenant.id, key=principal.id, kind=kind, weight=weight)
    except Throttled as error:
        scope[STANDING] = error.standing.headers()
        raise
    scope[STANDING] = standing.headers()
    asks(scope, tenant.id, principal)
    join(scope, f"tenant/{tenant.id}")
    return tenant, principal


async def still(scope: Scope, identity: Identity) -> Principal:
    """Whoever began what goes on for long, as they are now. Raises `NotProven` where they are not let in."""
    within: tuple[Tenant, Principal] | None = scope.get(WITHIN)
    if within is not None:
        return within[1]
    client, request = scope.get("client"), Request(scope)
    tenant, principal = await _known(request, session_of(request), identity, client[0] if client else "")
    asks(scope, tenant.id, principal)
    return principal


async def _known(request: Request, session: str, identity: Identity, origin: str) -> tuple[Tenant, Principal]:
    if session:
        return await identity.by_session(session, origin=origin)
    return await identity.by_bearer(_shown(request), origin=origin)


def session_of(request: Request) -> str:
    """The session that a request shows; empty where it shows a key, or nothing."""
    if "authorization" in request.headers:
        return ""
    return request.cookies.get(session_cookie(secure=request.url.scheme == "https"), "")


def _refuse_forged(request: Request, session: str) -> None:
    if request.method in _LOOKS:
        return
    given = request.headers.get("x-csrf-token", "")
    right = hmac.compare_digest(given.encode(errors="replace"), session_token(session).encode())
    if not right or request.headers.get("sec-fetch-site", "same-origin") not in _OWN:
        raise Forbidden(
            "nothing shows that a page of ours asks",
            where="header.X-CSRF-Token",
            mend="send the `token` that GET /api/v1/me gives, from a page of this site; or show a key",
        )


def _shown(request: Request) -> str:
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise NotProven(
            "nothing shows who asks", mend="send a key in the header Authorization, after the word Bearer"
        )
    return shown.strip()
