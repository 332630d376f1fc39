"""Starting the work of a step, by its kind, and taking it up again after an exception was closed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from crossdock.expressions import EvaluationError
from crossdock.process import calls, children, deadlines
from crossdock.process.actions import failed
from crossdock.process.definition import (
    AwaitWork,
    CallWork,
    ChooseWork,
    EmitWork,
    PersonWork,
    RunWork,
    SetWork,
    Step,
    WaitWork,
)
from crossdock.process.people import open_task
from crossdock.process.turn import FAILURES, Turn
from crossdock.process.views import same_event, text_of


def start(turn: Turn, name: str) -> None:
    """Start a step whose turn has come. One that cannot be worked out has failed; other branches go on."""
    if not turn.is_time(name):
        return
    definition = turn.process.steps[name]
    step = turn.step(name)
    step.started = turn.now
    step.reason = ""
    step.rung, step.climbed = 0, []
    step.due = step.next = None
    try:
        turn.recall(name)
        if not turn.holds(definition.condition):
            turn.skip(name, "its condition does not hold")
            return
        if not turn.begin(name):
            step.started = None
            return
        _begin(turn, name, definition)
    except FAILURES as error:
        turn.cannot(name, str(error))
        failed(turn, name, "decision_failed", str(error))
        return
    if definition.deadline is not None and turn.look(name).status in {"running", "waiting"}:
        try:
            deadlines.set_deadline(turn, name)
        except FAILURES as error:
            deadlines.unknown_due(turn, name, error)


def start_anew(turn: Turn, name: str) -> None:
    """Make the call of a held step anew, with an input and an id of its own; its deadline runs on."""
    step = turn.step(name)
    step.call = None
    step.redo += 1
    turn.record("step.redone", name, redo=step.redo)
    try:
        _begin(turn, name, turn.process.steps[name])
    except FAILURES as error:
        turn.cannot(name, str(error))
        failed(turn, name, "decision_failed", str(error))


def resume(turn: Turn, name: str, *, by: str = "") -> None:
    """Go on with a held step whose exceptions are all closed."""
    step = turn.step(name)
    if step.call is None and step.children is not None and step.children.again and not step.children.undoing:
        try:
            children.again(turn, name, by)
        except FAILURES as error:
            turn.hold(name, "child_failed", message=str(error))
        return
    turn.record("step.resumed", name, by=by)
    if step.call is not None:
        calls.send(turn, name)
    elif step.children is not None and step.children.undoing:
        step.status = "succeeded"
        step.children.undoing = 0
        turn.changed.append(name)
    else:
        step.tries += 1
        step.status = "pending"
        turn.changed.append(name)


def take_kept(turn: Turn, name: str) -> None:
    """Give a step that has begun to wait the events that came before it did."""
    work = turn.process.steps[name].work
    if not isinstance(work, AwaitWork):
        return
    for kept in turn.state.kept:
        if turn.look(name).status != "waiting":
            return
        had = name in kept.past or kept.view in turn.look(name).events
        if kept.type in work.types and not had:
            offer(turn, name, work, kept.view, at=kept.time)


def matches(turn: Turn, name: str, work: AwaitWork, view: dict[str, Any]) -> bool | None:
    """Whether a step would take this event. None: that cannot be worked out, and an exception tells so."""
    try:
        return turn.holds(work.match, {"event": view})
    except FAILURES as error:
        event = f"{view['meta']['type']} {view['meta']['id']}"
        turn.open("decision_failed", name, message=f"`match` failed on {event}: {error}", event=event)
        return None


def offer(turn: Turn, name: str, work: AwaitWork, view: dict[str, Any], *, at: datetime) -> bool:
    """Whether a waiting step takes this event (or an exception tells why not); the wait may be over.

    `at` is when it happened: the event in hand is another one where this was kept.
    """
    matching = matches(turn, name, work, view)
    if not matching:
        return matching is None
    step = turn.step(name)
    step.events = [*step.events, view]
    step.output = view
    turn.changed.append(name)
    if work.until is None:
        turn.succeed(name, at=at)
        return True
    try:
        check_until(turn, name, at=at)
    except FAILURES as error:
        turn.open("decision_failed", name, message=f"`until` could not be worked out: {error}")
    return True


def taken(turn: Turn, name: str) -> bool:
    """Whether a step has this event already."""
    return any(same_event(view, turn.event) for view in turn.look(name).events)


def check_until(turn: Turn, name: str, *, at: datetime | None = None) -> None:
    """End the wait of a step whose `until` holds by now: also before any event, where it then makes sense."""
    work = turn.process.steps[name].work
    step = turn.look(name)
    if not isinstance(work, AwaitWork) or work.until is None or step.status != "waiting":
        return
    try:
        if turn.holds(work.until):
            turn.succeed(name, at=at or turn.happened())
    except EvaluationError:
        if step.events:
            raise


def _begin(turn: Turn, name: str, definition: Step) -> None:
    step = turn.step(name)
    work = definition.work
    match work:
        case CallWork():
            step.input = turn.evaluate(work.input)
            step.via = turn.text(work.via) if work.via is not None else ""
            operation = f"{work.system}.{work.operation}"
            turn.record("step.started", name, operation=operation, via=step.via, input=step.input)
            calls.send(turn, name)
        case AwaitWork():
            step.status = "waiting"
            turn.record("step.waiting", name, types=list(work.types))
            take_kept(turn, name)
            check_until(turn, name)
        case PersonWork():
            open_task(turn, name, work)
        case WaitWork():
            _wait(turn, name, work)
        case ChooseWork():
            _choose(turn, name, work)
        case EmitWork():
            data = turn.evaluate(work.data)
            about = {kind: turn.text(value) for kind, value in work.about.items()} if work.about else None
            turn.emit(work.type, data, about)
            turn.record("event.emitted", name, type=work.type)
            turn.succeed(name, data if isinstance(data, dict) else None)
        case RunWork():
            turn.record("step.started", name, process=work.process)
            children.start(turn, name, work)
        case SetWork():
            turn.succeed(name, turn.evaluate(work.values))


def _wait(turn: Turn, name: str, work: WaitWork) -> None:
    due = deadlines.wait_until(turn, name, work)
    if due <= turn.now:
        turn.succeed(name)
        return
    step = turn.step(name)
    step.status = "waiting"
    step.due = step.next = due
    turn.record("step.waiting", name, due=text_of(due))


def _choose(turn: Turn, name: str, work: ChooseWork) -> None:
    found = []
    hits = []
    for number, rule in enumerate(work.rules, 1):
        if turn.holds(rule.when):
            found.append(turn.evaluate(rule.give))
            hits.append(number)
            if not work.collect:
                break
    if work.collect:
        turn.step(name).output = found
    elif found:
        turn.step(name).output = found[0]
    elif work.otherwise is not None:
        turn.step(name).output = turn.evaluate(work.otherwise)
    else:
        why = "no rule of its table hits, and there is no `otherwise`"
        turn.cannot(name, why)
        failed(turn, name, "decision_failed", why)
        return
    turn.record("step.chosen", name, rules=hits)
    turn.succeed(name)
