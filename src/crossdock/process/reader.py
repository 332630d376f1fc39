"""Reading a process: from YAML to the definition that the kernel runs, with every problem and its place.

Two passes. The first learns what each step will give (an operation's output, an event's data, a form), so
that the second can compile and type-check every expression against it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from crossdock.expressions import DYN, STRING, Environment, Field, Record, Template, Type, assignable
from crossdock.process.actions_reader import ActionReader
from crossdock.process.catalogue import Catalogue, OperationShape
from crossdock.process.definition import (
    CallWork,
    Deadline,
    ExceptionKind,
    Measure,
    PersonWork,
    Process,
    RunWork,
    Start,
    Step,
    Undo,
    Work,
)
from crossdock.process.names import OPERATION, Names
from crossdock.process.outline import certain, learn
from crossdock.process.problems import nearest
from crossdock.process.schema import STEP_KINDS
from crossdock.process.scope import Scope, kind_of, variable_of
from crossdock.process.source import Path, Source
from crossdock.process.wiring import wire
from crossdock.process.work_reader import SLUG, WorkReader, aliases

_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_WORD = re.compile(r"[a-z][a-z0-9_]*")
_NEEDED = {
    "process": "give it a name: `process: order-to-cash`",
    "owner": "say who answers for it: `owner: order-desk`",
    "document": "say what it is about: `document: Order`",
    "key": "say what names a run: `key: ${ order.number }`",
    "steps": "say what has to be done, each step by its name",
}
# Fields that mean something for some kinds only.
_OF_KIND = {
    "via": ("call",),
    "retry": ("call",),
    "match": ("await",),
    "until": ("await",),
    "refused": ("approve",),
    "data": ("emit",),
    "about": ("emit",),
    "each": ("run",),
    "item_key": ("run",),
    "with": ("call", "approve", "task", "run"),
}


class Reader(Names):
    """Reads one process; `problems` (from `Places`) tells what is wrong with it."""

    def __init__(self, source: Source, catalogue: Catalogue) -> None:
        """Read from `source` what may refer to `catalogue` and to what the process itself declares."""
        super().__init__(source, catalogue)
        self._scope = self._here = Scope("document", DYN, {})
        self._certain: dict[str, frozenset[str]] = {}
        # What the key is made of is there, or no run begins.
        self._key: frozenset[tuple[str, ...]] = frozenset()
        self._document = ""

    def read(self) -> Process | None:
        """The process, or None where it is not even in the form of one."""
        value = self.mapping((), self.source.value, "process")
        if value is None:
            return None
        for field, mend in _NEEDED.items():
            if value.get(field) in (None, "", {}) and "" not in self.misspelt:
                self.problem((), f"`{field}` is missing", mend)
        steps = self.mapping(("steps",), value.get("steps") or {}, "")
        if steps is None or not isinstance(value.get("document"), str) or not steps:
            return None
        self.declare(value.get("declare") or {})
        document = self._document = value["document"]
        self.check_document(document)
        if any(problem.severity == "error" for problem in self.problems):
            return None  # what is said of these names would be told as wrong too
        kinds = {name: self._kind(name, raw) for name, raw in steps.items()}
        if None in kinds.values():
            return None
        self._scope = learn(self, document, steps, {name: kind or "" for name, kind in kinds.items()})
        self._certain = certain(steps, value.get("on"))
        key = self._named_by(value.get("key"), variable_of(document))
        read = {name: self._step(name, raw, kinds[name] or "") for name, raw in steps.items()}
        found = {name: step for name, step in read.items() if step is not None}
        return self._process(value, document, key, found)

    # -- the parts -------------------------------------------------------------------------------------

    def _named_by(self, value: Any, variable: str) -> Template | None:
        """What names a run."""
        outer = self._scope.environment(only=(variable, "tenant"))
        key = self.template(("key",), value or "", outer, want=STRING)
        if key is not None and len(key.expressions) == 1 and len(key.paths) == 1:
            self._key = key.paths - key.probed
        if key is not None and not key.paths and ("key",) not in self.as_text:
            mend = "name what tells documents apart: `key: ${ order.number }`"
            self.problem(("key",), "it is the same for every document", mend, warning=True)
        return key

    def _process(
        self, value: dict[str, Any], document: str, key: Template | None, steps: dict[str, Step]
    ) -> Process | None:
        variable = variable_of(document)
        environment = self._scope.environment()
        calendar = value.get("calendar")
        actions = ActionReader(self)
        text = self.source.text
        process = Process(
            name=self.word(
                ("process",), value.get("process"), SLUG, "a name of a-z, 0-9 and -", "as order-to-cash"
            ),
            version=hashlib.sha256(text.encode()).hexdigest()[:16],
            title=str(value.get("title") or value.get("process") or ""),
            owner=str(value.get("owner") or ""),
            document=document,
            variable=variable,
            kind=kind_of(document),
            key=key or Environment({}).template(""),
            again="allow"
            if self.choice(("again",), value.get("again"), ("allow", "refuse")) == "allow"
            else "refuse",
            environment="sandbox"
            if self.choice(("environment",), value.get("environment"), ("production", "sandbox")) == "sandbox"
            else "production",
            calendar=self.template(("calendar",), calendar, environment, want=STRING) if calendar else None,
            start=tuple(self._starts(value.get("start") or [], variable)),
            alias=aliases(self, ("alias",), value.get("alias") or {}, environment),
            on={
                type_: actions.many(
                    ("on", type_),
                    raw,
                    self._scope.environment({"event": self.event_type((type_,))}),
                    "",
                )
                for type_, raw in (self.mapping(("on",), value.get("on") or {}, "") or {}).items()
            },
            steps=steps,
            output=self.template(("output",), value["output"], environment) if "output" in value else None,
            measures=tuple(self._measures(value.get("measures") or {})),
            exceptions={
                name: ExceptionKind(
                    severity=raw.get("severity"),
                    owner=str(raw.get("owner") or ""),
                    meaning=str(raw.get("meaning") or ""),
                )
                for name, raw in ((value.get("declare") or {}).get("exceptions") or {}).items()
                if isinstance(raw, dict)
            },
            carries=self._carriers(document),
            source=text,
            awaited={},
            dependents={},
            triggers={},
            watches_document=frozenset(),
            keeps={},
            forgets={},
        )
        return wire(process, self.texts)

    def _carriers(self, document: str) -> dict[str, str]:
        """The events that carry the document: as all that they say, or (the process's own) as a field."""
        own = self.declared_events
        found: dict[str, str] = {}
        for name, event in self.catalogue.events.items():
            if not isinstance(event.data, Record):
                continue
            if event.data.name == document:
                found[name] = ""
                continue
            fields = [
                key
                for key, field in event.data.fields.items()
                if isinstance(field.type, Record) and field.type.name == document
            ]
            if name in own and len(fields) == 1:
                found[name] = fields[0]
        return found

    def _starts(self, raw: Any, variable: str) -> Iterator[Start]:
        alone = isinstance(raw, dict)
        for index, item in enumerate([raw] if alone else self.sequence(("start",), raw)):
            path: Path = ("start",) if alone else ("start", index)
            start = self.mapping(path, item, "start")
            if start is None:
                continue
            if "on" not in start:
                if "" not in self.misspelt:
                    self.problem(path, "it names no event", "write `on: order.released`")
                continue
            on = self.event_name((*path, "on"), start.get("on"))
            extra = {"event": self.event_type((on,))}
            environment = self._scope.environment(extra, only=(variable, "tenant", "now"))
            before = self._scope.environment(extra, only=("tenant", "now"))
            part = start.get("document")
            document = self.template((*path, "document"), part, before) if part else None
            condition = self.condition((*path, "if"), start.get("if"), environment)
            self._start_gives((*path, "document" if part else "on"), on, document)
            yield Start(on=on, condition=condition, document=document)

    def _start_gives(self, path: Path, on: str, document: Template | None) -> None:
        """Say so where what starts a run is not its document."""
        event, wanted = self.catalogue.events.get(on), self.catalogue.documents.get(self._document)
        given = document.type if document is not None else event.data if event is not None else DYN
        why = assignable(given, wanted, trusting=True) if wanted is not None else None
        if why and not (document is not None and document.nullable):
            mend = (
                f"start on an event that says it, or say where it stands: `document:`, the {self._document}"
            )
            self.problem(path, f"what {on} says is not {self._document}: {why}", mend)

    def _measures(self, raw: Any) -> Iterator[Measure]:
        for name, item in (self.mapping(("measures",), raw, "") or {}).items():
            measure = self.mapping(("measures", name), item, "measure")
            if measure is not None and not (measure.get("from") and measure.get("to")):
                mend = "say from where to where: `{ from: start, to: end }`"
                self.problem(("measures", name), "it has no `from` or no `to`", mend)
            elif measure is not None:
                target = measure.get("target")
                yield Measure(
                    name=name,
                    title=str(measure.get("title") or name.replace("_", " ")),
                    start=str(measure.get("from") or ""),
                    end=str(measure.get("to") or ""),
                    target=self.duration(("measures", name, "target"), target) if target else None,
                )

    def _step(self, name: str, value: Any, kind: str) -> Step | None:
        path: Path = ("steps", name)
        self.step = name
        named = frozenset(_WORD.findall(str(value))) & self._scope.types.keys()
        self._here = self._scope.among(named | {name})
        scope = self._scope.knowing(self._certain[name] & named).among(named | {name})
        condition = self.condition((*path, "if"), value.get("if"), scope.environment())
        scope = scope.where(condition).given(self._key)
        environment = scope.environment()
        for field, kinds in _OF_KIND.items():
            if field in value and kind not in kinds:
                self.misspelt.add(name)
                self.problem(
                    (*path, field), f"`{field}` means nothing for `{kind}`", f"it is for {', '.join(kinds)}"
                )
        work = WorkReader(self, scope).read(kind, path, value)
        if work is None:
            self.step = ""
            return None
        actions = ActionReader(self)
        redo = self.mapping((*path, "redo"), value.get("redo") or {}, "redo")
        step = Step(
            name=name,
            title=str(value.get("title") or name.replace("_", " ")),
            at=self.source.at(path),
            work=work,
            needs=self.names((*path, "needs"), value.get("needs")),
            needs_any=self.names((*path, "needs_any"), value.get("needs_any")),
            condition=condition,
            deadline=self._deadline(path, value, actions),
            fails=actions.many((*path, "fails"), value["fails"], environment, name)
            if value.get("fails")
            else (),
            undo=self._undo((*path, "undo"), value["undo"], work) if "undo" in value else None,
            alias=aliases(self, (*path, "alias"), value["alias"], self._after(name, work))
            if value.get("alias")
            else {},
            redo_most=actions.times((*path, "redo", "most"), redo.get("most")) if redo else None,
        )
        self.step = ""
        return step

    def _after(self, name: str, work: Work) -> Environment:
        """Where a step's own output and input can be named."""
        steps = self._scope.types
        output = steps[name].fields.get("output", Field(DYN)).type
        given = work.input.type if isinstance(work, CallWork) else DYN
        return self._here.environment({"output": output, "input": given})

    def _deadline(self, path: Path, value: dict[str, Any], actions: ActionReader) -> Deadline | None:
        within, by, late = value.get("within"), value.get("by"), value.get("late")
        environment = self._here.environment()
        ladder = actions.ladder((*path, "late"), late, environment, self.step) if late is not None else ()
        if within is None and by is None:
            if late is not None and self.step not in self.misspelt:
                self.problem(
                    (*path, "late"),
                    "`late` without a deadline",
                    "add `within: 4 business hours`, or `by:` a time",
                )
            return None
        cut_off, before, time = "", None, by
        if isinstance(by, dict):
            parts = self.mapping((*path, "by"), by, "by") or {}
            cut_off, time = str(parts.get("cut_off") or ""), parts.get("time")
            if parts.get("before"):
                before = self.duration((*path, "by", "before"), parts["before"])
                if before is not None and before.business:
                    self.problem(
                        (*path, "by", "before"), "business time cannot be counted back", "give plain time"
                    )
                    before = None
            if bool(cut_off) == (time is not None):
                said = "`by` names two times" if cut_off else "`by` names no time"
                mend = "keep one of them" if cut_off else "give `cut_off:` a name, or `time:` an expression"
                self.problem((*path, "by"), said, mend)
        calendar = value.get("calendar")
        return Deadline(
            at=self.source.at((*path, "within" if within is not None else "by")),
            within=self.length((*path, "within"), within, environment) if within is not None else None,
            by=self.time((*path, "by"), time, environment) if time is not None else None,
            cut_off=cut_off,
            before=before,
            calendar=self.template((*path, "calendar"), calendar, environment, want=STRING)
            if calendar
            else None,
            ladder=ladder,
        )

    def _undo(self, path: Path, raw: Any, work: Work) -> Undo | None:
        if raw in ("none", "impossible"):
            return Undo(kind=raw)
        if isinstance(raw, dict) and "impossible" in raw:
            return Undo(kind="impossible", reason=str(raw["impossible"]))
        value = raw if isinstance(raw, dict) else {"call": raw}
        called = value.get("call")
        if not isinstance(called, str) or not OPERATION.match(called):
            if isinstance(raw, dict) and len(raw) == 1 and called is None:
                word = str(next(iter(raw)))
                self.problem((*path, word), f"unknown field `{word}`", nearest(word, ("call", "impossible")))
                return None
            self.problem(
                path, f"{raw!r} is not an undo", "name an operation, or write `none` or `impossible`"
            )
            return None
        self.mapping(path, value, "undo")
        operation = self.operation(path, called)
        if isinstance(work, CallWork) and called == f"{work.system}.{work.operation}":
            self.problem(path, "it would do it once more", "name the operation that takes it back")
        after = self._after(self.step, work) if "with" in value or value.get("via") else Environment({})
        system, _, name = called.partition(".")
        given = self.template((*path, "with"), value["with"], after) if "with" in value else None
        names: tuple[str, ...] | None = None
        if operation is not None and given is not None:
            self.fits((*path, "with"), given.type, operation.input, called)
        elif operation is not None and isinstance(operation.input, Record):
            names = tuple(operation.input.fields)
            self._undo_fits(path, operation, work)
        via = self.template((*path, "via"), value["via"], after) if value.get("via") else None
        return Undo(kind="call", system=system, operation=name, input=given, input_names=names, via=via)

    def _undo_fits(self, path: Path, undo: OperationShape, work: Work) -> None:
        """Without `with:`, an undo is given what it asks for from the call's output and input."""
        if not isinstance(undo.input, Record) or isinstance(work, RunWork):
            return
        known: dict[str, Type] = {}
        given = (
            work.input
            if isinstance(work, CallWork)
            else work.content
            if isinstance(work, PersonWork)
            else None
        )
        for part in (
            given.type if given is not None else Record("", {}),
            self._scope.types[self.step].fields.get("output", Field(DYN)).type,
        ):
            if not isinstance(part, Record):
                return
            known.update({name: field.type for name, field in part.fields.items()})
        for name, field in undo.input.fields.items():
            if name not in known and not field.optional:
                self.problem(
                    path,
                    f"{undo.name} needs `{name}`, which neither its output nor its input has",
                    f"write undo: {{ call: {undo.name}, with: {{ {name}: ... }} }}",
                )

    def _kind(self, name: str, raw: Any) -> str | None:
        path: Path = ("steps", name)
        self.step = name
        if not _NAME.match(name) or name in ("true", "false", "null", "in"):
            self.problem(path, f"`{name}` cannot be named in an expression", "use a-z, 0-9 and _")
        value = self.mapping(path, raw, "step")
        self.step = ""
        if value is None:
            return None
        kinds = [kind for kind in STEP_KINDS if kind in value]
        if len(kinds) == 1:
            return kinds[0]
        if not kinds and name in self.misspelt:
            return None
        self.step = name
        said = f"it is both {' and '.join(kinds)}" if kinds else "it does nothing"
        self.problem(path, said, f"give it one of {', '.join(STEP_KINDS)}")
        self.step = ""
        return None


def read(source: Source, catalogue: Catalogue) -> tuple[Process | None, Reader]:
    """The process in `source` as far as it can be read, and the reader with its problems."""
    reader = Reader(source, catalogue)
    process = reader.whole(reader.read)
    if process is not None:
        asked = {
            path[1]
            for texts in reader.texts.values()
            for text in texts
            for path in text.paths
            if len(path) >= 3 and path[0] == "steps" and path[2] == "outputs"
        }
        steps = {
            name: replace(step, work=replace(step.work, keeps_outputs=name in asked))
            if isinstance(step.work, RunWork)
            else step
            for name, step in process.steps.items()
        }
        process = replace(process, steps=steps)
    return process, reader
