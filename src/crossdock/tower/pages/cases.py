"""What waits for people, with what a decision needs to know: approvals, tasks, exceptions; due soonest first.

A task is due when its step says. An exception is due when its type must have been answered, counted in the
business time of its run, from when it was opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from crossdock.errors import CrossdockError
from crossdock.model import EXCEPTIONS
from crossdock.process import Process
from crossdock.process.calendar import DEFAULT_CALENDAR, Calendar
from crossdock.process.definition import CallWork, PersonWork
from crossdock.process.durations import Duration
from crossdock.tower.addresses import run_page
from crossdock.tower.pages.forms import Group, groups
from crossdock.tower.telling import facts
from crossdock.tower.telling.times import Times
from crossdock.tower.telling.words import plain, step_title

MOST = 500  # of each kind that are looked at for one page

_ANSWER = {"low": "2 business days", "medium": "1 business day", "high": "4 business hours"}
_SOON = "1 business hour"


class Glimpse(msgspec.Struct):
    """As much of a run's state as a case shows."""

    document: Any = None
    calendar: str = ""


_glimpse = msgspec.json.Decoder(Glimpse)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing to decide. `kind`: approve, task or exception; `id` names it to the engine."""

    kind: str
    id: str
    title: str
    run: int
    process: str
    key: str
    generation: int
    seq: int
    step: str
    step_title: str
    owner: str
    role: str  # which one must have to decide; after an escalation `owner` is another
    opened: datetime
    due: datetime | None
    context: Sequence[tuple[str, str]]
    message: str = ""
    # of an approval or a task
    content: Sequence[tuple[str, str]] = ()
    seen: str = ""
    form: Sequence[Group] = ()
    excluded: Sequence[str] = ()
    # of an exception
    type: str = ""
    severity: str = ""
    count: int = 1
    holds: bool = False
    call: str = ""
    promise: str = ""
    playbook: Sequence[str] = ()

    @property
    def page(self) -> str:
        """The page of its run."""
        return run_page(self.process, self.key, self.generation)

    @property
    def anchor(self) -> str:
        """Names its place on the page."""
        return "case-" + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in self.id)


def of_task(row: Any, process: Process | None, times: Times, given: Mapping[str, str] | None = None) -> Case:
    """An open approval or task; `given` are inputs that were typed before."""
    data = _decode(row["data"])
    step = process.steps.get(row["step"]) if process is not None else None
    work = step.work if step is not None and isinstance(step.work, PersonWork) else None
    title = str(data.get("title") or (step.title if step else ""))
    document = glimpse(row["state"]).document
    content = tuple(facts.rows(data.get("content"), times))
    told = {text for _, text in content}
    return Case(
        kind="approve" if data.get("kind") == "approve" else "task",
        id=row["id"],
        title=step_title(row["step"], title),
        run=row["run"],
        process=row["process"],
        key=row["key"],
        generation=row["generation"],
        seq=row["seq"],
        step=row["step"],
        step_title=step_title(row["step"], title),
        owner=row["role"] or str(data.get("role", "")),
        role=str(data.get("role", "")) or row["role"],
        opened=row["opened"],
        due=row["due"],
        context=[pair for pair in facts.context(document, times) if pair[1] not in told],
        content=content,
        seen=str(data.get("seen", "")),
        form=groups(work.form, given) if work is not None and work.form is not None else (),
        excluded=[str(one) for one in data.get("excluded", ())],
    )


def of_exception(row: Any, process: Process | None, times: Times, calendars: Mapping[str, Calendar]) -> Case:
    """An open exception."""
    data = _decode(row["data"])
    known = EXCEPTIONS.get(row["type"])
    step = process.steps.get(row["step"]) if process is not None else None
    seen = glimpse(row["state"])
    called = f"{step.work.system}.{step.work.operation}" if step and isinstance(step.work, CallWork) else ""
    if called and row["connection"]:
        called += f" via {row['connection']}"
    return Case(
        kind="exception",
        id=row["id"],
        title=plain(row["type"]),
        run=row["run"],
        process=row["process"],
        key=row["key"],
        generation=row["generation"],
        seq=row["seq"],
        step=row["step"],
        step_title=step_title(row["step"], step.title if step else ""),
        owner=row["owner"] or (known.owner if known else ""),
        role="",
        opened=row["opened"],
        due=_answer_by(row, known.answer if known else "", calendars, seen.calendar),
        context=facts.context(seen.document, times),
        message=times.retold(row["message"]),
        type=row["type"],
        severity=row["severity"],
        count=row["count"],
        holds=bool(data.get("holds")),
        call=called,
        promise=known.promise if known else "",
        playbook=known.playbook if known else (),
    )


def ordered(cases: Sequence[Case]) -> list[Case]:
    """Due soonest first; what has no deadline comes last, the oldest first."""
    never = datetime.max.replace(tzinfo=UTC)
    return sorted(cases, key=lambda case: (case.due or never, case.opened, case.id))


def calendars_of(data: bytes | None) -> dict[str, Calendar]:
    """The tenant's calendars by name; one that cannot be read is left out."""
    found: dict[str, Calendar] = {}
    content = _decode(data) if data else {}
    for name, one in (content.get("calendars") or {}).items():
        try:
            found[name] = Calendar.parse(one, where=name)
        except CrossdockError:
            continue
    return found


def glimpse(state: bytes | None) -> Glimpse:
    """What a case shows of its run's state."""
    try:
        return _glimpse.decode(state) if state else Glimpse()
    except msgspec.DecodeError:
        return Glimpse()


def _answer_by(row: Any, answer: str, calendars: Mapping[str, Calendar], own: str) -> datetime | None:
    calendar = calendars.get(own) or calendars.get("default") or DEFAULT_CALENDAR
    length = answer or _ANSWER.get(row["severity"], _SOON)
    try:
        return calendar.add(row["opened"], Duration.parse(length))
    except CrossdockError:
        return None


def _decode(data: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return {}
    return found if isinstance(found, dict) else {}
