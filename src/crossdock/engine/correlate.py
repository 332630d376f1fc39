"""Which runs an event is for: those it names, those it starts, none yet, or none ever.

    named     a live alias of a run stands in `about`, and the run's process wants the type      -> its inbox
    started   a process starts on it, for a key that has no live run                             -> a new run
    parked    nobody has a use for it yet: kept with its keys until an alias claims it           -> parked
    unwanted  no process has a use for its type: kept, and nobody waits for it                   -> parked
    refused   it starts a process whose run for that key has ended and may not be run again      -> quarantine

All events of one transaction are routed together, in a handful of statements. Two transactions may meet: one
parks an event while the other claims its alias, and neither sees the other. Such pairs are brought together a
moment later (`aliases.missed`); nothing is lost meanwhile, since the parked row is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, LiteralString

import msgspec

from crossdock.engine.aliases import Wanted, claim, columns, unpark
from crossdock.engine.library import Library, Published, Shelf
from crossdock.errors import Conflict, CrossdockError, Refused
from crossdock.process import Process, starts
from crossdock.process.messages import ALIAS_REFUSED, RUN_START, Event, apart
from crossdock.process.state import ENDED_RUN
from crossdock.process.versions import stamped
from crossdock.store import EngineTransaction

Fate = Literal["routed", "parked", "quarantined", "unwanted"]
decode_event = msgspec.json.Decoder(Event).decode
as_it_is = msgspec.json.Encoder().encode


def encode_event(event: Event) -> bytes:
    """An event as it is kept, with the version of its data; what was kept before is written `as_it_is`."""
    return as_it_is(stamped(event))


_LOOK: LiteralString = """
select 0 as what, k.n, a.run, r.version, r.generation, r.status, r.error is not null as stopped
from unnest($1::int[], $2::int[], $3::text[], $4::text[]) as k(n, tenant, kind, value)
join crossdock.alias a on a.tenant = any(array[k.tenant]) and a.kind = any(array[k.kind])
  and a.value = any(array[k.value]) and a.live is not false
join crossdock.run r on r.tenant = any(array[a.tenant]) and r.id = any(array[a.run])
union all
select 1, k.n, r.id, r.version, r.generation, r.status, r.error is not null
from unnest($5::int[], $6::int[], $7::text[], $8::text[]) as k(n, tenant, process, key)
cross join lateral (
  select r.* from crossdock.run r
  where r.tenant = k.tenant and r.process = k.process and r.key = k.key order by r.generation desc limit 1
) r
union all
select 2, k.n, p.parked, null, null, null, null
from unnest($5::int[], $6::int[], $9::text[], $8::text[]) as k(n, tenant, kind, value)
join crossdock.parked_key p on p.tenant = any(array[k.tenant]) and p.kind = any(array[k.kind])
  and p.value = any(array[k.value])
"""

# Waits for another transaction that starts a run of the same key; in the order of the keys, so that two never
# wait for each other.
_START: LiteralString = """
insert into crossdock.run (tenant, version, process, key, generation, parent, parent_step, parent_item,
                           parent_redo)
select k.tenant, k.version, k.process, k.key, k.generation, nullif(k.parent, 0), k.step, k.item, k.redo
from unnest($1::int[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::bigint[], $7::text[], $8::text[],
            $9::int[]) as k(tenant, version, process, key, generation, parent, step, item, redo)
order by k.tenant, k.process, k.key
on conflict do nothing returning tenant, id, process, key, generation
"""

PUT: LiteralString = """
insert into crossdock.inbox (tenant, run, event)
select * from unnest($1::int[], $2::bigint[], $3::bytea[])
"""

PUT_ASIDE: LiteralString = """
insert into crossdock.aside (tenant, run, id, event)
select k.tenant, k.run, nextval('crossdock.inbox_id'), k.event
from unnest($1::int[], $2::bigint[], $3::bytea[]) as k(tenant, run, event)
"""

_PARK: LiteralString = """
insert into crossdock.parked (tenant, type, event, dismissed)
select k.tenant, k.type, k.event, case when k.wanted then null else crossdock.now() end
from unnest($1::int[], $2::text[], $3::bytea[], $4::bool[]) as k(tenant, type, event, wanted) returning id
"""

_PARK_KEYS: LiteralString = """
insert into crossdock.parked_key (tenant, kind, value, parked)
select * from unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) on conflict do nothing
"""

_QUARANTINE: LiteralString = """
insert into crossdock.quarantine (tenant, type, reason, event)
select * from unnest($1::int[], $2::text[], $3::text[], $4::bytea[])
"""


@dataclass(frozen=True, slots=True)
class RunRef:
    """A run by its number."""

    tenant: int
    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ParentRef:
    """Which child of which run a new run is; `answer` makes the event that tells the parent it was not."""

    run: int
    step: str
    item: str
    redo: int


@dataclass(slots=True, kw_only=True)
class Item:
    """One event on its way; `fate` and `runs` are known after routing."""

    tenant: int
    event: Event
    bytes: bytes
    quiet: bool = False  # not kept when nobody has a use for it: it stands in the history of who said it
    settles: bool = False  # a playbook closes an exception by it: for the run that raised that
    fate: Fate = "unwanted"
    reason: str = ""
    runs: set[int] = field(default_factory=set)


@dataclass(slots=True, kw_only=True)
class _Start:
    item: Item
    published: Published
    process: Process
    version: int
    key: str
    parent: ParentRef | None = None
    generation: int = 1
    parked: bool = False


@dataclass(slots=True)
class Routing:
    """Routes events within one transaction. Add them, then `run` once."""

    transaction: EngineTransaction
    library: Library
    now: datetime
    items: list[Item] = field(default_factory=list)
    refused_children: list[tuple[Item, ParentRef, str]] = field(default_factory=list)
    touched: set[RunRef] = field(default_factory=set)  # runs that have something to decide now
    _starts: list[_Start] = field(default_factory=list)
    _inbox: list[tuple[int, int, bytes]] = field(default_factory=list)
    _aside: list[tuple[int, int, bytes]] = field(default_factory=list)

    async def add(self, tenant: int, event: Event, *, quiet: bool = False, settles: bool = False) -> Item:
        """An event for whoever has a use for it.

        A start by hand is for one process. What stands against it is raised, and nothing is kept: who asked
        is there, and asks again.
        """
        item = Item(tenant=tenant, event=event, bytes=encode_event(event), quiet=quiet, settles=settles)
        self.items.append(item)
        shelf = await self.library.refresh(self.transaction, tenant)
        for published in _starting(item, shelf):
            process = shelf.processes[published.id]
            try:
                key = starts(process, event, shelf.references[shelf.reference])
            except CrossdockError as error:
                if event.type == RUN_START:
                    raise Refused(error.message, where=error.where, mend=error.mend) from error
                item.fate, item.reason = "quarantined", str(error)
                continue
            if key is not None:
                self._add_start(item, published, key)
            elif event.type == RUN_START:
                raise Refused(
                    f"{published.name} does not start with that document", mend="see what it starts with"
                )
        return item

    async def add_child(self, tenant: int, process: str, event: Event, parent: ParentRef) -> None:
        """Start a run for a parent; what stands against it is in `refused_children` after."""
        item = Item(tenant=tenant, event=event, bytes=encode_event(event))
        shelf = await self.library.refresh(self.transaction, tenant)
        published = shelf.published.get(process)
        if published is None:
            self.refused_children.append((item, parent, f"no process {process} is published"))
            return
        try:
            key = starts(shelf.processes[published.id], event, shelf.references[shelf.reference])
        except CrossdockError as error:
            self.refused_children.append((item, parent, str(error)))
            return
        if key is None:
            self.refused_children.append((item, parent, f"{process} does not start with that document"))
            return
        self._add_start(item, published, key, parent)

    def _add_start(self, item: Item, published: Published, key: str, parent: ParentRef | None = None) -> None:
        version = published.version_for(key)
        process = self.library.shelf_of(item.tenant).processes[version]
        start = _Start(
            item=item, published=published, process=process, version=version, key=key, parent=parent
        )
        self._starts.append(start)

    def tell(self, tenant: int, run: int, event: Event, *, stopped: bool = False) -> None:
        """An event for one run; it is set aside where a broken decision has `stopped` that."""
        (self._aside if stopped else self._inbox).append((tenant, run, encode_event(event)))
        if not stopped:
            self.touched.add(RunRef(tenant, run))

    async def claim(self, wanted: list[Wanted]) -> None:
        """Give runs their aliases; one that may not have one is told who holds it."""
        if not wanted:
            return
        for one, holder in await claim(self.transaction, wanted):
            event = Event(
                id=f"{one.run}/alias/{one.kind}/{one.value}",
                source="engine/alias",
                type=ALIAS_REFUSED,
                time=self.now,
                received=self.now,
                now=self.now,
                data={"kind": one.kind, "value": one.value, "holder": holder},
            )
            self.tell(one.tenant, one.run, event)

    async def unpark(self, names: Iterable[tuple[int, str, str, int]]) -> None:
        """Give parked events that name (tenant, kind, value) to its run, where that has a use for them."""
        for tenant, run, event in await unpark(self.transaction, self.library, names):
            self._inbox.append((tenant, run, event))
            self.touched.add(RunRef(tenant, run))

    async def run(self) -> None:
        """Find out what becomes of each, and write it."""
        if self.items or self._starts:
            await self._look()
        for item in self.items:
            if item.fate == "unwanted" and item.runs:
                item.fate = "routed"
            elif item.fate == "unwanted" and not item.quiet and self._known(item):
                item.fate = "parked"
        await self._write()

    def _known(self, item: Item) -> bool:
        """Whether any process of the tenant has a use for the type."""
        return any(p.wants(item.event.type) for p in self.library.shelf_of(item.tenant).processes.values())

    async def _look(self) -> None:
        numbers: list[int] = []
        about: list[tuple[int, str, str]] = []
        for n, item in enumerate(self.items):
            for kind, value in _names(item):
                numbers.append(n)
                about.append((item.tenant, kind, value))
        starts_ = self._starts
        rows = await self.transaction.fetch(
            _LOOK,
            numbers,
            [a[0] for a in about],
            [a[1] for a in about],
            [a[2] for a in about],
            list(range(len(starts_))),
            [s.item.tenant for s in starts_],
            [s.process.name for s in starts_],
            [s.key for s in starts_],
            [s.process.kind for s in starts_],
        )
        live: dict[int, tuple[int, bool]] = {}
        for row in rows:
            if row["what"] == 0:
                item = self.items[row["n"]]
                process = await self.library.process(self.transaction, item.tenant, row["version"])
                if process.wants(item.event.type) or (item.settles and process.document != "ExceptionCase"):
                    self._give(item, row["run"], stopped=row["stopped"])
            elif row["what"] == 1:
                start = starts_[row["n"]]
                if row["status"] not in ENDED_RUN:
                    live[row["n"]] = (row["run"], row["stopped"])
                else:
                    start.generation = row["generation"] + 1
            else:
                starts_[row["n"]].parked = True
        await self._start([s for n, s in enumerate(starts_) if not self._meets_live(s, live.get(n))])

    def _give(self, item: Item, run: int, *, stopped: bool = False) -> None:
        if run not in item.runs:
            item.runs.add(run)
            if stopped:
                self._aside.append((item.tenant, run, item.bytes))
            else:
                self._inbox.append((item.tenant, run, item.bytes))
                self.touched.add(RunRef(item.tenant, run))

    def _meets_live(self, start: _Start, live: tuple[int, bool] | None) -> bool:
        """Whether the start is settled without a new run. Raises `Conflict` or `Refused` for one by hand."""
        item = start.item
        if live is not None:
            if start.parent is None and item.event.type == RUN_START:
                # By hand: the live run would have no use for it, and who asked would take it for theirs.
                raise Conflict(
                    f"a run of {start.process.name} for {start.key} is live already",
                    mend=f"look at it: crossdock runs {start.key}",
                )
            if start.parent is None:
                self._give(item, live[0], stopped=live[1])
            else:
                why = f"a run of {start.process.name} for {start.key} is live already"
                self.refused_children.append((item, start.parent, why))
            return True
        if start.generation > 1 and start.parent is None and start.process.again != "allow":
            refused = Refused(
                f"the run of {start.process.name} for {start.key} has ended, and the process does not say "
                "`again: allow`",
                mend="give the document another key, or write that into the process",
            )
            if item.event.type == RUN_START:
                raise refused
            item.fate, item.reason = "quarantined", str(refused)
            return True
        return False

    async def _start(self, starts_: list[_Start]) -> None:
        first: dict[tuple[int, str, str], _Start] = {}
        for start in starts_:
            first.setdefault((start.item.tenant, start.process.name, start.key), start)
        if not first:
            return
        chosen = list(first.values())
        rows = await self.transaction.fetch(
            _START,
            [s.item.tenant for s in chosen],
            [s.version for s in chosen],
            [s.process.name for s in chosen],
            [s.key for s in chosen],
            [s.generation for s in chosen],
            [s.parent.run if s.parent else 0 for s in chosen],
            [s.parent.step if s.parent else "" for s in chosen],
            [s.parent.item if s.parent else "" for s in chosen],
            [s.parent.redo if s.parent else 0 for s in chosen],
        )
        ids = {(row["tenant"], row["process"], row["key"]): row["id"] for row in rows}
        own: list[Wanted] = []
        seek: list[tuple[int, str, str, int]] = []
        again: list[_Start] = []
        for start in starts_:
            name = (start.item.tenant, start.process.name, start.key)
            run = ids.get(name)
            if run is None:
                again.append(start)  # another transaction was first
            elif first[name] is start:
                self._give(start.item, run)
                own.append(Wanted(start.item.tenant, run, start.process.name, start.process.kind, start.key))
                if start.parked:
                    seek.append((start.item.tenant, start.process.kind, start.key, run))
            else:
                self._meets_live(start, (run, False))
        await self.claim(own)
        self._name_in_batch(
            {(o.tenant, o.kind, o.value): (o.run, first[o.tenant, o.process, o.value].process) for o in own}
        )
        if seek:
            await self.unpark(seek)
        if again:
            await self._meet_again(again)

    def _name_in_batch(self, names: dict[tuple[int, str, str], tuple[int, Process]]) -> None:
        """Events of this batch that name a run which this batch has started."""
        for item in self.items:
            for kind, value in _names(item):
                found = names.get((item.tenant, kind, value))
                if found is not None and found[1].wants(item.event.type):
                    self._give(item, found[0])

    async def _meet_again(self, starts_: list[_Start]) -> None:
        rows = await self.transaction.fetch(
            _LOOK,
            *([], [], [], []),
            list(range(len(starts_))),
            [s.item.tenant for s in starts_],
            [s.process.name for s in starts_],
            [s.key for s in starts_],
            [s.process.kind for s in starts_],
        )
        for row in rows:
            if row["what"] == 1:
                self._meets_live(starts_[row["n"]], (row["run"], row["stopped"]))

    async def _write(self) -> None:
        if self._inbox:
            await self.transaction.execute(PUT, *columns(self._inbox, 3))
        if self._aside:
            await self.transaction.execute(PUT_ASIDE, *columns(self._aside, 3))
        # What no process has a use for is kept as well, and waits for nobody.
        kept = [i for i in self.items if i.fate == "parked" or (i.fate == "unwanted" and not i.quiet)]
        if kept:
            rows = await self.transaction.fetch(
                _PARK,
                [item.tenant for item in kept],
                [item.event.type for item in kept],
                [item.bytes for item in kept],
                [item.fate == "parked" for item in kept],
            )
            keys = [
                (item.tenant, kind, value, row["id"])
                for item, row in zip(kept, rows, strict=True)
                for kind, value in _names(item)
                if item.fate == "parked"
            ]
            await self.transaction.execute(_PARK_KEYS, *columns(keys, 4))
        refused = [item for item in self.items if item.fate == "quarantined"]
        if refused:
            await self.transaction.execute(
                _QUARANTINE,
                [item.tenant for item in refused],
                [item.event.type for item in refused],
                [item.reason for item in refused],
                [item.bytes for item in refused],
            )


def _names(item: Item) -> Iterator[tuple[str, str]]:
    """What the event names, as runs bear it."""
    for kind, value in item.event.about.items():
        yield kind, apart(value, test=item.event.test)


def _starting(item: Item, shelf: Shelf) -> tuple[Published, ...]:
    """What the event may start: the processes that name its type, or the one that a start by hand names."""
    event = item.event
    if event.type != RUN_START:
        return shelf.starting.get(event.type, ())
    name = event.data.get("process", "") if isinstance(event.data, dict) else ""
    published = shelf.published.get(name)
    if published is None:
        raise Refused(f"no process {name!r} is published", mend="see the processes and their documents")
    return (published,)
