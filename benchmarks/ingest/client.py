"""Who sends: connections that are kept, each with one request at a time, by a protocol that costs little."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterable, Iterator
from typing import Self, cast

import msgspec

from benchmarks._load import Taken
from benchmarks._waiting import number_of

SECRET = b"bench-secret"
_HEAD = (
    "POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n"
    "Content-Length: {size}\r\n{more}\r\n"
)


def webhook(number: int, waiting: int) -> bytes:
    """A carrier says that a shipment was delivered, signed."""
    body = msgspec.json.encode(_news(number, waiting))
    sign = hmac.new(SECRET, body, hashlib.sha256).hexdigest()
    return _request("/bench/carrier", body, f"X-Bench-Id: n{number}\r\nX-Bench-Sign: {sign}\r\n")


def cloud_event(number: int, waiting: int) -> bytes:
    """A program says the same."""
    body = msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"p{number}",
            "source": "/bench/carrier",
            "type": "shipment.delivered",
            "time": "2026-11-02T08:00:00Z",
            "data": {
                "shipment": _news(number, waiting)["shipment"],
                "tracking_number": f"T{number_of(number % waiting)}",
            },
        }
    )
    return _request("/events", body, "")


def _news(number: int, waiting: int) -> dict[str, str]:
    tracking = f"T{number_of(number % waiting)}"
    return {
        "number": str(number),
        "what": "delivered",
        "at": "2026-11-02T08:00:00Z",
        "shipment": f"S{number}",
        "tracking": tracking,
        "place": "Hall 4, gate 12, Industriestrasse 7, 20095 Hamburg",
        "note": "handed over to the consignee against signature; two parcels, undamaged",
    }


def _request(path: str, body: bytes, more: str) -> bytes:
    return _HEAD.format(path=path, size=len(body), more=more).encode() + body


class _Sender(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.WriteTransport", transport)
        self.left: Iterator[bytes] = iter(())
        self.took: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done.set_result(None)
        self.held = b""

    def begin(self, left: Iterator[bytes]) -> None:
        self.left, self.took = left, []
        self.done = asyncio.get_running_loop().create_future()
        self._next()

    def _next(self) -> None:
        request = next(self.left, None)
        if request is None:
            self.done.set_result(None)
            return
        self.began = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.held += data
        end = self.held.find(b"\r\n\r\n")
        if end < 0:
            return
        head = self.held[:end].lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r", 1)[0]) if at >= 0 else 0
        if len(self.held) < end + 4 + length:
            return
        answer, self.held = self.held, b""
        self.took.append(time.perf_counter() - self.began)
        if not answer.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(RuntimeError(answer.decode(errors="replace")))
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("the server has hung up"))


class Senders:
    """So many connections to a port of this machine."""

    def __init__(self, port: int, number: int) -> None:
        self._port = port
        self._number = number
        self._senders: list[_Sender] = []

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for _ in range(self._number):
            _, sender = await loop.create_connection(_Sender, "127.0.0.1", self._port)
            self._senders.append(sender)
        return self

    async def __aexit__(self, *_: object) -> None:
        for sender in self._senders:
            sender.transport.close()

    async def send(self, requests: Iterable[bytes]) -> Taken:
        """Send all, and wait for all answers."""
        left = iter(list(requests))
        began = time.perf_counter()
        for sender in self._senders:
            sender.begin(left)
        await asyncio.gather(*(sender.done for sender in self._senders))
        together = time.perf_counter() - began
        return Taken(sorted(took for sender in self._senders for took in sender.took), together)
