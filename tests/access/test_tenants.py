"""Tenants are made, suspended, written out whole, and deleted with proof of what went."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json

import asyncpg
import pytest

from acting import someone
from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit, Filter
from crossdock.access.audit_signer import Signer, is_signed
from crossdock.access.tenants import Proof, Tenants
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.store import Database, Tenant

MANY = (
    "insert into crossdock.history (tenant, run, seq, at, type, event, records) "
    "select $1, n, 1, now(), 'x', '{}', '[]' from generate_series(1, 1200) n"
)


@pytest.fixture
async def owner(url):
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


@pytest.fixture
def signer(tmp_path) -> Signer:
    return Signer(tmp_path / "audit")


@pytest.fixture
def audit(database: Database, signer: Signer) -> Audit:
    return Audit(database, signer)


@pytest.fixture
async def tenants(database: Database, audit: Audit) -> Tenants:
    await database.create_tenant("operator")
    return Tenants(database, audit)


@pytest.fixture
async def root(database: Database, tenants: Tenants) -> Principal:
    operator = await database.tenant("operator")
    return Principal(tenant=operator.id, id="root", kind="human", roles=frozenset({"operator-admin"}))


async def told(audit: Audit, tenant: Tenant) -> list[tuple[str, str, str]]:
    return [
        (one.actor, one.action, one.why)
        for one in reversed((await audit.entries(tenant, Filter(on_kind="tenant"))).items)
    ]


async def filled(owner: asyncpg.Connection, tenant: Tenant) -> None:
    """A row or more of the tenant in every table of the catalogue, whatever it is for."""
    names = await owner.fetch(
        "select c.relname, c.oid from pg_class c where c.relnamespace = 'crossdock'::regnamespace "
        "and c.relkind in ('r', 'p') and not c.relispartition and c.relname <> 'tenant' and exists "
        "(select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant') order by 1"
    )
    plain = {
        "integer": "1", "bigint": "1", "text": "'t'", "bytea": "'{}'", "boolean": "true", "jsonb": "'{}'", "text[]": "'{}'",
        "timestamp with time zone": "now()", "uuid": "gen_random_uuid()", "double precision": "1", "real": "1",
    }  # fmt: skip
    for row in await owner.fetch(
        "select conrelid::regclass::text as name, conname from pg_constraint c "
        "where connamespace = 'crossdock'::regnamespace and contype in ('c', 'f') and coninhcount = 0"
    ):
        await owner.execute(f'alter table {row["name"]} drop constraint "{row["conname"]}"')
    for name, oid in names:
        if name.startswith("audit"):
            continue  # filled by acts
        columns = await owner.fetch(
            "select attname, atttypid::regtype::text as type from pg_attribute where attrelid = $1 and "
            "attnum > 0 and not attisdropped and attidentity <> 'a' and attnotnull and not atthasdef",
            oid,
        )
        values = [str(tenant.id) if c["attname"] == "tenant" else plain[c["type"]] for c in columns]
        columns = ", ".join(f'"{c["attname"]}"' for c in columns)
        await owner.execute(f"insert into crossdock.{name} ({columns}) values ({', '.join(values)})")


async def all_rows(owner: asyncpg.Connection, tenant: int) -> dict[str, int]:
    tables = await owner.fetch(
        "select c.relname from pg_class c where c.relnamespace = 'crossdock'::regnamespace "
        "and c.relkind in ('r', 'p') and not c.relispartition and exists "
        "(select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant')"
    )
    counts = {
        name: await owner.fetchval(f"select count(*) from crossdock.{name} where tenant = $1", tenant)
        for (name,) in tables
    }
    return {name: number for name, number in counts.items() if number}


async def test_a_tenant_is_made_suspended_and_resumed_and_each_is_in_both_audits(
    tenants, audit, database, root
):
    acme = await tenants.create("acme", root, title="Acme Goods")
    await tenants.suspend("acme", root, why="the contract has ended")
    row = await tenants.find("acme")
    assert (row.title, row.suspended_by, row.suspended_why) == (
        "Acme Goods",
        "root",
        "the contract has ended",
    )
    assert row.suspended is not None
    await tenants.resume("acme", root, why="a new one")
    assert [(one.name, one.suspended, one.suspended_why) for one in await tenants.list()] == [
        ("acme", None, ""),
        ("operator", None, ""),
    ]
    acts = [("root", "tenant.change", why) for why in ("created", "the contract has ended", "a new one")]
    assert await told(audit, acme) == acts
    assert await told(audit, await database.tenant("operator")) == acts
    assert (await audit.verify(acme)).good


async def test_what_makes_no_sense_is_refused_and_changes_nothing(tenants, root):
    await tenants.create("acme", root)
    for name in ("", "Acme", "a/b", "-a", "a" * 64, "a\n", "ä"):
        with pytest.raises(Refused):
            await tenants.create(name, root)
    with pytest.raises(Conflict):
        await tenants.create("acme", root)
    with pytest.raises(Conflict):
        await tenants.resume("acme", root)
    with pytest.raises(Refused):
        await tenants.suspend("acme", root, why=" ")
    with pytest.raises(Refused):
        await tenants.suspend("operator", root, why="x")
    with pytest.raises(NotFound):
        await tenants.suspend("nobody", root, why="x")
    await tenants.suspend("acme", root, why="x")
    with pytest.raises(Conflict):
        await tenants.suspend("acme", root, why="x")
    assert [one.name for one in await tenants.list()] == ["acme", "operator"]


async def test_an_export_has_every_row_of_every_table_and_none_of_another_tenant(tenants, root, owner):
    acme = await tenants.create("acme", root)
    zeta = await tenants.create("zeta", root)
    for tenant in (acme, zeta):
        await filled(owner, tenant)
        await owner.execute(MANY, tenant.id)
    lines = [line async for line in tenants.export("acme", root)]
    said = [json.loads(line) for line in lines]
    assert said[0]["export"] | {"at": ""} == {
        "at": "",
        "form": "crossdock.tenant.1",
        "name": "acme",
        "tenant": acme.id,
    }
    tables: dict[str, int] = {}
    digests = {}
    for line, one in zip(lines[1:-1], said[1:-1], strict=True):
        assert one["row"]["tenant"] == acme.id
        name = one["table"]
        tables[name] = tables.get(name, 0) + 1
        text = line[len(f'{{"table":"{name}","row":') : -1]
        digests.setdefault(name, hashlib.sha256()).update(hashlib.sha256(text.encode()).digest())
    assert tables == await all_rows(owner, acme.id)
    end = said[-1]["end"]["tables"]
    assert {name: one["rows"] for name, one in end.items() if one["rows"]} == tables
    assert {name: end[name]["sha256"] for name in tables} == {n: d.hexdigest() for n, d in digests.items()}


async def test_a_table_of_a_later_release_is_in_the_export_and_deleted_too(tenants, root, owner):
    acme = await tenants.create("acme", root)
    for name, may in (("later", "select, insert, delete"), ("later_kept", "select, insert")):
        await owner.execute(
            f"create table crossdock.{name} (tenant integer not null, word text not null, primary key (tenant, word))"
        )
        await owner.execute(f"call crossdock.protect('crossdock.{name}', '', '{may}')")
        await owner.execute(f"insert into crossdock.{name} values ($1, 'here')", acme.id)
    lines = [line async for line in tenants.export("acme", root)]
    for name in ("later", "later_kept"):
        assert f'{{"table":"{name}","row":{{"word": "here", "tenant": {acme.id}}}}}' in lines
    await tenants.suspend("acme", root, why="x")
    proof = await tenants.delete("acme", root, why="x")
    assert (proof.tables["later"], proof.tables["later_kept"]) == (1, 1)
    assert await all_rows(owner, acme.id) == {}


def assert_proven(proof: Proof, signer: Signer) -> None:
    public = signer.known()[proof.key]
    assert is_signed(public, base64.b64decode(proof.signature), proof.statement.encode())


async def test_a_deletion_takes_all_and_nothing_else_and_proves_what_went(
    tenants, root, owner, audit, signer, database
):
    acme = await tenants.create("acme", root)
    zeta = await tenants.create("zeta", root)
    for tenant in (acme, zeta):
        await filled(owner, tenant)
        await owner.execute(MANY, tenant.id)
    with pytest.raises(Conflict):
        await tenants.delete("acme", root, why="the customer left")
    await tenants.suspend("acme", root, why="the customer left")
    last = json.loads([line async for line in tenants.export("acme", root)][-1])["end"]["tables"]
    theirs, others = await all_rows(owner, acme.id), await all_rows(owner, zeta.id)
    proof = await tenants.delete("acme", root, why="the customer left")
    assert await all_rows(owner, acme.id) == {}
    assert await all_rows(owner, zeta.id) == others
    assert (proof.tables, proof.rows) == (theirs, sum(theirs.values()))
    assert_proven(proof, signer)
    stated = json.loads(proof.statement)
    assert stated["tables"] == {name: last[name] for name in theirs}  # what was exported is what went
    assert (stated["name"], stated["by"], stated["why"]) == ("acme", "root", "the customer left")
    operator = await database.tenant("operator")
    begun, done = reversed((await audit.entries(operator)).items[:2])
    assert (begun.why, done.why) == (
        "deletion begun: the customer left",
        "deleted: the customer left",
    )
    said = json.loads(done.before)
    assert said["tables"] == theirs
    assert said["sha256"] == hashlib.sha256(proof.statement.encode()).hexdigest()
    assert said["signature"] == proof.signature
    assert json.loads(done.after) == {"gone": sum(theirs.values())}
    (file,) = signer.directory.glob(f"deleted-{acme.id}-*.json")
    assert json.loads(file.read_text())["statement"] == proof.statement
    with pytest.raises(NotFound):
        await tenants.find("acme")
    assert (await audit.verify(operator)).good
    again = await tenants.create("acme", root)
    assert again.id != acme.id


async def test_a_deletion_gives_way_to_whoever_is_at_work(tenants, root, owner, audit, database):
    for name in ("acme", "zeta"):
        await tenants.create(name, root)
    await tenants.suspend("acme", root, why="x")
    zeta = await database.tenant("zeta")

    async def in_the_way() -> bool:
        waiting = "select 1 from pg_locks where relation = 'crossdock.policy'::regclass and not granted"
        return await owner.fetchval(waiting) is not None

    # Rules are written first and the audit last: the deletion has locked the audit, and waits for the rules.
    async with database.engine() as transaction:
        await transaction.execute(
            "insert into crossdock.policy (tenant, version, by, why, roles, text) "
            "values ($1, 1, 'ann', '', '{}', '')",
            zeta.id,
        )
        deletion = asyncio.create_task(tenants.delete("acme", root, why="x"))
        async with asyncio.timeout(30):
            while not await in_the_way():
                await asyncio.sleep(0.01)
            await audit.record(transaction, someone(zeta, "tenant-admin"), "run.read", Resource(kind="run"))
    assert (await deletion).rows
    with pytest.raises(NotFound):
        await tenants.find("acme")
    assert (await audit.verify(zeta)).good


async def test_a_tenant_is_not_deleted_by_one_of_its_own(tenants, root, database):
    acme = await tenants.create("acme", root)
    await tenants.suspend("acme", root, why="x")
    inside = Principal(tenant=acme.id, id="alice", kind="human", roles=frozenset({"tenant-admin"}))
    with pytest.raises(Refused):
        await tenants.delete("acme", inside, why="x")
    assert (await tenants.find("acme")).id == acme.id


async def test_what_keeps_a_tenants_rows_apart_is_as_before_after_a_deletion(tenants, root, owner):
    await tenants.create("acme", root)
    await tenants.suspend("acme", root, why="x")
    await tenants.delete("acme", root, why="x")
    open_ = await owner.fetch(
        "select relname from pg_class where relnamespace = 'crossdock'::regnamespace "
        "and relkind in ('r', 'p') and relrowsecurity and not relforcerowsecurity"
    )
    assert open_ == []
