"""What cannot be used is refused: what it is, where it stands, what mends it; and nothing is half done."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hands import Command

from crossdock.assemble import System, opened
from crossdock.settings import Settings

ORDER = {
    "number": "SO-1",
    "customer": {"id": "C-1", "name": "Acme"},
    "currency": "EUR",
    "lines": [
        {
            "number": "1",
            "item": "A-1",
            "quantity": {"value": "3", "unit": "EA"},
            "price": {"amount": "3.00", "currency": "EUR"},
        }
    ],
    "total": {"amount": "9.00", "currency": "EUR"},
}


def at_once(action: Callable[[], Awaitable[Any]]) -> Any:
    """Run it to the end beside the loop of the test."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(action())))  # type: ignore[arg-type]
    thread.start()
    thread.join()
    return found[0]


def inside(url: str, look: Callable[[System], Awaitable[Any]], *, set_up: bool = False) -> Any:
    """Do something in the installation with that database."""

    async def go() -> Any:
        async with opened(Settings.read(Path(), {"DATABASE_URL": url}), set_up=set_up) as system:
            return await look(system)

    return at_once(go)


@pytest.fixture
def installed(place: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An installation on a server, set up and empty."""

    async def nothing(_system: System) -> None:
        pass

    inside(url, nothing, set_up=True)
    monkeypatch.setenv("DATABASE_URL", url)
    return url


@pytest.mark.parametrize(
    ("text", "message", "mend"),
    [
        ("prot = 3", "there is no setting `prot`", "did you mean `port`?"),
        ('port = "x"', "`port` is 'x', where a whole number is needed", "e.g. 8470"),
        ("port = 99999", "there is no port 99999", "give 1 to 65535"),
        ("port =", "this is not TOML: Invalid value (at end of document)", "mend the line it names"),
        ('zone = "Moon/One"', "there is no zone 'Moon/One'", "give an IANA name, as Europe/Berlin"),
        ("lease = 0", "a lease lasts 0.0 seconds", "e.g. 60.0"),
    ],
)
def test_a_setting_that_cannot_be(
    crossdock: Command, place: Path, text: str, message: str, mend: str
) -> None:
    (place / "crossdock.toml").write_text(text)
    said = crossdock("serve", "--json")
    assert said.status == 1
    assert (said.json["message"], said.json["mend"]) == (message, mend)
    assert said.json["where"]
    assert sorted(path.name for path in place.iterdir()) == ["crossdock.toml"]


def test_a_command_where_nothing_is_installed_makes_nothing(crossdock: Command, place: Path) -> None:
    said = crossdock("runs", "--json")
    assert (said.status, said.json["message"]) == (1, "there is no installation here")
    said = crossdock("runs", "-C", "nowhere")
    assert (said.status, said.err.splitlines()[0]) == (1, "there is no such directory")
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("postgresql://x:y@127.0.0.1:1/db", 3, "the database cannot be reached: "),
        ("mysql://x:y@127.0.0.1/db", 1, "this is no address of a database"),
        ("nonsense", 1, "this is no address of a database"),
    ],
)
def test_a_database_that_does_not_answer(
    crossdock: Command, monkeypatch: pytest.MonkeyPatch, address: str, status: int, message: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", address)
    for command in ("runs", "serve", "worker"):
        said = crossdock(command, "--json")
        assert said.status == status
        assert said.json["message"].startswith(message)
        assert "DATABASE_URL" in said.json["where"] + said.json["mend"]


def test_a_database_of_a_newer_release(
    crossdock: Command, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def newer() -> None:
        connection = await asyncpg.connect(installed)
        await connection.execute("insert into crossdock.migration values (9000, 'later', 'x')")
        await connection.close()

    at_once(newer)
    said = crossdock("serve", "--json")
    assert said.status == 1
    assert said.json["message"].startswith("the database is newer than this Crossdock: it has migration 9000")
    assert said.json["mend"] == "use the Crossdock release that migrated it, or a newer one"


def test_a_database_that_is_not_there(
    crossdock: Command, installed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", installed.replace("/test", "/nothing"))
    said = crossdock("runs", "--json")
    assert (said.status, said.json["where"]) == (1, "DATABASE_URL")


@pytest.mark.parametrize(
    ("version", "message"),
    [("16", "the data directory is of PostgreSQL 16; this Crossdock carries 18"),
     ("what", "this is no data directory of PostgreSQL")],
)  # fmt: skip
def test_a_data_directory_of_another_version(
    crossdock: Command, place: Path, version: str, message: str
) -> None:
    found = place / "crossdock-data" / "postgres" / "PG_VERSION"
    found.parent.mkdir(parents=True)
    found.write_text(f"{version}\n")
    said = crossdock("serve", "--json")
    assert (said.status, said.json["message"]) == (1, message)
    assert str(found.parent) in said.json["where"]
    assert [path.name for path in found.parent.iterdir()] == ["PG_VERSION"]


def test_a_data_directory_that_cannot_be_written(
    crossdock: Command, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "file").write_text("x")
    monkeypatch.setenv("CROSSDOCK_DATA", "file/data")
    said = crossdock("serve", "--json")
    assert said.status == 1
    assert said.json["message"] == "the data directory cannot be written: Not a directory"
    assert said.json["where"] == str(place / "file" / "data")


def test_a_port_that_is_taken(crossdock: Command, installed: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = crossdock("serve", "--json", "--port", str(port))
        assert said.status == 1
        assert said.json["message"] == f"127.0.0.1:{port} cannot be served: Address already in use"
        assert said.json["mend"] == "another `crossdock serve` may run there; give another --port"


URL = "settings: { url: http://127.0.0.1:1 }"
SECRETS = "secrets: { client_id: a, client_secret: b }"


BAD_CONNECTIONS = [
    ("erp: [\n", "this is not YAML: ", "mend the line it names"),
    ("- erp\n", "connections are named fields", "write `name:` and below it `connector:`"),
    ("erp: northway_erp", "a connection has fields", "write `connector:` and `settings:`"),
    ("erp: { connector: nortway_erp }", "there is no connector `nortway_erp`", "did you mean `northway_erp`?"),
    ("erp: { system: erp }", "no connector", "see `crossdock connections connectors`"),
    ("erp: { connector: northway_erp, setings: {} }", "unknown field `setings`", "did you mean `settings`?"),
    ("erp: { connector: northway_erp, system: wms }", "northway_erp does not serve `wms`", "it serves: erp"),
    ("erp: { connector: northway_erp, settings: { ulr: x } }", "northway_erp has no setting ulr", "it has: url"),
    ("erp: { connector: northway_erp }", "the setting url is missing", ""),
    (f"erp: {{ connector: northway_erp, {URL}, secrets: {{ pasword: x }} }}", "northway_erp has no secret `pasword`", ""),
    (f"erp: {{ connector: northway_erp, {URL} }}", "the secret `", ""),
    (f"erp: {{ connector: postbox, {URL}, secrets: {{ key: k }}, rate: fast }}", "`rate` is 'fast'", "give a number above 0, or leave it out"),
    (f"erp: {{ connector: postbox, {URL}, secrets: {{ key: k }}, concurrency: 0 }}", "`concurrency` is 0", "give a number above 0, or leave it out"),
]  # fmt: skip


def test_a_connection_that_cannot_be_made_and_none_of_the_others_is(
    crossdock: Command, installed: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CROSSDOCK_PACKS", "")  # not read anew each time
    file = place / "connections.yaml"
    good = f"mail: {{ connector: postbox, {URL}, secrets: {{ key: k }} }}\n"
    for text, message, mend in BAD_CONNECTIONS:
        file.write_text((good if not text.startswith("-") else "") + text)
        said = crossdock("serve", "--json")
        assert said.status == 1
        assert said.json["message"].startswith(message)
        assert said.json["mend"].startswith(mend)
        assert said.json["where"].startswith(str(file))
    assert crossdock("connections", "list", "--json").lines == []
    findings = crossdock("doctor", "--json").json["findings"]
    assert [one["what"] for one in findings if not one["good"]] == ["connections"]


def test_a_connector_with_mistakes(crossdock: Command, installed: str, place: Path) -> None:
    (place / "connectors").mkdir()
    (place / "connectors" / "depot.yaml").write_text("connector: depot\nfoo: 1\n")
    said = crossdock("serve", "--json")
    assert (said.status, said.json["error"]) == (1, "NotAConnector")
    assert [(one["line"], one["message"]) for one in said.json["problems"]] == [
        (1, "`version` is missing"),
        (1, "`serves` is missing"),
        (2, "unknown field `foo`"),
    ]
    assert all(one["mend"] and one["file"].endswith("depot.yaml") for one in said.json["problems"])


def test_a_process_with_mistakes_is_not_published_and_neither_is_another(
    crossdock: Command, url: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    (place / "processes").mkdir()
    (place / "processes" / "bake.yaml").write_text("process: bake\n  owner: [\n")
    said = crossdock("serve", "--json")
    assert (said.status, said.json["error"]) == (1, "NotAProcess")
    assert [one["line"] for one in said.json["problems"]] == [2]

    async def published() -> Any:
        connection = await asyncpg.connect(url)
        found = await connection.fetchval("select count(*) from crossdock.process_version")
        await connection.close()
        return found

    assert at_once(published) == 0
    (place / "processes" / "bake.yaml").write_bytes(b"\xff\xfe\x00")
    said = crossdock("check", "processes", "--json")
    messages = {one["file"]: one["message"] for one in said.json["problems"]}
    assert (said.status, messages["processes/bake.yaml"]) == (1, "this is not a text in UTF-8")


def test_a_run_that_cannot_be_started(crossdock: Command, installed: str, place: Path) -> None:
    file = place / "order.json"

    def run(text: str | None, process: str = "order-to-cash") -> dict[str, Any]:
        if text is not None:
            file.write_text(text)
        said = crossdock("run", process, "-d", str(file), "--json")
        assert said.status == 1
        return dict(said.json)

    assert run(None)["message"] == "there is no such file"
    assert run("{", "order-to-csh")["mend"] == "did you mean `order-to-cash`?"
    assert run("{")["message"].startswith("this is not JSON: ")
    assert run("[" * 100_000)["message"] == "this is nested too deep to be read"
    unfit = run(json.dumps({**ORDER, "nomber": "x", "number": 5}))
    assert unfit["message"].splitlines()[0] == "Order is refused for 2 reasons:"
    assert (unfit["where"], unfit["mend"]) == (str(file), "see what fits: crossdock schema")
    (place / "wait.yaml").write_text(WAIT)
    assert crossdock("process", "publish", "wait.yaml").status == 0
    unfit = run(json.dumps({"number": 5}), "wait")  # a document that the process declares itself
    assert unfit["message"] == "Doc is refused: a string is needed, not an int (5)"
    assert unfit["where"] == f"{file}: number"
    assert "1,001 bytes, and 1,000 is the most" in run(json.dumps({"number": "x" * 1001}), "wait")["message"]
    assert (
        run('{"number": "\\ud800"}', "wait")["message"] == "a text holds half a character (a surrogate alone)"
    )
    assert run('{"number": NaN}', "wait")["message"].startswith("this is not JSON: ")
    assert crossdock("runs", "--json").lines == []


WAIT = """
process: wait
owner: me
document: Doc
key: ${ doc.number }
declare: { documents: { Doc: { number: string } } }
steps: { a: { wait: { for: 1 day } } }
"""


def test_a_neighbour_that_is_no_text_does_not_keep_a_process_from_being_checked(
    crossdock: Command, place: Path
) -> None:
    (place / "wait.yaml").write_text(WAIT)
    (place / "broken.yaml").write_bytes("process: x".encode("utf-16"))
    assert crossdock("check", "wait.yaml").status == 0
    assert crossdock("try", "wait.yaml").status == 0
    said = crossdock("check", ".", "--json")
    (problem,) = said.json["problems"]
    assert (said.status, said.json["good"], problem["file"]) == (1, 1, "broken.yaml")
    assert problem["message"] == "this is not a text in UTF-8"


def test_a_process_that_stands_in_two_files_is_warned_of(crossdock: Command, place: Path) -> None:
    (place / "one").mkdir()
    for name in ("a.yaml", "b.yaml"):
        (place / "one" / name).write_text(WAIT)
    said = crossdock("check", "one", "--json")
    (problem,) = said.json["problems"]
    assert (said.status, problem["file"], problem["severity"]) == (0, "one/b.yaml", "warning")
    assert problem["message"].endswith("stands in one/a.yaml as well")


def test_a_document_that_is_nested_without_end(crossdock: Command, place: Path) -> None:
    (place / "wait.yaml").write_text(WAIT)
    (place / "deep.json").write_text("[" * 100_000 + "]" * 100_000)
    said = crossdock("try", "wait.yaml", "--document", "deep.json", "--json")
    assert (said.status, said.json["message"]) == (1, "this is nested too deep to be read")


def test_a_second_run_of_a_key_that_is_live(crossdock: Command, installed: str, place: Path) -> None:
    (place / "order.json").write_text(json.dumps(ORDER))
    assert crossdock("run", "order-to-cash", "-d", "order.json", "--json").json["key"] == "SO-1"
    said = crossdock("run", "order-to-cash", "-d", "order.json", "--json")
    assert (said.status, said.json["error"]) == (1, "Conflict")
    assert said.json["message"] == "a run of order-to-cash for SO-1 is live already"
    assert said.json["mend"] == "look at it: crossdock runs SO-1"
    assert len(crossdock("runs", "--json").lines) == 1


NOT_THERE = [
    (["runs", "X"], "no run is known by X", "see crossdock runs"),
    (["runs", "--status", "activ"], "no run is ever activ", "did you mean `active`?"),
    (["runs", "--process", "order-to-csh"], "there is no process order-to-csh", "did you mean `order-to-cash`?"),
    (["cancel", "X", "--reason", "no"], "no run is known by X", "see crossdock runs"),
    (["retry"], "nothing is named", "name a run, or a cause: --type or --connection"),
    (["retry", "X"], "no run is known by X", "see crossdock runs"),
    (["repair", "skp", "X"], "there is no repair skp", "did you mean `skip`?"),
    (["repair", "skip", "X"], "no run is known by X", "see crossdock runs"),
    (["repair", "supply", "X"], "supply needs --output", "--output FILE, with the operation's output as JSON"),
    (["repair", "skip"], "nothing is named", "name a run, or a cause: --type or --connection"),
    (["repair", "release", "--type", "x"], "only a run that was stopped is released", "add --stopped"),
    (["retry", "--progress", "9"], "there is no repair 9", "take an id that a list of the repairs gives"),
    (["replay", "X"], "no run is known by X", "see crossdock runs"),
    (["connections", "stop", "erp"], "there is no connection erp", "take an id that a list of the connections gives"),
    (["connections", "start", "erp"], "there is no connection erp", "take an id that a list of the connections gives"),
    (["schema", "Ordr"], "there is no schema Ordr", "did you mean `Order`?"),
    (["check", "nothing.yaml"], "there is no such file", "name a process: a YAML file"),
]  # fmt: skip


def test_what_is_named_and_not_there(crossdock: Command, installed: str) -> None:
    for arguments, message, mend in NOT_THERE:
        said = crossdock(*arguments, "--json")
        assert (said.status, said.json["message"], said.json["mend"]) == (1, message, mend)
    words = crossdock("runs", "X")
    assert (words.status, words.out) == (1, "")
    assert words.err.splitlines() == ["no run is known by X", "  mend:  see crossdock runs"]


def test_a_rate_that_is_none_starts_nothing(crossdock: Command, installed: str, place: Path) -> None:
    (place / "connections.yaml").write_text(f"mail: {{ connector: postbox, {URL}, secrets: {{ key: k }} }}\n")

    async def look(_system: System) -> None:
        pass

    inside(installed, look, set_up=True)
    assert crossdock("connections", "stop", "mail", "--json").json["name"] == "mail"
    for rate in ("0", "-1", "nan", "inf"):
        said = crossdock("connections", "start", "mail", "--rate", rate, "--json")
        assert (said.status, said.json["mend"]) == (1, "give calls a second, such as 5")
        said = crossdock("retry", "--type", "x", "--yes", "--rate", rate, "--json")
        assert (said.status, said.json["mend"]) == (1, "give runs a second, such as 10")
    assert crossdock("connections", "list", "--json").json["stopped"] is not None


def test_the_release_is_told(crossdock: Command) -> None:
    said = crossdock("--version")
    assert (said.status, said.out) == (0, f"crossdock {version('crossdock')}\n")


def test_wrong_arguments_have_a_status_of_their_own(crossdock: Command) -> None:
    wrong = (["demo", "--port", "70000"], ["demo", "--patience", "-1"], ["retry", "--trial", "-1"])
    for arguments in wrong:
        assert crossdock(*arguments).status == 2
    for arguments in (["demo", "--orders", "0"], ["runs", "--most", "x"], ["nothing"], ["cancel", "X"]):
        assert crossdock(*arguments).status == 2
