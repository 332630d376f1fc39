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

One event is decided in three moves: take it in (what it says about a document, a step, a task, a call, a
child), let everything go on that can (`_settle`), and see whether the run has come to its end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crossdock.errors import CrossdockError
from crossdock.expressions import EvaluationError
from crossdock.process import calls, children, deadlines, people, unwind, work
from crossdock.process.actions import perform
from crossdock.process.definition import AwaitWork, Process, Step
from crossdock.process.messages import (
    ALIAS_REFUSED,
    CALL_ENDED,
    CHILD_ENDED,
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    RUN_START,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    TASK_DECIDED,
    TIMER_DUE,
    Command,
    Event,
    Record,
)
from crossdock.process.state import ENDED_RUN, ENDED_STEP, MET, KeptEvent, Parent, State, StepState
from crossdock.process.turn import MOST_EVENTS, MOST_KEPT, DecisionError, Plain, Reference, Turn, text_of

_GONE = frozenset({"failed", "cancelled", "undone"})
_MOST_MOVES = 100_000


@dataclass(frozen=True, slots=True)
class Decision:
    """What one event has led to: the new state, what is told, what is asked for."""

    state: State
    records: list[Record]
    commands: list[Command]


def starts(process: Process, event: Event, reference: Reference | None = None) -> str | None:
    """The key of the run that this event would start, or None. Raises DecisionError where it has no key."""
    document = _start_document(process, event, reference or Plain())
    if document is None:
        return None
    try:
        key = process.key.evaluate({process.variable: document, "tenant": (reference or Plain()).tenant})
    except CrossdockError as error:
        raise DecisionError(
            f"the key of {process.name} could not be worked out: {error}", where=event.id
        ) from None
    if not isinstance(key, str | int) or key == "":
        raise DecisionError(f"the key of {process.name} is {key!r}: it must be a text", where=event.id)
    return str(key)


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
    """Decide one event. Raises DecisionError (or a fault of ours) and then has changed nothing."""
    turn = Turn(process, state, event, reference or Plain())
    try:
        if turn.state.started is None:
            _start(turn)
        else:
            _HANDLERS.get(event.type, _business)(turn)
        _settle(turn)
    except EvaluationError as error:
        raise DecisionError(str(error), where=f"{state.id}, event {event.id}") from error
    _conclude(turn)
    return Decision(turn.state, turn.records, turn.commands)


# -- taking the event in -----------------------------------------------------------------------------------


def _start_document(process: Process, event: Event, reference: Reference) -> Any:
    if event.type == RUN_START:
        return event.data.get("document") if isinstance(event.data, dict) else None
    for start in process.start:
        if start.on != event.type:
            continue
        values = {"event": view_of(event), "tenant": reference.tenant, "now": event.now}
        document = start.document.evaluate(values) if start.document is not None else event.data
        if start.condition is not None:
            values[process.variable] = document
            if start.condition.evaluate(values) is not True:
                continue
        return document
    return None


def _start(turn: Turn) -> None:
    state, process, event = turn.state, turn.process, turn.event
    state.document = _start_document(process, event, turn.reference)
    if state.document is None:
        raise DecisionError(f"{event.type} does not start {process.name}", where=state.id)
    state.document_time = event.time
    state.document_received = event.received
    state.started = event.now
    state.started_by = event.actor.id if event.actor else ""
    if process.calendar is not None:
        state.calendar = turn.text(process.calendar)
    turn.record(
        "run.started", process=process.name, version=process.version, event=event.type, by=state.started_by
    )
    turn.claim(process.kind, state.key)
    for kind, template in process.alias.items():
        turn.claim(kind, turn.text(template))
    turn.changed.extend(process.steps)


def view_of(event: Event) -> Any:
    """What expressions see of a business event: what it says, and `meta` about the event itself."""
    data = event.data if isinstance(event.data, dict) else {} if event.data is None else {"value": event.data}
    meta = {
        "type": event.type,
        "id": event.id,
        "source": event.source,
        "time": text_of(event.time),
        "received": text_of(event.received),
    }
    return {**data, "meta": meta}


def _business(turn: Turn) -> None:
    event = turn.event
    if turn.state.status in ENDED_RUN or turn.state.status == "cancelling":
        turn.record("event.unused", type=event.type, reason=f"the run is {turn.state.status}")
        return
    used = event.type in turn.process.carries and _take_document(turn)
    for name in turn.process.awaited.get(event.type, ()):
        used = _offer(turn, name) or used
    handlers = turn.process.on.get(event.type)
    if handlers:
        view = {"event": view_of(event)}
        perform(turn, handlers, "on", message=_said(event), values=view)
        used = True
    if not used:
        turn.record("event.unused", type=event.type, reason="no step waits for it any more")


def _said(event: Event) -> str:
    data = event.data if isinstance(event.data, dict) else {}
    reason = data.get("reason")
    return f"{event.type}: {reason}" if isinstance(reason, str) and reason else event.type


def _take_document(turn: Turn) -> bool:
    """Replace the document by a newer version of it; an older one is only recorded."""
    state, data = turn.state, turn.event.data
    if not isinstance(data, dict) or data == state.document:
        return False
    if _key_of(turn, data) != state.key:
        return False
    if _newer(data, turn.event, state):
        state.document = data
        state.document_time = turn.event.time
        state.document_received = turn.event.received
        turn.document_changed = True
        turn.record("document.replaced", version=data.get("version"))
    else:
        turn.record("document.older", version=data.get("version"))
    return True


def _key_of(turn: Turn, document: Any) -> str:
    try:
        value = turn.process.key.evaluate({turn.process.variable: document, "tenant": turn.reference.tenant})
    except CrossdockError:
        return ""
    return str(value)


def _newer(data: Mapping[str, Any], event: Event, state: State) -> bool:
    """By the source's version where both have one, else by its time of change, else by the event's time."""
    old = state.document if isinstance(state.document, dict) else {}
    mine, theirs = old.get("version"), data.get("version")
    if mine is not None and theirs is not None and mine != theirs:
        return _order(theirs) > _order(mine)
    mine, theirs = old.get("changed"), data.get("changed")
    if isinstance(mine, str) and isinstance(theirs, str) and mine != theirs:
        return datetime.fromisoformat(theirs) > datetime.fromisoformat(mine)
    if state.document_time is None or event.time != state.document_time:
        return state.document_time is None or event.time > state.document_time
    return state.document_received is None or event.received > state.document_received


def _order(version: object) -> tuple[int, object]:
    text = str(version)
    return (0, int(text)) if text.isdigit() else (1, text)


def _offer(turn: Turn, name: str) -> bool:
    """Offer the event to a step that waits for it, or will."""
    step = turn.look(name)
    definition = turn.process.steps[name].work
    assert isinstance(definition, AwaitWork)  # noqa: S101 - the process has it among those that wait
    view = view_of(turn.event)
    if step.status == "waiting":
        if len(step.events) >= MOST_EVENTS:
            raise DecisionError(
                f"{name} has taken {MOST_EVENTS} events and still waits",
                where=turn.state.id,
                mend="mend its `until`, or `match` fewer events",
            )
        return work.consider_event(turn, name, definition, view)
    if step.status == "pending" or unwind.unwinding(turn, name):
        if not any(kept.view == view for kept in turn.state.kept):
            if len(turn.state.kept) >= MOST_KEPT:
                raise DecisionError(
                    f"more than {MOST_KEPT} events came before the steps that wait for them",
                    where=turn.state.id,
                    mend="let the step start earlier",
                )
            kept = KeptEvent(
                type=turn.event.type, view=view, time=turn.event.time, received=turn.event.received
            )
            turn.state.kept = [*turn.state.kept, kept]
            turn.record("event.kept", name, type=turn.event.type)
        return True
    return False


def _timer(turn: Turn) -> None:
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    due = data.get("due")
    until = deadlines.instant(due, "the timer") if due else turn.now
    deadlines.fire(turn, min(until, turn.now))


def _alias_refused(turn: Turn) -> None:
    data = turn.event.data
    kind, value = str(data.get("kind", "")), str(data.get("value", ""))
    if turn.state.alias.get(kind) == value:
        turn.state.alias = {k: v for k, v in turn.state.alias.items() if k != kind}
    turn.open(
        "alias_conflict",
        message=f"{kind} {value} belongs to {data.get('holder', 'another run')}",
        kind=kind,
        value=value,
    )


def _cancel(turn: Turn) -> None:
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    by = turn.event.actor.id if turn.event.actor else ""
    status = turn.state.status
    from_parent = turn.state.parent is not None and not by
    if status in ENDED_RUN and not (from_parent and status == "completed"):
        turn.record("cancel.refused", reason=f"the run is {status}", by=by)
        return
    before = len(turn.records)
    reason = str(data.get("reason", "")) or "cancelled"
    if not unwind.end_run(turn, "cancelled", reason, by=by) and from_parent and status == "completed":
        refusal = next(
            (r.data.get("reason", "") for r in turn.records[before:] if r.what == "cancel.refused"), ""
        )
        unwind.tell_parent(turn, "refused", str(refusal))


def _by(turn: Turn) -> tuple[dict[str, Any], str, str]:
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    by = turn.event.actor.id if turn.event.actor else ""
    return data, by, str(data.get("note", ""))


def _repair(act: Callable[[Turn, str, dict[str, Any], str, str], object]) -> Callable[[Turn], None]:
    """A repair of one step: of a live run, and of a step that it has."""

    def handle(turn: Turn) -> None:
        data, by, note = _by(turn)
        name = str(data.get("step", ""))
        if name not in turn.state.steps:
            turn.record("repair.refused", reason=f"there is no step {name!r}", by=by)
        elif turn.state.status in ENDED_RUN:
            turn.record("repair.refused", name, reason=f"the run is {turn.state.status}", by=by)
        else:
            act(turn, name, data, by, note)

    return handle


def _close(turn: Turn) -> None:
    data, by, note = _by(turn)
    id_ = str(data.get("exception", ""))
    open_ = turn.state.exceptions.get(id_)
    if open_ is None:
        turn.record("repair.refused", reason=f"exception {id_} is not open", by=by)
        return
    name = open_.step
    action = data.get("action", "close")
    if action == "cancel":
        turn.close(id_, note or "cancelled", by)
        unwind.end_run(turn, "cancelled", note or open_.type, by=by)
        return
    if action == "skip" and name:
        work.skip(turn, name, by, note or open_.type)
        return
    turn.close(id_, note, by)
    if name and turn.look(name).status == "held" and not turn.blocked(name):
        work.resume(turn, name, by=by)


_HANDLERS: dict[str, Callable[[Turn], None]] = {
    CALL_ENDED: calls.ended,
    TIMER_DUE: _timer,
    TASK_DECIDED: people.decided,
    CHILD_ENDED: children.ended,
    ALIAS_REFUSED: _alias_refused,
    EXCEPTION_CLOSE: _close,
    RUN_CANCEL: _cancel,
    STEP_RETRY: _repair(lambda turn, name, _data, by, _note: work.retry_now(turn, name, by)),
    STEP_SUPPLY: _repair(
        lambda turn, name, data, by, note: work.supply(turn, name, data.get("output"), by, note)
    ),
    STEP_SKIP: _repair(lambda turn, name, _data, by, note: work.skip(turn, name, by, note)),
    STEP_REDO: _repair(
        lambda turn, name, _data, by, note: unwind.redo(turn, name, note or "asked for", by=by or "somebody")
    ),
}


# -- letting everything go on that can ----------------------------------------------------------------------


def _settle(turn: Turn) -> None:
    """Go on until nothing changes any more: what has changed may let others start, end or grow."""
    for _ in range(_MOST_MOVES):
        if turn.document_changed:
            turn.document_changed = False
            for name in turn.state.steps:
                _look_again(turn, name, document=True)
        elif turn.changed:
            name = turn.changed.pop(0)
            _consider(turn, name)
            for dependent in turn.process.dependents.get(name, ()):
                _consider(turn, dependent)
                _look_again(turn, dependent)
        elif not unwind.go_on(turn) and not _climb_overdue(turn) and not _clear_up(turn):
            return
    raise DecisionError("the decision does not come to rest", where=turn.state.id)


def _climb_overdue(turn: Turn) -> bool:
    """A `by` that has moved into the past is due at once. Other deadlines wait for their timer."""
    moved = [
        name
        for name, step in turn.state.steps.items()
        if step.next is not None
        and step.next <= turn.now
        and (definition := turn.process.steps[name].deadline) is not None
        and definition.by is not None
        and any(r.what in ("deadline.set", "deadline.moved") and r.step == name for r in turn.records)
    ]
    return bool(moved) and deadlines.fire_one(turn, moved[0])


def _consider(turn: Turn, name: str) -> None:
    """Start a pending step if its turn has come; give it up if it never can."""
    step = turn.look(name)
    if step.status != "pending" or turn.state.status in ENDED_RUN or turn.state.status == "cancelling":
        return
    if unwind.unwinding(turn, name):
        return
    definition = turn.process.steps[name]
    triggers = turn.process.triggers.get(name)
    if triggers is not None and not step.triggered:
        if triggers and all(turn.look(other).status in ENDED_STEP for other in triggers):
            turn.skip(name, "it was not called for")
        return
    ready = _ready(turn, definition)
    if ready is None:
        work.start(turn, name)
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


def _look_again(turn: Turn, name: str, *, document: bool = False) -> None:
    """What this step may name has changed: its list, its condition to end, its time, its content."""
    step = turn.look(name)
    if step.status not in {"waiting", "running", "held"} or unwind.unwinding(turn, name):
        return
    if document and name not in turn.process.watches_document:
        return
    try:
        work.check_until(turn, name)
        children.grow(turn, name)
        people.refresh_content(turn, name)
        deadlines.refresh(turn, name)
    except DecisionError:
        raise
    except EvaluationError as error:
        turn.open("decision_failed", name, message=str(error))


def _clear_up(turn: Turn) -> bool:
    """When nothing is under way: steps that only an `on:` handler starts are not called for any more."""
    state = turn.state
    if state.status in ENDED_RUN or state.unwind is not None:
        return False
    open_steps = [name for name, step in state.steps.items() if step.status not in ENDED_STEP]
    if not open_steps or any(state.steps[name].status != "pending" for name in open_steps):
        return False
    for name in open_steps:
        if name in turn.process.triggers and not state.steps[name].triggered:
            turn.skip(name, "it was not called for")
            return True
    return False


# -- the end of the decision --------------------------------------------------------------------------------


def _conclude(turn: Turn) -> None:
    state = turn.state
    if state.status not in ENDED_RUN:
        if state.unwind is None and all(step.status in ENDED_STEP for step in state.steps.values()):
            _complete(turn)
        elif state.status != "cancelling":
            held = any(step.status == "held" for step in state.steps.values())
            state.status = "held" if held else "active"
    _measure(turn)
    _forget(turn)
    state.seq += 1
    state.wake = min((step.next for step in state.steps.values() if step.next is not None), default=None)


def _complete(turn: Turn) -> None:
    output = None
    if turn.process.output is not None:
        try:
            output = turn.evaluate(turn.process.output)
        except EvaluationError as error:
            turn.open("decision_failed", message=f"the run's output could not be worked out: {error}")
    unwind.close_run(turn, "completed", output=output)


def _measure(turn: Turn) -> None:
    """KPIs whose last step has ended in this decision, once in a run."""
    state = turn.state
    for measure in turn.process.measures:
        if measure.name in state.measured:
            continue
        begin, end = _moment(state, measure.start), _moment(state, measure.end)
        if begin is None or end is None:
            continue
        state.measured = {**state.measured, measure.name: True}
        data: dict[str, Any] = {"name": measure.name, "seconds": round((end - begin).total_seconds(), 3)}
        if end < begin:
            data["impossible"] = True
        elif measure.target is not None:
            data["met"] = end <= turn.after(begin, measure.target)
        turn.record("measure", **data)


def _moment(state: State, name: str) -> datetime | None:
    if name == "start":
        return state.started
    if name == "end":
        return state.ended if state.status == "completed" else None
    step = state.steps[name]
    return step.at if step.status == "succeeded" else None


def _forget(turn: Turn) -> None:
    """Let go of kept events that no step will ask for any more."""
    state = turn.state
    if not state.kept:
        return
    awaited = turn.process.awaited
    state.kept = [
        kept
        for kept in state.kept
        if any(
            state.steps[name].status == "pending" or unwind.unwinding(turn, name)
            for name in awaited.get(kept.type, ())
        )
    ]
