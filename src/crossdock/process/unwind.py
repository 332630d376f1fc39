"""Taking back: redo returns steps to pending, cancel ends the run. Both go through the same three phases.

1. Taking down: nothing of the steps concerned starts any more. Open approvals and tasks are withdrawn,
   running children are cancelled, calls that are out are withdrawn or found out. An unknown outcome is never
   left behind.
2. Undoing: the steps that had succeeded are undone one after the other, by their time of success, newest
   first. An undo that fails is an exception on its step, and the rest waits for it.
3. Then the steps return to pending (redo), or the run ends (cancel, fail).

What cannot be undone (`undo: impossible`, once it has succeeded) is not taken back: the cancel or redo is
refused, with the reason, and raised instead (`cancel_refused`, `redo_refused`). Where that shows only after
the taking down, because a call that was out turns out to have been done, everything that was taken down is
given back: the run goes on as if nothing had been asked. `undo: none` says that nothing has to be taken back:
a cancel goes past such a step.
"""

from __future__ import annotations

import sys
from typing import Literal

import msgspec

from crossdock.process.definition import CallWork, PersonWork, RunWork
from crossdock.process.messages import CHILD_ENDED, RUN_CANCEL, Call, Tell, Withdraw
from crossdock.process.state import ENDED_STEP, PendingCall, StepState, Unwind
from crossdock.process.turn import FAILURES, Turn


def redo(turn: Turn, target: str, reason: str, *, by: str = "", most: int | None = None) -> bool:
    """Return `target` and all that depends on it to pending. False where that is refused.

    A redo that no person asked for (`by` empty) counts against the limit `most`, or the step's own.
    """
    steps = _with_dependents(turn, target)
    if turn.state.unwind is not None and turn.state.unwind.end:
        turn.record("redo.refused", target, reason=f"the run is being {turn.state.unwind.end}", by=by)
        return False
    _, obstacle = _obstacle(turn, steps)
    if obstacle:
        turn.record("redo.refused", target, reason=obstacle)
        turn.open("redo_refused", target, message=f"{target} cannot be done again: {obstacle}")
        return False
    if not by:
        limit = most or turn.process.steps[target].redo_most or 1
        step = turn.step(target)
        if step.auto_redo >= limit:
            message = f"{target} was done again {limit} times already"
            turn.open("redo_limit", target, message=message)
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


def undo_done(turn: Turn, name: str, note: str = "", by: str = "") -> None:
    """The step has been undone."""
    turn.end(name, "undone", "step.undone", reason=note, by=by)


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
    following = _newest_to_undo(turn, unwind.steps)
    if following is not None:
        _undo(turn, following)
        return True
    if unwind.end:
        _finish_end(turn, unwind)
    else:
        _finish_redo(turn, unwind)
    return True


def _with_dependents(turn: Turn, target: str) -> list[str]:
    found = {target}
    queue = [target]
    while queue:
        for name in turn.process.dependents.get(queue.pop(), ()):
            if name not in found:
                found.add(name)
                queue.append(name)
    return [name for name in turn.state.steps if name in found]


def _obstacle(turn: Turn, steps: list[str]) -> tuple[str, str]:
    """The step that has succeeded and cannot be undone, and why; empty where there is none."""
    for name in steps:
        undo = turn.process.steps[name].undo
        if undo is not None and undo.kind == "impossible" and turn.look(name).status == "succeeded":
            return name, undo.reason or f"{name} cannot be undone"
    return "", ""


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
        merged=before is not None,
    )
    already = set(before.steps) if before else set()
    for name in state.unwind.steps:
        if name not in already:
            _take_down(turn, name)
        if end and turn.look(name).status == "pending":
            turn.cancel_step(name, reason)


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
        take_call_back(turn, name)
        return
    reason = turn.state.unwind.reason if turn.state.unwind else ""
    if not cancel_children(turn, name, reason):
        turn.cancel_step(name, reason)


def cancel_children(turn: Turn, name: str, reason: str) -> bool:
    """Ask the children of a step that still run to cancel. Whether there are any."""
    children = turn.look(name).children
    if children is None or not children.open:
        return False
    for item, life in children.open.items():
        turn.command(
            Tell(to="child", type=RUN_CANCEL, data={"reason": reason}, step=name, item=item, redo=life)
        )
    return True


def take_call_back(turn: Turn, name: str) -> None:
    """Take back the call of a step, or find out what became of it. Its answer decides."""
    step = turn.step(name)
    call = step.call
    assert call is not None  # noqa: S101 - callers have looked
    if call.out:
        turn.command(Withdraw(id=call.id))
        turn.record("call.withdrawing", name, call=call.id)
    elif call.doubt:
        # Given up in doubt: it may have been done. Find out, and only that.
        work = turn.process.steps[name].work
        assert isinstance(work, CallWork)  # noqa: S101 - only calls are in doubt
        call.out = True
        call.attempt = 1
        step.status = "running"
        turn.command(
            Call(
                id=call.id,
                step=name,
                system=work.system,
                operation=work.operation,
                input=step.input,
                via=step.via,
                lane=lane(turn),
                doubt=True,
                only_find=True,
            )
        )
    else:
        turn.cancel_step(name, "taken back")


def lane(turn: Turn) -> str:
    """The document that calls of this run are about."""
    return f"{turn.process.document}/{turn.state.key}"


def life(step: StepState) -> int:
    """How often the work of a step was begun anew: names its tasks and children."""
    return step.redo + step.tries


def _outstanding(step: StepState) -> bool:
    children = step.children
    if children is not None and (children.open or children.undoing):
        return True
    # A step held in doubt, or held because its undo failed, waits for a person.
    return step.call is not None


def _newest_to_undo(turn: Turn, steps: list[str]) -> str | None:
    best: str | None = None
    for name in steps:
        step = turn.look(name)
        if not _undoable(turn, name, step):
            continue
        if best is None or _order(step) > _order(turn.look(best)):
            best = name
    return best


def _order(step: StepState) -> int:
    """A step that was still running with its children is newer than any that had succeeded."""
    return step.order or sys.maxsize


def _undoable(turn: Turn, name: str, step: StepState) -> bool:
    work = turn.process.steps[name].work
    if isinstance(work, RunWork):
        # also of a step that was skipped or failed: what its children did is still done
        children = step.children
        return step.status in ENDED_STEP - {"undone"} and children is not None and children.succeeded > 0
    undo = turn.process.steps[name].undo
    return step.status == "succeeded" and undo is not None and undo.kind == "call"


def _undo(turn: Turn, name: str) -> None:
    definition = turn.process.steps[name]
    step = turn.step(name)
    if isinstance(definition.work, RunWork):
        assert step.children is not None  # noqa: S101 - it is undoable
        step.children.undoing = step.children.succeeded
        turn.record("step.undoing", name, children=step.children.succeeded)
        data = {"reason": turn.state.unwind.reason if turn.state.unwind else ""}
        turn.command(Tell(to="child", type=RUN_CANCEL, data=data, step=name, redo=step.children.life))
        for item, own in step.children.lives.items():
            turn.command(Tell(to="child", type=RUN_CANCEL, data=data, step=name, item=item, redo=own))
        return
    undo = definition.undo
    assert undo is not None  # noqa: S101 - it is undoable
    given = {"output": step.output, "input": step.input}
    try:
        if undo.input is not None:
            given_to_it = turn.evaluate(undo.input, given)
        else:
            known = {**_mapping(step.input), **_mapping(step.output)}
            names = undo.input_names if undo.input_names is not None else tuple(known)
            given_to_it = {key: known[key] for key in names if key in known}
        via = turn.text(undo.via, given) if undo.via is not None else step.via
    except FAILURES as error:
        step.call = PendingCall(
            id=f"{call_id(name, step)}!undo", attempt=0, out=False, undo=True, error=str(error)
        )
        turn.hold(name, "undo_failed", message=f"what its undo needs could not be worked out: {error}")
        return
    step.call = PendingCall(id=f"{call_id(name, step)}!undo", undo=True, input=given_to_it, via=via)
    turn.record(
        "step.undoing",
        name,
        call=step.call.id,
        operation=f"{undo.system}.{undo.operation}",
        input=given_to_it,
    )
    _send_undo(turn, name)


def undo_again(turn: Turn, name: str, given_up: PendingCall) -> None:
    """Take up an undo that failed: send it again, or work out again what it needs."""
    step = turn.step(name)
    if given_up.attempt == 0:
        step.call = None
        return
    step.call = PendingCall(
        id=given_up.id, undo=True, doubt=given_up.doubt, via=given_up.via, input=given_up.input
    )
    _send_undo(turn, name, doubt=given_up.doubt)


def _send_undo(turn: Turn, name: str, *, doubt: bool = False) -> None:
    """Send the undo call of a step whose pending call is one."""
    undo = turn.process.steps[name].undo
    call = turn.step(name).call
    assert undo is not None and call is not None  # noqa: PT018, S101 - the caller has set both
    turn.command(
        Call(
            id=call.id,
            step=name,
            system=undo.system,
            operation=undo.operation,
            input=call.input,
            via=call.via,
            lane=lane(turn),
            undo=True,
            doubt=doubt,
        )
    )


def call_id(name: str, step: StepState) -> str:
    """The id of the call of a step in this life of it."""
    return f"{name}#{step.redo}" if step.redo else name


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def _finish_redo(turn: Turn, unwind: Unwind) -> None:
    state = turn.state
    state.unwind = None
    for name in unwind.steps:
        old = state.steps[name]
        if old.status == "pending":
            turn.changed.append(name)  # its turn may have come meanwhile
            continue
        for id_, open_ in list(state.exceptions.items()):
            if open_.step == name and (open_.holds or open_.late):
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
        if step.status != "cancelled":
            continue
        if step.children is not None:
            turn.step(name).status = "running"
            turn.changed.append(name)
            if step.children.again:
                turn.hold(
                    name, "child_failed", message="its runs were cancelled, then the cancel was refused"
                )
        else:
            _reset(turn, name, triggered=step.triggered, redo=step.redo + (step.started is not None))
    turn.record(f"{'cancel' if unwind.end else 'redo'}.refused", reason=obstacle, by=unwind.by)
    if unwind.end:
        turn.set_status("active")
        turn.open("cancel_refused", message=f"cannot be {unwind.end}: {obstacle}", wanted=unwind.reason)
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
    tell_parent(turn, status, reason, output)


def tell_parent(turn: Turn, status: str, reason: str = "", output: object = None) -> None:
    """Tell the run that started this one how it ended."""
    parent = turn.state.parent
    if parent is None:
        return
    data: dict[str, object] = {
        "step": parent.step,
        "item": parent.item,
        "redo": parent.redo,
        "status": status,
    }
    if reason:
        data["reason"] = reason
    if output is not None:
        data["output"] = output
    turn.command(Tell(to="parent", type=CHILD_ENDED, data=data))


def withdraw_person(turn: Turn, name: str) -> None:
    """Withdraw the open approval or task of a step that ends without it."""
    step = turn.step(name)
    if step.task and isinstance(turn.process.steps[name].work, PersonWork):
        turn.record("task.withdrawn", name, task=step.task)
        step.task = ""
