"""The line to PostgreSQL: a proxy that knows the protocol well enough to cut where it hurts.

commit not sent         the client says COMMIT, the server never hears it
commit cut in half      the server hears half of it
commit not answered     the server commits, the client never hears of it
statement not answered  the same for a statement that is a transaction by itself
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

CUTS = ("commit not sent", "commit cut in half", "commit not answered", "statement not answered")
_PORT_FILE = ".s.PGSQL.5432"


@dataclass(slots=True, eq=False)
class _Pair:
    """One connection through the proxy."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    idle: bool = True  # the server is outside a transaction
    executes: bool = False  # a statement was sent since the last Sync
    deaf: bool = False  # what the server says is not passed on any more


@dataclass(slots=True)
class Line:
    """The proxy: `folder` holds its socket, `upstream` that of the server."""

    folder: Path
    upstream: Path
    struck: Counter[str] = field(default_factory=Counter)
    _armed: Counter[str] = field(default_factory=Counter)
    _pairs: set[_Pair] = field(default_factory=set)
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def url(self) -> str:
        """The owner's address of the database, through here."""
        return f"postgresql://postgres@/postgres?host={self.folder}"

    async def start(self) -> None:
        """Listen."""
        self._open.set()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, self.folder / _PORT_FILE)

    async def close(self) -> None:
        """Cut all and listen no more."""
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def arm(self, cut: str, count: int) -> None:
        """The next `count` that this cut fits are cut."""
        self._armed[cut] += count

    def disarm(self) -> None:
        """No more cuts."""
        self._armed.clear()

    def cut(self) -> int:
        """Cut every connection now; gives how many."""
        pairs = list(self._pairs)
        for pair in pairs:
            self._drop(pair)
        return len(pairs)

    async def stall(self, seconds: float) -> None:
        """Let nothing through for a while; no connection is cut."""
        self._open.clear()
        try:
            await asyncio.sleep(seconds)
        finally:
            self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            theirs, server = await asyncio.open_unix_connection(self.upstream / _PORT_FILE)
        except OSError:
            writer.close()
            return
        pair = _Pair(writer, server)
        self._pairs.add(pair)
        tasks = [
            asyncio.create_task(self._forth(reader, pair)),
            asyncio.create_task(self._back(theirs, pair)),
        ]
        self._tasks.update(tasks)
        for task in tasks:
            task.add_done_callback(self._tasks.discard)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        if pair.deaf:  # what was sent is carried out before the server finds that nobody listens
            await asyncio.wait(tasks[1:], timeout=5)
        self._drop(pair)
        self._pairs.discard(pair)

    def _drop(self, pair: _Pair) -> None:
        for writer in (pair.client, pair.server):
            if not writer.is_closing():
                writer.transport.abort()

    async def _forth(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        """From the client to the server: the first message has no kind, all others have."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readexactly(4)
            pair.server.write(head + await reader.readexactly(int.from_bytes(head, "big") - 4))
            while True:
                head = await reader.readexactly(5)
                body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
                await self._open.wait()
                if not self._pass(head, body, pair):
                    return
                await pair.server.drain()

    def _pass(self, head: bytes, body: bytes, pair: _Pair) -> bool:
        """Send a message on, unless it is one to cut; gives whether the connection lives."""
        kind = head[:1]
        if kind == b"E":
            pair.executes = True
        if kind == b"Q" and body.strip(b"\0; ").upper() == b"COMMIT":
            cut = self._take("commit not sent", "commit cut in half", "commit not answered")
        elif kind == b"S" and pair.executes and pair.idle:
            cut = self._take("statement not answered")
        else:
            cut = ""
        if kind in (b"S", b"Q"):
            pair.executes = False
        if cut == "commit not sent":
            return False
        whole = head + body
        pair.server.write(whole[: len(whole) // 2] if cut == "commit cut in half" else whole)
        if cut.endswith("not answered"):
            pair.deaf = True
            pair.client.transport.abort()
        return not cut

    def _take(self, *cuts: str) -> str:
        for cut in cuts:
            if self._armed[cut] > 0:
                self._armed[cut] -= 1
                self.struck[cut] += 1
                return cut
        return ""

    async def _back(self, reader: asyncio.StreamReader, pair: _Pair) -> None:
        """From the server to the client; whether a transaction is open is read on the way."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(5)
                body = await reader.readexactly(int.from_bytes(head[1:], "big") - 4)
                if head[:1] == b"Z":
                    pair.idle = body == b"I"
                    if pair.deaf:
                        return
                await self._open.wait()
                if not pair.deaf:
                    pair.client.write(head + body)
                    await pair.client.drain()
