"""The limits before the whole site, as `crossdock serve` puts them there: pages, API and webhooks."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from crossdock.assemble import System, opened
from crossdock.cli.serving import pages
from crossdock.errors import Refused
from crossdock.settings import Settings

SECRET = "whsec-of-quayline"
SCAN = json.loads(
    (
        Path(__file__).parents[2] / "src/crossdock/connectors/quayline/examples/webhook_delivered.json"
    ).read_text()
)


@pytest.fixture
async def site(tmp_path: Path, url: str) -> AsyncIterator[tuple[System, str, aiohttp.ClientSession]]:
    given = {"DATABASE_URL": url, "CROSSDOCK_PACKS": "", "CROSSDOCK_READS_AT_ONCE": "8"}
    given["CROSSDOCK_LARGEST_BODY"] = "100_000"
    parcels = {
        "connector": "quayline",
        "settings": {"url": "http://127.0.0.1:9"},
        "secrets": {"key": "k", "webhook_secret": SECRET},
    }
    (tmp_path / "connections.yaml").write_text(json.dumps({"parcels": parcels}))
    async with opened(Settings.read(tmp_path, given), set_up=True) as system:
        connector = aiohttp.TCPConnector(limit=0)
        async with pages(system, port=0) as address, aiohttp.ClientSession(connector=connector) as http:
            yield system, address, http


def signed(body: bytes) -> dict[str, str]:
    at = str(int(time.time()))
    mac = hmac.new(SECRET.encode(), f"{at}.".encode() + body, "sha256").hexdigest()
    return {"Quayline-Signature": f"t={at},v1={mac}"}


async def webhook(http: aiohttp.ClientSession, address: str, body: bytes) -> tuple[int, Any]:
    async with http.post(f"{address}/hooks/default/parcels", data=body, headers=signed(body)) as reply:
        return reply.status, await reply.json()


async def test_webhooks_are_acknowledged_under_a_flood_of_reads(site):
    system, address, http = site
    told: list[int] = []
    over = asyncio.Event()

    async def read(n: int) -> None:
        while not over.is_set():
            async with http.get(f"{address}/runs", headers={"Authorization": f"Bearer {n}"}) as reply:
                told.append(reply.status)
                if reply.status == 503:
                    assert int(reply.headers["Retry-After"]) >= 1
                    assert reply.headers["X-Content-Type-Options"] == "nosniff"

    flood = [asyncio.create_task(read(n)) for n in range(150)]
    async with asyncio.timeout(30):
        while 503 not in told:
            await asyncio.sleep(0.01)
    answers = [await webhook(http, address, json.dumps({**SCAN, "n": n}).encode()) for n in range(20)]
    over.set()
    await asyncio.gather(*flood)
    assert {status for status, _ in answers} == {200}
    kept = await system.database.at_once("select count(*) as n from crossdock.delivery")
    assert kept[0]["n"] == 20
    assert set(told) == {200, 503}


async def test_a_webhook_that_is_too_deep_is_kept_with_the_reason(site):
    system, address, http = site
    assert await webhook(http, address, b"[" * 10_000) == (200, {"outcome": "quarantined", "events": 0})
    rows = await system.database.at_once("select outcome from crossdock.delivery")
    assert [row["outcome"] for row in rows] == ["quarantined"]
    assert (await webhook(http, address, b"x" * 100_001))[0] == 413


@pytest.mark.parametrize("name", ["READS_AT_ONCE", "LARGEST_BODY", "ANSWER_SECONDS"])
def test_a_limit_of_nothing_is_refused(tmp_path, name):
    with pytest.raises(Refused, match="is 0"):
        Settings.read(tmp_path, {f"CROSSDOCK_{name}": "0"})


async def test_the_graph_and_the_api_count_what_a_key_asks(site):
    system, address, http = site
    made = await system.identity.keys.create(
        system.tenant, system.whoever("tests"), roles=["viewer"], name="tests"
    )
    shown = {"Authorization": f"Bearer {made.text}"}
    async with http.post(
        f"{address}/api/graphql", json={"query": "{ orders { nodes { number } } }"}, headers=shown
    ) as reply:
        assert (await reply.json())["data"] == {"orders": {"nodes": []}}
        assert reply.headers["RateLimit"].startswith('"graphql-key";r=299;')
        assert reply.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for path, kind in (("/runs", "read"), ("/runs?q=x", "search"), ("/runs?format=csv", "bulk")):
        async with http.get(f"{address}/api/v1{path}", headers=shown) as reply:
            assert reply.status == 200
            assert f'"{kind}-key"' in reply.headers["RateLimit-Policy"]
            assert f'"{kind}-tenant"' in reply.headers["RateLimit"]


async def test_what_is_below_api_and_not_there_is_told_as_programs_read_it(site):
    _, address, http = site
    for path in (
        "/api",
        "/api/",
        "/api/v1",
        "/api/v2/runs",
        "/api/nothing",
        "/oauth/token",
        "/.well-known/x",
    ):
        async with http.get(address + path) as reply:
            said = await reply.json(content_type=None)
        assert (reply.status, said["status"], said["instance"]) == (404, 404, path), path


async def test_every_answer_of_every_door_carries_the_id_of_its_request(site):
    _, address, http = site
    form, json_ = "application/x-www-form-urlencoded", "application/json"
    asked = [
        ("GET", "/", {}, 200),
        ("GET", "/nothing-there", {}, 404),
        ("GET", "/static/nothing.css", {}, 404),
        ("POST", "/runs", {}, 405),
        ("GET", "/sign-in", {}, 200),
        ("GET", "/api/v1/runs", {}, 401),
        ("GET", "/api/v1/nothing", {}, 404),
        ("GET", "/api/nothing", {}, 404),
        ("GET", "/api/graphql", {}, 405),
        ("POST", "/api/graphql", {"content-type": json_}, 401),
        ("POST", "/oauth/token", {"content-type": form}, 401),
        ("GET", "/oauth/token", {}, 404),
        ("GET", "/.well-known/oauth-authorization-server", {}, 200),
        ("POST", "/hooks/default/parcels", {}, 401),
        ("POST", "/hooks/nobody/nothing", {}, 401),
        ("GET", "/hooks/default/parcels", {}, 405),
        ("GET", "/runs?q=" + "x" * 9000, {}, 414),
        ("POST", "/api/v1/events", {"content-encoding": "br"}, 415),
    ]
    for n, (method, path, headers, status) in enumerate(asked):
        own = f"order-desk:{n:04}"
        for given in ({}, {"x-request-id": own}):
            sent = {**headers, **given}
            while True:
                async with http.request(method, address + path, headers=sent) as reply:
                    text = await reply.text()
                ids = reply.headers.getall("X-Request-Id")
                assert ids == [own] if given else len(ids) == 1 and len(ids[0]) == 24, path
                if reply.content_type == "application/problem+json":
                    assert json.loads(text)["request"] == ids[0], path
                if reply.status != 503:
                    break
                await asyncio.sleep(float(reply.headers["Retry-After"]))  # the machine is busy
            assert reply.status == status, (path, text)


async def test_the_log_has_the_id_that_the_asker_was_told(site):
    _, address, http = site
    with capture_logs(processors=[merge_contextvars]) as told:
        async with http.get(f"{address}/runs?q=" + "x" * 9000) as reply:
            (long,) = reply.headers.getall("X-Request-Id")
        raw = await raw_answer(address, b"GET / HTTP/1.1\r\nhost: here\r\nnonsense\r\n\r\n")
    head, _, body = raw.partition(b"\r\n\r\n")
    framed = json.loads(body)["request"]
    assert f"x-request-id: {framed}".encode() in head
    assert b"connection: close" in head
    assert {(one["event"], one["request"]) for one in told} >= {
        ("limits.refused", long),
        ("connection.refused", framed),
    }


async def raw_answer(address: str, sent: bytes) -> bytes:
    """All that a server says to that, to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    writer.write(sent)
    async with asyncio.timeout(10):
        said = await reader.read()
    writer.close()
    return said


async def test_what_comes_packed_is_read_as_if_it_had_come_as_it_is(site):
    system, address, http = site
    body = json.dumps(SCAN).encode()
    headers = {**signed(body), "Content-Encoding": "gzip"}  # the signature is of what is in it
    async with http.post(
        f"{address}/hooks/default/parcels", data=gzip.compress(body), headers=headers
    ) as reply:
        assert (reply.status, (await reply.json())["outcome"]) == (200, "taken")
    made = await system.identity.keys.create(
        system.tenant, system.whoever("tests"), roles=["tenant-admin"], name="tests"
    )
    shown = {"Authorization": f"Bearer {made.text}", "Content-Encoding": "gzip"}
    lines = "number,total.amount,total.currency\nSO-1,80.00,EUR\nSO-2,eighty,EUR\n"
    packed = gzip.compress(lines.encode())
    where = f"{address}/api/v1/imports?what=orders&check=true"
    async with http.post(where, data=packed, headers={**shown, "Content-Type": "text/csv"}) as reply:
        assert reply.status in (200, 201, 202), await reply.text()
        told = await reply.json()
    assert (told["lines"], told["bad"]) == (3, 1), told
    async with http.post(
        f"{address}/api/v1/events", data=packed, headers={**shown, "Content-Encoding": "br"}
    ) as reply:
        assert reply.status == 415
        assert "gzip, deflate" in (await reply.json(content_type=None))["mend"]
