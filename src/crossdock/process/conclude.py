"""The end of a decision: has the run ended, what is measured, what need not be kept, when to wake."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crossdock.process import deadlines, intake, unwind
from crossdock.process.state import ENDED_RUN, ENDED_STEP, State, StepState
from crossdock.process.turn import FAILURES, Turn


def conclude(turn: Turn) -> None:
    """Bring the decision to its end."""
    state = turn.state
    if state.status not in ENDED_RUN:
        if state.unwind is None and all(step.status in ENDED_STEP for step in state.steps.values()):
            _complete(turn)
        elif state.status != "cancelling":
            held = any(step.status == "held" for step in state.steps.values())
            turn.set_status("held" if held else "active")
    if turn.process.measures:
        _measure(turn)
    intake.forget(turn)
    for name in state.steps if state.status in ENDED_RUN else turn.touched():
        if not unwind.unwinding(turn, name):  # it may be given back
            _let_go(turn, name)
    state.seq += 1
    state.wake = min(
        (
            step.next
            for step in state.steps.values()
            if step.next is not None and step.status in deadlines.OPEN
        ),
        default=None,
    )


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
    keeps = turn.process.keeps[name]
    for field, empty in _EMPTY.items():
        if field not in keeps:
            setattr(step, field, [] if empty is _EVENTS else empty)
    if step.children is not None and step.children.started:
        children = step.children
        order = [item for item in children.started if item in children.outputs]
        children.outputs = {item: children.outputs[item] for item in order}
        children.started = []


_BLANK = StepState()
_EVENTS: list[Any] = _BLANK.events
_EMPTY: dict[str, Any] = {
    name: getattr(_BLANK, name)
    for name in ("started", "ended", "at", "order", "input", "via", "output", "events", "by", "reason")
}
