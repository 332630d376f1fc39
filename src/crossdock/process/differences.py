"""What had an effect outside, and whether it would have had the same under another version of the process.

Compared event by event: what was done and with which content, what people decided, what was taken back, what
others were told. Each difference is an obstacle, named with its step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crossdock.process.advance import Decision
from crossdock.process.messages import (
    CALL_ENDED,
    CHILD_ENDED,
    TASK_DECIDED,
    Call,
    Claim,
    Emit,
    Event,
    Record,
    StartChild,
    Tell,
    Withdraw,
)
from crossdock.process.people import digest
from crossdock.process.state import State
from crossdock.process.turn import Reference, text_of

_BY_HAND = frozenset({"step.supplied", "child.supplied", "child.skipped"})
_TAKEN_BACK = frozenset({"run.cancelling", "redo.begun"})


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a run cannot go on under another version: the step (empty: the run), and what stands against it."""

    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """One decided event, and what a version that goes over it again is held to."""

    event: Event
    reference: Reference
    before: State
    decision: Decision
    tried: frozenset[str]  # steps whose turn had come
    begun: frozenset[str]  # those of them whose condition held
    kept_back: Mapping[str, str]  # step, or step!undo, that could not begin -> why


@dataclass(slots=True)
class Effects:
    """What decisions asked for and told, by its name: the newest of each."""

    calls: dict[str, Call] = field(default_factory=dict)
    children: dict[tuple[str, str, int], StartChild] = field(default_factory=dict)
    claims: dict[tuple[str, str], Claim] = field(default_factory=dict)
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    raised: dict[str, Record] = field(default_factory=dict)

    def take(self, decision: Decision) -> None:
        """Note what one decision adds."""
        for command in decision.commands:
            match command:
                case Call():
                    self.calls[command.id] = command
                case StartChild():
                    self.children[command.step, command.item, command.redo] = command
                case Claim() if command.kind != "exception":
                    self.claims[command.kind, command.value] = command
                case _:
                    pass
        for record in decision.records:
            if record.what == "task.opened":
                self.tasks[record.data["task"]] = record.data
            elif record.what == "task.changed":
                known = self.tasks.get(record.data["task"], {})
                self.tasks[record.data["task"]] = {**known, **record.data}
            elif record.what == "exception.raised":
                self.raised[record.data["exception"]] = record

    def same_call(self, other: Effects, id_: str) -> bool:
        """Whether both make this call, of the same operation with the same content."""
        mine, theirs = self.calls.get(id_), other.calls.get(id_)
        return mine is not None and theirs is not None and _content(mine) == _content(theirs)

    def same_child(self, other: Effects, name: tuple[str, str, int]) -> bool:
        """Whether both start this child, with the same document."""
        mine, theirs = self.children.get(name), other.children.get(name)
        return mine is not None and mine == theirs


@dataclass(slots=True)
class Trail:
    """What is found on the way: the state that the new version comes to, and what it differs in."""

    state: State
    actual: Effects = field(default_factory=Effects)
    again: Effects = field(default_factory=Effects)
    mended: set[str] = field(default_factory=set)  # held as they were; the new version would have gone on
    fresh: set[str] = field(default_factory=set)  # waits that are begun under the new version alone
    emits: list[Emit] = field(default_factory=list)  # that the new version would have sent besides
    obstacles: list[Obstacle] = field(default_factory=list)
    last_tried: dict[str, int] = field(default_factory=dict)
    put_off: set[str] = field(default_factory=set)
    unnamed: int = 0  # exceptions that were never opened: named by the move


def differences(trail: Trail, past: Past, again: Decision) -> list[Obstacle]:
    """What had an effect outside at this event, and would not have had it, or another one."""
    return [
        *_answers(trail, past, again),
        *_by_people(trail, past, again),
        *_taken_back(past, again),
        *_events(trail, past, again),
    ]


def _answers(trail: Trail, past: Past, again: Decision) -> Iterator[Obstacle]:
    data = past.event.data if isinstance(past.event.data, dict) else {}
    if past.event.type == CALL_ENDED and not _told(past.decision, "call.surplus"):
        id_, outcome = str(data.get("command", "")), data.get("outcome")
        call = trail.actual.calls.get(id_)
        if outcome not in ("done", "unknown") or call is None:
            return
        name = f"{call.system}.{call.operation}"
        if outcome == "done" and id_ in trail.again.calls and not trail.actual.same_call(trail.again, id_):
            yield Obstacle(step_of(id_), f"{name} was done, and would have been called with other content")
        elif _told(again, "call.surplus"):
            yield Obstacle(step_of(id_), f"{name} was called, and would not have been")
    elif past.event.type == CHILD_ENDED and not _told(past.decision, "child.surplus"):
        child = (str(data.get("step", "")), str(data.get("item", "")), int(data.get("redo", 0)))
        done = data.get("status") == "completed"
        what = f"the run for {child[1]}" if child[1] else "its run"
        if done and child in trail.again.children and not trail.actual.same_child(trail.again, child):
            yield Obstacle(child[0], f"{what} was started, and would have got another document")
        elif _told(again, "child.surplus"):
            yield Obstacle(child[0], f"{what} was started, and would not have been")


def _by_people(trail: Trail, past: Past, again: Decision) -> Iterator[Obstacle]:
    by = past.event.actor.id if past.event.actor else "somebody"
    for record in past.decision.records:
        if record.what == "task.decided":
            name = record.step
            was, would = past.before.steps.get(name), trail.state.steps.get(name)
            taken = [r.data.get("decision") for r in again.records if r.what == "task.decided"]
            if record.data.get("decision") not in taken:
                why = _why(again) or "nobody would have been asked"
                yield Obstacle(name, f"what {by} decided would not be taken: {why}")
            elif was and would and digest(was.input) != digest(would.input):
                yield Obstacle(name, f"{by} decided it on other content")
        by_hand = record.what in _BY_HAND or (record.what == "step.skipped" and record.data.get("by"))
        if by_hand and not any(
            (r.what, r.step, r.item) == (record.what, record.step, record.item) for r in again.records
        ):
            what = record.what.partition(".")[2]
            yield Obstacle(record.step, f"{by} {what} it, and that would not be taken")
    if past.event.type == TASK_DECIDED and not _told(past.decision, "task.decided"):
        for record in again.records:
            if record.what == "task.decided":
                yield Obstacle(record.step, f"what {by} decided was refused, and would be taken")


def _taken_back(past: Past, again: Decision) -> Iterator[Obstacle]:
    was = Counter((r.what, r.step) for r in past.decision.records if r.what in _TAKEN_BACK)
    would = Counter((r.what, r.step) for r in again.records if r.what in _TAKEN_BACK)
    for what, step in was - would:
        done = "cancelled" if what == "run.cancelling" else "done again"
        yield Obstacle(step, f"it was {done} at {text_of(past.event.time)}, and would not have been")
    for what, step in would - was:
        done = "cancelled" if what == "run.cancelling" else "done again"
        yield Obstacle(step, f"it would have been {done} at {text_of(past.event.time)}")
    if was != would:
        return  # what else is taken back follows from that
    calls_back = {c.id for c in past.decision.commands if isinstance(c, Withdraw)}
    would_call_back = {c.id for c in again.commands if isinstance(c, Withdraw)}
    for id_ in sorted(calls_back ^ would_call_back):
        was_so = "was" if id_ in calls_back else "was not"
        yield Obstacle(step_of(id_), f"its call {was_so} taken back, and it would be otherwise")
    for step in sorted({step for step, _, _ in _stopped(past.decision) ^ _stopped(again)}):
        yield Obstacle(step, "runs of it were cancelled that would not have been, or the other way round")


def _events(trail: Trail, past: Past, again: Decision) -> Iterator[Obstacle]:
    """Events to others: each that was sent must have been sent by now; the others wait for the move."""
    trail.emits += [c for c in again.commands if isinstance(c, Emit) and not _of_exceptions(c)]
    for command in past.decision.commands:
        if not isinstance(command, Emit) or _of_exceptions(command):
            continue
        for emit in trail.emits:
            if (emit.type, emit.data, emit.about) == (command.type, command.data, command.about):
                trail.emits.remove(emit)
                break
        else:
            steps = [r.step for r in past.decision.records if r.what == "event.emitted"]
            named = [r.step for r in past.decision.records if r.data.get("type") == command.type]
            step = next(iter(named or steps), "")
            yield Obstacle(step, f"{command.type} was sent to others, and would not have been like that")


def step_of(command: str) -> str:
    """The step whose call has this id."""
    return command.partition("!")[0].partition("#")[0]


def _told(decision: Decision, what: str) -> bool:
    return any(record.what == what for record in decision.records)


def _why(decision: Decision) -> str:
    return next((str(r.data.get("reason", "")) for r in decision.records if r.what == "decision.refused"), "")


def _stopped(decision: Decision) -> set[tuple[str, str, int]]:
    """The children that were told to cancel: step, item (empty: all), life."""
    tells = (c for c in decision.commands if isinstance(c, Tell) and c.to == "child")
    return {(tell.step, tell.item, tell.redo) for tell in tells}


def _of_exceptions(emit: Emit) -> bool:
    return emit.type in ("exception.raised", "exception.closed")


def _content(call: Call) -> Call:
    return msgspec.structs.replace(call, doubt=False, only_find=False)
