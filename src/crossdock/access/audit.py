"""The audit: each act of a person, a key, an assistant or the system leaves an entry in its tenant's chain.

The rules:

- An entry is written in the transaction of its act: there is none without the act, and no act without it.
- Entries of a tenant are numbered without gaps, each with the hash of the one before (`audit_form`). The row
  of `audit_head` is locked until the transaction ends, so `record` is called last in it.
- Neither role of the database may change or delete an entry.
- A refused attempt leaves one as well; many equal ones are counted (`audit_attempts`).
- Every few seconds what is new is signed (`audit_checkpoints`), together with the history that was decided.
  The statement is kept in the database and in a file beside it. `verify` compares all of it.

What can be hidden, by whom:

- With the database alone: nothing that was signed. Entries of the last seconds, not signed yet, can be
  replaced or removed together with the head; of the history, rows of the last minute.
- With the database and the file, not the key: both can be cut back to an earlier checkpoint. A copy of the
  file, or of its last line, that is kept elsewhere shows it.
- With the key: everything. Give it in the environment, and keep the public half and a copy of the file
  elsewhere.
- Acts that never happened can be added by whoever may add entries: the chain proves that nothing was taken
  away or changed, not that a program which had the database's password told the truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import structlog

from crossdock.access.actions import ACTIONS
from crossdock.access.audit_attempts import Attempts
from crossdock.access.audit_checkpoints import CheckpointFile, Made, as_entry, make
from crossdock.access.audit_form import (
    GENESIS,
    LONGEST_WHY,
    MOST_ROLES,
    Entry,
    Outcome,
    body,
    plain,
    value_text,
)
from crossdock.access.audit_reading import checkpoints_after, export, verify
from crossdock.access.audit_signer import Signer
from crossdock.access.audit_verify import Report
from crossdock.access.resource import Resource
from crossdock.access.who import Principal
from crossdock.errors import Broken, CrossdockError
from crossdock.store import Database, EngineTransaction, Tenant, TenantTransaction

log = structlog.get_logger(__name__)

_ACT = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z_]*)+")

_RECORD: LiteralString = """
with head as (
  insert into crossdock.audit_head as h (tenant, number, at, previous, hash)
  values ($1, 1, statement_timestamp(), $2, crossdock.audit_hash($2, $1, 1, statement_timestamp(), $3))
  on conflict (tenant) do update set
    number = h.number + 1, at = statement_timestamp(), previous = h.hash,
    hash = crossdock.audit_hash(h.hash, h.tenant, h.number + 1, statement_timestamp(), $3)
  returning number, at, previous, hash
)
insert into crossdock.audit (tenant, number, at, previous, hash, home, kind, actor, behind, roles, action,
                             on_kind, on_id, outcome, why, origin, count, before, after)
select $1, h.number, h.at, h.previous, h.hash, $4, $5, $6, $7, $8::text[], $9,
       $10, $11, $12, $13, $14, $15, $16, $17
from head h
returning number
"""

# Where it is answered is for the door that took the key (`api.answers`).
_DONE: LiteralString = """
update crossdock.api_answer set done = $4 where tenant = $1 and principal = $2 and key = $3
"""
_ENTRIES: LiteralString = """
select * from crossdock.audit
where tenant = crossdock.tenant() and ($1::bigint is null or number < $1)
  and ($2::text is null or actor = $2 or behind = $2) and ($3::text is null or action = $3)
  and ($4::text is null or on_kind = $4) and ($5::text is null or on_id = $5)
  and ($6::text is null or outcome = $6)
  and ($7::timestamptz is null or at >= $7) and ($8::timestamptz is null or at < $8)
order by number desc limit $9
"""

# Tenants with entries that are not signed, and those with a history that is not.
_UNSIGNED: LiteralString = """
select h.tenant from crossdock.audit_head h
where h.number > coalesce((select c.entries from crossdock.audit_checkpoint c where c.tenant = h.tenant
                           order by c.number desc limit 1), 0)
order by 1
"""
_UNSIGNED_HISTORY: LiteralString = """
select t.tenant from crossdock.tenant t
where exists (
  select from crossdock.history h
  where h.tenant = t.tenant and h.xid < pg_snapshot_xmin(pg_current_snapshot())
    and h.xid >= coalesce((select c.upto from crossdock.audit_checkpoint c where c.tenant = t.tenant
                           order by c.number desc limit 1), 0)::text::xid8)
order by 1
"""

_TAKEN = "23505"  # PostgreSQL's code for a key that is there already
SOON = 2.0  # seconds after which an entry is signed, at most, while a process runs
_HISTORY = 30.0  # seconds after which the history is


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries: those that have all that is named. `actor` is also found behind a key or link."""

    actor: str | None = None
    action: str | None = None
    on_kind: str | None = None
    on_id: str | None = None
    outcome: Outcome | None = None
    since: datetime | None = None
    until: datetime | None = None  # before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Entries, newest first; `next` is the cursor of the page after, None where there is none."""

    items: list[Entry]
    next: int | None


class Audit:
    """Writes, signs, reads and verifies the audit of all tenants, one at a time."""

    def __init__(self, database: Database, signer: Signer | None = None) -> None:
        """Of that database. Without a signer nothing is signed, and what is signed is not believed."""
        self._database = database
        self._signer = signer
        self._attempts = Attempts()

    async def record(
        self,
        transaction: TenantTransaction | EngineTransaction,
        principal: Principal,
        action: str,
        resource: Resource,
        *,
        outcome: Outcome = "done",
        why: str = "",
        before: Any = None,
        after: Any = None,
        tenant: int | None = None,
        made: str = "",
    ) -> None:
        """Add an entry in the transaction of the act; call it last there: it holds up the tenant's others.

        An act that was asked with an idempotency key is noted as done with it: `made` is what it made, where
        that is not the resource.

        It goes to the transaction's tenant; in one of the engine to `tenant`, else to the principal's.
        `action` is one of ACTIONS, or an act that needs no leave, as `system.started`. `before` and `after`
        are JSON values, None for none. Raises `Refused` where a secret stands in them.
        """
        if action not in ACTIONS and not _ACT.fullmatch(action):
            raise Broken(f"{action!r} is no act", mend="name it like `thing.done`, as ACTIONS does")
        said: dict[str, Any] = {
            "home": principal.tenant,
            "kind": principal.kind,
            "actor": plain(principal.id),
            "behind": plain(principal.behind),
            "roles": sorted(plain(role) for role in principal.roles)[:MOST_ROLES],
            "action": action,
            "on_kind": plain(resource.kind),
            "on_id": plain(resource.id),
            "outcome": outcome,
            "why": plain(why, LONGEST_WHY),
            "origin": plain(principal.origin),
            "count": 1,
            "before": value_text(before),
            "after": value_text(after),
        }
        if isinstance(transaction, TenantTransaction):
            tenant = transaction.tenant.id
        elif tenant is None:
            tenant = principal.tenant
        if outcome == "refused" and not self._attempts.first(tenant, said):
            return
        if outcome == "done" and principal.deed:
            deed = (principal.tenant, principal.id, principal.deed, made or resource.id)
            await transaction.execute(_DONE, *deed)
        await _add(transaction, tenant, said)

    async def entries(
        self, tenant: Tenant, wanted: Filter | None = None, cursor: int | None = None, *, most: int = 100
    ) -> Page:
        """Entries of a tenant, newest first; `cursor` is what the page before gave as `next`."""
        f = wanted or Filter()
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(
                _ENTRIES, cursor, f.actor, f.action, f.on_kind, f.on_id, f.outcome, f.since, f.until, most + 1
            )
        items = [as_entry(row) for row in rows[:most]]
        return Page(items=items, next=items[-1].number if len(rows) > most else None)

    def export(self, tenant: Tenant) -> AsyncIterator[str]:
        """The whole audit of a tenant as lines of JSON that verify without a database (`audit_export`)."""
        return export(self._database, tenant, self._signer)

    async def verify(self, tenant: Tenant) -> Report:
        """Compare entries, checkpoints, the file beside the database, and the history of a tenant."""
        return await verify(self._database, tenant, self._signer)

    async def seal(self, tenant: int) -> bool:
        """Sign what is new of a tenant, and add it to the file; whether there was anything.

        Raises `Broken` where it is not what was recorded, `Refused` where nobody can sign.
        """
        made = await self._seal(tenant)
        return made is not None and made.checkpoint is not None

    async def seal_all(self, tenant: int) -> None:
        """Sign all that is new of a tenant, in as many parts as it takes; see `seal`."""
        while (made := await self._seal(tenant)) and made.more:
            pass

    async def _seal(self, tenant: int) -> Made | None:
        if self._signer is None:
            return None
        file = CheckpointFile(self._signer.directory, tenant)
        outside = file.last()
        made = await make(self._database, tenant, self._signer, outside=outside)
        new = made.checkpoint
        if new is not None and new.number == outside + 1:
            await asyncio.to_thread(file.add, [new])
        elif new is not None or outside == 0:
            async with self._database.engine() as transaction:
                missing = await checkpoints_after(transaction, tenant, outside, self._signer.known())
            if missing:
                await asyncio.to_thread(file.add, missing)
        return made

    def sign(self, data: bytes) -> tuple[str, bytes]:
        """The name of the key and its signature over something else that is to be proven later."""
        if self._signer is None:
            raise Broken("nobody signs here", mend="give the audit a signer")
        return self._signer.name, self._signer.sign(data)

    def keep(self, name: str, text: str) -> None:
        """Keep a text beside the checkpoints, outside of the database."""
        if self._signer is not None:
            self._signer.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._signer.directory / name).write_text(text)

    def keys(self) -> Mapping[str, bytes]:
        """The public halves of the keys that have signed here, by name."""
        return self._signer.known() if self._signer else {}

    async def settle(self, *, at_once: bool = True) -> None:
        """Write what was counted of refused attempts, and sign what is new of all tenants."""
        for tenant, said in self._attempts.over(at_once=at_once):
            try:
                async with self._database.engine() as transaction:
                    await _add(transaction, tenant, said)
            except Broken as error:  # of one tenant; the others go on
                log.warning("audit.broken", tenant=tenant, error=error.message, mend=error.mend)
        await self._seal_all(_UNSIGNED)

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Settle meanwhile, and once more at the end."""
        running = asyncio.create_task(self.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            try:
                await self.settle()
            except Exception as error:  # noqa: BLE001 - it must not hide what ended the process
                log.warning("audit.not_settled", error=f"{type(error).__name__}: {error}")

    async def run(self) -> None:
        """Settle again and again, until cancelled. Any number of processes may."""
        slept = 0.0
        while True:
            await asyncio.sleep(SOON)
            slept += SOON
            try:
                await self.settle(at_once=False)
                if slept >= _HISTORY:
                    slept = 0.0
                    await self._seal_all(_UNSIGNED_HISTORY)
            except CrossdockError as error:
                log.warning("audit.not_settled", error=error.message, mend=error.mend)
            except Exception:  # a fault in one turn must not end all others
                log.exception("audit.turn_failed")

    async def _seal_all(self, which: LiteralString) -> None:
        if self._signer is None:
            return
        async with self._database.engine() as transaction:
            tenants = [row["tenant"] for row in await transaction.fetch(which)]
        for tenant in tenants:
            try:
                await (self.seal if which is _UNSIGNED else self.seal_all)(tenant)
            except Broken as error:
                log.warning("audit.broken", tenant=tenant, error=error.message, mend=error.mend)


async def _add(transaction: TenantTransaction | EngineTransaction, tenant: int, said: dict[str, Any]) -> None:
    try:
        await transaction.value(_RECORD, tenant, GENESIS, body(**said), *said.values())
    except Exception as error:
        if getattr(error, "sqlstate", "") == _TAKEN:
            raise Broken(
                f"the audit of tenant {tenant} does not take the act: its head does not fit its entries",
                mend="see `crossdock audit verify`",
            ) from error
        raise
