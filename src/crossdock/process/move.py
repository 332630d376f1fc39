"""A run in flight goes on under another version of its process.

    Course.take    decides an event, as `advance` does, and keeps what a later move is held to
    Course.move    goes over all of it again under the other version (`retrace`); where nothing stands against
                   it, the run is from then on what that version has made of it; else it stays, with reasons

A move is one event of the history like any other. So a run that has moved is replayed by a `Course` that is
given the same events and versions, and comes to the same state.

What holds when a run has moved:

* Everything that had an effect outside had the same under the new version, or the run has not moved. Calls
  that are under way go on under their ids, which are their idempotency keys; so do open approvals, children
  and deadlines.
* What the new version would have asked for besides is asked for now, once: steps in places already passed
  begin, events are sent, aliases claimed.
* Exceptions that would not have been opened are closed; the steps that they held are tried again. A call that
  was certainly not done, and is given other content by the new version, gets an id of its own, since a system
  may remember its answer to the old one. A call in doubt keeps its id, and has to keep its content.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from crossdock.process import children, deadlines, work
from crossdock.process.advance import Decision, decide
from crossdock.process.definition import Process
from crossdock.process.differences import Effects, Obstacle, Past, Trail
from crossdock.process.messages import Event
from crossdock.process.retrace import Watched, retrace
from crossdock.process.state import ENDED_RUN, OpenException, State, StepState
from crossdock.process.turn import FAILURES, DecisionError, Plain, Reference, Turn

MOST_TOLD = 20  # obstacles of one move


class Course:
    """A run from its first event on, through its versions: `process` and `state` are the newest."""

    def __init__(self, process: Process, state: State) -> None:
        """Begin with `new_state` of the version that it begins with."""
        self.process = process
        self.state = state
        self.versions: list[Process] = [process]  # that it went through, the newest last
        self._history: list[Past] = []

    @property
    def history(self) -> Sequence[Past]:
        """Everything that was decided so far."""
        return self._history

    def take(self, event: Event, reference: Reference | None = None) -> Decision:
        """Decide one event. Raises as `advance` does, and then has changed nothing."""
        return self._keep(Watched(self.process, self.state, event, reference or Plain()), None)

    def move(self, to: Process | None, event: Event, reference: Reference | None = None) -> Decision:
        """Go on under `to` (None: there is no such version), or stay, with records that say why."""
        given = reference or Plain()
        obstacles = list(_unfit(self.process, to, self.state))
        if to is not None and not obstacles:
            trail = retrace(to, self._history)
            obstacles = trail.obstacles or list(_unfinished(self.state, trail))
            if not obstacles:
                before = self.process
                turn = Watched(to, _arrived(self.state, trail), event, given)
                try:
                    return self._keep(turn, lambda t: _arrive(t, before, self.state, trail), to)
                except (DecisionError, *FAILURES) as error:
                    obstacles = [Obstacle("", error.message)]
        told = event.data if isinstance(event.data, dict) else {}
        version = to.version if to is not None else str(told.get("version", ""))
        return self._keep(
            Watched(self.process, self.state, event, given), lambda t: _stay(t, version, obstacles)
        )

    def _keep(self, turn: Watched, act: Callable[[Turn], None] | None, to: Process | None = None) -> Decision:
        decision = decide(turn, act)
        self._history.append(turn.past(self.state, decision))
        self.state = decision.state
        if to is not None:
            self.process = to
            self.versions.append(to)
        return decision


def _stay(turn: Turn, version: str, obstacles: Iterable[Obstacle]) -> None:
    for obstacle in list(obstacles)[:MOST_TOLD]:
        turn.record("run.move_refused", obstacle.step, version=version, reason=obstacle.reason, by=_by(turn))


def _unfit(process: Process, to: Process | None, state: State) -> Iterable[Obstacle]:
    """What stands against the move without looking at the history."""
    if to is None:
        yield Obstacle("", "there is no such version of its process")
    elif to.name != process.name:
        yield Obstacle("", f"it is a run of {process.name}, not of {to.name}")
    elif to.version == state.version:
        yield Obstacle("", "it goes under that version already")
    elif state.status in ENDED_RUN:
        yield Obstacle("", f"the run is {state.status}")


# -- what is under way must go on -------------------------------------------------------------------------


def _unfinished(actual: State, trail: Trail) -> Iterable[Obstacle]:
    """What is under way and could not go on under the new version."""
    again = trail.state
    was, would = actual.unwind, again.unwind
    if (was is None) != (would is None) or (was and would and was.end != would.end):
        yield Obstacle("", "something is being taken back, and it would be otherwise")
    for name, step in actual.steps.items():
        yield from _open_call(name, step, again.steps.get(name), trail)
        yield from _open_children(name, step, again.steps.get(name), trail)
    for kind, value in trail.actual.claims:
        if (kind, value) not in trail.again.claims:
            yield Obstacle("", f"it has claimed the alias {kind} {value}, and would not have")


def _open_call(name: str, step: StepState, would: StepState | None, trail: Trail) -> Iterable[Obstacle]:
    call = step.call
    if call is None or not (call.out or call.doubt):
        return
    sent = trail.actual.calls[call.id]
    what = f"{sent.system}.{sent.operation}"
    under_way = "is under way" if call.out else "may have been done"
    other = would.call if would is not None else None
    if other is None or (other.id, other.out, other.then) != (call.id, call.out, call.then):
        yield Obstacle(name, f"{what} {under_way}, and would not have been called")
    elif not trail.actual.same_call(trail.again, call.id):
        mend = "it can move when that has ended" if call.out else "find out first: supply it, or skip it"
        yield Obstacle(name, f"{what} {under_way} with other content; {mend}")


def _open_children(name: str, step: StepState, would: StepState | None, trail: Trail) -> Iterable[Obstacle]:
    if step.children is None:
        return
    other = would.children if would is not None else None
    for item, life in step.children.open.items():
        what = f"the run for {item}" if item else "its run"
        if other is None or other.open.get(item) != life:
            yield Obstacle(name, f"{what} goes on, and would not have been started")
        elif not trail.actual.same_child(trail.again, (name, item, life)):
            yield Obstacle(name, f"{what} goes on with another document")
    if (step.children.undoing > 0) != (other is not None and other.undoing > 0):
        yield Obstacle(name, "runs of it are being taken back, and would not be")


# -- arriving ----------------------------------------------------------------------------------------------


def _arrived(actual: State, trail: Trail) -> State:
    """The state that the new version has come to, with the names that this run has given."""
    state = msgspec.structs.replace(trail.state)
    state.opened, state.emitted = actual.opened, actual.emitted
    state.measured = {name: True for name in state.measured if name in actual.measured}
    names = _same_exceptions(actual.exceptions, state.exceptions)
    state.exceptions = {
        names[id_]: _both(actual.exceptions[names[id_]], one)
        for id_, one in state.exceptions.items()
        if id_ in names
    } | {id_: one for id_, one in actual.exceptions.items() if id_ not in names.values()}
    return state


def _same_exceptions(
    actual: Mapping[str, OpenException], again: Mapping[str, OpenException]
) -> dict[str, str]:
    """Which open exceptions of the two are the same: theirs -> ours."""
    ours = {(one.step, one.type): id_ for id_, one in actual.items()}
    return {id_: ours[one.step, one.type] for id_, one in again.items() if (one.step, one.type) in ours}


def _both(actual: OpenException, again: OpenException) -> OpenException:
    return msgspec.structs.replace(actual, holds=again.holds, late=again.late)


def _arrive(turn: Turn, before: Process, actual: State, trail: Trail) -> None:
    """The moving decision: tell and ask for what differs, and let go on what is mended."""
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    turn.record(
        "run.moved",
        before=before.version,
        version=turn.process.version,
        by=_by(turn),
        note=str(data.get("note", "")),
    )
    _exceptions(turn, actual, trail)
    _tasks(turn, actual, trail)
    _news(turn, trail)
    _calls(turn, actual, trail)
    for name, step in list(turn.state.steps.items()):
        if step.status == "held":
            _go_on(turn, name, trail)
    for name in trail.fresh:
        if turn.look(name).status == "waiting":
            _wait_from_now(turn, name)
    turn.changed.extend(turn.process.steps)


def _exceptions(turn: Turn, actual: State, trail: Trail) -> None:
    again = trail.state.exceptions
    names = _same_exceptions(actual.exceptions, again)
    for id_ in actual.exceptions:
        if id_ not in names.values():
            turn.close(id_, _mended(turn), _by(turn))
    for id_, one in again.items():
        if id_ in names:
            continue
        told = trail.again.raised.get(id_)
        data = dict(told.data) if told is not None else {}
        known = {key: data.pop(key, None) for key in ("message", "severity")}
        for key in ("exception", "type", "owner", "process_owner", "holds"):
            data.pop(key, None)
        turn.open(
            one.type,
            one.step,
            message=str(known["message"] or ""),
            severity=known["severity"],
            holds=one.holds,
            late=one.late,
            **data,
        )


def _tasks(turn: Turn, actual: State, trail: Trail) -> None:
    """Approvals and tasks that are open: asked for now, asked for otherwise, or not any more."""
    was = {step.task: name for name, step in actual.steps.items() if step.task}
    now = {step.task: name for name, step in turn.state.steps.items() if step.task}
    for task, name in was.items():
        if task not in now:
            turn.record("task.withdrawn", name, task=task)
    for task, name in now.items():
        asked = trail.again.tasks.get(task)
        if asked is not None and (task not in was or asked != trail.actual.tasks.get(task)):
            turn.record("task.opened", name, **asked)


def _news(turn: Turn, trail: Trail) -> None:
    """Aliases, events and children that the new version has besides."""
    for (kind, value), claim in trail.again.claims.items():
        if (kind, value) not in trail.actual.claims:
            turn.record("alias.set", kind=kind, value=value)
            turn.command(claim)
    for emit in trail.emits:
        turn.emit(emit.type, emit.data, emit.about)
        turn.record("event.emitted", type=emit.type)
    for key, child in trail.again.children.items():
        of = turn.look(child.step).children
        if key not in trail.actual.children and of is not None and of.open.get(child.item) == child.redo:
            turn.record("child.started", child.step, child.item, process=child.process)
            turn.command(child)


def _calls(turn: Turn, actual: State, trail: Trail) -> None:
    """Calls that the new version would have out by now: undos that nobody has asked for so far."""
    for name, step in turn.state.steps.items():
        was = actual.steps[name].call if name in actual.steps else None
        call = step.call
        if call is not None and call.out and (was is None or (was.id, was.out) != (call.id, True)):
            turn.command(msgspec.structs.replace(trail.again.calls[call.id], doubt=call.doubt))


def _go_on(turn: Turn, name: str, trail: Trail) -> None:
    """Try a held step again, if what has held it is mended."""
    step = turn.look(name)
    call = step.call
    by = _by(turn)
    if call is not None and not call.out and call.attempt and _differs(trail.actual, trail.again, call.id):
        _close(turn, name)
        if call.undo:
            work.resume(turn, name, by=by)
        else:
            work.start_anew(turn, name)
    elif (f"{name}!undo" if call is not None and call.undo else name) in trail.mended:
        _close(turn, name)
        work.resume(turn, name, by=by)
    elif step.children is not None:
        lives = step.children.lives
        for item in list(step.children.again):
            child = (name, item, lives.get(item, step.children.life))
            if child in trail.actual.children and not trail.actual.same_child(trail.again, child):
                children.again(turn, name, by, item)


def _differs(actual: Effects, again: Effects, call: str) -> bool:
    return call in actual.calls and not actual.same_call(again, call)


def _close(turn: Turn, name: str) -> None:
    for id_, open_ in list(turn.state.exceptions.items()):
        if open_.step == name and open_.holds:
            turn.close(id_, _mended(turn), _by(turn))


def _wait_from_now(turn: Turn, name: str) -> None:
    """A wait that the new version has added begins with the move, and its deadline with it."""
    turn.begin(name)
    turn.step(name).started = turn.now
    turn.record("step.waiting", name)
    try:
        deadlines.set_deadline(turn, name)
    except FAILURES as error:
        deadlines.unknown_due(turn, name, error)


def _mended(turn: Turn) -> str:
    return f"mended in version {turn.process.version[:10]}"


def _by(turn: Turn) -> str:
    return turn.event.actor.person if turn.event.actor else ""
