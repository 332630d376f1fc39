"""An installation that is served: who has to sign in, and how the first comes in."""

from __future__ import annotations

import http.cookiejar
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
from outside import crossdock, running


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "crossdock.toml").write_text("packs = []\n")
    return tmp_path


class Browser:
    """Keeps cookies, follows where it is led."""

    def __init__(self) -> None:
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self._opener = urllib.request.build_opener(jar)

    def get(self, url: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, str]:
        """Status, where one has ended, and the page."""
        data = None if form is None else urllib.parse.urlencode(form).encode()
        asked = urllib.request.Request(url, data, {"accept": "text/html", **headers})
        try:
            with self._opener.open(asked, timeout=30) as answer:
                return answer.status, answer.url, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.url, error.read().decode()


def test_who_sits_at_the_machine_need_not_sign_in_until_somebody_has_an_account(place: Path) -> None:
    with running("serve", "--port", "0", "--json", cwd=place) as served:
        ready = served.first_object()
        url = ready["url"]
        assert "first" not in ready
        assert Browser().get(f"{url}/desk")[:2] == (200, f"{url}/desk")
        # By another name, or through a proxy, one has to.
        for headers in ({"Host": "evil.example"}, {"X-Forwarded-For": "203.0.113.9"}, {"Forwarded": "for=x"}):
            assert Browser().get(f"{url}/desk", **headers)[:2] == (200, f"{url}/sign-in?back=%2Fdesk"), (
                headers
            )
        invited = json.loads(crossdock("person", "invite", "ann@acme.example", "--role", "viewer", "--json",
                                  cwd=place).stdout)  # fmt: skip
        link = url + urllib.parse.urlsplit(invited["link"]).path
        ann = Browser()
        _, _, page = ann.get(link)
        token = re.search(r'name="token" value="([^"]+)"', page)[1]
        words = "correct horse battery"
        status, at, page = ann.get(link, {"token": token, "password": words, "again": words, "name": "Ann"})
        assert (status, at, "Ann" in page) == (200, f"{url}/", True)
        status, at, _ = Browser().get(f"{url}/desk")
        assert (status, at) == (200, f"{url}/sign-in?back=%2Fdesk")
        assert served.end() == 0


def test_where_everybody_signs_in_the_first_comes_by_a_link_that_is_printed(place: Path) -> None:
    with running("serve", "--port", "0", "--json", cwd=place, CROSSDOCK_SIGN_IN="on") as served:
        ready = served.first_object()
        assert ready["first"].startswith(f"{ready['url']}/invitation/cdl_1_")
        assert Browser().get(ready["url"])[1] == f"{ready['url']}/sign-in?back=%2F"
        _, _, page = Browser().get(ready["first"])
        assert "Nobody has an account here yet." in page
        assert served.end() == 0
    assert "cdl_1_" not in served.err.read_text()  # nor is it in the log


def test_a_setting_that_is_none_is_refused(place: Path) -> None:
    for name, value, words in (
        ("SIGN_IN", "maybe", "sign_in is 'maybe'"),
        ("ADDRESS", "crossdock.example", "'crossdock.example' is no address"),
        ("SESSION_IDLE", "0", "a session lasts 0.0 hours"),
    ):
        said = crossdock("runs", "--json", cwd=place, **{f"CROSSDOCK_{name}": value})
        assert words in said.stdout
