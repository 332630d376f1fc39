"""Starting the work of a step, by its kind, and taking it up again after an exception was closed."""

from __future__ import annotations

from crossdock.errors import CrossdockError
from crossdock.process import calls, children, deadlines, unwind
from crossdock.process.actions import failed, skip_step
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
from crossdock.process.durations import Duration
from crossdock.process.messages import Retry
from crossdock.process.people import open_task
from crossdock.process.turn import DecisionError, Turn, text_of


def start(turn: Turn, name: str) -> None:
    """Start a step whose turn has come. What cannot be worked out holds it; other branches go on."""
    definition = turn.process.steps[name]
    step = turn.step(name)
    step.started = turn.now
    step.reason = ""
    try:
        if not turn.holds(definition.condition):
            turn.skip(name, "its condition does not hold")
            return
        _begin(turn, name, definition)
    except DecisionError:
        raise
    except CrossdockError as error:
        turn.hold(name, "decision_failed", message=str(error))
        return
    try:
        if turn.look(name).status in {"running", "waiting"}:
            deadlines.set_deadline(turn, name)
    except CrossdockError as error:
        deadlines.unknown_due(turn, name, error)


def resume(turn: Turn, name: str, *, by: str = "") -> None:
    """Go on with a held step whose exceptions are all closed."""
    step = turn.step(name)
    work = turn.process.steps[name].work
    turn.record("step.resumed", name, by=by)
    if step.call is not None:
        calls.send(turn, name)
    elif step.children is not None and step.children.undoing:
        step.status = "succeeded"
        step.children.undoing = 0
        turn.changed.append(name)
    elif step.children is not None and isinstance(work, RunWork):
        try:
            children.again(turn, name, work)
        except CrossdockError as error:
            turn.hold(name, "child_failed", message=str(error))
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
        if kept.type in work.types:
            consider_event(turn, name, work, kept.view)


def consider_event(turn: Turn, name: str, work: AwaitWork, view: object) -> bool:
    """Whether a waiting step takes this event; with it, the wait may be over."""
    if not turn.holds(work.match, {"event": view}):
        return False
    step = turn.step(name)
    step.events = [*step.events, view]
    step.output = view
    turn.changed.append(name)
    if work.until is None:
        turn.succeed(name, at=turn.happened())
    else:
        check_until(turn, name)
    return True


def check_until(turn: Turn, name: str) -> None:
    """End the wait of a step whose `until` holds by now."""
    work = turn.process.steps[name].work
    step = turn.look(name)
    if not isinstance(work, AwaitWork) or work.until is None or step.status != "waiting" or not step.events:
        return
    if turn.holds(work.until):
        turn.succeed(name, at=turn.happened())


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
    calendar = turn.calendar(work.calendar)
    if work.duration is not None:
        due = turn.after(turn.now, Duration.parse(turn.text(work.duration)), calendar)
    elif work.until is not None:
        value = turn.evaluate(work.until)
        if isinstance(value, str) and not value[:4].isdigit():
            due = turn.after(turn.now, Duration.parse(value), calendar)
        else:
            due = deadlines.instant(value, "`wait`")
    else:
        due = calendar.cut_off(work.cut_off, turn.now)
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
        failed(turn, name, "decision_failed", "no rule of its table hits, and there is no `otherwise`")
        return
    turn.record("step.chosen", name, rules=hits)
    turn.succeed(name)


def retry_now(turn: Turn, name: str, by: str) -> None:
    """A person asks for another try at once."""
    step = turn.look(name)
    if step.status == "held":
        for id_, open_ in list(turn.state.exceptions.items()):
            if open_.step == name and open_.holds:
                turn.close(id_, "tried again", by)
        resume(turn, name, by=by)
    elif step.call is not None and step.call.out:
        turn.command(Retry(id=step.call.id, at=turn.now, doubt=step.call.doubt))
        turn.record("call.hurried", name, call=step.call.id, by=by)
    else:
        turn.record("step.retry_refused", name, reason=f"it is {step.status}", by=by)


def supply(turn: Turn, name: str, output: object, by: str, note: str) -> None:
    """A person gives the result by hand, having found it out."""
    step = turn.step(name)
    if step.status not in {"held", "waiting"}:
        turn.record("step.supply_refused", name, reason=f"it is {step.status}", by=by)
    elif step.call is not None and step.call.undo:
        unwind.undo_done(turn, name, note or "undone by hand", by)
    else:
        unwind.withdraw_person(turn, name)
        step.reason = note
        turn.record("step.supplied", name, by=by, note=note)
        turn.succeed(name, output, by=by)


def skip(turn: Turn, name: str, by: str, note: str) -> None:
    """A person says that the step is not needed, and why."""
    if not note:
        turn.record("step.skip_refused", name, reason="a reason is needed", by=by)
        return
    step = turn.step(name)
    if step.call is not None and step.call.undo and not step.call.out:
        unwind.undo_done(turn, name, note, by)
    elif step.status == "held" and unwind.unwinding(turn, name):
        turn.cancel_step(name, note)
    else:
        if step.call is not None and not step.call.out:
            step.call = None
        skip_step(turn, name, note, by)
