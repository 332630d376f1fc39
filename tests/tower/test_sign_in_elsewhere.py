"""The certified OpenID provider signs a person in, through a real browser; its keys turn, and it signs out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pyotp
import pytest
from joserfc.jwk import RSAKey
from playwright.async_api import async_playwright, expect
from test_signing_in_on_pages import door  # noqa: F401 - a fixture

from crossdock.access.providers import Provider

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NODE, NPM = shutil.which("node"), shutil.which("npm")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
    pytest.mark.skipif(NODE is None or NPM is None, reason="no Node here"),
    pytest.mark.timeout(300),
]
HERE = Path(__file__).parent / "provider"
SECRET = "a secret between the two"


@pytest.fixture(scope="session")
def installed() -> Path:
    """The provider's package, installed once on this machine."""
    version = json.loads((HERE / "package.json").read_text())["dependencies"]["oidc-provider"]
    place = Path(tempfile.gettempdir()) / f"crossdock-oidc-provider-{version}"
    if not (place / "ready").exists():
        place.mkdir(exist_ok=True)
        shutil.copy(HERE / "package.json", place)
        subprocess.run([NPM, "install", "--no-audit", "--no-fund"], cwd=place, check=True, timeout=240)
        (place / "ready").touch()
    shutil.copy(HERE / "provider.mjs", place)
    return place


@contextlib.asynccontextmanager
async def provider(place: Path, port: int, site: str, kid: str) -> AsyncIterator[str]:
    """The provider, with one key of that name."""
    issuer = f"http://127.0.0.1:{port}"
    key = RSAKey.generate_key(2048, {"kid": kid, "use": "sig", "alg": "RS256"}, private=True)
    client = {
        "client_id": "crossdock", "client_secret": SECRET, "redirect_uris": [f"{site}/sign-in/back"],
        "post_logout_redirect_uris": [f"{site}/signed-out"], "grant_types": ["authorization_code"],
        "response_types": ["code"], "scope": "openid email profile groups",
    }  # fmt: skip
    accounts = {
        "uma": {"email": "uma@corp.example", "email_verified": True, "name": "Uma Ops", "groups": ["ops"]},
        "eve": {"email": "eve@corp.example", "email_verified": True, "name": "Eve", "groups": ["visitors"]},
    }
    known = {"issuer": issuer, "port": port, "clients": [client], "jwks": {"keys": [key.as_dict(private=True)]},
             "accounts": accounts}  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        NODE, "provider.mjs", cwd=place, env={**os.environ, "PROVIDER": json.dumps(known)},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(30):
            while (line := await process.stdout.readline()) != b"ready\n":
                assert line, "the provider has ended"
        yield issuer
    finally:
        process.kill()
        await process.wait()


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = await browser.new_page()
        page.set_default_timeout(20_000)
        expect.set_options(timeout=20_000)
        yield page
        await browser.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


async def believe(door, issuer: str) -> None:  # noqa: F811
    corp = Provider(
        name="corp", title="Corp", issuer=issuer, client_id="crossdock",
        scopes=("openid", "email", "profile", "groups"), groups={"ops": ("operations-lead",)},
    )  # fmt: skip
    await door.identity.providers.put(door.tenant, door.root, corp, secret=SECRET)


async def sign_in_there(page, name: str) -> None:
    await page.get_by_role("link", name="Sign in with Corp").click()
    await page.locator("input[name=login]").fill(name)
    await page.locator("input[name=password]").fill("whatever, it is a stand-in for a directory")
    await page.get_by_role("button", name="Sign-in").click()
    await page.get_by_role("button", name="Continue").click()


async def test_a_person_signs_in_at_the_provider_and_out_again(door, installed, page):  # noqa: F811
    async with provider(installed, free_port(), door.url, "k1") as issuer:
        await believe(door, issuer)
        await page.goto(f"{door.url}/runs?status=held")
        await expect(page.get_by_role("heading", name="Sign in", exact=True)).to_be_visible()
        await sign_in_there(page, "uma")
        await expect(page.get_by_text("Uma Ops")).to_be_visible()
        assert page.url == f"{door.url}/runs?status=held"
        (uma,) = await door.identity.people.of(door.tenant)
        assert (uma.id, uma.roles, uma.issuer) == ("uma", ("operations-lead",), issuer)
        await page.get_by_role("button", name="Sign out").click()
        await page.get_by_role("button", name="Yes, sign me out").click()  # the provider asks as well
        await expect(page.get_by_role("heading", name="You are signed out")).to_be_visible()
        assert page.url.startswith(f"{door.url}/signed-out")
        await page.goto(f"{door.url}/desk")
        await page.get_by_role("link", name="Sign in with Corp").click()
        await expect(page.locator("input[name=login]")).to_be_visible()  # signed out there, too


async def test_a_provider_that_turns_its_keys_goes_on_signing_in(door, installed, page):  # noqa: F811
    port = free_port()
    for kid in ("k1", "k2"):
        async with provider(installed, port, door.url, kid) as issuer:
            await believe(door, issuer)
            await page.goto(f"{door.url}/desk")
            await sign_in_there(page, "uma")
            await expect(page.get_by_text("Uma Ops")).to_be_visible()
            await page.context.clear_cookies()


async def test_whose_groups_mean_nothing_here_is_told_so(door, installed, page):  # noqa: F811
    async with provider(installed, free_port(), door.url, "k1") as issuer:
        await believe(door, issuer)
        await page.goto(f"{door.url}/desk")
        await sign_in_there(page, "eve")
        await expect(page.get_by_role("alert")).to_contain_text("You have no account here")
        assert await door.identity.people.of(door.tenant) == []


async def test_an_account_is_made_and_secured_with_the_keyboard_alone(door, page):  # noqa: F811
    link = await door.identity.people.first(door.tenant)
    await page.goto(door.url + link.path)
    await expect(page.get_by_role("heading", name="The first account")).to_be_visible()

    async def fill(label: str, text: str) -> None:
        for _ in range(12):
            await page.keyboard.press("Tab")
            if (
                await page.evaluate("document.activeElement.closest('label')?.textContent.trim() ?? ''")
                == label
            ):
                break
        await page.keyboard.type(text)

    await fill("E-mail address", "anna@acme.example")
    await fill("Name", "Anna")
    await page.keyboard.press("Tab")
    await page.keyboard.type("correct horse battery")
    await page.keyboard.press("Tab")
    await page.keyboard.type("correct horse battery")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("status").first).to_contain_text("Welcome. You are signed in.")
    await page.goto(f"{door.url}/account")
    await page.get_by_label("Your password", exact=True).fill("correct horse battery")
    await page.get_by_role("button", name="Set up codes").click()
    secret = await page.locator("p code").text_content()
    await page.get_by_label("The code that it shows").fill("000000")
    await page.get_by_role("button", name="Switch codes on").click()
    await expect(page.get_by_role("alert")).to_contain_text("That code does not fit")
    await page.get_by_label("The code that it shows").fill(pyotp.TOTP(secret).now())
    await page.get_by_role("button", name="Switch codes on").click()
    codes = await page.locator(".codes code").all_text_contents()
    assert len(codes) == 10
    await page.get_by_role("button", name="Sign out").click()
    await page.get_by_role("link", name="Sign in again").click()
    await page.get_by_label("E-mail address").fill("anna@acme.example")
    await page.get_by_label("Password").fill("correct horse battery")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    await page.get_by_label("One-time code").fill(codes[0])
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Anna ·")).to_be_visible()
