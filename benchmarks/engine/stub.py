"""The partner system of the contest: answers each POST at once with a little JSON, and counts.

A bare protocol on uvloop in a process of its own, so that it costs the contestants as little as it can.
"""

from __future__ import annotations

import asyncio
import sys
from typing import cast

import uvloop

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"


class Stub(asyncio.Protocol):
    """One connection: requests one after the other, kept alive."""

    calls = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.held = b""

    def data_received(self, data: bytes) -> None:
        self.held += data
        while (end := self.held.find(b"\r\n\r\n")) >= 0:
            head = self.held[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
            if len(self.held) < end + 4 + length:
                return
            self.held = self.held[end + 4 + length :]
            if head.startswith(b"post"):
                Stub.calls += 1
                body = b'{"ok":true,"reference":"R-%d"}' % Stub.calls
            else:
                body = b'{"calls":%d}' % Stub.calls
            self.transport.write(_HEAD % (len(body), body))


async def serve() -> None:
    """Serve on a free port, tell it on standard output, and end when whoever started us is gone."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stub, "127.0.0.1", 0, backlog=2048)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)


if __name__ == "__main__":
    uvloop.run(serve())
