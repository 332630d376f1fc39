"""What runs: the published processes of each tenant, and the settings and calendars that decisions use.

Both are versioned rows that never change, so what was read once stays right; only which one is current is
read again, every second. A run stays on the version it began with.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, LiteralString, Protocol

import msgspec

from crossdock.errors import Conflict, CrossdockError, NotFound
from crossdock.process import Process
from crossdock.process.calendar import Calendar
from crossdock.process.publish import name_in
from crossdock.process.turn import Plain, Reference
from crossdock.store import Database, EngineTransaction, Last, Tenant

FRESH_SECONDS = 1.0
_IDLE_SECONDS = 10.0  # after which a tenant is not read again with others

_REFRESH: LiteralString = """
select t.tenant, t.name, t.suspended is not null as suspended, t.suspended_why,
  (select p.since <= statement_timestamp() and p.until is null from crossdock.personal p
   where p.tenant = t.tenant) as personal,
  (select max(r.version) from crossdock.reference r where r.tenant = t.tenant) as reference,
  (select coalesce(json_agg(json_build_array(c.name, c.id, c.next_id, c.share) order by c.name), '[]')::text
   from crossdock.process_current c where c.tenant = t.tenant) as published,
  (select coalesce(json_agg(json_build_array(n.system, n.name, n.environment)
     order by n.name <> n.system, n.name), '[]')
   ::text from crossdock.connection n where n.tenant = t.tenant) as connections
from unnest($1::int[]) as k(tenant)
join crossdock.tenant t on t.tenant = any(array[k.tenant])
"""

_VERSION: LiteralString = """
insert into crossdock.process_version (tenant, name, version, source, published_by)
values ($1, $2, $3, $4, $5)
on conflict (tenant, name, version) do update set source = excluded.source returning id
"""
_CURRENT: LiteralString = """
insert into crossdock.process_current as c (tenant, name, id) values ($1, $2, $3)
on conflict (tenant, name) do update set
  id = case when $4::real >= 1 then excluded.id else c.id end,
  next_id = case when $4 >= 1 then null else excluded.id end,
  share = case when $4 >= 1 then 0 else $4 end
"""
# By name: what is in a text and is no process does no harm.
_OTHERS: LiteralString = """
select c.name, v.source from crossdock.process_current c
join crossdock.process_version v on v.tenant = c.tenant and v.id = c.id
where c.tenant = $1 and not c.name = any($3::text[])
  and exists (select from unnest($2::text[]) as t(text) where strpos(t.text, c.name) > 0)
order by c.name
"""


class Read(Protocol):
    """Compiles the text of a process, which may run those in the other texts."""

    def __call__(self, text: str, *others: str) -> Process:
        """Raises what reading raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """Which versions of a process new runs take: `id`, and for a share of them (0 to 1) `next_id`."""

    name: str
    id: int
    next_id: int | None = None
    share: float = 0.0

    def version_for(self, key: str) -> int:
        """The version of a new run with that key: always the same one while the share stays."""
        if self.next_id is None or not self.share:
            return self.id
        place = int.from_bytes(hashlib.blake2b(f"{self.name}/{key}".encode(), digest_size=4).digest(), "big")
        return self.next_id if place < self.share * 2**32 else self.id


@dataclass(slots=True)
class Shelf:
    """What is known of one tenant."""

    name: str
    suspended: str | None = None  # why nothing may enter
    personal: bool | None = None  # whether personal data is sealed; None: it never was
    read_at: float = -1e9
    asked_at: float = -1e9  # the last time that somebody needed it
    published: dict[str, Published] = field(default_factory=dict)
    starting: dict[str, tuple[Published, ...]] = field(default_factory=dict)  # by event type
    processes: dict[int, Process] = field(default_factory=dict)
    by_content: dict[tuple[str, str], Process] = field(default_factory=dict)  # by name and hash
    # Names in order, by system and whether they are of a sandbox.
    connections: dict[tuple[str, bool], tuple[str, ...]] = field(default_factory=dict)
    sandboxes: frozenset[str] = frozenset()  # sources of events that are connections of a sandbox
    reference: int = 0
    references: dict[int, Reference] = field(default_factory=dict)

    @property
    def in_test(self) -> bool:
        """Whether all that the tenant does is in test: its settings say `environment: sandbox`."""
        reference = self.references.get(self.reference)
        return reference is not None and reference.tenant["settings"].get("environment") == "sandbox"

    def connection(self, system: str, via: str, *, test: bool) -> str | None:
        """The connection that a call of `system` takes: the one it names, else the one for the system.

        A run that is in test takes those of a sandbox and no others, and no other run takes them.
        """
        names = self.connections.get((system, test or self.in_test), ())
        if via:
            return via if via in names else None
        return names[0] if names else None


class Library:
    """Processes and reference data by tenant, read from the database and kept."""

    def __init__(self, database: Database, read: Read) -> None:
        """`read` compiles the text of a process against all that is installed, among others."""
        self._database = database
        self._read = read
        self._shelves: dict[int, Shelf] = {}
        self._by_texts: dict[tuple[str, frozenset[str]], Process] = {}

    async def publish(
        self, tenant: Tenant, source: str, *, by: str = "", share: float = 1.0, last: Last | None = None
    ) -> tuple[Process, int]:
        """Make a version known and current, or current for a `share` of new runs. Publishing twice is one.

        Gives the process and the number of its version. Raises what reading the text raises.
        """
        (made,) = await self.publish_all(tenant, [source], by=by, share=share, last=last)
        return made

    async def publish_all(
        self,
        tenant: Tenant,
        sources: Sequence[str],
        *,
        by: str = "",
        share: float = 1.0,
        last: Last | None = None,
    ) -> list[tuple[Process, int]]:
        """The same with several that may run each other: all or none."""
        made: list[tuple[Process, int]] = []
        async with self._database.engine() as transaction:
            others = await others_of(transaction, tenant.id, *sources)
            for source in sources:
                process = self._read(source, *others, *(text for text in sources if text != source))
                number: int = await transaction.value(
                    _VERSION, tenant.id, process.name, process.version, source, by
                )
                await transaction.execute(_CURRENT, tenant.id, process.name, number, share)
                made.append((process, number))
            if last is not None:
                await last(transaction)
        self.shelf_of(tenant.id, tenant.name).read_at = -1e9
        return made

    async def others(self, tenant: Tenant, *sources: str) -> list[str]:
        """The texts of the tenant's processes that these may run, and that those may run in their turn.

        Of all others there is a text with the name alone, so that a name that is nearly right can be told.
        """
        async with self._database.engine() as transaction:
            found = await others_of(transaction, tenant.id, *sources)
            named = {name_in(text) for text in (*sources, *found)}
            rows = await transaction.fetch(
                "select name from crossdock.process_current where tenant = $1 order by name", tenant.id
            )
        return found + [f"process: {row['name']}\n" for row in rows if row["name"] not in named]

    async def roll_back(self, tenant: Tenant, name: str, version: str, *, last: Last | None = None) -> None:
        """Let new runs take an older version again, all of them. Raises `NotFound`."""
        async with self._database.engine() as transaction:
            done = await transaction.execute(
                "update crossdock.process_current c set id = v.id, next_id = null, share = 0 "
                "from crossdock.process_version v where c.tenant = $1 and c.name = $2 "
                "and v.tenant = c.tenant and v.name = c.name and v.version = $3",
                tenant.id,
                name,
                version,
            )
            if not done:
                raise NotFound(f"{name} has no version {version}", mend="see its versions")
            if last is not None:
                await last(transaction)
        self.shelf_of(tenant.id, tenant.name).read_at = -1e9

    async def newest(self, tenant: Tenant, name: str) -> str | None:
        """The newest version of a process that runs take, by its content; also one being rolled out."""
        async with self._database.of(tenant) as transaction:
            found: str | None = await transaction.value(
                "select v.version from crossdock.process_current c join crossdock.process_version v "
                "on v.tenant = c.tenant and v.id = coalesce(c.next_id, c.id) where c.name = $1",
                name,
            )
        return found

    async def set_reference(
        self,
        tenant: Tenant,
        *,
        settings: Mapping[str, Any],
        calendars: Mapping[str, Any],
        by: str = "",
        after: int | None = None,
        last: Last | None = None,
    ) -> int:
        """Settings and calendars (plain data, by name) from now on; gives the number of this version.

        `after` is the version that was looked at, 0 for none. Raises `Conflict` where somebody was quicker.
        """
        for name, data in calendars.items():
            Calendar.parse(data, where=f"calendars.{name}")
        async with self._database.engine() as transaction:
            version: int | None = await transaction.value(
                "insert into crossdock.reference (tenant, version, by, data) "
                "select $1, coalesce(max(version), 0) + 1, $2, $3 from crossdock.reference where tenant = $1 "
                "having coalesce(max(version), 0) = coalesce($4, max(version), 0) "
                "on conflict (tenant, version) do nothing returning version",
                tenant.id,
                by,
                msgspec.json.encode({"settings": settings, "calendars": calendars}),
                after,
            )
            if version is None:
                raise Conflict(
                    "the settings have changed meanwhile", mend="look at them again, then set them"
                )
            if last is not None:
                await last(transaction)
        self.shelf_of(tenant.id, tenant.name).read_at = -1e9
        return version

    def shelf_of(self, tenant: int, name: str = "") -> Shelf:
        """What is known of a tenant so far."""
        shelf = self._shelves.get(tenant)
        if shelf is None:
            shelf = self._shelves[tenant] = Shelf(name)
        return shelf

    async def refresh(self, transaction: EngineTransaction, tenant: int) -> Shelf:
        """What is known of a tenant, not older than a second. Raises `NotFound`.

        All tenants that were asked for lately are read with it, in one statement: a worker for a thousand
        tenants asks no more often than one for a single tenant.
        """
        shelf = self.shelf_of(tenant)
        now = time.monotonic()
        shelf.asked_at = now
        if now - shelf.read_at < FRESH_SECONDS:
            return shelf
        stale = [
            number
            for number, one in self._shelves.items()
            if now - one.read_at >= FRESH_SECONDS / 2 and now - one.asked_at < _IDLE_SECONDS
        ]
        rows = await transaction.fetch(_REFRESH, stale)
        if tenant not in {row["tenant"] for row in rows}:
            raise NotFound(f"there is no tenant number {tenant}", mend="see the tenants")
        for row in rows:
            try:
                await self._read_in(transaction, row, now)
            except CrossdockError:
                if row["tenant"] == tenant:
                    raise  # another tenant's fault is told to whoever asks for that tenant
        return shelf

    async def renew(self, tenant: int) -> None:
        """As `refresh`, in a transaction of its own if one is needed. Raises as that does."""
        if time.monotonic() - self.shelf_of(tenant).read_at >= FRESH_SECONDS:
            async with self._database.engine() as transaction:
                await self.refresh(transaction, tenant)

    async def _read_in(self, transaction: EngineTransaction, row: Any, now: float) -> None:
        tenant = row["tenant"]
        shelf = self.shelf_of(tenant)
        shelf.name = row["name"]
        shelf.suspended = row["suspended_why"] if row["suspended"] else None
        shelf.personal = row["personal"]
        shelf.reference = row["reference"] or 0
        await self.reference(transaction, tenant, shelf.reference)
        published = {
            name: Published(name=name, id=id_, next_id=next_id, share=share)
            for name, id_, next_id, share in msgspec.json.decode(row["published"])
        }
        if published != shelf.published:
            starting: dict[str, list[Published]] = {}
            for one in published.values():
                process = await self.process(transaction, tenant, one.id)
                if one.next_id is not None:
                    await self.process(transaction, tenant, one.next_id)
                for start in process.start:
                    if one not in starting.setdefault(start.on, []):
                        starting[start.on].append(one)
            shelf.published = published
            shelf.starting = {type_: tuple(found) for type_, found in starting.items()}
        systems: dict[tuple[str, bool], tuple[str, ...]] = {}
        sandboxes = set()
        for system, name, environment in msgspec.json.decode(row["connections"]):
            place = (system, environment == "sandbox")
            systems[place] = (*systems.get(place, ()), name)
            if environment == "sandbox":
                sandboxes.add(f"connection/{name}")
        shelf.connections, shelf.sandboxes = systems, frozenset(sandboxes)
        shelf.read_at = now

    async def process(self, transaction: EngineTransaction, tenant: int, number: int) -> Process:
        """The process version of that number. Raises `NotFound`, and what reading its text raises."""
        shelf = self.shelf_of(tenant)
        process = shelf.processes.get(number)
        if process is None:
            source = await transaction.value(
                "select source from crossdock.process_version where tenant = $1 and id = $2", tenant, number
            )
            if source is None:
                raise NotFound(f"there is no process version {number}", mend="see the versions")
            others = await others_of(transaction, tenant, source)
            texts = (source, frozenset(others))  # tenants share templates
            process = self._by_texts.get(texts)
            if process is None:
                process = self._by_texts[texts] = self._read(source, *others)
            shelf.processes[number] = process
            shelf.by_content[process.name, process.version] = process
        return process

    async def version(
        self, transaction: EngineTransaction, tenant: int, name: str, version: str
    ) -> tuple[int, Process] | None:
        """The number and the process of a version by its content. Raises what reading its text raises."""
        number = await transaction.value(
            "select id from crossdock.process_version where tenant = $1 and name = $2 and version = $3",
            tenant,
            name,
            version,
        )
        return None if number is None else (number, await self.process(transaction, tenant, number))

    async def reference(self, transaction: EngineTransaction, tenant: int, version: int) -> Reference:
        """Settings and calendars of that version; 0 is before any were set."""
        shelf = self.shelf_of(tenant)
        reference = shelf.references.get(version)
        if reference is None:
            data = await transaction.value(
                "select data from crossdock.reference where tenant = $1 and version = $2", tenant, version
            )
            if data is None and version:
                raise NotFound(f"there is no reference data {version}", mend="see its versions")
            content = msgspec.json.decode(data) if data else {"settings": {}, "calendars": {}}
            if not shelf.name:
                shelf.name = await transaction.value(
                    "select name from crossdock.tenant where tenant = $1", tenant
                )
            reference = shelf.references[version] = Plain(
                {"id": shelf.name, "name": shelf.name, "settings": content["settings"]},
                {name: Calendar.parse(one, where=name) for name, one in content["calendars"].items()},
            )
        return reference


async def others_of(transaction: EngineTransaction, tenant: int, *sources: str) -> list[str]:
    """The texts of the tenant's current processes that are named in these, and in those in their turn."""
    known, found, texts = [name_in(source) for source in sources], [], list(sources)
    while texts:
        rows = await transaction.fetch(_OTHERS, tenant, texts, known)
        known += [row["name"] for row in rows]
        texts = [row["source"] for row in rows]
        found += texts
    return found
