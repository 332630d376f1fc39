"""Tenants are apart in the database itself: these tests walk the catalogue, so what comes later is caught too."""

from __future__ import annotations

import contextlib

import asyncpg
import pytest

from crossdock.store import Database
from crossdock.store.migrate import role_url

# Tables that belong to the installation and hold nothing of any tenant.
OF_THE_INSTALLATION = {"clock", "migration", "worker"}

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


async def test_nothing_stands_beside_the_schema_that_is_looked_at(owner):
    elsewhere = await owner.fetch(
        "select c.oid::regclass::text as name from pg_class c join pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname not in ('crossdock', 'information_schema') and n.nspname not like 'pg\\_%'"
    )
    assert elsewhere == []


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
        "real": "1", "jsonb": "'{}'", "text[]": "'{}'",
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


@pytest.fixture
async def filled(owner):
    """A row of each of two tenants in every table; gives the tables that rows are put into."""
    tables = await owner.fetch(TABLES)
    tenanted = [table["relname"] for table in tables if table["relname"] not in OF_THE_INSTALLATION]
    parents = [table["relname"] for table in tables if not table["relispartition"]]
    await _drop_checks(owner)
    for name in parents:
        if name in tenanted:
            for tenant in (1, 2):
                await _fill(owner, name, tenant)
    return tenanted


async def _as_tenant_one(app: asyncpg.Connection):
    """A transaction of tenant 1, in the role that all that answers people works as."""
    transaction = app.transaction()
    await transaction.start()
    await app.execute("select set_config('crossdock.tenant', '1', true)")
    return transaction


async def _refused_or_none(app: asyncpg.Connection, sql: str) -> bool:
    """Whether a statement is refused, or touches no row."""
    savepoint = app.transaction()
    await savepoint.start()
    try:
        return (await app.execute(sql)).endswith(" 0")
    except asyncpg.InsufficientPrivilegeError:  # what a policy raises, and a missing grant
        return True
    finally:
        await savepoint.rollback()


# What the app role must not be able to do to a row of tenant 2, in a transaction of tenant 1.
FOREIGN = {
    "reads it": "select 1 from {table} where tenant = 2",
    "locks it": "select 1 from {table} where tenant = 2 for update",
    "reads past what it may": "select 1 from {table} where tenant is distinct from 1",
    "counts it": "select 1 from {table} having count(*) > 1",
    "changes it": "update {table} set tenant = tenant where tenant = 2",
    "takes it over": "update {table} set tenant = 1 where tenant = 2",
    "gives a row away": "update {table} set tenant = 2",
    "deletes it": "delete from {table} where tenant = 2",
    "merges into it": "merge into {table} t using (values (2)) k (tenant) on t.tenant = k.tenant "
    "when matched then update set tenant = t.tenant",
}


@pytest.mark.parametrize("granted", [False, True], ids=["as it is", "with every grant"])
async def test_the_app_role_neither_reads_nor_writes_rows_of_another_tenant_in_any_table(
    owner, url, filled, granted
):
    if granted:  # the policies hold by themselves, whatever a later migration grants
        await owner.execute(
            "grant select, insert, update, delete on all tables in schema crossdock to crossdock_app"
        )
    app = await asyncpg.connect(role_url(url, "crossdock_app"))
    partitions = {table["relname"] for table in await owner.fetch(TABLES) if table["relispartition"]}
    for name in filled:
        table = f"crossdock.{name}"
        before = await owner.fetchval(f"select count(*) from {table} where tenant = 2")
        assert await _refused_or_none(app, f"select 1 from {table}"), f"{name} shows rows to no tenant"
        transaction = await _as_tenant_one(app)
        if name not in partitions:
            assert await app.fetch(f"select distinct tenant from {table}") == [(1,)], name
        elif granted:
            assert await app.fetchval(f"select count(*) from {table}") == 0, f"{name} is reached directly"
        for what, sql in FOREIGN.items():
            assert await _refused_or_none(app, sql.format(table=table)), f"{name}: tenant 1 {what}"
        savepoint = app.transaction()
        await savepoint.start()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _fill(app, name, 2)
        await savepoint.rollback()
        await transaction.commit()
        assert await owner.fetchval(f"select count(*) from {table} where tenant = 2") == before, name
    if granted:
        await owner.execute(
            "revoke insert, update, delete on all tables in schema crossdock from crossdock_app"
        )
    await app.close()


async def test_no_condition_of_a_query_is_shown_a_row_before_the_policy_is(owner, url, filled):
    app = await asyncpg.connect(role_url(url, "crossdock_app"))
    await app.execute(
        "create function pg_temp.peek(tenant integer) returns boolean language plpgsql cost 0.0000001 as "
        "$$ begin if tenant <> 1 then raise exception 'seen: %', tenant; end if; return true; end $$"
    )
    for name in filled:
        transaction = await _as_tenant_one(app)
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):  # a partition, which nobody reaches
            await app.fetch(f"select 1 from crossdock.{name} where pg_temp.peek(tenant)")
        await transaction.rollback()
    await app.execute("analyze")
    shown = await app.fetch("select distinct tablename from pg_stats where schemaname = 'crossdock'")
    assert {row["tablename"] for row in shown} <= OF_THE_INSTALLATION
    await app.close()


# What the app role may do besides reading. It never deletes, and never touches a table of the engine.
APP_MAY = {
    "api_answer": {"INSERT", "UPDATE", "DELETE"},
    "api_import": {"INSERT", "UPDATE", "DELETE"},
    "api_import_fault": {"INSERT", "DELETE"},
    "api_import_line": {"INSERT", "DELETE"},
    "api_secret": {"INSERT"},
    "audit": {"INSERT"},
    "audit_head": {"INSERT", "UPDATE"},
}


async def test_the_app_role_may_only_read_and_what_is_named_and_nothing_but_tables_of_tenants(owner):
    rights = ("INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    for table in await owner.fetch(TABLES):
        name = table["relname"]
        for right in rights:
            held = await owner.fetchval(
                "select has_table_privilege('crossdock_app', $1::oid, $2)", table["oid"], right
            )
            assert held is (right in APP_MAY.get(name, ())), f"the app role has {right} on {name}"
    reads = {
        table["relname"]
        for table in await owner.fetch(TABLES)
        if await owner.fetchval(
            "select has_table_privilege('crossdock_app', $1::oid, 'SELECT')", table["oid"]
        )
    }
    assert reads & OF_THE_INSTALLATION == {"clock"}
    partitions = {table["relname"] for table in await owner.fetch(TABLES) if table["relispartition"]}
    assert reads & partitions == set()
    for right in ("CREATE", "USAGE"):
        held = await owner.fetchval("select has_schema_privilege('crossdock_app', 'crossdock', $1)", right)
        assert held is (right == "USAGE")


async def test_there_is_no_way_around_the_tables(owner):
    """Views, sequences and functions: what a later migration adds is looked at here."""
    others = await owner.fetch(
        "select c.relname, c.relkind::text as kind, c.reloptions from pg_class c "
        "where c.relnamespace = 'crossdock'::regnamespace and c.relkind in ('v', 'm', 'f', 'S')"
    )
    for one in others:
        name = one["relname"]
        assert one["kind"] != "f", f"{name} is a foreign table: no policy holds there"
        assert one["kind"] != "m", f"{name} is a materialized view: no policy holds there"
        if one["kind"] == "v":
            assert "security_invoker=true" in (one["reloptions"] or []), f"{name} reads as its owner"
        if one["kind"] == "S":
            for right in ("USAGE", "SELECT", "UPDATE"):
                held = await owner.fetchval(
                    "select has_sequence_privilege('crossdock_app', $1, $2)", f"crossdock.{name}", right
                )
                assert not held, f"the app role has {right} on the sequence {name}"
    functions = await owner.fetch(
        "select p.oid, p.oid::regprocedure::text as name, p.prosecdef, p.proconfig, "
        "has_function_privilege('crossdock_app', p.oid, 'EXECUTE') as by_app, "
        "has_function_privilege('public', p.oid, 'EXECUTE') as by_all "
        "from pg_proc p where p.pronamespace = 'crossdock'::regnamespace"
    )
    assert len(functions) > 3
    for function in functions:
        if not function["prosecdef"]:
            continue
        name = function["name"]
        assert not function["by_app"], f"{name} does as its owner what the app role asks"
        assert not function["by_all"], f"{name} does as its owner what anybody asks"
        path = [one for one in function["proconfig"] or [] if one.startswith("search_path=")]
        assert path == ["search_path=pg_catalog"], f"{name} may be led to names of others"
    assert (
        await owner.fetchval(
            "select count(*) from pg_trigger t join pg_class c on c.oid = t.tgrelid "
            "where c.relnamespace = 'crossdock'::regnamespace and not t.tgisinternal"
        )
        == 0
    ), "a trigger may carry rows from one tenant to another: look at it, then name it here"
    assert (
        await owner.fetchval(
            "select count(*) from pg_rewrite r join pg_class c on c.oid = r.ev_class "
            "where c.relnamespace = 'crossdock'::regnamespace and c.relkind <> 'v'"
        )
        == 0
    ), "a rule reads as the owner of its table"


async def test_no_foreign_key_tells_whether_a_row_of_another_tenant_is_there(owner):
    keys = await owner.fetch(
        "select conname, (select attname from pg_attribute where attrelid = conrelid "
        "and attnum = conkey[1]) as first from pg_constraint "
        "where contype = 'f' and connamespace = 'crossdock'::regnamespace"
    )
    assert [key["conname"] for key in keys if key["first"] != "tenant"] == []


async def test_partitions_that_are_made_later_are_closed_too(owner, url):
    for name in ("history", "delivery"):
        await owner.execute("select crossdock.make_partitions($1, 6)", name)
    made = [
        table
        for table in await owner.fetch(TABLES)
        if table["relispartition"] and not table["relname"].endswith("_rest")
    ]
    assert len(made) >= 14
    for table in made:
        assert (table["relrowsecurity"], table["relforcerowsecurity"]) == (True, True), table["relname"]


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
