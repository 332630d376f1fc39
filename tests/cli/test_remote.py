"""Each command at a server, by its address and a key, and on its machine: the same is told, in the same words."""

from __future__ import annotations

import asyncio
import io
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hands import Command, Said

from crossdock.assemble import opened
from crossdock.cli.serving import pages
from crossdock.settings import Settings
from crossdock.store import EmbeddedServer
from crossdock.translate.codes import Code

BAKE = """
process: bake
owner: bakery
document: Cake
key: ${ cake.number }
declare:
  documents: { Cake: { number: string } }
steps:
  taste:
    title: Taste it
    approve: { role: baker, not: ["${ run.started_by }"] }
    refused: { cancel: it is not good }
    within: 30 days
    late: { escalate: chief }
  weigh: { set: { grams: "${ int(cake.number) * 10 }" } }
"""
MENDED = BAKE.replace("int(cake.number)", "size(cake.number)")
PAIRS = 5  # of cakes: A-1 is for what is done here, B-1 for what is done there
PARCELS = {"connector": "quayline", "settings": {"url": "http://127.0.0.1:9"}}
SECRETS = {"key": "long enough", "webhook_secret": "long enough"}


@pytest.fixture(scope="module")
def served(
    server: EmbeddedServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str, str]]:
    """An installation with a worker that is served: its directory, the database's address, the site's."""
    place = tmp_path_factory.mktemp("served")
    (place / "processes").mkdir()
    (place / "processes" / "bake.yaml").write_text(BAKE)
    (place / "mended.yaml").write_text(MENDED)
    (place / "mappings").mkdir()
    (place / "mappings" / "units.yaml").write_text("mapping: units\ntakes: string\ngives: ${ document }\n")
    (place / "codes.csv").write_text("kind,ours,theirs\nunit,EA,ea\n")
    (place / "wrong.csv").write_text("kind,ours,theirs\nunit,EA,\nunits,EA,ea\n")
    (place / "tower.graphql").write_text("{ orders(first: 5) { nodes { number } } }")
    (place / "keys.json").write_text('{"key": "long enough"}')
    (place / "connections.yaml").write_text(json.dumps({"parcels": {**PARCELS, "secrets": SECRETS}}))
    for number in [f"{side}-{n}" for side in "AB" for n in range(1, PAIRS + 2)]:
        (place / f"{number}.json").write_text(json.dumps({"number": number}))
    began, end = threading.Event(), asyncio.Event()
    told: dict[str, Any] = {}

    async def serve() -> None:
        connection = await asyncpg.connect(server.url())
        await connection.execute("create database remote template template strategy file_copy")
        try:
            told["database"] = server.url("remote")
            settings = Settings.read(place, {"DATABASE_URL": told["database"], "CROSSDOCK_PACKS": ""})
            async with (
                opened(settings, set_up=True) as system,
                pages(system, port=0) as told["url"],
                system.worker(),
            ):
                by = replace(system.whoever("tests"), id="shop")
                for side in "AB":
                    for n in range(1, PAIRS + 1):
                        cake = {"number": f"{side}-{n}"}
                        await system.acts.runs.start(by, "bake", cake, once=f"{side}-{n}")
                each = Code(kind="unit", ours="EA", theirs="ea")
                await system.acts.codes.put(by, "parcels", [(1, each)])
                async with asyncio.timeout(30):
                    while len(await system.history.exceptions(system.tenant)) < 2 * PAIRS:
                        await asyncio.sleep(0.02)
                told["loop"] = asyncio.get_running_loop()
                began.set()
                await end.wait()
        finally:
            began.set()
            await connection.execute("drop database remote with (force)")
            await connection.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    began.wait(60)
    assert "loop" in told, "it did not start: see what the thread says"
    yield place, told["database"], told["url"]
    told["loop"].call_soon_threadsafe(end.set)
    thread.join()


class Both:
    """Gives a command here, and the same one there."""

    def __init__(self, command: Command, url: str, key: str, operator: str) -> None:
        self.here = command
        self._there = ("--url", url, "--key", key)
        self._operator = ("--url", url, "--key", operator)

    def there(self, *arguments: str) -> Said:
        given = set(arguments)
        operator = arguments[0] == "tenant" or "--tenant" in given or {"secrets", "rotate"} <= given
        return self.here(*arguments, *(self._operator if operator else self._there))


@pytest.fixture
def both(served: tuple[Path, str, str], crossdock: Command, monkeypatch: pytest.MonkeyPatch) -> Both:
    """A server, and whoever sits at its machine."""
    place, database, url = served
    monkeypatch.chdir(place)
    monkeypatch.setenv("DATABASE_URL", database)
    monkeypatch.setenv("CROSSDOCK_PACKS", "")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    keys = [
        crossdock("key", "create", "--role", role, "--role", "baker", "--json").json["key"]
        if role != "operator-admin"
        else crossdock("key", "create", "--role", role, "--json").json["key"]
        for role in ("tenant-admin", "operator-admin")
    ]
    return Both(crossdock, url, *keys)


_MEANWHILE = (
    (r'"(used|used_from|changed)":("[^"]*"|null)', r'"\1":"*"'),  # a key that asks is used by asking
    (r"(\d{4}-\d\d-\d\d \d\d:\d\d from \S+|never)", "*"),
)
_OF_THE_PAIR = (
    (r"\"seconds\":[\d.e-]+", '"seconds":0'),
    (r"[AB]-(\d)", r"*-\1"),
    (r"(run|repair|task|exception)_[\w-]+", r"\1_*"),
    (r"cdk_1_\w+|cdl_1_[\w-]+", "text"),
    (r"http://127.0.0.1:\d+", "site"),
    (r'"\d{4}-[^"]*Z"', '"at"'),
    (r'"(id|made_by|stopped_by|suspended_by|origin|signature|statement)":"(?:[^"\\]|\\.)*"', r'"\1":"*"'),
    (r'"audit_checkpoint":\d+', '"audit_checkpoint":0'),
    (r"key revoke \w+", "key revoke *"),
    (r"^\w{12} is revoked", "* is revoked"),
)


def plain(said: Said, *patterns: tuple[str, str]) -> Said:
    out, err = said.out, said.err
    for pattern, new in patterns:
        out, err = re.sub(pattern, new, out), re.sub(pattern, new, err)
    return Said(said.status, re.sub(" +", " ", out), err)


LOOKS = [
    ["runs"],
    ["runs", "--process", "bake", "--status", "held"],
    ["runs", "A-1"],
    ["events"],
    ["connections", "list"],
    ["connections", "show", "parcels"],
    ["connections", "connectors"],
    ["connections", "health"],
    ["connections", "recording", "parcels"],
    ["connections", "connectors", "quayline"],
    ["backtest", "mended.yaml"],
    ["backtest", "mended.yaml", "--since", "1d", "--limit", "3", "--assume"],
    ["map", "list"],
    ["map", "show", "units"],
    ["map", "versions", "units"],
    ["codes", "list"],
    ["codes", "list", "parcels", "--kind", "unit"],
    ["replay"],
    ["replay", "A-1"],
    ["retry", "--type", "decision_failed"],
    ["repair", "skip", "--process", "bake"],
    ["tasks", "list"],
    ["tasks", "list", "--run", "A-1", "--status", "any"],
    ["exceptions", "list"],
    ["exceptions", "list", "--type", "decision_failed", "--run", "B-1"],
    ["process", "list"],
    ["process", "versions", "bake"],
    ["audit", "list", "--action", "run.start"],
    ["audit", "list", "--on", "process/bake", "--most", "1"],
    ["audit", "key"],
    ["access", "explain", "role:viewer", "run.cancel"],
    ["access", "explain", "role:baker", "task.decide", "task/TASK"],
    ["access", "roles"],
    ["access", "roles", "order-desk"],
    ["personal", "show"],
    ["personal", "find", "nobody"],
    ["personal", "erased"],
    ["proposals", "list"],
    ["proposals", "list", "--run", "A-1", "--status", "any"],
    ["tasks", "show", "TASK"],
    ["exceptions", "show", "EXCEPTION"],
    ["key", "list"],
    ["person", "list"],
    ["provider", "list"],
    ["limits", "list"],
    ["limits", "list", "--tenant", "default"],
    ["graphql", "list"],
    ["tenant", "list"],
]
WRONG = [
    ["runs", "nothing"],
    ["runs", "--status", "activ"],
    ["runs", "--process", "bkae"],
    ["run", "bkae", "-d", "A-1.json"],
    ["run", "bake", "-d", "A-1.json"],
    ["run", "bake", "-d", "nothing.json"],
    ["cancel", "nothing", "--reason", "no"],
    ["retry"],
    ["retry", "--progress", "repair_1"],
    ["retry", "--type", "decision_failed", "--yes", "--rate", "nan"],
    ["move", "A-1"],
    ["move"],
    ["connections", "stop", "nothing"],
    ["connections", "test", "parcels"],
    ["connections", "test", "nothing"],
    ["connections", "record", "parcels", "--for", "soon"],
    ["connections", "add", "parcels", "--connector", "quayline"],
    ["connections", "add", "more", "--connector", "qayline"],
    ["connections", "add", "more", "--connector", "quayline", "--set", "url"],
    ["connections", "add", "more", "--connector", "quayline", "--set", "adress=x"],
    ["connections", "edit", "nothing", "--set", "url=x"],
    ["secrets", "drop", "parcels", "nothing"],
    ["connections", "start", "parcels", "--rate", "0"],
    ["tasks", "show", "task_1"],
    ["tasks", "decide", "TASK", "maybe"],
    ["tasks", "decide", "TASK", "done"],
    ["exceptions", "close", "EXCEPTION", "--action", "fly"],
    ["exceptions", "close", "EXCEPTION", "--action", "skip"],
    ["backtest", "mended.yaml", "--since", "soon"],
    ["backtest", "mended.yaml", "--since", "3 business days"],
    ["backtest", "mended.yaml", "--process", "bkae"],
    ["backtest", "A-1.json"],
    ["map", "show", "nothing"],
    ["map", "publish", "A-1.json"],
    ["codes", "set", "parcels", "unit", "PCE", "ea"],
    ["codes", "set", "nothing", "unit", "EA", "ea"],
    ["codes", "set", "parcels", "units", "EA", "ea"],
    ["codes", "import", "parcels", "wrong.csv"],
    ["codes", "drop", "parcels", "unit", "--theirs", "nothing"],
    ["process", "publish", "A-1.json"],
    ["process", "publish", "nothing.yaml"],
    ["process", "back", "bake", "x"],
    ["audit", "list", "--outcome", "good"],
    ["access", "explain", "nobody", "run.read"],
    ["access", "explain", "role:viewer", "run.raed"],
    ["access", "roles", "nothing"],
    ["access", "set", "--roles", "A-1.json"],
    ["access", "set", "--policies", "A-1.json"],
    ["personal", "erase", "customer/nobody", "--why", "no"],
    ["personal", "held", "customer/nobody"],
    ["personal", "stop"],
    ["proposals", "accept", "proposal_1"],
    ["proposals", "list", "--status", "opne"],
    ["proposals", "make", "run.fly", "TASK", "--why", "no"],
    ["proposals", "make", "task.decide", "TASK", "--why", "no", "--given", "A-1.json"],
    ["key", "revoke", "nothing"],
    ["key", "create", "--role", "not one"],
    ["key", "create", "--role", "viewer", "--expires", "soon"],
    ["person", "suspend", "nobody", "--why", "no"],
    ["person", "roles", "nobody", "--role", "viewer"],
    ["person", "invite", "no address", "--role", "viewer"],
    ["provider", "drop", "nothing"],
    ["provider", "set", "corp", "--issuer", "x", "--client-id", "c"],
    [
        "provider",
        "set",
        "corp",
        "--issuer",
        "https://x.example",
        "--client-id",
        "c",
        "--group",
        "ops=not one",
    ],
    ["limits", "set", "read", "often", "--tenant", "default"],
    ["limits", "set", "reed", "1/minute", "--tenant", "default"],
    ["limits", "drop", "graphql", "--tenant", "default"],
    ["limits", "list", "--tenant", "nobody"],
    ["graphql", "drop", "nothing"],
    ["graphql", "allow", "A-1.json"],
    ["retry", "--exception", "exception_1"],
    ["retry", "A-1", "--exception", "EXCEPTION"],
    ["repair", "cancel", "--exception", "EXCEPTION"],
    ["tenant", "suspend", "nobody", "--why", "no"],
    ["tenant", "delete", "nobody", "--why", "no", "--yes", "nobody"],
    ["tenant", "create", "No Name"],
]
# Each is done to A-1 ... here and to B-1 ... there; SIDE stands for either.
ACTS = [
    ["run", "bake", "--document", "SIDE-6.json"],
    ["retry", "SIDE-1", "--note", "again"],
    ["repair", "skip", "SIDE-1", "--step", "weigh", "--note", "light"],
    ["repair", "close", "SIDE-2", "--note", "seen"],
    ["retry", "--exception", "AGAIN", "--note", "again"],
    ["tasks", "decide", "TASK", "approved", "--note", "sweet"],
    ["exceptions", "close", "EXCEPTION", "--note", "seen"],
    ["cancel", "SIDE-4", "--reason", "burnt"],
    ["connections", "stop", "parcels", "--stand-still"],
    ["connections", "start", "parcels", "--rate", "5"],
    [
        "connections",
        "add",
        "mail-SIDE",
        "--connector",
        "postbox",
        "--set",
        "url=http://127.0.0.1:9",
        "--secrets",
        "keys.json",
    ],
    ["connections", "edit", "mail-SIDE", "--set", "url=http://127.0.0.1:9/mail", "--environment", "sandbox"],
    ["connections", "record", "mail-SIDE", "--for", "90s"],
    ["connections", "remove", "mail-SIDE"],
    ["map", "publish", "mappings/units.yaml"],
    ["codes", "set", "parcels", "item", "tenant-SIDE", "mail-SIDE", "--why", "new"],
    ["codes", "import", "parcels", "codes.csv", "--only-look"],
    ["codes", "drop", "parcels", "item", "--theirs", "mail-SIDE"],
    ["key", "create", "--role", "viewer", "--scope", "run.read", "--expires", "90d", "--name", "shop"],
    ["person", "invite", "ann-SIDE@acme.example", "--role", "viewer", "--name", "Ann"],
    [
        "provider",
        "set",
        "corp-SIDE",
        "--issuer",
        "https://x.example",
        "--client-id",
        "c",
        "--group",
        "a=viewer",
    ],
    [
        "provider",
        "set",
        "corp-SIDE",
        "--issuer",
        "https://y.example",
        "--client-id",
        "c",
        "--scope",
        "openid",
    ],
    ["provider", "drop", "corp-SIDE", "--why", "gone"],
    ["limits", "set", "bulk", "50000/minute", "--of", "key-SIDE", "--tenant", "default", "--why", "agreed"],
    ["limits", "drop", "bulk", "--of", "key-SIDE", "--tenant", "default"],
    ["graphql", "allow", "tower.graphql", "--why", "the tower"],
    ["secrets", "rotate"],
    ["tenant", "create", "tenant-SIDE", "--title", "One"],
    ["tenant", "suspend", "tenant-SIDE", "--why", "unpaid"],
    ["tenant", "resume", "tenant-SIDE"],
    ["tenant", "suspend", "tenant-SIDE", "--why", "gone"],
    ["tenant", "delete", "tenant-SIDE", "--why", "gone", "--yes", "tenant-SIDE"],
]


def named(both: Both, arguments: list[str], side: str = "A") -> list[str]:
    """With what is open of the third cake, or AGAIN the fifth, in the place of its names."""
    found = [one.replace("SIDE", side if one[0].isupper() else side.lower()) for one in arguments]
    for name, list_, n in (("TASK", "tasks", 3), ("EXCEPTION", "exceptions", 3), ("AGAIN", "exceptions", 5)):
        if any(name in one for one in found):
            id_ = both.here(list_, "list", "--run", f"{side}-{n}", "--json").lines[0]["id"]
            found = [one.replace(name, id_) for one in found]
    return found


def test_what_is_looked_at_is_told_alike(both: Both) -> None:
    for arguments in LOOKS:
        for more in ([], ["--json"]):
            given = [*named(both, arguments), *more]
            here, there = plain(both.here(*given), *_MEANWHILE), plain(both.there(*given), *_MEANWHILE)
            assert (there, here.out != "" or here.status == 0) == (here, True), given


def test_what_is_wrong_is_said_alike(both: Both) -> None:
    for arguments in WRONG:
        for more in ([], ["--json"]):
            given = [*named(both, arguments), *more]
            here, there = plain(both.here(*given), *_OF_THE_PAIR), plain(both.there(*given), *_OF_THE_PAIR)
            assert (there, here.status) == (here, 1), given


def test_what_is_done_is_told_alike(both: Both) -> None:
    pairs = (
        *_OF_THE_PAIR,
        (r"(ann|tenant|mail|corp|key)-[ab]", r"\1"),
        (r'"(rows|key)":[^,}]*', r'"\1":"*"'),
    )
    for arguments in ACTS:
        here = both.here(*named(both, arguments, "A"), "--json")
        there = both.there(*named(both, arguments, "B"), "--json")
        assert (plain(there, *pairs), here.status) == (plain(here, *pairs), 0), arguments


def until(both: Both, move: str, **wanted: Any) -> None:
    end = time.monotonic() + 30
    while (found := both.there("move", "--progress", move, "--json").json) | wanted != found:
        assert time.monotonic() < end, found


def test_many_are_repaired_and_moved_from_elsewhere(both: Both) -> None:
    current = both.there("process", "list", "--json").json["version"]
    made = both.there("process", "publish", "mended.yaml", "--why", "sizes", "--json").json
    assert made["version"] != current
    for side in "AB":
        both.here("run", "bake", "--document", f"{side}-1.json")
    cause = ("--type", "decision_failed", "--process", "bake")
    count = both.there("move", *cause, "--json").json["runs"]
    assert count == both.here("move", *cause, "--json").json["runs"] >= 2
    begun = both.there("move", *cause, "--yes", "--trial", "1", "--json").json
    assert (begun["counted"], begun["status"]) == (count, "trial")
    until(both, begun["id"], status="waiting")
    assert both.there("move", "--proceed", begun["id"], "--json").status == 0
    until(both, begun["id"], outcomes={"moved": count})
    results = both.there("move", "--progress", begun["id"], "--json").json["results"]
    assert {one["outcome"] for one in results} == {"moved"}
    assert both.there("exceptions", "list", "--type", "decision_failed", "--json").lines == []
    back = both.there("process", "back", "bake", current[:8], "--json").json
    assert back["version"] == current


def test_the_audit_is_verified_and_written_out_from_elsewhere(both: Both) -> None:
    good = both.there("audit", "verify", "--json")
    assert (good.status, good.json["good"], good.json["outside"]) == (0, True, True)
    public = next(iter(both.there("audit", "key", "--json").json.values()))
    assert both.there("audit", "export", "--to", "there.ndjson").status == 0
    verified = both.here("audit", "verify", "there.ndjson", "--public-key", public, "--json")
    assert (verified.status, verified.json["entries"] > 10) == (0, True)
    newest = both.there("audit", "list", "--action", "audit.read", "--most", "1", "--json").json
    assert newest["why"] == "export"
    refused = both.there("audit", "verify", "--tenant", "other", "--json").json
    assert refused["message"] == "a key is of one tenant"


def test_a_master_key_is_not_made_from_elsewhere_and_a_dropped_query_is_not_let_in(both: Both) -> None:
    refused = both.there("secrets", "rotate", "--new-master", "--json")
    assert (refused.status, refused.json["where"]) == (1, "--new-master")
    assert "without --url" in refused.json["mend"]
    assert both.there("limits", "set", "read", "1/minute", "--json").json["where"] == "--tenant"
    assert both.there("graphql", "allow", "tower.graphql", "--json").status == 0
    (known,) = both.here("graphql", "list", "--json").lines
    assert known["allowed"] is True
    assert both.there("graphql", "drop", known["hash"], "--json").json == {
        "hash": known["hash"],
        "dropped": True,
    }
    assert both.here("graphql", "list", "--json").lines == []


def test_a_person_s_key_is_made_shown_once_and_taken_back_from_elsewhere(both: Both) -> None:
    made = both.there("key", "create", "--role", "viewer", "--json").json
    assert made["key"].startswith("cdk_1_")
    assert made["key"] not in both.there("key", "list", "--all", "--json").out
    assert both.there("key", "revoke", made["key"], "--json").json["revoked"] is not None
    said = both.here("runs", "--url", both._there[1], "--key", made["key"], "--json")
    assert (said.status, said.json["error"]) == (1, "NotProven")


def test_what_keeps_one_out_of_a_server_is_said_and_the_key_is_not(
    both: Both, served: tuple[Path, str, str]
) -> None:
    url, key = served[2], "cdk_1_secret"
    viewer = both.here("key", "create", "--role", "viewer", "--json").json["key"]

    class Elsewhere(BaseHTTPRequestHandler):
        """Something that is no Crossdock; below /old, one of a release that has no such address."""

        def do_GET(self) -> None:
            body = b"<html>"
            if self.path.startswith("/old"):
                type_ = "https://schemas.crossdock.dev/problem/not-found"
                body = json.dumps({"type": type_, "detail": f"there is nothing at {self.path}"}).encode()
            self.send_response(404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as other:
        threading.Thread(target=other.serve_forever).start()
        port = other.server_address[1]
        for given, status, message, mend in [
            (["--url", "http://crossdock.example", "--key", key], 1, "a key is not sent in the clear", "https"),
            (["--url", url], 1, f"no key is given for {url}", "CROSSDOCK_KEY"),
            (["--url", url, "--key", "a key"], 1, "this is no key", "crossdock key create"),
            (["--url", url, "--key", key], 1, "the key or token is not in force", ""),
            (["--url", url, "--key", key, "-C", "x"], 1, "a directory and a server are both named", "--url"),
            (["--url", "http://127.0.0.1:9", "--key", key], 3, "http://127.0.0.1:9/ is not there", "runs"),
            (["--url", f"http://127.0.0.1:{port}", "--key", key], 1,
             "the server answered 404, and not as Crossdock does", "see that the address is that of a"),
            (["--url", f"http://127.0.0.1:{port}/old", "--key", key], 1,
             "the server does not know what it is asked for", "it is of another release"),
        ]:  # fmt: skip
            said = both.here("runs", *given, "--json")
            assert (said.status, said.json["message"]) == (status, message)
            assert mend in said.json["mend"]
            assert key not in said.out + said.err
        other.shutdown()
    said = both.here("cancel", "A-1", "--reason", "no", "--url", url, "--key", viewer, "--json")
    assert (said.status, said.json["error"]) == (1, "Forbidden")
    assert "may not" in said.json["message"]
    assert "roles" in said.json["mend"]
