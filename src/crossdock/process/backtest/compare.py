"""Two courses of one case, and what a person is told of how they differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from crossdock.process.advance import Decision
from crossdock.process.definition import ChooseWork, Process, SetWork
from crossdock.process.messages import Call, Emit, Record
from crossdock.process.state import ENDED_RUN, ENDED_STEP, State
from crossdock.process.turn import text_of

Kind = Literal["end", "step", "exception", "person", "time", "call", "event", "result"]

MOST_DETAIL = 300
_SAME_TIME = timedelta(minutes=1)  # what comes no further off is not told
_DUE = ("deadline.set", "deadline.moved")


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that would have been otherwise; the same words for the same thing in every case.

    kind         what differs
    end          how the case ends, or whether and as what it begins
    step         what becomes of a step
    exception    which exceptions are opened
    person       who is asked to decide or to do something
    time         what is late, when it is due, when it ends, whether a target is met
    call         what is asked of other systems
    event        what is sent to others
    result       what a decision table or `set` gives
    """

    kind: Kind
    step: str
    what: str


@dataclass(slots=True)
class Told:
    """What decisions told and asked for, as far as it is compared."""

    records: Counter[Difference] = field(default_factory=Counter)
    calls: dict[str, Call] = field(default_factory=dict)  # by id: one that a person has tried again is one
    events: list[Emit] = field(default_factory=list)
    results: dict[str, Any] = field(default_factory=dict)  # of steps: what they gave
    due: dict[str, str] = field(default_factory=dict)
    met: dict[str, bool] = field(default_factory=dict)
    output: Any = None

    @classmethod
    def of(cls, decisions: Iterable[Decision]) -> Told:
        """All that these decisions told."""
        told = cls()
        for decision in decisions:
            for record in decision.records:
                told._take(record)
            for command in decision.commands:
                if isinstance(command, Call) and not command.only_find:
                    told.calls[command.id] = command
                elif isinstance(command, Emit) and not command.type.startswith("exception."):
                    told.events.append(command)
        return told

    def _take(self, record: Record) -> None:
        wording = _WORDS.get(record.what)
        if wording is not None:
            kind, words = wording
            self.records[Difference(kind, record.step, words(record.data))] += 1
        elif record.what == "step.succeeded":
            self.results[record.step] = record.data.get("output")
        elif record.what in _DUE:
            self.due[record.step] = str(record.data.get("due"))
        elif record.what == "measure" and "met" in record.data:
            self.met[str(record.data.get("name"))] = bool(record.data["met"])
        elif record.what == "run.completed":
            self.output = record.data.get("output")


# What is counted on both sides: the kind, and the words for it.
_WORDS: Mapping[str, tuple[Kind, Callable[[Mapping[str, Any]], str]]] = {
    "exception.raised": ("exception", lambda data: f"{data.get('type')} is opened"),
    "deadline.passed": ("time", lambda _: "it is late"),
    "escalated": ("person", lambda data: f"it is escalated to {data.get('to')}"),
    "task.opened": ("person", lambda data: f"{data.get('role')} is asked"),
    "redo.begun": ("step", lambda _: "it is done again"),
}


def differences(
    process: Process,
    then: tuple[State, Sequence[Decision]],
    now: tuple[State, Sequence[Decision]],
    *,
    whole: bool,
) -> Iterator[tuple[Difference, str]]:
    """What would have been otherwise, with what is to be known of this case alone.

    Of a play that is not `whole`, since it stopped at what is not known, only what it had done by then.
    """
    was, would = Told.of(then[1]), Told.of(now[1])
    if whole:
        yield from _ends(then[0], now[0], was, would)
    yield from _steps(then[0], now[0], whole=whole)
    yield from _counted(was.records, would.records, whole=whole)
    yield from _times(was, would)
    yield from _results(process, was, would)
    yield from _asked([*was.calls.values()], [*would.calls.values()], whole=whole)
    yield from _sent(was.events, would.events, whole=whole)


def _ends(then: State, now: State, was: Told, would: Told) -> Iterator[tuple[Difference, str]]:
    if then.status != now.status:
        reason = now.reason or ", ".join(
            f"{one.type}: {one.message}" for one in now.exceptions.values() if one.holds
        )
        yield Difference("end", "", f"it is {now.status}, was {then.status}"), _short(reason)
        return
    if then.status not in ENDED_RUN:
        return
    if was.output != would.output:
        yield Difference("end", "", "it gives another output"), _change(was.output, would.output)
    if then.ended is not None and now.ended is not None and abs(now.ended - then.ended) >= _SAME_TIME:
        word = "later" if now.ended > then.ended else "earlier"
        by = timedelta(seconds=round(abs((now.ended - then.ended).total_seconds())))
        yield Difference("time", "", f"it ends {word}"), f"by {by}, at {text_of(now.ended)}"


def _steps(then: State, now: State, *, whole: bool) -> Iterator[tuple[Difference, str]]:
    for name, step in now.steps.items():
        old = then.steps.get(name)
        if not whole and step.status not in ENDED_STEP:
            continue
        if old is None:
            if step.status not in ("skipped", "pending", "cancelled"):
                yield Difference("step", name, f"it is new, and is {step.status}"), ""
        elif old.status != step.status:
            yield Difference("step", name, f"it is {step.status}, was {old.status}"), _short(step.reason)
    for name, old in then.steps.items():
        if name not in now.steps and old.status not in ("skipped", "pending", "cancelled"):
            yield Difference("step", name, f"it is gone, was {old.status}"), ""


def _counted(
    was: Counter[Difference], would: Counter[Difference], *, whole: bool
) -> Iterator[tuple[Difference, str]]:
    for one, count in (would - was).items():
        more = " once more" if was[one] else ""
        yield Difference(one.kind, one.step, f"{one.what}{more}"), f"{count} times" if count > 1 else ""
    for one, count in (was - would).items() if whole else ():
        more = " that often" if would[one] else ""
        yield (
            Difference(one.kind, one.step, f"{_not(one.what)}{more}"),
            f"{count} times" if count > 1 else "",
        )


def _not(what: str) -> str:
    return what.replace(" is ", " is not ", 1)


def _times(was: Told, would: Told) -> Iterator[tuple[Difference, str]]:
    for step, due in would.due.items():
        then = was.due.get(step)
        if then is not None and abs(datetime.fromisoformat(due) - datetime.fromisoformat(then)) >= _SAME_TIME:
            word = "later" if due > then else "earlier"
            yield Difference("time", step, f"it is due {word}"), f"{due}, was {then}"
    for name, met in would.met.items():
        if was.met.get(name, met) != met:
            words = "is met, was missed" if met else "is missed, was met"
            yield Difference("time", "", f"the target of {name} {words}"), ""


def _results(process: Process, was: Told, would: Told) -> Iterator[tuple[Difference, str]]:
    for step, gives in would.results.items():
        work = process.steps[step].work
        if isinstance(work, ChooseWork | SetWork) and gives != was.results.get(step, gives):
            yield Difference("result", step, "it gives otherwise"), _change(was.results[step], gives)


def _asked(was: Sequence[Call], would: Sequence[Call], *, whole: bool) -> Iterator[tuple[Difference, str]]:
    then, now = [_content(call) for call in was], [_content(call) for call in would]
    besides = [call for call, content in zip(would, now, strict=True) if not _take(then, content)]
    now = [_content(call) for call in would]
    gone = [call for call, content in zip(was, map(_content, was), strict=True) if not _take(now, content)]
    for call in besides:
        yield Difference("call", call.step, f"{_operation(call)} is called, so was not"), ""
    for call in gone if whole else ():
        yield Difference("call", call.step, f"{_operation(call)} is not called so"), ""


def _sent(was: Sequence[Emit], would: Sequence[Emit], *, whole: bool) -> Iterator[tuple[Difference, str]]:
    then = [(one.type, one.data, one.about) for one in was]
    now = [(one.type, one.data, one.about) for one in would]
    left = list(then)
    for one in now:
        if not _take(left, one):
            words = "with other content" if any(one[0] == other[0] for other in left) else "and was not"
            yield Difference("event", "", f"{one[0]} is sent, {words}"), ""
    left = list(now)
    types = Counter(one[0] for one in now)
    for one in then if whole else ():
        if not _take(left, one) and types[one[0]] < sum(one[0] == other[0] for other in then):
            yield Difference("event", "", f"{one[0]} is not sent"), ""


def _take(among: list[Any], one: Any) -> bool:
    """Take one out, if it is there."""
    if one not in among:
        return False
    among.remove(one)
    return True


def _content(call: Call) -> tuple[Any, ...]:
    return (call.system, call.operation, call.via, call.undo, call.input)


def _operation(call: Call) -> str:
    return f"{call.system}.{call.operation}"


def _change(then: Any, now: Any) -> str:
    if isinstance(then, dict) and isinstance(now, dict):
        names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
        return _short("; ".join(f"{name}: {now.get(name)}, was {then.get(name)}" for name in names))
    return _short(f"{now}, was {then}")


def _short(text: str) -> str:
    return text if len(text) <= MOST_DETAIL else f"{text[: MOST_DETAIL - 3]}..."
