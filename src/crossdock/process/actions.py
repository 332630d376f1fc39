"""What is done when something happens: the verbs of `late`, `fails`, `refused` and `on`.

An action decides what becomes of the step or run (`raise`, `skip`, `cancel`, `fail`, `redo`, `step`), or only
tells somebody (`escalate`, `emit`, `nothing`). One that cannot be done decides nothing: a redo over its
limit, a cancel past what cannot be undone, a step that has run already. A failure that nothing decides holds
the step with an exception, so that it is never silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from crossdock.process import undoing, unwind
from crossdock.process.definition import Action
from crossdock.process.state import ENDED_STEP
from crossdock.process.turn import FAILURES, Turn

Cause = Literal["late", "fails", "refused", "on"]


def perform(
    turn: Turn,
    actions: Iterable[Action],
    cause: Cause,
    step: str = "",
    *,
    message: str = "",
    values: Mapping[str, Any] | None = None,
    **data: Any,
) -> bool:
    """Do each action whose condition holds. Whether one of them decided what becomes of the step or run.

    An action whose expressions cannot be worked out is told as an exception, and the others are done.
    """
    decided = False
    for action in actions:
        try:
            if turn.holds(action.condition, values):
                said = turn.text(action.message, values) if action.message is not None else message
                decided = _do(turn, action, cause, step, said, values, data) or decided
        except FAILURES as error:
            turn.open(
                "decision_failed", step, message=f"what `{cause}` says could not be worked out: {error}"
            )
    return decided


def failed(turn: Turn, name: str, type_: str, message: str, **data: Any) -> None:
    """A step has failed for good: its `fails` decides; without a decision an exception holds it."""
    decide(turn, turn.process.steps[name].fails, "fails", name, type_, message, **data)


def decide(
    turn: Turn,
    actions: Iterable[Action],
    cause: Literal["fails", "refused"],
    name: str,
    type_: str,
    message: str,
    **data: Any,
) -> None:
    """Let actions decide what becomes of a step that ended badly, or hold it with this exception.

    So it is held as well where they ask for a cancel or redo that turns out to be impossible later.
    """
    call = turn.look(name).call
    if not perform(turn, actions, cause, name, message=message, **data):
        turn.hold(name, type_, message=message, **data)
    elif unwind.unwinding(turn, name):
        unwind.hold_where_given_back(turn, name, type_, message, call)


def skip_step(turn: Turn, name: str, reason: str, by: str = "") -> bool:
    """Skip a step that has not ended; a call that is out is taken back first."""
    step = turn.step(name)
    if step.status in ENDED_STEP:
        turn.record("step.skip_refused", name, reason=f"it is {step.status}", by=by)
        return False
    # A person who skips a call in doubt answers for it; a deadline does not.
    if step.call is not None and (step.call.out or (step.call.doubt and not by)):
        step.call.then = "skip"
        step.reason = reason
        step.by = by
        undoing.take_call_back(turn, name)
        return True
    undoing.withdraw_person(turn, name)
    undoing.cancel_children(turn, name, reason)
    turn.skip(name, reason, by)
    return True


def give_way(turn: Turn, name: str, handler: str, reason: str) -> None:
    """Let `handler` take the place of a step that has not ended; a call that is out is taken back first."""
    step = turn.step(name)
    if step.status not in ENDED_STEP:
        if step.call is not None and (step.call.out or step.call.doubt):
            step.call.then = "fail"
            step.call.handler = handler
            step.reason = reason
            undoing.take_call_back(turn, name)
            return
        undoing.withdraw_person(turn, name)
        undoing.cancel_children(turn, name, reason)
        turn.fail(name, reason)
    trigger(turn, handler)


def trigger(turn: Turn, name: str) -> bool:
    """Let a step start that starts in no other way. Whether it will do something for this."""
    step = turn.step(name)
    if step.status in ENDED_STEP:
        turn.record("step.trigger_refused", name, reason=f"it is {step.status}")
        return False
    if not step.triggered:
        step.triggered = True
        turn.changed.append(name)
    return True


def _before_it_began(turn: Turn) -> bool:
    """Whether the event happened before the run's beginning, and its source says when things happen.

    Whoever released an order that was cancelled has opened it again. Where no times are told, the two may
    have come in the wrong order.
    """
    began, happened = turn.state.at, turn.happened()
    return began is not None and happened < began and happened != turn.event.received


def _do(
    turn: Turn,
    action: Action,
    cause: Cause,
    step: str,
    message: str,
    values: Mapping[str, Any] | None,
    data: Mapping[str, Any],
) -> bool:
    """Do one action. Whether it decided."""
    ends_badly = bool(step) and cause in ("fails", "refused")
    match action.verb:
        case "raise" if ends_badly:
            turn.hold(step, action.word, message=message or action.word, severity=action.severity, **data)
            return True
        case "raise":
            turn.open(
                action.word,
                step,
                message=message or action.word,
                severity=action.severity,
                late=cause == "late",
                **data,
            )
            return True
        case "escalate":
            task = turn.look(step).task if step else ""
            if task and action.word not in turn.look(step).escalated:
                turn.step(step).escalated = [*turn.look(step).escalated, action.word]
            turn.record("escalated", step, to=action.word, task=task, message=message)
        case "emit":
            content = turn.evaluate(action.data, values) if action.data is not None else {}
            turn.emit(action.word, content)
            turn.record("event.emitted", step, type=action.word)
        case "skip":
            return skip_step(turn, step, action.word or message or cause)
        case "cancel" if cause == "on" and _before_it_began(turn):
            why = "it happened before what started the run"
            turn.record("event.unused", type=turn.event.type, reason=why)
        case "cancel":
            return unwind.end_run(turn, "cancelled", action.word or message)
        case "fail":
            return unwind.end_run(turn, "failed", action.word or message)
        case "redo":
            person = turn.event.actor.person if turn.event.actor and cause == "refused" else ""
            why = message or action.word
            if not unwind.redo(turn, action.word, why, by=person, most=action.most, asked=step):
                return False
            if ends_badly and not unwind.unwinding(turn, step):
                undoing.cancel_children(turn, step, message)
                turn.fail(step, message)
            return True
        case "step":
            if turn.look(action.word).status in ENDED_STEP:
                return trigger(turn, action.word)  # tells why not
            if step and cause != "on":
                give_way(turn, step, action.word, message or cause)
            else:
                trigger(turn, action.word)
            return True
        case "nothing":
            turn.record("event.noted", step, message=action.word or message)
    return False
