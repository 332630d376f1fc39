"""Imports: a file is received whole and checked, then sent in; whatever is killed meanwhile.

    receiving ──► sending ──► done        checked: only looked at
        └──► refused          └──► stopped: by a person, or whoever sent it is let in no more

While it comes, each good line is kept as the event that it is, each bad one as a fault; nothing has been sent
before the end of the file is there. Where all or nothing was asked for, and something is wrong, it is
refused. Then any process sends what is kept, some lines at a time, under a lease. An event is named after
import and line, or by its own source and id: lines that a killed process had sent, and not noted as sent, are
known to the inbox and change nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec
import structlog

from crossdock.access import Principal, Resource
from crossdock.access.audit import Audit
from crossdock.access.identity import Identity
from crossdock.api.importing.lines import Fault, Good, Reader
from crossdock.api.names import NameBook
from crossdock.api.problems import AtWork, KeyReused, TooLarge
from crossdock.desk import Acts
from crossdock.engine import Arrival
from crossdock.errors import Conflict, CrossdockError, Refused, Unreachable
from crossdock.gateway.turns import turns
from crossdock.store import Database, Tenant

log = structlog.get_logger(__name__)

MOST_BYTES = 512 * 2**20
MOST_LINES = 1_000_000
MOST_FAULTS = 10_000  # that are kept; all are counted
_KEPT = 500  # lines that are written together
_SENT = 200  # lines that go into the inbox together
_LEASE = 60  # seconds

_BEGIN: LiteralString = """
insert into crossdock.api_import (tenant, what, form, type, whole, by, principal, key, lease)
values (crossdock.tenant(), $1, $2, $3, $4, $5, $6, $7, statement_timestamp() + make_interval(secs => $8))
on conflict (tenant, by, key) where key is not null do nothing
returning id, at
"""
_KNOWN: LiteralString = """
select id, status, digest, lease > statement_timestamp() as alive from crossdock.api_import
where tenant = crossdock.tenant() and by = $1 and key = $2
"""
_LINES: LiteralString = """
insert into crossdock.api_import_line (tenant, import, line, arrival)
select crossdock.tenant(), $1, * from unnest($2::int[], $3::bytea[])
"""
_FAULTS: LiteralString = """
insert into crossdock.api_import_fault (tenant, import, n, line, field, detail, mend)
select crossdock.tenant(), $1, * from unnest($2::int[], $3::int[], $4::text[], $5::text[], $6::text[])
"""
_BEAT: LiteralString = """
update crossdock.api_import set lines = $2, good = $3, bad = $4,
  lease = statement_timestamp() + make_interval(secs => $5)
where tenant = crossdock.tenant() and id = $1
"""
_RECEIVED: LiteralString = """
update crossdock.api_import set status = $2, digest = $3, lines = $4, good = $5, bad = $6,
  lease = statement_timestamp(), ended = case when $2 = 'sending' then null else statement_timestamp() end
where tenant = crossdock.tenant() and id = $1
"""
_CLAIM: LiteralString = """
update crossdock.api_import i set lease = statement_timestamp() + make_interval(secs => $1)
from (select x.tenant, x.id from crossdock.api_import x
      where x.status = 'sending' and x.lease <= statement_timestamp()
      order by x.lease limit 1 for update skip locked) f
where i.tenant = f.tenant and i.id = f.id
returning i.tenant, i.id, i.upto, i.principal,
  (select t.name from crossdock.tenant t where t.tenant = i.tenant) as tenant_name
"""
_LEFT: LiteralString = """
select tenant, id from crossdock.api_import
where status = 'receiving' and lease < statement_timestamp() - interval '1 hour' limit 20
"""
_NEXT: LiteralString = """
select line, arrival from crossdock.api_import_line
where tenant = crossdock.tenant() and import = $1 and line > $2 order by line limit $3
"""
_NOTE: LiteralString = """
update crossdock.api_import set upto = $2, sent = sent + $3, bad = bad + $6,
  fates = (select coalesce(jsonb_object_agg(k, n), '{}') from (
    select k, sum(v)::int as n from (
      select key as k, value::int as v from jsonb_each_text(fates)
      union all select key, value::int from jsonb_each_text($4::text::jsonb)) a group by k) s),
  lease = statement_timestamp() + make_interval(secs => $5)
where tenant = crossdock.tenant() and id = $1 and status = 'sending' and upto < $2
"""
_END: LiteralString = """
update crossdock.api_import set status = $2, error = $3, ended = statement_timestamp()
where tenant = crossdock.tenant() and id = $1 and status = 'sending'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """How a file is to be taken. `whole`: all or nothing; `check`: only looked at."""

    what: str
    form: str
    type: str
    whole: bool
    check: bool
    key: str = ""  # the idempotency key


class Imports:
    """The imports of all tenants."""

    def __init__(
        self, database: Database, names: NameBook, acts: Acts, identity: Identity, audit: Audit
    ) -> None:
        """Sent by these acts, as long as whoever sent the file is let in."""
        self._audit = audit
        self._database = database
        self._names = names
        self._acts = acts
        self._identity = identity

    async def receive(
        self, tenant: Tenant, by: Principal, wanted: Wanted, pieces: AsyncIterator[bytes]
    ) -> tuple[int, bool]:
        """Take a file in; gives the import, and whether it was there before. Raises `Refused`."""
        key = hashlib.sha256(wanted.key.encode()).digest() if wanted.key else None
        row = await self._begin(tenant, by, wanted, key)
        if row is None:
            assert key is not None  # noqa: S101 - nothing else can be in its way
            known = await self._known(tenant, by, key, pieces)
            if known is not None:
                return known, True
            row = await self._begin(tenant, by, wanted, key)
            if row is None:
                raise AtWork("the same import is being received", mend="ask again in a moment")
        number = int(row["id"])
        named = (await self._names.of(tenant)).name("import", number)
        reader = Reader(
            what=wanted.what,  # type: ignore[arg-type] # checked by the door
            form=wanted.form,  # type: ignore[arg-type]
            type=wanted.type,
            named=named,
            now=row["at"],
            actor=by.actor(),
        )
        try:
            await self._take(tenant, by, number, wanted, reader, pieces)
        except BaseException:
            await self._drop(tenant, number)
            raise
        return number, False

    async def _begin(self, tenant: Tenant, by: Principal, wanted: Wanted, key: bytes | None) -> Any:
        async with self._database.of(tenant) as transaction:
            return await transaction.row(
                _BEGIN,
                wanted.what,
                wanted.form,
                wanted.type,
                wanted.whole,
                by.id,
                _encoded(by),
                key,
                _LEASE,
            )

    async def _known(
        self, tenant: Tenant, by: Principal, key: bytes, pieces: AsyncIterator[bytes]
    ) -> int | None:
        """The import that had this key before, if it was of the same file; None where it never was whole."""
        async with self._database.of(tenant) as transaction:
            row = await transaction.row(_KNOWN, by.id, key)
        if row is None:
            return None
        if row["digest"] is None:
            if row["alive"]:
                raise AtWork("the same import is being received", mend="ask again in a moment")
            await self._drop(tenant, row["id"])
            return None
        digest = hashlib.sha256()
        async for piece in pieces:
            digest.update(piece)
        if digest.digest() != bytes(row["digest"]):
            raise KeyReused(
                "this idempotency key was used for another file",
                where="header.Idempotency-Key",
                mend="take a new key for a new import",
            )
        return int(row["id"])

    async def _take(
        self,
        tenant: Tenant,
        by: Principal,
        number: int,
        wanted: Wanted,
        reader: Reader,
        pieces: AsyncIterator[bytes],
    ) -> None:
        kept: list[Good] = []
        faults: list[Fault] = []
        size = good = bad = 0
        digest = hashlib.sha256()

        async def write() -> None:
            sent = [] if wanted.check else [one.arrival for one in kept]
            events = [msgspec.json.encode(one) for one in await self._acts.events.sealed(by, sent)]
            async with self._database.of(tenant) as transaction:
                if events:
                    await transaction.execute(_LINES, number, [one.line for one in kept], events)
                room = faults[: max(0, MOST_FAULTS - (bad - len(faults)))]
                if room:
                    await transaction.execute(_FAULTS, number, *_columns(bad - len(faults), room))
                await transaction.execute(_BEAT, number, reader.lines, good, bad, _LEASE)
            kept.clear()
            faults.clear()

        async def judged(found: Any) -> None:
            nonlocal good, bad
            for one in found:
                if isinstance(one, Good):
                    kept.append(one)
                    good += 1
                else:
                    faults.append(one)
                    bad += 1
                if len(kept) + len(faults) >= _KEPT:
                    await write()
            if reader.lines > MOST_LINES:
                raise TooLarge(f"more than {MOST_LINES:,} lines", where="body", mend="send several files")

        async for piece in pieces:
            size += len(piece)
            if size > MOST_BYTES:
                raise TooLarge(f"more than {MOST_BYTES:,} bytes", where="body", mend="send several files")
            digest.update(piece)
            await judged(reader.feed(piece))
        await judged(reader.end())
        await write()
        if not good and not bad:
            raise Refused("the file is empty", where="body", mend="send lines")
        status = "sending"
        if wanted.check:
            status = "checked"
        elif not good or (wanted.whole and bad):
            status = "refused"
        async with self._database.of(tenant) as transaction:
            if status != "sending":
                await transaction.execute(
                    "delete from crossdock.api_import_line where tenant = crossdock.tenant() and import = $1",
                    number,
                )
            await transaction.execute(_RECEIVED, number, status, digest.digest(), reader.lines, good, bad)

    async def _drop(self, tenant: Tenant, number: int) -> None:
        """Forget an import that never came whole."""
        async with self._database.of(tenant) as transaction:
            for table in ("api_import_line", "api_import_fault"):
                await transaction.execute(
                    f"delete from crossdock.{table} where tenant = crossdock.tenant() and import = $1",  # type: ignore[arg-type, unused-ignore]  # noqa: S608
                    number,
                )
            await transaction.execute(
                "delete from crossdock.api_import where tenant = crossdock.tenant() and id = $1", number
            )

    async def stop(self, tenant: Tenant, by: Principal, number: int) -> None:
        """Send no more of it. Raises `Conflict` where it has ended."""
        resource = Resource(kind="import", id=str(number), attributes={"owner": by.id})
        await self._acts.policies.require(by, "event.send", resource)
        async with self._database.of(tenant) as transaction:
            if not await transaction.execute(_END, number, "stopped", f"stopped by {by.id}"):
                raise Conflict(f"the import {number} does not go on", mend="see how it stands")
            await self._audit.record(transaction, by, "event.send", resource, after={"stopped": True})

    async def run(self, *, look: float = 0.5) -> None:
        """Send what is to be sent, of any tenant, until cancelled."""
        await turns("imports", self.turn, look=look)

    async def turn(self) -> bool:
        """Send one import on, as far as it goes; whether there was one. What never came is forgotten."""
        async with self._database.engine() as transaction:
            for left in await transaction.fetch(_LEFT):
                await self._drop(Tenant(id=left["tenant"], name=""), left["id"])
            row = await transaction.row(_CLAIM, _LEASE)
        if row is None:
            return False
        tenant = Tenant(id=row["tenant"], name=row["tenant_name"])
        number, upto, by = row["id"], row["upto"], _decoded(row["principal"])
        try:
            while (last := await self._send(tenant, number, upto, by)) is not None:
                upto = last
        except Unreachable as error:
            log.warning("imports.waits", tenant=tenant.name, error=error.message)
        except Conflict as error:  # a tenant that is suspended: it goes on when that is over
            log.warning("imports.waits", tenant=tenant.name, error=error.message)
        except CrossdockError as error:
            await self._end(tenant, number, "stopped", error.message)
        return True

    async def _send(self, tenant: Tenant, number: int, upto: int, by: Principal) -> int | None:
        """Send some lines; gives the last of them, None at the end."""
        by = await self._identity.still(by)
        async with self._database.of(tenant) as transaction:
            rows = await transaction.fetch(_NEXT, number, upto, _SENT)
        if not rows:
            await self._end(tenant, number, "done", "")
            return None
        arrivals = [msgspec.json.decode(row["arrival"], type=Arrival) for row in rows]
        receipts = await self._acts.events.send(by, arrivals)
        fates = Counter(receipt.fate for receipt in receipts)
        refused = [
            Fault(line=row["line"], field="", detail=receipt.reason, mend="see the quarantine")
            for row, receipt in zip(rows, receipts, strict=True)
            if receipt.fate == "quarantined"
        ]
        last = int(rows[-1]["line"])
        async with self._database.of(tenant) as transaction:
            told = msgspec.json.encode(fates).decode()
            if not await transaction.execute(_NOTE, number, last, len(rows), told, _LEASE, len(refused)):
                return None  # somebody stopped it, or was quicker
            if refused:
                begin = await transaction.value(
                    "select coalesce(max(n) + 1, 0) from crossdock.api_import_fault "
                    "where tenant = crossdock.tenant() and import = $1",
                    number,
                )
                await transaction.execute(_FAULTS, number, *_columns(begin, refused))
            await transaction.execute(
                "delete from crossdock.api_import_line "
                "where tenant = crossdock.tenant() and import = $1 and line <= $2",
                number,
                last,
            )
        return last

    async def _end(self, tenant: Tenant, number: int, status: str, error: str) -> None:
        async with self._database.of(tenant) as transaction:
            await transaction.execute(_END, number, status, error[:2000])


def _columns(begin: int, faults: Sequence[Fault]) -> list[list[Any]]:
    return [
        list(range(begin, begin + len(faults))),
        [one.line for one in faults],
        [one.field[:500] for one in faults],
        [one.detail[:2000] for one in faults],
        [one.mend[:500] for one in faults],
    ]


def _encoded(by: Principal) -> bytes:
    return msgspec.json.encode(
        {
            "tenant": by.tenant,
            "id": by.id,
            "kind": by.kind,
            "name": by.name,
            "roles": sorted(by.roles),
            "scopes": None if by.scopes is None else sorted(by.scopes),
            "behind": by.behind,
            "origin": by.origin,
        }
    )


def _decoded(data: bytes) -> Principal:
    found = msgspec.json.decode(data)
    scopes = found.pop("scopes")
    roles = frozenset(found.pop("roles"))
    return Principal(**found, roles=roles, scopes=None if scopes is None else frozenset(scopes))
