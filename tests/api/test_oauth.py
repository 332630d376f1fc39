"""OAuth 2 for programs: a key becomes a token, by the standards, and what is not right becomes none."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from starlette.applications import Starlette

from crossdock.access import ACTIONS, Principal
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.api.oauth import oauth
from crossdock.errors import NotProven, Refused
from crossdock.store import Database, Tenant
from played_orders import serving

FORM = "application/x-www-form-urlencoded"


@dataclass
class Desk:
    """Where tokens are asked for."""

    url: str
    identity: Identity
    tenant: Tenant
    root: Principal
    http: aiohttp.ClientSession
    id: str = ""
    key: str = ""

    async def ask(
        self, path: str = "/oauth/token", *, basic: tuple[str, str] | None = None, **fields: str
    ) -> Any:
        headers = {"authorization": _basic(*basic)} if basic else {}
        async with self.http.post(self.url + path, data=fields, headers=headers) as answer:
            assert answer.headers["cache-control"] == "no-store"
            self.challenge = answer.headers.get("www-authenticate", "")
            return answer.status, (await answer.json() if answer.content_type == "application/json" else None)

    async def token(self, **fields: str) -> str:
        status, said = await self.ask(basic=(self.id, self.key), grant_type="client_credentials", **fields)
        assert status == 200, said
        return said["access_token"]

    async def who(self, text: str) -> Principal:
        return (await self.identity.by_bearer(text, origin=""))[1]


def _basic(named: str, secret: str) -> str:
    return f"Basic {base64.b64encode(f'{named}:{secret}'.encode()).decode()}"


@pytest.fixture
async def desk(database: Database, tenant: Tenant, tmp_path: Path) -> AsyncIterator[Desk]:
    identity = Identity(database, Audit(database), Sealing(database, Masters(tmp_path / "master.key")))
    root = Principal(tenant=tenant.id, id="root", kind="human", roles=frozenset({"operator-admin"}))
    made = await identity.keys.create(tenant, root, roles=["viewer"], scopes=["run.read", "order.read"])
    site = Starlette(routes=oauth(database, identity))
    async with serving(site) as url, aiohttp.ClientSession() as http:
        yield Desk(url, identity, tenant, root, http, made.key.id, made.text)
    await identity.settle()


async def test_a_key_becomes_a_token_with_its_rights_for_a_quarter_of_an_hour(desk):
    for given in (
        {"basic": (desk.id, desk.key)},
        {"basic": (f"cdk_{desk.tenant.id}_{desk.id}", desk.key)},
        {"client_id": desk.id, "client_secret": desk.key},
    ):
        status, said = await desk.ask(grant_type="client_credentials", **given)
        assert status == 200
        token = said.pop("access_token")
        assert said == {"token_type": "Bearer", "expires_in": 900, "scope": "order.read run.read"}
        who = await desk.who(token)
        assert (who.id, who.roles, who.scopes) == (f"key:{desk.id}", {"viewer"}, {"order.read", "run.read"})


async def test_a_token_may_be_narrower_than_its_key_and_never_wider(desk):
    assert (await desk.who(await desk.token(scope="run.read"))).scopes == {"run.read"}
    for scope in ("run.cancel", "run.read run.cancel", "nothing", "run.read  order.read", "*"):
        status, said = await desk.ask(basic=(desk.id, desk.key), grant_type="client_credentials", scope=scope)
        assert (status, said["error"]) == (400, "invalid_scope"), scope


async def test_a_token_of_a_key_without_scopes_has_none(desk):
    made = await desk.identity.keys.create(desk.tenant, desk.root, roles=["viewer"])
    status, said = await desk.ask(basic=(made.key.id, made.text), grant_type="client_credentials")
    assert (status, "scope" in said) == (200, False)
    assert (await desk.who(said["access_token"])).scopes is None


async def test_a_client_that_is_not_known_is_told_no_more_than_that(desk):
    other = await desk.identity.keys.create(desk.tenant, desk.root, roles=["viewer"])
    token = await desk.token()
    wrong = [
        (desk.id, desk.key[:-1] + ("A" if desk.key[-1] != "A" else "E")), (desk.id, other.text), ("", desk.key),
        (desk.id, ""), ("x", "y"), (desk.id, token), (token.split("_")[2], token), ("", ""),
    ]  # fmt: skip
    for named, secret in wrong:
        status, said = await desk.ask(basic=(named, secret), grant_type="client_credentials")
        assert (status, said) == (
            401,
            {"error": "invalid_client", "error_description": "the client is not known"},
        )
        assert desk.challenge == 'Basic realm="crossdock", charset="UTF-8"'
        status, said = await desk.ask(client_id=named, client_secret=secret, grant_type="client_credentials")
        assert (status, said["error"], desk.challenge) == (401, "invalid_client", "")


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": ""}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "authorization_code", "code": "x"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_secret": "x"}, "invalid_request"),
        ({"grant_type": "client_credentials", "client_id": "other"}, "invalid_request"),
    ],
)
async def test_what_is_asked_otherwise_is_refused_by_the_name_of_the_standard(desk, fields, error):
    status, said = await desk.ask(basic=(desk.id, desk.key), **fields)
    assert (status, said["error"]) == (400, error)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"grant_type=client_credentials", "application/json"),
        (b"grant_type=client_credentials&grant_type=client_credentials", FORM),
        (b"\xff\xfe", FORM),
        (b"a=%ff", FORM),
        (b"&".join(b"f%d=1" % n for n in range(30)), FORM),
        (b"a=" + b"x" * 20_000, FORM),
    ],
)
async def test_a_form_that_is_none_is_refused(desk, body, kind):
    headers = {"content-type": kind, "authorization": _basic(desk.id, desk.key)}
    async with desk.http.post(desk.url + "/oauth/token", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!", "Bearer x", "Basic " + base64.b64encode(b"\xff").decode(), ""]
)
async def test_a_header_that_is_none_is_no_client(desk, header):
    headers = {"content-type": FORM, "authorization": header}
    async with desk.http.post(
        desk.url + "/oauth/token", data=b"grant_type=client_credentials", headers=headers
    ) as answer:
        assert (answer.status, (await answer.json())["error"]) == (401, "invalid_client")


async def test_a_token_falls_with_its_key_at_once(desk):
    token = await desk.token()
    await desk.identity.keys.revoke(desk.tenant, desk.root, desk.id)
    with pytest.raises(NotProven):
        await desk.who(token)
    assert (await desk.ask(basic=(desk.id, desk.key), grant_type="client_credentials"))[0] == 401


async def test_a_token_lasts_no_longer_than_its_key_nor_than_its_time(desk, database):
    soon = datetime.now(UTC) + timedelta(seconds=60)
    made = await desk.identity.keys.create(desk.tenant, desk.root, roles=["viewer"], expires=soon)
    _, said = await desk.ask(basic=(made.key.id, made.text), grant_type="client_credentials")
    assert 0 < said["expires_in"] <= 60
    async with database.engine() as transaction:
        await transaction.execute("update crossdock.access_token set expires = now()")
    with pytest.raises(NotProven):
        await desk.who(said["access_token"])


async def test_a_client_takes_back_its_own_tokens_and_no_others(desk):
    other = await desk.identity.keys.create(desk.tenant, desk.root, roles=["viewer"])
    token = await desk.token()
    for named, secret, status in ((other.key.id, other.text, 200), (desk.id, "x", 401)):
        assert (await desk.ask("/oauth/revoke", basic=(named, secret), token=token))[0] == status
        assert (await desk.who(token)).id == f"key:{desk.id}"
    for _ in range(2):
        assert await desk.ask("/oauth/revoke", basic=(desk.id, desk.key), token=token) == (200, None)
    with pytest.raises(NotProven):
        await desk.who(token)
    assert (await desk.ask("/oauth/revoke", basic=(desk.id, desk.key), token="nonsense"))[0] == 200
    assert (await desk.ask("/oauth/revoke", basic=(desk.id, desk.key)))[0] == 400


async def test_of_many_tokens_the_oldest_go(desk, database):
    first = await desk.token()
    for _ in range(100):
        last = await desk.token()
    async with database.engine() as transaction:
        assert await transaction.value("select count(*) from crossdock.access_token") == 100
    with pytest.raises(NotProven):
        await desk.who(first)
    assert (await desk.who(last)).id == f"key:{desk.id}"


async def test_a_token_makes_no_keys_beyond_its_scopes(desk):
    who = await desk.who(await desk.token(scope="run.read"))
    with pytest.raises(Refused):
        await desk.identity.keys.create(desk.tenant, who, roles=["viewer"], scopes=["order.read"])


async def test_the_metadata_describe_what_there_is(desk):
    async with desk.http.get(desk.url + "/.well-known/oauth-authorization-server") as answer:
        said = await answer.json()
    assert said["issuer"] == desk.url
    assert said["token_endpoint"] == f"{desk.url}/oauth/token"
    assert said["grant_types_supported"] == ["client_credentials"]
    assert said["scopes_supported"] == list(ACTIONS)
    for method in ("get", "put", "delete"):
        async with desk.http.request(method, desk.url + "/oauth/token") as answer:
            assert answer.status == 405
