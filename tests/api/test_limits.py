"""What the site takes and what it refuses, tried over raw sockets by clients that mean harm."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from crossdock.api.depth import deeper_than
from crossdock.api.limits import Bounds, Limits, join
from crossdock.api.slow_clients import LARGEST_HEAD, patient_protocol
from crossdock.errors import TooMany
from played_orders import serving as served

MEGABYTE = 2**20


@dataclass
class Behind:
    """The application behind the limits: tells what it got; waits where the path says so."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    got: list[tuple[str, int]] = field(default_factory=list)
    heads: set[bytes] = field(default_factory=set)
    at_work: int = 0
    most: int = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.at_work += 1
        self.most = max(self.most, self.at_work)
        try:
            await self.answer(scope, receive, send)
        finally:
            self.at_work -= 1

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        path, size, more = scope["path"], 0, True
        self.heads |= {name for name, _ in scope["headers"]}
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.got.append((path, -1))
                return
            size += len(message["body"])
            more = message["more_body"]
        self.got.append((path, size))
        status, body = 200, json.dumps({"got": size}).encode()
        if "/wait" in path:
            await self.open.wait()
        if path == "/sleep":
            await asyncio.sleep(3600)
        if path.startswith("/busy"):
            time.sleep(0.02)  # noqa: ASYNC251 - it shall hold up the others
        if path.startswith("/tenant"):
            try:
                join(scope, "tenant/1")
            except TooMany:
                status = 429
            await self.open.wait()
        if path == "/stream" or path == "/large":
            kind = b"text/event-stream" if path == "/stream" else b"text/plain"
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})
            while path == "/large":
                await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
            await self.open.wait()
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Client:
    port: int
    writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**22)
        self.writers.append(writer)
        return reader, writer

    async def send(self, raw: bytes) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own."""
        reader, writer = await self.open()
        with contextlib.suppress(ConnectionError):
            writer.write(raw)
            await writer.drain()
        return await answer(reader)

    async def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return await self.send(request("GET", path, **headers))

    async def post(self, path: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return await self.send(request("POST", path, content_length=str(len(body)), **headers) + body)


def request(method: str, path: str, **headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: here"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; status 0 where the connection ended without an answer."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, {}, b""
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines if line)
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return int(first.split()[1]), headers, body


@contextlib.asynccontextmanager
async def serving(app: Any, **patience: Any) -> AsyncIterator[Client]:
    more = {"ws": "none", "http": patient_protocol(**patience), "h11_max_incomplete_event_size": LARGEST_HEAD}
    async with served(app, log_level="critical", **more) as url:
        client = Client(int(url.rpartition(":")[2]))
        try:
            yield client
        finally:
            for writer in client.writers:
                writer.transport.abort()


@contextlib.asynccontextmanager
async def site(**bounds: Any) -> AsyncIterator[tuple[Client, Behind]]:
    behind = Behind()
    async with serving(Limits(behind, bounds=Bounds(**bounds))) as client:
        try:
            yield client, behind
        finally:
            behind.open.set()


def problem(answered: tuple[int, dict[str, str], bytes]) -> tuple[int, str]:
    status, headers, body = answered
    assert headers["content-type"] == "application/problem+json"
    told = json.loads(body)
    assert told["status"] == status
    assert told["title"]
    assert told["detail"]
    return status, told["type"].rpartition("/")[2]


async def wait_for(holds: Any) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)


# -- heads -----------------------------------------------------------------------------------------------


async def test_a_request_of_usual_size_goes_through():
    async with site() as (client, behind):
        assert (await client.get("/x?a=1", authorization="Bearer k"))[0] == 200
        status, _, body = await client.post("/x", b'{"a": [1, {"b": "]["}]}')
        assert (status, body) == (200, b'{"got": 23}')
        assert behind.got == [("/x", 0), ("/x", 23)]


async def test_heads_that_drip_are_ended_while_others_are_served():
    async with serving(Limits(Behind()), head_within=0.5) as client:
        slow = [await client.open() for _ in range(200)]
        dripping = asyncio.gather(
            *(drip(writer, b"GET / HTTP/1.1\r\nx: " + b"y" * 1000) for _, writer in slow)
        )
        begun = time.monotonic()
        assert (await client.get("/x"))[0] == 200
        ended = await asyncio.gather(*(answer(reader) for reader, _ in slow))
        assert time.monotonic() - begun < 10
        # What drips on into a connection that was ended may take the answer away with it: then it is 0.
        assert {status for status, *_ in ended} <= {408, 0}
        dripping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await dripping


async def drip(writer: asyncio.StreamWriter, text: bytes) -> None:
    with contextlib.suppress(ConnectionError):
        for byte in text:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.05)


async def test_a_connection_that_says_nothing_is_ended():
    async with serving(Limits(Behind()), head_within=0.3) as client:
        reader, _ = await client.open()
        assert (await answer(reader))[0] == 408


async def test_the_second_head_of_a_connection_has_its_time_too():
    async with serving(Limits(Behind()), head_within=0.3) as client:
        reader, writer = await client.open()
        writer.write(request("GET", "/x"))
        assert (await answer(reader))[0] == 200
        writer.write(b"GET / HT")
        assert (await answer(reader))[0] == 408


async def test_a_request_that_takes_longer_than_a_head_may_is_not_ended_for_it():
    behind = Behind()
    async with serving(Limits(behind), head_within=0.2) as client:
        reader, writer = await client.open()
        writer.write(request("GET", "/wait"))
        await wait_for(lambda: behind.at_work)
        await asyncio.sleep(0.4)  # longer than the head may take
        behind.open.set()
        assert (await answer(reader))[0] == 200


async def test_more_connections_than_there_can_be_drive_out_those_that_owe_a_head():
    behind = Behind()
    async with serving(Limits(behind), most=50) as client:
        working = asyncio.create_task(client.get("/wait"))
        await wait_for(lambda: behind.at_work)
        idle = [await client.open() for _ in range(120)]
        assert (await client.get("/x"))[0] == 200
        ended = [reader for reader, _ in idle if reader.at_eof()]
        assert len(ended) >= 70
        behind.open.set()
        assert (await working)[0] == 200  # who has asked keeps the connection


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (request("GET", "/x", **{f"h{n}": "v" for n in range(200)}), 431),
        (request("GET", "/x", big="v" * 30_000), 431),
        (request("GET", "/x", big="v" * 200_000), 431),
        (request("GET", "/x?" + "q" * 9000), 414),
        (b"GET / HTTP/1.1\r\nhost: here\r\nnonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20, 400),
    ],
)
async def test_heads_that_are_too_large_or_none_are_refused(raw, status):
    async with site() as (client, behind):
        assert (await client.send(raw))[0] == status
        assert behind.got == []
        assert (await client.get("/x"))[0] == 200


# -- bodies ----------------------------------------------------------------------------------------------


AFTER = b"GET /smuggled HTTP/1.1\r\nhost: here\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        request("POST", "/x", content_length="4", transfer_encoding="chunked") + b"0\r\n\r\n" + AFTER,
        request("POST", "/x", transfer_encoding="chunked", content_length="4") + b"0\r\n\r\n" + AFTER,
        request("POST", "/x", transfer_encoding="chunked, identity") + b"0\r\n\r\n" + AFTER,
        request("POST", "/x", transfer_encoding="xchunked") + b"0\r\n\r\n" + AFTER,
        request("POST", "/x", content_length="4, 5") + b"abcd" + AFTER,
        request("POST", "/x", content_length="+4") + b"abcd" + AFTER,
        request("POST", "/x", content_length="-1") + AFTER,
        b"POST /x HTTP/1.1\r\nhost: here\r\ntransfer-encoding : chunked\r\n\r\n0\r\n\r\n" + AFTER,
        b"POST /x HTTP/1.1\r\nhost: here\r\ncontent-length: 0\r\ncontent-length: 44\r\n\r\n" + AFTER,
        b"POST /x HTTP/1.0\r\nhost: here\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + AFTER,
        b"GET /x HTTP/2.0\r\nhost: here\r\n\r\n" + AFTER,
        b"GET /x HTTP/1.1\r\nhost: here\r\nhost: there\r\n\r\n" + AFTER,
        b"GET /x HTTP/1.1\r\nhost: [::1\r\n\r\n" + AFTER,
        b"GET /x HTTP/1.1\r\nhost: here/there\r\n\r\n" + AFTER,
        b'GET /x HTTP/1.1\r\nhost: a b">\r\n\r\n' + AFTER,
        b"GET /x HTTP/1.1\r\nhost: user@here\r\n\r\n" + AFTER,
        b"GET /x HTTP/1.1\r\n\r\n" + AFTER,
    ],
)
async def test_what_two_readers_could_take_for_two_things_is_refused_and_ends_the_connection(raw):
    async with site() as (client, behind):
        reader, writer = await client.open()
        writer.write(raw)
        async with asyncio.timeout(10):
            said = await reader.read()  # to the end of the connection
        writer.close()
        assert said.count(b"HTTP/1.1 ") == 1
        assert said.startswith(b"HTTP/1.1 400 ")
        assert behind.got == []


@pytest.mark.parametrize("host", ["here", "here:80", "127.0.0.1:8470", "[::1]:8470", "a-b.example.", ""])
async def test_hosts_as_they_are_written_go_through(host):
    async with site() as (client, _):
        raw = f"GET /x HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
        assert (await client.send(raw.encode()))[0] == 200


@pytest.mark.parametrize(
    ("target", "path", "status"),
    [
        ("http://there.example:80/x?a=http://b/c", "/x", 200),
        ("HTTP://there.example/x", "/x", 200),
        ("http://there.example?a=1", "/", 200),
        ("http://there.example", "/", 200),
        ("http://ann@there.example/x", "", 400),
    ],
)
async def test_a_target_with_its_host_is_the_rest_of_it(target, path, status):
    async with site() as (client, behind):
        raw = f"GET {target} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n"
        assert (await client.send(raw.encode()))[0] == status
        assert [one for one, _ in behind.got] == ([path] if path else [])


async def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent():
    async with site(body=1000) as (client, behind):
        raw = request("POST", "/x", content_length="1001", expect="100-continue")
        assert problem(await client.send(raw)) == (413, "too-large")
        assert behind.got == []


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
async def test_who_sends_far_too_much_reads_why_before_the_connection_ends(kind):
    """Many clients send all of it before they read: a reset would take the answer from them."""
    async with site(body=1000, imported=1000) as (client, _):
        chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
        raw = request("POST", "/x", transfer_encoding="chunked", content_type=kind)
        reader, writer = await client.open()
        writer.write(raw + chunk * (12 * MEGABYTE // 65536))
        async with asyncio.timeout(10):
            await writer.drain()
            head = await reader.readuntil(b"\r\n\r\n")
            told = await reader.read()
        writer.close()
        assert b" 413 " in head.splitlines()[0]
        assert json.loads(told)["type"].endswith("/too-large")


async def test_a_body_that_does_not_say_how_large_it_is_is_counted():
    async with site(body=1000) as (client, behind):
        chunk = b"100\r\n" + b"x" * 256 + b"\r\n"
        raw = request("POST", "/x", transfer_encoding="chunked")
        assert problem(await client.send(raw + chunk * 4)) == (413, "too-large")
        assert (await client.send(raw + chunk * 3 + b"0\r\n\r\n"))[0] == 200
        assert behind.got == [("/x", 768)]


async def test_bodies_that_drip_are_ended_and_take_no_place():
    async with site(body_within=0.4, changes=2, each=1000) as (client, behind):
        slow = [await client.open() for _ in range(100)]
        for _, writer in slow:
            writer.write(request("POST", "/x", content_length="1000") + b"[")
        assert (await client.post("/y", b"{}"))[0] == 200  # though 100 have begun, for two places
        ended = await asyncio.gather(*(answer(reader) for reader, _ in slow))
        assert {problem(one) for one in ended} == {(408, "too-slow")}
        assert behind.got == [("/y", 2)]


async def test_a_large_body_at_a_fair_speed_has_more_time():
    async with site(body_within=0.2, slowest=1000) as (client, behind):
        reader, writer = await client.open()
        writer.write(request("POST", "/x", content_length="2000"))
        for _ in range(10):
            writer.write(b"x" * 200)
            await writer.drain()
            await asyncio.sleep(0.06)
        assert (await answer(reader))[0] == 200
        assert behind.got == [("/x", 2000)]


async def test_who_goes_away_in_the_middle_of_a_body_leaves_nothing():
    async with site() as (client, behind):
        for _ in range(20):
            _, writer = await client.open()
            writer.write(request("POST", "/x", content_length="1000") + b"half")
            await writer.drain()
            writer.close()
        assert (await client.post("/y", b""))[0] == 200
        assert behind.got == [("/y", 0)]


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b"[" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b" \n" + b"[" * 65 + b"]" * 65,
    ],
)
async def test_json_that_is_too_deep_is_refused_unread(body):
    async with site() as (client, behind):
        assert problem(await client.post("/x", body)) == (400, "too-deep")
        assert behind.got == []


async def test_a_webhook_that_is_too_deep_is_its_connectors_to_read():
    async with site() as (client, _):
        assert (await client.post("/hooks/acme/depot", b"[" * 10_000))[0] == 200


@pytest.mark.parametrize(
    ("text", "deeper"),
    [
        (b"[" * 8 + b"]" * 8, False),
        (b"[" * 9 + b"]" * 9, True),
        (b"[]" * 1000, False),
        (b'["' + b"[" * 1000 + b'"]', False),
        (b'["\\"' + b"[" * 1000 + b'"]', False),
        (b'["\\\\",' + b"[" * 9 + b"]" * 9 + b"]", True),
        (b'{"a":[' * 4 + b"]}" * 4, False),
        (b'{"a":[' * 5 + b"]}" * 5, True),
        (b"[" * 9, True),
        (b"}" * 9, False),
        (b'"' + b"[" * 9, True),
    ],
)
def test_depth_is_found_without_reading(text, deeper):
    assert deeper_than(text, 8) is deeper


@pytest.mark.parametrize(
    "text",
    [
        b"[]" * MEGABYTE,
        b"[" * 2 * MEGABYTE,
        (b"[" * 63 + b"]" * 63) * (MEGABYTE // 64),
        b'"\\' * MEGABYTE,
        b'["' * MEGABYTE,
    ],
)
def test_two_megabytes_made_to_be_slow_are_not(text):
    begun = time.process_time()
    deeper_than(text, 64)
    assert time.process_time() - begun < 1.0


async def test_what_is_imported_may_be_large_and_is_bounded_too():
    async with site(body=1000, imported=100_000) as (client, behind):
        kind = "application/x-ndjson"
        assert (await client.post("/x", b"1\n" * 40_000, content_type=kind))[0] == 200
        answered = await client.post("/x", b"1\n" * 60_000, content_type=kind)
        assert problem(answered) == (413, "too-large")
        assert problem(await client.post("/x", b"1\n" * 1000)) == (413, "too-large")
        async with asyncio.timeout(10):  # who imports is told when what still came has gone by
            while behind.at_work:
                await asyncio.sleep(0.01)
        assert behind.got == [("/x", 80_000), ("/x", -1)]


async def test_an_import_that_drips_is_ended():
    async with site(body_within=0.3) as (client, behind):
        raw = request("POST", "/x", content_length="1000", content_type="text/csv") + b"a,b\n"
        assert problem(await client.send(raw)) == (408, "too-slow")
        await wait_for(lambda: behind.got == [("/x", -1)])


def in_two(data: bytes) -> bytes:
    """gzip in two parts, as tools that work on several processors make it."""
    return gzip.compress(data[:3]) + gzip.compress(data[3:])


@pytest.mark.parametrize("media", ["application/json", "text/csv"])
@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("GZip", gzip.compress),
        ("x-gzip", in_two),
        ("deflate", zlib.compress),
        ("identity", bytes),
        ("", bytes),
    ],
)
async def test_a_packed_body_reaches_the_application_unpacked(media, encoding, pack):
    lines = b'{"a": "' + b"b" * 300_000 + b'"}'
    async with site() as (client, behind):
        for body in (lines, b"[]"):
            headers = {"content_encoding": encoding, "content_type": media}
            assert (await client.post("/x", pack(body), **headers))[0] == 200
            assert behind.got.pop() == ("/x", len(body))
        assert (await client.post("/x", b"", content_encoding=encoding, content_type=media))[0] == 200
        assert behind.heads.isdisjoint({b"content-encoding"} if encoding not in ("identity", "") else set())


@pytest.mark.parametrize("media", ["application/json", "text/csv"])
@pytest.mark.parametrize(
    "encoding",
    ["br", "zstd", "compress", "gzip, gzip", "gzip,br", "identity, deflate, gzip", "x" * 300],
)
@pytest.mark.parametrize("path", ["/x", "/hooks/one/two"])
async def test_an_encoding_that_is_not_taken_is_refused_and_nobody_reads_what_is_packed(
    media, encoding, path
):
    async with site() as (client, behind):
        body = gzip.compress(b"[]")
        answered = await client.post(path, body, content_encoding=encoding, content_type=media)
        assert answered[0] == 415
        assert answered[1]["accept-encoding"] == "gzip, deflate"
        if path == "/x":
            assert problem(answered) == (415, "media-type")
            assert json.loads(answered[2])["mend"] == "send it as it is, or in one of gzip, deflate"
        assert behind.got == []


@pytest.mark.parametrize("media", ["application/json", "text/csv"])
@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"[]"),
        ("gzip", gzip.compress(b"[1, 2, 3]")[:-4]),
        ("gzip", gzip.compress(b"[]") + b"GET / HTTP/1.1"),
        ("gzip", zlib.compress(b"[]")),
        ("deflate", gzip.compress(b"[]")),
        ("deflate", zlib.compress(b"[]", wbits=-15)),
    ],
)
async def test_what_is_not_packed_as_it_says_is_refused(media, encoding, body):
    async with site() as (client, behind):
        answered = await client.post("/x", body, content_encoding=encoding, content_type=media)
        assert problem(answered) == (400, "unreadable")
        assert [one for one in behind.got if one[1] >= 0] == []


@pytest.mark.parametrize("media", ["application/json", "text/csv"])
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
async def test_what_would_become_far_too_much_is_refused_without_taking_memory(media, encoding):
    pack = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    bomb = pack(bytes(64 * MEGABYTE))
    assert len(bomb) < 100_000
    async with site(body=MEGABYTE, imported=2 * MEGABYTE) as (client, behind):
        tracemalloc.start()
        try:
            answered = await client.post("/x", bomb, content_encoding=encoding, content_type=media)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert problem(answered) == (413, "too-large")
        assert peak < 8 * MEGABYTE
        assert [one for one in behind.got if one[1] >= 0] == []


async def test_all_bodies_that_wait_are_bounded_together():
    async with site(held=1500, changes=10) as (client, behind):
        first = asyncio.create_task(client.post("/wait", b"x" * 1000))
        await wait_for(lambda: behind.at_work)
        answered = await client.post("/x", b"x" * 1000)
        assert problem(answered) == (503, "no-room")
        assert answered[1]["retry-after"] == "2"
        behind.open.set()
        assert (await first)[0] == 200
        assert (await client.post("/x", b"x" * 1000))[0] == 200


# -- time ------------------------------------------------------------------------------------------------


async def test_what_takes_too_long_is_ended_with_an_answer():
    async with site(answer_within=0.3) as (client, behind):
        answered = await client.get("/sleep")
        assert problem(answered) == (503, "took-too-long")
        assert answered[1]["retry-after"] == "5"
        assert behind.at_work == 0


async def test_who_does_not_take_the_answer_holds_it_no_longer_than_allowed():
    behind = Behind()
    app = Limits(behind, bounds=Bounds(part_within=0.4))
    async with serving(app, taken_within=0.5) as client:
        reader, writer = await client.open()
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(request("GET", "/large"))
        await wait_for(lambda: behind.at_work)
        await wait_for(lambda: behind.at_work == 0)
        del reader


async def test_a_page_that_listens_is_not_ended_and_takes_no_place_of_a_reader():
    async with site(reads=1, answer_within=0.3, listeners=2) as (client, behind):
        listening = []
        for _ in range(2):
            reader, writer = await client.open()
            writer.write(request("GET", "/stream"))
            await reader.readuntil(b"data: 1")
            listening.append(reader)
        answered = await client.get("/stream")
        assert problem(answered) == (503, "no-room")
        await asyncio.sleep(0.5)  # longer than an answer may take to begin
        assert (await client.get("/x"))[0] == 200
        behind.open.set()
        for reader in listening:
            assert (await reader.readuntil(b"0\r\n\r\n")).endswith(b"0\r\n\r\n")  # to its own end


# -- many at once ----------------------------------------------------------------------------------------


async def test_only_so_many_are_at_work_at_once_and_the_others_wait_or_hear_so():
    async with site(reads=5, each=1000) as (client, behind):
        asked = [asyncio.create_task(client.get("/wait")) for _ in range(40)]
        done, waiting = await asyncio.wait(asked, timeout=8, return_when=asyncio.FIRST_COMPLETED)
        assert behind.most == 5
        behind.open.set()
        answers = await asyncio.gather(*asked)
        told = {status for status, *_ in answers}
        assert told <= {200, 503}
        assert sum(status == 200 for status, *_ in answers) >= 5
        assert {problem(one) for one in answers if one[0] == 503} <= {(503, "busy")}
        assert all(one[1]["retry-after"] == "1" for one in answers if one[0] == 503)
        assert (await client.get("/x"))[0] == 200
        assert done is not waiting


async def test_one_key_does_not_take_all_places():
    async with site(reads=20, each=3) as (client, behind):
        mine = [asyncio.create_task(client.get("/wait", authorization="Bearer a")) for _ in range(10)]
        await wait_for(lambda: sum(one.done() for one in mine) == 7)
        assert {problem(one.result()) for one in mine if one.done()} == {(429, "too-many")}
        assert (await client.get("/x", authorization="Bearer b"))[0] == 200
        behind.open.set()
        assert sorted(one[0] for one in await asyncio.gather(*mine)) == [200] * 3 + [429] * 7


async def test_one_tenant_does_not_take_all_places():
    async with site(reads=20, tenant=4) as (client, behind):
        asked = [asyncio.create_task(client.get("/tenant", authorization=f"Bearer {n}")) for n in range(10)]
        await wait_for(lambda: len(behind.got) == 10)
        behind.open.set()
        assert sorted(one[0] for one in await asyncio.gather(*asked)) == [200] * 4 + [429] * 6
        behind.got.clear()
        assert (await client.get("/tenant"))[0] == 200  # and gives them back


async def test_webhooks_are_acknowledged_while_all_places_of_readers_are_taken():
    async with site(reads=4, each=1000) as (client, behind):
        flood = [asyncio.create_task(client.get("/wait")) for _ in range(300)]
        await wait_for(lambda: sum(one.done() for one in flood) >= 100)
        for n in range(50):
            assert (await client.post("/hooks/acme/depot", b'{"n": %d}' % n))[0] == 200
        assert {one.result()[0] for one in flood if one.done()} == {503}
        behind.open.set()
        await asyncio.gather(*flood)


async def test_reads_are_refused_while_the_process_falls_behind_and_webhooks_are_not():
    async with site(reads=100, each=1000) as (client, behind):
        reads = [asyncio.create_task(client.get("/busy")) for _ in range(200)]
        hooks = [asyncio.create_task(client.post("/hooks/acme/depot", b"{}")) for _ in range(20)]
        answers = await asyncio.gather(*hooks)
        assert [status for status, *_ in answers] == [200] * 20
        told = [status for status, *_ in await asyncio.gather(*reads)]
        assert set(told) == {200, 503}
        await wait_for(lambda: behind.at_work == 0)

        async def served() -> bool:
            return (await client.get("/x"))[0] == 200

        async with asyncio.timeout(10):
            while not await served():
                await asyncio.sleep(0.05)


async def test_a_webhook_that_finds_no_room_is_asked_to_come_again():
    async with site(hooks=1) as (client, behind):
        flood = [asyncio.create_task(client.post("/hooks/acme/wait", b"{}")) for _ in range(40)]
        await wait_for(lambda: sum(one.done() for one in flood) == 40 - 24)
        refused = [one.result() for one in flood if one.done()]
        assert {(one[0], one[1]["retry-after"], one[2]) for one in refused} == {
            (503, "1", b'{"error":"there is too much to do"}')
        }
        behind.open.set()
        assert sorted(one[0] for one in await asyncio.gather(*flood)) == [200] * 24 + [503] * 16
