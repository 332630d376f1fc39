"""Deadlines: when they are due, and the ladder that is climbed when they pass.

A deadline counts from the step's start (`within`), is a time (`by`), or the next cut-off of a calendar. A
`by` is evaluated again whenever what it names changes; a time that has moved into the past is due at once,
unless an event that was received in time may still be on its way: then the timer, which comes after it,
decides. Passing does not end the wait, unless the ladder says so. Each rung is climbed once in a life of the
step. A held step's deadline runs on: the customer's clock does not stop because somebody has to look at it.

Where a system was stopped so that deadlines stand still, each run that had a call waiting for it is told from
when until when, once the system starts again: its deadlines are put off by as long, each counted from its own
start. An end of a `wait` is no deadline, and stays.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

from crossdock.errors import CrossdockError
from crossdock.expressions import EvaluationError
from crossdock.process.actions import perform
from crossdock.process.calendar import Calendar
from crossdock.process.definition import Deadline, WaitWork
from crossdock.process.durations import Duration
from crossdock.process.state import StepState
from crossdock.process.turn import FAILURES, Turn
from crossdock.process.views import text_of

_DATE = re.compile(r"\s*\d{4}-")
OPEN = frozenset({"running", "waiting", "held"})  # the steps whose deadline runs


def instant(value: Any, what: str) -> datetime:
    """A time that an expression gave. Raises EvaluationError where it is none."""
    if isinstance(value, datetime):
        found = value
    else:
        try:
            found = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise EvaluationError(
                f"{what} gave {value!r}, where a time is needed",
                mend='give an instant with its zone, as `timestamp("2026-03-01T12:00:00Z")`',
            ) from None
    if found.tzinfo is None:
        raise EvaluationError(f"{what} gave {value!r}, a time without a zone", mend="add Z or an offset")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise EvaluationError(f"{what} gave {value!r}, which is beyond all calendars") from None


def set_deadline(turn: Turn, name: str) -> None:
    """Work out when a step that has just started is due."""
    deadline = turn.process.steps[name].deadline
    if deadline is not None:
        _set_due(turn, name, deadline, _due(turn, name, deadline))


def refresh(turn: Turn, name: str) -> None:
    """Work out a `by` again, after something it may name has changed."""
    deadline = turn.process.steps[name].deadline
    step = turn.look(name)
    if deadline is None or deadline.by is None or step.status not in OPEN or step.started is None:
        return
    due = _due(turn, name, deadline)
    if due != step.due:
        _set_due(turn, name, deadline, due)


def stood_still(turn: Turn) -> None:
    """Put off the deadlines that run by as long as the run stood still; no moment of it counts twice."""
    data = turn.event.data if isinstance(turn.event.data, dict) else {}
    since, until = instant(data.get("since"), "since"), instant(data.get("until"), "until")
    if turn.state.stood is not None:
        since = max(since, turn.state.stood)
    if until <= since:
        return
    turn.state.stood = until
    turn.record(
        "run.stood_still", connection=data.get("connection", ""), since=text_of(since), until=text_of(until)
    )
    for name, definition in turn.process.steps.items():
        found = turn.look(name)
        if definition.deadline is None or found.status not in OPEN or found.due is None:
            continue
        length = until - max(since, found.started or since)
        if length > timedelta(0):
            step = turn.step(name)
            step.stood += length.total_seconds()
            step.due = _later(found.due, length)
            step.next = None if found.next is None else _later(found.next, length)
            turn.record("deadline.moved", name, due=text_of(step.due))


def climb_overdue(turn: Turn) -> bool:
    """Climb a rung whose time was moved into the past by what has come in. Whether there was one."""
    while turn.overdue:
        name = turn.overdue[0]
        step = turn.look(name)
        if step.next is not None and step.next <= turn.event.received and step.status in OPEN:
            _climb(turn, name)
            return True
        turn.overdue.pop(0)
    return False


def fire(turn: Turn, until: datetime) -> bool:
    """Climb every rung that was due at or before `until`, earliest first. Whether any was."""
    fired = False
    while True:
        step_name = min(
            (
                name
                for name, step in turn.state.steps.items()
                if step.next is not None and step.next <= until and step.status in OPEN
            ),
            key=lambda name: (turn.look(name).next or until, name),
            default=None,
        )
        if step_name is None:
            return fired
        fired = True
        _climb(turn, step_name)


def _climb(turn: Turn, name: str) -> None:
    step = turn.step(name)
    deadline = turn.process.steps[name].deadline
    if deadline is None:  # a `wait`: its time has come
        turn.succeed(name, at=step.due)
        return
    rung = deadline.ladder[step.rung]
    due = step.due or turn.now
    turn.record("deadline.passed", name, due=text_of(due), rung=len(step.climbed))
    step.climbed = [*step.climbed, step.rung]
    _set_next(turn, step, deadline, due)
    message = f"{turn.process.steps[name].title} was due at {text_of(due)}"
    perform(turn, rung.actions, "late", name, message=message, due=text_of(due))


def _set_due(turn: Turn, name: str, deadline: Deadline, due: datetime | None) -> None:
    if not turn.counts(name):
        return
    step = turn.step(name)
    if due is not None and step.due is not None:
        turn.record("deadline.moved", name, due=text_of(due))
    elif due is not None:
        turn.record("deadline.set", name, due=text_of(due))
    else:
        turn.record("deadline.unknown", name)
    step.due = due
    _set_next(turn, step, deadline, due)
    if step.next is not None and step.next <= turn.event.received:
        turn.overdue.append(name)


def _set_next(turn: Turn, step: StepState, deadline: Deadline, due: datetime | None) -> None:
    """Find the earliest rung that is left; which it is may depend on the calendar, and on when it was due."""
    step.next = None
    if due is None:
        return
    calendar = turn.calendar(deadline.calendar)
    for n, rung in enumerate(deadline.ladder):
        if n not in step.climbed:
            then = due if rung.after is None else turn.after(due, rung.after, calendar)
            if step.next is None or then < step.next:
                step.rung, step.next = n, then


def _due(turn: Turn, name: str, deadline: Deadline) -> datetime | None:
    """When the step is due: its `by` where that is known, else what else is given, else nothing yet."""
    step = turn.look(name)
    start = step.started or turn.now
    due: datetime | None = None
    if deadline.by is not None:
        try:
            value = turn.evaluate(deadline.by)
            due = None if value is None else instant(value, "`by`")
        except FAILURES as error:
            if deadline.within is None:
                raise
            unknown_due(turn, name, error)  # and `within` counts
    elif deadline.cut_off:
        due = turn.calendar(deadline.calendar).cut_off(deadline.cut_off, start)
    if due is not None and deadline.before is not None:
        due = _earlier(due, deadline.before, turn.calendar(deadline.calendar))
    if due is None and deadline.within is not None:
        length = Duration.parse(turn.text(deadline.within))
        due = turn.after(start, length, turn.calendar(deadline.calendar))
    return _later(due, timedelta(seconds=step.stood)) if due is not None and step.stood else due


def wait_until(turn: Turn, name: str, work: WaitWork) -> datetime:
    """Until when a `wait` lasts: a time, or a length counted from its start."""
    start = turn.look(name).started or turn.now
    calendar = turn.calendar(work.calendar)
    if work.cut_off:
        return calendar.cut_off(work.cut_off, start)
    what = work.duration if work.duration is not None else work.until
    assert what is not None  # noqa: S101 - the reader gives one of the three
    value = turn.evaluate(what)
    if work.duration is not None or (isinstance(value, str) and not _DATE.match(value)):
        return turn.after(start, Duration.parse(value), calendar)
    return instant(value, "`wait`")


def refresh_wait(turn: Turn, name: str) -> None:
    """Work out the end of a `wait` again, after something it may name has changed."""
    work = turn.process.steps[name].work
    if isinstance(work, WaitWork) and work.until is not None:
        set_wait(turn, name)


def set_wait(turn: Turn, name: str) -> None:
    """Work out when a `wait` that has begun ends."""
    work = turn.process.steps[name].work
    if not isinstance(work, WaitWork) or turn.look(name).status != "waiting":
        return
    due = wait_until(turn, name, work)
    step = turn.step(name)
    if due == step.due:
        return
    turn.record("deadline.moved", name, due=text_of(due))
    step.due = step.next = due
    if due <= turn.event.received:
        turn.overdue.append(name)


def _later(due: datetime, length: timedelta) -> datetime:
    try:
        return due + length
    except OverflowError:
        raise EvaluationError(f"{length} after {text_of(due)} is beyond all calendars") from None


def _earlier(due: datetime, before: Duration, calendar: Calendar) -> datetime:
    try:
        return calendar.before(due, before)
    except OverflowError:
        raise EvaluationError(f"{before} before {text_of(due)} is beyond all calendars") from None


def unknown_due(turn: Turn, name: str, error: CrossdockError) -> None:
    """A deadline that could not be worked out is an exception: a wait without one is forgotten."""
    turn.open("decision_failed", name, message=f"its deadline could not be worked out: {error}")
