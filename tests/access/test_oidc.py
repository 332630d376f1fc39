"""Tokens of an identity provider that are forged, old, another's or replayed; and a provider that misbehaves."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import argon2
import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from crossdock.access import Principal
from crossdock.access.audit import Audit, Filter
from crossdock.access.identity import Identity
from crossdock.access.oidc import Oidc
from crossdock.access.outbound import Outbound
from crossdock.access.passwords import Passwords
from crossdock.access.providers import Provider
from crossdock.access.sign_in import From
from crossdock.errors import Forbidden, NotProven, Refused, Unreachable
from crossdock.store import Database, Tenant

CLIENT = "crossdock"
HERE = From(origin="10.0.0.1")
BACK = "http://127.0.0.1:1/sign-in/back"


def rsa(kid: str) -> RSAKey:
    return RSAKey.generate_key(2048, {"kid": kid, "use": "sig"}, private=True)


def cheap() -> Passwords:
    """Argon2id at the lowest costs."""
    return Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))


@dataclass
class StandIn:
    """A provider that says and signs whatever a test wants."""

    issuer: str = ""
    keys: list[Any] = field(default_factory=lambda: [rsa("k1")])
    claims: dict[str, Any] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)
    token: str | None = None
    nonce: str = ""
    asked: list[tuple[str, dict[str, Any], str]] = field(default_factory=list)
    looked_for_keys: int = 0
    described: int = 0

    def sign(self, key: Any = None, **claims: Any) -> str:
        """A good token but for what is given."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "u-1",
            "iat": now,
            "exp": now + 300,
            "nonce": self.nonce,
            **claims,
        }
        used = key or self.keys[-1]
        header = {"alg": "RS256", "kid": used.kid, **self.header}
        return jwt.encode(
            header, {n: v for n, v in said.items() if v is not None}, used, algorithms=[header["alg"]]
        )


@pytest.fixture
async def provider() -> AsyncIterator[StandIn]:
    stand_in = StandIn()

    async def about(_request: web.Request) -> web.Response:
        stand_in.described += 1
        said = {
            "issuer": stand_in.issuer,
            "authorization_endpoint": f"{stand_in.issuer}/auth",
            "token_endpoint": f"{stand_in.issuer}/token",
            "jwks_uri": f"{stand_in.issuer}/jwks",
        }
        return web.json_response(said | stand_in.about)

    async def jwks(_request: web.Request) -> web.Response:
        stand_in.looked_for_keys += 1
        return web.json_response({"keys": [key.as_dict(private=False) for key in stand_in.keys]})

    async def token(request: web.Request) -> web.Response:
        stand_in.asked.append(("token", dict(await request.post()), request.headers.get("authorization", "")))
        return web.json_response(
            {"id_token": stand_in.token or stand_in.sign(**stand_in.claims), "access_token": "a"}
        )

    application = web.Application()
    application.add_routes(
        [
            web.get("/.well-known/openid-configuration", about),
            web.get("/jwks", jwks),
            web.post("/token", token),
        ]
    )
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand_in.issuer = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stand_in
    await runner.cleanup()


@pytest.fixture
def audit(database: Database) -> Audit:
    return Audit(database)


@pytest.fixture
async def identity(database, audit, sealing) -> AsyncIterator[Identity]:
    identity = Identity(database, audit, sealing, plain=True, passwords=cheap())
    yield identity
    await identity.settle()


@pytest.fixture
def root(tenant: Tenant) -> Principal:
    return Principal(tenant=tenant.id, id="root", kind="human", roles=frozenset({"operator-admin"}))


def known(stand_in: StandIn, **more: Any) -> Provider:
    return Provider(**{
        "name": "corp", "title": "Corp", "issuer": stand_in.issuer, "client_id": CLIENT,
        "groups": {"ops": ("operations-lead",), "bosses": ("tenant-admin",)}, **more,
    })  # fmt: skip


async def go(identity: Identity, tenant: Tenant, stand_in: StandIn, **answer: str) -> Any:
    """There and back, as a browser does."""
    leave = await identity.elsewhere.begin(tenant, "corp", redirect=BACK, back="/desk")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(leave.url).query).items()}
    stand_in.nonce = asked["nonce"]
    said = {"state": asked["state"], "code": "c-1", **answer}
    return await identity.elsewhere.finish(tenant, leave.cookie, said, HERE, redirect=BACK)


async def refused(awaitable: Any) -> str:
    with pytest.raises(NotProven) as caught:
        await awaitable
    return caught.value.message


@pytest.fixture
async def set_up(identity, tenant, root, provider) -> StandIn:
    await identity.providers.put(tenant, root, known(provider), secret="s3cret-of-ours")
    provider.claims = {
        "groups": ["ops", "others"],
        "email": "Uma@corp.example",
        "email_verified": True,
        "name": "Uma",
    }
    return provider


async def test_who_comes_back_is_who_the_provider_says_with_the_roles_of_their_groups(
    identity, tenant, set_up
):
    back = await go(identity, tenant, set_up)
    assert (back.person, back.back) == ("uma", "/desk")
    of, who = await identity.by_session(back.cookie, origin="")
    assert (of, who.id, who.roles, who.name) == (tenant, "uma", {"operations-lead"}, "Uma")
    _, form, header = set_up.asked[0]
    assert base64.b64decode(header.removeprefix("Basic ")).decode() == f"{CLIENT}:s3cret-of-ours"
    assert (form["grant_type"], form["code"], form["redirect_uri"]) == ("authorization_code", "c-1", BACK)
    assert len(form["code_verifier"]) >= 43
    again = await go(identity, tenant, set_up)
    assert again.person == "uma"
    assert len(await identity.people.of(tenant)) == 1


async def test_the_secret_is_sealed_and_not_in_the_audit(identity, audit, tenant, set_up, database):
    async with database.engine() as transaction:
        row = await transaction.row("select * from crossdock.identity_provider")
    assert b"s3cret-of-ours" not in row["client_secret"]
    assert "s3cret" not in repr((await audit.entries(tenant)).items)
    assert await identity.providers.secret(tenant, "corp") == "s3cret-of-ours"


FORGED: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://evil.example"},
    "another audience": {"aud": "somebody-else"},
    "no audience": {"aud": None},
    "several audiences, another party": {"aud": [CLIENT, "other"], "azp": "other"},
    "several audiences, no party": {"aud": [CLIENT, "other"]},
    "another party": {"azp": "other"},
    "expired": {"exp": int(time.time()) - 600},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "never"},
    "an end that is true": {"exp": True},
    "issued long ago": {"iat": int(time.time()) - 7200},
    "issued in times to come": {"iat": int(time.time()) + 7200},
    "not yet": {"nbf": int(time.time()) + 7200},
    "another nonce": {"nonce": "another"},
    "no nonce": {"nonce": None},
    "nobody": {"sub": None},
    "an empty name": {"sub": ""},
    "a number": {"sub": 7},
    "a name too long": {"sub": "x" * 256},
}


@pytest.mark.parametrize("what", FORGED)
async def test_a_token_that_is_not_for_us_and_now_lets_nobody_in(identity, audit, tenant, set_up, what):
    set_up.claims |= FORGED[what]
    await refused(go(identity, tenant, set_up))
    assert await identity.people.of(tenant) == []
    await identity.settle()
    (entry,) = (await audit.entries(tenant, Filter(outcome="refused"))).items
    assert (entry.action, entry.origin) == ("session.opened", "10.0.0.1")


async def test_clocks_may_differ_by_two_minutes(identity, tenant, set_up):
    now = int(time.time())
    set_up.claims |= {"iat": now + 90, "nbf": now + 90, "exp": now - 90}
    assert (await go(identity, tenant, set_up)).person == "uma"


def unsigned(stand_in: StandIn, alg: str) -> str:
    claims = stand_in.sign(**stand_in.claims).split(".")[1]
    header = base64.urlsafe_b64encode(json.dumps({"alg": alg, "kid": "k1"}).encode()).decode().rstrip("=")
    return f"{header}.{claims}."


async def test_a_token_that_nobody_of_theirs_signed_lets_nobody_in(identity, tenant, set_up):
    public = set_up.keys[0].as_pem(private=False)
    mine = rsa("k1")  # their name, my key
    good = set_up.sign
    leave = await identity.elsewhere.begin(tenant, "corp", redirect=BACK, back="/")
    set_up.nonce = parse_qs(urlsplit(leave.url).query)["nonce"][0]

    def hmac_signed() -> str:
        header = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"k1"}').decode().rstrip("=")
        signed = f"{header}.{good(**set_up.claims).split('.')[1]}"
        tag = hmac.digest(public, signed.encode(), "sha256")
        return f"{signed}.{base64.urlsafe_b64encode(tag).decode().rstrip('=')}"

    whole = good(**set_up.claims)
    head, body, signature = whole.split(".")
    changed = base64.urlsafe_b64encode(
        base64.urlsafe_b64decode(body + "==").replace(b"u-1", b"u-2")
    ).decode().rstrip("=")  # fmt: skip
    tokens = {
        "none": unsigned(set_up, "none"),
        "None": unsigned(set_up, "None"),
        "empty signature": f"{head}.{body}.",
        "their public key as a shared secret": hmac_signed(),
        "my key under their name": good(mine, **set_up.claims),
        "another key's signature": f"{head}.{body}.{good(mine, **set_up.claims).split('.')[2]}",
        "changed": f"{head}.{changed}.{signature}",
        "a key that is not theirs": good(rsa("k9"), **set_up.claims),
        "no token": "x",
        "empty": ".",
        "json": "e30.e30.e30",
        "a list": base64.urlsafe_b64encode(b"[]").decode() + "..",
    }
    state = parse_qs(urlsplit(leave.url).query)["state"][0]
    for what, token in tokens.items():
        set_up.token = token
        answer = {"state": state, "code": "c"}
        words = await refused(identity.elsewhere.finish(tenant, leave.cookie, answer, HERE, redirect=BACK))
        assert "is not believed" in words, what
    set_up.token = whole
    assert (
        await identity.elsewhere.finish(tenant, leave.cookie, answer, HERE, redirect=BACK)
    ).person == "uma"


async def test_a_key_in_the_token_itself_is_not_believed(identity, tenant, set_up):
    mine = rsa("mine")
    set_up.header = {"jwk": mine.as_dict(private=False), "jku": "https://evil.example/jwks"}
    leave_key, set_up.keys = set_up.keys, [mine]
    token = set_up.sign(mine, **set_up.claims)
    set_up.keys, set_up.token = leave_key, token
    await refused(go(identity, tenant, set_up))


async def test_keys_that_the_provider_turns_are_found_and_old_ones_forgotten(identity, tenant, set_up):
    assert (await go(identity, tenant, set_up)).person == "uma"
    old = set_up.keys[0]
    set_up.keys = [ECKey.generate_key("P-256", {"kid": "k2", "use": "sig"}, private=True)]
    set_up.header = {"alg": "ES256"}
    assert (await go(identity, tenant, set_up)).person == "uma"
    set_up.header = {}
    set_up.token = set_up.sign(old, **set_up.claims)
    await refused(go(identity, tenant, set_up))


async def test_tokens_with_made_up_keys_do_not_make_us_ask_again_and_again(identity, tenant, set_up):
    for n in range(10):
        set_up.token = set_up.sign(rsa(f"made-up-{n}"), **set_up.claims)
        await refused(go(identity, tenant, set_up))
    assert set_up.looked_for_keys == 2  # at first, and for the first that was not known


async def test_the_way_back_is_of_the_browser_that_went_there_and_of_this_tenant(
    identity, database, tenant, set_up
):
    zeta = await database.create_tenant("zeta")
    leave = await identity.elsewhere.begin(tenant, "corp", redirect=BACK, back="/")
    other = await identity.elsewhere.begin(tenant, "corp", redirect=BACK, back="/")
    state = parse_qs(urlsplit(leave.url).query)["state"][0]
    for of, cookie, said in (
        (tenant, other.cookie, {"state": state, "code": "c"}),  # another browser's
        (tenant, "", {"state": state, "code": "c"}),
        (tenant, leave.cookie, {"state": "", "code": "c"}),
        (tenant, leave.cookie, {"code": "c"}),
        (zeta, leave.cookie, {"state": state, "code": "c"}),
        (tenant, leave.cookie, {"state": state, "code": "c", "iss": "https://evil.example"}),  # mix-up
        (tenant, leave.cookie, {"state": state, "error": "access_denied"}),
        (tenant, leave.cookie, {"state": state}),
    ):
        await refused(identity.elsewhere.finish(of, cookie, said, HERE, redirect=BACK))
    assert set_up.asked == []  # no code was shown to the provider


async def test_where_the_provider_promises_its_name_an_answer_without_is_not_taken(identity, tenant, set_up):
    set_up.about = {"authorization_response_iss_parameter_supported": True}
    assert "another provider" in await refused(go(identity, tenant, set_up))
    assert (await go(identity, tenant, set_up, iss=set_up.issuer)).person == "uma"


async def test_whose_groups_give_nothing_has_no_account_and_loses_what_they_had(identity, tenant, set_up):
    back = await go(identity, tenant, set_up)
    set_up.claims = {**set_up.claims, "groups": ["others"]}
    assert await refused(go(identity, tenant, set_up)) == "you have no account here"
    set_up.claims = {**set_up.claims, "sub": "u-2", "email": "eve@corp.example"}
    await refused(go(identity, tenant, set_up))
    assert [one.id for one in await identity.people.of(tenant)] == ["uma"]
    set_up.claims = {**set_up.claims, "sub": "u-1", "groups": "bosses ops"}
    await go(identity, tenant, set_up)
    assert (await identity.people.find(tenant, "uma")).roles == ("operations-lead", "tenant-admin")
    await refused(identity.by_session(back.cookie, origin=""))  # roles changed: the session before ended


async def test_one_who_is_shut_out_does_not_get_in_elsewhere(identity, tenant, root, set_up):
    await go(identity, tenant, set_up)
    await identity.people.shut_out(tenant, root, "uma")
    assert await refused(go(identity, tenant, set_up)) == "you have no account here"


async def local(identity, tenant, root, email: str, *roles: str) -> None:
    link = await identity.people.invite(tenant, root, email=email, roles=roles)
    await identity.sign_in.accept(link.path.rpartition("/")[2], password="correct horse battery", where=HERE)


async def test_an_address_alone_takes_over_no_account(identity, tenant, root, set_up):
    await local(identity, tenant, root, "uma@corp.example", "viewer")
    set_up.claims["email_verified"] = False
    assert "has an account that signs in here" in await refused(go(identity, tenant, set_up))
    set_up.claims["email_verified"] = "true"
    await refused(go(identity, tenant, set_up))
    set_up.claims["email_verified"] = True
    assert (await go(identity, tenant, set_up)).person == "uma"  # joined, and the password is gone
    await refused(identity.sign_in.password(tenant, "uma@corp.example", "correct horse battery", HERE))


async def test_who_administers_with_a_password_is_not_taken_over_at_all(identity, tenant, root, set_up):
    await local(identity, tenant, root, "uma@corp.example", "tenant-admin")
    assert "has an account that signs in here" in await refused(go(identity, tenant, set_up))


async def test_two_subjects_of_one_address_are_not_one_person(identity, tenant, set_up):
    await go(identity, tenant, set_up)
    set_up.claims |= {"sub": "u-2"}
    with pytest.raises(Refused, match="somebody of this address is known here already"):
        await go(identity, tenant, set_up)


async def test_a_provider_by_another_name_or_another_way_is_not_spoken_with(identity, tenant, root, provider):
    provider.about = {"issuer": "https://evil.example"}
    await identity.providers.put(tenant, root, known(provider))
    with pytest.raises(Unreachable, match="calls itself by another name"):
        await identity.elsewhere.begin(tenant, "corp", redirect=BACK, back="/")
    provider.about = {"jwks_uri": "http://192.0.2.1/jwks"}
    with pytest.raises(Unreachable, match="is spoken with by https"):
        await Oidc(plain=True).about(provider.issuer)
    with pytest.raises(Unreachable, match="is spoken with by https"):
        await Oidc().about(provider.issuer)


@pytest.mark.parametrize("head", ["[" * 50_000, '{"alg":' * 20_000, "9" * 5000, "[]", '"x"'])
async def test_a_token_that_was_made_to_be_hard_to_read_lets_nobody_in(
    identity, tenant, root, provider, head
):
    await identity.providers.put(tenant, root, known(provider))
    token = base64.urlsafe_b64encode(head.encode()).decode().rstrip("=") + ".e30.e30"
    with pytest.raises(NotProven, match="no token"):
        await Oidc(plain=True).logged_out(known(provider), token)


async def test_a_provider_at_a_private_address_is_not_spoken_with_where_that_is_not_allowed(provider):
    with pytest.raises(Unreachable, match="its address is private") as caught:
        await Oidc(plain=True, outbound=Outbound(private="deny")).about(provider.issuer)
    assert "outbound_networks" in caught.value.mend
    with pytest.raises(Unreachable, match="never called"):
        await Oidc(plain=True).about("https://169.254.169.254")
    assert provider.described == 0


async def test_what_a_provider_says_of_itself_may_come_in_parts_and_is_bounded(identity, provider):
    provider.about = {"claims_supported": ["x" * 1000] * 100}
    assert len((await Oidc(plain=True).about(provider.issuer))["claims_supported"]) == 100
    provider.about = {"claims_supported": ["x" * 1000] * 1000}
    with pytest.raises(Unreachable, match="cannot be spoken with"):
        await Oidc(plain=True).about(provider.issuer)


async def test_a_provider_that_is_away_is_not_asked_by_everybody_who_clicks(identity, tenant, root, provider):
    provider.about = {"issuer": "https://evil.example"}
    await identity.providers.put(tenant, root, known(provider))
    clicks = [identity.elsewhere.begin(tenant, "corp", redirect=BACK, back="/") for _ in range(20)]
    found = await asyncio.gather(*clicks, return_exceptions=True)
    assert {type(one) for one in found} == {Unreachable}
    assert provider.described == 1


async def test_nobody_maps_groups_to_more_than_they_may_give(identity, tenant, provider):
    admin = Principal(tenant=tenant.id, id="anna", kind="human", roles=frozenset({"tenant-admin"}))
    with pytest.raises(Forbidden):
        await identity.providers.put(tenant, admin, known(provider, groups={"x": ("operator-admin",)}))
    for wrong in ({"issuer": "ftp://x"}, {"issuer": "https://a:b@x.example"}, {"client_id": " "}, {"scopes": ("email",)},
                  {"name": "A B"}, {"groups": {"x": ("not one",)}}):  # fmt: skip
        with pytest.raises(Refused):
            await identity.providers.put(tenant, admin, known(provider, **wrong))


async def test_a_provider_that_is_dropped_lets_nobody_in_and_its_sessions_end(identity, tenant, root, set_up):
    back = await go(identity, tenant, set_up)
    await identity.providers.drop(tenant, root, "corp", why="we have left it")
    await refused(identity.by_session(back.cookie, origin=""))
    assert await identity.providers.of(tenant) == []


async def test_a_provider_ends_sessions_by_a_token_that_it_signed_for_that(identity, tenant, set_up):
    event = {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}, "nonce": None}
    set_up.claims |= {"sid": "s-1"}
    back = await go(identity, tenant, set_up)
    for wrong in (
        {}, {"events": {}, "nonce": None}, {**event, "nonce": "n"}, {**event, "aud": "other"},
        {**event, "exp": 5},
    ):  # fmt: skip
        await refused(identity.elsewhere.ended(tenant, "corp", set_up.sign(**wrong)))
    assert await identity.elsewhere.ended(tenant, "corp", set_up.sign(**event, sub="u-9")) == 0
    assert await identity.elsewhere.ended(tenant, "corp", set_up.sign(**event, sub=None)) == 0
    assert (await identity.by_session(back.cookie, origin=""))[1].id == "uma"
    assert await identity.elsewhere.ended(tenant, "corp", set_up.sign(**event, sub=None, sid="s-1")) == 1
    await refused(identity.by_session(back.cookie, origin=""))
