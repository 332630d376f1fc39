"""Tenants are apart in the database itself: these tests walk the catalogue, so a later table is caught too."""

from __future__ import annotations

import contextlib

import asyncpg
import pytest

from crossdock.store import Database
from crossdock.store.migrate import role_url

# Tables that belong to the installation and hold nothing of any tenant.
OF_THE_INSTALLATION = {"clock", "migration"}

TABLES = """
    select c.oid, c.relname, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
           (select attname from pg_attribute where attrelid = c.oid and attnum = 1) as first_column
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'crossdock' and c.relkind in ('r', 'p') order by 2
"""


@pytest.fixture
async def owner(url):
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def test_every_table_has_its_tenant_first_and_row_level_security_forced(owner):
    for table in await owner.fetch(TABLES):
        name = table["relname"]
        if name in OF_THE_INSTALLATION:
            continue
        assert table["first_column"] == "tenant", name
        assert table["relrowsecurity"], f"{name} has no row-level security"
        assert table["relforcerowsecurity"], f"{name} does not force row-level security"
        policies = {
            row["polname"]: (row["shown"], row["written"])
            for row in await owner.fetch(
                "select polname, pg_get_expr(polqual, polrelid) as shown, "
                "pg_get_expr(polwithcheck, polrelid) as written from pg_policy where polrelid = $1",
                table["oid"],
            )
        }
        if table["relispartition"]:
            assert policies == {}, f"{name} is reached through its parent alone"
        else:
            bound = "(tenant = crossdock.tenant())"
            assert policies == {"app": (bound, bound), "engine": ("true", "true")}, name


async def test_every_key_begins_with_the_tenant(owner):
    keys = await owner.fetch(
        "select c.relname, i.indexrelid::regclass::text as index, a.attname from pg_index i "
        "join pg_class c on c.oid = i.indrelid join pg_namespace n on n.oid = c.relnamespace "
        "join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0] "
        "where n.nspname = 'crossdock' and (i.indisprimary or i.indisunique)"
    )
    wrong = [
        key["index"]
        for key in keys
        if key["attname"] != "tenant"
        and key["relname"] not in OF_THE_INSTALLATION
        and key["index"] != "crossdock.tenant_name_key"  # the names of the tenants themselves
    ]
    assert wrong == []


async def test_the_roles_cannot_bypass_it(owner):
    roles = await owner.fetch(
        "select rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb from pg_roles "
        "where rolname like 'crossdock%'"
    )
    assert {role["rolname"] for role in roles} == {"crossdock_app", "crossdock_engine"}
    for role in roles:
        assert not any(list(role.values())[1:]), role["rolname"]
        owned = await owner.fetchval(
            "select count(*) from pg_class where relowner = $1::regrole", role["rolname"]
        )
        assert owned == 0


async def _fill(owner: asyncpg.Connection, name: str, tenant: int) -> None:
    """A row of `tenant` in the table, every column by its type's plainest value."""
    columns = await owner.fetch(
        "select attname, atttypid::regtype::text as type from pg_attribute where attrelid = $1::regclass "
        "and attnum > 0 and not attisdropped and attidentity <> 'a' "
        "and (attnotnull and not atthasdef or attname = 'tenant')",
        f"crossdock.{name}",
    )
    plain = {
        "integer": "1", "bigint": "1", "text": f"'t{tenant}'", "bytea": "'{}'", "boolean": "true",
        "timestamp with time zone": "now()", "uuid": "gen_random_uuid()", "double precision": "1",
        "real": "1", "jsonb": "'{}'",
    }  # fmt: skip
    values = [str(tenant) if c["attname"] == "tenant" else plain[c["type"]] for c in columns]
    names = ", ".join(c["attname"] for c in columns)
    await owner.execute(f"insert into crossdock.{name} ({names}) values ({', '.join(values)})")


async def _drop_checks(owner: asyncpg.Connection) -> None:
    """Any value may stand in any column: what is asked here is who sees it."""
    for row in await owner.fetch(
        "select conrelid::regclass::text as name, conname from pg_constraint c "
        "join pg_namespace n on n.oid = c.connamespace "
        "where nspname = 'crossdock' and contype in ('c', 'f') and coninhcount = 0"
    ):
        await owner.execute(f'alter table {row["name"]} drop constraint "{row["conname"]}"')


async def test_the_app_role_neither_reads_nor_writes_rows_of_another_tenant_in_any_table(owner, url):
    tables = [
        table["relname"]
        for table in await owner.fetch(TABLES)
        if table["relname"] not in OF_THE_INSTALLATION and not table["relispartition"]
    ]
    await _drop_checks(owner)
    for name in tables:
        for tenant in (1, 2):
            await _fill(owner, name, tenant)
    app = await asyncpg.connect(role_url(url, "crossdock_app"))
    for name in tables:
        table = f"crossdock.{name}"
        assert await app.fetchval(f"select count(*) from {table}") == 0, f"{name} shows rows to no tenant"
        transaction = app.transaction()
        await transaction.start()
        await app.execute("select set_config('crossdock.tenant', '1', true)")
        assert await app.fetch(f"select distinct tenant from {table}") == [(1,)], name
        for sql in (
            f"update {table} set tenant = tenant where tenant = 2",
            f"delete from {table} where tenant = 2",
        ):
            savepoint = app.transaction()
            await savepoint.start()
            with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
                assert (await app.execute(sql)).endswith(" 0"), f"{name}: {sql}"
            await savepoint.rollback()
        savepoint = app.transaction()
        await savepoint.start()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):  # what a policy raises, and a missing grant
            await _fill(app, name, 2)
        await savepoint.rollback()
        await transaction.rollback()
        assert await owner.fetchval(f"select count(*) from {table} where tenant = 2") == 1, name
    await app.close()


async def test_the_app_role_cannot_become_another(url):
    app = await asyncpg.connect(role_url(url, "crossdock_app"))
    for role in ("crossdock_engine", "postgres"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(f"set role {role}")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("alter table crossdock.run disable row level security")
    await app.close()


async def test_the_tenant_of_a_transaction_is_gone_after_it(database: Database):
    acme, zeta = await database.create_tenant("acme"), await database.create_tenant("zeta")
    for tenant in (acme, zeta, acme):
        async with database.of(tenant) as transaction:
            rows = await transaction.fetch("select name from crossdock.tenant")
            assert [row["name"] for row in rows] == [tenant.name]
