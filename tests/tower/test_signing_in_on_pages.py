"""Signing in on pages: what is shown before, where one gets to after, and what a stranger gets nowhere."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import argon2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
from tower_world import read

from crossdock.access import Principal
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.access.master import Masters
from crossdock.access.passwords import Passwords
from crossdock.access.sealing import Sealing
from crossdock.engine import Connections, Repairs
from crossdock.tower import app
from crossdock.tower.doors import signed_in
from played_orders import order, serving

WORDS = "correct horse battery"
HTML = {"accept": "text/html"}


@dataclass
class Door:
    """A site with a sign-in, and a browser before it."""

    url: str
    identity: Identity
    tenant: Any
    root: Principal
    http: aiohttp.ClientSession
    make: Any

    async def get(self, path: str, **more: Any) -> tuple[int, str, str]:
        """Status, where it leads to, and text."""
        async with self.http.get(self.url + path, allow_redirects=False, headers=HTML, **more) as answer:
            return answer.status, answer.headers.get("location", ""), await answer.text()

    async def post(self, path: str, *, page: str | None = None, **fields: str) -> tuple[int, str, str]:
        """Send the form of a page, with its token."""
        _, _, text = await self.get(page or path)
        found = re.search(r'name="token" value="([^"]+)"', text)
        return await self.send(path, token=found[1] if found else "", **fields)

    async def send(self, path: str, **fields: str) -> tuple[int, str, str]:
        async with self.http.post(self.url + path, data=fields, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("location", ""), await answer.text()

    async def join(self, email: str, *roles: str) -> None:
        link = await self.identity.people.invite(self.tenant, self.root, email=email, roles=roles)
        status, leads, _ = await self.post(link.path, password=WORDS, again=WORDS)
        assert (status, leads) == (303, "/")

    def cookie(self, name: str = "crossdock_session") -> str:
        return next((one.value for one in self.http.cookie_jar if one.key == name), "")

    def forget(self) -> None:
        self.http.cookie_jar.clear()


@pytest.fixture
async def door(tower, database, tenant, tmp_path) -> AsyncIterator[Door]:
    sealing = Sealing(database, Masters(tmp_path / "master.key"))
    await sealing.begin(tenant.id)
    cheap = Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    identity = Identity(database, Audit(database), sealing, plain=True, passwords=cheap)

    def make(of: Any, **more: Any) -> Starlette:
        return app(
            database=database,
            tenant=of,
            acts=tower.acts,
            repairs=Repairs(database, tower.library),
            connections=Connections(database),
            read=read,
            who=signed_in(identity, of),
            title=of.name,
            identity=identity,
            **more,
        )

    site = make(tenant)
    root = Principal(tenant=tenant.id, id="root", kind="human", roles=frozenset({"operator-admin"}))
    async with (
        serving(site) as url,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        yield Door(url, identity, tenant, root, http, make)
        await site.state.stream.close()
    await identity.settle()


PAGES = ["/", "/runs", "/desk", "/events", "/connections", "/processes", "/repairs", "/repairs/new", "/account",
         "/runs.csv", "/runs/order/SO-1/1", "/processes/order"]  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
async def test_a_stranger_is_led_to_the_sign_in_from_every_page_and_back_to_it(door, page):
    status, leads, text = await door.get(page)
    assert (status, text) == (303, "")
    assert leads.startswith("/sign-in?back=")
    async with door.http.get(door.url + page, headers={"accept": "*/*"}) as answer:
        assert answer.status == 401
        assert "acme" in await answer.text()


@pytest.mark.parametrize(
    "path", ["/sign-in/with/%00", "/sign-in/with/a%00b", "/sign-in/back?state=%00", "/invitation/%00"]
)
async def test_a_zero_byte_of_a_stranger_is_refused(door, path):
    async with door.http.get(door.url + path, allow_redirects=False) as answer:
        assert answer.status == 404
    async with door.http.post(f"{door.url}/sign-in/ended/a%00b", data={"logout_token": "a.b.c"}) as answer:
        assert answer.status == 404


async def test_a_stranger_hears_nothing_and_does_nothing(door, tower):
    for path in ("/stream",):
        async with door.http.get(door.url + path) as answer:
            assert answer.status == 401
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"))
        await tower.steps("SO-1", approve="waiting")
        for path in (
            "/desk/task",
            "/desk/exception",
            "/runs/order/SO-1/1",
            "/repairs",
            "/events",
            "/connections",
        ):
            status, _, _ = await door.post(
                path, page="/sign-in", act="cancel", note="x", task="1", decision="approved"
            )
            assert status == 401, path
        assert (await tower.steps("SO-1")).state.steps["approve"].status == "waiting"


async def test_the_sign_in_tells_nothing_of_the_tenant_but_its_name(door, tower):
    async with tower.working():
        await tower.put(order("SO-1", "5000.00"))
        await tower.steps("SO-1", approve="waiting")
    _, _, text = await door.get("/sign-in")
    assert "acme" in text
    for word in ("SO-1", "Approve", "badge", "Overview"):
        assert word not in text


async def test_a_person_signs_in_and_gets_where_they_wanted(door):
    await door.join("anna@acme.example", "operations-lead")
    door.forget()
    status, leads, _ = await door.post(
        "/sign-in", page="/sign-in?back=/runs%3Fstatus%3Dheld", email="anna@acme.example", password=WORDS,
        back="/runs?status=held",
    )  # fmt: skip
    assert (status, leads) == (303, "/runs?status=held")
    status, _, text = await door.get("/runs")
    assert status == 200
    assert "anna@acme.example" in text
    assert "Sign out" in text
    assert (await door.get("/sign-in?back=/desk"))[:2] == (303, "/desk")


@pytest.mark.parametrize(
    "back", ["//evil.example", "https://evil.example", "/\\evil.example", "/\tevil", "javascript:x", ""]
)
async def test_the_way_back_leads_to_no_other_site(door, back):
    await door.join("anna@acme.example", "viewer")
    door.forget()
    status, leads, _ = await door.post("/sign-in", email="anna@acme.example", password=WORDS, back=back)
    assert (status, leads) == (303, "/")
    assert (await door.get("/sign-in", params={"back": back}))[:2] == (303, "/")


async def test_what_is_wrong_is_said_and_the_address_stays(door):
    status, _, text = await door.post("/sign-in", email="<eve>@acme.example", password="x", back="/desk")
    assert status == 401
    assert 'role="alert"' in text
    assert "Address and password do not fit together: try again, or ask who invited you." in text
    assert 'value="&lt;eve&gt;@acme.example"' in text
    assert 'name="back" value="/desk"' in text
    assert door.cookie() == ""


async def test_too_many_attempts_are_told_how_long_to_wait(door):
    for _ in range(5):
        assert (await door.post("/sign-in", email="anna@acme.example", password="x"))[0] == 401
    _, _, page = await door.get("/sign-in")
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    data = {"token": token, "email": "anna@acme.example", "password": "x"}
    async with door.http.post(door.url + "/sign-in", data=data) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["retry-after"]) <= 60
        assert "try again in" in await answer.text()


async def test_the_cookie_is_for_us_alone_and_drawn_anew_at_each_sign_in(door):
    await door.join("anna@acme.example", "viewer")
    first = door.cookie()
    planted = "cds_1_aaaaaaaaaaaa_" + "A" * 43
    door.forget()
    door.http.cookie_jar.update_cookies({"crossdock_session": planted}, aiohttp.client.URL(door.url))
    _, _, page = await door.get("/sign-in")
    token = re.search(r'name="token" value="([^"]+)"', page)[1]
    data = {"token": token, "email": "anna@acme.example", "password": WORDS}
    async with door.http.post(door.url + "/sign-in", data=data, allow_redirects=False) as answer:
        (said,) = [one for one in answer.headers.getall("set-cookie") if one.startswith("crossdock_session=")]
    assert "HttpOnly" in said
    assert "SameSite=lax" in said
    assert "Path=/" in said
    assert "Domain" not in said
    assert len({first, planted, door.cookie()}) == 3
    assert (await door.identity.by_session(door.cookie(), origin=""))[1].id == "anna"


async def test_over_https_the_cookie_is_bound_to_the_host(door):
    await door.join("anna@acme.example", "viewer")
    door.forget()
    site = door.make(door.tenant)

    async def through_proxy(scope, receive, send):
        await site({**scope, "scheme": "https"}, receive, send)

    async with serving(through_proxy) as url:
        async with door.http.get(url + "/sign-in") as answer:
            token = re.search(r'name="token" value="([^"]+)"', await answer.text())[1]
            cookie = answer.cookies["crossdock_token"].value
            assert answer.cookies["crossdock_token"]["secure"]
        async with door.http.post(
            url + "/sign-in", data={"token": token, "email": "anna@acme.example", "password": WORDS},
            headers={"cookie": f"crossdock_token={cookie}"}, allow_redirects=False,
        ) as answer:  # fmt: skip
            (said,) = [one for one in answer.headers.getall("set-cookie") if "session" in one]
            assert said.startswith("__Host-crossdock_session=cds_")
            assert "Secure" in said
        plain = said.partition(";")[0].partition("=")[2]
        # The cookie of http is not taken there: a neighbour under the same domain could have set it.
        for name, status in (("crossdock_session", 401), ("__Host-crossdock_session", 200)):
            async with door.http.get(url + "/runs", headers={"cookie": f"{name}={plain}"}) as answer:
                assert answer.status == status


async def test_a_forms_token_is_of_no_use_in_another_session_nor_after_it(door):
    await door.join("anna@acme.example", "operations-lead")
    _, _, page = await door.get("/account")
    old = re.search(r'name="token" value="([^"]+)"', page)[1]
    assert door.cookie("crossdock_token") == ""
    await door.post("/sign-out", page="/account")
    await door.post("/sign-in", email="anna@acme.example", password=WORDS)
    assert (await door.send("/sign-out", token=old))[0] == 400
    assert (await door.send("/sign-out"))[0] == 400
    assert (await door.get("/runs"))[0] == 200  # still signed in


async def test_signing_out_ends_the_session_not_only_the_cookie(door):
    await door.join("anna@acme.example", "viewer")
    kept = door.cookie()
    status, _, text = await door.post("/sign-out", page="/account")
    assert (status, "You are signed out" in text, door.cookie()) == (200, True, "")
    door.http.cookie_jar.update_cookies({"crossdock_session": kept}, aiohttp.client.URL(door.url))
    assert (await door.get("/runs"))[0] == 303


async def test_a_session_of_another_tenant_opens_nothing_here(door, database):
    zeta = await database.create_tenant("zeta")
    link = await door.identity.people.invite(
        zeta, door.root, email="eve@zeta.example", roles=["tenant-admin"]
    )
    status, _, text = await door.get(link.path)
    assert (status, "works no more" in text) == (404, True)
    site = door.make(zeta)
    async with serving(site) as url:
        door.url, here = url, door.url
        assert (await door.post(link.path, password=WORDS, again=WORDS))[0] == 303
        assert (await door.get("/runs"))[0] == 200
        door.url = here
        assert (await door.get("/runs"))[0] == 303  # 127.0.0.1 gets the cookie on every port
        await site.state.stream.close()


async def test_a_link_says_what_it_is_for_and_is_used_up_by_the_form_alone(door):
    link = await door.identity.people.invite(
        door.tenant, door.root, email="bob@acme.example", roles=["viewer"]
    )
    for _ in range(2):
        status, _, text = await door.get(link.path)
        assert (status, "root has invited you to acme, as viewer." in text) == (200, True)
    status, _, text = await door.post(link.path, password=WORDS, again="other")
    assert (status, "The two passwords differ" in text) == (400, True)
    status, _, text = await door.post(link.path, password="aaaaaaaaaaaaaaaa", again="aaaaaaaaaaaaaaaa")
    assert (status, "guessed early" in text) == (400, True)
    assert (await door.post(link.path, password=WORDS, again=WORDS, name="Bob"))[0] == 303
    status, _, text = await door.get(link.path)
    assert (status, "This link works no more" in text) == (404, True)


async def test_who_may_only_look_is_told_so(door):
    await door.join("vera@acme.example", "viewer")
    _, _, text = await door.get("/desk")
    assert "(reads only)" in text


async def test_a_page_under_a_path_leads_to_its_own_sign_in(door):
    site = Starlette(routes=[Mount("/crossdock", door.make(door.tenant))])
    async with serving(site) as url:
        door.url = url
        assert (await door.get("/crossdock/runs"))[:2] == (303, "/crossdock/sign-in?back=%2Fruns")


async def test_one_makes_keys_on_the_page_of_ones_account_and_sees_and_revokes_ones_own(door):
    await door.join("anna@acme.example", "tenant-admin")
    other = await door.identity.keys.create(door.tenant, door.root, roles=["viewer"], name="another's")
    status, _, text = await door.post(
        "/account", act="key", name="<shop>", roles="viewer, order-desk", days="30"
    )
    assert (status, "another" in text) == (200, False)
    key = re.search(r"<code>(cdk_[^<]+)</code>", text)[1]
    who = (await door.identity.by_bearer(key, origin=""))[1]
    assert (who.name, who.roles, who.behind) == ("<shop>", {"viewer", "order-desk"}, "anna")
    _, _, text = await door.get("/account")
    assert ("&lt;shop&gt;" in text, key in text) == (True, False)
    assert (await door.post("/account", act="revoke", key=other.key.id))[0] == 400
    for wrong in ({"days": "0"}, {"days": "x"}, {"roles": ""}, {"roles": "operator-admin"}):
        given = {"act": "key", "name": "x", "roles": "viewer", "days": "1", **wrong}
        status, _, text = await door.post("/account", **given)
        assert (status, 'role="alert"' in text) == (400, True), wrong
    assert (await door.post("/account", act="revoke", key=who.id.removeprefix("key:")))[0] == 303
    assert [one.id for one in await door.identity.keys.of(door.tenant)] == [other.key.id]


async def test_who_may_make_no_keys_is_offered_none_and_makes_none(door):
    await door.join("vera@acme.example", "viewer")
    _, _, text = await door.get("/account")
    assert "Make a key" not in text
    status, _, text = await door.post("/account", act="key", name="x", roles="viewer", days="1")
    assert (status, "cdk_" in text) == (400, False)
    assert await door.identity.keys.of(door.tenant) == []
