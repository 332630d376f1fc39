"""Master data that is read from the systems that keep it: parties, items, locations, services, units.

A connector's operations `list_parties` and so on give it page by page from a cursor. What it means for the
cross references is decided by `translate.masters`, and all of it is kept in one transaction with the cursors:
a reading that breaks off has changed nothing, and is done again.

What a connection was read once it is read again by itself, every day, as the tenant's settings have it:

    master_data: { every: 1 day }

`every: never` ends it. Each week all is read from the beginning, which shows what is not there any more.
While something waits for a person an exception says so; the process `settle-difference` makes it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
import structlog

from crossdock.access.redaction import hidden
from crossdock.connect import Calls, Lines
from crossdock.connect.fit import misfit, plain
from crossdock.connect.lines import Line, Ready
from crossdock.connect.references import References
from crossdock.engine import Arrival, Inbox
from crossdock.errors import Conflict, CrossdockError, Refused
from crossdock.gateway.imported import Count, Imported
from crossdock.gateway.turns import turns
from crossdock.model.codes import instant_text
from crossdock.process.durations import Duration
from crossdock.process.problems import nearest
from crossdock.store import Database, EngineTransaction, Last, Tenant
from crossdock.translate.masters import Master, Settled, Waiting, settle
from crossdock.translate.work import Kind

log = structlog.get_logger(__name__)

LISTS: Mapping[Kind, str] = {
    "party": "list_parties",
    "item": "list_items",
    "location": "list_locations",
    "service": "list_services",
    "unit": "list_units",
}
_NAMED = "service"  # is read where it is named: it lives in a module that many systems do not have
MOST = 100_000  # records of a kind, in one reading; the rest is read by the next
WHOLE = timedelta(days=7)
_PAGE_SECONDS = 60.0
_AGAIN_SECONDS = 900.0  # until another worker may take up a reading that this one has begun

_BEGIN: LiteralString = """
select kinds, numbers, cursors from crossdock.master_reading where tenant = $1 and connection = $2
"""
_KNOWN: LiteralString = """
select id, code, ours, active, was, finding from crossdock.master
where tenant = $1 and connection = $2 and kind = $3
"""
_KEEP: LiteralString = """
insert into crossdock.master as m
  (tenant, connection, kind, id, code, ours, active, was, finding, here, there, mend, found)
select $1, $2, $3, k.*, case when k.finding <> '' then crossdock.now() end
from unnest($4::text[], $5::text[], $6::text[], $7::bool[], $8::text[], $9::text[], $10::text[], $11::text[],
  $12::text[]) as k(id, code, ours, active, was, finding, here, there, mend)
on conflict (tenant, connection, kind, id) do update set
  code = excluded.code, ours = excluded.ours, active = excluded.active, was = excluded.was,
  finding = excluded.finding, here = excluded.here, there = excluded.there, mend = excluded.mend,
  found = case when excluded.finding = m.finding then m.found else excluded.found end
where (m.code, m.ours, m.active, m.was, m.finding, m.here, m.there, m.mend) is distinct from
  (excluded.code, excluded.ours, excluded.active, excluded.was, excluded.finding, excluded.here,
   excluded.there, excluded.mend)
"""
_READ: LiteralString = """
insert into crossdock.master_reading as r
  (tenant, connection, kinds, numbers, cursors, due, ran, whole, counts, since)
values ($1, $2, $3, $4, $5, $6, crossdock.now(), case when $7 then crossdock.now() end, $8,
  case when $9 then crossdock.now() end)
on conflict (tenant, connection) do update set
  kinds = excluded.kinds, numbers = excluded.numbers, cursors = excluded.cursors, due = excluded.due,
  ran = excluded.ran, whole = coalesce(excluded.whole, r.whole), failures = 0, failed = '',
  counts = excluded.counts, since = case when $9 then coalesce(r.since, excluded.since) end
"""
_WAITS: LiteralString = """
select exists (select from crossdock.master where tenant = $1 and connection = $2 and finding <> '')
"""
_FINDINGS: LiteralString = """
select finding, count(*)::int as many, min(there) as there
from crossdock.master where tenant = $1 and connection = $2 and finding <> '' group by finding order by 1
"""
_TELLING: LiteralString = """
select told, since from crossdock.master_reading where tenant = $1 and connection = $2
"""
_TOLD: LiteralString = "update crossdock.master_reading set told = $3 where tenant = $1 and connection = $2"
_TAKE: LiteralString = """
update crossdock.master_reading r set due = crossdock.now() + make_interval(secs => $2)
from (
  select x.tenant, x.connection, t.name from crossdock.master_reading x
  join crossdock.tenant t on t.tenant = x.tenant and t.suspended is null
  join crossdock.connection c on c.tenant = x.tenant and c.name = x.connection and c.stopped is null
  where x.due <= crossdock.now()
  order by x.due limit $1 for update of x skip locked) d
where r.tenant = d.tenant and r.connection = d.connection
returning r.tenant, d.name, r.connection, r.whole is null or r.whole < crossdock.now() - $3::interval as anew
"""
_FAILED: LiteralString = """
update crossdock.master_reading set failures = failures + 1, failed = $3 where tenant = $1 and connection = $2
"""


@dataclass(slots=True)
class _Reading:
    """What was read of one kind."""

    records: dict[str, Master] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    cursor: str = ""
    more: bool = False


Noted = Callable[[Tenant, str, Imported], Last | None]


class MasterReader:
    """Reads master data, for all tenants on their schedules, or of one connection at once."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        lines: Lines,
        calls: Calls,
        *,
        noted: Noted | None = None,
    ) -> None:
        """Through these connections. `noted` is done with each reading that is kept, in its transaction."""
        self._database = database
        self._inbox = inbox
        self._lines = lines
        self._calls = calls
        self._references = References(database)
        self._noted = noted

    async def run(self, *, look: float = 15.0) -> None:
        """Read what is due until cancelled, looking every `look` seconds."""
        await turns("masters", self.turn, look=look)

    async def turn(self, most: int = 2) -> int:
        """Read up to `most` connections that are due; gives how many there were."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_TAKE, most, _AGAIN_SECONDS, WHOLE)
        for row in rows:
            tenant, connection = Tenant(id=row["tenant"], name=row["name"]), row["connection"]
            try:
                await self.read(tenant, connection, by=f"connection/{connection}", anew=row["anew"])
            except CrossdockError as error:
                log.warning("masters.failed", tenant=tenant.name, connection=connection, error=error.message)
                async with self._database.engine() as transaction:
                    await transaction.execute(_FAILED, tenant.id, connection, hidden(error.message)[:500])
        return len(rows)

    async def read(
        self,
        tenant: Tenant,
        connection: str,
        kinds: Sequence[Kind] = (),
        *,
        by: str,
        numbers: Mapping[Kind, str] | None = None,
        anew: bool = False,
        only_look: bool = False,
    ) -> Imported:
        """Read what was changed since the last time, or `anew` all, and set what is new.

        `kinds` without any are those of the last time, or all that it has but services. `numbers` says which
        of their numbers is our code, by kind; a kind that is not in it is as before. With `only_look` nothing
        is kept. Raises `Refused` where the system has no such list, `Conflict` where another reading came
        between, and what asking it raises.
        """
        line = await self._lines.line(tenant.id, connection)
        async with self._database.engine() as transaction:
            row = await transaction.row(_BEGIN, tenant.id, connection)
        cursors: dict[Kind, str] = _json(row, "cursors")
        before: dict[Kind, str] = _json(row, "numbers")
        chosen = {**before, **(numbers or {})}
        asked = self._lists(line, kinds or (row["kinds"] if row is not None else ()))
        readings = {}
        for kind, ready in asked.items():
            fresh = anew or chosen.get(kind) != before.get(kind)
            start = "" if fresh else cursors.get(kind, "")
            readings[kind] = await self._pages(line, ready, start, chosen.get(kind, ""))
        async with self._database.engine() as transaction:
            imported, settled = await self._settled(
                transaction, tenant, line, readings, chosen, cursors=None if anew else cursors
            )
            if only_look:
                return imported
            now = await transaction.row(_BEGIN, tenant.id, connection)
            if _json(now, "cursors") != cursors:
                raise Conflict(
                    f"the master data of {connection} was read by somebody else meanwhile", mend="ask again"
                )
            await self._keep(transaction, tenant, connection, settled, by=by)
            await transaction.execute(
                _READ,
                tenant.id,
                connection,
                sorted({*asked, *(row["kinds"] if row is not None else ())}),
                msgspec.json.encode(chosen),
                msgspec.json.encode({**cursors, **{kind: one.cursor for kind, one in readings.items()}}),
                await self._due(transaction, tenant, more=imported.more),
                anew and not imported.more,
                msgspec.json.encode(imported.counts),
                await transaction.value(_WAITS, tenant.id, connection),
            )
            last = self._noted(tenant, connection, imported) if self._noted is not None else None
            if last is not None:
                await last(transaction)
        await self._tell(tenant, connection)
        return imported

    def _lists(self, line: Line, kinds: Sequence[Kind]) -> dict[Kind, Ready]:
        """The operations that give these kinds. Raises `Refused` where there is none."""
        has = {
            kind: ready
            for kind, name in LISTS.items()
            for (_, operation), ready in line.operations.items()
            if operation == name
        }
        missing = [kind for kind in kinds if kind not in has]
        if missing or not has:
            what = missing[0] if missing else "master data"
            raise Refused(
                f"{line.connector.name} cannot list {what}",
                where=line.name,
                mend=nearest(what, has) or f"take it in from a file: crossdock codes import {line.name} FILE",
            )
        return {kind: ready for kind, ready in has.items() if kind in (kinds or set(LISTS) - {_NAMED})}

    async def _pages(self, line: Line, ready: Ready, cursor: str, number: str) -> _Reading:
        found = _Reading(cursor=cursor, more=True)
        while found.more and len(found.records) < MOST:
            given = await self._calls.ask(
                line.tenant,
                line.name,
                ready.operation.do,
                {"cursor": found.cursor} if found.cursor else {},
                seconds=_PAGE_SECONDS,
            )
            page = plain(given)
            if problem := misfit(page, ready.shape.output):
                raise Refused(f"what {line.name} lists does not fit {ready.shape.name}: {problem}")
            if page["more"] and page["cursor"] == found.cursor:
                raise Refused(f"{ready.shape.name} of {line.name} says there is more, and does not move on")
            for one in page["records"]:
                said = one.get("ours", "") if not number else one.get("numbers", {}).get(number, "")
                found.records[one["id"]] = Master(
                    id=one["id"], code=one["code"].strip(), ours=said.strip(), active=one["active"]
                )
                found.names[one["id"]] = one.get("name", "")
            found.cursor, found.more = page["cursor"], page["more"]
        return found

    async def _settled(
        self,
        transaction: EngineTransaction,
        tenant: Tenant,
        line: Line,
        readings: Mapping[Kind, _Reading],
        numbers: Mapping[Kind, str],
        *,
        cursors: Mapping[Kind, str] | None,
    ) -> tuple[Imported, dict[Kind, Settled]]:
        """What becomes of all that was read; without `cursors` it is all that there is."""
        there = await self._references.all_of(transaction, tenant.id, line.name, list(readings))
        imported, settled = Imported(), dict[Kind, Settled]()
        for kind, reading in readings.items():
            rows = await transaction.fetch(_KNOWN, tenant.id, line.name, kind)
            known = {
                row["id"]: Master(
                    id=row["id"], code=row["code"], ours=row["ours"], active=row["active"], was=row["was"]
                )
                for row in rows
            }
            whole = cursors is None and not reading.more
            left = [one for name, one in known.items() if whole and name not in reading.records]
            one = settled[kind] = settle(
                kind,
                line.name,
                [*reading.records.values(), *(msgspec.structs.replace(one, active=False) for one in left)],
                known=known,
                waits=[row["id"] for row in rows if row["finding"]],
                codes=[code for code in there if code.kind == kind],
                same_code=kind != "unit" and not numbers.get(kind),
            )
            imported.more |= reading.more
            imported.counts[kind] = Count(
                read=len(reading.records),
                added=len(one.added),
                same=one.same,
                inactive=one.inactive,
                waiting=len(one.waiting),
            )
            imported.name(kind, one, reading.names)
        return imported, settled

    async def _keep(
        self,
        transaction: EngineTransaction,
        tenant: Tenant,
        connection: str,
        settled: Mapping[Kind, Settled],
        *,
        by: str,
    ) -> None:
        for kind, one in settled.items():
            await self._references.add(transaction, tenant.id, connection, one.added, by=by)
            nothing = Waiting(finding="unknown", here="", there="", mend="")
            waits = [(one.waiting.get(name), record) for name, record in one.records.items()]
            columns = [
                [r.id, r.code, r.ours, r.active, r.was, w.finding if w else "",
                 *((w or nothing).here, (w or nothing).there, (w or nothing).mend)]
                for w, r in waits
            ]  # fmt: skip
            if columns:
                lists = (list(column) for column in zip(*columns, strict=True))
                await transaction.execute(_KEEP, tenant.id, connection, kind, *lists)

    async def _due(self, transaction: EngineTransaction, tenant: Tenant, *, more: bool) -> datetime | None:
        """When it is read again: at once where a part is left."""
        await self._inbox.library.renew(tenant.id)
        shelf = self._inbox.library.shelf_of(tenant.id)
        given = (shelf.references[shelf.reference].tenant.get("settings") or {}).get("master_data")
        every = str(given.get("every") or "1 day") if isinstance(given, Mapping) else "1 day"
        if every == "never":
            return None
        now: datetime = await transaction.value("select crossdock.now()")
        if more:
            return now
        return now + Duration.parse(every, where="settings.master_data.every").exact

    async def _tell(self, tenant: Tenant, connection: str) -> None:
        """Tell that some wait, or none any more; also what a reading that broke off has not told."""
        async with self._database.engine() as transaction:
            row = await transaction.row(_TELLING, tenant.id, connection)
            findings = await transaction.fetch(_FINDINGS, tenant.id, connection)
            now = await transaction.value("select crossdock.now()")
        told = row["told"] if row is not None else ""
        if row is None or bool(findings) == (told != ""):
            return
        since = instant_text(row["since"]) if findings else told
        await self._inbox.put(tenant, [_event(connection, findings, since, now)])
        async with self._database.engine() as transaction:
            await transaction.execute(_TOLD, tenant.id, connection, since if findings else "")


def _event(connection: str, findings: Sequence[Any], since: str, now: datetime) -> Arrival:
    number = f"codes_wait/{connection}"
    what = "found" if findings else "gone"
    many = sum(one["many"] for one in findings)
    said = ", ".join(f"{one['many']} {one['finding']}" for one in findings)
    here = f"{many} code{'s wait' if many > 1 else ' waits'} for a person ({said})" if findings else ""
    return Arrival(
        id=f"{number}/{since}/{what}",
        source="masters",
        type=f"difference.{what}",
        time=now,
        data={
            "number": number,
            "what": "codes",
            "kind": "codes_wait",
            "about": connection,
            "connection": connection,
            "severity": "medium",
            "here": here,
            "there": f"{findings[0]['there']}, for one" if findings else "",
            "mend": f"See all, and what mends each: crossdock codes waiting {connection}",
            "since": since,
        },
        about={"difference": number},
    )


def _json(row: Any, name: str) -> Any:
    return msgspec.json.decode(row[name]) if row is not None else {}
