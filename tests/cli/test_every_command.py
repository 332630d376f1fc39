"""Every command that changes anything asks first: without the right it is refused, and changes nothing.

The commands are found by looking: one that is added later, and not named here, fails these tests.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import typer.main
from hands import Command

import crossdock.cli
from acting import everything
from crossdock.access.audit import Filter
from crossdock.access.policy_form import Rules
from crossdock.access.tenants import OPERATOR
from crossdock.api.names import NameBook, text_name
from crossdock.assemble import System, opened
from crossdock.cli.place import settings_in
from crossdock.settings import user

# What only looks, or works on nothing that is kept here.
LOOKS = {
    "access explain",
    "access roles",
    "audit key",
    "audit list",
    "audit verify",
    "backtest",
    "check",
    "connections connectors",
    "connections health",
    "connections list",
    "connections recording",
    "connections show",
    "connector new",  # writes files of its own
    "demo",  # in an installation of its own
    "doctor",
    "events",
    "exceptions list",
    "exceptions show",
    "graphql list",
    "key list",
    "person list",
    "personal erased",
    "personal show",
    "process list",
    "process versions",
    "provider list",
    "limits list",
    "codes list",
    "codes waiting",
    "map list",
    "map show",
    "map test",
    "map try",
    "proposals list",
    "proposals show",
    "map versions",
    "replay",
    "runs",
    "sandbox",
    "schema",
    "secrets list",
    "tasks list",
    "tasks show",
    "tenant list",
    "translate",
    "try",
}
CHANGES = {
    "access set": ["--policies", "none.cedar"],
    "audit export": [],
    "cancel": ["C-1", "--reason", "no"],
    "codes drop": ["parcels", "unit", "--theirs", "ea"],
    "codes fetch": ["parcels"],
    "codes import": ["parcels", "codes.csv"],
    "codes set": ["parcels", "unit", "EA", "ea"],
    "connections add": ["parcels2", "--connector", "quayline", "--set", "url=http://127.0.0.1:9"],
    "connections edit": ["parcels", "--set", "url=http://127.0.0.1:9/"],
    "connections record": ["parcels"],
    "connections remove": ["parcels"],
    "connections start": ["parcels"],
    "connections stop": ["parcels"],
    "connections test": ["parcels"],
    "exceptions close": ["EXCEPTION"],
    "graphql allow": ["query.graphql"],
    "graphql drop": ["0" * 64],
    "key create": ["--role", "viewer"],
    "key revoke": ["abc"],
    "limits drop": ["read"],
    "limits set": ["read", "1/minute"],
    "map publish": ["units.yaml"],
    "move": ["--process", "bake", "--yes"],
    "reconcile": [],
    "person invite": ["ann@acme.example", "--role", "viewer"],
    "person reset": ["ann"],
    "person resume": ["ann"],
    "person roles": ["ann", "--role", "viewer"],
    "person suspend": ["ann", "--why", "no"],
    "personal erase": ["customer/C-7", "--why", "no"],
    "personal find": ["anna"],
    "personal held": ["customer/C-7"],
    "personal seal": [],
    "personal stop": [],
    "process back": ["bake", "a"],
    "process publish": ["processes/bake.yaml"],
    "proposals accept": ["PROPOSAL"],
    "proposals decline": ["PROPOSAL"],
    "proposals make": ["exception.close", "EXCEPTION", "--why", "no"],
    "provider drop": ["corp"],
    "provider set": ["corp", "--issuer", "https://x.example", "--client-id", "c"],
    "repair": ["close", "--process", "bake", "--yes"],
    "retry": ["--type", "late", "--yes"],
    "run": ["bake", "--document", "cake.json"],
    "secrets drop": ["parcels", "key"],
    "secrets rotate": [],
    "secrets set": ["parcels", "key"],
    "serve": ["--port", "0"],
    "tasks decide": ["TASK", "done"],
    "tenant create": ["other"],
    "tenant delete": ["acme", "--why", "no", "--yes", "acme"],
    "tenant export": ["acme"],
    "tenant resume": ["acme"],
    "tenant suspend": ["acme", "--why", "no"],
    "worker": [],
}
BAKE = """
process: bake
owner: bakery
document: Cake
key: ${ cake.number }
declare:
  documents: { Cake: { number: string } }
steps:
  rest: { wait: 30 days }
  taste: { task: { role: baker }, within: 30 days, late: { escalate: chief } }
  weigh: { set: { grams: "${ int(cake.number) }" } }
"""
NOT_EVEN = """
@id("not-this-user") @says("{who} only looks on")
forbid (principal, action, resource)
when { principal.id == "USER" }
unless { context.act == "person.read" };
"""


@pytest.fixture
def here(place: Path, url: str, crossdock: Command, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a run, a connection and its secret, whose user may nothing any more."""
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")
    (place / "processes").mkdir()
    (place / "processes" / "bake.yaml").write_text(BAKE)
    (place / "none.cedar").write_text("")
    (place / "query.graphql").write_text("{ orders(first: 1) { nodes { number } } }")
    (place / "units.yaml").write_text("mapping: units\ntakes: string\ngives: ${ document }\n")
    (place / "codes.csv").write_text("kind,ours,theirs\nunit,EA,ea\n")
    (place / "cake.json").write_text(json.dumps({"number": "C-2"}))
    parcels = {
        "connector": "quayline",
        "settings": {"url": "http://127.0.0.1:9"},
        "secrets": {"key": "long enough", "webhook_secret": "long enough"},
    }
    (place / "connections.yaml").write_text(json.dumps({"parcels": parcels}))
    (place / "cake-1.json").write_text(json.dumps({"number": "C-1"}))

    async def begin(system: System) -> None:
        operator = await system.operator("tests")
        await system.acts.tenants.create(operator, "acme")

    async def forbid(system: System) -> None:
        rules = Rules(text=NOT_EVEN.replace("USER", user()))
        for by in (system.whoever("tests"), await system.operator("tests")):
            async with system.database.engine() as transaction:
                await system.policies.put(transaction, by, rules)

    async def work(system: System) -> dict[str, str]:
        async with system.worker(), asyncio.timeout(20):
            while not await system.history.exceptions(system.tenant):
                await asyncio.sleep(0.05)
        async with system.database.of(system.tenant) as transaction:
            ids = {
                kind: await transaction.value(f"select id from crossdock.{kind}")
                for kind in ("task", "exception")
            }
        made = await system.acts.proposals.make(
            system.whoever("tests"), "exception.close", ids["exception"], {}, why="it is old"
        )
        names = await NameBook(system.database).of(system.tenant)
        told = {kind.upper(): text_name(kind, id_) for kind, id_ in ids.items()}
        return told | {"PROPOSAL": names.name("proposal", made.id)}

    within(place, begin, set_up=True)
    assert crossdock("run", "bake", "--document", "cake-1.json").status == 0
    (place / "names.json").write_text(json.dumps(within(place, work)))
    within(place, forbid)
    return place


def within(place: Path, act: Callable[[System], Awaitable[Any]], *, set_up: bool = False) -> Any:
    async def go() -> Any:
        async with opened(settings_in(place), set_up=set_up) as system:
            return await act(system)

    return asyncio.run(go())


def commands() -> set[str]:
    """All commands, by the words that give them."""
    found: set[str] = set()

    def walk(command: Any, words: list[str]) -> None:
        for name, one in getattr(command, "commands", {}).items():
            walk(one, [*words, name])
        if not hasattr(command, "commands"):
            found.add(" ".join(words))

    walk(typer.main.get_command(crossdock.cli.everything()), [])
    return found


def test_every_command_is_named_here() -> None:
    assert commands() == set(CHANGES) | LOOKS


def test_no_command_changes_anything_without_the_right(
    crossdock: Command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sys.stdin", type("In", (), {"isatty": lambda _: False, "read": lambda *_: "x" * 9})()
    )

    async def look(system: System) -> dict[str, str]:
        found = await everything(system.database)
        del found["api_secret"]  # made for a tenant when it is first asked about
        return found

    async def refused(system: System) -> int:
        found = 0
        for name in (system.tenant.name, OPERATOR):
            tenant = await system.database.tenant(name)
            page = await system.audit.entries(tenant, Filter(actor=user(), outcome="refused"))
            found += sum(entry.count for entry in page.items)
        return found

    names = json.loads((here / "names.json").read_text())
    before = within(here, look)
    for words, arguments in CHANGES.items():
        json_too = [] if words in ("audit export", "tenant export") else ["--json"]
        said = crossdock(*words.split(), *(names.get(one, one) for one in arguments), *json_too)
        assert said.status == 1, (words, said)
        assert "only looks on" in said.out + said.err, (words, said)
        assert within(here, look) == before, words
    assert within(here, refused) == len(CHANGES)
