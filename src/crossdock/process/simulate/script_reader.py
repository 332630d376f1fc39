"""Reading a script: each part is checked against the processes, each problem told with its place and mend."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

from crossdock.errors import Refused
from crossdock.expressions import Record, Type, problems
from crossdock.process.calendar import Calendar
from crossdock.process.catalogue import Catalogue
from crossdock.process.definition import PersonWork, Process
from crossdock.process.durations import Duration
from crossdock.process.problems import Problem, nearest
from crossdock.process.simulate.script import Defaults, Item, NotAScript, Repair, Script, When
from crossdock.process.source import Path, Source
from crossdock.process.state import RunStatus, StepStatus

_TOP = ("title", "process", "start", "until", "document", "tenant", "calendars", "defaults", "happens")
_FIELDS: Mapping[str, tuple[str, ...]] = {
    kind: (kind, *fields.split())
    for kind, fields in (
        ("event", "at when after for data"),
        ("call", "for gives refuses unreachable retry_after unknown resolvable never after times"),
        ("child", "gives fails never after times"),
        ("decide", "at when after for as roles decision note form"),
        ("do", "at when after for as step reason output exception"),
        ("never", "for"),
        ("expect", "at when after"),
    )
}
_EXPECT = ("for", "run", "reason", "steps", "exceptions", "open", "calls", "output", "count")
_EXPECT_STEP = ("status", "output", "by", "redo", "reason")
_STEP_STATUS: tuple[str, ...] = get_args(StepStatus)
_RUN_STATUS: tuple[str, ...] = get_args(RunStatus)
_DEFAULTS: tuple[str, ...] = get_args(Defaults)
_REPAIRS: tuple[str, ...] = get_args(Repair)
_WHEN = re.compile(r"(?:([a-z][a-z0-9_-]*)/)?([a-z][a-z0-9_]*) ([a-z]+)\Z")


def read_script(
    text: str, process: Process, library: Mapping[str, Process], catalogue: Catalogue, *, file: str = ""
) -> Script:
    """Read a script for runs of `process`. Raises `NotAScript` with every problem and its place."""
    try:
        source = Source(text, file=file)
    except Refused as error:
        place = error.where.rsplit(":", 2)
        line, column = (int(place[1]), int(place[2])) if len(place) == 3 else (1, 1)
        problem = Problem(line=line, column=column, message=error.message, mend=error.mend, file=file)
        raise NotAScript((problem,)) from None
    reader = _Reader(source, process, library, catalogue)
    script = reader.script()
    if reader.problems:
        raise NotAScript(tuple(reader.problems))
    return script


class _Reader:
    def __init__(
        self, source: Source, process: Process, library: Mapping[str, Process], catalogue: Catalogue
    ) -> None:
        self._source = source
        self._process = process
        self._library = {**library, process.name: process}
        self._catalogue = catalogue
        self.problems: list[Problem] = []

    def _problem(self, path: Path, message: str, mend: str = "") -> None:
        at = self._source.at(path)
        self.problems.append(
            Problem(line=at.line, column=at.column, message=message, mend=mend, file=self._source.file)
        )

    def script(self) -> Script:
        value = self._source.value
        top: Mapping[str, Any] = {}
        path: Path = ()
        if isinstance(value, dict):
            top, path, value = value, ("happens",), value.get("happens") or []
            self._known((), top, _TOP)
        if not isinstance(value, list):
            self._problem(path, "a script is a list of what happens", "write `- event: ...` lines")
            return Script()
        if top.get("process") not in (None, self._process.name):
            mend = f"try it with the file of {top['process']}"
            self._problem(
                ("process",), f"this script is for {top['process']}, not {self._process.name}", mend
            )
        settings = self._map(("tenant",), top.get("tenant"))
        document = self._map(("document",), top.get("document"))
        self._fits(
            ("document",), document, self._catalogue.documents.get(self._process.document), "the document"
        )
        defaults = top.get("defaults", "all")
        if defaults not in _DEFAULTS:
            self._problem(("defaults",), f"{defaults!r} is no choice", f"one of {', '.join(_DEFAULTS)}")
        start = self._time(("start",), top.get("start"))
        if isinstance(start, timedelta):
            self._problem(("start",), "the start is an instant", "write it as 2026-01-05T08:00:00Z")
        items = [self._item((*path, n), item) for n, item in enumerate(value)]
        return Script(
            title=str(top.get("title") or ""),
            process=str(top.get("process") or ""),
            start=start if isinstance(start, datetime) else None,
            until=self._duration(("until",), top.get("until")),
            document=document,
            settings=settings,
            calendars=self._calendars(top.get("calendars")),
            defaults=defaults if defaults in _DEFAULTS else "all",
            items=tuple(item for item in items if item is not None),
        )

    def _calendars(self, given: Any) -> dict[str, Calendar]:
        found = {}
        for name, terms in self._map(("calendars",), given).items():
            try:
                found[name] = Calendar.parse({"name": name, **terms} if isinstance(terms, dict) else terms)
            except Refused as error:
                self._problem(("calendars", name), error.message, error.mend)
        return found

    # -- one happening ---------------------------------------------------------------------------------

    def _item(self, path: Path, value: Any) -> Item | None:
        if not isinstance(value, dict):
            self._problem(path, "a happening has fields", f"start it with one of {', '.join(_FIELDS)}")
            return None
        kind = next(
            (kind for kind in _FIELDS if kind in value and not (kind == "never" and value[kind] is True)), ""
        )
        if not kind:
            words = nearest(next(iter(value), ""), _FIELDS)
            self._problem(path, "it does not say what happens", words)
            return None
        self._known(path, value, _FIELDS[kind])
        name = value[kind]
        if kind == "expect":
            self._expect((*path, "expect"), name)
            name = ""
        elif not isinstance(name, str):
            self._problem((*path, kind), f"`{kind}` names one thing, not {name!r}")
            return None
        item = Item(
            kind=kind,
            name=str(name),
            line=self._source.at(path).line,
            at=self._time((*path, "at"), value.get("at")),
            when=self._when((*path, "when"), value.get("when")),
            after=self._duration((*path, "after"), value.get("after")),
            whom=str(value.get("for") or ""),
            said=value,
        )
        if item.at is not None and item.when is not None:
            self._problem(path, "it has both `at` and `when`", "keep one of them")
        if item.whom:
            self._whom((*path, "for"), item.whom)
        look = {
            "event": self._event,
            "never": self._never,
            "call": self._call,
            "child": self._child,
            "decide": self._decide,
            "do": self._do,
        }
        if kind in look:
            look[kind](path, item)
        return item

    def _event(self, path: Path, item: Item) -> None:
        if item.at is None and item.when is None:
            self._problem(path, "it does not say when", "add `at: 2h`, or `when: pick succeeded`")
        if self._event_type((*path, "event"), item.name):
            shape = self._catalogue.events[item.name]
            self._fits((*path, "data"), item.said.get("data"), shape.data, item.name)

    def _never(self, path: Path, item: Item) -> None:
        self._event_type((*path, "never"), item.name)

    def _call(self, path: Path, item: Item) -> None:
        operation = item.name
        named = [p.steps[item.name] for p in self._library.values() if item.name in p.steps]
        if "." not in item.name and named:
            work = named[0].work
            if named[0].kind != "call":
                self._problem((*path, "call"), f"{item.name} is no call, it is `{named[0].kind}`")
                return
            operation = f"{getattr(work, 'system', '')}.{getattr(work, 'operation', '')}"
        elif item.name not in self._catalogue.operations:
            steps = {name for process in self._library.values() for name in process.steps}
            mend = nearest(item.name, {*self._catalogue.operations, *steps})
            self._problem((*path, "call"), f"there is no operation or step `{item.name}`", mend)
            return
        answers = [key for key in ("gives", "refuses", "unreachable", "never") if key in item.said]
        if len(answers) > 1 or ("unknown" in item.said and set(answers) - {"gives"}):
            self._problem(path, f"it answers in {len(answers)} ways", "keep one of them")
        shape = self._catalogue.operations.get(operation)
        if shape is not None:
            self._fits((*path, "gives"), item.said.get("gives"), shape.output, f"what {operation} gives")
        for key in ("unreachable", "times"):
            number = item.said.get(key)
            if number is not None and (not isinstance(number, int) or isinstance(number, bool) or number < 1):
                self._problem(
                    (*path, key), f"`{key}` says how often: {number!r} is no count", "write 1 or more"
                )
        self._duration((*path, "retry_after"), item.said.get("retry_after"))

    def _child(self, path: Path, item: Item) -> None:
        known = {*self._library, *self._catalogue.processes}
        if item.name not in known:
            self._problem((*path, "child"), f"there is no process `{item.name}`", nearest(item.name, known))

    def _decide(self, path: Path, item: Item) -> None:
        found = self._step((*path, "decide"), item.name, item.whom)
        work = found.steps[item.name].work if found is not None else None
        if found is None:
            return
        if not isinstance(work, PersonWork):
            kind = found.steps[item.name].kind
            self._problem((*path, "decide"), f"nobody decides {item.name}: it is `{kind}`")
            return
        decision = item.said.get("decision")
        options = ("approved", "refused") if work.kind == "approve" else ("done",)
        if decision is not None and decision not in options:
            self._problem((*path, "decision"), f"{decision!r} is no decision", f"one of {', '.join(options)}")
        self._fits((*path, "form"), item.said.get("form"), work.form, "the form")

    def _do(self, path: Path, item: Item) -> None:
        if item.name not in _REPAIRS:
            self._problem((*path, "do"), f"{item.name!r} is no repair", f"one of {', '.join(_REPAIRS)}")
            return
        step = item.said.get("step")
        if item.name in ("retry", "skip", "supply", "redo") and not step:
            self._problem(path, f"`{item.name}` needs a step", "add `step: ...`")
        if step is not None:
            self._step((*path, "step"), str(step), item.whom)
        if item.name == "skip" and not item.said.get("reason"):
            self._problem(path, "who skips a step says why", "add `reason: ...`")
        if item.name == "close" and not item.said.get("exception"):
            self._problem(path, "it does not say what is closed", "add `exception: ` and its type")
        if item.at is None and item.when is None and item.name in ("cancel", "redo"):
            self._problem(path, "it does not say when", "add `at: 2h`, or `when: pick succeeded`")

    def _expect(self, path: Path, value: Any) -> None:
        if not isinstance(value, dict):
            self._problem(path, "what is expected has fields", f"one of {', '.join(_EXPECT)}")
            return
        self._known(path, value, _EXPECT)
        whom = str(value.get("for") or "")
        if whom:
            self._whom((*path, "for"), whom)
        if value.get("run") not in (None, *_RUN_STATUS):
            mend = f"one of {', '.join(_RUN_STATUS)}"
            self._problem((*path, "run"), f"{value['run']!r} is no status of a run", mend)
        for name, wanted in self._map((*path, "steps"), value.get("steps")).items():
            self._step((*path, "steps", name), name, whom)
            if isinstance(wanted, dict):
                self._known((*path, "steps", name), wanted, _EXPECT_STEP)
            status = wanted.get("status") if isinstance(wanted, dict) else wanted
            if status not in (None, *_STEP_STATUS):
                mend = nearest(str(status), _STEP_STATUS)
                self._problem((*path, "steps", name), f"{status!r} is no status of a step", mend)
        for key in ("exceptions", "open", "calls"):
            if key in value and not isinstance(value[key], list):
                self._problem((*path, key), f"`{key}` is a list", "write [ ], with what is expected in it")

    # -- parts -----------------------------------------------------------------------------------------

    def _known(self, path: Path, value: Mapping[str, Any], names: tuple[str, ...]) -> None:
        for key in value:
            if key not in names:
                self._problem((*path, key), f"unknown field `{key}`", nearest(key, names))

    def _map(self, path: Path, value: Any) -> dict[str, Any]:
        if value is None or isinstance(value, dict):
            return value or {}
        self._problem(path, "fields are needed here", "write `name: value` lines")
        return {}

    def _event_type(self, path: Path, name: str) -> bool:
        if name in self._catalogue.events:
            return True
        self._problem(path, f"there is no event `{name}`", nearest(name, self._catalogue.events))
        return False

    def _whom(self, path: Path, whom: str) -> Process | None:
        name = whom.partition("/")[0]
        if name not in self._library:
            self._problem(path, f"there is no process `{name}`", nearest(name, self._library))
        return self._library.get(name)

    def _step(self, path: Path, name: str, whom: str) -> Process | None:
        process = self._library.get(whom.partition("/")[0]) if whom else self._process
        if process is None or name in process.steps:
            return process
        elsewhere = [p.name for p in self._library.values() if name in p.steps]
        mend = f"it is a step of {elsewhere[0]}: add `for: {elsewhere[0]}`" if elsewhere else ""
        self._problem(path, f"{process.name} has no step `{name}`", mend or nearest(name, process.steps))
        return None

    def _when(self, path: Path, value: Any) -> When | None:
        if value is None:
            return None
        found = _WHEN.match(str(value))
        if found is None:
            mend = "write a step and its status: `pick succeeded`, `deliver-shipment/book held`, `run held`"
            self._problem(path, f"{value!r} is no moment", mend)
            return None
        process, step, status = found.groups()
        owner = self._whom(path, process) if process else self._process
        if step != "run" and owner is not None:
            self._step(path, step, owner.name)
        options = _RUN_STATUS if step == "run" else _STEP_STATUS
        if status not in options:
            self._problem(path, f"{status!r} is no status of a step", nearest(status, options))
        return When(process=process or self._process.name, step=step, status=status)

    def _time(self, path: Path, value: Any) -> timedelta | datetime | None:
        if value is None:
            return None
        if isinstance(value, str) and value[:4].isdecimal() and "-" in value:
            try:
                instant = datetime.fromisoformat(value)
            except ValueError:
                self._problem(path, f"{value!r} is no instant", "write it as 2026-01-05T08:00:00Z")
                return None
            if instant.tzinfo is None:
                self._problem(path, f"{value!r} has no zone", "add Z, or an offset such as +01:00")
                return None
            return instant.astimezone(UTC)
        return self._duration(path, value)

    def _duration(self, path: Path, value: Any) -> timedelta | None:
        if value is None:
            return None
        try:
            return Duration.parse(value).exact
        except Refused as error:
            self._problem(path, error.message, error.mend)
            return None

    def _fits(self, path: Path, value: Any, type_: Type | None, what: str) -> None:
        """What is given may be a part; what is there must be of the right type and known."""
        if value is None or type_ is None:
            return
        wrong = [line for line in problems(value, type_) if ": missing" not in line]
        for line in wrong:
            self._problem(path, f"{what}: {line.removeprefix('the value: ')}")
        for where, name, record in _unknown(value, type_, path):
            mend = nearest(name, record.fields)
            self._problem((*where, name), f"{what}: {record.name or 'it'} has no field `{name}`", mend)


def _unknown(value: Any, type_: Type, path: Path) -> list[tuple[Path, str, Record]]:
    """The fields in a value that its type does not know."""
    found: list[tuple[Path, str, Record]] = []
    if isinstance(type_, Record) and isinstance(value, dict):
        for name, inner in value.items():
            known = type_.fields.get(name)
            if known is None:
                found.append((path, name, type_))
            else:
                found += _unknown(inner, known.type, (*path, name))
    elif hasattr(type_, "item") and isinstance(value, list):
        for n, inner in enumerate(value):
            found += _unknown(inner, type_.item, (*path, n))
    return found
