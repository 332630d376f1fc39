"""What a run's history answers: each answer by the question that it was given to, with how long it took.

A question of another version gets an answer only where this case asked the same: a call of the same
operation through the same connection with the same input, the same content put before a person at the same
step, a child of the same step and item with the same document. The n-th try is answered as the n-th was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from crossdock.process.differences import Past
from crossdock.process.messages import (
    ALIAS_REFUSED,
    CALL_ENDED,
    CHILD_ENDED,
    RUN_MOVE,
    TASK_DECIDED,
    TIMER_DUE,
    Call,
    Claim,
    Event,
    Retry,
    StartChild,
    Tell,
    Withdraw,
)
from crossdock.process.turn import Reference
from crossdock.process.versions import current

_FOR_NOTHING = frozenset({"call.surplus", "child.surplus", "decision.refused"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An event of the history that answers something: its place there, and how long after the question."""

    event: Event
    reference: Reference
    place: int
    after: timedelta


@dataclass(slots=True)
class Asked:
    """One question of the history, how often it was put (again), and its answers in order."""

    what: Any
    asked: datetime
    times: int = 1
    taken_back: set[int] = field(default_factory=set)  # before which answers, by their place among them
    answers: list[Answer] = field(default_factory=list)


class Recorded:
    """A history, by question. What came from outside without being asked for is in `arrivals`, in order."""

    def __init__(self, history: Sequence[Past]) -> None:
        """Take it apart."""
        self.arrivals: list[Answer] = []
        self.calls: dict[str, Asked] = {}  # by the id of the call
        self.children: dict[tuple[str, str, int], Asked] = {}  # by step, item and life
        self.tasks: dict[str, list[Asked]] = {}  # by step: each time that it was put before somebody
        self.timers: dict[datetime, Answer] = {}  # by what was due
        self.refused: dict[tuple[str, str], Asked] = {}  # aliases that another run had
        self.stopped: set[tuple[str, str, int]] = set()  # children that were told to end
        self.exceptions: dict[str, tuple[str, str]] = {}  # id -> step and type
        self._opened: dict[str, Asked] = {}  # tasks by their id
        for place, decided in enumerate(history):
            past = replace(decided, event=current(decided.event))
            self._answer(place, past)
            self._ask(past)

    def _answer(self, place: int, past: Past) -> None:
        event = past.event
        data = event.data if isinstance(event.data, dict) else {}
        told = {record.what for record in past.decision.records}
        asked: Asked | None = None
        if event.type == CALL_ENDED:
            asked = self.calls.get(str(data.get("command", "")))
        elif event.type == CHILD_ENDED and data.get("status") != "refused":  # that answers a cancel
            child = (str(data.get("step", "")), str(data.get("item", "")), int(data.get("redo", 0)))
            asked = self.children.get(child)
        elif event.type == TASK_DECIDED:
            asked = self._opened.get(str(data.get("task", "")))
        elif event.type == ALIAS_REFUSED:
            asked = self.refused.get((str(data.get("kind", "")), str(data.get("value", ""))))
        elif event.type == TIMER_DUE:
            due = datetime.fromisoformat(str(data.get("due"))) if data.get("due") else event.now
            self.timers[due] = self._of(place, past, event.now)
        elif event.type != RUN_MOVE:
            self.arrivals.append(self._of(place, past, event.now))
        if asked is not None and not told & _FOR_NOTHING:
            asked.answers.append(self._of(place, past, asked.asked))

    @staticmethod
    def _of(place: int, past: Past, asked: datetime) -> Answer:
        return Answer(event=past.event, reference=past.reference, place=place, after=past.event.now - asked)

    def _ask(self, past: Past) -> None:
        now = past.event.now
        for command in past.decision.commands:
            match command:
                case Call(id=id_):
                    again(self.calls, id_, command, now)
                case Retry(id=id_, at=at) if id_ in self.calls and past.event.type == CALL_ENDED:
                    again(self.calls, id_, self.calls[id_].what, max(at, now))
                case Retry(id=id_) if id_ in self.calls:  # to be tried at once: no other try
                    self.calls[id_].asked = min(self.calls[id_].asked, now)
                case Withdraw(id=id_) if id_ in self.calls:
                    self.calls[id_].taken_back.add(len(self.calls[id_].answers))
                case StartChild():
                    again(self.children, (command.step, command.item, command.redo), command, now)
                case Tell(to="child"):
                    self.stopped.add((command.step, command.item, command.redo))
                case Claim(kind=kind, value=value):
                    again(self.refused, (kind, value), command, now)
                case _:
                    pass
        for record in past.decision.records:
            if record.what == "task.opened":
                task = Asked([record.data.get("content")], now)  # what it came to be, the newest last
                self.tasks.setdefault(record.step, []).append(task)
                self._opened[str(record.data["task"])] = task
            elif record.what == "task.changed" and record.data["task"] in self._opened:
                self._opened[record.data["task"]].what.append(record.data.get("content"))
            elif record.what == "exception.raised":
                id_ = str(record.data["exception"])
                self.exceptions[id_] = (record.step, str(record.data.get("type", "")))


def again(asked: dict[Any, Asked], name: Any, what: Any, now: datetime) -> None:
    """Note that something is asked, for the first time or once more."""
    known = asked.get(name)
    if known is None:
        asked[name] = Asked(what, now)
    else:
        known.what, known.asked, known.times = what, now, known.times + 1


def same_call(mine: Call, theirs: Call) -> bool:
    """Whether two calls ask the same of the same system by the same way."""
    return (mine.system, mine.operation, mine.via, mine.undo, mine.input) == (
        theirs.system,
        theirs.operation,
        theirs.via,
        theirs.undo,
        theirs.input,
    )
