"""`crossdock key`: the first key comes from the server's machine."""

from __future__ import annotations

from pathlib import Path

import pytest
from hands import Command


@pytest.fixture
def installed(place: Path, crossdock: Command) -> Command:
    """An installation with nothing but its tenant."""
    (place / "crossdock.toml").write_text("packs = []\n")
    from crossdock.assemble import opened
    from crossdock.cli.place import run, settings_in

    async def once() -> None:
        async with opened(settings_in(Path()), set_up=True):
            pass

    run(once())
    return crossdock


def test_a_key_is_made_listed_and_revoked(installed: Command) -> None:
    made = installed("key", "create", "--role", "viewer", "--scope", "run.read", "--expires", "90d",
                     "--name", "shop", "--json").json  # fmt: skip
    assert made["key"].startswith("cdk_1_")
    assert (made["tenant"], made["roles"], made["scopes"], made["name"]) == (
        "default", ["viewer"], ["run.read"], "shop")  # fmt: skip
    listed = installed("key", "list", "--json")
    assert [one["id"] for one in listed.lines] == [made["id"]]
    assert made["key"] not in listed.out
    shown = installed("key", "list").out
    assert "shop" in shown
    assert "until" in shown
    gone = installed("key", "revoke", made["key"], "--json").json  # by its text, by mistake or in haste
    assert gone["revoked_by"] != ""
    assert installed("key", "list", "--json").lines == []
    assert [one["id"] for one in installed("key", "list", "--all", "--json").lines] == [made["id"]]
    assert installed("key", "revoke", made["id"], "--json").json["error"] == "Conflict"


def test_a_person_is_told_to_keep_it(installed: Command) -> None:
    said = installed("key", "create", "--role", "viewer")
    assert "Keep it now, it is not shown again" in said.out
    assert "  cdk_1_" in said.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--role", "viewer", "--expires", "soon"), "'soon' is no length of time"),
        (("--role", "viewer", "--scope", "run.reed"), "there is no act 'run.reed'"),
        (("--role", "not one"), "'not one' is no role"),
    ],
)
def test_what_is_wrong_is_said_and_makes_no_key(installed: Command, arguments, words) -> None:
    said = installed("key", "create", *arguments, "--json")
    assert (said.status, said.json["message"]) == (1, words)
    assert installed("key", "list", "--json").lines == []
