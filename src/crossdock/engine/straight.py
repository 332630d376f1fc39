"""The straight way: an answer that leads to the next call, or to the end of the run, in one statement.

Most decisions are such. The state is the one that this worker wrote last; the decision is made in memory
first, and the statement writes it only where nothing has changed since: the run is free and at the same
`seq`, the lease of the call still holds, no other call waits behind it in its lane. For the others nothing
is written, and they go the long way (`decide`), which decides them again: deciding is pure.

The next call is written with the deletion of the answered one, so that a lane that both go never loses its
head. A run whose inbox holds something is told back, to be looked at.

`now` is the database's clock as it was told within the last second, and the time that has passed since by a
clock that only counts. It is not used where the database's clock is virtual.
"""

from __future__ import annotations

import contextlib
import itertools
import secrets
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, LiteralString

import asyncpg
import msgspec

from crossdock.engine.breath import Breath
from crossdock.engine.correlate import RunRef, encode_event
from crossdock.engine.give_way import GiveWay
from crossdock.engine.library import FRESH_SECONDS, Library, Shelf
from crossdock.engine.outbox import LeasedCall, Outcome, Room, call_seconds, outcome_event
from crossdock.engine.payloads import LARGE
from crossdock.errors import CrossdockError
from crossdock.process import Decision, State, advance, encode_state
from crossdock.process.messages import Call
from crossdock.process.state import ENDED_RUN
from crossdock.store import Database

_encode = msgspec.json.Encoder().encode
_CLOCK_SECONDS = 1.0
_LARGEST = LARGE  # bytes of JSON; what is larger goes the long way, where large parts are taken out

_CLOCK: LiteralString = "select crossdock.now() as now, virtual from crossdock.clock"

# What is written hangs on `gone`: the answered call's row, deleted by whoever still holds its lease.
_WRITE: LiteralString = """
with free as (
  select k.*, k.mine and n.name is not null and n.concurrency is null and n.rate is null
    and n.drain_rate is null and n.stopped is null and n.open_until is null as at_once
  from unnest($3::int[], $4::bigint[], $5::int[], $6::text[], $7::bigint[], $8::text[], $9::text[],
              $10::text[], $11::timestamptz[], $12::bool[], $13::bytea[], $14::bytea[], $15::bytea[],
              $16::text[], $17::text[], $18::text[], $19::text[], $20::bytea[], $21::bigint[], $22::bool[])
    as k(tenant, run, seq, command, token, connection, lane,
         status, wake_at, ended, state, event, records,
         next_command, next_connection, next_lane, next_key, next_call, next_token, mine)
  join crossdock.run r on r.tenant = any(array[k.tenant]) and r.id = any(array[k.run])
    and r.seq = k.seq - 1 and r.error is null
  left join crossdock.connection n on n.tenant = any(array[k.tenant])
    and n.name = any(array[k.next_connection])
  where not exists (
      select 1 from crossdock.outbox q where q.tenant = k.tenant and q.connection = k.connection
        and q.lane = k.lane and q.status = 'queued' offset 0)
    and (k.next_lane = '' or (k.connection = k.next_connection and k.lane = k.next_lane)
      or not exists (
        select 1 from crossdock.outbox q where q.tenant = k.tenant and q.connection = k.next_connection
          and q.lane = k.next_lane and q.lane <> '' and q.status in ('ready', 'leased', 'reported') offset 0)
      and not exists (
        select 1 from crossdock.outbox q where q.tenant = k.tenant and q.connection = k.next_connection
          and q.lane = k.next_lane and q.status = 'queued' offset 0))
  for no key update of r skip locked
), gone as (
  delete from crossdock.outbox o using free f
  where o.tenant = any(array[f.tenant]) and o.run = any(array[f.run]) and o.command = any(array[f.command])
    and o.token = f.token and o.status = 'leased'
  returning f.*
), run as (
  update crossdock.run r
  set seq = g.seq, status = g.status, wake_at = g.wake_at, state = g.state, changed = $1,
      ended = case when g.ended then $1::timestamptz end
  from gone g where r.tenant = any(array[g.tenant]) and r.id = any(array[g.run])
), history as (
  insert into crossdock.history (tenant, run, seq, at, type, event, records)
  select g.tenant, g.run, g.seq, $1, 'call.ended', g.event, g.records from gone g
), alias as (
  update crossdock.alias a set live = false
  from gone g where g.ended and a.tenant = any(array[g.tenant]) and a.run = any(array[g.run])
    and a.live is not false
), added as (
  insert into crossdock.outbox (tenant, run, token, owner, due, leased_until, status, command, connection,
                                lane, key, call)
  select g.tenant, g.run, g.next_token, case when g.at_once then $2::bigint end, $1,
    case when g.at_once then clock_timestamp() + $23::interval end,
    case when g.at_once then 'leased' else 'ready' end,
    g.next_command, g.next_connection, g.next_lane, g.next_key, g.next_call
  from gone g where g.next_command <> ''
)
select g.tenant, g.run, g.at_once,
  exists (select 1 from crossdock.inbox i where i.tenant = g.tenant and i.run = g.run offset 0) as more
from gone g
"""


@dataclass(slots=True)
class _Step:
    """One decision, made and not yet written."""

    outcome: Outcome
    state: State
    call: Call | None
    connection: str
    key: str
    token: int
    mine: bool
    row: tuple[Any, ...]


@dataclass(slots=True)
class Went:
    """What came of it: `left` goes the long way."""

    decisions: int
    leased: list[LeasedCall]
    touched: set[RunRef]
    left: list[Outcome]
    waiting: bool


class Straight:
    """Takes the straight way for one worker, where it can be taken."""

    def __init__(
        self,
        database: Database,
        library: Library,
        *,
        room: Room,
        owner: int,
        lease: timedelta,
        give_way: GiveWay,
    ) -> None:
        """As the decider that it serves."""
        self._database = database
        self._library = library
        self._room = room
        self._owner = owner
        self._lease = lease
        self._give_way = give_way
        self._now: datetime | None = None
        self._asked = -1e9
        self._tokens = itertools.count(-secrets.randbits(62), -1)  # below all that the sequence gives

    async def go(self, known: list[tuple[Outcome, State]]) -> tuple[Went, list[tuple[int, int, State]]]:
        """Decide and write outcomes, each with the state that its run had last; also gives the new states."""
        went = Went(0, [], set(), [], waiting=False)
        now = await self._time()
        steps: list[_Step] = []
        breath = Breath(self._give_way)
        for tenant in {outcome.leased.tenant for outcome, _ in known}:
            with contextlib.suppress(CrossdockError):  # the long way finds out what is wrong
                await self._library.renew(tenant)
        for outcome, state in known:
            await breath.take()
            step = self._step(outcome, state, now) if now is not None else None
            if step is None:
                went.left.append(outcome)
            else:
                steps.append(step)
        if not steps:
            return went, []
        written: dict[tuple[int, int], asyncpg.Record] = {}
        try:
            rows = await self._database.at_once(
                _WRITE, now, self._owner, *zip(*(step.row for step in steps), strict=True), self._lease
            )
            written = {(row["tenant"], row["run"]): row for row in rows}
        except asyncpg.PostgresError:
            pass  # nothing is written; the long way finds out which one is at fault
        finally:
            kept = self._take(steps, written, went)
        return went, kept

    async def _time(self) -> datetime | None:
        """The database's clock, or None where it is virtual or was not told."""
        passed = time.monotonic() - self._asked
        if passed > _CLOCK_SECONDS:
            before = time.monotonic()
            (row,) = await self._database.at_once(_CLOCK)
            self._asked = before  # early rather than late: this clock is never ahead of the database's
            self._now = None if row["virtual"] else row["now"] - timedelta(seconds=time.monotonic() - before)
            passed = time.monotonic() - before
        return None if self._now is None else self._now + timedelta(seconds=passed)

    def _step(self, outcome: Outcome, state: State, now: datetime) -> _Step | None:
        """The decision, if it is one of those that can be written so."""
        leased = outcome.leased
        shelf = self._library.shelf_of(leased.tenant)
        process = shelf.by_content.get((state.process, state.version))
        stale = time.monotonic() - shelf.read_at > 2 * FRESH_SECONDS  # it could not be read again
        if process is None or stale or (state.wake is not None and state.wake <= now):
            return None
        event = outcome_event(outcome, now, shelf.reference)
        try:
            decision = advance(process, state, event, shelf.references[shelf.reference])
        except (CrossdockError, LookupError, TypeError, ValueError):
            return None
        return self._written(outcome, decision, shelf, encode_event(event))

    def _written(self, outcome: Outcome, decision: Decision, shelf: Shelf, event: bytes) -> _Step | None:
        leased, state = outcome.leased, decision.state
        if len(decision.commands) > 1 or any(
            record.what.startswith(("task.", "exception.", "escalated")) for record in decision.records
        ):
            return None
        call: Call | None = None
        connection = key = ""
        mine = False
        if decision.commands:
            command = decision.commands[0]
            if not isinstance(command, Call) or command.doubt or command.only_find:
                return None
            call = command
            connection = shelf.connection(call.system, call.via, test=state.test) or ""
            if not connection:
                return None
            key = f"{state.tenant}/{state.process}/{state.key}/{state.generation}/{call.id}"
        encoded = encode_state(state)
        records = _encode(decision.records)
        if len(encoded) > _LARGEST or len(event) > _LARGEST or len(records) > _LARGEST:
            return None
        if call is not None:
            mine = self._room.free_for(leased.tenant, connection) > 0
            if mine:
                self._room.take(leased.tenant, connection)
        token = next(self._tokens)
        row = (
            leased.tenant,
            leased.run,
            state.seq,
            leased.command,
            leased.token,
            leased.connection,
            leased.call.lane,
            state.status,
            state.wake,
            state.status in ENDED_RUN,
            encoded,
            event,
            records,
            call.id if call else "",
            connection,
            call.lane if call else "",
            key,
            _encode(call) if call else b"",
            token,
            mine,
        )
        return _Step(outcome, state, call, connection, key, token, mine, row)

    def _take(
        self, steps: list[_Step], written: dict[tuple[int, int], Any], went: Went
    ) -> list[tuple[int, int, State]]:
        kept: list[tuple[int, int, State]] = []
        seconds = call_seconds(self._lease)
        for step in steps:
            leased = step.outcome.leased
            row = written.get((leased.tenant, leased.run))
            ours = row is not None and row["at_once"]
            if step.mine and not ours:
                self._room.give(leased.tenant, step.connection)
            if row is None:
                went.left.append(step.outcome)
                continue
            went.decisions += 1
            kept.append((leased.tenant, leased.run, step.state))
            if row["more"]:
                went.touched.add(RunRef(leased.tenant, leased.run))
            if step.call is None:
                continue
            if not ours:
                went.waiting = True
                continue
            went.leased.append(
                LeasedCall(
                    tenant=leased.tenant,
                    run=leased.run,
                    command=step.call.id,
                    connection=step.connection,
                    key=step.key,
                    attempt=1,
                    find_first=False,
                    only_find=False,
                    seconds=seconds,
                    token=step.token,
                    call=step.call,
                )
            )
        return kept
