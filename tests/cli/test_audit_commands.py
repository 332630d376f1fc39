"""`crossdock audit` and `crossdock tenant`, on an installation of their own."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
from hands import Command

from crossdock.assemble import opened
from crossdock.settings import Settings
from crossdock.store import EmbeddedServer


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[Path, str]]:
    """The data directory of a new installation, its server kept running, and the owner's address."""
    with tempfile.TemporaryDirectory(prefix="cd-", ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "data"
        server = EmbeddedServer.open(data)
        asyncio.run(_set_up(Path(directory)))
        yield data, server.url()
        server.close()


async def _set_up(directory: Path) -> None:
    async with opened(Settings.read(directory, {}, data=directory / "data"), set_up=True):
        pass


@pytest.fixture
def here(place: Path, made: tuple[Path, str]) -> Path:
    """A directory whose installation it is."""
    (place / "crossdock.toml").write_text(f'data = "{made[0]}"\n')
    return place


def tamper(url: str, *statements: str) -> None:
    """Do something behind the audit's back, as the owner of the database."""

    async def go() -> None:
        connection = await asyncpg.connect(url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(go())


def test_acts_are_listed_exported_and_verified_and_a_changed_byte_is_found(
    crossdock: Command, here: Path, made: tuple[Path, str]
) -> None:
    assert crossdock("tenant", "create", "acme", "--title", "Acme Goods").status == 0
    assert crossdock("tenant", "suspend", "acme", "--why", "unpaid", "--json").json["suspended"] is True
    assert crossdock("tenant", "resume", "acme").status == 0
    listed = crossdock("audit", "list", "--tenant", "acme", "--json").lines
    assert [(one["number"], one["action"], one["why"]) for one in listed] == [
        (3, "tenant.change", ""),
        (2, "tenant.change", "unpaid"),
        (1, "tenant.change", "created"),
    ]
    assert crossdock("audit", "list", "--tenant", "acme", "--on", "tenant/acme", "--most", "1").out.endswith(
        "older ones: --before 3\n"
    )
    assert crossdock("audit", "list", "--tenant", "acme", "--outcome", "failed", "--json").lines == []
    assert crossdock("audit", "list", "--tenant", "nobody").status == 1
    good = crossdock("audit", "verify", "--tenant", "acme", "--json")
    assert (good.status, good.json["entries"], good.json["signed"], good.json["outside"]) == (0, 3, 3, True)
    key = next(iter(crossdock("audit", "key", "--json").json.values()))
    assert crossdock("audit", "export", "--tenant", "acme", "--to", "acme.ndjson").status == 0
    assert crossdock("audit", "export", "--tenant", "acme", "--to", "acme.ndjson").status == 1
    verified = crossdock("audit", "verify", "acme.ndjson", "--public-key", key, "--json")
    assert (verified.status, verified.json["entries"]) == (0, 4)
    text = (here / "acme.ndjson").read_text()
    (here / "bad.ndjson").write_text(text.replace('"why":"unpaid"', '"why":"unpaie"'))
    bad = crossdock("audit", "verify", "bad.ndjson", "--json")
    assert (bad.status, bad.json["first"]["kind"], bad.json["first"]["number"]) == (1, "changed", 2)
    assert crossdock("audit", "verify", "bad.ndjson", "--public-key", "x").status == 1
    tamper(made[1], "update crossdock.audit set why = 'unpaie' where why = 'unpaid' and number = 2")
    bad = crossdock("audit", "verify", "--tenant", "acme", "--json")
    assert (bad.status, bad.json["first"]["number"]) == (1, 2)
    assert (
        "BAD changed: entry 2 is not what was recorded"
        in crossdock("audit", "verify", "--tenant", "acme").out
    )
    tamper(made[1], "update crossdock.audit set why = 'unpaid' where why = 'unpaie'")
    assert crossdock("audit", "verify", "--tenant", "acme").status == 0


def test_newest_acts_that_were_removed_with_all_that_the_database_says_of_them_are_found(
    crossdock: Command, here: Path, made: tuple[Path, str]
) -> None:
    crossdock("tenant", "create", "cut")
    for _ in range(2):
        crossdock("tenant", "suspend", "cut", "--why", "x")
        crossdock("tenant", "resume", "cut")
    of = "(select tenant from crossdock.tenant where name = 'cut')"
    tamper(
        made[1],
        f"delete from crossdock.audit where tenant = {of} and number > 2",
        f"delete from crossdock.audit_checkpoint where tenant = {of} and entries > 2",
        "update crossdock.audit_head h set number = a.number, at = a.at, previous = a.previous, hash = a.hash "
        f"from crossdock.audit a where a.tenant = h.tenant and a.number = 2 and a.tenant = {of}",
    )
    found = crossdock("audit", "verify", "--tenant", "cut", "--json")
    assert (found.status, found.json["first"]["kind"], found.json["first"]["number"]) == (1, "truncated", 3)


def test_a_tenant_is_written_out_and_deleted_when_its_name_is_said_twice(
    crossdock: Command, here: Path
) -> None:
    crossdock("tenant", "create", "gone")
    assert crossdock("tenant", "delete", "gone", "--why", "x", "--yes", "gone").status == 1
    crossdock("tenant", "suspend", "gone", "--why", "the contract has ended")
    assert crossdock("tenant", "export", "gone", "--to", "gone.ndjson").status == 0
    last = json.loads((here / "gone.ndjson").read_text().splitlines()[-1])["end"]["tables"]
    assert crossdock("tenant", "delete", "gone", "--why", "x").status == 1
    proof = crossdock("tenant", "delete", "gone", "--why", "x", "--yes", "gone", "--json").json
    assert proof["tables"]["tenant"] == last["tenant"]["rows"] == 1
    assert "gone" not in [one["name"] for one in crossdock("tenant", "list", "--json").lines]
    newest = crossdock("audit", "list", "--tenant", "operator", "--most", "1", "--json").json
    assert (newest["on"], newest["why"]) == ("gone", "deleted: x")
    assert crossdock("audit", "verify", "--tenant", "operator").status == 0
