"""Webhooks of a partner that signs nothing, and shows an access token of ours: before the whole site."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from crossdock.access.policy_form import Rules
from crossdock.assemble import System, opened
from crossdock.cli.serving import pages
from crossdock.settings import Settings

EXAMPLES = Path(__file__).parents[2] / "src/crossdock/connectors/ups/examples"
PUSH = (EXAMPLES / "push_delivered.json").read_bytes()
MAY = ("event.deliver",)


@dataclass
class Site:
    system: System
    url: str
    http: aiohttp.ClientSession

    async def key(self, scopes: Any = MAY, role: str = "integration-engineer") -> tuple[str, str]:
        """A key made for a partner: its id and its text."""
        by = self.system.whoever("test")
        made = await self.system.identity.keys.create(self.system.tenant, by, roles=[role], scopes=scopes)
        return made.key.id, made.text

    async def token(self, key: tuple[str, str]) -> str:
        """What a partner fetches with it."""
        form = {"grant_type": "client_credentials", "client_id": key[0], "client_secret": key[1]}
        async with self.http.post(f"{self.url}/oauth/token", data=form) as reply:
            assert reply.status == 200
            return str((await reply.json())["access_token"])

    async def push(self, token: str, connection: str = "parcels", **headers: str) -> tuple[int, Any]:
        given = {"Content-Type": "application/json", **headers}
        if token:
            given["Authorization"] = f"Bearer {token}"
        at = f"{self.url}/hooks/default/{connection}"
        async with self.http.post(at, data=PUSH, headers=given) as reply:
            return reply.status, await reply.json()

    async def rows(self, sql: str) -> list[dict[str, Any]]:
        async with self.system.database.engine() as transaction:
            return [dict(row) for row in await transaction.fetch(sql)]


@pytest.fixture
async def site(tmp_path: Path, url: str) -> AsyncIterator[Site]:
    ups = {"connector": "ups", "settings": {"url": "http://127.0.0.1:9", "zone": "America/New_York"}}
    ups["secrets"] = {"client_id": "c", "client_secret": "s", "webhook_secret": "told-when-subscribing"}
    quayline = {"connector": "quayline", "settings": {"url": "http://127.0.0.1:9"}}
    quayline["secrets"] = {"key": "k", "webhook_secret": "s"}
    (tmp_path / "connections.yaml").write_text(json.dumps({"parcels": ups, "signed": quayline}))
    settings = Settings.read(tmp_path, {"DATABASE_URL": url, "CROSSDOCK_PACKS": ""})
    async with (
        opened(settings, set_up=True) as system,
        pages(system, port=0) as address,
        aiohttp.ClientSession() as http,
    ):
        yield Site(system, address, http)


async def test_a_token_of_ours_proves_who_sends_where_the_partner_signs_nothing(site):
    token = await site.token(await site.key())
    assert await site.push(token, **{"x-api-key": "their-client-id"}) == (
        200,
        {"outcome": "taken", "events": 1},
    )
    (kept,) = await site.rows("select headers from crossdock.delivery")
    assert token not in bytes(kept["headers"]).decode()
    assert "authorization" not in json.loads(kept["headers"])


async def test_the_credential_that_is_sent_back_still_does(site):
    assert (await site.push("", credential="told-when-subscribing"))[0] == 200
    assert (await site.push("", credential="guess"))[0] == 401


async def test_a_key_that_may_not_deliver_delivers_nothing_and_that_is_recorded(site):
    for scopes, role in (
        (("event.send",), "integration-engineer"),
        (None, "viewer"),
        (None, "partner"),
    ):
        assert await site.push((await site.key(scopes, role))[1]) == (
            401,
            {"error": "not verified, or there is no such door"},
        )
    assert await site.rows("select 1 from crossdock.delivery") == []
    refused = "select 1 from crossdock.audit where action = 'event.deliver' and outcome = 'refused'"
    assert len(await site.rows(refused)) == 3


async def test_what_is_no_token_or_a_revoked_one_delivers_nothing(site):
    key = await site.key()
    token = await site.token(key)
    by = site.system.whoever("test")
    await site.system.identity.keys.revoke(site.system.tenant, by, key[0])
    for shown in (token, "cdt_1_k2q7f30x1abm_" + "A" * 43, "told-when-subscribing", "x"):
        assert (await site.push(shown))[0] == 401, shown


async def test_a_partner_that_signs_is_not_believed_for_a_token(site):
    assert (await site.push(await site.token(await site.key()), "signed"))[0] == 401


async def test_a_token_of_another_tenant_delivers_nothing(site):
    other = await site.system.database.create_tenant("globex")
    by = replace(site.system.whoever("test"), tenant=other.id)
    made = await site.system.identity.keys.create(other, by, roles=["integration-engineer"])
    assert (await site.push(made.text))[0] == 401


async def test_a_policy_says_for_which_connections_a_key_delivers(site):
    key = await site.key()
    by = site.system.whoever("test")
    text = f"""@id("ups alone")
forbid (principal == Principal::"key:{key[0]}", action == Action::"event.deliver", resource)
unless {{ resource has connection && resource.connection == "elsewhere" }};"""
    assert (await site.push(key[1]))[0] == 200
    async with site.system.database.engine() as transaction:
        await site.system.policies.put(transaction, by, Rules(version=0, roles={}, text=text))
    site.system.policies.fresh(site.system.tenant.id)
    assert (await site.push(key[1]))[0] == 401
