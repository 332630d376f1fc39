"""`crossdock key`, `person`, `provider`: who may come, said on the server's machine."""

from __future__ import annotations

import io
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


def test_people_are_invited_given_roles_shut_out_and_let_in(installed: Command) -> None:
    assert "Nobody yet" in installed("person", "list").out
    invited = installed("person", "invite", "Ann@acme.example", "--role", "viewer", "--json").json
    assert invited["link"].startswith("http://127.0.0.1:8470/invitation/cdl_1_")
    assert installed("person", "list", "--json").lines == []  # a link is no person yet
    for command in ("suspend", "resume", "reset", "roles"):
        more = ["--role", "viewer"] if command == "roles" else ["--why", "x"]
        assert (
            installed("person", command, "ann", *more, "--json").json["message"] == "there is no person ann"
        )
    said = installed("person", "invite", "no address", "--role", "viewer", "--json")
    assert (said.status, said.json["message"]) == (1, "this is no e-mail address")


def test_a_provider_is_set_listed_and_dropped_and_its_secret_is_not_shown(
    installed: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret-of-ours\n"))
    made = installed(
        "provider", "set", "corp", "--issuer", "https://login.corp.example", "--client-id", "crossdock",
        "--group", "ops=operations-lead", "--group", "ops=viewer", "--group", "*=viewer", "--json",
    ).json  # fmt: skip
    assert made["groups"] == {"ops": ["operations-lead", "viewer"], "*": ["viewer"]}
    listed = installed("provider", "list", "--json")
    assert listed.lines == [made]
    audit = installed("audit", "list", "--json")
    assert "s3cret" not in listed.out + audit.out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    wrong = installed(
        "provider", "set", "corp", "--issuer", "x", "--client-id", "c", "--group", "ops", "--json"
    )
    assert wrong.json["message"] == "'ops' names no role"
    assert installed("provider", "drop", "corp", "--json").json == {"provider": "corp", "dropped": True}
    assert installed("provider", "list", "--json").lines == []
