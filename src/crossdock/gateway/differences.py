"""Differences that stand: each kept once, told as `difference.found`, and as `difference.gone` when over.

What two systems list may be in flight while both are read. It waits, untold, until both have said the same
for as long as `grace`: by their own times of the change where they tell them, else as it was seen here. By
then the feeds of both have to be read as well: a move that nobody here has heard of is no difference.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from crossdock.engine import Arrival, Inbox
from crossdock.gateway.compare import LISTED, Difference
from crossdock.model.codes import instant_text
from crossdock.store import Database, Tenant

WAITING = "waiting"
_NEVER = datetime(1900, 1, 1, tzinfo=UTC)

_OLDEST: LiteralString = """
select min(at) from crossdock.difference where tenant = $1 and gone is null and what = any($2::text[])
"""
_FOUND: LiteralString = """
insert into crossdock.difference as d (tenant, what, kind, about, connection, severity, here, there, mend,
  takes_in, "order", shipment, invoice, at, against, item, told)
select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
  $9::text[], $10::bool[], $11::text[], $12::text[], $13::text[], $14::timestamptz[], $15::text[],
  $16::text[], $17::text[])
on conflict (tenant, what, kind, about) where gone is null do update set
  here = excluded.here, there = excluded.there, mend = excluded.mend, takes_in = excluded.takes_in,
  severity = excluded.severity, seen = crossdock.now(),
  found = case when d.told = 'waiting' and (d.here, d.there) is distinct from (excluded.here, excluded.there)
    then crossdock.now() else d.found end,
  told = case when d.told <> 'waiting' then d.told
    when excluded.told = '' then ''
    when (d.here, d.there) = (excluded.here, excluded.there) and d.found <= $18 then ''
    else 'waiting' end
returning d.told = '' as fresh
"""
_GONE: LiteralString = """
with calmed as (
  delete from crossdock.difference
  where tenant = $1 and gone is null and told = 'waiting' and what = any($2::text[])
    and connection = any($3::text[]) and (against = '' or against = any($3::text[]))
    and not (kind || '/' || about) = any($4::text[])
)
update crossdock.difference set gone = crossdock.now()
where tenant = $1 and gone is null and told <> 'waiting' and what = any($2::text[])
  and connection = any($3::text[]) and (against = '' or against = any($3::text[]))
  and not (kind || '/' || about) = any($4::text[])
returning id
"""
_UNTOLD: LiteralString = """
select * from crossdock.difference
where tenant = $1 and (told = '' or (told = 'found' and gone is not null)) order by id limit 2000
"""
_TOLD: LiteralString = """
update crossdock.difference set told = case when gone is null then 'found' else 'gone' end
where tenant = $1 and id = any($2::bigint[])
"""
_OPEN: LiteralString = """
select id, what, kind, about, connection, found from crossdock.difference
where tenant = $1 and kind || '/' || about = $2 and gone is null and takes_in
"""


class Differences:
    """The differences of all tenants."""

    def __init__(self, database: Database, inbox: Inbox) -> None:
        """In that database; what is told goes into that inbox."""
        self._database = database
        self._inbox = inbox

    async def oldest(self, tenant: Tenant, whats: Sequence[str]) -> datetime | None:
        """When the oldest of them that stands last changed there."""
        async with self._database.engine() as transaction:
            found: datetime | None = await transaction.value(_OLDEST, tenant.id, list(whats))
        return found

    async def open(self, tenant: Tenant, number: str) -> Any:
        """The row of one that is mended by taking something in; None where there is none such."""
        async with self._database.engine() as transaction:
            return await transaction.row(_OPEN, tenant.id, number)

    async def mended(self, tenant: Tenant, id_: int, by: str) -> None:
        """Somebody has taken in what it lacks."""
        async with self._database.engine() as transaction:
            await transaction.execute(
                "update crossdock.difference set mended_by = $3 where tenant = $1 and id = $2",
                *(tenant.id, id_, by),
            )

    async def keep(
        self,
        tenant: Tenant,
        whats: Sequence[str],
        found: Sequence[Difference],
        *,
        read: Sequence[str],
        now: datetime,
        grace: timedelta,
        most: int,
        moving: Collection[str] = (),
        heard: Mapping[str, datetime | None] | None = None,
    ) -> tuple[int, int]:
        """Keep up to `most` that differ; gives how many are new, and how many differ no more.

        Gone is what differs no more between systems that were `read`; not what is `moving`. `heard` says
        until when the feeds of a connection that has some are read, None where one never was.
        """
        once = {(one.what, one.kind, one.about): one for one in found}
        alike: dict[datetime, list[list[Any]]] = {}  # by when it must have settled to be told
        for _, one in sorted(once.items())[:most]:
            of_both = [heard[name] for name in (one.connection, one.against) if heard and name in heard]
            settled = min([now, *(at or _NEVER for at in of_both)]) - grace
            alike.setdefault(settled, []).append(
                [one.what, one.kind, one.about, one.connection, one.severity, one.here, one.there, one.mend,
                 bool(one.events), one.order, one.shipment, one.invoice, one.at, one.against, one.item,
                 _state(one, settled)]
            )  # fmt: skip
        names = [*(one.number for one in once.values()), *moving]
        async with self._database.engine() as transaction:
            rows = []
            for settled, columns in alike.items():
                rows += await transaction.fetch(
                    _FOUND, tenant.id, *(list(column) for column in zip(*columns, strict=True)), settled
                )
            gone = await transaction.fetch(_GONE, tenant.id, list(whats), list(read), names)
        return sum(row["fresh"] for row in rows), len(gone)

    async def tell(self, tenant: Tenant, now: datetime) -> None:
        """Tell what was not told yet, also by a comparison that broke off; an event goes out once."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_UNTOLD, tenant.id)
        events = [_event(row, now) for row in rows if not (row["gone"] and row["told"] == "")]
        for begin in range(0, len(events), 100):
            await self._inbox.put(tenant, events[begin : begin + 100])
        async with self._database.engine() as transaction:
            await transaction.execute(_TOLD, tenant.id, [row["id"] for row in rows])


def _state(one: Difference, settled: datetime) -> str:
    """Whether it is to be told, or waits."""
    return WAITING if one.what in LISTED and (one.steady is None or one.steady > settled) else ""


def _event(row: Any, now: datetime) -> Arrival:
    """What is told of a difference: that it is there, or gone."""
    what, name = "gone" if row["gone"] else "found", f"{row['kind']}/{row['about']}"
    mend = f"{row['mend']}: crossdock reconcile --mend {name}" if row["takes_in"] else row["mend"]
    some = ("order", "shipment", "invoice", "item", "against")
    keys = {kind: row[kind] for kind in some if row[kind]}
    same = {part: row[part] for part in ("what", "kind", "about", "connection", "severity", "here", "there")}
    return Arrival(
        id=f"{name}/{instant_text(row['found'])}/{what}",
        source="reconciliation",
        type=f"difference.{what}",
        time=now,
        data={"number": name, **same, "mend": mend, "since": instant_text(row["at"]), **keys},
        about={"difference": name},
    )
