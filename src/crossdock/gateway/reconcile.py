"""Standing reconciliation: what stands in the systems and what stands here, compared on a schedule.

The systems' feeds are read again from the beginning of a window (`facts`), and compared by business fact
(`compare`); stock and what is promised of it are listed by two systems, and compared with each other
(`listing`). A difference is kept once while it stands (`differences`), and the process `settle-difference`
makes the exception of it that closes by itself. What a connection that could not be read may have had is
neither found nor gone.

A tenant says how in its settings:

    reconcile: { every: 1 hour, window: 14 days, grace: 30 minutes, calendar: hamburg }

With a calendar it is compared only when that is open; `every: never` ends it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec
import structlog

from crossdock.access.redaction import hidden
from crossdock.connect import Calls, Lines, Registry
from crossdock.connect.contract import Poll
from crossdock.engine import Inbox
from crossdock.errors import Conflict, CrossdockError, NotFound
from crossdock.gateway.bookings import Bookings
from crossdock.gateway.compare import FED, LISTED, WHATS, Difference, What, compare
from crossdock.gateway.differences import Differences
from crossdock.gateway.facts import Facts, read
from crossdock.gateway.listing import Listed, Listing
from crossdock.gateway.standing import standing, versions_about
from crossdock.gateway.turns import turns
from crossdock.model.codes import instant_text
from crossdock.process.durations import Duration
from crossdock.process.messages import Record
from crossdock.process.turn import Reference
from crossdock.store import Database, Tenant

_records = msgspec.json.Decoder(list[Record]).decode
log = structlog.get_logger(__name__)

LEASE_SECONDS = 900.0
REST_SECONDS = 60.0  # of real time between two comparisons, also where the engine's clock runs fast
MOST = 1_000  # differences of one comparison that are kept
_READ_SECONDS = 300.0
_TELLS = {
    "order": "orders",
    "invoice": "invoices",
    "credit": "invoices",
    "warehouse": "shipments",
    "shipment": "shipments",
}

_DUE: LiteralString = """
insert into crossdock.reconciliation (tenant, due)
select distinct c.tenant, crossdock.now() + interval '5 minutes' from crossdock.connection c
where c.connector = any($1::text[])
on conflict do nothing
"""
_LEASE: LiteralString = """
update crossdock.reconciliation r set leased_until = clock_timestamp() + make_interval(secs => $2)
from (
  select x.tenant, t.name from crossdock.reconciliation x
  join crossdock.tenant t on t.tenant = x.tenant and t.suspended is null
  where x.due <= crossdock.now() and (x.leased_until is null or x.leased_until < clock_timestamp())
    and not x.tenant = any($3::int[])
  order by x.due limit $1 for update of x skip locked) d
where r.tenant = d.tenant returning r.tenant, d.name
"""
_LEASE_ONE: LiteralString = """
insert into crossdock.reconciliation as r (tenant, leased_until)
values ($1, clock_timestamp() + make_interval(secs => $2))
on conflict (tenant) do update set leased_until = excluded.leased_until
where r.leased_until is null or r.leased_until < clock_timestamp()
returning tenant
"""
_DONE: LiteralString = """
update crossdock.reconciliation set leased_until = null, ran = crossdock.now(), due = $2, since = $3,
  seconds = $4, failures = case when $5::bytea = '{}' then 0 else failures + 1 end, failed = $5, compared = $6
where tenant = $1
"""
_FREE: LiteralString = "update crossdock.reconciliation set leased_until = null, due = $2 where tenant = $1"

_CONNECTIONS: LiteralString = """
select name, connector from crossdock.connection where tenant = $1 and stopped is null order by name
"""
# Of each connection the feed that is furthest behind; those alone that its connector still has.
_HEARD: LiteralString = """
select c.name, case when bool_and(f.read_at is not null) then min(f.read_at) end as at
from unnest($2::text[], $3::text[]) as k(connector, feed)
join crossdock.connection c on c.tenant = $1 and c.connector = k.connector
left join crossdock.feed f on f.tenant = c.tenant and f.connection = c.name and f.name = k.feed
group by c.name
"""
_STANDING: LiteralString = """
select count(*)::int from crossdock.difference where tenant = $1 and gone is null and told <> 'waiting'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a comparison came to: how many of each were looked at, and which connections could not be read."""

    compared: Mapping[str, int]
    failed: Mapping[str, str]
    open: int
    found: int
    gone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """As the tenant has it."""

    every: timedelta | None = timedelta(hours=1)
    window: timedelta = timedelta(days=14)
    grace: timedelta = timedelta(minutes=30)
    calendar: str = ""

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> How:
        """Raises `Refused` for what is no duration."""
        given = settings.get("reconcile")
        if not isinstance(given, Mapping):
            return cls()
        spans = {
            name: Duration.parse(given[name], where=f"settings.reconcile.{name}").exact
            for name in ("every", "window", "grace")
            if given.get(name) and given[name] != "never"
        }
        never: dict[str, Any] = {"every": None} if given.get("every") == "never" else {}
        return cls(**{**spans, **never}, calendar=str(given.get("calendar") or ""))


@dataclass(slots=True)
class _Read:
    began: datetime  # what came about later was perhaps not read, so it is not missed
    since: datetime
    facts: Facts = field(default_factory=Facts)
    asked: list[str] = field(default_factory=list)


class Reconciler:
    """Compares, for all tenants on their schedules, or for one at once."""

    def __init__(
        self, database: Database, inbox: Inbox, lines: Lines, calls: Calls, registry: Registry
    ) -> None:
        """What is found goes into that inbox; systems are read through these connections."""
        self._database = database
        self._inbox = inbox
        self._kept = Differences(database, inbox)
        self._listing = Listing(database, lines, calls)
        self._bookings = Bookings(database, lines, calls)
        self._lines = lines
        self._calls = calls
        self._registry = registry
        self._rest: dict[int, float] = {}  # by tenant: until when, by the monotonic clock

    async def run(self, *, look: float = 5.0) -> None:
        """Compare what is due until cancelled, looking every `look` seconds."""
        await turns("reconcile", self.turn, look=look)

    async def turn(self, most: int = 2) -> int:
        """Compare for up to `most` tenants that are due; gives how many there were."""
        began = time.monotonic()
        self._rest = {tenant: until for tenant, until in self._rest.items() if until > began}
        polled = [
            name
            for name, one in self._registry.connectors.items()
            if one.polls or any(operation.name == "list_stock" for operation in one.operations)
        ]
        async with self._database.engine() as transaction:
            await transaction.execute(_DUE, polled)
            rows = await transaction.fetch(_LEASE, most, LEASE_SECONDS, list(self._rest))
        for row in rows:
            tenant = Tenant(id=row["tenant"], name=row["name"])
            try:
                await self._compare(tenant, WHATS)
            except CrossdockError as error:
                log.warning("reconcile.failed", tenant=tenant.name, error=str(error))
                await self._put_off(tenant)
            now = time.monotonic()
            self._rest[tenant.id] = now + max(REST_SECONDS, 10 * (now - began))
        return len(rows)

    async def once(self, tenant: Tenant, whats: Sequence[str] = WHATS) -> Outcome:
        """Compare at once. Raises `Conflict` while it is being compared already."""
        await self._lease(tenant)
        try:
            return await self._compare(tenant, whats)
        except BaseException:  # also where it is cut off: nobody else could compare until the lease ends
            await self._put_off(tenant)
            raise

    async def mend(self, tenant: Tenant, difference: str, *, by: str) -> int:
        """Take in what was lost; gives how many events that were. The next comparison shows what came of it.

        Raises `NotFound` where there is no such difference or it is mended by hand, `Conflict` where it is
        gone or is being compared.
        """
        row = await self._kept.open(tenant, difference)
        if row is None:
            raise NotFound(
                f"there is no open difference {difference} that is mended by taking something in",
                mend="see `mend` of the difference",
            )
        await self._lease(tenant)
        try:
            return await self._take_in(tenant, row, by)
        finally:
            await self._put_off(tenant, timedelta(minutes=2))

    async def _take_in(self, tenant: Tenant, row: Any, by: str) -> int:
        reading, reference = await self._read(tenant, [row["what"]])
        found = await self._differences(tenant, row["what"], reading, reference)
        same = [one for one in found if (one.kind, one.about) == (row["kind"], row["about"])]
        if not same:
            why = reading.facts.failed.get(row["connection"], "it differs no more")
            raise Conflict(why, mend="compare again")
        events = same[0].events
        receipts = await self._inbox.put(tenant, events)
        again = [
            msgspec.structs.replace(event, id=f"{event.id}/again/{instant_text(row['found'])}")
            for event, receipt in zip(events, receipts, strict=True)
            if receipt.fate == "duplicate"  # it came once, and nothing came of it
        ]
        await self._inbox.put(tenant, again)
        await self._kept.mended(tenant, row["id"], by)
        return len(events)

    async def _lease(self, tenant: Tenant) -> None:
        async with self._database.engine() as transaction:
            leased = await transaction.value(_LEASE_ONE, tenant.id, LEASE_SECONDS)
        if leased is None:
            raise Conflict("it is being compared now", mend="wait for its end, then ask again")

    async def _put_off(self, tenant: Tenant, by: timedelta = timedelta(minutes=15)) -> None:
        async with self._database.engine() as transaction:
            now: datetime = await transaction.value("select crossdock.now()")
            await transaction.execute(_FREE, tenant.id, now + by)

    async def _compare(self, tenant: Tenant, whats: Sequence[str]) -> Outcome:
        began = time.monotonic()
        reading, reference = await self._read(tenant, [what for what in FED if what in whats])
        how = How.of(reference.tenant.get("settings") or {})
        facts = reading.facts
        found: list[Difference] = []
        for what in (one for one in FED if one in whats):
            found += await self._differences(tenant, what, reading, reference)
        heard = await self._heard(tenant)  # before it is listed: what is listed may be newer
        listed = await self._list(tenant, [what for what in LISTED if what in whats])
        compared = self._counted(facts, listed, whats)
        async with self._database.engine() as transaction:
            now = await transaction.value("select crossdock.now()")
        keep = functools.partial(self._kept.keep, tenant, now=reading.began, grace=how.grace, most=MOST)
        read = [name for name in reading.asked if name not in facts.failed]
        fed, differs_no_more = await keep([what for what in FED if what in whats], found, read=read)
        more, agrees = await keep(
            [what for what in LISTED if what in whats],
            listed.found,
            read=listed.read,
            moving=listed.moving,
            heard=heard,
        )
        await self._kept.tell(tenant, now)
        failed = {name: hidden(why)[:500] for name, why in sorted((listed.failed | facts.failed).items())}
        async with self._database.engine() as transaction:
            await transaction.execute(
                _DONE,
                tenant.id,
                _next(how, reference, now),
                reading.since,
                time.monotonic() - began,
                msgspec.json.encode(failed),
                msgspec.json.encode(compared),
            )
            standing = await transaction.value(_STANDING, tenant.id)
        return Outcome(
            compared=compared, failed=failed, open=standing, found=fed + more, gone=differs_no_more + agrees
        )

    async def _heard(self, tenant: Tenant) -> dict[str, datetime | None]:
        """Until when the feeds of each connection that has some are read; None where one never was."""
        polls = [(name, poll.name) for name, one in self._registry.connectors.items() for poll in one.polls]
        names, feeds = ([*column] for column in zip(*polls, strict=True)) if polls else ([], [])
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_HEARD, tenant.id, names, feeds)
        return {row["name"]: row["at"] for row in rows}

    async def _list(self, tenant: Tenant, whats: Sequence[str]) -> Listed:
        """What two systems list, and part in."""
        if not whats:
            return Listed()
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_CONNECTIONS, tenant.id)
            versions = await versions_about(transaction, tenant, "Order")
        names = [row["name"] for row in rows]
        return await self._listing.compare(tenant, whats, names, versions)

    @staticmethod
    def _counted(facts: Facts, listed: Listed, whats: Sequence[str]) -> dict[str, int]:
        counts = {
            "orders": len(facts.orders),
            "invoices": len(facts.invoices),
            "shipments": len(facts.packed) + len(facts.carried) + len(facts.unknown),
            **listed.counts,
        }
        return {what: counts[what] for what in WHATS if what in whats}

    async def _read(self, tenant: Tenant, whats: Sequence[str]) -> tuple[_Read, Reference]:
        """What stands there, of all connections whose feeds tell of it."""
        await self._inbox.library.renew(tenant.id)
        shelf = self._inbox.library.shelf_of(tenant.id)
        reference = shelf.references[shelf.reference]
        how = How.of(reference.tenant.get("settings") or {})
        async with self._database.engine() as transaction:
            now: datetime = await transaction.value("select crossdock.now()")
            rows = await transaction.fetch(_CONNECTIONS, tenant.id)
        oldest = await self._kept.oldest(tenant, whats)
        since = now - how.window
        if oldest is not None:  # what differs is looked at until it does no more
            since = min(since, oldest - timedelta(hours=1))
        reading = _Read(began=now, since=since)
        for row in rows:
            await self._read_one(tenant, row["name"], whats, reading)
        if "shipments" in whats:
            reading.asked += await self._bookings.read(tenant, reading.facts, since, now - how.grace)
        return reading, reference

    async def _read_one(self, tenant: Tenant, name: str, whats: Sequence[str], reading: _Read) -> None:
        try:
            line = await self._lines.line(tenant.id, name)
        except CrossdockError as error:
            reading.facts.failed[name] = str(error)
            return
        tells = {
            _TELLS[kind] for event in line.connector.events if (kind := event.partition(".")[0]) in _TELLS
        }
        if not line.connector.polls or not tells & set(whats):
            return
        reading.asked.append(name)
        reading.facts.has[name] = tells
        polls: Sequence[Poll] = line.connector.polls
        try:
            await read(self._calls, line, polls, reading.since, reading.facts, seconds=_READ_SECONDS)
        except CrossdockError as error:
            reading.facts.failed[name] = line.hide(str(error))
        except Exception as error:  # noqa: BLE001 - a connector reads what others send
            reading.facts.failed[name] = line.hide(f"{type(error).__name__}: {error}")

    async def _differences(
        self, tenant: Tenant, what: str, reading: _Read, reference: Reference
    ) -> list[Difference]:
        how = How.of(reference.tenant.get("settings") or {})
        known: What = next(one for one in WHATS if one == what)
        here = await standing(self._database, tenant, known, reading.facts, reading.since)
        found = compare(known, reading.facts, here, since=reading.since, now=reading.began, grace=how.grace)
        return [one for one in found if one.connection not in reading.facts.failed]


def _next(how: How, reference: Reference, now: datetime) -> datetime:
    """When it is compared again."""
    if how.every is None:
        return now + timedelta(days=3650)
    calendar = reference.calendar(how.calendar) if how.calendar else None
    following = now + how.every
    return calendar.next_open(following) if calendar is not None else following
