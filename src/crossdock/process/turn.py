"""One decision in the making: a working copy of the run, and the small changes that decisions are made of.

Nothing else writes to a run's state. The state that came in is never touched: the top is copied at once, each
step when it is first changed. Every change that a person would ask about leaves a record.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from crossdock.errors import CrossdockError, Refused
from crossdock.expressions import EvaluationError, Expression, Template
from crossdock.model import EXCEPTIONS
from crossdock.process.calendar import DEFAULT_CALENDAR, Calendar
from crossdock.process.definition import Process
from crossdock.process.durations import Duration
from crossdock.process.messages import EXCEPTION_CLOSE, Claim, Command, Emit, Event, Record, apart, unfit
from crossdock.process.schema import SEVERITIES
from crossdock.process.state import (
    ENDED_STEP,
    OpenException,
    PendingCall,
    RunStatus,
    State,
    StepState,
    StepStatus,
)
from crossdock.process.views import StepsView, run_view
from crossdock.process.views import text_of as text_of  # noqa: PLC0414 - the engine takes it from here

NOT_CALLED_FOR = "it was not called for"
MOST_RECORDS = 20_000
MOST_KEPT = 500
MOST_EVENTS = 2_000
MOST_MILESTONES = 200  # the last ones, which those that come are compared with
_CASE_KEYS = frozenset({"order", "shipment", "invoice", "claim"})  # of the document ExceptionCase

# What an expression or a value of the process can do wrong: told by an exception, never by a crash.
FAILURES = (EvaluationError, Refused)


_Struct = TypeVar("_Struct", bound=msgspec.Struct)


def _copied(struct: _Struct) -> _Struct:
    """A shallow copy, without the detour that `copy.copy` takes: this is the most frequent act of all."""
    return struct.__copy__()  # type: ignore[attr-defined,no-any-return] # every Struct has it


class DecisionError(CrossdockError):
    """A decision could not be made: the event is set aside with this, and the run waits for a person."""


class Reference(Protocol):
    """Versioned data that decisions use: the tenant's settings and its calendars."""

    @property
    def tenant(self) -> Mapping[str, Any]:
        """What expressions see as `tenant`: `id`, `name`, `settings`."""

    def calendar(self, name: str) -> Calendar | None:
        """The calendar of that name, if there is one."""


class Plain:
    """A `Reference` of fixed values: for tests, simulations and tenants that have set nothing."""

    def __init__(
        self, tenant: Mapping[str, Any] | None = None, calendars: Mapping[str, Calendar] | None = None
    ) -> None:
        """Take what expressions see as `tenant`, and the calendars by name."""
        self.tenant: Mapping[str, Any] = tenant or {"id": "default", "name": "default", "settings": {}}
        self._calendars = calendars or {}

    def calendar(self, name: str) -> Calendar | None:
        """The calendar of that name, if there is one."""
        return self._calendars.get(name)


def _severity(one: OpenException) -> str:
    """How grave an exception is: as the process says, else as its type is."""
    known = EXCEPTIONS.get(one.type)
    return one.severity or (known.severity if known else "medium")


class Turn:
    """A working copy of a run, and what the decision tells and asks for so far."""

    def __init__(self, process: Process, state: State, event: Event, reference: Reference) -> None:
        """Begin to decide `event` for the run `state`."""
        self.process = process
        self.event = event
        self.now = event.now
        self.reference = reference
        self.state = _copied(state)
        self.state.steps = dict(state.steps)
        self.records: list[Record] = []
        self.commands: list[Command] = []
        self.changed: list[str] = []  # steps whose change others may look at, in order
        self.given_back: list[str] = []  # steps that go on from where they were when they were taken down
        self.overdue: list[str] = []  # steps whose deadline has moved into the past
        self.document_changed = False
        self._own: set[str] = set()  # steps copied in this turn
        self._names: dict[str, Any] | None = None  # what expressions see, made when first asked for

    # -- looking ---------------------------------------------------------------------------------------

    def look(self, name: str) -> StepState:
        """A step, to read."""
        return self.state.steps[name]

    def step(self, name: str) -> StepState:
        """A step, to write: copied at the first touch."""
        step = self.state.steps[name]
        if name not in self._own:
            step = _copied(step)
            if step.call is not None:
                step.call = _copied(step.call)
            if step.children is not None:
                step.children = _copied(step.children)
            self.state.steps[name] = step
            self._own.add(name)
        return step

    def touched(self) -> Iterable[str]:
        """The steps that this decision has changed."""
        return self._own

    def values(self, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The names that expressions may use, over what the run is at this moment."""
        names = self._names
        if names is None:
            state = self.state
            names = self._names = {
                self.process.variable: state.document,
                "steps": StepsView(state.steps),
                "run": run_view(state),
                "tenant": self.reference.tenant,
                "now": self.now,
            }
        return {**names, **extra} if extra else names

    def evaluate(self, what: Expression | Template, extra: Mapping[str, Any] | None = None) -> Any:
        """The value of an expression or template here and now. Raises EvaluationError."""
        return what.evaluate(self.values(extra))

    def holds(self, condition: Expression | None, extra: Mapping[str, Any] | None = None) -> bool:
        """Whether `condition` holds; none holds always. Raises EvaluationError where it is neither."""
        if condition is None:
            return True
        value = self.evaluate(condition, extra)
        if not isinstance(value, bool):
            raise EvaluationError(
                f"${{ {condition.text} }} gave {value!r}, where true or false is needed",
                mend="compare the value with something",
            )
        return value

    def text(self, what: Template, extra: Mapping[str, Any] | None = None) -> str:
        """A template's value as text; nothing is an empty text."""
        value = self.evaluate(what, extra)
        return (
            value if isinstance(value, str) else "" if value is None else msgspec.json.encode(value).decode()
        )

    def calendar(self, choice: Template | None = None) -> Calendar:
        """The calendar in force: the chosen one, the run's, the tenant's default, or the plain one."""
        names: list[Any] = [self.evaluate(choice)] if choice is not None else []
        for name in (*names, self.state.calendar, "default"):
            found = self.reference.calendar(name) if isinstance(name, str) and name else None
            if found is not None:
                return found
        return DEFAULT_CALENDAR

    def after(self, instant: datetime, duration: Duration, calendar: Calendar | None = None) -> datetime:
        """The instant that lies `duration` after `instant`, in business time where it says so."""
        try:
            return (calendar or self.calendar()).add(instant, duration)
        except (OverflowError, ValueError):
            raise EvaluationError(f"{duration} after {text_of(instant)} is beyond all calendars") from None

    # -- telling and asking ----------------------------------------------------------------------------

    def record(self, what: str, step: str = "", item: str = "", **data: Any) -> None:
        """Tell one thing about the run."""
        if len(self.records) >= MOST_RECORDS:
            raise DecisionError(
                f"one event led to more than {MOST_RECORDS} records",
                where=self.state.id,
                mend="shorten the list of `each`, or split the process",
            )
        told = {key: value for key, value in data.items() if value is not None and value != ""}
        self.records.append(Record(what=what, step=step, item=item, data=told))

    def command(self, command: Command) -> None:
        """Ask for one thing."""
        self.commands.append(command)

    def emit(self, type_: str, data: Any, about: Mapping[str, str] | None = None) -> None:
        """A business event to others, named after this run so that a replay names it the same."""
        for kind, value in (about or {}).items():
            why = unfit(value)
            if why:
                raise EvaluationError(f"`about` {kind} cannot be a key: {why}")
        self.state.emitted += 1
        keys = {self.process.kind: self.state.key} if about is None else dict(about)
        if type_ == EXCEPTION_CLOSE and isinstance(data, dict):
            data = {"exception": self.state.key, "note": self.process.title, **data}
            keys = {"exception": data["exception"]}
        self.command(Emit(id=f"{self.state.id}/{self.state.emitted}", type=type_, data=data, about=keys))

    def claim(self, kind: str, value: str) -> None:
        """Later events that name `kind` = `value` are this run's."""
        value = apart(value, test=self.state.test) if value else value
        if not value or self.state.alias.get(kind) == value:
            return
        why = unfit(value)
        if why:
            self.open("decision_failed", message=f"what it gave as {kind} cannot be an alias: {why}")
            return
        self.state.alias = {**self.state.alias, kind: value}
        self.record("alias.set", kind=kind, value=value)
        self.command(Claim(kind=kind, value=value))

    # -- what a turn that follows a history sees otherwise (`retrace`) ---------------------------------

    def is_time(self, name: str) -> bool:  # noqa: ARG002 - for those that follow
        """Whether a pending step whose needs are met is looked at now."""
        return True

    def recall(self, name: str) -> None:
        """Raise what kept this step (or `step!undo`) from beginning, where that has happened."""

    def cannot(self, name: str, why: str) -> None:
        """Hear that a step (or `step!undo`) could not begin: what it needs could not be worked out."""

    def begin(self, name: str) -> bool:  # noqa: ARG002 - for those that follow
        """Whether a step whose condition holds begins its work now."""
        return True

    def counts(self, name: str) -> bool:  # noqa: ARG002 - for those that follow
        """Whether the deadline of this step counts yet."""
        return True

    def goes_on(self, call: PendingCall, most: int) -> bool:
        """Whether a call that was not answered well is tried again, of `most` tries in all."""
        return call.attempt < most

    def may_complete(self) -> bool:
        """Whether a run whose steps have all ended is completed now."""
        return True

    def may_clear_up(self) -> bool:
        """Whether steps that nothing has called for are given up, because nothing else is under way."""
        return True

    def name_exception(self, type_: str, step: str) -> str:  # noqa: ARG002 - for those that follow
        """The id of an exception that opens."""
        self.state.opened += 1
        return f"{self.state.id}/x{self.state.opened}"

    # -- the small changes -----------------------------------------------------------------------------

    def set_status(self, status: RunStatus) -> None:
        """Change what the run is; expressions see it from now on."""
        if self.state.status != status:
            self.state.status = status
            self._names = None

    def set_document(self, document: Any) -> None:
        """Change the document; expressions see it from now on."""
        self.state.document = document
        self._names = None

    def happened(self) -> datetime:
        """When the event in hand happened, as far as its source is trusted."""
        return self.event.time if self.event.trusted else self.event.received

    def end(self, name: str, status: StepStatus, what: str, *, reason: str = "", **data: Any) -> StepState:
        """Bring a step to an end: no deadline runs any more, lateness that was raised is closed."""
        step = self.step(name)
        step.status = status
        step.ended = self.now
        step.due = step.next = None
        step.rung, step.climbed = 0, []
        step.call = None
        step.task = ""
        step.reason = reason
        self.changed.append(name)
        self.record(what, name, reason=reason, **data)
        if self.state.exceptions:
            for id_, open_ in list(self.state.exceptions.items()):
                if open_.step == name:
                    late = open_.late and status == "succeeded"
                    self.close(id_, "come late" if late else f"the step is {status}")
        return step

    def succeed(self, name: str, output: Any = None, *, by: str = "", at: datetime | None = None) -> None:
        """The step has done what it was for."""
        definition = self.process.steps[name]
        step = self.step(name)
        if output is not None:
            step.output = output
        if by:
            step.by = by
        step.at = at or self.now
        self.state.successes += 1
        step.order = self.state.successes
        self.end(name, "succeeded", "step.succeeded", output=step.output, by=by)
        for kind, template in definition.alias.items():
            try:
                value = self.text(template, {"output": step.output, "input": step.input})
            except FAILURES as error:
                self.open(
                    "decision_failed", name, message=f"its alias {kind} could not be worked out: {error}"
                )
            else:
                self.claim(kind, value)

    def skip(self, name: str, reason: str, by: str = "") -> None:
        """The step is not needed; what needs it goes on."""
        step = self.step(name)
        step.at = self.now
        if by:
            step.by = by
        self.end(name, "skipped", "step.skipped", reason=reason, by=by)

    def fail(self, name: str, reason: str) -> None:
        """The step did not do what it was for, and something else takes its place."""
        self.end(name, "failed", "step.failed", reason=reason)

    def cancel_step(self, name: str, reason: str) -> None:
        """The step will not run any more."""
        if self.look(name).status not in ENDED_STEP:
            self.end(name, "cancelled", "step.cancelled", reason=reason)

    def hold(self, name: str, type_: str, *, message: str, severity: str | None = None, **data: Any) -> None:
        """The step stops until a person has closed the exception that this opens. Its deadline runs on."""
        step = self.step(name)
        step.status = "held"
        step.reason = message
        self.record("step.held", name, reason=message)
        self.open(type_, name, message=message, severity=severity, holds=True, **data)

    def open(
        self,
        type_: str,
        step: str = "",
        *,
        message: str = "",
        severity: str | None = None,
        holds: bool = False,
        late: bool = False,
        **data: Any,
    ) -> str:
        """Open an exception, or count it once more where one of this step and type is open. Gives its id."""
        exceptions = dict(self.state.exceptions)
        self.state.exceptions = exceptions
        self._names = None
        declared = self.process.exceptions.get(type_)
        severity = severity or (declared.severity if declared else None)
        for id_, open_ in exceptions.items():
            if open_.type == type_ and open_.step == step:
                repeat = _copied(open_)
                repeat.count += 1
                repeat.holds = repeat.holds or holds
                repeat.late = repeat.late and late
                graver = severity and SEVERITIES.index(severity) > SEVERITIES.index(_severity(open_))
                if graver:
                    repeat.severity = severity or ""
                exceptions[id_] = repeat
                self.record(
                    "exception.repeated",
                    step,
                    exception=id_,
                    count=repeat.count,
                    severity=severity if graver else None,
                    message=message,
                )
                return id_
        id_ = self.name_exception(type_, step)
        opened = exceptions[id_] = OpenException(
            type=type_,
            step=step,
            message=message,
            severity=severity or "",
            raised=self.now,
            holds=holds,
            late=late,
        )
        self.record(
            "exception.raised",
            step,
            exception=id_,
            type=type_,
            severity=_severity(opened),
            owner=declared.owner if declared else "",
            process_owner=self.process.owner,
            message=message,
            holds=holds,
            **data,
        )
        self.claim_exception(id_)
        self._announce("exception.raised", id_, opened)
        return id_

    def claim_exception(self, id_: str) -> None:
        """Let others name the exception to reach this run."""
        if self.process.document != "ExceptionCase":
            self.command(Claim(kind="exception", value=apart(id_, test=self.state.test)))

    def close(self, id_: str, note: str, by: str = "") -> None:
        """Close an exception. Whether its step goes on is for the caller to see."""
        exceptions = dict(self.state.exceptions)
        open_ = exceptions.pop(id_)
        self.state.exceptions = exceptions
        self._names = None
        self.record("exception.closed", open_.step, exception=id_, type=open_.type, note=note, by=by)
        closed = {"status": "closed", "closed": text_of(self.now), "closed_by": by, "resolution": note}
        self._announce("exception.closed", id_, open_, **closed)

    def _announce(self, what: str, id_: str, one: OpenException, **more: str) -> None:
        """Tell others, so that a process may start on it; not about such processes: no loops."""
        if self.process.document == "ExceptionCase":
            return
        case: dict[str, Any] = {
            "id": id_,
            "type": one.type,
            "severity": _severity(one),
            "process": self.state.process,
            "run": self.state.id,
            "message": one.message or one.type,
            "raised": text_of(one.raised),
        }
        if self.process.kind in _CASE_KEYS:
            case[self.process.kind] = self.state.key
        if one.step:
            case["step"] = one.step
        if one.count > 1:
            case["count"] = one.count
        case |= {key: value for key, value in more.items() if value}
        self.emit(what, case, {"exception": id_})

    def blocked(self, name: str) -> bool:
        """Whether an open exception stops this step."""
        return any(open_.step == name and open_.holds for open_ in self.state.exceptions.values())
