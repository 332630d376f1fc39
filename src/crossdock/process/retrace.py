"""Going over a run's history again under another version of its process: what would be the same, what not.

The new version decides every event of the history, in its order. What happened stays what happened:

* A step begins at the event at which it began. One that never began is not begun here, if its work has an
  effect outside or waits for a person or a time: it begins with the move, and so do its deadlines. What only
  works something out (`set`, `choose`), or waits for an event that may have come already, is done in place.
* A step that could not begin (an expression failed) is held as it was, also where the new version would have
  begun it: then it is noted as mended. So what people did to it (retry, supply, skip) means the same.
* A call that was tried again is tried again, and one that was given up is given up, whatever the new policy
  says; where that has tries left, it is noted as mended.
* Exceptions that open at the same event for the same step and type are the same, and have the same id.

After each event the two are compared. What had an effect outside must be the same: calls that were done and
their content, children, events, decisions of people, what was taken back. The first event at which it is not
ends the retracing, with an obstacle for each difference. What the new version does besides is kept: the move
sends it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from crossdock.errors import CrossdockError
from crossdock.expressions import EvaluationError
from crossdock.process import undoing, work
from crossdock.process.advance import Decision, decide, new_state, starts
from crossdock.process.definition import AwaitWork, ChooseWork, Process, SetWork
from crossdock.process.differences import Obstacle, Past, Trail, differences, step_of
from crossdock.process.messages import (
    RUN_MOVE,
    Event,
    Retry,
)
from crossdock.process.state import PendingCall, State
from crossdock.process.turn import NOT_CALLED_FOR, Reference, Turn, text_of

_FAULTS = (CrossdockError, LookupError, TypeError, ValueError, AssertionError)


class Watched(Turn):
    """A turn that notes which steps began in it, and which could not."""

    def __init__(self, process: Process, state: State, event: Event, reference: Reference) -> None:
        """As `Turn`."""
        super().__init__(process, state, event, reference)
        self._tried: set[str] = set()
        self._begun: set[str] = set()
        self._kept_back: dict[str, str] = {}

    def is_time(self, name: str) -> bool:
        """Note that its turn had come."""
        self._tried.add(name)
        return True

    def begin(self, name: str) -> bool:
        """Note that its condition held."""
        self._tried.add(name)
        self._begun.add(name)
        return True

    def cannot(self, name: str, why: str) -> None:
        """Note it, and why."""
        self._kept_back[name] = why

    def past(self, before: State, decision: Decision) -> Past:
        """What is kept of the turn."""
        return Past(
            event=self.event,
            reference=self.reference,
            before=before,
            decision=decision,
            tried=frozenset(self._tried),
            begun=frozenset(self._begun),
            kept_back=self._kept_back,
        )


class _Trial(Turn):
    """A turn of which nothing is kept, but whether a step can begin."""

    failed = False

    def cannot(self, name: str, why: str) -> None:  # noqa: ARG002 - that it could not is enough
        self.failed = True


class _Again(Turn):
    """A turn of the new version that follows what happened."""

    def __init__(self, process: Process, past: Past, index: int, trail: Trail) -> None:
        """Decide the event of `past`, which is number `index`, from where `trail` stands."""
        super().__init__(process, trail.state, past.event, past.reference)
        self._past = past
        self._index = index
        self._trail = trail
        self._by_itself: set[str] = set()  # steps that the new version keeps back as well
        put_off = sorted(name for name in past.tried if name in trail.put_off)
        self.changed.extend(put_off)
        trail.put_off.difference_update(put_off)

    def is_time(self, name: str) -> bool:
        if name not in self._past.tried and self._trail.last_tried.get(name, -1) > self._index:
            self._trail.put_off.add(name)
            return False
        return True

    def recall(self, name: str) -> None:
        trail = self._trail
        why = self._past.kept_back.get(name)
        trail.mended.discard(name)
        if why is None:
            return
        trial = _Trial(self.process, self.state, self.event, self.reference)
        step, undo, _ = name.partition("!")
        try:
            (undoing.undo if undo else work.start)(trial, step)
        except CrossdockError:
            trial.failed = True
        if trial.failed:
            self._by_itself.add(name)
            return
        trail.mended.add(name)
        raise EvaluationError(why)

    def begin(self, name: str) -> bool:
        after = self._past.decision.state.steps.get(name)
        self._trail.fresh.discard(name)
        if name in self._past.begun and after is not None:
            step = self.step(name)
            step.redo, step.tries = after.redo, after.tries
            return True
        kind = self.process.steps[name].work
        if isinstance(kind, AwaitWork):
            self._trail.fresh.add(name)
        return name in self._by_itself or isinstance(kind, AwaitWork | SetWork | ChooseWork)

    def counts(self, name: str) -> bool:
        return name not in self._trail.fresh

    def goes_on(self, call: PendingCall, most: int) -> bool:
        left = call.attempt < most
        told = self._past.decision
        if any(isinstance(c, Retry) and c.id == call.id for c in told.commands):
            return True
        if any(r.what == "call.given_up" and r.data.get("call") == call.id for r in told.records):
            name = f"{step_of(call.id)}!undo" if call.undo else step_of(call.id)
            (self._trail.mended.add if left else self._trail.mended.discard)(name)
            return False
        return left

    def may_complete(self) -> bool:
        return any(r.what == "run.completed" for r in self._past.decision.records)

    def may_clear_up(self) -> bool:
        return any(r.data.get("reason") == NOT_CALLED_FOR for r in self._past.decision.records)

    def name_exception(self, type_: str, step: str) -> str:
        before, after = self._past.before.exceptions, self._past.decision.state.exceptions
        for record in self._past.decision.records:
            id_ = str(record.data.get("exception", ""))
            known = after.get(id_) or before.get(id_)
            type_then = record.data.get("type") or (known.type if known else "")
            told = record.what in ("exception.raised", "exception.repeated")
            if told and (record.step, type_then) == (step, type_) and id_ not in self.state.exceptions:
                return id_
        self._trail.unnamed += 1
        return f"{self.state.id}/x-{self._trail.unnamed}"


def retrace(process: Process, history: Sequence[Past]) -> Trail:
    """Go over a history again under `process`. What stands against it is in `obstacles` of what it gives."""
    first = history[0].before
    state = new_state(
        process, tenant=first.tenant, key=first.key, generation=first.generation, parent=first.parent
    )
    trail = Trail(state)
    for index, past in enumerate(history):
        for name in past.tried:
            trail.last_tried[name] = index
    trail.obstacles += _beginning(process, history[0], first.key)
    for index, past in enumerate(history):
        if trail.obstacles:
            break
        turn = _Again(process, past, index, trail)
        try:
            decision = decide(turn, partial(_follow, past) if _is_move(past) else None)
        except _FAULTS as error:
            what = f"{past.event.type} of {text_of(past.event.time)} cannot be decided under it: {error}"
            trail.obstacles.append(Obstacle("", what))
            break
        trail.actual.take(past.decision)
        trail.again.take(decision)
        trail.obstacles += differences(trail, past, decision)
        trail.state = decision.state
    return trail


def _beginning(process: Process, past: Past, key: str) -> Iterator[Obstacle]:
    try:
        found = starts(process, past.event, past.reference)
    except _FAULTS as error:
        yield Obstacle("", str(error))
        return
    if found is None:
        yield Obstacle("", f"{past.event.type}, with which the run began, does not start it")
    elif found != key:
        yield Obstacle("", f"its key would be {found}")


def _is_move(past: Past) -> bool:
    return past.event.type == RUN_MOVE


def _follow(past: Past, turn: Turn) -> None:
    """An earlier move: what it set going is set going here as well."""
    for record in past.decision.records:
        id_ = record.data.get("exception")
        if record.what == "exception.closed" and id_ in turn.state.exceptions:
            turn.close(str(id_), str(record.data.get("note", "")))
    for record in past.decision.records:
        name = record.step
        if name not in turn.state.steps or turn.look(name).status != "held" or turn.blocked(name):
            continue
        if record.what == "step.redone":
            turn.step(name).redo = int(record.data["redo"]) - 1
            work.start_anew(turn, name)
        elif record.what == "step.resumed":
            work.resume(turn, name)
