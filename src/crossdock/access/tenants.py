"""Tenants: made, suspended and resumed, written out as a whole, deleted with proof of what went.

A tenant that is suspended takes nothing in, decides nothing and lets nothing leave; calls that are out come
back and wait. All processes know within about two seconds. Nothing is lost: partners are told to send again
later, deadlines that passed meanwhile fire when it is resumed. What people may still do, see why, is read.

An export walks the catalogue of the database, so a table that a later release brings is in it. Its form, a
line of JSON each:

    {"export": {"form": "crossdock.tenant.1", "tenant": 3, "name": "acme", "at": INSTANT}}
    {"table": "run", "row": {...}}      rows in the order of their key; the row as the database writes it
    {"end": {"at": INSTANT, "tables": {"run": {"rows": 2, "sha256": DIGEST}, ...}}}

The digest of a table is SHA-256 over the SHA-256 of each row's text, in their order. The proof of a deletion
counts and digests in the same way, so it can be held against the export that was made before.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from crossdock.access.audit import Audit
from crossdock.access.audit_form import plain, timestamp
from crossdock.access.resource import Resource
from crossdock.access.who import Principal
from crossdock.errors import Broken, Conflict, NotFound, Refused
from crossdock.store import Database, EngineTransaction, Tenant

OPERATOR = "operator"  # the tenant of those who run the installation
FORM = "crossdock.tenant.1"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_PAGE = 500
_IN_THE_WAY = "55P03"  # PostgreSQL's code for a lock that was not given in time
_TRIES = 100
_CHUNK = 5000  # rows that are deleted in one transaction

# Every table that holds rows of tenants, with the columns of its key; `tenant` itself is the last.
_TABLES: LiteralString = """
select c.relname as name, has_table_privilege('crossdock_engine', c.oid, 'DELETE') as ours,
  (select string_agg(quote_ident(a.attname), ', ' order by k.n)
   from pg_index i cross join lateral unnest(i.indkey::int[]) with ordinality as k(attnum, n)
   join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
   where i.indrelid = c.oid and i.indisprimary) as key
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = 'crossdock' and c.relkind in ('r', 'p') and not c.relispartition
  and exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant')
order by c.relname = 'tenant', c.relname
"""

_SUSPEND: LiteralString = """
update crossdock.tenant set suspended = statement_timestamp(), suspended_by = $2, suspended_why = $3
where tenant = $1 and suspended is null
"""
_RESUME: LiteralString = """
update crossdock.tenant set suspended = null, suspended_by = '', suspended_why = ''
where tenant = $1 and suspended is not null
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantRow:
    """A tenant in the list. `suspended` is since when, None where it is not; `by` and `why` go with it."""

    id: int
    name: str
    title: str
    created: datetime
    suspended: datetime | None
    suspended_by: str
    suspended_why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a deletion took: rows by table, those that had any. `statement` says it, and was signed."""

    tenant: int
    name: str
    tables: Mapping[str, int]
    statement: str
    signature: str
    key: str

    @property
    def rows(self) -> int:
        """All of them."""
        return sum(self.tables.values())


class Tenants:
    """What those who run the installation do with tenants; each act is audited in both audits."""

    def __init__(self, database: Database, audit: Audit) -> None:
        """Of that database."""
        self._database = database
        self._audit = audit

    async def list(self) -> list[TenantRow]:
        """All tenants, by name."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(
                "select tenant as id, name, title, created, suspended, suspended_by, suspended_why "
                "from crossdock.tenant order by name"
            )
        return [TenantRow(**dict(row)) for row in rows]

    async def find(self, name: str) -> TenantRow:
        """One tenant. Raises `NotFound`."""
        for row in await self.list():
            if row.name == name:
                return row
        raise NotFound(f"there is no tenant {plain(name, 63)}", mend="see the tenants, or create it")

    async def create(self, name: str, by: Principal, *, title: str = "", why: str = "") -> Tenant:
        """A new tenant. Raises `Refused` for a name that cannot be, `Conflict` for one that is taken."""
        if not _NAME.fullmatch(name):
            raise Refused(
                "this is no name of a tenant",
                where="name",
                mend="give 1 to 63 of a-z, 0-9, - and _, beginning with a letter or digit",
            )
        tenant = await self._database.create_tenant(name, title=plain(title, 200))
        async with self._database.engine() as transaction:
            await self._note(transaction, by, tenant, why or "created", after={"name": name, "title": title})
        return tenant

    async def suspend(self, name: str, by: Principal, *, why: str) -> None:
        """Let nothing in or out. `why` is shown to people. Raises `Conflict` where it is suspended."""
        tenant = await self._other(name)
        if not why.strip():
            raise Refused("nothing says why", where="why", mend="say what its people shall read")
        async with self._database.engine() as transaction:
            if not await transaction.execute(_SUSPEND, tenant.id, plain(by.id), plain(why, 2000)):
                raise Conflict(f"{name} is suspended already", mend="resume it")
            await self._note(
                transaction, by, tenant, why, before={"suspended": False}, after={"suspended": True}
            )

    async def resume(self, name: str, by: Principal, *, why: str = "") -> None:
        """Let it go on. Raises `Conflict` where it is not suspended."""
        tenant = await self._other(name)
        async with self._database.engine() as transaction:
            if not await transaction.execute(_RESUME, tenant.id):
                raise Conflict(f"{name} is not suspended", mend="see the tenants")
            await self._note(
                transaction, by, tenant, why, before={"suspended": True}, after={"suspended": False}
            )

    async def export(self, name: str, by: Principal) -> AsyncIterator[str]:
        """All rows of a tenant, as of one moment, as lines. Secrets stay sealed in it."""
        row = await self.find(name)
        tenant = Tenant(id=row.id, name=row.name)
        async with self._database.engine() as transaction:
            await self._note(transaction, by, tenant, "exported", action="tenant.read")
        async with self._database.engine() as transaction:
            await transaction.execute("set transaction isolation level repeatable read, read only")
            at = timestamp(await transaction.value("select statement_timestamp()"))
            yield _line({"export": {"at": at, "form": FORM, "name": name, "tenant": tenant.id}})
            tables: dict[str, dict[str, str | int]] = {}
            for table in await _tables(transaction):
                digest, rows = hashlib.sha256(), 0
                async for text in _rows(transaction, table, tenant.id):
                    digest.update(hashlib.sha256(text.encode()).digest())
                    rows += 1
                    yield f'{{"table":"{table.name}","row":{text}}}'
                tables[table.name] = {"rows": rows, "sha256": digest.hexdigest()}
            yield _line({"end": {"at": at, "tables": tables}})

    async def delete(self, name: str, by: Principal, *, why: str) -> Proof:
        """Delete a suspended tenant and all its rows, its audit too; gives the proof, which is signed.

        What will go is counted and noted in the operator's audit first, and the end after it. When it is
        interrupted, it is begun again and takes what is left. Raises `Conflict` where it is not suspended.
        """
        tenant = await self._other(name)
        row = await self.find(name)
        if row.suspended is None:
            raise Conflict(f"{name} is not suspended", mend="suspend it first, and export it")
        if by.tenant == tenant.id:
            raise Refused("a tenant is deleted by the operator", mend="act as a principal of the operator")
        proof = await self._proof(tenant, by, why)
        resource = Resource(kind="tenant", id=name)
        said = {
            "tables": dict(proof.tables),
            "sha256": hashlib.sha256(proof.statement.encode()).hexdigest(),
            "signature": proof.signature,
            "signer": proof.key,
        }
        async with self._database.engine() as transaction:
            await self._audit.record(
                transaction, by, "tenant.change", resource, why=f"deletion begun: {why}", before=said
            )
        gone = await self._erase(tenant.id)
        async with self._database.engine() as transaction:
            await self._audit.record(
                transaction,
                by,
                "tenant.change",
                resource,
                why=f"deleted: {why}",
                before=said,
                after={"gone": gone},
            )
        return proof

    async def _other(self, name: str) -> Tenant:
        row = await self.find(name)
        if name == OPERATOR:
            raise Refused("the operator's own tenant stays", mend="name another tenant")
        return Tenant(id=row.id, name=row.name)

    async def _note(
        self,
        transaction: EngineTransaction,
        by: Principal,
        tenant: Tenant,
        why: str,
        *,
        action: str = "tenant.change",
        before: object = None,
        after: object = None,
    ) -> None:
        """In the audits of the tenant and of who did it, always in the same order: they are locked."""
        for number in sorted({by.tenant, tenant.id}):
            await self._audit.record(
                transaction,
                by,
                action,
                Resource(kind="tenant", id=tenant.name),
                why=why,
                before=before,
                after=after,
                tenant=number,
            )

    async def _proof(self, tenant: Tenant, by: Principal, why: str) -> Proof:
        tables: dict[str, dict[str, str | int]] = {}
        async with self._database.engine() as transaction:
            await transaction.execute("set transaction isolation level repeatable read, read only")
            at = timestamp(await transaction.value("select statement_timestamp()"))
            for table in await _tables(transaction):
                digest, rows = hashlib.sha256(), 0
                async for text in _rows(transaction, table, tenant.id):
                    digest.update(hashlib.sha256(text.encode()).digest())
                    rows += 1
                if rows:
                    tables[table.name] = {"rows": rows, "sha256": digest.hexdigest()}
        statement = _line(
            {
                "at": at,
                "by": by.id,
                "form": "crossdock.deletion.1",
                "name": tenant.name,
                "tables": tables,
                "tenant": tenant.id,
                "why": plain(why, 2000),
            }
        )
        key, signature = self._audit.sign(statement.encode())
        proof = Proof(
            tenant=tenant.id,
            name=tenant.name,
            tables={name: int(one["rows"]) for name, one in tables.items()},
            statement=statement,
            signature=base64.b64encode(signature).decode(),
            key=key,
        )
        self._audit.keep(f"deleted-{tenant.id}-{at.replace(':', '')}.json", _proof_text(proof))
        return proof

    async def _erase(self, tenant: int) -> int:
        """Delete in small transactions; then what only the owner may, and the tenant's own row with it."""
        gone = 0
        async with self._database.engine() as transaction:
            tables = await _tables(transaction)
        for table in tables:
            while table.ours and table.name != "tenant":
                async with self._database.engine() as transaction:
                    number = await transaction.execute(table.delete(), tenant, _CHUNK)
                gone += number
                if number < _CHUNK:
                    break
        gone += await self._erase_kept(tenant)
        async with self._database.engine() as transaction:
            gone += await transaction.execute("delete from crossdock.tenant where tenant = $1", tenant)
        async with self._database.engine() as transaction:
            left = [table.name for table in tables if await transaction.value(table.any(), tenant)]
        if left:
            raise Broken(
                f"rows came meanwhile in {', '.join(left)}", mend="stop what writes them, and delete again"
            )
        return gone

    async def _erase_kept(self, tenant: int) -> int:
        """What only the owner may, which locks whole tables, one after the other.

        Who is at work in them locks them in another order. So it gives way before PostgreSQL finds that two
        wait for each other, and ends one of them; and tries again.
        """
        for left in reversed(range(_TRIES)):
            try:
                async with self._database.owner() as transaction:
                    await transaction.execute("set local lock_timeout = '300ms'")
                    rows = await transaction.fetch("select name, rows from crossdock.erase_kept($1)", tenant)
                    return sum(int(row["rows"]) for row in rows)
            except Exception as error:
                if getattr(error, "sqlstate", "") != _IN_THE_WAY or not left:
                    raise
                await asyncio.sleep(0.1)
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of the catalogue: its name is the database's own, so it may stand in a statement."""

    name: str
    key: str
    ours: bool  # the engine may delete from it

    def cursor(self, tenant: int) -> LiteralString:
        """Open the rows of a tenant, each as one text, in the order of their key."""
        return (
            "declare rows no scroll cursor for select to_jsonb(t)::text as text "  # noqa: S608
            f"from crossdock.{self.name} t where t.tenant = {tenant:d} order by {self.key}"
        )

    def delete(self) -> LiteralString:
        """Delete some rows of a tenant."""
        some = f"select {self.key} from crossdock.{self.name} where tenant = $1 limit $2"  # noqa: S608
        return f"delete from crossdock.{self.name} where ({self.key}) in ({some})"  # noqa: S608

    def any(self) -> LiteralString:
        """Whether a tenant has rows there."""
        return f"select exists (select 1 from crossdock.{self.name} where tenant = $1)"  # noqa: S608


async def _tables(transaction: EngineTransaction) -> list[_Table]:
    return [_Table(**dict(row)) for row in await transaction.fetch(_TABLES)]


async def _rows(transaction: EngineTransaction, table: _Table, tenant: int) -> AsyncIterator[str]:
    """The rows of a tenant as the database writes them, in the order of their key."""
    await transaction.execute(table.cursor(tenant))
    while True:
        rows = await transaction.fetch("fetch 500 from rows")
        for row in rows:
            yield row["text"]
        if len(rows) < _PAGE:
            break
    await transaction.execute("close rows")


def _line(value: Mapping[str, object]) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def _proof_text(proof: Proof) -> str:
    said = {"key": proof.key, "signature": proof.signature, "statement": proof.statement}
    return json.dumps(said, sort_keys=True) + "\n"
