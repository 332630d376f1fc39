"""The people of a tenant and the keys of its programs, on pages: made, given roles, taken back."""

from __future__ import annotations

import html
import re

import pytest
from test_browser import browser, page, pytestmark  # noqa: F401 - fixtures
from test_signing_in_on_pages import door  # noqa: F401 - fixtures
from yarl import URL


def text(of: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", of.split("<main")[1])))


async def test_people_are_invited_given_roles_shut_out_and_let_in(door):  # noqa: F811
    await door.join("root@acme.example", "tenant-admin")
    status, _, said = await door.post(
        "/people",
        page="/people",
        act="invite",
        email="ann@acme.example",
        name="Ann",
        **{"role.viewer": "yes"},
    )
    assert (status, "A link for ann@acme.example, to get an account" in text(said)) == (200, True)
    link = re.search(r"/invitation/[\w-]+", said)[0]
    assert link not in (await door.get("/people"))[2]  # shown once
    mine = door.cookie()
    door.forget()
    words = "correct horse battery"
    assert (await door.post(link, password=words, again=words))[0] == 303
    assert (await door.get("/people"))[0] == 403  # a viewer sees none of it
    assert 'href="/people"' not in (await door.get("/"))[2]
    door.forget()
    door.http.cookie_jar.update_cookies({"crossdock_session": mine}, response_url=URL(door.url))
    shown = text((await door.get("/people"))[2])
    assert "Ann ann@acme.example may sign in viewer" in shown
    given = {"role.viewer": "yes", "more": "finance", "seen": "viewer", "act": "roles", "person": "ann"}
    assert (await door.post("/people", page="/people", **given))[:2] == (303, "/people")
    said = text((await door.get("/people"))[2])
    assert "ann has these roles now; their sessions ended." in said
    assert "finance viewer" in said
    status, _, said = await door.post("/people", page="/people", **given)  # they were other ones by now
    assert (status, "The roles of ann have changed meanwhile" in text(said)) == (400, True)
    await door.post("/people", page="/people", act="suspend", person="ann", note="gone")
    assert "Ann ann@acme.example shut out" in text((await door.get("/people"))[2])
    await door.post("/people", page="/people", act="resume", person="ann")
    assert "ann may sign in again." in text((await door.get("/people"))[2])
    status, _, said = await door.post("/people", page="/people", act="reset", person="ann")
    assert (status, "to set a password" in text(said)) == (200, True)
    status, _, said = await door.post("/people", page="/people", act="invite", email="none", name="Bob")
    assert (status, "This is no e-mail address" in text(said), 'value="Bob"' in said) == (400, True, True)


async def test_a_key_is_made_shown_once_and_revoked(door):  # noqa: F811
    await door.join("root@acme.example", "tenant-admin")
    assert "No program has a key yet." in text((await door.get("/people/keys"))[2])
    given = {"act": "key", "name": "shop", "days": "30", "role.viewer": "yes"}
    status, _, said = await door.post("/people/keys", page="/people/keys", **given)
    key = re.search(r"cdk_\w+", said)[0]
    assert status == 200
    listed = (await door.get("/people/keys"))[2]
    assert key not in listed
    assert "shop" in text(listed)
    assert key.rsplit("_", 1)[0][:8] in listed
    for days in ("soon", "0", "3651", "9" * 5_000, "\u0661\u0662"):
        status, _, said = await door.post("/people/keys", page="/people/keys", **{**given, "days": days})
        assert (status, "A key lasts 1 to 3650 days: give a whole number" in text(said)) == (400, True), days
    id_ = key.split("_")[2]
    await door.post("/people/keys", page="/people/keys", act="revoke", key=id_, note="lost")
    assert "shop is revoked." in text((await door.get("/people/keys"))[2])
    assert "No program has a key yet." in text((await door.get("/people/keys"))[2])


@pytest.mark.parametrize("width", [360, 1280])
async def test_who_may_come_in_is_changed_with_the_keyboard_alone(door, page, width):  # noqa: F811
    await door.join("root@acme.example", "tenant-admin")
    await page.set_viewport_size({"width": width, "height": 800})
    cookie = {"name": "crossdock_session", "value": door.cookie(), "url": door.url}
    await page.context.add_cookies([cookie])
    for path in ("/people", "/people/keys"):
        await page.goto(door.url + path)
        assert await page.evaluate("document.documentElement.scrollWidth") <= width
    await page.get_by_label("What it is for").fill("shop")
    await page.keyboard.press("Enter")
    await page.get_by_role("heading", name="The new key").wait_for()
    await page.locator("summary", has_text="Revoke").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type("lost")
    await page.keyboard.press("Enter")
    await page.get_by_role("status").filter(has_text="shop is revoked.").wait_for()
    await page.goto(door.url + "/people")
    await page.locator("summary", has_text="Roles").first.press("Enter")
    assert await page.locator("tbody").get_by_label("tenant-admin").first.is_checked()
