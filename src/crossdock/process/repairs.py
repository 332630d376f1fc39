"""What people do to a run that is stuck: retry, supply, skip, redo, close an exception, cancel.

Each repair is an event. One that makes no sense (any more) changes nothing, and its record says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from crossdock.process import children, people, undoing, unwind, work
from crossdock.process.actions import skip_step
from crossdock.process.definition import PersonWork
from crossdock.process.messages import (
    CLOSINGS,
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    Retry,
)
from crossdock.process.state import ENDED_RUN, ENDED_STEP
from crossdock.process.turn import FAILURES, Turn


def cancel(turn: Turn) -> None:
    """Cancel the run: asked by a person, or by the run that started it.

    A run that has completed is taken back only for its parent. That is told if the cancel is refused.
    """
    data = _data(turn)
    by = _by(turn)
    status = turn.state.status
    from_parent = turn.state.parent is not None and not by
    if status in ENDED_RUN and not (from_parent and status == "completed"):
        turn.record("cancel.refused", reason=f"the run is {status}", by=by)
        return
    before = len(turn.records)
    reason = str(data.get("reason", "")) or "cancelled"
    refused = not unwind.end_run(turn, "cancelled", reason, by=by)
    if refused and from_parent and status != "cancelling":
        told = (r.data.get("reason", "") for r in turn.records[before:] if r.what == "cancel.refused")
        undoing.tell_parent(turn, "refused", str(next(told, "")))


def close(turn: Turn) -> None:
    """Close an exception, and do with its step what the person has chosen."""
    data, by = _data(turn), _by(turn)
    id_, note, action = str(data.get("exception", "")), str(data.get("note", "")), data.get("action", "close")
    open_ = turn.state.exceptions.get(id_)
    ended = turn.state.status in ENDED_RUN
    if open_ is None:
        turn.record("repair.refused", reason=f"exception {id_} is not open", by=by)
        return
    name = open_.step
    if action not in CLOSINGS:
        mend = f"{action!r} is not one of {', '.join(CLOSINGS)}"
        turn.record("repair.refused", name, reason=mend, by=by)
    elif action == "cancel" and not ended:
        turn.close(id_, note or "cancelled", by)
        unwind.end_run(turn, "cancelled", note or open_.type, by=by)
    elif action == "skip" and name and not ended and turn.look(name).status not in ENDED_STEP:
        _skip(turn, name, {**data, "note": note or open_.type}, by)
    else:
        turn.close(id_, note, by)
        if action == "retry" and not ended:
            for kind, value in open_.wanted.items():
                if kind not in turn.state.alias:
                    turn.claim(kind, value)
        if name and not ended and turn.look(name).status == "held":
            if not turn.blocked(name):
                if action == "retry":
                    _answer_for(turn, name, by)
                work.resume(turn, name, by=by)
        elif name and not ended and action == "retry":
            _hurry(turn, name, by)


def _retry(turn: Turn, name: str, data: Mapping[str, Any], by: str) -> None:
    """Another try at once: of a held step, of one child of it, or of a call that waits for its next try."""
    step = turn.look(name)
    item = data.get("item")
    if step.status == "held" and item is not None:
        if step.children is None or str(item) not in step.children.again:
            turn.record("step.retry_refused", name, str(item), reason="no such child of it has failed", by=by)
            return
        try:
            children.again(turn, name, by, str(item))
        except FAILURES as error:
            turn.record("step.retry_refused", name, str(item), reason=str(error), by=by)
    elif step.status == "held":
        for id_, open_ in list(turn.state.exceptions.items()):
            if open_.step == name and open_.holds:
                turn.close(id_, str(data.get("note", "")) or "tried again", by)
        _answer_for(turn, name, by)
        work.resume(turn, name, by=by)
    elif not _hurry(turn, name, by):
        turn.record("step.retry_refused", name, reason=f"it is {step.status}", by=by)


def _answer_for(turn: Turn, name: str, by: str) -> None:
    """Who tries again what no program can find out about has looked, and says that it was not done."""
    call = turn.look(name).call
    if call is not None and call.dark and by:
        turn.step(name).call = msgspec.structs.replace(call, doubt=False, dark=False)


def _hurry(turn: Turn, name: str, by: str) -> bool:
    call = turn.look(name).call
    if call is None or not call.out:
        return False
    turn.command(Retry(id=call.id, at=turn.now, doubt=call.doubt))
    turn.record("call.hurried", name, call=call.id, by=by)
    return True


def _supply(turn: Turn, name: str, data: Mapping[str, Any], by: str) -> None:
    """The result, found out by hand: of a step that is held or waits, or of one child that failed."""
    note, output = str(data.get("note", "")), data.get("output")
    step = turn.step(name)
    definition = turn.process.steps[name].work
    if data.get("item") is not None:
        children.settle_by_hand(turn, name, str(data["item"]), by, note, output=output, done=True)
        return
    why = ""
    if step.status not in {"held", "waiting"}:
        why = f"it is {step.status}"
    elif isinstance(definition, PersonWork) and definition.kind == "approve":
        why = "an approval is decided, not supplied"
    elif step.children is not None and step.children.open:
        why = "runs of it are under way"
    elif unwind.unwinding(turn, name) and step.call is None:
        why = "it is being taken back"
    if why:
        turn.record("step.supply_refused", name, reason=why, by=by)
    elif step.call is not None and step.call.undo:
        undoing.undo_done(turn, name, note or "undone by hand", by)
    else:
        undoing.withdraw_person(turn, name)
        turn.record("step.supplied", name, by=by, note=note)
        turn.succeed(name, output, by=by)
        turn.step(name).reason = note


def _skip(turn: Turn, name: str, data: Mapping[str, Any], by: str) -> None:
    """The step is not needed, or one child of it that failed; the person says why."""
    note = str(data.get("note", ""))
    step = turn.step(name)
    why = "" if note else "a reason is needed"
    if not why:
        try:
            why = people.may_not_skip(turn, name, by)
        except FAILURES as error:
            why = f"who may skip it could not be worked out: {error}"
    if why:
        turn.record("step.skip_refused", name, reason=why, by=by)
    elif data.get("item") is not None:
        children.settle_by_hand(turn, name, str(data["item"]), by, note, output=None, done=False)
    elif step.call is not None and step.call.undo:
        if step.call.out:
            turn.record("step.skip_refused", name, reason="its undo is under way", by=by)
        else:
            undoing.undo_done(turn, name, note, by)
    elif step.status == "held" and step.children is not None and step.children.undoing:
        step.children.undoing = 0
        undoing.undo_done(turn, name, note, by)
    elif step.status == "held" and unwind.unwinding(turn, name):
        turn.cancel_step(name, note)
    elif step.status == "pending":
        turn.skip(name, note, by)
    else:
        if step.call is not None and not step.call.out:
            step.call = None
        skip_step(turn, name, note, by)


def _redo(turn: Turn, name: str, data: Mapping[str, Any], by: str) -> None:
    unwind.redo(turn, name, str(data.get("note", "")) or "asked for", by=by or "somebody")


def _data(turn: Turn) -> Mapping[str, Any]:
    return turn.event.data if isinstance(turn.event.data, dict) else {}


def _by(turn: Turn) -> str:
    return turn.event.actor.person if turn.event.actor else ""


def _of_a_step(act: Callable[[Turn, str, Mapping[str, Any], str], None]) -> Callable[[Turn], None]:
    """A repair of one step: of a live run, of a step that it has, and of what it was meant for.

    What answers an exception that has been closed meanwhile would meet the step in another state than the
    person saw, and perhaps call off what somebody else has just set going.
    """

    def handle(turn: Turn) -> None:
        data, by = _data(turn), _by(turn)
        name, answers = str(data.get("step", "")), str(data.get("exception", ""))
        if name not in turn.state.steps:
            turn.record("repair.refused", reason=f"there is no step {name!r}", by=by)
        elif turn.state.status in ENDED_RUN:
            turn.record("repair.refused", name, reason=f"the run is {turn.state.status}", by=by)
        elif answers and answers not in turn.state.exceptions:
            turn.record("repair.refused", name, reason=f"exception {answers} is not open any more", by=by)
        else:
            act(turn, name, data, by)

    return handle


HANDLERS: Mapping[str, Callable[[Turn], None]] = {
    EXCEPTION_CLOSE: close,
    RUN_CANCEL: cancel,
    STEP_RETRY: _of_a_step(_retry),
    STEP_SUPPLY: _of_a_step(_supply),
    STEP_SKIP: _of_a_step(_skip),
    STEP_REDO: _of_a_step(_redo),
}
