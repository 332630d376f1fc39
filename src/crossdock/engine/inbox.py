"""The one door: events come in, and are acknowledged when they are kept.

`put` answers after the commit; what it answered for is never lost. The same source and id again changes
nothing. Calls that come at the same time share a transaction: the first goes at once, the others gather while
it runs.
"""

from __future__ import annotations

import contextlib
import hashlib
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, LiteralString

import msgspec

from crossdock.engine.arrival import Arrival
from crossdock.engine.correlate import Routing, RunRef, decode_event
from crossdock.engine.library import Library, Shelf
from crossdock.engine.personal import Personal
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.process.messages import Event, unfit
from crossdock.process.versions import current
from crossdock.store import Database, EngineTransaction, Last, Tenant, Together

LARGEST_EVENT = 4 * 2**20  # bytes of JSON
MOST_KEYS = 200  # business keys that one event names
_BATCH = 500

# One way there and back for all that a batch needs at its beginning: the time, what is new, and the hint,
# which leaves with the commit.
_SEEN: LiteralString = """
with s as (
  insert into crossdock.seen (tenant, event)
  select distinct * from unnest($1::int[], $2::uuid[]) as k(tenant, event) order by 1, 2
  on conflict do nothing returning tenant, event
)
select t.now, s.tenant, s.event, pg_notify('crossdock', $3)
from (select crossdock.now() as now) t left join s on true
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of an event. `duplicate`: it was accepted before, and this changes nothing."""

    fate: Literal["routed", "parked", "quarantined", "duplicate", "unwanted"]
    runs: tuple[int, ...] = ()
    reason: str = ""


class Suspended(Conflict):
    """The tenant takes nothing in now; what was sent was not taken, and may be sent again later."""


@dataclass(slots=True, eq=False)
class _Delivery:
    tenant: int
    arrivals: Sequence[Arrival]
    run: int | None
    last: Last | None = None


@dataclass(slots=True)
class Inbox:
    """Takes events in. `hear` is told which runs have something to decide (a hint for a worker near by).

    `comes` is entered with a tenant while something of it is being kept, so that the worker may give way.
    `personal` makes tokens of personal values before anything is kept, for the tenants that want it.
    """

    database: Database
    library: Library
    hear: Callable[[Iterable[RunRef]], None] | None = None
    personal: Personal | None = None
    comes: Callable[[int], contextlib.AbstractContextManager[None]] | None = None
    _together: Together[_Delivery, list[Receipt]] = field(init=False)

    def __post_init__(self) -> None:
        """Deliveries of all tenants are kept together, in turn."""
        self._together = Together(self._keep, most=_BATCH, weigh=lambda delivery: len(delivery.arrivals))

    async def put(
        self, tenant: Tenant, arrivals: Sequence[Arrival], *, last: Last | None = None
    ) -> list[Receipt]:
        """Keep events for whatever runs they concern; a receipt for each, after the commit.

        `last` is done in the same transaction, unless all of them were accepted before.
        Raises `Refused` for an event that is too large or names too much, `Suspended` when the tenant takes
        nothing in, `Unreachable` when the database does not answer: then nothing was acknowledged, and the
        same events may be put again.
        """
        for arrival in arrivals:
            _refuse_excess(arrival)
        return await self._deliver(tenant, await self.sealed(tenant, arrivals), None, last)

    async def tell(self, tenant: Tenant, run: int, arrival: Arrival, *, last: Last | None = None) -> Receipt:
        """Keep an event for that run alone: a decision, a repair. Raises `NotFound`, and as `put` does."""
        _refuse_excess(arrival)
        (receipt,) = await self._deliver(tenant, await self.sealed(tenant, [arrival], run), run, last)
        return receipt

    async def sealed(
        self, tenant: Tenant, arrivals: Sequence[Arrival], run: int | None = None
    ) -> Sequence[Arrival]:
        """Events as they may be kept: with tokens for personal values, where the tenant wants that.

        `put` and `tell` do it themselves; whoever keeps an event, or tells of one, before it is put does it
        first. Raises `Unreachable` where they cannot be sealed now.
        """
        return arrivals if self.personal is None else await self.personal.hide(tenant.id, arrivals, run)

    async def sealed_by_hand(self, tenant: Tenant, data: Any) -> Any:
        """What somebody gives for many runs, as it may be kept."""
        return data if self.personal is None else await self.personal.hide_by_hand(tenant.id, data)

    async def raw(self, tenant: int, body: bytes) -> bytes:
        """What came, and could not be read, as it may be kept."""
        return body if self.personal is None else await self.personal.seal_raw(tenant, body)

    async def opened(self, tenant: int, body: bytes) -> bytes:
        """What `raw` gave, as it came; `[erased]` where it was kept too long."""
        return body if self.personal is None else await self.personal.subjects.reveal_bytes(tenant, body)

    async def holds_back(self, tenant: int) -> bool:
        """Whether the tenant keeps of what came raw no more than it needs."""
        return self.personal is not None and bool(await self.personal.seals(tenant))

    async def admit(self, tenant: Tenant) -> None:
        """Raise `Suspended` where the tenant takes nothing in, before anything is done with what came."""
        await self.library.renew(tenant.id)
        _refuse_suspended(self.library.shelf_of(tenant.id))

    async def knows(self, tenant: Tenant, arrival: Arrival) -> bool:
        """Whether an event of that source and id was accepted before."""
        rows = await self.database.at_once(
            "select from crossdock.seen where tenant = $1 and event = $2",
            tenant.id,
            name_of(arrival.source, arrival.id),
        )
        return bool(rows)

    async def _deliver(
        self, tenant: Tenant, arrivals: Sequence[Arrival], run: int | None, last: Last | None
    ) -> list[Receipt]:
        if not arrivals:
            return []
        with contextlib.nullcontext() if self.comes is None else self.comes(tenant.id):
            return await self._together.put(tenant.id, _Delivery(tenant.id, arrivals, run, last))

    async def _keep(self, batch: Sequence[_Delivery]) -> list[list[Receipt]]:
        async with self.database.engine() as transaction:
            now, fresh = await _fresh(transaction, batch, self.database.mark if self.hear else "")
            routing = Routing(transaction, self.library, now)
            items: list[list[Any]] = []
            for delivery in batch:
                stopped = False
                if delivery.run is not None:
                    stopped = await _is_stopped(transaction, delivery.tenant, delivery.run)
                mine: list[Any] = []
                for arrival in delivery.arrivals:
                    name = (delivery.tenant, name_of(arrival.source, arrival.id))
                    if name not in fresh:
                        mine.append(None)
                        continue
                    fresh.discard(name)
                    event = await self._event(transaction, delivery.tenant, arrival, now)
                    if delivery.run is None:
                        mine.append(await routing.add(delivery.tenant, event))
                    else:
                        routing.tell(delivery.tenant, delivery.run, event, stopped=stopped)
                        mine.append(delivery.run)
                items.append(mine)
            await routing.run()
            # What is done last locks rows of its tenant: always in the same order.
            told = sorted(zip(batch, items, strict=True), key=lambda one: one[0].tenant)
            for delivery, mine in told:
                if delivery.last is not None and any(item is not None for item in mine):
                    await delivery.last(transaction)
        if self.hear is not None:
            self.hear(routing.touched)
        return [[_receipt(item) for item in mine] for mine in items]

    async def _event(
        self, transaction: EngineTransaction, tenant: int, arrival: Arrival, now: datetime
    ) -> Event:
        shelf = await self.library.refresh(transaction, tenant)
        _refuse_suspended(shelf)
        return Event(
            id=arrival.id,
            source=arrival.source,
            type=arrival.type,
            time=arrival.time or now,
            received=now,
            now=now,
            data=arrival.data,
            about=arrival.about,
            actor=arrival.actor,
            trusted=arrival.trusted,
            reference=shelf.reference,
            test=arrival.test or arrival.source in shelf.sandboxes or shelf.in_test,
        )

    async def dismiss(self, tenant: Tenant, parked: int, *, last: Last | None = None) -> None:
        """Say that a parked event needs no run; it stays visible as dismissed. Raises `NotFound`."""
        async with self.database.engine() as transaction:
            done = await transaction.execute(
                "with k as (delete from crossdock.parked_key where tenant = $1 and parked = $2) "
                "update crossdock.parked set dismissed = crossdock.now() "
                "where tenant = $1 and id = $2 and dismissed is null",
                tenant.id,
                parked,
            )
            if not done:
                raise NotFound(f"there is no parked event {parked}", mend="see the parked events")
            if last is not None:
                await last(transaction)

    async def attach(self, tenant: Tenant, parked: int, run: int, *, last: Last | None = None) -> None:
        """Give a parked event to a run by hand. Raises `NotFound`."""
        async with self.database.engine() as transaction:
            stopped = await _is_stopped(transaction, tenant.id, run)
            event = await transaction.value(
                "with k as (delete from crossdock.parked_key where tenant = $1 and parked = $2) "
                "delete from crossdock.parked where tenant = $1 and id = $2 returning event",
                tenant.id,
                parked,
            )
            if event is None:
                raise NotFound(f"there is no parked event {parked}", mend="see the parked events")
            now: datetime = await transaction.value("select crossdock.now()")
            routing = Routing(transaction, self.library, now)
            routing.tell(tenant.id, run, current(decode_event(event)), stopped=stopped)
            await routing.run()
            if last is not None:
                await last(transaction)
        if self.hear is not None:
            self.hear(routing.touched)

    async def release(self, tenant: Tenant, quarantined: int, *, last: Last | None = None) -> Receipt:
        """Route a quarantined event again, after what stood against it was mended. Raises `NotFound`."""
        async with self.database.engine() as transaction:
            data = await transaction.value(
                "update crossdock.quarantine set released = crossdock.now() "
                "where tenant = $1 and id = $2 and released is null returning event",
                tenant.id,
                quarantined,
            )
            if data is None:
                raise NotFound(f"there is no quarantined event {quarantined}", mend="see the quarantine")
            now: datetime = await transaction.value("select crossdock.now()")
            routing = Routing(transaction, self.library, now)
            item = await routing.add(tenant.id, current(decode_event(data)))
            await routing.run()
            if last is not None:
                await last(transaction)
        if self.hear is not None:
            self.hear(routing.touched)
        return _receipt(item)


def name_of(source: str, id_: str) -> uuid.UUID:
    """What an event is known by: one value for its source and id."""
    digest = hashlib.blake2b(f"{len(source)}:{source}{id_}".encode(), digest_size=16).digest()
    return uuid.UUID(bytes=digest)


def _refuse_excess(arrival: Arrival) -> None:
    if len(arrival.about) > MOST_KEYS:
        raise Refused(
            f"the event names {len(arrival.about)} keys; {MOST_KEYS} is the most",
            where=arrival.id,
            mend="send an event for each document",
        )
    for kind, value in arrival.about.items():
        why = unfit(kind) or unfit(value)
        if why:
            raise Refused(
                f"what the event names as {kind[:80]!r} cannot be a key: {why}",
                where=arrival.id[:80],
                mend="send a short code there, and texts in the data",
            )
    if any("\0" in word for word in (arrival.id, arrival.source, arrival.type)):
        raise Refused("the event's name holds a NUL character", where=arrival.id[:80], mend="leave it out")
    try:
        size = len(msgspec.json.encode(arrival.data))
    except (TypeError, ValueError, RecursionError) as error:
        raise Refused(f"the event's data is not JSON: {error}", where=arrival.id, mend="mend it") from error
    if size > LARGEST_EVENT:
        raise Refused(
            f"the event has {size:,} bytes; {LARGEST_EVENT:,} is the most",
            where=arrival.id,
            mend="send large documents by reference, or in parts",
        )


async def _fresh(
    transaction: EngineTransaction, batch: Sequence[_Delivery], mark: str
) -> tuple[datetime, set[tuple[int, uuid.UUID]]]:
    """The time, and which of the events were never accepted before; from now on they were."""
    tenants: list[int] = []
    names: list[uuid.UUID] = []
    for delivery in batch:
        for arrival in delivery.arrivals:
            tenants.append(delivery.tenant)
            names.append(name_of(arrival.source, arrival.id))
    rows = await transaction.fetch(_SEEN, tenants, names, mark)
    return rows[0]["now"], {(row["tenant"], row["event"]) for row in rows if row["event"] is not None}


def _refuse_suspended(shelf: Shelf) -> None:
    if shelf.suspended is not None:
        raise Suspended(
            f"the tenant {shelf.name} is suspended: {shelf.suspended}", mend="ask those who run Crossdock"
        )


async def _is_stopped(transaction: EngineTransaction, tenant: int, run: int) -> bool:
    """Whether a broken decision has stopped the run. Raises `NotFound`."""
    found: bool | None = await transaction.value(
        "select error is not null from crossdock.run where tenant = $1 and id = $2", tenant, run
    )
    if found is None:
        raise NotFound(f"there is no run {run}", mend="see the runs")
    return found


def _receipt(item: Any) -> Receipt:
    if item is None:
        return Receipt(fate="duplicate")
    if isinstance(item, int):
        return Receipt(fate="routed", runs=(item,))
    return Receipt(fate=item.fate, runs=tuple(sorted(item.runs)), reason=item.reason)
