"""Deciding, in batches: claim, decide in memory, write, commit.

    claim    lock the runs (those that others have are skipped), take what waits in their inboxes, take the
             outcomes of our own calls where the lease still holds
    decide   one event after the other, by the pure kernel; deadlines fire between them as they fall due
    write    states, history, calls, aliases, children, events for others, what people see
    commit   now it has happened: all of it or nothing

What was taken from inbox and outbox is taken by deletion inside the transaction, so whatever happens before
the commit brings it back. A decision that raises stops its own run alone: the event is set aside with the
error. A batch that the database refuses is halved until the run at fault is alone, and that run's events are
decided one at a time until the one at fault is found: those before it stand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import LiteralString

import asyncpg
import msgspec
import structlog

from crossdock.access.redaction import hidden
from crossdock.engine.breath import Breath
from crossdock.engine.carry import Carrier
from crossdock.engine.claim import (
    MOST_FROM_INBOX,
    Claimed,
    claim,
    keep_evidence,
    mark_standing_still,
    parents,
)
from crossdock.engine.correlate import Routing, RunRef, encode_event
from crossdock.engine.give_way import GiveWay
from crossdock.engine.library import Library
from crossdock.engine.outbox import LeasedCall, Outbox, Outcome, Room, outcome_event
from crossdock.engine.payloads import Documents, Payloads
from crossdock.engine.projections import Seen
from crossdock.engine.states import States
from crossdock.engine.straight import Straight
from crossdock.engine.take_turns import Sink, take_turns
from crossdock.engine.write import Columns
from crossdock.errors import CrossdockError, Unreachable
from crossdock.process import State
from crossdock.store import Database, EngineTransaction

log = structlog.get_logger(__name__)

_TRIES = 3
# Two transactions were in each other's way. Never the fault of what was to be written.
_IN_THE_WAY = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.LockNotAvailableError,
)

# An answer that came the long way, or will be tried again: the row goes unless the decision says Retry.
_SETTLE: LiteralString = """
delete from crossdock.outbox o using unnest($1::int[], $2::bigint[], $3::text[]) as k(tenant, run, command)
where o.tenant = any(array[k.tenant]) and o.run = any(array[k.run]) and o.command = any(array[k.command])
  and o.status = 'reported'
returning o.tenant, o.connection, o.lane
"""


@dataclass(slots=True)
class Decided:
    """What came of a batch."""

    decisions: int = 0
    leased: list[LeasedCall] = field(default_factory=list)  # to be called by this worker now
    touched: set[RunRef] = field(default_factory=set)  # runs that have something to decide
    busy: list[Outcome] = field(default_factory=list)  # their run is with another worker
    waiting: bool = False  # there are calls to lease
    again: list[Outcome] = field(default_factory=list)  # not come to: the database went away meanwhile

    def add(self, other: Decided) -> None:
        """Both together."""
        self.decisions += other.decisions
        self.leased += other.leased
        self.touched |= other.touched
        self.busy += other.busy
        self.waiting = self.waiting or other.waiting
        self.again += other.again

    def leave(self, error: Unreachable, outcomes: list[Outcome], runs: Iterable[RunRef]) -> None:
        """What was decided before the database went away stands; these are to be decided again.

        Raises the error where nothing was.
        """
        if not self.decisions:
            raise error
        self.again += outcomes
        self.touched.update(runs)


Left = tuple[list[Outcome], list[RunRef]]  # what a way has not decided: outcomes, and runs (theirs as well)
Way = Callable[[list[Outcome], list[RunRef]], Awaitable[tuple[Decided, Left]]]


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
        give_way: GiveWay,
    ) -> None:
        """`room` and `lease` bound the calls that decisions may lease to this worker at once."""
        self._database = database
        self._library = library
        self._outbox = outbox
        self._room = room
        self._owner = owner
        self._lease = lease
        self._give_way = give_way
        self._states = States()
        self._documents = Documents()
        self._straight = Straight(database, library, room=room, owner=owner, lease=lease, give_way=give_way)

    async def decide(self, outcomes: list[Outcome], runs: list[RunRef]) -> tuple[Decided, Left]:
        """Decide what there is for these runs, and these outcomes. Raises `Unreachable`: then try again."""
        return await self._go_the_long_way(outcomes, runs), ([], [])

    async def decide_straight(self, outcomes: list[Outcome], runs: list[RunRef]) -> tuple[Decided, Left]:
        """Decide the simple ones of these outcomes; what is left is for `decide`. Raises as that does."""
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
            return done, (left, runs)
        went, states = await self._straight.go(known)
        for tenant, run, state in states:
            self._states.keep(tenant, run, state)
        done.decisions = went.decisions
        done.leased = went.leased
        done.touched = went.touched
        done.waiting = went.waiting
        written = {(tenant, run) for tenant, run, _ in states}
        return done, (left + went.left, [r for r in runs if (r.tenant, r.run) not in written])

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
            if isinstance(error, (asyncpg.UniqueViolationError, *_IN_THE_WAY)) and tries > 1:
                return await self._go_the_long_way(outcomes, runs, tries - 1)
            if isinstance(error, _IN_THE_WAY):
                raise Unreachable(f"others are in the way: {error}", retry_after=1) from error
            if len(names) == 1:
                return await self._one_at_a_time(next(iter(names)), outcomes)
            log.warning("engine.batch_refused", runs=len(names), error=str(error))
            return await self._halves(outcomes, runs, sorted(names))

    async def _halves(
        self, outcomes: list[Outcome], runs: list[RunRef], names: list[tuple[int, int]]
    ) -> Decided:
        first = set(names[: len(names) // 2])
        done = Decided()
        for inside in (True, False):
            half = [o for o in outcomes if ((o.leased.tenant, o.leased.run) in first) is inside]
            of_runs = [r for r in runs if ((r.tenant, r.run) in first) is inside]
            try:
                done.add(await self._go_the_long_way(half, of_runs))
            except Unreachable as error:
                done.leave(error, half, of_runs)
        return done

    async def _one_at_a_time(self, name: tuple[int, int], outcomes: list[Outcome]) -> Decided:
        """Decide one event of a run after the other, as far as it goes; the one at fault stops the run."""
        done = Decided()
        left = list(outcomes)
        part: list[Outcome] = []
        try:
            while True:  # what is in its inbox comes first, as in a batch
                one = await self._batch(part, [RunRef(*name)], most=1)
                done.add(one)
                if not one.decisions and not left:
                    return done
                part = [] if one.decisions else [left.pop(0)]
        except Unreachable as error:
            self._states.forget([name])
            done.leave(error, part + left, [RunRef(*name)])
        except _IN_THE_WAY as error:
            self._states.forget([name])
            raised = Unreachable(f"others are in the way: {error}", retry_after=1)
            done.leave(raised, part + left, [RunRef(*name)])
        except (asyncpg.PostgresError, CrossdockError, msgspec.MsgspecError) as error:
            self._states.forget([name])
            try:
                done.add(await self._stop(name, part + left, error))
            except Unreachable as gone:
                done.leave(gone, part + left, [RunRef(*name)])
        return done

    async def _batch(
        self, outcomes: list[Outcome], runs: list[RunRef], most: int = MOST_FROM_INBOX
    ) -> Decided:
        done = Decided()
        columns: Columns | None = None
        written = False
        try:
            async with self._database.engine() as transaction:
                claimed = await claim(transaction, self._states, outcomes, runs, most)
                done.busy = claimed.busy
                done.touched |= claimed.hot
                await keep_evidence(transaction, claimed.late)
                if claimed.works:
                    payloads = Payloads(self._documents)
                    columns = Columns(claimed.now, self._room, self._owner, self._lease, payloads)
                    columns.freed += claimed.freed
                    await self._decide_all(transaction, claimed, columns, done)
            written = True
        finally:
            if columns is not None:
                if written:
                    columns.settle_room(done.leased)
                    columns.payloads.committed()
                else:
                    columns.give_back()
        for work in claimed.works:
            if work.decided and work.state is not None:
                self._states.keep(work.tenant, work.run, work.state)
        return done

    async def _decide_all(
        self, transaction: EngineTransaction, claimed: Claimed, columns: Columns, done: Decided
    ) -> None:
        routing = Routing(transaction, self._library, columns.now)
        carrier = Carrier(transaction, routing, columns)
        sink = Sink(carrier, Seen(columns.now))
        of_children = await parents(transaction, claimed.works)
        await mark_standing_still(transaction, claimed.works, columns.now)
        breath = Breath(self._give_way)
        for work in claimed.works:
            await breath.take()
            shelf = await self._library.refresh(transaction, work.tenant)
            known = self._states.get(work.tenant, work.run, work.row["seq"])
            await take_turns(transaction, self._library, work, shelf, known, of_children, sink)
            done.decisions += work.decided
        retried = {(r[0], r[1], r[2]) for r in columns.retries}
        settle = [name for name in sink.settle if name not in retried]
        if settle:
            rows = await transaction.fetch(_SETTLE, *zip(*settle, strict=True))
            columns.freed += [(r["tenant"], r["connection"], r["lane"]) for r in rows if r["lane"]]
        await carrier.finish()
        done.leased = await columns.flush(transaction)
        await sink.seen.write(transaction)
        await routing.run()
        await carrier.answer_children()
        done.touched |= routing.touched
        done.waiting = columns.waiting

    async def _stop(self, name: tuple[int, int], outcomes: list[Outcome], error: Exception) -> Decided:
        """The database refuses what this run's decision writes: set the run aside, with what it was given."""
        log.error("engine.run_refused", tenant=name[0], run=name[1], error=str(error))
        text = hidden(f"{type(error).__name__}: {error}")
        async with self._database.engine() as transaction:
            claimed = await claim(transaction, self._states, outcomes, [RunRef(*name)], most=1)
            await keep_evidence(transaction, claimed.late)
            for work in claimed.works:
                columns = Columns(claimed.now, self._room, self._owner, self._lease, Payloads())
                columns.freed += claimed.freed
                events = work.arrived + [
                    (None, encode_event(outcome_event(o, claimed.now, 0))) for o in work.outcomes
                ]
                columns.aside = [
                    (*name, id_, text if n == 0 else None, data) for n, (id_, data) in enumerate(events)
                ]
                columns.stopped.append((*name, text))
                await columns.flush(transaction)
        return Decided(busy=claimed.busy)
