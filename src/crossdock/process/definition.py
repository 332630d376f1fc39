"""A process as the kernel runs it: read, checked in form, every expression compiled. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from crossdock.expressions import Expression, Record, Template
from crossdock.process.durations import Duration
from crossdock.process.source import Position

Verb = Literal["raise", "escalate", "emit", "skip", "cancel", "fail", "redo", "step", "nothing"]
Severity = Literal["low", "medium", "high", "critical"]

# Verbs that decide what becomes of the step or the run; the others only tell somebody.
DECISIVE: frozenset[str] = frozenset({"raise", "skip", "cancel", "fail", "redo", "step"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """What is done when something happens: a deadline passes, a call fails, a person says no, an event comes.

    `word` is the verb's object: an exception type, a role, an event type, a reason or a step's name.
    """

    verb: Verb
    word: str
    at: Position
    condition: Expression | None = None
    severity: Severity | None = None
    message: Template | None = None
    data: Template | None = None
    most: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One rung of a ladder: `actions`, so long `after` the deadline (none: at it)."""

    after: Duration | None
    actions: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """By when a step must have ended, and what happens when it has not.

    One of: `within` (from the step's start), `by` (a time), `cut_off` (the next of that name, `before` it).
    """

    at: Position
    within: Template | None = None
    by: Template | None = None
    cut_off: str = ""
    before: Duration | None = None
    calendar: Template | None = None
    ladder: tuple[Rung, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how soon a call is tried again: `attempts` in all, waits of `first` growing to `most`."""

    attempts: int = 8
    exponential: bool = True
    first: timedelta = timedelta(seconds=5)
    most: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """How a step that succeeded is taken back: by an operation, not at all (`none`), or it cannot be."""

    kind: Literal["call", "none", "impossible"]
    system: str = ""
    operation: str = ""
    reason: str = ""
    input: Template | None = None
    input_names: tuple[str, ...] | None = (
        None  # without `with:`: these, from the call's output, then its input
    )
    via: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallWork:
    """An operation of a connected system."""

    system: str
    operation: str
    input: Template
    via: Template | None
    retry: Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitWork:
    """An event of one of `types`; of several, until `until` holds."""

    types: tuple[str, ...]
    match: Expression | None
    until: Expression | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonWork:
    """A person decides (`approve`) or fills a form (`task`)."""

    kind: Literal["approve", "task"]
    role: str
    excluded: tuple[Template, ...]
    candidates: tuple[Template, ...]
    form: Record | None
    content: Template | None
    refused: tuple[Action, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitWork:
    """Until a time, or for a duration, or to a cut-off of the calendar."""

    duration: Template | None = None
    until: Template | None = None
    cut_off: str = ""
    calendar: Template | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of a decision table."""

    when: Expression | None
    give: Template


@dataclass(frozen=True, slots=True, kw_only=True)
class ChooseWork:
    """A decision table: the first rule that hits, or all (`collect`)."""

    collect: bool
    rules: tuple[Rule, ...]
    otherwise: Template | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EmitWork:
    """An event to others."""

    type: str
    data: Template
    about: Mapping[str, Template]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWork:
    """Child runs: one, or one for every item of `each`."""

    process: str
    document: Template | None
    each: Expression | None
    item_key: Expression | None
    growing: frozenset[str]  # the steps that the list names: final when all of them have ended
    keeps_outputs: bool  # whether an expression asks for what the children gave


@dataclass(frozen=True, slots=True, kw_only=True)
class SetWork:
    """Named values for later steps."""

    values: Template


Work = CallWork | AwaitWork | PersonWork | WaitWork | ChooseWork | EmitWork | RunWork | SetWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step: when it starts, what it does, what becomes of it when it is late or fails."""

    name: str
    title: str
    at: Position
    work: Work
    needs: tuple[str, ...] = ()
    needs_any: tuple[str, ...] = ()
    condition: Expression | None = None
    deadline: Deadline | None = None
    fails: tuple[Action, ...] = ()
    undo: Undo | None = None
    alias: Mapping[str, Template] = field(default_factory=dict)
    redo_most: int | None = None

    @property
    def kind(self) -> str:
        """The word that makes it what it is: call, await, approve, task, wait, choose, emit, run, set."""
        return self.work.kind if isinstance(self.work, PersonWork) else _KINDS[type(self.work)]


_KINDS: dict[type, str] = {
    CallWork: "call",
    AwaitWork: "await",
    WaitWork: "wait",
    ChooseWork: "choose",
    EmitWork: "emit",
    RunWork: "run",
    SetWork: "set",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """An event that starts a run, when `condition` holds; the document is what it says, or a part of that."""

    on: str
    condition: Expression | None
    document: Template | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A KPI: the time between the ends of two steps (or `start`, `end`)."""

    name: str
    title: str
    start: str
    end: str
    target: Duration | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExceptionKind:
    """What the process itself declares of an exception type."""

    severity: Severity | None
    owner: str
    meaning: str


# What a step need not keep when it has ended, unless something asks for it (its events, besides).
FORGOTTEN = ("started", "ended", "at", "order", "input", "via", "output", "by", "reason")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A published process: immutable, named by `name` and `version` (a hash of its content).

    `variable` is the name its document has in expressions, `kind` the kind of key that names it in events.
    The last fields are derived, so that deciding looks things up instead of searching for them.
    """

    name: str
    version: str
    title: str
    owner: str
    document: str
    variable: str
    kind: str
    key: Template
    again: Literal["allow", "refuse"]
    environment: Literal["production", "sandbox"]
    calendar: Template | None
    start: tuple[Start, ...]
    alias: Mapping[str, Template]
    on: Mapping[str, tuple[Action, ...]]
    steps: Mapping[str, Step]
    output: Template | None
    measures: tuple[Measure, ...]
    exceptions: Mapping[str, ExceptionKind]
    carries: Mapping[str, str]  # event type -> the field of its data that is the document ("": all of it)
    source: str  # the text it was read from

    awaited: Mapping[str, tuple[str, ...]]  # event type -> steps that wait for it
    dependents: Mapping[str, tuple[str, ...]]  # step -> steps that look at it to start, end or grow
    triggers: Mapping[str, frozenset[str]]  # step that only an action starts -> steps whose actions name it
    watches_document: frozenset[str]  # steps whose `until`, `each`, `by` or `with` names the document
    keeps: Mapping[str, frozenset[str]]  # step -> what of it is still asked for when it has ended
    forgets: Mapping[str, tuple[str, ...]]  # step -> the rest, of what can be forgotten

    def wants(self, event_type: str) -> bool:
        """Whether a run of this process has a use for events of this type."""
        return event_type in self.awaited or event_type in self.on or event_type in self.carries

    def starts_on(self, event_type: str) -> bool:
        """Whether an event of this type may start a run."""
        return any(start.on == event_type for start in self.start)
