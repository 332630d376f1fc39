"""The door of the API: who asks is established, and counted, before anything else is looked at."""

from __future__ import annotations

from starlette.types import Scope

from crossdock.access import Principal
from crossdock.access.identity import Identity
from crossdock.api.limits import STANDING, join
from crossdock.api.throttle import Throttle, Throttled, address_of
from crossdock.errors import NotProven
from crossdock.store import Tenant


async def entered(
    scope: Scope, identity: Identity, throttle: Throttle, *, kind: str, weight: int = 1
) -> tuple[Tenant, Principal]:
    """Whose request it is, of those of `kind`. The answer will tell how its buckets stand.

    Raises `NotProven`, and `TooMany` for whoever asks, or guesses, too often or too much at once.
    """
    client = scope.get("client")
    origin = client[0] if client else ""
    address = address_of(origin)
    throttle.refuse_shut(address)
    try:
        tenant, principal = await identity.by_bearer(_shown(scope), origin=origin)
    except NotProven:
        await throttle.failed(address)
        raise
    try:
        standing = await throttle.admit(tenant=tenant.id, key=principal.id, kind=kind, weight=weight)
    except Throttled as error:
        scope[STANDING] = error.standing.headers()
        raise
    scope[STANDING] = standing.headers()
    join(scope, f"tenant/{tenant.id}")
    return tenant, principal


def _shown(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    scheme, _, shown = given.decode("latin-1").partition(" ")
    if scheme.lower() != "bearer":
        raise NotProven("nothing shows who asks", mend="show a key: Authorization: Bearer KEY")
    return shown.strip()
