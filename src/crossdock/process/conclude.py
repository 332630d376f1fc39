"""The end of a decision: has the run ended, what is measured, what need not be kept, when to wake."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crossdock.process import intake, unwind
from crossdock.process.definition import FORGOTTEN
from crossdock.process.state import ENDED_RUN, ENDED_STEP, State, StepState
from crossdock.process.turn import FAILURES, Turn


def conclude(turn: Turn) -> None:
    """Bring the decision to its end."""
    state = turn.state
    ended, held, wake = _survey(state)
    if state.status not in ENDED_RUN:
        if state.unwind is None and ended and turn.may_complete():
            _complete(turn)
        elif state.status != "cancelling":
            turn.set_status("held" if held else "active")
    if turn.process.measures:
        _measure(turn)
    intake.forget(turn)
    for name in state.steps if state.status in {"cancelled", "failed"} else turn.touched():
        if not unwind.unwinding(turn, name):  # it may be given back
            _let_go(turn, name)
    state.seq += 1
    state.wake = wake


def _survey(state: State) -> tuple[bool, bool, datetime | None]:
    """Whether all steps have ended, whether one is held, and the earliest deadline that runs."""
    ended, held = True, False
    wake: datetime | None = None
    for step in state.steps.values():
        if step.status in ENDED_STEP:
            continue
        ended = False
        held = held or step.status == "held"
        if step.next is not None and (wake is None or step.next < wake):
            wake = step.next
    return ended, held, wake


def _complete(turn: Turn) -> None:
    output = None
    if turn.process.output is not None:
        try:
            output = turn.evaluate(turn.process.output)
        except FAILURES as error:
            turn.open("decision_failed", message=f"the run's output could not be worked out: {error}")
    unwind.close_run(turn, "completed", output=output)


def _measure(turn: Turn) -> None:
    """KPIs whose last step has ended in this decision, once in a run.

    They use the time at which things happened, where the source is trusted with it. An impossible order of
    times is told, and marked.
    """
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
            try:
                data["met"] = end <= turn.after(begin, measure.target)
            except FAILURES as error:
                turn.open(
                    "decision_failed",
                    message=f"the target of {measure.name} could not be worked out: {error}",
                )
        turn.record("measure", **data)


def _moment(state: State, name: str) -> datetime | None:
    if name == "start":
        return state.at or state.started
    if name == "end":
        return state.ended if state.status == "completed" else None
    step = state.steps[name]
    return step.at if step.status == "succeeded" else None


def _let_go(turn: Turn, name: str) -> None:
    """Keep of an ended step what an expression, its undo or a measure may still ask for; history has all."""
    if turn.look(name).status not in ENDED_STEP:
        return
    step = turn.step(name)
    for field in turn.process.forgets[name]:
        setattr(step, field, _EMPTY[field])
    if step.events and "events" not in turn.process.keeps[name]:
        step.events = []
    if step.children is not None and step.children.started:
        children = step.children
        order = [item for item in children.started if item in children.outputs]
        children.outputs = {item: children.outputs[item] for item in order}
        children.started = []


_BLANK = StepState()
_EMPTY: dict[str, Any] = {name: getattr(_BLANK, name) for name in FORGOTTEN}
