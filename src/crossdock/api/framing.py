"""Requests that two readers could take for two different things are refused, before anything is read of them.

a length and chunks at once      where one ends depends on who reads: a proxy before us may take the rest for
another request, or we may (RFC 9112, section 6.1)
chunks in HTTP/1.0               the same
a host that is none              what is built of it would not be an address (RFC 9112, section 3.2)
another major version            its frames are not ours to read

A target that names the host as well, as proxies are sent it, is read as the rest of it: then that is the
host, whatever the header says (RFC 9112, section 3.2.2).
"""

from __future__ import annotations

import re
from typing import Any

import h11

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~%-]*)(?::[0-9]{0,5})?")


class Strict(h11.Connection):
    """A connection that ends at such a request."""

    def next_event(self) -> Any:
        """The next event. Raises `h11.RemoteProtocolError`."""
        event = super().next_event()
        if isinstance(event, h11.Request):
            event = _relative(event)
            _refuse(event)
        return event


def _relative(request: h11.Request) -> h11.Request:
    scheme, _, rest = request.target.partition(b"://")
    if scheme.lower() not in (b"http", b"https"):
        return request
    host, slash, path = rest.partition(b"/")
    if not slash:
        host, mark, query = rest.partition(b"?")
        path = mark + query
    headers = [(name, value) for name, value in request.headers if name != b"host"]
    return h11.Request(
        method=request.method,
        target=b"/" + path,
        headers=[(b"host", host), *headers],
        http_version=request.http_version,
    )


def _refuse(request: h11.Request) -> None:
    headers = dict(request.headers)  # what stands there twice with two meanings was refused before
    if request.http_version not in (b"1.1", b"1.0"):
        raise h11.RemoteProtocolError("another version")
    if b"transfer-encoding" in headers and (b"content-length" in headers or request.http_version == b"1.0"):
        raise h11.RemoteProtocolError("a body of two lengths")
    if not _HOST.fullmatch(headers.get(b"host", b"")):
        raise h11.RemoteProtocolError("no host")
