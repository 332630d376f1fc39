"""What is done when something happens: the verbs of `late`, `fails`, `refused` and `on`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from crossdock.expressions import EvaluationError
from crossdock.process import unwind
from crossdock.process.definition import DECISIVE, Action
from crossdock.process.messages import RUN_CANCEL, Tell, Withdraw
from crossdock.process.state import ENDED_STEP
from crossdock.process.turn import Turn

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
    """Do each action whose condition holds. Whether one of them decided what becomes of the step or run."""
    decided = False
    for action in actions:
        if not turn.holds(action.condition, values):
            continue
        said = turn.text(action.message, values) if action.message is not None else message
        _do(turn, action, cause, step, said, values, data)
        decided = decided or action.verb in DECISIVE
    return decided


def failed(turn: Turn, name: str, type_: str, message: str, **data: Any) -> None:
    """A step has failed for good: its `fails` decides; without a decision an exception holds it."""
    try:
        decided = perform(turn, turn.process.steps[name].fails, "fails", name, message=message, **data)
    except EvaluationError as error:
        message = f"{message}; and what `fails` says could not be worked out: {error}"
        decided = False
    if not decided:
        turn.hold(name, type_, message=message, **data)


def skip_step(turn: Turn, name: str, reason: str, by: str = "") -> None:
    """Skip a step that has not ended; a call that is out is taken back first."""
    step = turn.step(name)
    if step.status in ENDED_STEP:
        turn.record("step.skip_refused", name, reason=f"it is {step.status}", by=by)
        return
    if step.call is not None and step.call.out:
        step.call.then = "skip"
        step.reason = reason
        step.by = by
        turn.command(Withdraw(id=step.call.id))
        turn.record("call.withdrawing", name, call=step.call.id)
        return
    unwind.withdraw_person(turn, name)
    if step.children is not None:
        for item in step.children.open:
            data = {"reason": reason}
            redo = step.redo + step.tries
            turn.command(Tell(to="child", type=RUN_CANCEL, data=data, step=name, item=item, redo=redo))
    turn.skip(name, reason, by)


def trigger(turn: Turn, name: str) -> None:
    """Let a step start that starts in no other way."""
    step = turn.step(name)
    if step.status != "pending" or step.triggered:
        turn.record("step.trigger_refused", name, reason=f"it is {step.status}")
        return
    step.triggered = True
    turn.changed.append(name)


def _do(
    turn: Turn,
    action: Action,
    cause: Cause,
    step: str,
    message: str,
    values: Mapping[str, Any] | None,
    data: Mapping[str, Any],
) -> None:
    match action.verb:
        case "raise" if step and cause in ("fails", "refused"):
            turn.hold(step, action.word, message=message or action.word, severity=action.severity, **data)
        case "raise":
            turn.open(
                action.word,
                step,
                message=message or action.word,
                severity=action.severity,
                late=cause == "late",
                **data,
            )
        case "escalate":
            task = turn.look(step).task if step else ""
            turn.record("escalated", step, to=action.word, task=task, message=message)
        case "emit":
            content = turn.evaluate(action.data, values) if action.data is not None else {}
            turn.emit(action.word, content)
            turn.record("event.emitted", step, type=action.word)
        case "skip":
            skip_step(turn, step, action.word or message or cause)
        case "cancel":
            unwind.end_run(turn, "cancelled", action.word or message)
        case "fail":
            unwind.end_run(turn, "failed", action.word or message)
        case "redo":
            person = turn.event.actor.id if turn.event.actor and cause == "refused" else ""
            if step and cause in ("fails", "refused"):
                turn.fail(step, message)
            unwind.redo(turn, action.word, message or action.word, by=person, most=action.most)
        case "step":
            if step and cause != "on" and turn.look(step).status not in ENDED_STEP:
                if turn.look(step).call is not None and cause == "late":
                    turn.record("step.trigger_refused", action.word, reason="the call is still out")
                    return
                unwind.withdraw_person(turn, step)
                turn.fail(step, message or cause)
            trigger(turn, action.word)
        case "nothing":
            turn.record("event.noted", step, message=message)
