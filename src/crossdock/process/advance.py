"""Deciding: the only code that changes a run.

    advance(process, state, event, reference) -> Decision(state, records, commands)

It does no I/O, reads no clock (time comes in with the event), draws nothing at random, and makes no id that
is not derived from run, step and redo count. So replay, backtest, migration and debugging are the same
function.

A run's steps:

    pending ──► running ──► succeeded          call, run: something is out
       │    └─► waiting ──► succeeded          await, approve, task, wait: something must come
       │           │
       │           └──► held ──► running, waiting, skipped     an open exception stops it
       ├─► skipped          its condition does not hold, or somebody said so
       ├─► failed           and what `fails`, `refused` or `late` names takes its place
       ├─► cancelled        it will not run any more
       └── undone           taken back; redo leads from any of these to pending again

What holds, whatever comes in whatever order:

* A step starts when what it needs has ended well (succeeded or skipped), once in each life of it.
* An event that came before the step that waits for it is kept, and satisfies it when it begins to wait.
* A step that has ended is not reopened by an event. Only redo opens it again.
* An ended run changes no more, but for exceptions that are closed and a parent that takes it back.
* The state that came in is never touched; a decision that raises leaves nothing behind.

* What an expression gets wrong opens an exception; only what exceeds a limit refuses the event as a whole.

One event is decided in three moves: take it in (`intake`, `calls`, `people`, `children`, `deadlines`,
`repairs`), let everything go on that can (`_settle`), and see what is left of it (`conclude`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from crossdock.process import calls, children, deadlines, intake, people, repairs, unwind, work
from crossdock.process.conclude import conclude
from crossdock.process.definition import Process, Step
from crossdock.process.messages import (
    ALIAS_REFUSED,
    CALL_ENDED,
    CHILD_ENDED,
    MOST_KEY,
    MOST_NAME,
    RUN_CANCEL,
    RUN_MOVE,
    RUN_START,
    RUN_STOOD_STILL,
    TASK_DECIDED,
    TIMER_DUE,
    Command,
    Event,
    Record,
    apart,
    unfit,
)
from crossdock.process.state import ENDED_RUN, ENDED_STEP, MET, Parent, State, StepState
from crossdock.process.turn import FAILURES, NOT_CALLED_FOR, DecisionError, Plain, Reference, Turn
from crossdock.process.views import event_view

_GONE = frozenset({"failed", "cancelled", "undone"})
_MOST_MOVES = 100_000
_MOST_SEEN = 32


@dataclass(frozen=True, slots=True)
class Decision:
    """What one event has led to: the new state, what is told, what is asked for."""

    state: State
    records: list[Record]
    commands: list[Command]


def starts(process: Process, event: Event, reference: Reference | None = None) -> str | None:
    """The key of the run that this event would start, or None. Raises DecisionError where it has no key."""
    given = reference or Plain()
    try:
        document = _start_document(process, event, given)
        if document is None:
            return None
        key = process.key.evaluate({process.variable: document, "tenant": given.tenant})
    except FAILURES as error:
        raise DecisionError(
            f"whether and as what {process.name} starts could not be worked out: {error}", where=event.id
        ) from None
    if not isinstance(key, str | int) or isinstance(key, bool) or key == "":
        raise DecisionError(f"the key of {process.name} is {key!r}: it must be a text", where=event.id)
    why = unfit(str(key), MOST_NAME if process.document == "ExceptionCase" else MOST_KEY)
    if why:
        raise DecisionError(
            f"what names a run of {process.name} cannot be its key: {why}",
            where=event.id,
            mend="take a shorter field for `key:`, or mend the document",
        )
    return apart(str(key), test=_in_test(process, event))


def _in_test(process: Process, event: Event) -> bool:
    return event.test or process.environment == "sandbox"


def new_state(
    process: Process, *, tenant: str, key: str, generation: int = 1, parent: Parent | None = None
) -> State:
    """A run before its first event, which must be the one that starts it."""
    return State(
        process=process.name,
        version=process.version,
        tenant=tenant,
        key=key,
        generation=generation,
        parent=parent,
        steps={name: StepState() for name in process.steps},
    )


def advance(process: Process, state: State, event: Event, reference: Reference | None = None) -> Decision:
    """Decide one event. Raises DecisionError (or a fault of ours) and then has changed nothing.

    A `run.move` changes nothing here: to move a run, its history is needed (`Course`).
    """
    return decide(Turn(process, state, event, reference or Plain()))


def decide(turn: Turn, act: Callable[[Turn], None] | None = None) -> Decision:
    """Decide the event of a turn: `act`, or what its type says. Raises as `advance` does."""
    event = turn.event
    try:
        if _seen_before(turn):
            turn.record("event.repeated", type=event.type)
        elif act is not None:
            act(turn)
        elif turn.state.started is None and event.type != RUN_CANCEL:  # one that never began can end
            _start(turn)
        else:
            _HANDLERS.get(event.type, intake.take)(turn)
        _settle(turn)
        conclude(turn)
    except FAILURES as error:
        raise DecisionError(str(error), where=f"{turn.state.id}, event {event.id}") from error
    return Decision(turn.state, turn.records, turn.commands)


def replay(
    process: Process,
    events: Iterable[Event],
    state: State,
    reference: Callable[[Event], Reference] | None = None,
) -> State:
    """The state that these events lead to, from `state` on (`new_state`, for all events of a run).

    It is a fold of `advance`: the events in the order in which they were decided give the stored state, byte
    for byte. `reference` finds the settings and calendars that decided an event (by its `reference`).
    """
    for event in events:
        state = advance(process, state, event, reference(event) if reference else None).state
    return state


# -- taking the event in -----------------------------------------------------------------------------------


def _seen_before(turn: Turn) -> bool:
    """Whether this event was decided lately. Whoever drives the kernel keeps duplicates out; this is a net.

    Answers, timers and decisions name what they are about, and do nothing the second time anyway.
    """
    event = turn.event
    if event.type in _HARMLESS:
        return False
    mark = hashlib.sha256(f"{event.source} {event.id}".encode()).hexdigest()[:12]
    if mark in turn.state.seen:
        return True
    turn.state.seen = [*turn.state.seen[1 - _MOST_SEEN :], mark]
    return False


def _start_document(process: Process, event: Event, reference: Reference) -> Any:
    if event.type == RUN_START:
        return event.data.get("document") if isinstance(event.data, dict) else None
    for start in process.start:
        if start.on != event.type:
            continue
        values = {"event": event_view(event), "tenant": reference.tenant, "now": event.now}
        document = start.document.evaluate(values) if start.document is not None else event.data
        if start.condition is not None:
            values[process.variable] = document
            if start.condition.evaluate(values) is not True:
                continue
        return document
    return None


def _start(turn: Turn) -> None:
    state, process, event = turn.state, turn.process, turn.event
    document = _start_document(process, event, turn.reference)
    if document is None:
        raise DecisionError(f"{event.type} does not start {process.name}", where=state.id)
    turn.set_document(document)
    state.document_time = turn.happened()
    state.document_received = event.received
    state.started = event.now
    state.test = _in_test(process, event)
    state.at = turn.happened() if turn.happened() != event.now else None
    state.started_by = event.actor.person if event.actor else ""
    if process.calendar is not None:
        try:
            state.calendar = turn.text(process.calendar)
        except FAILURES as error:
            turn.open("decision_failed", message=f"its calendar could not be worked out: {error}")
    turn.record(
        "run.started",
        process=process.name,
        version=process.version,
        event=event.type,
        by=state.started_by,
        calendar=state.calendar,
    )
    turn.claim(process.kind, state.key)
    for kind, template in process.alias.items():
        try:
            value = turn.text(template)
        except FAILURES as error:
            turn.open("decision_failed", message=f"its alias {kind} could not be worked out: {error}")
        else:
            turn.claim(kind, value)
    turn.changed.extend(process.steps)


def _timer(turn: Turn) -> None:
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    due = data.get("due")
    until = deadlines.instant(due, "the timer") if due else turn.now
    deadlines.fire(turn, min(until, turn.now))


def _alias_refused(turn: Turn) -> None:
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    kind, value = str(data.get("kind", "")), str(data.get("value", ""))
    if turn.state.alias.get(kind) == value:
        turn.state.alias = {k: v for k, v in turn.state.alias.items() if k != kind}
    id_ = turn.open(
        "alias_conflict",
        message=f"{kind} {value} belongs to {data.get('holder', 'another run')}",
        kind=kind,
        value=value,
    )
    wanted = {**turn.state.exceptions[id_].wanted, kind: value}
    turn.state.exceptions[id_] = msgspec.structs.replace(turn.state.exceptions[id_], wanted=wanted)


_HANDLERS: Mapping[str, Callable[[Turn], None]] = {
    CALL_ENDED: calls.ended,
    TIMER_DUE: _timer,
    RUN_STOOD_STILL: deadlines.stood_still,
    TASK_DECIDED: people.decided,
    CHILD_ENDED: children.ended,
    ALIAS_REFUSED: _alias_refused,
    RUN_MOVE: lambda turn: turn.record("run.move_refused", reason="its history is not at hand"),
    **repairs.HANDLERS,
}
_HARMLESS = frozenset({CALL_ENDED, TIMER_DUE, TASK_DECIDED, ALIAS_REFUSED, RUN_STOOD_STILL})


# -- letting everything go on that can ----------------------------------------------------------------------


def _settle(turn: Turn) -> None:
    """Go on until nothing changes any more: what has changed may let others start, end or grow."""
    dependents = turn.process.dependents
    for _ in range(_MOST_MOVES):
        if turn.document_changed:
            turn.document_changed = False
            for name in turn.process.steps:
                if name in turn.process.watches_document:
                    _look_again(turn, name)
        elif turn.changed:
            name = turn.changed.pop(0)
            _consider(turn, name)
            for dependent in dependents.get(name, ()):
                if turn.look(dependent).status == "pending":
                    _consider(turn, dependent)
                else:
                    _look_again(turn, dependent)
        elif turn.given_back:
            _go_on_with(turn, turn.given_back.pop(0))
        elif not unwind.go_on(turn) and not deadlines.climb_overdue(turn) and not _clear_up(turn):
            return
    raise DecisionError("the decision does not come to rest", where=turn.state.id)


def _consider(turn: Turn, name: str) -> None:
    """Start a pending step if its turn has come; give it up if it never can."""
    step = turn.look(name)
    if step.status != "pending" or turn.state.status in ENDED_RUN or turn.state.status == "cancelling":
        return
    if unwind.unwinding(turn, name):
        return
    triggers = turn.process.triggers.get(name)
    if triggers is not None and not step.triggered:
        if triggers and all(turn.look(other).status in ENDED_STEP for other in triggers):
            turn.skip(name, NOT_CALLED_FOR)
        return
    ready = _ready(turn, turn.process.steps[name])
    if ready is None:
        work.start(turn, name)
    elif ready and step.triggered:  # something counts on it: to give it up would be silence
        turn.hold(name, "decision_failed", message=f"it was called for and cannot start: {ready}")
    elif ready:
        turn.cancel_step(name, ready)


def _ready(turn: Turn, definition: Step) -> str | None:
    """None: its turn has come. Empty: not yet. Else why it never can."""
    waiting = False
    for other in definition.needs:
        status = turn.look(other).status
        if status in _GONE:
            return f"it needs {other}, which is {status}"
        waiting = waiting or status not in MET
    if definition.needs_any:
        states = [turn.look(other).status for other in definition.needs_any]
        if "succeeded" not in states:
            if any(status not in ENDED_STEP for status in states):
                return ""
            if "skipped" not in states:
                return f"it needs one of {', '.join(definition.needs_any)}, and none has succeeded"
    return "" if waiting else None


def _look_again(turn: Turn, name: str) -> None:
    """What this step may name has changed: its list, its condition to end, its time, its content."""
    if turn.look(name).status not in deadlines.OPEN or unwind.unwinding(turn, name):
        return
    try:
        work.check_until(turn, name)
        children.grow(turn, name)
        people.refresh_content(turn, name)
        deadlines.refresh(turn, name)
        deadlines.refresh_wait(turn, name)
    except FAILURES as error:
        turn.open("decision_failed", name, message=str(error))


def _go_on_with(turn: Turn, name: str) -> None:
    """A step that was taken down is given back: its time counts from its start, as before."""
    try:
        deadlines.set_deadline(turn, name)
        deadlines.set_wait(turn, name)
        work.take_kept(turn, name)
    except FAILURES as error:
        deadlines.unknown_due(turn, name, error)
    _look_again(turn, name)


def _clear_up(turn: Turn) -> bool:
    """When nothing is under way: steps that only an `on:` handler starts are not called for any more."""
    state = turn.state
    if not turn.process.triggers or state.status in ENDED_RUN or state.unwind is not None:
        return False
    if not turn.may_clear_up():
        return False
    open_steps = [name for name, step in state.steps.items() if step.status not in ENDED_STEP]
    if not open_steps or any(state.steps[name].status != "pending" for name in open_steps):
        return False
    for name in open_steps:
        if name in turn.process.triggers and not state.steps[name].triggered:
            turn.skip(name, NOT_CALLED_FOR)
            return True
    return False
