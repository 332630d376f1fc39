"""The client asks a real server: pages, acts, errors, answers that are lost, and a key that nobody sees."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from api_world import World
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from crossdock.client import Client
from crossdock.errors import (
    Conflict,
    CrossdockError,
    Forbidden,
    NotFound,
    NotProven,
    Refused,
    TooMany,
    UnknownOutcome,
    Unreachable,
)
from played_orders import order

KEY = "cdk_1_secret_of_nobody"


def released(number: str, **more: Any) -> dict[str, Any]:
    """A CloudEvent that releases an order."""
    return {
        "specversion": "1.0",
        "id": f"release-{number}",
        "source": "/shop",
        "type": "order.released",
        "time": "2026-05-04T08:00:00Z",
        "data": {
            "number": number,
            "customer": {"id": "C-7", "name": "Meyer"},
            "total": {"amount": "10.00", "currency": "EUR"},
            **more,
        },
    }


class Cutting:
    """Stands before a server, and cuts the connection after it has answered, as often as `cuts` says."""

    def __init__(self, port: int) -> None:
        self.to = port
        self.cuts = 0
        self.answered: list[bytes] = []  # the answers that were lost

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up, down = await asyncio.open_connection("127.0.0.1", self.to)
        onward = asyncio.create_task(self._onward(reader, down))
        try:
            while data := await up.read(65536):
                if self.cuts:
                    self.cuts -= 1
                    self.answered.append(data)
                    break
                writer.write(data)
                await writer.drain()
        finally:
            onward.cancel()
            down.close()
            writer.close()

    async def _onward(self, reader: asyncio.StreamReader, down: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            down.write(data)
            await down.drain()


@contextlib.asynccontextmanager
async def cutting(world: World) -> AsyncIterator[tuple[Cutting, str]]:
    proxy = Cutting(int(world.url.rpartition(":")[2]))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        yield proxy, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def answering(
    *answers: web.Response, tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[Any]]]:
    """A server of another's that gives these answers in turn, and what it was asked with."""
    asked: list[Any] = []
    rest = list(answers)

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.headers.copy())
        return rest.pop(0)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"{'https' if tls else 'http'}://127.0.0.1:{port}", asked
    finally:
        await runner.cleanup()


async def test_runs_come_page_after_page_each_once_and_are_found_by_a_number(world: World) -> None:
    await world.put(*(order(f"SO-{n:03}") for n in range(205)))
    async with Client(world.url, key=world.key) as crossdock:
        keys = [run.key async for run in crossdock.runs()]
        assert keys == [f"SO-{n:03}" for n in reversed(range(205))]
        assert [run.key async for run in crossdock.runs(most=3)] == ["SO-204", "SO-203", "SO-202"]
        assert [run.key async for run in crossdock.runs(process="delivery")] == []
        (found,) = [run async for run in crossdock.search("SO-007")]
        one = await crossdock.run(found.id)
        assert (one.id, one.process, one.status) == (found.id, "order", "active")


async def test_an_event_whose_answer_was_lost_is_sent_again_and_is_there_once(world: World) -> None:
    async with cutting(world) as (proxy, url), Client(url, key=world.key) as crossdock:
        proxy.cuts = 1
        sent = await crossdock.send(released("SO-1"))
        assert len(proxy.answered) == 1
        assert b"200 OK" in proxy.answered[0].split(b"\r\n")[0]
        assert sent.fate == "routed"  # what the first try was told, not that it is a duplicate
        assert [run.key async for run in crossdock.runs()] == ["SO-1"]
        proxy.cuts = 1
        run = await crossdock.start("order", released("SO-2")["data"])
        assert len(proxy.answered) == 2
        assert [one.id async for one in crossdock.search("SO-2")] == [run.id]


async def test_where_patience_ends_with_answers_lost_it_may_have_been_done_and_the_same_name_finds_out(
    world: World,
) -> None:
    async with cutting(world) as (proxy, url), Client(url, key=world.key, patience=0) as crossdock:
        proxy.cuts = 1
        with pytest.raises(UnknownOutcome, match="once='mine'"):
            await crossdock.start("order", released("SO-1")["data"], once="mine")
        run = await crossdock.start("order", released("SO-1")["data"], once="mine")
        assert [one.id async for one in crossdock.runs()] == [run.id]
        proxy.cuts = 2
        with pytest.raises(
            Unreachable
        ):  # reading does nothing, so nothing can have happened; a connection that lay idle is tried once more
            await crossdock.run(run.id)


async def test_what_the_server_refuses_is_an_error_of_ours_with_place_and_mend(world: World) -> None:
    viewer = await world.key_of("viewer")
    async with Client(world.url, key=world.key) as crossdock:
        with pytest.raises(NotFound):
            await crossdock.run("run_nothing")
        with pytest.raises(NotFound):
            await crossdock.run("../keys")
        with pytest.raises(Refused) as refused:
            await crossdock.start("order", {"number": "SO-1", "total": "ten"})
        assert refused.value.where.startswith("body.document.")
        assert refused.value.mend
        many = await crossdock.send_many([released("SO-8"), {**released("SO-9"), "time": "soon"}])
        assert [one.fate for one in many] == ["routed", "refused"]
        assert many[1].problem is not None and many[1].problem.detail  # noqa: PT018
    async with Client(world.url, key=viewer) as crossdock:
        with pytest.raises(Forbidden):
            await crossdock.send(released("SO-3"))
    async with Client(world.url, key=KEY) as crossdock:
        with pytest.raises(NotProven):
            await anext(crossdock.runs())


async def test_a_task_is_decided_as_it_was_seen_and_an_exception_is_closed(world: World) -> None:
    finance = await world.key_of("tenant-admin", "finance")
    world.partners.refuse["wms.pick"] = "no stock"
    async with world.working(), Client(world.url, key=finance) as crossdock:
        await world.put(order("SO-1", "5000.00"))
        (run,) = [one async for one in crossdock.search("SO-1")]
        await world.steps("SO-1", approve="waiting")
        (task,) = [one async for one in crossdock.tasks(run=run.id)]
        outcome = await crossdock.decide(task, "approved", note="known customer")
        assert outcome.outcome == "done"
        with pytest.raises(Conflict):
            await crossdock.decide(task, "refused")
        await world.steps("SO-1", pick="held")
        (case,) = [one async for one in crossdock.exceptions(run=run.id)]
        assert (case.step, case.holds) == ("pick", True)
        del world.partners.refuse["wms.pick"]
        assert (await crossdock.close(case.id, action="retry")).outcome == "done"
        await world.steps("SO-1", pick="succeeded")
        assert [one async for one in crossdock.exceptions(run=run.id)] == []
        told = [record["what"] async for one in crossdock.history(run.id) for record in one.records]
        assert told[0] == "run.started"


async def test_a_server_that_says_later_is_asked_then_with_the_same_idempotency_key() -> None:
    busy = web.json_response({"detail": "busy"}, status=503, headers={"Retry-After": "0"})
    working = web.json_response({"type": "https://x/at-work"}, status=409, headers={"Retry-After": "0"})
    done = web.json_response({"run": "run_1", "outcome": "done"})
    async with answering(busy, working, done) as (url, asked), Client(url, key=KEY) as crossdock:
        assert (await crossdock.cancel("run_1", reason="no")).outcome == "done"
    assert len(asked) == 3
    assert len({one["idempotency-key"] for one in asked}) == 1


async def test_a_server_that_says_much_later_is_not_waited_for() -> None:
    late = web.json_response({"detail": "too many"}, status=429, headers={"Retry-After": "3600"})
    async with answering(late) as (url, asked), Client(url, key=KEY) as crossdock:
        with pytest.raises(TooMany) as error:
            await crossdock.run("run_1")
    assert (error.value.retry_after, len(asked)) == (3600.0, 1)


async def test_the_key_is_in_no_representation_and_no_error_and_goes_nowhere_else(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(0)
    echo = {"type": "x/refused", "detail": f"what is {KEY}", "where": KEY, "mend": f"not {KEY}"}
    answers = [
        web.json_response(echo, status=422),
        web.json_response({"id": [KEY]}),
        web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
    ]
    async with answering(*answers) as (url, asked), Client(url, key=KEY) as crossdock:
        assert KEY not in repr(crossdock) + repr(vars(crossdock))
        for _ in answers:
            with pytest.raises(CrossdockError) as error:
                await crossdock.run("run_1")
            assert KEY not in f"{error.value!r} {error.value} {error.value.where} {error.value.mend}"
    assert len(asked) == 3
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "url",
    [
        "http://crossdock.example",
        f"https://ann:{KEY}@crossdock.example",
        "ftp://127.0.0.1",
        "here",
        "http://[::1",
    ],
)
def test_a_key_is_not_sent_in_the_clear_nor_to_what_is_no_address(url: str) -> None:
    with pytest.raises(Refused) as error:
        Client(url, key=KEY)
    assert KEY not in str(error.value)


async def test_a_certificate_that_nobody_vouches_for_is_refused_and_the_key_not_sent(tmp_path: Path) -> None:
    serving, trusting = certificate(tmp_path)
    told = web.json_response({"steps": {}})
    async with answering(told, tls=serving) as (url, asked):
        async with Client(url, key=KEY) as crossdock:
            with pytest.raises(Refused, match="certificate"):
                await crossdock.state("run_1")
        assert asked == []
        async with Client(url, key=KEY, trust=trusting) as crossdock:
            assert await crossdock.state("run_1") == {"steps": {}}


def certificate(at: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate of its own authority for this machine: to serve with, and to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "here")])
    now = dt.datetime.now(dt.UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (at / "cert.pem").write_bytes(made.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (at / "key.pem").write_bytes(private)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(at / "cert.pem", at / "key.pem")
    return serving, ssl.create_default_context(cafile=str(at / "cert.pem"))
