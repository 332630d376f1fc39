"""A run's history in sentences: what came, when it happened and was received, and what followed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from crossdock.process import Process
from crossdock.process.messages import (
    ALIAS_REFUSED,
    CALL_ENDED,
    CHILD_ENDED,
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    RUN_START,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    TASK_DECIDED,
    TIMER_DUE,
    Event,
    Record,
)
from crossdock.tower.telling import facts
from crossdock.tower.telling.times import Times, span
from crossdock.tower.telling.words import plain, step_title

_event = msgspec.json.Decoder(Event)
_records = msgspec.json.Decoder(list[Record])

# Records that repeat what the event already says, or that only programs ask for.
_OURS = frozenset(
    {
        CALL_ENDED,
        TIMER_DUE,
        TASK_DECIDED,
        CHILD_ENDED,
        ALIAS_REFUSED,
        EXCEPTION_CLOSE,
        STEP_RETRY,
        STEP_SUPPLY,
        STEP_SKIP,
        STEP_REDO,
        RUN_START,
        RUN_CANCEL,
    }
)
_SILENT = frozenset({"alias.set", "event.kept", "step.chosen"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One thing that followed: its sentence, its tone (a class), the step it is about, the record's name."""

    text: str
    tone: str
    step: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One decision. `happened` is there where it differs from `at`, the time it was decided, by a minute."""

    seq: int
    at: datetime
    happened: datetime | None
    received: datetime | None
    what: str
    who: str
    source: str
    type: str
    said: str  # by whoever sent it, in their own words
    lines: tuple[Line, ...]
    event: Event | None

    @property
    def gist(self) -> Line | None:
        """The one line that matters most: what went wrong, else what waits, else what was done last."""
        for tone in ("bad", "wait", "good"):
            found = [line for line in self.lines if line.tone == tone]
            if found:
                return found[-1]
        return self.lines[-1] if self.lines else None

    @property
    def business(self) -> bool:
        """Whether it came from outside, and is no word between runs, clocks and people."""
        return self.event is not None and self.type not in _OURS


def entry(row: Any, titles: Mapping[str, str], times: Times) -> Entry:
    """One row of history as it is told. What cannot be read is shown by its type alone."""
    try:
        event: Event | None = _event.decode(row["event"])
    except msgspec.DecodeError:
        event = None
    try:
        records: Sequence[Record] = _records.decode(row["records"])
    except msgspec.DecodeError:
        records = ()
    at: datetime = row["at"]
    what = _cause(event, records, titles) if event else row["type"]
    lines = [_line(record, titles, times) for record in records if record.what not in _SILENT]
    return Entry(
        seq=row["seq"],
        at=at,
        happened=_apart(event.time, at) if event else None,
        received=_apart(event.received, at) if event else None,
        what=what,
        who=event.actor.id if event and event.actor else "",
        source=event.source if event else "",
        type=row["type"],
        said=facts.gloss(event.data, times) if event and event.type not in _OURS else "",
        lines=tuple(line for line in lines if line.text != what),
        event=event,
    )


def titles_of(process: Process | None) -> dict[str, str]:
    """What each step is called."""
    if process is None:
        return {}
    return {name: step_title(name, step.title) for name, step in process.steps.items()}


def _apart(instant: datetime, at: datetime) -> datetime | None:
    return instant if abs((at - instant).total_seconds()) >= 60 else None


def _cause(event: Event, records: Sequence[Record], titles: Mapping[str, str]) -> str:
    """What came in, in words."""
    data = event.data if isinstance(event.data, dict) else {}
    who = event.actor.id if event.actor else "Somebody"
    step = titles.get(str(data.get("step", "")), str(data.get("step", "")))
    match event.type:
        case "call.ended":
            name = str(data.get("command", ""))
            undo = name.endswith("!undo")
            step = titles.get(name.partition("!")[0].partition("#")[0], name)
            said = {
                "done": "done",
                "refused": "refused",
                "unreachable": "could not be reached",
                "unknown": "no certain answer",
                "withdrawn": "withdrawn",
            }.get(str(data.get("outcome", "")), "answered")
            return f"{'Undo of ' if undo else ''}{step}: {said}"
        case "timer.due":
            late = next((record.step for record in records if record.what == "deadline.passed"), "")
            return f"{titles.get(late, late)} is late" if late else "A time came"
        case "task.decided":
            return f"{who} decided: {data.get('decision', 'done')}"
        case "child.ended":
            item = f" {data['item']}" if data.get("item") else ""
            return f"Child run{item} of {step} {data.get('status', 'ended')}"
        case "exception.close":
            action = {"retry": "tries again", "skip": "skips the step", "cancel": "cancels the run"}
            return f"{who} {action.get(str(data.get('action', '')), 'closes the exception')}"
        case "step.retry":
            return f"{who} tries {step} again"
        case "step.supply":
            return f"{who} supplies the result of {step}"
        case "step.skip":
            return f"{who} skips {step}"
        case "step.redo":
            return f"{who} has {step} done again"
        case "run.start":
            return "Started by another run" if event.actor is None else f"{who} starts the run"
        case "run.move":
            return f"{who} lets the run go on under another version"
        case "run.cancel":
            return f"{who} cancels the run" if event.actor else "The parent run cancels"
        case "alias.refused":
            return f"{data.get('kind')} {data.get('value')} belongs to another run"
        case _:
            return event.type


def _line(record: Record, titles: Mapping[str, str], times: Times) -> Line:
    step = titles.get(record.step, record.step)
    tell = _TELL.get(record.what)
    if tell is None:
        text, tone = plain(record.what.replace(".", " ")), "quiet"
        text = f"{step}: {text.lower()}" if step else text
    else:
        sentence, tone = tell
        text = sentence(_Told(record, step, times))
    return Line(text=text, tone=tone, step=record.step, what=record.what)


class _Told:
    """A record as the sentences below ask for it: missing fields are empty, instants are told."""

    def __init__(self, record: Record, step: str, times: Times) -> None:
        self.step = step or "The run"
        self.item = record.item
        self._data = record.data
        self._times = times

    def __getattr__(self, name: str) -> str:
        value = self._data.get(name)
        if value is None or value == "":
            return ""
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        return self._times.retold(text)

    def few(self, name: str) -> str:
        """The first two of a list, and how many more there are."""
        values = [str(value) for value in self._data.get(name, ())]
        more = f" or {len(values) - 2} others" if len(values) > 2 else ""
        return " or ".join(values[:2]) + more

    def why(self, *names: str) -> str:
        """`: the first of these that there is`."""
        return next((f": {self.__getattr__(name)}" for name in names if self.__getattr__(name)), "")

    @property
    def by_whom(self) -> str:
        """` by ann`."""
        by = self.__getattr__("by")
        return f" by {by}" if by else ""


_Sentence = Callable[[_Told], str]

_TELL: dict[str, tuple[_Sentence, str]] = {
    "run.started": (lambda t: f"Run started{t.by_whom}", "busy"),
    "run.moved": (
        lambda t: f"Goes on under version {t.version[:10]}{t.by_whom}{t.why('note')}",
        "good",
    ),
    "run.move_refused": (
        lambda t: f"{t.step}: cannot go on under version {t.version[:10]}{t.why('reason')}",
        "bad",
    ),
    "run.stood_still": (lambda t: f"Stood still while {t.connection} was stopped", "wait"),
    "run.completed": (lambda _: "Run completed", "good"),
    "run.cancelling": (lambda t: f"Cancelling{t.by_whom}{t.why('reason')}", "wait"),
    "run.cancelled": (lambda t: f"Run cancelled{t.why('reason')}", "quiet"),
    "run.failed": (lambda t: f"Run failed{t.why('reason')}", "bad"),
    "step.started": (
        lambda t: f"{t.step}: started{t.why('operation', 'process')}" + (f" via {t.via}" if t.via else ""),
        "busy",
    ),
    "step.waiting": (
        lambda t: f"{t.step}: waiting" + (f" for {t.few('types')}" if t.types else f" until {t.due}"),
        "wait",
    ),
    "step.succeeded": (lambda t: f"{t.step}: done{t.by_whom}", "good"),
    "step.skipped": (lambda t: f"{t.step}: skipped{t.by_whom}{t.why('reason')}", "quiet"),
    "step.failed": (lambda t: f"{t.step}: failed{t.why('reason')}", "bad"),
    "step.held": (lambda t: f"{t.step}: held{t.why('reason')}", "bad"),
    "step.resumed": (lambda t: f"{t.step}: goes on{t.by_whom}", "busy"),
    "step.cancelled": (lambda t: f"{t.step}: cancelled{t.why('reason')}", "quiet"),
    "step.undoing": (lambda t: f"{t.step}: being undone{t.why('operation')}", "wait"),
    "step.undone": (lambda t: f"{t.step}: undone{t.by_whom}{t.why('reason')}", "quiet"),
    "step.redone": (lambda t: f"{t.step}: to be done again", "wait"),
    "step.supplied": (lambda t: f"{t.step}: result supplied{t.by_whom}{t.why('note')}", "good"),
    "step.retry_refused": (lambda t: f"{t.step}: cannot be tried again{t.why('reason')}", "bad"),
    "step.skip_refused": (lambda t: f"{t.step}: cannot be skipped{t.why('reason')}", "bad"),
    "step.supply_refused": (lambda t: f"{t.step}: no result can be supplied{t.why('reason')}", "bad"),
    "step.trigger_refused": (lambda t: f"{t.step}: cannot be started{t.why('reason')}", "bad"),
    "call.retried": (
        lambda t: f"{t.step}: try {t.attempt} at {t.at}{t.why('reason', 'outcome')}",
        "wait",
    ),
    "call.given_up": (
        lambda t: (
            f"{t.step}: given up, {t.attempts} {'try' if t.attempts == '1' else 'tries'}{t.why('reason')}"
        ),
        "bad",
    ),
    "call.hurried": (lambda t: f"{t.step}: to be tried at once{t.by_whom}", "busy"),
    "call.withdrawing": (lambda t: f"{t.step}: call being taken back", "wait"),
    "call.surplus": (lambda t: f"{t.step}: an answer that nobody waits for ({t.outcome})", "quiet"),
    "task.opened": (lambda t: f"{t.step}: asks {t.role}", "wait"),
    "task.changed": (lambda t: f"{t.step}: what is decided has changed", "wait"),
    "task.decided": (lambda t: f"{t.step}: {t.decision}{t.by_whom}{t.why('note')}", "good"),
    "task.withdrawn": (lambda t: f"{t.step}: withdrawn", "quiet"),
    "decision.refused": (lambda t: f"Decision{t.by_whom} not taken{t.why('reason')}", "bad"),
    "repair.refused": (lambda t: f"Repair{t.by_whom} not done{t.why('reason')}", "bad"),
    "cancel.refused": (lambda t: f"Not cancelled{t.why('reason')}", "bad"),
    "redo.begun": (lambda t: f"{t.step}: done again{t.by_whom}{t.why('reason')}", "wait"),
    "redo.refused": (lambda t: f"{t.step}: cannot be done again{t.why('reason')}", "bad"),
    "deadline.set": (lambda t: f"{t.step}: due {t.due}", "quiet"),
    "deadline.moved": (lambda t: f"{t.step}: now due {t.due}", "quiet"),
    "deadline.passed": (lambda t: f"{t.step}: was due {t.due}", "wait"),
    "escalated": (lambda t: f"{t.step}: escalated to {t.to}{t.why('message')}", "wait"),
    "exception.raised": (lambda t: f"Exception {plain(t.type).lower()}{t.why('message')}", "bad"),
    "exception.repeated": (lambda t: f"Exception again, {t.count} times{t.why('message')}", "bad"),
    "exception.closed": (
        lambda t: f"Exception {plain(t.type).lower()} closed{t.by_whom}{t.why('note')}",
        "good",
    ),
    "event.unused": (lambda t: f"Kept, with no use for it{t.why('reason')}", "quiet"),
    "event.emitted": (lambda t: f"{t.step}: told others {t.type}", "busy"),
    "event.noted": (lambda t: f"Noted{t.why('message')}", "quiet"),
    "milestone.repeated": (lambda t: f"{plain(t.code or t.reason)} was told before: one milestone", "quiet"),
    "milestone.contradicts": (lambda t: f"{plain(t.code)} contradicts the delivery: moves nothing", "wait"),
    "document.replaced": (lambda _: "The document was replaced by a newer version", "busy"),
    "document.older": (lambda _: "An older version of the document came", "quiet"),
    "child.started": (lambda t: f"{t.step}: child run {t.item} of {t.process} started", "busy"),
    "child.ended": (lambda t: f"{t.step}: child run {t.item} {t.status}{t.why('reason')}", "quiet"),
    "child.surplus": (lambda t: f"{t.step}: word from a child run that nobody waits for", "quiet"),
    "measure": (lambda t: f"Measured {plain(t.name).lower()}: {span(float(t.seconds or 0))}", "quiet"),
}
