"""`crossdock access`: why somebody may or may not, and what a tenant adds."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hands import Command

from crossdock.assemble import opened
from crossdock.cli.place import settings_in


@pytest.fixture
def begun(place: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with nothing in it, after its first start."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")

    async def go() -> None:
        async with opened(settings_in(place), set_up=True):
            pass

    asyncio.run(go())
    return place


def test_why_somebody_may_or_may_not(crossdock: Command, begun: Path) -> None:
    may = crossdock("access", "explain", "role:auditor", "audit.read", "--json")
    assert (may.status, may.json["allowed"], may.json["policies"]) == (0, True, ["auditor"])
    words = crossdock("access", "explain", "role:viewer", "audit.read")
    assert words.status == 1
    assert "not allowed: role:viewer may not see and export the audit" in words.out
    assert "it needs one of the roles: auditor, tenant-admin" in words.out
    assert "role:viewer has: viewer" in words.out
    key = crossdock("key", "create", "--role", "tenant-admin", "--scope", "run.read", "--json").json["id"]
    narrowed = crossdock("access", "explain", f"key:{key}", "run.cancel", "--json")
    assert (narrowed.status, narrowed.json["policies"]) == (1, ["scopes"])
    assert narrowed.json["why"] == f"the key key:{key} is narrowed to other acts"
    crossdock("key", "revoke", key)
    assert "is shut out" in crossdock("access", "explain", f"key:{key}", "run.read").out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nobody", "run.read"), "nobody is called nobody"),
        (("role:viewer", "run.raed"), "there is no act run.raed"),
        (("role:viewer", "run.read", "ruin/7"), "there is no kind ruin"),
        (("role:viewer", "run.read", "run/7"), "there is no run 7"),
        (("key:none", "run.read"), "there is no key none"),
    ],
)
def test_what_cannot_be_explained_says_why(
    crossdock: Command, begun: Path, arguments: tuple[str, ...], said: str
) -> None:
    answer = crossdock("access", "explain", *arguments, "--json")
    assert (answer.status, answer.json["message"]) == (1, said)


def test_roles_are_listed_with_what_they_may(crossdock: Command, begun: Path) -> None:
    roles = {one["name"]: one for one in crossdock("access", "roles", "--json").lines}
    assert len(roles) == 10
    assert "run.cancel" in roles["operations-lead"]["actions"]
    assert "order-desk" in crossdock("access", "roles").out
    assert "start a run by hand" in crossdock("access", "roles", "order-desk").out
    assert "decides the tasks that ask for it" in crossdock("access", "roles", "credit-controller").err


def test_what_a_tenant_adds_holds_and_is_noted(crossdock: Command, begun: Path) -> None:
    (begun / "roles.json").write_text(
        json.dumps({"dispatch": {"says": "sends trucks", "actions": ["run.read", "run.start"]}})
    )
    (begun / "policies.cedar").write_text(
        '@id("no-claims") @says("claims are finance") forbid (principal in Role::"dispatch", '
        'action == Action::"run.start", resource);'
    )
    set_ = crossdock("access", "set", "--roles", "roles.json", "--why", "a new team", "--json")
    assert set_.json == {"version": 1, "roles": ["dispatch"]}
    assert crossdock("access", "explain", "role:dispatch", "run.start").status == 0
    assert crossdock("access", "set", "--policies", "policies.cedar", "--json").json["version"] == 2
    told = crossdock("access", "explain", "role:dispatch", "run.start", "--json").json
    assert (told["allowed"], told["why"]) == (False, "claims are finance")
    newest, first = crossdock("audit", "list", "--action", "role.change", "--json").lines
    assert (first["why"], first["after"]["roles"]) == (
        "a new team",
        {"dispatch": ["run.read", "run.start"]},
    )
    assert newest["before"]["version"] == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("roles", "[]", "these are no roles"),
        ("roles", '{"x": {"actions": ["run.fly"]}}', "there is no act run.fly"),
        ("policies", "permit (", "this is no policy"),
    ],
)
def test_what_will_not_do_is_refused(
    crossdock: Command, begun: Path, name: str, text: str, said: str
) -> None:
    (begun / "given").write_text(text)
    answer = crossdock("access", "set", f"--{name}", "given", "--json")
    assert (answer.status, said in answer.json["message"]) == (1, True)
