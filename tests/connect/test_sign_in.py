"""Signing in: tokens are fetched once, kept, renewed; what is said when it fails."""

from __future__ import annotations

import asyncio
import base64
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from partner_depot import depot, leased

from crossdock.connect.contract import Session
from crossdock.connect.sign_in import basic, client_credentials, secret_headers


class Tokens:
    """A partner that gives tokens and takes the last one alone."""

    def __init__(self, partner) -> None:
        self.partner = partner
        self.given = 0
        self.seconds = 3600
        self.refuses = False
        partner.answer = self.answer

    async def answer(self, request):
        if request.path == "/token":
            if self.refuses:
                return web.json_response({"error": "invalid_client", "error_description": "who?"}, status=401)
            form = parse_qs((await request.read()).decode())
            assert form["grant_type"] == ["client_credentials"]
            assert (form["client_id"], form["client_secret"]) == (["me"], ["c-secret"])
            self.given += 1
            await asyncio.sleep(0.02)
            return web.json_response({"access_token": f"T{self.given}", "expires_in": self.seconds})
        if request.headers.get("Authorization") != f"Bearer T{self.given}":
            return web.json_response({"error": "token"}, status=401)
        return await self.partner.do(request)


@pytest.fixture
async def tokens(bench):
    bench.keeps.kept = {"client_id": "me", "client_secret": "c-secret"}
    return Tokens(bench.partner)


CONNECTOR = depot(sign_in=client_credentials("/token"), secrets={"client_id": "", "client_secret": ""})


async def test_one_token_serves_all_calls_that_come_at_once(bench, tokens):
    calls = await bench.calls(CONNECTOR)
    ended = await asyncio.gather(*(calls.call(leased(key=f"k{n}")) for n in range(20)))
    assert {e.outcome for e in ended} == {"done"}
    assert tokens.given == 1
    assert len(bench.partner.things) == 20


async def test_a_token_that_is_refused_is_renewed_once_and_the_call_is_made_once(bench, tokens):
    calls = await bench.calls(CONNECTOR)
    await calls.call(leased())
    tokens.given += 1  # as if it were revoked: T1 is good no longer
    ended = await calls.call(leased(key="another"))
    assert (ended.outcome, tokens.given) == ("done", 3)
    assert len(bench.partner.things) == 2


async def test_a_token_that_ended_is_renewed_before_it_is_used(bench, tokens):
    tokens.seconds = 0
    calls = await bench.calls(CONNECTOR)
    for n in range(3):
        assert (await calls.call(leased(key=f"k{n}"))).outcome == "done"
    assert tokens.given == 3
    assert [path for _, path, _, _ in bench.partner.requests] == ["/token", "/picks"] * 3


async def test_a_refused_sign_in_is_a_refusal_that_says_so_without_the_secret(bench, tokens):
    tokens.refuses = True
    calls = await bench.calls(CONNECTOR)
    ended = await calls.call(leased())
    assert (ended.outcome, ended.code) == ("refused", "sign_in")
    assert ended.reason.startswith("signing in was refused: depot answered 401")
    assert "c-secret" not in ended.reason
    ended = await calls.call(leased(find_first=True))
    assert ended.outcome == "unknown"


@pytest.mark.parametrize(
    ("status", "outcome"), [(500, "unreachable"), (429, "unreachable"), (200, "refused")]
)
async def test_a_sign_in_that_fails_changes_nothing(bench, status, outcome):
    bench.keeps.kept = {"client_id": "me", "client_secret": "c-secret"}

    async def answer(_):
        return web.json_response({"nothing": 1}, status=status)

    bench.partner.answer = answer
    calls = await bench.calls(CONNECTOR)
    assert (await calls.call(leased())).outcome == outcome


async def test_a_missing_secret_is_named(bench):
    for sign_in, name in (
        (client_credentials("/token"), "client_id"),
        (basic(), "user"),
        (secret_headers({"X": "{nothing}"}), "nothing"),
    ):
        calls = await bench.calls(depot(sign_in=sign_in))
        ended = await calls.call(leased())
        assert ended.outcome == "refused"
        assert f"has no {name}" in ended.reason


async def test_http_basic_and_signed_requests(bench):
    bench.keeps.kept = {"user": "u", "password": "p"}
    await (await bench.calls(depot(sign_in=basic()))).call(leased())

    def signed(_access):
        def sign(request):
            return type(request)(
                request.method, request.path, json=request.json, headers={"X-Sum": str(len(request.path))}
            )

        yield from ()
        return Session(sign=sign)

    await (await bench.calls(depot(sign_in=signed))).call(leased(key="2"))
    first, second = (headers for _, _, headers, _ in bench.partner.requests)
    assert first["authorization"] == "Basic " + base64.b64encode(b"u:p").decode()
    assert second["x-sum"] == "6"
