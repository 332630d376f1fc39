"""Child runs: one, or one for every item of a list that may still grow.

The parent keeps counts and the open ones. An item is known by its key (`item_key`, else its own id or
number): it starts one child, however often the list is looked at and in whatever order. The step ends when
the list is final (every step that it names has ended) and all children have.
"""

from __future__ import annotations

import copy
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import EvaluationError
from crossdock.process import unwind
from crossdock.process.actions import failed
from crossdock.process.definition import RunWork
from crossdock.process.messages import StartChild
from crossdock.process.state import ENDED_STEP, Children, StepState
from crossdock.process.turn import DecisionError, Turn

MOST_CHILDREN = 10_000
_OWN_KEYS = ("id", "number", "key", "name")


def start(turn: Turn, name: str, work: RunWork) -> None:
    """Start the child, or the children that the list has so far."""
    step = turn.step(name)
    step.status = "running"
    if work.each is not None:
        step.children = step.children or Children()
        grow(turn, name)
        return
    document = turn.evaluate(work.document) if work.document is not None else turn.state.document
    step.children = Children(final=True)
    _start_one(turn, name, work, "", document)


def grow(turn: Turn, name: str) -> None:
    """Look at the list again: start children for new items, and see whether it is final."""
    work = turn.process.steps[name].work
    if (
        not isinstance(work, RunWork)
        or work.each is None
        or turn.look(name).status not in {"running", "held"}
    ):
        return
    items = turn.evaluate(work.each)
    if not isinstance(items, list):
        raise EvaluationError(f"`each` of {name} gave {items!r:.80}, where a list is needed")
    step = turn.step(name)
    children = step.children or Children()
    step.children = children
    if len(items) > MOST_CHILDREN:
        raise DecisionError(
            f"`each` of {name} has {len(items)} items; {MOST_CHILDREN} is the most",
            where=turn.state.id,
            mend="group the items, or start the runs by events",
        )
    for item in items:
        key = _key(turn, work, item)
        if key not in children.started:
            document = turn.evaluate(work.document, {"item": item}) if work.document is not None else item
            _start_one(turn, name, work, key, document)
    children.final = all(turn.look(other).status in ENDED_STEP for other in work.growing)
    _see(turn, name)


def ended(turn: Turn) -> None:
    """A child has ended, or has said that it cannot be undone."""
    data = turn.event.data
    name, item = str(data["step"]), str(data.get("item", ""))
    status, reason = str(data["status"]), str(data.get("reason", ""))
    known = turn.state.steps.get(name)
    if known is None or known.children is None or data.get("redo", 0) != _life(known):
        turn.record("child.surplus", name, item, status=status)
        return
    step = turn.step(name)
    children = step.children
    assert children is not None  # noqa: S101 - looked at above
    if children.undoing and item not in children.open:
        _undone(turn, name, step, children, item, status, reason)
        return
    if item not in children.open:
        turn.record("child.surplus", name, item, status=status)
        return
    work = turn.process.steps[name].work
    assert isinstance(work, RunWork)  # noqa: S101 - only such steps have children
    children.open = {key: value for key, value in children.open.items() if key != item}
    turn.record("child.ended", name, item, status=status, reason=reason, output=data.get("output"))
    if status == "completed":
        children.succeeded += 1
        if work.each is None:
            step.output = data.get("output")
        if work.keeps_outputs or work.each is None:
            children.outputs = {**children.outputs, item: data.get("output")}
    elif status == "cancelled":
        children.cancelled += 1
    else:
        children.failed += 1
    if unwind.unwinding(turn, name):
        if not children.open:
            turn.cancel_step(name, "taken back")
        return
    if status != "completed" and step.status not in ENDED_STEP:
        what = f"{work.process} {item}".strip()
        children.again = {**children.again, item: reason or status}
        failed(
            turn,
            name,
            "child_failed",
            f"{what} was {status}: {reason}" if reason else f"{what} was {status}",
            item=item,
        )
    turn.changed.append(name)
    _see(turn, name)


def again(turn: Turn, name: str, work: RunWork) -> None:
    """Start the children that failed once more, as runs of their own."""
    step = turn.step(name)
    children = step.children or Children()
    failed_items = children.again
    step.tries += 1
    step.status = "running"
    if children.open:
        raise Refused("children are still running", mend="try again when they have ended")
    children.again = {}
    documents: dict[str, Any] = {}
    if work.each is not None:
        for item in turn.evaluate(work.each):
            documents[_key(turn, work, item)] = (
                turn.evaluate(work.document, {"item": item}) if work.document is not None else item
            )
    else:
        documents[""] = turn.evaluate(work.document) if work.document is not None else turn.state.document
    for item in failed_items:
        children.started = {key: value for key, value in children.started.items() if key != item}
        if item in documents:
            _start_one(turn, name, work, item, documents[item])
    _see(turn, name)


def _start_one(turn: Turn, name: str, work: RunWork, item: str, document: Any) -> None:
    step = turn.step(name)
    children = copy.copy(step.children) if step.children is not None else Children()
    children.open = {**children.open, item: False}
    children.started = {**children.started, item: True}
    step.children = children
    turn.record("child.started", name, item, process=work.process)
    turn.command(StartChild(step=name, item=item, redo=_life(step), process=work.process, document=document))


def _see(turn: Turn, name: str) -> None:
    """End the step when the list is final and all children have ended."""
    step = turn.look(name)
    children = step.children
    if children is None or step.status != "running" or children.open or not children.final or children.again:
        return
    turn.succeed(name, step.output)


def _undone(
    turn: Turn, name: str, step: StepState, children: Children, item: str, status: str, reason: str
) -> None:
    turn.record("child.ended", name, item, status=status, reason=reason)
    if status in {"cancelled", "failed"}:
        children.undoing -= 1
        children.succeeded -= 1
        if not children.undoing:
            unwind.undo_done(turn, name)
    else:
        del step
        turn.hold(name, "undo_failed", message=f"{item or name} could not be undone: {reason}", item=item)


def _life(step: StepState) -> int:
    return step.redo + step.tries


def _key(turn: Turn, work: RunWork, item: Any) -> str:
    if work.item_key is not None:
        value = turn.evaluate(work.item_key, {"item": item})
    elif isinstance(item, dict):
        value = next((item[key] for key in _OWN_KEYS if item.get(key)), None)
    else:
        value = item
    if not isinstance(value, str | int) or value == "":
        raise EvaluationError(
            "an item of `each` has no key",
            mend="say what names an item: `item_key: ${ item.number }`",
        )
    return str(value)
