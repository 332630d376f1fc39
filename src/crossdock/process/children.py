"""Child runs: one, or one for every item of a list that may still grow.

The parent keeps counts and the open ones; the keys of all only while the list may still change. An item is
known by its key (`item_key`, else its own id or number): it starts one child, however often the list is
looked at and in whatever order. An item that disappears leaves its child alone. The step ends when the list
is final (every step that it names has ended) and all children have.

A child that fails or is cancelled makes the step fail; `fails` decides. Where that holds the step, the other
children go on, and a person starts the failed ones again, or settles one of them: with the result found by
hand, or without.
"""

from __future__ import annotations

from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import EvaluationError
from crossdock.process import undoing, unwind
from crossdock.process.actions import failed
from crossdock.process.definition import RunWork
from crossdock.process.messages import StartChild
from crossdock.process.state import ENDED_RUN, ENDED_STEP, Children
from crossdock.process.turn import DecisionError, Turn

MOST_CHILDREN = 10_000
_OWN_KEYS = ("id", "number", "key", "name")


def start(turn: Turn, name: str, work: RunWork) -> None:
    """Start the child, or the children that the list has so far."""
    step = turn.step(name)
    step.status = "running"
    if step.children is None:
        step.children = Children(life=undoing.life(step))
    if work.each is not None:
        grow(turn, name)
        return
    step.children.final = True
    if not step.children.started:
        document = turn.evaluate(work.document) if work.document is not None else turn.state.document
        _start(turn, name, work, {"": document})


def grow(turn: Turn, name: str) -> None:
    """Look at the list again: start children for new items, and see whether it is final."""
    work = turn.process.steps[name].work
    step = turn.look(name)
    if not isinstance(work, RunWork) or step.status not in {"running", "held"}:
        return
    if work.each is None:
        _see(turn, name)
        return
    if step.children is None:
        return  # held before it had begun
    if step.children.final and not step.children.started:
        _see(turn, name)  # the list cannot change any more
        return
    final = all(turn.look(other).status in ENDED_STEP for other in work.growing)
    known = set(step.children.started)
    try:
        items = turn.evaluate(work.each)
    except EvaluationError:
        if final:
            raise
        items = None
    if items is None and not final:
        return  # what the list is made of is not there yet
    _start(turn, name, work, _documents(turn, name, work, items, known))
    children = turn.step(name).children
    assert children is not None  # noqa: S101 - looked at above
    children.final = final
    if final and name not in turn.process.watches_document:
        children.started = []
    _see(turn, name)


def ended(turn: Turn) -> None:
    """A child has ended, or has said that it cannot be undone."""
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    name, item, status = str(data.get("step", "")), str(data.get("item", "")), str(data.get("status", ""))
    reason = str(data.get("reason", ""))
    known = turn.state.steps.get(name)
    children = known.children if known is not None else None
    if children is None or data.get("redo", 0) != children.open.get(
        item, children.lives.get(item, children.life)
    ):
        turn.record("child.surplus", name, item, status=status)
    elif item in children.open and status == "refused":
        _refused(turn, name, item, reason)
    elif item in children.open:
        _settle(turn, name, item, status, reason, data.get("output"), str(data.get("stays", "")))
    elif children.undoing:
        _undone(turn, name, item, status, reason)
    elif status in {"cancelled", "failed"} and children.succeeded and turn.state.status not in ENDED_RUN:
        _taken_back(turn, name, item, status, reason)
    else:
        turn.record("child.surplus", name, item, status=status)


def _taken_back(turn: Turn, name: str, item: str, status: str, reason: str) -> None:
    """A child had completed when it was told to cancel, and what it did is undone by now."""
    turn.record("child.ended", name, item, status=status, reason=reason)
    step = turn.step(name)
    children, work = step.children, turn.process.steps[name].work
    assert children is not None and isinstance(work, RunWork)  # noqa: S101, PT018 - the caller has looked
    children.succeeded -= 1
    children.outputs = {key: output for key, output in children.outputs.items() if key != item}
    if unwind.unwinding(turn, name) or (step.status in ENDED_STEP and step.status != "succeeded"):
        return
    said = f"{work.process} {item}".strip() + f" was taken back: {reason}"
    if step.status == "succeeded":
        turn.open("child_failed", name, message=said, item=item)
        return
    children.cancelled += 1
    children.again = {**children.again, item: "cancelled"}
    failed(turn, name, "child_failed", said, item=item)


def _refused(turn: Turn, name: str, item: str, reason: str) -> None:
    """A child goes on that was asked to cancel: what it did stays."""
    turn.record("child.ended", name, item, status="refused", reason=reason)
    children = turn.step(name).children
    assert children is not None  # noqa: S101 - the caller has looked
    children.stays = children.stays or reason
    if unwind.unwinding(turn, name) and item not in children.refusing:
        children.refusing = [*children.refusing, item]


def settle_by_hand(turn: Turn, name: str, item: str, by: str, note: str, *, output: Any, done: bool) -> None:
    """A person settles one child that did not succeed: `done`, with the result found by hand, or without."""
    children = turn.step(name).children
    if children is None or item not in children.again:
        refused = "step.supply_refused" if done else "step.skip_refused"
        turn.record(refused, name, item, reason="no such child of it has failed", by=by)
        return
    _forget_failure(children, item)
    if done:
        children.outputs = {**children.outputs, item: output}
        children.supplied += 1
    turn.record("child.supplied" if done else "child.skipped", name, item, by=by, note=note)
    _go_on(turn, name, by, note)


def again(turn: Turn, name: str, by: str, item: str = "") -> None:
    """Start the children that failed once more (or that one), as runs of their own."""
    work = turn.process.steps[name].work
    assert isinstance(work, RunWork)  # noqa: S101 - only such steps have children
    step = turn.step(name)
    children = step.children
    assert children is not None  # noqa: S101 - callers have looked
    wanted = [key for key in children.again if not item or key == item]
    documents = (
        _documents(turn, name, work, turn.evaluate(work.each), set(), only=set(wanted))
        if work.each is not None
        else {"": turn.evaluate(work.document) if work.document is not None else turn.state.document}
    )
    missing = [key for key in wanted if key not in documents]
    if missing:
        raise Refused(
            f"{', '.join(missing[:5])} is not in the list any more", mend="skip the child, with a reason"
        )
    for key in wanted:
        _forget_failure(children, key)
    step.tries += 1
    life = undoing.life(step)
    children.lives = {**children.lives, **dict.fromkeys(wanted, life)}
    children.open = {**children.open, **dict.fromkeys(wanted, life)}
    for key in wanted:
        _ask(turn, name, work, key, life, documents[key])
    _go_on(turn, name, by, "tried again")


def _documents(
    turn: Turn, name: str, work: RunWork, items: Any, known: set[str], only: set[str] | None = None
) -> dict[str, Any]:
    """The documents of the items that are not `known`, by key (of `only` those, where given)."""
    if not isinstance(items, list):
        raise EvaluationError(f"`each` of {name} gave {items!r:.80}, where a list is needed")
    found: dict[str, Any] = {}
    for item in items:
        key = _key(turn, work, item)
        if key not in known and key not in found and (only is None or key in only):
            found[key] = turn.evaluate(work.document, {"item": item}) if work.document is not None else item
    if len(found) + len(known) > MOST_CHILDREN:
        raise DecisionError(
            f"`each` of {name} has more than {MOST_CHILDREN} items",
            where=turn.state.id,
            mend="group the items, or start the runs by events",
        )
    return found


def _start(turn: Turn, name: str, work: RunWork, documents: dict[str, Any]) -> None:
    """Start a child for each of these items."""
    if not documents:
        return
    children = turn.step(name).children
    assert children is not None  # noqa: S101 - callers have looked
    children.open = {**children.open, **dict.fromkeys(documents, children.life)}
    children.started = [*children.started, *documents]
    children.total += len(documents)
    for key, document in documents.items():
        _ask(turn, name, work, key, children.life, document)


def _ask(turn: Turn, name: str, work: RunWork, item: str, life: int, document: Any) -> None:
    turn.record("child.started", name, item, process=work.process)
    turn.command(StartChild(step=name, item=item, redo=life, process=work.process, document=document))


def _settle(turn: Turn, name: str, item: str, status: str, reason: str, output: Any, stays: str = "") -> None:
    """Count a child that has ended, and see what becomes of the step."""
    step = turn.step(name)
    children = step.children
    work = turn.process.steps[name].work
    assert children is not None and isinstance(work, RunWork)  # noqa: S101, PT018 - the caller has looked
    children.open = children.open.copy()  # of ten thousand: a copy is quick, a comprehension is not
    del children.open[item]
    if item in children.refusing:
        children.refusing = [other for other in children.refusing if other != item]
    turn.record("child.ended", name, item, status=status, reason=reason, output=output, stays=stays)
    if status == "completed":
        children.succeeded += 1
        children.stays = children.stays or stays
        if work.each is None:
            step.output = output
        if work.keeps_outputs:
            children.outputs = {**children.outputs, item: output}
    elif status == "cancelled":
        children.cancelled += 1
    else:
        children.failed += 1
    turn.changed.append(name)
    if status != "completed" and step.status not in ENDED_STEP:
        children.again = {**children.again, item: "cancelled" if status == "cancelled" else "failed"}
    if unwind.unwinding(turn, name):
        if not children.open:
            turn.cancel_step(name, "taken back")
    elif status != "completed" and step.status not in ENDED_STEP:
        what = f"{work.process} {item}".strip()
        said = f"{what} was {status}: {reason}" if reason else f"{what} was {status}"
        failed(turn, name, "child_failed", said, item=item)
    else:
        _see(turn, name)


def _see(turn: Turn, name: str) -> None:
    """End the step when the list is final and all children have ended."""
    step = turn.look(name)
    children = step.children
    if children is None or step.status != "running" or children.open or not children.final or children.again:
        return
    turn.succeed(name, step.output)


def _go_on(turn: Turn, name: str, by: str, note: str) -> None:
    """A child that had failed is dealt with: with the last one, the step goes on."""
    step = turn.step(name)
    children = step.children
    assert children is not None  # noqa: S101 - callers have looked
    if step.status == "held" and not children.again:
        for id_, open_ in list(turn.state.exceptions.items()):
            if open_.step == name and open_.holds:
                turn.close(id_, note, by)
        if not turn.blocked(name):
            step.status = "running"
            turn.record("step.resumed", name, by=by)
    turn.changed.append(name)
    _see(turn, name)


def _forget_failure(children: Children, item: str) -> None:
    """The child does not count as failed any more."""
    if children.again[item] == "cancelled":
        children.cancelled -= 1
    else:
        children.failed -= 1
    children.again = {key: value for key, value in children.again.items() if key != item}


def _undone(turn: Turn, name: str, item: str, status: str, reason: str) -> None:
    turn.record("child.ended", name, item, status=status, reason=reason)
    children = turn.step(name).children
    assert children is not None  # noqa: S101 - the caller has looked
    if status not in {"cancelled", "failed"}:
        turn.hold(name, "undo_failed", message=f"{item or name} could not be undone: {reason}", item=item)
        return
    children.undoing -= 1
    children.succeeded -= 1
    if not children.undoing:
        undoing.undo_done(turn, name)


def _key(turn: Turn, work: RunWork, item: Any) -> str:
    if work.item_key is not None:
        value = turn.evaluate(work.item_key, {"item": item})
    elif isinstance(item, dict):
        value = next((item[key] for key in _OWN_KEYS if item.get(key)), None)
    else:
        value = item
    if not isinstance(value, str | int) or isinstance(value, bool) or value == "":
        raise EvaluationError(
            "an item of `each` has no key",
            mend="say what names an item: `item_key: ${ item.number }`",
        )
    return str(value)
