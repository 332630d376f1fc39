"""The usual headers, on every answer of every door: pages, API, webhooks; and whether a host is this one."""

from __future__ import annotations

import ipaddress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""What an answer may load that is no page: nothing."""

_YEAR = 365 * 24 * 3600
_ALWAYS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    (b"cache-control", b"no-store"),
)


def is_loopback(host: str) -> bool:
    """Whether a name or address is of this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


class Headers:
    """Adds them where an answer has none of its own: `policy` says what a page may load.

    Over https, browsers are told to come by https alone for a year (RFC 6797). Whether it is https is for the
    server to know, which believes `X-Forwarded-Proto` of the proxies that are set, and of nobody else.
    """

    def __init__(self, app: ASGIApp, *, policy: str = NOTHING) -> None:
        """Wrap `app`."""
        self._app = app
        self._headers = ((b"content-security-policy", policy.encode()), *_ALWAYS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as the wrapped application does, with the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {name.lower() for name, _ in headers}
                headers += [pair for pair in self._headers if pair[0] not in present]
                if scope.get("scheme") == "https" and b"strict-transport-security" not in present:
                    headers.append((b"strict-transport-security", b"max-age=%d" % _YEAR))
                message["headers"] = headers
            await send(message)

        await self._app(scope, receive, guarded)
