"""Taking back: redo returns steps to pending, cancel ends the run. Both go through the same three phases.

1. Taking down: nothing of the steps concerned starts any more. Open approvals and tasks are withdrawn,
   running children are cancelled, calls that are out are withdrawn or found out. An unknown outcome is never
   left behind.
2. Undoing: the steps that had succeeded are undone one after the other, by their time of success, newest
   first. An undo that fails is an exception on its step, and the rest waits for it.
3. Then the steps return to pending (redo), or the run ends (cancel, fail).

What cannot be undone (`undo: impossible`, once the step or one of its children has succeeded; or a child says
that what it did stays) is not taken back: the cancel or redo is refused, with the reason, and raised instead
(`cancel_refused`, `redo_refused`).
Where that shows only after the taking down, because a call that was out turns out to have been done or a
child refuses, everything that was taken down is given back: the run goes on as if nothing had been asked.
`undo: none` says that nothing has to be taken back: a cancel goes past such a step.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from crossdock.process import undoing
from crossdock.process.definition import AwaitWork, WaitWork
from crossdock.process.state import ENDED_STEP, OpenException, PendingCall, StepState, Unwind, Waited
from crossdock.process.turn import Turn

_OVER = frozenset({"redo_limit", "redo_refused"})  # of no meaning any more once it was done again


def redo(
    turn: Turn, target: str, reason: str, *, by: str = "", most: int | None = None, asked: str = ""
) -> bool:
    """Return `target` and all that depends on it to pending. False where that is refused.

    A redo that no person asked for (`by` empty) counts against the limit `most`, or the step's own, unless
    nothing has begun that would be done again. Its refusal is told of the step that `asked` for it, so that
    it is settled when that has ended.
    """
    steps = undoing.with_dependents(turn, target)
    if turn.state.unwind is not None and turn.state.unwind.end:
        turn.record("redo.refused", target, reason=f"the run is being {turn.state.unwind.end}", by=by)
        return False
    _, obstacle = _obstacle(turn, steps)
    if obstacle:
        turn.record("redo.refused", target, reason=obstacle)
        turn.open("redo_refused", asked or target, message=f"{target} cannot be done again: {obstacle}")
        return False
    if not by and any(_has_begun(turn.look(name)) for name in steps):
        limit = most or turn.process.steps[target].redo_most or 1
        step = turn.step(target)
        if step.auto_redo >= limit:
            message = f"{target} was done again {limit} times already"
            turn.open("redo_limit", asked or target, message=message)
            return False
        step.auto_redo += 1
    turn.record("redo.begun", target, steps=steps, reason=reason, by=by)
    _begin(turn, steps, end="", reason=reason, by=by)
    return True


def end_run(turn: Turn, end: Literal["cancelled", "failed"], reason: str, *, by: str = "") -> bool:
    """Begin to cancel (`cancelled`) or give up (`failed`) the run. False where that is refused."""
    state = turn.state
    if state.unwind is not None and state.unwind.end:
        turn.record("cancel.refused", reason=f"the run is being {state.unwind.end} already", by=by)
        return False
    _, obstacle = _obstacle(turn, list(state.steps))
    if obstacle:
        turn.record("cancel.refused", reason=obstacle, by=by)
        turn.open("cancel_refused", message=f"cannot be {end}: {obstacle}", wanted=reason)
        return False
    turn.record("run.cancelling", reason=reason, by=by, end=end)
    turn.set_status("cancelling")
    state.ended = None
    _begin(turn, list(state.steps), end=end, reason=reason, by=by)
    return True


def unwinding(turn: Turn, name: str) -> bool:
    """Whether this step is being taken back."""
    return turn.state.unwind is not None and name in turn.state.unwind.steps


def go_on(turn: Turn) -> bool:
    """Take the next step of taking back, if nothing is outstanding. Whether anything has changed."""
    unwind = turn.state.unwind
    if unwind is None or any(_outstanding(turn.look(name)) for name in unwind.steps):
        return False
    if not unwind.undoing:
        name, obstacle = _obstacle(turn, unwind.steps)
        if obstacle and not unwind.merged:
            _give_back(turn, unwind, obstacle)
            return True
        if obstacle:
            # Part of it may be undone already, so nothing can be given back: a person says what to do.
            call = PendingCall(id=f"{name}!undo", attempt=0, out=False, undo=True)
            turn.step(name).call = call
            turn.hold(name, "undo_failed", message=f"cannot be undone: {obstacle}")
            return True
        unwind = turn.state.unwind = msgspec.structs.replace(unwind, undoing=True)
    following = undoing.newest_to_undo(turn, unwind.steps)
    if following is not None:
        undoing.undo(turn, following)
        return True
    if unwind.end:
        _finish_end(turn, unwind)
    else:
        _finish_redo(turn, unwind)
    return True


def _obstacle(turn: Turn, steps: list[str]) -> tuple[str, str]:
    """The step that has succeeded and cannot be undone, and why; empty where there is none."""
    for name in steps:
        undo = turn.process.steps[name].undo
        step = turn.look(name)
        kind = undo.kind if undo is not None else ""
        if undo is not None and kind == "impossible" and _was_done(step):
            return name, undo.reason or f"{name} cannot be undone"
        if step.children is not None and step.children.stays and kind != "none" and step.status != "undone":
            return name, step.children.stays
    return "", ""


def _was_done(step: StepState) -> bool:
    """Whether a step has done what it does, or one of its children has."""
    return step.status == "succeeded" or (step.children is not None and step.children.succeeded > 0)


def _has_begun(step: StepState) -> bool:
    return step.status != "pending" or step.started is not None


def _begin(
    turn: Turn, steps: list[str], *, end: Literal["", "cancelled", "failed"], reason: str, by: str
) -> None:
    state = turn.state
    before = state.unwind
    concerned = {*steps, *(before.steps if before else ())}
    names = [name for name in state.steps if name in concerned]
    state.unwind = Unwind(
        steps=names,
        end=end,
        reason=reason,
        by=by,
        down=[name for name in names if turn.look(name).status not in ENDED_STEP],
        waited={name: _where(turn, name) for name in names if _stands(turn, name)},
        merged=before is not None,
    )
    already = set(before.steps) if before else set()
    for name in state.unwind.steps:
        if name not in already:
            if not end and turn.look(name).status not in {"pending", "held"}:
                _leave_behind(turn, name)
            _take_down(turn, name)
        if end and turn.look(name).status == "pending":
            turn.cancel_step(name, reason)


def _stands(turn: Turn, name: str) -> bool:
    """Whether nothing is under way for a step that has begun: it waits for an event, a time or a person."""
    step = turn.look(name)
    if step.status == "held":
        given_up = step.call is None or not (step.call.out or step.call.doubt or step.call.undo)
        return given_up and step.children is None
    return step.status == "waiting" and isinstance(turn.process.steps[name].work, AwaitWork | WaitWork)


def _where(turn: Turn, name: str) -> Waited:
    step = turn.look(name)
    return Waited(
        held=step.status == "held",
        call=step.call,
        reason=step.reason,
        climbed=step.climbed,
        raised=[one for one in turn.state.exceptions.values() if one.step == name],
    )


def hold_where_given_back(turn: Turn, name: str, type_: str, message: str, call: PendingCall | None) -> None:
    """A step whose end asked for the taking back: where that is refused after all, the step is held so."""
    unwinding = turn.state.unwind
    assert unwinding is not None  # noqa: S101 - asked before
    held = OpenException(type=type_, step=name, message=message, raised=turn.now, holds=True)
    where = Waited(held=True, call=call, reason=message, raised=[held])
    turn.state.unwind = msgspec.structs.replace(unwinding, waited={**unwinding.waited, name: where})


def _stand_again(turn: Turn, name: str, where: Waited) -> None:
    """Let a step be where it stood: with the events that it has, and its deadline from its start."""
    step = turn.step(name)
    step.status = "held" if where.held else "waiting"
    step.call, step.reason, step.ended, step.climbed = where.call, where.reason, None, where.climbed
    turn.record("step.resumed", name)
    for one in where.raised:
        turn.open(
            one.type,
            name,
            message=one.message,
            severity=one.severity or None,
            holds=one.holds,
            late=one.late,
        )
    turn.given_back.append(name)


def _leave_behind(turn: Turn, name: str) -> None:
    """What is kept for other steps came before this one's redo: it waits for what comes after."""
    turn.state.kept = [
        msgspec.structs.replace(kept, past=[*kept.past, name]) if name not in kept.past else kept
        for kept in turn.state.kept
    ]


def _take_down(turn: Turn, name: str) -> None:
    status = turn.look(name).status
    if status in ENDED_STEP or status == "pending":
        return
    step = turn.step(name)
    step.due = step.next = None
    if step.task:
        turn.record("task.withdrawn", name, task=step.task)
        step.task = ""
    if step.call is not None:
        undoing.take_call_back(turn, name)
        return
    reason = turn.state.unwind.reason if turn.state.unwind else ""
    if not undoing.cancel_children(turn, name, reason):
        turn.cancel_step(name, reason)
    elif status == "held":
        # A child had failed: nobody is asked about it any more, and nobody starts it again meanwhile.
        for id_, open_ in list(turn.state.exceptions.items()):
            if open_.step == name and open_.holds:
                turn.close(id_, reason)
        step.status = "running"


def _outstanding(step: StepState) -> bool:
    children = step.children
    if children is not None and (len(children.open) > len(children.refusing) or children.undoing):
        return True
    # A step held in doubt, or held because its undo failed, waits for a person.
    return step.call is not None


def _finish_redo(turn: Turn, unwind: Unwind) -> None:
    state = turn.state
    state.unwind = None
    for name in unwind.steps:
        old = state.steps[name]
        if old.status == "pending":
            turn.changed.append(name)  # its turn may have come meanwhile
            continue
        for id_, open_ in list(state.exceptions.items()):
            if open_.step == name and (open_.holds or open_.late or open_.type in _OVER):
                turn.close(id_, "done again", unwind.by)
        # What a step that is done again had called for is called for anew, if at all.
        called = old.triggered and not turn.process.triggers.get(name, frozenset()) & set(unwind.steps)
        _reset(turn, name, triggered=called, redo=old.redo + 1)
        turn.record("step.redone", name, redo=old.redo + 1)


def _reset(turn: Turn, name: str, *, triggered: bool, redo: int) -> None:
    """Return a step to pending, in life `redo` of it."""
    old = turn.step(name)
    turn.state.steps[name] = StepState(
        redo=redo, auto_redo=old.auto_redo, tries=old.tries, triggered=triggered
    )
    turn.changed.append(name)


def _give_back(turn: Turn, unwind: Unwind, obstacle: str) -> None:
    """Something turned out to have been done that cannot be undone: go on with what was taken down."""
    turn.state.unwind = None
    for name in unwind.down:
        step = turn.look(name)
        if step.children is not None and (step.status == "cancelled" or step.children.refusing):
            children = turn.step(name).children
            assert children is not None  # noqa: S101 - looked at above
            turn.step(name).status = "running"
            children.refusing = []
            turn.given_back.append(name)
            if children.again:
                turn.hold(
                    name, "child_failed", message="its runs were cancelled, then the cancel was refused"
                )
        elif name in unwind.waited:
            _stand_again(turn, name, unwind.waited[name])
        elif step.status == "cancelled":
            _reset(turn, name, triggered=step.triggered, redo=step.redo + (step.started is not None))
    turn.changed.extend(unwind.steps)  # the turn of some may have come meanwhile
    turn.record("cancel.refused" if unwind.end else "redo.refused", reason=obstacle, by=unwind.by)
    if unwind.end:
        turn.set_status("active")
        turn.open("cancel_refused", message=f"cannot be {unwind.end}: {obstacle}", wanted=unwind.reason)
        undoing.tell_parent(turn, "refused", obstacle)
    else:
        turn.open("redo_refused", message=f"cannot be done again: {obstacle}")


def _finish_end(turn: Turn, unwind: Unwind) -> None:
    state = turn.state
    state.unwind = None
    for name in state.steps:
        turn.cancel_step(name, unwind.reason)
    assert unwind.end  # noqa: S101 - else it is a redo
    close_run(turn, unwind.end, unwind.reason)


def close_run(
    turn: Turn, status: Literal["completed", "cancelled", "failed"], reason: str = "", output: object = None
) -> None:
    """The run has ended. Its parent, if it has one, is told."""
    state = turn.state
    turn.set_status(status)
    state.ended = turn.now
    state.reason = reason
    state.kept = []
    turn.record(f"run.{status}", reason=reason, output=output)
    _, stays = _obstacle(turn, list(state.steps)) if status == "completed" and state.parent else ("", "")
    undoing.tell_parent(turn, status, reason, output, stays=stays)
