"""How one step is taken back: its call asked back or found out, its children cancelled, what it did undone.

What an undo is given is worked out when it is sent; what cannot be worked out, and what the partner refuses,
goes to a person. The order in which steps are undone, and when, is for `unwind` to say.
"""

from __future__ import annotations

import sys

from crossdock.process.definition import CallWork, PersonWork, RunWork
from crossdock.process.messages import CHILD_ENDED, RUN_CANCEL, Call, Tell, Withdraw
from crossdock.process.state import ENDED_STEP, PendingCall, StepState
from crossdock.process.turn import FAILURES, Turn


def undo_done(turn: Turn, name: str, note: str = "", by: str = "") -> None:
    """The step has been undone."""
    turn.end(name, "undone", "step.undone", reason=note, by=by)


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


def newest_to_undo(turn: Turn, steps: list[str]) -> str | None:
    """Which of these steps is to be undone next: the one that succeeded last.

    One that did not succeed, with child runs that did, is newer than any other, but not than what came of it.
    """
    left = [name for name in steps if _undoable(turn, name, turn.look(name))]
    newest: str | None = None
    while left:
        newest = max(left, key=lambda name: turn.look(name).order or sys.maxsize)
        if turn.look(newest).order:
            break
        came_of_it = with_dependents(turn, newest)
        left = [name for name in left if name in came_of_it and name != newest]
    return newest


def with_dependents(turn: Turn, target: str) -> list[str]:
    """A step and all that depends on it, in the order of the process."""
    found = {target}
    queue = [target]
    while queue:
        for name in turn.process.dependents.get(queue.pop(), ()):
            if name not in found:
                found.add(name)
                queue.append(name)
    return [name for name in turn.state.steps if name in found]


def _undoable(turn: Turn, name: str, step: StepState) -> bool:
    work = turn.process.steps[name].work
    if isinstance(work, RunWork):
        # also of a step that was skipped or failed: what its children did is still done
        children, undo = step.children, turn.process.steps[name].undo
        if undo is not None and undo.kind == "none":
            return False
        return step.status in ENDED_STEP - {"undone"} and children is not None and children.succeeded > 0
    undo = turn.process.steps[name].undo
    return step.status == "succeeded" and undo is not None and undo.kind == "call"


def undo(turn: Turn, name: str) -> None:
    """Begin to undo a step: by its call, or by telling its children."""
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
        turn.recall(f"{name}!undo")
        if undo.input is not None:
            given_to_it = turn.evaluate(undo.input, given)
        else:
            known = {**_mapping(step.input), **_mapping(step.output)}
            names = undo.input_names if undo.input_names is not None else tuple(known)
            given_to_it = {key: known[key] for key in names if key in known}
        via = turn.text(undo.via, given) if undo.via is not None else step.via
    except FAILURES as error:
        turn.cannot(f"{name}!undo", str(error))
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


def tell_parent(turn: Turn, status: str, reason: str = "", output: object = None, *, stays: str = "") -> None:
    """Tell the run that started this one how it ended; `stays`: why what it did cannot be taken back."""
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
    if stays:
        data["stays"] = stays
    turn.command(Tell(to="parent", type=CHILD_ENDED, data=data))


def withdraw_person(turn: Turn, name: str) -> None:
    """Withdraw the open approval or task of a step that ends without it."""
    step = turn.step(name)
    if step.task and isinstance(turn.process.steps[name].work, PersonWork):
        turn.record("task.withdrawn", name, task=step.task)
        step.task = ""
