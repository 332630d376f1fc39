"""Partners that sign nothing may show an access token of ours instead of a secret that is always the same.

They fetch it at /oauth/token with a key that was made for them (`event.deliver` is all it needs), so it lasts
a quarter of an hour, is revoked with the key, and the policies say for which connections it holds. UPS's
Track Alert sends webhooks so.
"""

from __future__ import annotations

from collections.abc import Sequence

from crossdock.access import Policies, Resource
from crossdock.access.identity import Identity
from crossdock.connect.signatures import NotVerified
from crossdock.errors import CrossdockError, Unreachable
from crossdock.store import Tenant


class Senders:
    """Knows who may deliver webhooks as the partner of a connection."""

    def __init__(self, identity: Identity, policies: Policies) -> None:
        """By their keys, and what the policies say of them."""
        self._identity = identity
        self._policies = policies

    async def verify(self, tenant: Tenant, connection: str, token: str, *, origin: str) -> None:
        """See that the token is in force and its key may deliver for this connection.

        Raises `NotVerified` with the reason, for the log alone, and `Unreachable`.
        """
        try:
            whose, principal = await self._identity.by_bearer(token, origin=origin)
            if whose.id != tenant.id:
                raise NotVerified("the token is of another tenant")
            resource = Resource(kind="connection", id=connection, attributes={"connection": connection})
            await self._policies.require(principal, "event.deliver", resource)
        except Unreachable:
            raise
        except CrossdockError as error:
            raise NotVerified(error.message) from None


def bearer(headers: Sequence[tuple[str, str]]) -> str:
    """The token that is shown; empty where none is, or more than one."""
    shown = [value.strip() for name, value in headers if name.lower() == "authorization"]
    scheme, _, token = shown[0].partition(" ") if len(shown) == 1 else ("", "", "")
    return token.strip() if scheme.lower() == "bearer" else ""
