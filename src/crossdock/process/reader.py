"""Reading a process: from YAML to the definition that the kernel runs, with every problem and its place.

Two passes. The first learns what each step will give (an operation's output, an event's data, a form), so
that the second can compile and type-check every expression against it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from crossdock.errors import Refused
from crossdock.expressions import (
    DYN,
    STRING,
    Environment,
    Field,
    ListOf,
    Record,
    Template,
    Type,
    assignable,
    parse_type,
)
from crossdock.process.actions_reader import ActionReader
from crossdock.process.catalogue import Catalogue, EventShape, OperationShape
from crossdock.process.definition import (
    AwaitWork,
    CallWork,
    ChooseWork,
    Deadline,
    EmitWork,
    ExceptionKind,
    Measure,
    PersonWork,
    Process,
    Retry,
    Rule,
    RunWork,
    SetWork,
    Start,
    Step,
    Undo,
    WaitWork,
    Work,
)
from crossdock.process.places import Places
from crossdock.process.problems import nearest
from crossdock.process.schema import STEP_KINDS
from crossdock.process.scope import Scope, event_type, kind_of, step_type, variable_of
from crossdock.process.source import Path, Source
from crossdock.process.wiring import wire

_SLUG = re.compile(r"[a-z][a-z0-9_-]*\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")
_DOTTED = re.compile(r"[a-z][a-z0-9_]*([.][a-z][a-z0-9_]*)+\Z")
_OPERATION = re.compile(r"[a-z][a-z0-9_]*[.][a-z][a-z0-9_]*\Z")

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


class Reader(Places):
    """Reads one process; `problems` (from `Places`) tells what is wrong with it."""

    def __init__(self, source: Source, catalogue: Catalogue) -> None:
        """Read from `source` what may refer to `catalogue` and to what the process itself declares."""
        super().__init__(source)
        self._catalogue = catalogue
        self._scope = Scope("document", DYN, {})

    @property
    def catalogue(self) -> Catalogue:
        """What may be named: what came in, and what the process declares."""
        return self._catalogue

    def read(self) -> Process | None:
        """The process, or None where it is not even in the form of one."""
        value = self.mapping((), self.source.value, "process")
        if value is None:
            return None
        for field in ("process", "owner", "document", "key", "steps"):
            if value.get(field) in (None, "", {}):
                mend = "say who answers for it: `owner: order-desk`" if field == "owner" else ""
                self.problem((), f"`{field}` is missing", mend)
        steps = self.mapping(("steps",), value.get("steps") or {}, "")
        if steps is None or not isinstance(value.get("document"), str) or not steps:
            return None
        self._declare(value.get("declare") or {})
        document = value["document"]
        self._check_document(document)
        kinds = {name: self._kind(name, raw) for name, raw in steps.items()}
        if None in kinds.values():
            return None
        self._scope = self._learn(document, steps, {name: kind or "" for name, kind in kinds.items()})
        read = {name: self._step(name, raw, kinds[name] or "") for name, raw in steps.items()}
        return self._process(value, document, {name: step for name, step in read.items() if step is not None})

    # -- the parts -------------------------------------------------------------------------------------

    def _process(self, value: dict[str, Any], document: str, steps: dict[str, Step]) -> Process | None:
        variable = variable_of(document)
        environment = self._scope.environment()
        outer = self._scope.environment(only=(variable, "tenant"))
        key = self.template(("key",), value.get("key") or "", outer, want=STRING)
        calendar = value.get("calendar")
        actions = ActionReader(self)
        text = self.source.text
        process = Process(
            name=self.word(("process",), value.get("process"), _SLUG, "a name of a-z, 0-9 and -"),
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
            calendar=self.template(("calendar",), calendar, environment) if calendar else None,
            start=tuple(self._starts(value.get("start") or [], variable)),
            alias=self._alias(("alias",), value.get("alias") or {}, environment, ""),
            on={
                type_: actions.many(
                    ("on", type_),
                    raw,
                    self._scope.environment({"event": event_type(self._catalogue, (type_,))}),
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
            carries=frozenset(
                name
                for name, event in self._catalogue.events.items()
                if isinstance(event.data, Record) and event.data.name == document
            ),
            source=text,
            awaited={},
            dependents={},
            triggers={},
            watches_document=frozenset(),
        )
        return wire(process, self.texts)

    def _starts(self, raw: Any, variable: str) -> Iterator[Start]:
        for index, item in enumerate(self.sequence(("start",), raw)):
            path: Path = ("start", index)
            start = self.mapping(path, item, "start")
            if start is None:
                continue
            on = self._event_name((*path, "on"), start.get("on"))
            extra = {"event": event_type(self._catalogue, (on,))}
            environment = self._scope.environment(extra, only=(variable, "tenant", "now"))
            before = self._scope.environment(extra, only=("tenant", "now"))
            document = start.get("document")
            yield Start(
                on=on,
                condition=self.condition((*path, "if"), start.get("if"), environment),
                document=self.template((*path, "document"), document, before) if document else None,
            )

    def _measures(self, raw: Any) -> Iterator[Measure]:
        for name, item in (self.mapping(("measures",), raw, "") or {}).items():
            measure = self.mapping(("measures", name), item, "measure")
            if measure is not None:
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
        environment = self._scope.environment()
        for field, kinds in _OF_KIND.items():
            if field in value and kind not in kinds:
                self.problem(
                    (*path, field), f"`{field}` means nothing for `{kind}`", f"it is for {', '.join(kinds)}"
                )
        work = getattr(self, f"_read_{kind}")(path, value)
        if work is None:
            self.step = ""
            return None
        actions = ActionReader(self)
        redo = self.mapping((*path, "redo"), value.get("redo") or {}, "")
        step = Step(
            name=name,
            title=str(value.get("title") or name.replace("_", " ")),
            at=self.source.at(path),
            work=work,
            needs=self._names((*path, "needs"), value.get("needs")),
            needs_any=self._names((*path, "needs_any"), value.get("needs_any")),
            condition=self.condition((*path, "if"), value.get("if"), environment),
            deadline=self._deadline(path, value, actions),
            fails=actions.many((*path, "fails"), value["fails"], environment, name)
            if value.get("fails")
            else (),
            undo=self._undo((*path, "undo"), value["undo"], work) if "undo" in value else None,
            alias=self._alias((*path, "alias"), value.get("alias") or {}, self._after(name, work), name),
            redo_most=redo.get("most") if redo else None,
        )
        self.step = ""
        return step

    def _after(self, name: str, work: Work) -> Environment:
        """Where a step's own output and input can be named."""
        steps = self._scope.types
        output = steps[name].fields.get("output", Field(DYN)).type
        given = work.input.type if isinstance(work, CallWork) else DYN
        return self._scope.environment({"output": output, "input": given})

    def _deadline(self, path: Path, value: dict[str, Any], actions: ActionReader) -> Deadline | None:
        within, by, late = value.get("within"), value.get("by"), value.get("late")
        environment = self._scope.environment()
        ladder = actions.ladder((*path, "late"), late, environment, self.step) if late is not None else ()
        if within is None and by is None:
            if late is not None:
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
            if not cut_off and time is None:
                self.problem(
                    (*path, "by"), "`by` names no time", "give `cut_off:` a name, or `time:` an expression"
                )
        calendar = value.get("calendar")
        return Deadline(
            at=self.source.at((*path, "within" if within is not None else "by")),
            within=self.length((*path, "within"), within, environment) if within is not None else None,
            by=self.template((*path, "by"), time, environment) if time is not None else None,
            cut_off=cut_off,
            before=before,
            calendar=self.expression((*path, "calendar"), calendar, environment) if calendar else None,
            ladder=ladder,
        )

    def _undo(self, path: Path, raw: Any, work: Work) -> Undo | None:
        if raw in ("none", "impossible"):
            return Undo(kind=raw)
        if isinstance(raw, dict) and "impossible" in raw:
            return Undo(kind="impossible", reason=str(raw["impossible"]))
        value = raw if isinstance(raw, dict) else {"call": raw}
        called = value.get("call")
        if not isinstance(called, str) or not _OPERATION.match(called):
            self.problem(
                path, f"{raw!r} is not an undo", "name an operation, or write `none` or `impossible`"
            )
            return None
        self.mapping(path, value, "undo")
        operation = self._operation(path, called)
        environment = self._after(self.step, work)
        system, _, name = called.partition(".")
        given = self.template((*path, "with"), value["with"], environment) if "with" in value else None
        names: tuple[str, ...] | None = None
        if operation is not None and given is not None:
            self.fits((*path, "with"), given.type, operation.input, called)
        elif operation is not None and isinstance(operation.input, Record):
            names = tuple(operation.input.fields)
            self._undo_fits(path, operation, work)
        via = self.template((*path, "via"), value["via"], environment) if value.get("via") else None
        return Undo(kind="call", system=system, operation=name, input=given, input_names=names, via=via)

    def _undo_fits(self, path: Path, undo: OperationShape, work: Work) -> None:
        """Without `with:`, an undo is given what it asks for from the call's output and input."""
        if not isinstance(work, CallWork) or not isinstance(undo.input, Record):
            return
        known: dict[str, Type] = {}
        for part in (work.input.type, self._scope.types[self.step].fields.get("output", Field(DYN)).type):
            if not isinstance(part, Record):
                return
            known.update({name: field.type for name, field in part.fields.items()})
        for name, field in undo.input.fields.items():
            if name not in known and not field.optional:
                self.problem(
                    path,
                    f"{undo.name} needs `{name}`, which neither the call's output nor its input has",
                    f"write undo: {{ call: {undo.name}, with: {{ {name}: ... }} }}",
                )

    def _alias(self, path: Path, raw: Any, environment: Environment, step: str) -> Mapping[str, Template]:
        del step
        found: dict[str, Template] = {}
        for kind, text in (self.mapping(path, raw, "") or {}).items():
            template = self.template((*path, kind), text, environment)
            if template is not None:
                found[kind] = template
        return found

    # -- the kinds of work -----------------------------------------------------------------------------

    def _read_call(self, path: Path, value: dict[str, Any]) -> CallWork | None:
        called = value["call"]
        if not isinstance(called, str) or not _OPERATION.match(called):
            self.problem((*path, "call"), f"{called!r} is not an operation", "write it as `system.operation`")
            return None
        operation = self._operation((*path, "call"), called)
        environment = self._scope.environment()
        given = self.template((*path, "with"), value.get("with", {}), environment)
        if given is None:
            return None
        if operation is not None:
            self.fits((*path, "with"), given.type, operation.input, called)
        system, _, name = called.partition(".")
        via = (
            self.template((*path, "via"), value["via"], environment, want=STRING)
            if value.get("via")
            else None
        )
        retry = self._retry((*path, "retry"), value.get("retry"))
        return CallWork(system=system, operation=name, input=given, via=via, retry=retry)

    def _retry(self, path: Path, raw: Any) -> Retry:
        if raw is None:
            return Retry()
        if raw == "none":
            return Retry(attempts=1)
        value = self.mapping(path, raw, "retry") or {}
        attempts = value.get("attempts", Retry().attempts)
        if not isinstance(attempts, int) or isinstance(attempts, bool) or not 1 <= attempts <= 1000:
            self.problem((*path, "attempts"), f"{attempts!r} is not a number of tries", "give 1 to 1000")
            attempts = Retry().attempts
        backoff = self.choice(
            (*path, "backoff"), value.get("backoff", "exponential"), ("exponential", "fixed")
        )
        return Retry(
            attempts=attempts,
            exponential=backoff == "exponential",
            first=self._exact((*path, "first"), value.get("first"), Retry().first),
            most=self._exact((*path, "most"), value.get("most"), Retry().most),
        )

    def _exact(self, path: Path, raw: Any, default: timedelta) -> timedelta:
        found = self.duration(path, raw) if raw is not None else None
        if found is None:
            return default
        if found.business:
            self.problem(path, "tries are not made in business time", "give plain time, as 5s or 10m")
            return default
        return found.exact

    def _read_await(self, path: Path, value: dict[str, Any]) -> AwaitWork | None:
        raw = value["await"]
        names = [raw] if isinstance(raw, str) else self.sequence((*path, "await"), raw)
        types = tuple(self._event_name((*path, "await"), name) for name in names)
        environment = self._scope.environment({"event": event_type(self._catalogue, types)})
        return AwaitWork(
            types=types,
            match=self.condition((*path, "match"), value.get("match"), environment),
            until=self.condition((*path, "until"), value.get("until"), self._scope.environment()),
        )

    def _read_person(self, path: Path, value: dict[str, Any], kind: Any) -> PersonWork | None:
        part = self.mapping((*path, kind), value[kind], kind)
        if part is None:
            return None
        if not isinstance(part.get("role"), str) or not part["role"]:
            self.problem(
                (*path, kind), "`role` is missing", "say which role decides: `role: credit-controller`"
            )
        environment = self._scope.environment()
        actions = ActionReader(self)
        refused = value.get("refused")
        people = {
            field: tuple(
                template
                for index, text in enumerate(self.sequence((*path, kind, field), part.get(field) or []))
                if (template := self.template((*path, kind, field, index), text, environment)) is not None
            )
            for field in ("not", "candidates")
        }
        return PersonWork(
            kind=kind,
            role=str(part.get("role") or ""),
            excluded=people["not"],
            candidates=people["candidates"],
            form=self._form((*path, kind, "form"), part.get("form")),
            content=self.template((*path, "with"), value["with"], environment) if "with" in value else None,
            refused=actions.many((*path, "refused"), refused, environment, self.step) if refused else (),
        )

    def _read_approve(self, path: Path, value: dict[str, Any]) -> PersonWork | None:
        return self._read_person(path, value, "approve")

    def _read_task(self, path: Path, value: dict[str, Any]) -> PersonWork | None:
        return self._read_person(path, value, "task")

    def _read_wait(self, path: Path, value: dict[str, Any]) -> WaitWork | None:
        raw = value["wait"]
        environment = self._scope.environment()
        at: Path = (*path, "wait")
        if isinstance(raw, str) and raw.strip().startswith("${"):
            return WaitWork(until=self.template(at, raw, environment))
        if not isinstance(raw, dict):
            return WaitWork(duration=self.length(at, raw, environment))
        given = {key: raw[key] for key in ("for", "until", "cut_off") if raw.get(key)}
        self.mapping(at, raw, "wait")
        if len(given) != 1:
            self.problem(at, "a wait has one of `for`, `until`, `cut_off`", "keep one of them")
            return None
        calendar = raw.get("calendar")
        return WaitWork(
            duration=self.length((*at, "for"), given["for"], environment) if "for" in given else None,
            until=self.template((*at, "until"), given["until"], environment) if "until" in given else None,
            cut_off=str(given.get("cut_off", "")),
            calendar=self.expression((*at, "calendar"), calendar, environment) if calendar else None,
        )

    def _read_choose(self, path: Path, value: dict[str, Any]) -> ChooseWork | None:
        at: Path = (*path, "choose")
        table = self.mapping(at, value["choose"], "choose")
        if table is None:
            return None
        environment = self._scope.environment()
        rules = []
        for index, raw in enumerate(self.sequence((*at, "rules"), table.get("rules") or [])):
            rule = self.mapping((*at, "rules", index), raw, "rule") or {}
            if "give" not in rule:
                self.problem(
                    (*at, "rules", index), "a rule must `give` something", "write `{ when: ${ }, give: }`"
                )
                continue
            give = self.template((*at, "rules", index, "give"), rule["give"], environment)
            when = self.condition((*at, "rules", index, "when"), rule.get("when"), environment)
            if give is not None:
                rules.append(Rule(when=when, give=give))
        if not rules:
            self.problem(at, "the table has no rules", "add `rules:` with at least one")
        hit = self.choice((*at, "hit"), table.get("hit", "first"), ("first", "collect"))
        otherwise = table.get("otherwise")
        return ChooseWork(
            collect=hit == "collect",
            rules=tuple(rules),
            otherwise=self.template((*at, "otherwise"), otherwise, environment)
            if "otherwise" in table
            else None,
        )

    def _read_emit(self, path: Path, value: dict[str, Any]) -> EmitWork | None:
        type_ = value["emit"]
        if not isinstance(type_, str) or not _DOTTED.match(type_):
            self.problem(
                (*path, "emit"), f"{type_!r} is not an event type", "write it as `document.what_happened`"
            )
            return None
        environment = self._scope.environment()
        data = self.template((*path, "data"), value.get("data", {}), environment)
        shape = self._catalogue.events.get(type_)
        if data is not None and shape is not None:
            self.fits((*path, "data"), data.type, shape.data, type_)
        about = self._alias((*path, "about"), value.get("about") or {}, environment, "")
        return EmitWork(type=type_, data=data, about=about) if data is not None else None

    def _read_run(self, path: Path, value: dict[str, Any]) -> RunWork | None:
        name = self.word((*path, "run"), value["run"], _SLUG, "the name of a process")
        environment = self._scope.environment()
        each = value.get("each")
        items = self.expression((*path, "each"), each, environment) if each is not None else None
        item: Type = DYN
        if items is not None:
            if isinstance(items.type, ListOf):
                item = items.type.item
            elif items.type != DYN:
                self.problem((*path, "each"), f"`each` needs a list, and this is {items.type}", "")
        inner = self._scope.environment({"item": item}) if each is not None else environment
        document = self.template((*path, "with"), value["with"], inner) if "with" in value else None
        known = self._catalogue.processes.get(name)
        if known is not None:
            given = document.type if document is not None else item if each is not None else DYN
            self.fits((*path, "with" if document is not None else "run"), given, known.document, name)
        item_key = value.get("item_key")
        return RunWork(
            process=name,
            document=document,
            each=items,
            item_key=self.expression((*path, "item_key"), item_key, inner) if item_key else None,
            growing=frozenset(p[1] for p in items.paths if len(p) > 1 and p[0] == "steps")
            if items
            else frozenset(),
            keeps_outputs=False,
        )

    def _read_set(self, path: Path, value: dict[str, Any]) -> SetWork | None:
        values = self.template((*path, "set"), value["set"], self._scope.environment())
        return SetWork(values=values) if values is not None else None

    # -- what each step gives --------------------------------------------------------------------------

    def _kind(self, name: str, raw: Any) -> str | None:
        path: Path = ("steps", name)
        self.step = name
        if not _NAME.match(name):
            self.problem(path, f"`{name}` cannot be named in an expression", "use a-z, 0-9 and _")
        value = self.mapping(path, raw, "step")
        self.step = ""
        if value is None:
            return None
        kinds = [kind for kind in STEP_KINDS if kind in value]
        if "emit" in kinds and len(kinds) > 1:
            kinds.remove("emit")
        if len(kinds) == 1:
            return kinds[0]
        self.step = name
        said = f"it is both {' and '.join(kinds)}" if kinds else "it does nothing"
        self.problem(path, said, f"give it one of {', '.join(STEP_KINDS)}")
        self.step = ""
        return None

    def _learn(self, document: str, steps: dict[str, Any], kinds: dict[str, str]) -> Scope:
        shape: Type = self._catalogue.documents.get(document, DYN)
        variable = variable_of(document)
        outputs = {name: self._given(kinds[name], steps[name]) for name in steps}
        for _ in range(4):  # values built from values: a few rounds reach the end of any sensible chain
            types = {
                name: step_type(
                    name,
                    kinds[name],
                    outputs[name],
                    outputs=outputs[name] if kinds[name] == "run" and "each" in steps[name] else None,
                )
                for name in steps
            }
            scope = Scope(variable, shape, types)
            learnt = {
                name: self._built(scope.environment(), kinds[name], steps[name], outputs[name])
                for name in steps
            }
            if {name: str(type_) for name, type_ in learnt.items()} == {
                n: str(t) for n, t in outputs.items()
            }:
                break
            outputs = learnt
        return scope

    def _given(self, kind: str, value: dict[str, Any]) -> Type | None:
        match kind:
            case "call":
                operation = self._catalogue.operations.get(str(value["call"]))
                return operation.output if operation is not None else DYN
            case "await":
                raw = value["await"]
                names = (raw,) if isinstance(raw, str) else tuple(str(one) for one in raw or ())
                return event_type(self._catalogue, names)
            case "approve" | "task":
                part = value[kind] if isinstance(value[kind], dict) else {}
                form = self._form((), part.get("form"), quiet=True)
                if kind == "task":
                    return form or DYN
                fields = {name: Field(STRING) for name in ("decision", "by", "note")}
                return Record("Approval", {**fields, "form": Field(form or DYN)})
            case "run":
                process = self._catalogue.processes.get(str(value["run"]))
                return process.output if process is not None else DYN
            case "wait":
                return None
        return DYN

    def _built(
        self, environment: Environment, kind: str, value: dict[str, Any], known: Type | None
    ) -> Type | None:
        """The type of what `set`, `choose` and `emit` build from expressions."""
        match kind:
            case "set":
                parts = [value["set"]]
            case "emit":
                parts = [value.get("data", {})]
            case "choose" if isinstance(value["choose"], dict):
                table = value["choose"]
                rules = table.get("rules")
                parts = (
                    [r["give"] for r in rules if isinstance(r, dict) and "give" in r]
                    if isinstance(rules, list)
                    else []
                )
                if "otherwise" in table:
                    parts.append(table["otherwise"])
            case _:
                return known
        try:
            types = [environment.template(part).type for part in parts]
        except Refused:
            return known
        if not types or any(str(one) != str(types[0]) for one in types):
            return DYN
        collected = kind == "choose" and value["choose"].get("hit") == "collect"
        return ListOf(types[0]) if collected else types[0]

    def _form(self, path: Path, raw: Any, *, quiet: bool = False) -> Record | None:
        if raw is None:
            return None
        try:
            form = parse_type(raw, self._catalogue.documents, name="Form")
        except Refused as error:
            if not quiet:
                self.problem(path, f"{error.where}: {error.message}".removeprefix(": "), error.mend)
            return None
        if isinstance(form, Record):
            return form
        if not quiet:
            self.problem(path, "a form has named fields", "write `form: { amount: money }`")
        return None

    def _declare(self, raw: Any) -> None:
        value = self.mapping(("declare",), raw, "declare") or {}
        documents: dict[str, Record] = {}
        for name, notation in (value.get("documents") or {}).items():
            found = self._type(("declare", "documents", name), notation, name, documents)
            if isinstance(found, Record):
                documents[name] = found
        self._catalogue = self._catalogue.including(documents=documents)
        events: dict[str, EventShape] = {}
        for name, raw_event in (value.get("events") or {}).items():
            part = raw_event if isinstance(raw_event, dict) else {}
            data = self._type(("declare", "events", name, "data"), part.get("data", "any"), "", documents)
            events[name] = EventShape(type=name, data=data or DYN, about=dict(part.get("about") or {}))
        operations: dict[str, OperationShape] = {}
        for name, raw_operation in (value.get("operations") or {}).items():
            part = raw_operation if isinstance(raw_operation, dict) else {}
            path: Path = ("declare", "operations", name)
            if not _OPERATION.match(name):
                self.problem(path, f"{name!r} is not an operation", "write it as `system.operation`")
            operations[name] = OperationShape(
                name=name,
                input=self._type((*path, "input"), part.get("input", "any"), "", documents) or DYN,
                output=self._type((*path, "output"), part.get("output", "any"), "", documents) or DYN,
                changes=part.get("changes", True) is not False,
                undo=str(part.get("undo") or ""),
            )
        exceptions = frozenset(value.get("exceptions") or {})
        self._catalogue = self._catalogue.including(
            events=events, operations=operations, exceptions=exceptions
        )

    def _type(self, path: Path, notation: Any, name: str, documents: dict[str, Record]) -> Type | None:
        try:
            return parse_type(notation, {**self._catalogue.documents, **documents}, name=name)
        except Refused as error:
            self.problem(path, f"{error.where}: {error.message}".removeprefix(": "), error.mend)
            return None

    # -- names -----------------------------------------------------------------------------------------

    def _check_document(self, document: str) -> None:
        known = self._catalogue.documents
        if document not in known:
            mend = (
                nearest(document, known)
                or "use a canonical document, or declare it under `declare: documents:`"
            )
            self.problem(("document",), f"there is no document `{document}`", mend)

    def _operation(self, path: Path, name: str) -> OperationShape | None:
        known = self._catalogue.operations
        if name in known:
            return known[name]
        same = [other for other in known if other.partition(".")[0] == name.partition(".")[0]]
        mend = nearest(name, same or known)
        if not mend:
            mend = "connect a system that has it, or declare it under `declare: operations:`"
        self.problem(path, f"no connector declares the operation `{name}`", mend)
        return None

    def _event_name(self, path: Path, raw: Any) -> str:
        if not isinstance(raw, str) or not _DOTTED.match(raw):
            self.problem(path, f"{raw!r} is not an event type", "write it as `document.what_happened`")
            return ""
        if raw not in self._catalogue.events:
            mend = nearest(raw, self._catalogue.events)
            more = mend or "declare it under `declare: events:`, or connect a system that gives it"
            self.problem(path, f"there is no event `{raw}`", more)
        return raw

    def _names(self, path: Path, raw: Any) -> tuple[str, ...]:
        if raw is None:
            return ()
        return tuple(str(name) for name in ([raw] if isinstance(raw, str) else self.sequence(path, raw)))

    def fits(self, path: Path, actual: Type, wanted: Type, what: str) -> None:
        """Say so where what is given does not fit what is asked for."""
        why = assignable(actual, wanted, trusting=True)
        if why:
            self.problem(path, f"{what} cannot take this: {why}")
            return
        doubt = assignable(actual, wanted)
        if doubt:
            self.problem(path, f"{what} may be given nothing: {doubt}", warning=True)


def read(source: Source, catalogue: Catalogue) -> tuple[Process | None, Reader]:
    """The process in `source` as far as it can be read, and the reader with its problems."""
    reader = Reader(source, catalogue)
    process = reader.read()
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
