"""Personal data: begin to seal it, find whose is held, erase somebody's, see what was erased."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import LiteralString

from crossdock.access import Principal, Resource
from crossdock.access.subjects import RAW, RAW_DAYS, Subjects
from crossdock.desk.ground import Ground, note_of
from crossdock.errors import NotFound, Refused

BEGINS_AFTER = 3  # seconds: by then every process knows that there may be something to open
MOST = 100  # subjects that are found at once

_BEGIN: LiteralString = """
insert into crossdock.personal (tenant, since, by)
values ($1, statement_timestamp() + make_interval(secs => $3), $2)
on conflict (tenant) do update
  set since = case when personal.until is null then personal.since else excluded.since end,
      by = case when personal.until is null then personal.by else excluded.by end, until = null
returning since
"""
_END: LiteralString = """
update crossdock.personal set until = statement_timestamp() where tenant = $1 and until is null
"""
_STATE: LiteralString = """
select since, until, by from crossdock.personal where tenant = crossdock.tenant()
"""
# The runs whose own names, or whose parents' names, a subject has.
_RUNS: LiteralString = """
with recursive own(handle, id) as (
  select distinct k.handle, a.run from crossdock.subject_key k
  join crossdock.alias a on a.tenant = k.tenant and a.kind = k.kind and a.value = k.value
  where k.tenant = crossdock.tenant() and k.handle = any($1::text[])
  union
  select own.handle, r.id from own
  join crossdock.run r on r.tenant = crossdock.tenant() and r.parent = own.id
)
select own.handle, count(*) as runs, count(*) filter (where r.ended is null) as open from own
join crossdock.run r on r.tenant = crossdock.tenant() and r.id = own.id group by own.handle
"""
_RUNS_OF: LiteralString = """
with recursive own(id) as (
  select a.run from crossdock.subject_key k
  join crossdock.alias a on a.tenant = k.tenant and a.kind = k.kind and a.value = k.value
  where k.tenant = crossdock.tenant() and k.handle = $1
  union
  select r.id from own join crossdock.run r on r.tenant = crossdock.tenant() and r.parent = own.id
)
select r.id, r.process, r.key, r.generation, r.status, r.created, r.ended from own
join crossdock.run r on r.tenant = crossdock.tenant() and r.id = own.id order by r.id desc limit $2
"""
# By handle that was erased: until when deliveries that came before and could not be read may hold some of it.
_RAW_UNTIL: LiteralString = """
select g.handle, max(s.made) + make_interval(days => $1) as until from crossdock.subject g
join crossdock.subject s on s.tenant = g.tenant and s.erased is null and starts_with(s.subject, $2)
  and s.made <= g.erased
where g.tenant = crossdock.tenant() and g.handle = any($3::text[]) group by g.handle
"""
_WHEN_ERASED: LiteralString = """
select on_id, actor, why from crossdock.audit
where tenant = crossdock.tenant() and action = 'personal.erase' and outcome = 'done'
  and on_kind = 'subject' and on_id = any($1::text[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """Whether a tenant seals personal data. It may still have some that was sealed before."""

    on: bool
    since: datetime | None = None
    until: datetime | None = None
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Somebody whose data is held: in how many runs, of which so many are open."""

    subject: str
    handle: str
    since: datetime
    runs: int
    open_runs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A run that holds somebody's data."""

    id: int
    process: str
    key: str
    generation: int
    status: str
    created: datetime
    ended: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """What was erased. `raw_until`: till then a body that could not be read may hold some of it, sealed.

    Calls of runs that were open are refused where they would send what is gone.
    """

    handle: str
    at: datetime
    by: str
    why: str
    since: datetime
    words: int = 0
    runs: int = 0
    open_runs: int = 0
    raw_until: datetime | None = None


class Personal:
    """What is done with personal data."""

    def __init__(self, ground: Ground, subjects: Subjects) -> None:
        """On that ground."""
        self._ground = ground
        self._subjects = subjects

    async def state(self, by: Principal) -> Sealing:
        """Whether it is sealed."""
        await self._ground.policies.require(by, "setting.read", Resource(kind="personal"))
        async with self._ground.look(by) as transaction:
            row = await transaction.row(_STATE)
        if row is None:
            return Sealing(on=False)
        return Sealing(on=row["until"] is None, since=row["since"], until=row["until"], by=row["by"])

    async def begin(self, by: Principal, *, note: str = "") -> Sealing:
        """Seal what comes in, a few seconds from now on. What was written before stays as it is.

        Raises `Refused` or `Unreachable` where the master key does not open: nothing could be sealed.
        """
        await self._ground.policies.require(by, "personal.change", Resource(kind="personal"))
        await self._subjects.find(by.tenant, "")  # the index has a key from now on, or it says why not
        last = self._ground.noted(
            by, "personal.change", Resource(kind="personal"), why=note_of(note), after={"on": True}
        )
        async with self._ground.database.engine() as transaction:
            since: datetime = await transaction.value(_BEGIN, by.tenant, by.id, BEGINS_AFTER)
            await last(transaction)
        return Sealing(on=True, since=since, by=by.id)

    async def end(self, by: Principal, *, note: str = "") -> Sealing:
        """Seal nothing more. What was sealed stays so, can be read and erased."""
        await self._ground.policies.require(by, "personal.change", Resource(kind="personal"))
        last = self._ground.noted(
            by, "personal.change", Resource(kind="personal"), why=note_of(note), after={"on": False}
        )
        async with self._ground.database.engine() as transaction:
            if not await transaction.execute(_END, by.tenant):
                raise NotFound("personal data is not sealed", mend="nothing is to be ended")
            await last(transaction)
        return await self.state(by)

    async def find(self, by: Principal, text: str) -> list[Held]:
        """Whose data is held that all these words stand in. That somebody looked is noted, not for whom."""
        await self._ground.policies.require(by, "personal.find", Resource(kind="personal"))
        if not text.strip():
            raise Refused("nothing is looked for", where="text", mend="give a name, an e-mail or a number")
        found = await self._subjects.find(by.tenant, text, most=MOST)
        held = {one.handle: one for one in found}
        runs = await self._runs(by, list(held))
        last = self._ground.noted(by, "personal.find", Resource(kind="personal"), after={"found": len(held)})
        async with self._ground.database.engine() as transaction:
            await last(transaction)
        none = (0, 0)
        return [
            Held(
                subject=one.subject,
                handle=one.handle,
                since=one.made,
                runs=runs.get(one.handle, none)[0],
                open_runs=runs.get(one.handle, none)[1],
            )
            for one in found
        ]

    async def held(self, by: Principal, subject: str) -> tuple[Held, list[Holding]]:
        """What is held of a subject, named or by its handle, and its newest runs. A look is noted.

        Raises `NotFound`.
        """
        await self._ground.policies.require(by, "personal.find", Resource(kind="personal"))
        known = await self._subjects.known(by.tenant, subject)
        runs, open_runs = (await self._runs(by, [known.handle])).get(known.handle, (0, 0))
        async with self._ground.look(by) as transaction:
            rows = await transaction.fetch(_RUNS_OF, known.handle, MOST)
        last = self._ground.noted(
            by, "personal.find", Resource(kind="subject", id=known.handle), after={"found": 1}
        )
        async with self._ground.database.engine() as transaction:
            await last(transaction)
        found = Held(
            subject=known.subject, handle=known.handle, since=known.made, runs=runs, open_runs=open_runs
        )
        return found, [Holding(**dict(row)) for row in rows]

    async def erase(self, by: Principal, subject: str, *, why: str) -> Gone:
        """Destroy the key of a subject, named or by its handle. Nothing that was written changes.

        Raises `NotFound`, and `Refused` without a reason.
        """
        await self._ground.policies.require(by, "personal.erase", Resource(kind="personal"))
        known = await self._subjects.known(by.tenant, subject)
        runs, open_runs = (await self._runs(by, [known.handle])).get(known.handle, (0, 0))
        why = note_of(why)
        erased = await self._subjects.erase(by.tenant, known.handle, by=by, why=why)
        raw_until = (await self._raw_until(by, [known.handle])).get(known.handle)
        return Gone(
            handle=erased.handle,
            at=erased.at,
            by=by.id,
            why=why,
            since=known.made,
            words=erased.words,
            runs=runs,
            open_runs=open_runs,
            raw_until=None if known.subject.startswith(RAW) else raw_until,
        )

    async def gone(self, by: Principal, handle: str) -> Gone:
        """What was erased, as `erase` has told it. Raises `NotFound`."""
        await self._ground.policies.require(by, "personal.erase", Resource(kind="personal"))
        for one in await self._erased(by):
            if one.handle == handle:
                return one
        raise NotFound("nothing of that handle was erased", mend="see what was erased")

    async def erased(self, by: Principal) -> list[Gone]:
        """What was erased, the last first, as the audit says it; whose it was, nobody can say any more."""
        await self._ground.policies.require(by, "audit.read", Resource(kind="audit"))
        return await self._erased(by)

    async def _erased(self, by: Principal) -> list[Gone]:
        rows = await self._subjects.erased(await self._ground.tenant(by))
        runs = await self._runs(by, [handle for handle, _, _ in rows])
        async with self._ground.look(by) as transaction:
            said = await transaction.fetch(_WHEN_ERASED, [handle for handle, _, _ in rows])
        told = {row["on_id"]: row for row in said}
        raw = await self._raw_until(by, [handle for handle, _, _ in rows])
        none = (0, 0)
        return [
            Gone(
                handle=handle,
                at=at,
                by=told[handle]["actor"] if handle in told else "",
                why=told[handle]["why"] if handle in told else "",
                since=since,
                runs=runs.get(handle, none)[0],
                open_runs=runs.get(handle, none)[1],
                raw_until=raw.get(handle),
            )
            for handle, since, at in rows
        ]

    async def _raw_until(self, by: Principal, handles: list[str]) -> dict[str, datetime]:
        async with self._ground.look(by) as transaction:
            rows = await transaction.fetch(_RAW_UNTIL, RAW_DAYS, RAW, handles)
        return {row["handle"]: row["until"] for row in rows}

    async def _runs(self, by: Principal, handles: list[str]) -> dict[str, tuple[int, int]]:
        async with self._ground.look(by) as transaction:
            rows = await transaction.fetch(_RUNS, handles)
        return {row["handle"]: (row["runs"], row["open"]) for row in rows}
