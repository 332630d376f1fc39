"""One run of a batch: its events decided one after the other, deadlines between them as they fall due.

A deadline that passed before an event came fires before it; an event that came in time is decided first, even
when nobody was there to decide it in time. When a decision raises, what was decided before it stands, and the
rest is set aside with the error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import asyncpg
import msgspec
import structlog

from crossdock.access.redaction import hidden
from crossdock.engine.carry import Carrier, engine_event
from crossdock.engine.claim import FINAL, Work
from crossdock.engine.correlate import as_it_is, decode_event, encode_event
from crossdock.engine.course import course_of, version_of
from crossdock.engine.library import Library, Shelf
from crossdock.engine.outbox import outcome_event
from crossdock.engine.payloads import put_back
from crossdock.engine.projections import Seen
from crossdock.errors import CrossdockError, Unreachable
from crossdock.process import Decision, Process, State, advance, decode_state, encode_state, new_state
from crossdock.process.messages import CALL_ENDED, RUN_MOVE, TIMER_DUE, Event
from crossdock.process.state import Parent
from crossdock.process.turn import text_of
from crossdock.process.versions import current
from crossdock.store import EngineTransaction

log = structlog.get_logger(__name__)

LARGEST_STATE = 8 * 2**20  # bytes of JSON
MOST_TIMERS = 100  # deadlines of one run in one batch


class TooLarge(CrossdockError):
    """The state would be larger than may be: nothing of the batch is written, and the run is stopped."""


@dataclass(slots=True)
class Sink:
    """Where the decisions of a batch go."""

    carrier: Carrier
    seen: Seen
    settle: list[tuple[int, int, str]] = field(default_factory=list)  # calls whose outcome was decided


class Turns:
    """The turns of one run."""

    def __init__(self, work: Work, process: Process, state: State, shelf: Shelf, sink: Sink) -> None:
        """Go on from `state`."""
        self.state = state
        self._work = work
        self._process = process
        self._shelf = shelf
        self._sink = sink
        self._now = sink.carrier.columns.now
        self._since: list[Event] = []  # what was decided in this batch

    def timers(self, before: datetime | None) -> None:
        """Fire the deadlines that are due; with `before`, only those that passed before that event came."""
        for _ in range(MOST_TIMERS):
            wake = self.state.wake
            if wake is None or wake > self._now or self._work.stands_still:
                return
            if before is not None and wake >= before:
                return
            due = {"due": text_of(wake)}
            self.take(engine_event(self._work.run, TIMER_DUE, due, self._now, self._shelf.reference))
            if self.state.wake == wake:
                return

    def take(self, event: Event) -> None:
        """Decide one event, and take note of what follows from it."""
        event = self._dated(event)
        reference = self._shelf.references[self._shelf.reference]
        self._keep(event, advance(self._process, self.state, event, reference))

    async def move(self, transaction: EngineTransaction, library: Library, event: Event) -> None:
        """Decide whether the run goes on under another version: that takes all its history."""
        work = self._work
        event = self._dated(event)
        course = await course_of(transaction, library, work.tenant, work.run, since=self._since)
        if encode_state(course.state) != encode_state(self.state):
            self.take(event)  # its history does not give its state: it stays, and says so
            return
        found = await version_of(transaction, library, work.tenant, course, event)
        reference = self._shelf.references[self._shelf.reference]
        decision = course.move(found[1] if found else None, event, reference)
        moved = found is not None and course.process is found[1]
        if found is not None and moved:
            self._process = course.process
            await transaction.execute(
                "update crossdock.run set version = $3 where tenant = $1 and id = $2",
                work.tenant,
                work.run,
                found[0],
            )
        self._keep(event, decision)
        if moved:  # it may have a use for events that nobody had one for
            names = {(self._process.kind, self.state.key), *self.state.alias.items()}
            await self._sink.carrier.routing.unpark(
                (work.tenant, kind, value, work.run) for kind, value in sorted(names)
            )

    def _dated(self, event: Event) -> Event:
        now = max(self._now, event.received)
        if event.now != now or event.reference != self._shelf.reference:
            event = msgspec.structs.replace(event, now=now, reference=self._shelf.reference)
        return event

    def _keep(self, event: Event, decision: Decision) -> None:
        self._since.append(event)
        work, sink = self._work, self._sink
        columns = sink.carrier.columns
        seq = decision.state.seq
        columns.decided(work.tenant, work.run, seq, event, encode_event(event), decision.records)
        sink.seen.take(work.tenant, work.run, decision.state, decision.records)
        sink.carrier.take(work.tenant, work.run, work.row["parent"], self._process, decision)
        self.state = decision.state
        work.decided += 1


async def take_turns(
    transaction: EngineTransaction,
    library: Library,
    work: Work,
    shelf: Shelf,
    known: State | None,
    parents: dict[tuple[int, int], Any],
    sink: Sink,
) -> None:
    """Decide all that there is for one run. `known` is its state where the worker still has it."""
    columns = sink.carrier.columns
    events: list[tuple[int | None, Event]] = [(id_, decode_event(data)) for id_, data in work.arrived]
    events += [(None, outcome_event(outcome, columns.now, shelf.reference)) for outcome in work.outcomes]
    turns: Turns | None = None
    position = 0
    error: str | None = None
    try:
        process = await library.process(transaction, work.tenant, work.row["version"])
        state = await _state(transaction, work, process, shelf, known, parents)
        turns = Turns(work, process, state, shelf, sink)
        for position, (_, kept) in enumerate(events):  # noqa: B007 - says where it stopped
            event = current(kept)
            turns.timers(before=event.received)
            if event.type == RUN_MOVE:
                await turns.move(transaction, library, event)
                continue
            turns.take(event)
            if event.type == CALL_ENDED:
                _note_settled(work, event, sink)
        position = len(events)
        turns.timers(before=None)
    except (asyncpg.PostgresError, Unreachable):
        raise
    except Exception as raised:  # whatever it is, only this run waits for it
        error = hidden(f"{type(raised).__name__}: {raised}")
        log.warning("engine.decision_failed", tenant=work.tenant, run=work.run, error=error, exc_info=True)
        rest = events[position:]
        if not rest:
            due = {"due": text_of(columns.now)}
            rest = [(None, engine_event(work.run, TIMER_DUE, due, columns.now, shelf.reference))]
        columns.aside += [
            (work.tenant, work.run, id_, error if n == 0 else None, as_it_is(event))
            for n, (id_, event) in enumerate(rest)
        ]
    if turns is not None and work.decided:
        work.state = turns.state
        size = columns.state(work.tenant, work.run, turns.state, error)
        if size > LARGEST_STATE:
            raise TooLarge(
                f"the state of the run would have {size:,} bytes; {LARGEST_STATE:,} is the most",
                mend="keep large documents outside, or split the process",
            )
    elif error is not None:
        columns.stopped.append((work.tenant, work.run, error))


def _note_settled(work: Work, event: Event, sink: Sink) -> None:
    """The row of the call may go, unless the decision says Retry. Final outcomes of ours went before."""
    data = event.data if isinstance(event.data, dict) else {}
    command = data.get("command")
    ours = any(o.leased.command == command and o.ended.outcome in FINAL for o in work.outcomes)
    if isinstance(command, str) and not ours:
        sink.settle.append((work.tenant, work.run, command))


async def _state(
    transaction: EngineTransaction,
    work: Work,
    process: Process,
    shelf: Shelf,
    known: State | None,
    parents: dict[tuple[int, int], Any],
) -> State:
    row = work.row
    if row["data"] is not None:
        (data,) = await put_back(transaction, work.tenant, row["data"])
        return decode_state(data)
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
    return new_state(process, tenant=shelf.name, key=row["key"], generation=row["generation"], parent=parent)
