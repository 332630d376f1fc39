"""Deciding, in batches: claim, decide in memory, write, commit.

    claim    lock the runs (those that others have are skipped), take what waits in their inboxes, take the
             outcomes of our own calls where the lease still holds
    decide   one event after the other, by the pure kernel; deadlines fire between them as they fall due
    write    states, history, calls, aliases, children, events for others, what people see
    commit   now it has happened: all of it or nothing

What was taken from inbox and outbox is taken by deletion inside the transaction, so whatever happens before the
commit brings it back. A decision that raises stops its own run alone: the event is set aside with the error.
A batch that the database refuses is halved until the one at fault is alone.
"""

from __future__ import annotations

import contextlib
from collections import Counter, OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import asyncpg
import msgspec
import structlog

from crossdock.engine import projections
from crossdock.engine.carry import Carrier, engine_event
from crossdock.engine.correlate import Routing, RunRef, decode_event, encode_event
from crossdock.engine.library import Library, Shelf
from crossdock.engine.outbox import LeasedCall, Outbox, Outcome, Room, outcome_event
from crossdock.engine.straight import Straight
from crossdock.engine.write import Columns
from crossdock.errors import CrossdockError, Unreachable
from crossdock.process import Decision, Process, State, advance, decode_state, encode_state, new_state
from crossdock.process.messages import CALL_ENDED, TIMER_DUE, Event
from crossdock.process.state import Parent
from crossdock.process.turn import text_of
from crossdock.store import Database, EngineTransaction

log = structlog.get_logger(__name__)

LARGEST_STATE = 8 * 2**20  # bytes of JSON
MOST_FROM_INBOX = 50  # events of one run in one batch: a hot run gets no more than its share
MOST_TIMERS = 100  # deadlines of one run in one batch
_FINAL = frozenset({"done", "refused", "withdrawn"})
_TRIES = 3

_CLAIM: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::bigint[], $3::int[], $4::text[], $5::bigint[], $6::bool[])
    as k(tenant, run, seq, command, token, final)
), locked as materialized (
  select r.tenant, r.id, r.version, r.seq, r.generation, r.key, r.parent, r.parent_step, r.parent_item,
         r.parent_redo, r.wake_at, case when r.seq <> k.seq then r.state end as state,
         k.command, k.token, k.final
  from k join crossdock.run r on r.tenant = k.tenant and r.id = k.run
  where r.error is null
  for no key update of r skip locked
), one as (
  select distinct tenant, id from locked
), taken as (
  delete from crossdock.inbox i using (
    select x.tenant, x.run, x.id from one cross join lateral (
      select i.tenant, i.run, i.id from crossdock.inbox i
      where i.tenant = one.tenant and i.run = one.id order by i.id limit $7
    ) x
  ) t
  where i.tenant = t.tenant and i.run = t.run and i.id = t.id
  returning i.tenant, i.run, i.id, i.event
), settled as (
  delete from crossdock.outbox o using locked l
  where o.tenant = l.tenant and o.run = l.id and o.command = l.command and o.token = l.token
    and o.status = 'leased' and l.final
  returning o.tenant, o.run, o.command, o.connection, o.lane
), reported as (
  update crossdock.outbox o set status = 'reported', leased_until = null from locked l
  where o.tenant = l.tenant and o.run = l.id and o.command = l.command and o.token = l.token
    and o.status = 'leased' and not l.final
  returning o.tenant, o.run, o.command
)
select 0 as what, tenant, id, version, seq, generation, key, parent, parent_step, parent_item, parent_redo,
       wake_at, state, crossdock.now() as now from locked
union all
select 1, tenant, run, id, 0, 0, '', null, '', '', 0, null, event, null from taken
union all
select 2, tenant, run, 0, 0, 0, command, null, connection, lane, 0, null, null, null from settled
union all
select 3, tenant, run, 0, 0, 0, command, null, '', '', 0, null, null, null from reported
"""

# Runs whose deadlines do not fire: they wait for a system that was stopped so.
_STAND_STILL: LiteralString = """
select distinct o.tenant, o.run
from unnest($1::int[], $2::bigint[]) as k(tenant, run)
join crossdock.outbox o on o.tenant = k.tenant and o.run = k.run
join crossdock.connection n on n.tenant = o.tenant and n.name = o.connection
where n.stopped is not null and n.stand_still
"""

_PARENTS: LiteralString = """
select r.tenant, r.id, r.process, r.key, r.generation
from unnest($1::int[], $2::bigint[]) as k(tenant, id)
join crossdock.run r on r.tenant = k.tenant and r.id = k.id
"""

# An answer that came the long way, or will be tried again: the row goes unless the decision says Retry.
_SETTLE: LiteralString = """
delete from crossdock.outbox o using unnest($1::int[], $2::bigint[], $3::text[]) as k(tenant, run, command)
where o.tenant = k.tenant and o.run = k.run and o.command = k.command and o.status = 'reported'
returning o.tenant, o.connection, o.lane
"""

_EVIDENCE: LiteralString = """
insert into crossdock.quarantine (tenant, type, reason, event)
select * from unnest($1::int[], $2::text[], $3::text[], $4::bytea[])
"""


@dataclass(slots=True)
class _Known:
    """A run's state as this worker last wrote it."""

    seq: int
    state: State


class States:
    """The states of the runs decided last: bounded, and right only if the row's `seq` is the same."""

    def __init__(self, most: int = 20_000) -> None:
        """Keep at most so many."""
        self._most = most
        self._known: OrderedDict[tuple[int, int], _Known] = OrderedDict()

    def seq(self, tenant: int, run: int) -> int:
        """The decisions that the kept state has behind it; -1 where there is none."""
        known = self._known.get((tenant, run))
        return known.seq if known else -1

    def get(self, tenant: int, run: int, seq: int) -> State | None:
        """The kept state, if it is that of `seq`."""
        known = self._known.get((tenant, run))
        return known.state if known is not None and known.seq == seq else None

    def last(self, tenant: int, run: int) -> State | None:
        """The state as this worker wrote it last, if it still has it."""
        known = self._known.get((tenant, run))
        return known.state if known is not None else None

    def keep(self, tenant: int, run: int, state: State) -> None:
        """Keep a state that is committed. States of ended runs are let go."""
        if state.ended is not None:
            self._known.pop((tenant, run), None)
            return
        self._known[tenant, run] = _Known(state.seq, state)
        self._known.move_to_end((tenant, run))
        while len(self._known) > self._most:
            self._known.popitem(last=False)

    def forget(self, runs: Iterable[tuple[int, int]]) -> None:
        """Let go of states of which it is not known whether they were written."""
        for run in runs:
            self._known.pop(run, None)


@dataclass(slots=True)
class Decided:
    """What came of a batch."""

    decisions: int = 0
    leased: list[LeasedCall] = field(default_factory=list)  # to be called by this worker now
    touched: set[RunRef] = field(default_factory=set)  # runs that have something to decide
    busy: list[Outcome] = field(default_factory=list)  # their run is with another worker
    waiting: bool = False  # there are calls to lease

    def add(self, other: Decided) -> None:
        """Both together."""
        self.decisions += other.decisions
        self.leased += other.leased
        self.touched |= other.touched
        self.busy += other.busy
        self.waiting = self.waiting or other.waiting


@dataclass(slots=True)
class _Work:
    """One run of a batch."""

    tenant: int
    run: int
    row: Any
    arrived: list[tuple[int, bytes]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    state: State | None = None
    decided: int = 0
    stands_still: bool = False


class Decider:
    """Decides batches for one worker."""

    def __init__(
        self,
        database: Database,
        library: Library,
        outbox: Outbox,
        *,
        room: Room,
        owner: int,
        lease: timedelta,
    ) -> None:
        """`room` and `lease` bound the calls that decisions may lease to this worker at once."""
        self._database = database
        self._library = library
        self._outbox = outbox
        self._room = room
        self._owner = owner
        self._lease = lease
        self._states = States()
        self._straight = Straight(database, library, room=room, owner=owner, lease=lease)

    async def decide(self, outcomes: list[Outcome], runs: Iterable[RunRef]) -> Decided:
        """Decide what there is for these runs, and these outcomes. Raises `Unreachable`: then try again."""
        outcomes, runs, done = await self._go_straight(outcomes, list(runs))
        if outcomes or runs:
            done.add(await self._go_the_long_way(outcomes, runs))
        return done

    async def _go_straight(
        self, outcomes: list[Outcome], runs: list[RunRef]
    ) -> tuple[list[Outcome], list[RunRef], Decided]:
        """Write the simple decisions; gives what is left for the long way."""
        count = Counter((o.leased.tenant, o.leased.run) for o in outcomes)
        known: list[tuple[Outcome, State]] = []
        left: list[Outcome] = []
        for outcome in outcomes:
            name = (outcome.leased.tenant, outcome.leased.run)
            state = self._states.last(*name)
            if state is not None and count[name] == 1 and outcome.ended.outcome == "done":
                known.append((outcome, state))
            else:
                left.append(outcome)
        done = Decided()
        if not known:
            return left, runs, done
        went, states = await self._straight.go(known)
        for tenant, run, state in states:
            self._states.keep(tenant, run, state)
        done.decisions = went.decisions
        done.leased = went.leased
        done.touched = went.touched
        done.waiting = went.waiting
        written = {(tenant, run) for tenant, run, _ in states}
        return left + went.left, [r for r in runs if (r.tenant, r.run) not in written], done

    async def _go_the_long_way(
        self, outcomes: list[Outcome], runs: list[RunRef], tries: int = _TRIES
    ) -> Decided:
        names = {(o.leased.tenant, o.leased.run) for o in outcomes} | {(r.tenant, r.run) for r in runs}
        try:
            return await self._batch(outcomes, runs)
        except Unreachable:
            self._states.forget(names)
            raise
        except (asyncpg.PostgresError, CrossdockError, msgspec.MsgspecError) as error:
            self._states.forget(names)
            passing = isinstance(
                error,
                asyncpg.UniqueViolationError
                | asyncpg.DeadlockDetectedError
                | asyncpg.SerializationError
                | asyncpg.LockNotAvailableError,
            )
            if passing and tries > 1:
                return await self._go_the_long_way(outcomes, runs, tries - 1)
            if isinstance(error, asyncpg.InsufficientResourcesError | asyncpg.OperatorInterventionError):
                raise Unreachable(f"the database cannot go on: {error}", retry_after=1) from error
            if len(names) == 1:
                return await self._stop(next(iter(names)), outcomes, error)
            log.warning("engine.batch_refused", runs=len(names), error=str(error))
            return await self._halves(outcomes, runs, sorted(names))

    async def _halves(
        self, outcomes: list[Outcome], runs: list[RunRef], names: list[tuple[int, int]]
    ) -> Decided:
        first = set(names[: len(names) // 2])
        done = Decided()
        for inside in (True, False):
            done.add(
                await self._go_the_long_way(
                    [o for o in outcomes if ((o.leased.tenant, o.leased.run) in first) is inside],
                    [r for r in runs if ((r.tenant, r.run) in first) is inside],
                    1,
                )
            )
        return done

    async def _batch(self, outcomes: list[Outcome], runs: list[RunRef]) -> Decided:
        done = Decided()
        columns: Columns | None = None
        written = False
        try:
            async with self._database.engine() as transaction:
                works, late, now, freed = await self._claim(transaction, outcomes, runs, done)
                if late:
                    await self._keep_evidence(transaction, late)
                if works:
                    columns = Columns(now, self._room, self._owner, self._lease)
                    columns.freed += freed
                    await self._decide_all(transaction, works, columns, done)
            written = True
        finally:
            if columns is not None:
                if written:
                    columns.settle_room(done.leased)
                else:
                    columns.give_back()
        for work in works:
            if work.decided and work.state is not None:
                self._states.keep(work.tenant, work.run, work.state)
        return done

    async def _claim(
        self, transaction: EngineTransaction, outcomes: list[Outcome], runs: list[RunRef], done: Decided
    ) -> tuple[list[_Work], list[Outcome], datetime, list[tuple[int, str, str]]]:
        seq = self._states.seq
        keys = [
            (
                o.leased.tenant,
                o.leased.run,
                seq(o.leased.tenant, o.leased.run),
                o.leased.command,
                o.leased.token,
                o.ended.outcome in _FINAL,
            )
            for o in outcomes
        ]
        have = {(key[0], key[1]) for key in keys}
        keys += [
            (r.tenant, r.run, seq(r.tenant, r.run), "", 0, True)
            for r in runs
            if (r.tenant, r.run) not in have
        ]
        rows = await transaction.fetch(_CLAIM, *zip(*keys, strict=True), MOST_FROM_INBOX)
        works: dict[tuple[int, int], _Work] = {}
        ours: set[tuple[int, int, str]] = set()
        freed: list[tuple[int, str, str]] = []
        now: datetime | None = None
        for row in rows:
            what = row["what"]
            name = (row["tenant"], row["id"])
            if what == 0:
                if name not in works:
                    works[name] = _Work(*name, row)
                    now = row["now"]
            elif what == 1:
                works[name].arrived.append((row["version"], row["state"]))
            else:
                ours.add((*name, row["key"]))
                if what == 2 and row["parent_item"]:
                    freed.append((row["tenant"], row["parent_step"], row["parent_item"]))
        late: list[Outcome] = []
        for outcome in outcomes:
            name = (outcome.leased.tenant, outcome.leased.run)
            work = works.get(name)
            if work is None:
                done.busy.append(outcome)
            elif (*name, outcome.leased.command) in ours:
                work.outcomes.append(outcome)
            else:
                late.append(outcome)
        for work in works.values():
            work.arrived.sort(key=lambda pair: pair[0])
            if len(work.arrived) >= MOST_FROM_INBOX:
                done.touched.add(RunRef(work.tenant, work.run))
        if now is None:
            now = await transaction.value("select crossdock.now()")
        return list(works.values()), late, now, freed

    async def _decide_all(
        self, transaction: EngineTransaction, works: list[_Work], columns: Columns, done: Decided
    ) -> None:
        routing = Routing(transaction, self._library, columns.now)
        carrier = Carrier(transaction, routing, columns)
        seen = projections.Seen(columns.now)
        settle: list[tuple[int, int, str]] = []
        parents = await _parents(transaction, works)
        for work in await _standing_still(transaction, works, columns.now):
            work.stands_still = True
        for work in works:
            shelf = await self._library.refresh(transaction, work.tenant)
            await self._decide_run(transaction, work, shelf, parents, carrier, seen, settle)
            done.decisions += work.decided
        retried = {(r[0], r[1], r[2]) for r in columns.retries}
        settle = [name for name in settle if name not in retried]
        if settle:
            rows = await transaction.fetch(_SETTLE, *zip(*settle, strict=True))
            columns.freed += [(r["tenant"], r["connection"], r["lane"]) for r in rows if r["lane"]]
        await carrier.finish()
        if columns.runs or columns.aside:
            done.leased = await columns.flush(transaction)
        await seen.write(transaction)
        await routing.run()
        await carrier.answer_children()
        done.touched |= routing.touched
        done.waiting = columns.waiting

    async def _decide_run(
        self,
        transaction: EngineTransaction,
        work: _Work,
        shelf: Shelf,
        parents: dict[tuple[int, int], Any],
        carrier: Carrier,
        seen: projections.Seen,
        settle: list[tuple[int, int, str]],
    ) -> None:
        """Decide all that there is for one run, until one decision raises."""
        now = carrier.columns.now
        events: list[tuple[int | None, Event]] = [(id_, decode_event(data)) for id_, data in work.arrived]
        for outcome in work.outcomes:
            if outcome.ended.outcome not in _FINAL:
                settle.append((work.tenant, work.run, outcome.leased.command))
            events.append((None, outcome_event(outcome, now, shelf.reference)))
        settle += [
            (work.tenant, work.run, event.data["command"])
            for id_, event in events
            if id_ is not None
            and event.type == CALL_ENDED
            and isinstance(event.data, dict)
            and isinstance(event.data.get("command"), str)
        ]
        process: Process | None = None
        encoded = b""
        position = 0
        error: str | None = None
        turn = _Run(work, carrier, seen)
        try:
            process = await self._library.process(transaction, work.tenant, work.row["version"])
            work.state = self._state_of(work, process, shelf, parents)
            turn.begin(process, work.state, shelf)
            for position, (_, event) in enumerate(events):  # noqa: B007 - says where it stopped
                await turn.timers(before=event.received)
                await turn.one(event)
            position = len(events)
            await turn.timers(before=None)
            encoded = encode_state(turn.state)
            if len(encoded) > LARGEST_STATE:
                raise CrossdockError(f"the state of the run has {len(encoded):,} bytes")  # noqa: TRY301
        except asyncpg.PostgresError:
            raise
        except Unreachable:
            raise
        except Exception as raised:  # noqa: BLE001 - whatever it is, only this run waits for it
            error = f"{type(raised).__name__}: {raised}"
            log.error("engine.decision_failed", tenant=work.tenant, run=work.run, error=error)
            rest = events[position:]
            carrier.columns.aside += [
                (work.tenant, work.run, id_, error if n == 0 else None, encode_event(event))
                for n, (id_, event) in enumerate(rest)
            ]
            if not rest:
                due = engine_event(work.run, TIMER_DUE, {"due": text_of(now)}, now, shelf.reference)
                carrier.columns.aside.append((work.tenant, work.run, None, error, encode_event(due)))
        if turn.state is not None and work.decided:
            work.state = turn.state
            carrier.columns.state(
                work.tenant, work.run, turn.state, encoded or encode_state(turn.state), error
            )
        elif error is not None:
            await transaction.execute(
                "update crossdock.run set error = $3, status = 'held', wake_at = null "
                "where tenant = $1 and id = $2",
                work.tenant,
                work.run,
                error,
            )

    def _state_of(
        self, work: _Work, process: Process, shelf: Shelf, parents: dict[tuple[int, int], Any]
    ) -> State:
        row = work.row
        if row["state"] is not None:
            return decode_state(row["state"])
        known = self._states.get(work.tenant, work.run, row["seq"])
        if known is not None:
            return known
        parent = None
        if row["parent"] is not None:
            found = parents[work.tenant, row["parent"]]
            parent = Parent(
                process=found["process"],
                key=found["key"],
                generation=found["generation"],
                step=row["parent_step"],
                item=row["parent_item"],
                redo=row["parent_redo"],
            )
        return new_state(
            process, tenant=shelf.name, key=row["key"], generation=row["generation"], parent=parent
        )

    async def _stop(self, name: tuple[int, int], outcomes: list[Outcome], error: Exception) -> Decided:
        """The database refuses what this run's decision writes: set the run aside, with what it was given."""
        log.error("engine.run_refused", tenant=name[0], run=name[1], error=str(error))
        done = Decided()
        async with self._database.engine() as transaction:
            works, late, now, _ = await self._claim(transaction, outcomes, [RunRef(*name)], done)
            if late:
                await self._keep_evidence(transaction, late)
            for work in works:
                columns = Columns(now, self._room, self._owner, self._lease)
                text = f"{type(error).__name__}: {error}"
                events = [(id_, data) for id_, data in work.arrived] + [
                    (None, encode_event(outcome_event(o, now, 0))) for o in work.outcomes
                ]
                columns.aside = [
                    (work.tenant, work.run, id_, text if n == 0 else None, data)
                    for n, (id_, data) in enumerate(events)
                ]
                await transaction.execute(
                    "update crossdock.run set error = $3, status = 'held', wake_at = null "
                    "where tenant = $1 and id = $2",
                    *name,
                    text,
                )
                await columns.flush(transaction)
        return done

    async def _keep_evidence(self, transaction: EngineTransaction, late: list[Outcome]) -> None:
        """Answers of leases that had run out: not taken, but kept, since they say what happened outside."""
        rows = [
            (
                o.leased.tenant,
                "call.late",
                f"run {o.leased.run}, call {o.leased.command}: the answer came after its lease had run out",
                msgspec.json.encode({"key": o.leased.key, "attempt": o.leased.attempt, "answer": o.ended}),
            )
            for o in late
        ]
        with contextlib.suppress(IndexError):
            await transaction.execute(_EVIDENCE, *zip(*rows, strict=True))


class _Run:
    """One run being decided: state, and the time of its next deadline."""

    def __init__(self, work: _Work, carrier: Carrier, seen: projections.Seen) -> None:
        self.state: Any = None
        self._work = work
        self._carrier = carrier
        self._seen = seen
        self._now = carrier.columns.now

    def begin(self, process: Process, state: State, shelf: Shelf) -> None:
        self.state = state
        self._process = process
        self._shelf = shelf

    async def timers(self, before: datetime | None) -> None:
        """Fire the deadlines that are due; with `before`, only those that passed before that event came."""
        for _ in range(MOST_TIMERS):
            wake = self.state.wake
            if (
                wake is None
                or wake > self._now
                or self._work.stands_still
                or (before is not None and wake >= before)
            ):
                return
            seq = self.state.seq
            data = {"due": text_of(wake)}
            await self.one(engine_event(self._work.run, TIMER_DUE, data, self._now, self._shelf.reference))
            if self.state.seq == seq or self.state.wake == wake:
                return

    async def one(self, event: Event) -> None:
        """Decide one event, and take note of what follows from it."""
        now = max(self._now, event.received)
        if event.now != now or event.reference != self._shelf.reference:
            event = msgspec.structs.replace(event, now=now, reference=self._shelf.reference)
        reference = self._shelf.references[self._shelf.reference]
        decision: Decision = advance(self._process, self.state, event, reference)
        encoded = encode_event(event)
        work = self._work
        columns = self._carrier.columns
        columns.decided(work.tenant, work.run, decision.state.seq, event, encoded, decision.records)
        self._seen.take(work.tenant, work.run, decision.state, decision.records)
        self._carrier.take(work.tenant, work.run, work.row["parent"], self._process, decision)
        self.state = decision.state
        work.decided += 1


async def _parents(transaction: EngineTransaction, works: list[_Work]) -> dict[tuple[int, int], Any]:
    """What new child runs need to know of their parents."""
    wanted = sorted({(w.tenant, w.row["parent"]) for w in works if not w.row["seq"] and w.row["parent"]})
    if not wanted:
        return {}
    rows = await transaction.fetch(_PARENTS, *zip(*wanted, strict=True))
    return {(row["tenant"], row["id"]): row for row in rows}


async def _standing_still(transaction: EngineTransaction, works: list[_Work], now: datetime) -> list[_Work]:
    """Those with a deadline that is due and may not fire now."""
    due = {(w.tenant, w.run): w for w in works if w.row["wake_at"] is not None and w.row["wake_at"] <= now}
    if not due:
        return []
    rows = await transaction.fetch(_STAND_STILL, [t for t, _ in due], [r for _, r in due])
    return [due[row["tenant"], row["run"]] for row in rows]
