"""A worker: decides, calls, and tidies up. Any number of them, in any number of processes.

    look    finds runs with events or deadlines (hints make it look sooner)      ──► agenda
    decide  takes from the agenda, a batch at a time                             ──► calls of ours, and hints
    call    carries out what this worker has leased                              ──► outcomes, to the agenda
    lease   leases calls that nobody was given at once                           ──► calls of ours
    tidy    leases that ran out, lanes without a head, parked events, repairs, partitions

Workers know nothing of each other; what they share is in the database. One that is killed leaves leases,
which run out, and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import LiteralString

import structlog

from crossdock.access.redaction import hidden
from crossdock.engine.agenda import Agenda
from crossdock.engine.correlate import RunRef
from crossdock.engine.decide import Decider, Way
from crossdock.engine.find import Finder
from crossdock.engine.give_way import GiveWay
from crossdock.engine.library import Library
from crossdock.engine.outbox import Caller, LeasedCall, Outbox, Outcome, Room, outcome_event
from crossdock.engine.shares import Shares
from crossdock.engine.tidy import Tidier
from crossdock.errors import Unreachable
from crossdock.process.messages import CallEnded
from crossdock.store import Database
from crossdock.store.clock import MOVED

log = structlog.get_logger(__name__)

_LEAST_SHARE = 16  # runs: a transaction by itself costs too much for fewer
_IN_HAND = 0.05  # seconds until the next look, where one found what is being decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How a worker works. Times are seconds of the real clock."""

    lease: float = 60.0  # how long a call may take, and how long until others may ask what became of it
    most_calls: int = 2048  # out at one time; no connection gets more than half
    batch: int = 256  # runs decided in one transaction ...
    shared_batch: int = 48  # ... and when several tenants have work, so that none waits long for another's
    shared_seconds: float = 0.01  # ... where so many would take longer, fewer
    deciders: int = 2  # one decides while the other's transaction commits; as many are quick (`Agenda`)
    look: float = 0.25  # between looks when nothing is found
    tidy: float = 1.0
    drain: float = 20.0  # for calls that are out when the worker stops


_SUSPENDED: LiteralString = "select tenant from crossdock.tenant where suspended is not null"


class Worker:
    """Runs until it is stopped; `hear` takes hints from whoever puts events in near by."""

    def __init__(
        self, database: Database, library: Library, caller: Caller, pace: Pace | None = None
    ) -> None:
        """Carry calls out through `caller`."""
        self._database = database
        self._caller = caller
        self.pace = pace or Pace()
        self.owner = secrets.randbits(62)
        lease = timedelta(seconds=self.pace.lease)
        self._room = Room(self.pace.most_calls)
        self._outbox = Outbox(database, owner=self.owner, lease=lease)
        self._give_way = GiveWay()
        self._decider = Decider(
            database,
            library,
            self._outbox,
            room=self._room,
            owner=self.owner,
            lease=lease,
            give_way=self._give_way,
        )
        self._finder = Finder(database)
        self._shares = Shares(database, self.owner)
        self._tidier = Tidier(database, library, self._outbox)
        self._agenda = Agenda()
        self._look_now = asyncio.Event()
        self._lease_now = asyncio.Event()
        self._stopping = asyncio.Event()
        self._calls: dict[asyncio.Task[None], float] = {}  # until when each may take
        self._overdue: set[asyncio.Task[None]] = set()
        self._answers: dict[tuple[int, str], list[bool]] = defaultdict(list)
        self._troubled: set[tuple[int, str]] = set()
        self._alone = asyncio.Lock()  # held by the one hand that decides for a loud tenant beside others
        self._share = float(self.pace.shared_batch)
        self.decisions = 0  # decided by this worker so far
        self.faults = 0  # turns that failed by a fault of ours

    def hear(self, runs: Iterable[RunRef]) -> None:
        """These runs may have something to decide. Those of another worker's part are left to it."""
        if not self._stopping.is_set():
            self._agenda.add(self._shares.of_mine(runs))

    def comes(self, tenant: int) -> contextlib.AbstractContextManager[None]:
        """Something of this tenant is being kept inside: what is decided for loud ones gives way to it."""
        return self._give_way.quickly() if self._agenda.comes(tenant) else contextlib.nullcontext()

    def stop(self) -> None:
        """Take nothing new; `run` returns when what is out has come back, or after `drain` seconds."""
        self._room.most = 0
        self._stopping.set()

    async def run(self) -> None:
        """Work until stopped."""
        with contextlib.suppress(Unreachable):
            await self._suspend()
            await self._shares.say()
        async with self._database.hints(self._hint):
            tasks = [
                *(asyncio.create_task(self._forever(self._decide)) for _ in range(self.pace.deciders)),
                *(
                    asyncio.create_task(self._forever(self._decide_quickly))
                    for _ in range(self.pace.deciders)
                ),
                asyncio.create_task(self._forever(self._look)),
                asyncio.create_task(self._forever(self._lease)),
                asyncio.create_task(self._forever(self._tidy)),
                asyncio.create_task(self._forever(self._watch)),
            ]
            stopping = asyncio.create_task(self._stopping.wait())
            try:
                done, _ = await asyncio.wait([*tasks, stopping], return_when=asyncio.FIRST_COMPLETED)
                for task in done - {stopping}:
                    task.result()
                await self._drain()
            finally:
                for task in (*tasks, stopping, *self._calls):
                    task.cancel()
                await asyncio.gather(*tasks, stopping, *self._calls, return_exceptions=True)
            await self._hand_over()

    def _hint(self, what: str) -> None:
        self._look_now.set()
        if what == MOVED:
            self._lease_now.set()  # a call's pause may be over

    async def _forever(self, turn: Callable[[], Awaitable[None]]) -> None:
        """One turn after the other; while the database is away, wait and try again."""
        pause = 0.1
        while True:
            try:
                await turn()
                pause = 0.1
            except Unreachable as error:
                log.warning("worker.database_away", error=error.message, pause=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            except Exception:  # a fault of ours in one turn must not end all others
                self.faults += 1
                log.exception("worker.turn_failed", turn=turn.__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)

    async def _drain(self) -> None:
        """No new calls; those that are out come back and are decided."""
        until = time.monotonic() + self.pace.drain
        while (self._calls or not self._agenda.at_rest) and time.monotonic() < until:  # noqa: ASYNC110
            await asyncio.sleep(0.02)

    async def _hand_over(self) -> None:
        """Outcomes that were not decided go into the inbox for others."""
        left = self._agenda.outcomes()
        with contextlib.suppress(Unreachable):
            if left:
                await self._report(left)
            await self._shares.leave()

    # -- decide ----------------------------------------------------------------------------------------

    async def _decide(self) -> None:
        await self._agenda.wait()
        if not self._agenda.shared:
            most = self.pace.batch if self._agenda.tenants < 2 else self.pace.shared_batch
            await self._decide_loudly(most)
            return
        async with self._alone:
            await self._give_way.wait()
            runs, seconds = await self._decide_loudly(int(self._share))
            if runs:
                fitting = min(self.pace.shared_seconds / (seconds / runs), self.pace.shared_batch)
                self._share = max(_LEAST_SHARE, (self._share + fitting) / 2)

    async def _decide_loudly(self, most: int) -> tuple[int, float]:
        """Gives the number of runs, and how long it took without the time in which it gave way."""
        outcomes, runs = self._agenda.take(most)
        began, gave = time.monotonic(), self._give_way.gave
        await self._decide_these(outcomes, runs)
        # Another hand may have waited at the same time, so this is at least, and never nothing.
        seconds = max(0.001, time.monotonic() - began - (self._give_way.gave - gave))
        self._give_way.worked(seconds)
        return len(runs), seconds

    async def _decide_quickly(self) -> None:
        """What must not wait behind a tenant with much to do; that one waits meanwhile, but not for ever."""
        await self._agenda.wait(quick=True)
        outcomes, runs = self._agenda.take(self.pace.shared_batch, quick=True)
        if runs:  # else another hand was faster
            with self._give_way.quickly():
                await self._decide_these(outcomes, runs)

    async def _decide_these(self, outcomes: list[Outcome], runs: list[RunRef]) -> None:
        """Those that go straight are let go at once, and their calls leave; the others follow."""
        if outcomes:
            outcomes, runs = await self._decide_by(self._decider.decide_straight, outcomes, runs)
        if runs:
            await self._decide_by(self._decider.decide, outcomes, runs)

    async def _decide_by(
        self, way: Way, outcomes: list[Outcome], runs: list[RunRef]
    ) -> tuple[list[Outcome], list[RunRef]]:
        """Decide, and do what that leads to. Gives what is left."""
        since = time.monotonic()
        try:
            decided, left = await way(outcomes, runs)
        except BaseException:
            self._agenda.done(runs)
            self._agenda.add(runs)
            for outcome in outcomes:
                self._agenda.add_outcome(outcome)
            raise
        stay = set(left[1])
        self._agenda.done(run for run in runs if run not in stay)
        self.decisions += decided.decisions
        if not self._stopping.is_set():
            self._agenda.add(decided.touched)  # nobody else was told of them
        for outcome in decided.again:
            self._agenda.add_outcome(outcome)
        for call in decided.leased:
            self._begin(call, since)
        if decided.waiting:
            self._lease_now.set()
        if decided.busy:
            try:
                await self._report(decided.busy)
            except Unreachable:
                for outcome in decided.busy:
                    self._agenda.add_outcome(outcome)
                raise
            self._look_now.set()
        return left

    async def _report(self, outcomes: list[Outcome]) -> None:
        async with self._database.engine() as transaction:
            now = await transaction.value("select crossdock.now()")
        await self._outbox.report([(outcome, outcome_event(outcome, now, 0)) for outcome in outcomes])

    # -- call ------------------------------------------------------------------------------------------

    def _begin(self, leased: LeasedCall, since: float) -> None:
        """Call. Its time counts from before its lease was asked for: the answer may have been long."""
        until = since + leased.seconds
        task = asyncio.create_task(self._call(leased, until))
        self._calls[task] = until
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[None]) -> None:
        del self._calls[task]
        self._overdue.discard(task)

    async def _watch(self) -> None:
        """End calls that take too long. One look for all: a timer for each would cost more than it tells."""
        await asyncio.sleep(min(0.25, self.pace.lease / 20))
        now = time.monotonic()
        for task, until in self._calls.items():
            if until < now and task not in self._overdue:
                self._overdue.add(task)
                task.cancel()

    async def _call(self, leased: LeasedCall, until: float) -> None:
        if time.monotonic() > until:  # it is others' by now, or soon: they find out that nothing was done
            self._room.give(leased.tenant, leased.connection)
            return
        try:
            ended = await self._caller.call(leased)
        except asyncio.CancelledError:
            if asyncio.current_task() not in self._overdue:
                raise  # the worker stops
            ended = CallEnded(
                command=leased.command, outcome="unknown", reason=f"no answer within {leased.seconds:g} s"
            )
        except Exception as error:
            log.exception("worker.caller_failed", connection=leased.connection, command=leased.command)
            reason = hidden(f"{type(error).__name__}: {error}")
            ended = CallEnded(command=leased.command, outcome="unknown", reason=reason)
        finally:
            self._room.give(leased.tenant, leased.connection)
        self._note(leased, ended)
        self._agenda.add_outcome(Outcome(leased=leased, ended=ended))

    def _note(self, leased: LeasedCall, ended: CallEnded) -> None:
        """Keep what the breaker has to know: failures, and the first success after them."""
        name = (leased.tenant, leased.connection)
        failed = ended.outcome in ("unreachable", "unknown") and ended.retry_after is None
        if leased.find_first and not ended.resolvable:
            failed = False  # it cannot be looked up, so nobody was asked
        if failed or name in self._troubled:
            self._answers[name].append(failed)
            self._lease_now.set()  # the breaker is told at once
            if failed:
                self._troubled.add(name)
        if not failed or self._room.free_for(*name) <= 1:
            self._lease_soon(name)

    def _lease_soon(self, name: tuple[int, str]) -> None:
        """Calls may be waiting for the place that this one leaves."""
        if name in self._outbox.limited:
            self._lease_now.set()

    # -- lease -----------------------------------------------------------------------------------------

    async def _lease(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.pace.look):
                await self._lease_now.wait()
        self._lease_now.clear()
        if self._answers:
            await self._tell_breakers()
        free = self._room.most - self._room.out
        if free <= 0 or self._stopping.is_set():
            return
        since = time.monotonic()
        leased = await self._outbox.lease(self._room, min(free, self.pace.batch))
        self._troubled |= self._outbox.trying  # whoever opened the breaker may be gone: we tell it
        for call in leased:
            self._begin(call, since)
        if leased:
            self._lease_now.set()

    async def _tell_breakers(self) -> None:
        answers, self._answers = self._answers, defaultdict(list)
        try:
            await self._outbox.heard(answers)
        except Unreachable:
            for name, failed in answers.items():
                self._answers[name] += failed
            raise
        self._troubled -= {name for name, failed in answers.items() if not all(failed)}

    # -- look and tidy ---------------------------------------------------------------------------------

    async def _look(self) -> None:
        found = in_hand = False
        if len(self._agenda) < self.pace.batch and not self._stopping.is_set():
            refs = self._shares.found(await self._finder.pending() + await self._finder.due())
            found, in_hand = self._agenda.find(refs)
        if found:
            await asyncio.sleep(0.01)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(_IN_HAND, self.pace.look) if in_hand else self.pace.look):
                await self._look_now.wait()
        self._look_now.clear()

    async def _suspend(self) -> None:
        """Learn which tenants are suspended: nothing of theirs is decided, and nothing leaves."""
        rows = await self._database.at_once(_SUSPENDED)
        self._outbox.suspended = frozenset(row["tenant"] for row in rows)
        outcomes = self._agenda.suspend(self._outbox.suspended)
        if outcomes:
            await self._report(outcomes)

    async def _tidy(self) -> None:
        await self._suspend()
        await self._shares.say()
        touched = await self._tidier.turn()
        self._agenda.add(touched)
        self._lease_now.set()
        await asyncio.sleep(self.pace.tidy)
