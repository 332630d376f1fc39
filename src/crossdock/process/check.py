"""What may not be published: rules over a whole process, beyond the form of its parts.

Refused are: unknown or cyclic needs; a step that can never start; a wait without a deadline, or a deadline
that says nothing; a changing call without `undo`; an approval that its own initiator could give, or that
does not say what a no does; an alias that two steps write; a redo that could repeat without a person or a
limit. Each problem names file, line, step and mend.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crossdock.expressions import Record, assignable
from crossdock.process.catalogue import Catalogue
from crossdock.process.definition import (
    Action,
    AwaitWork,
    CallWork,
    ChooseWork,
    EmitWork,
    PersonWork,
    Process,
    RunWork,
    Step,
    WaitWork,
)
from crossdock.process.messages import EXCEPTION_CLOSE
from crossdock.process.problems import Problem, nearest
from crossdock.process.reader import Reader
from crossdock.process.readings import Texts, misreadings
from crossdock.process.sequence import out_of_order
from crossdock.process.source import Path, Source
from crossdock.process.wiring import actions_of

_ZONE = re.compile(r"UTC|GMT|[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+")
_BUILT_IN = frozenset({"start", "end"})


class Check:
    """Goes through one process; `problems` is what it found."""

    def __init__(self, process: Process, reader: Reader) -> None:
        """Look at `process`, as `reader` has read it."""
        source = reader.source
        self._process = process
        self._source = source
        self._catalogue = reader.catalogue
        self._texts: Texts = reader.texts
        self._misspelt = reader.misspelt
        self._as_text = reader.as_text
        self._stands = reader.stands
        # also those that could not be read: their problems are told already
        self._steps = frozenset(source.value["steps"])
        self.problems: list[Problem] = []

    def run(self) -> list[Problem]:
        """Every rule, in turn."""
        misread = misreadings(self._process, self._texts, self._stands, sure=not self._misspelt)
        for found in (*out_of_order(self._process, self._steps), *misread):
            self._tell(found.path, found.message, found.mend, step=found.step, warning=found.warning)
        self._aliases()
        self._measures()
        self._handlers()
        self._nameless()
        self._calendar(("calendar",), self._source.value.get("calendar"))
        for name, step in self._process.steps.items():
            self._deadline(name, step)
            self._calendar(
                ("steps", name, "calendar"), self._source.value["steps"][name].get("calendar"), name
            )
            self._actions(name, step)
            match step.work:
                case CallWork():
                    self._call(name, step.work)
                case PersonWork():
                    self._person(name, step, step.work)
                case RunWork():
                    self._child(name, step, step.work)
                case EmitWork():
                    self._emitted(("steps", name, "emit"), step.work.type, name)
                case ChooseWork():
                    self._table(name, step.work)
                case _:
                    pass
        return self.problems

    def _tell(
        self, path: Path, message: str, mend: str = "", *, step: str = "", warning: bool = False
    ) -> None:
        at = self._source.at(path)
        self.problems.append(
            Problem(
                line=at.line,
                column=at.column,
                message=message,
                mend=mend,
                step=step,
                file=self._source.file,
                severity="warning" if warning else "error",
            )
        )

    # -- the rules -------------------------------------------------------------------------------------

    def _deadline(self, name: str, step: Step) -> None:
        waits = isinstance(step.work, AwaitWork | PersonWork)
        deadline = step.deadline
        if deadline is None:
            late = self._source.value["steps"][name].get("late")  # without a deadline: that is told already
            if waits and name not in self._misspelt and late is None:
                mend = "add `within: 2 business days` (or `by:` a time) and `late:`"
                self._tell(("steps", name), "it waits without a deadline", mend, step=name)
            return
        field = "within" if deadline.within is not None else "by"
        if isinstance(step.work, WaitWork):
            self._tell(("steps", name, field), "a wait ends by itself", "take the deadline out", step=name)
        if not deadline.ladder and not self._source.value["steps"][name].get("late"):
            mend = "say what happens: `late: { raise: pick_late, severity: medium }`"
            self._tell(("steps", name, field), "nothing happens when its deadline passes", mend, step=name)

    def _calendar(self, path: Path, named: object, step: str = "") -> None:
        """A zone is no calendar: its hours would be those of the default, and nobody would notice."""
        if isinstance(named, str) and _ZONE.fullmatch(named):
            mend = f"make a calendar with `zone: {named}` and its hours, and give its name"
            self._tell(
                path, f"`{named}` is a time zone, and a calendar is named here", mend, step=step, warning=True
            )

    def _call(self, name: str, work: CallWork) -> None:
        operation = self._catalogue.operations.get(f"{work.system}.{work.operation}")
        said = self._source.value["steps"][name].get("undo") is not None  # one that is none is told already
        if operation is None or not operation.changes or said or name in self._misspelt:
            return
        if operation.undo == "none":
            mend = "write `undo: none` here as well, or `undo: impossible` where a cancel must stop at it"
        elif operation.undo:
            mend = f"write `undo: {operation.undo}`, or `undo: none` if nothing has to be taken back"
        else:
            mend = "name the operation that takes it back, or write `undo: none` or `undo: impossible`"
        self._tell(
            ("steps", name, "call"),
            f"{operation.name} changes another system and has no `undo`",
            mend,
            step=name,
        )

    def _person(self, name: str, step: Step, work: PersonWork) -> None:
        if work.kind != "approve":
            return
        told = any(path[:4] == ("steps", name, "approve", "not") for path in self._as_text)
        excludes = any(template.expressions for template in work.excluded)
        if not excludes and not told and name not in self._misspelt:
            variable = self._process.variable
            document = self._catalogue.documents.get(self._process.document)
            who = (
                f"{variable}.created_by" if document and "created_by" in document.fields else "run.started_by"
            )
            self._tell(
                ("steps", name, "approve"),
                "who asks for it could also approve it",
                f'exclude them: `not: ["${{ {who} }}"]`',
                step=name,
                warning=bool(work.excluded),  # people named for good may be all who ask
            )
        if not work.refused and not self._source.value["steps"][name].get("refused"):
            mend = "say what a no does: `refused: { cancel: refused }`"
            self._tell(("steps", name), "it does not say what a no does", mend, step=name)
        del step

    def _table(self, name: str, work: ChooseWork) -> None:
        path: Path = ("steps", name, "choose")
        always = next((n for n, rule in enumerate(work.rules) if rule.when is None), len(work.rules))
        if not work.collect and always + 1 < len(work.rules):
            self._tell(
                (*path, "rules", always + 1),
                "this rule is never looked at: the one before it always hits",
                "put what always hits last, or write `hit: collect`",
                step=name,
                warning=True,
            )
        if work.otherwise is not None and (work.collect or always < len(work.rules)):
            why = "a table that collects gives an empty list" if work.collect else "a rule always hits"
            self._tell(
                (*path, "otherwise"), f"it is never given: {why}", "take it out", step=name, warning=True
            )

    def _child(self, name: str, step: Step, work: RunWork) -> None:
        if step.undo is not None and step.undo.kind == "call":
            mend = "take it out; or write `none` where they shall stay, `impossible` where they cannot be"
            self._tell(("steps", name, "undo"), "what child runs did is undone by them", mend, step=name)
        known = self._catalogue.processes
        if work.process and work.process not in known and work.process != self._process.name:
            mend = nearest(work.process, known) or "put its file beside this one, or publish it first"
            self._tell(("steps", name, "run"), f"there is no process `{work.process}`", mend, step=name)

    def _actions(self, name: str, step: Step) -> None:
        for field, action in actions_of(step):
            path: Path = ("steps", name, field)
            self._action(path, action, step=name)
            if action.verb == "step" and action.word == name:
                self._tell(path, "it would start itself", "use `redo`", step=name)
            if action.verb == "redo" and field != "refused":
                self._limit(path, action, name)
        refused = step.work.refused if isinstance(step.work, PersonWork) else ()
        for field, actions in (("fails", step.fails), ("refused", refused)):
            both = [action for action in actions if action.verb in ("raise", "skip")]
            if len({action.verb for action in both}) == 2 and any(a.condition is None for a in both):
                message = "`raise` holds the step that `skip` lets go, and the later of them counts"
                mend = "keep one, or give each an `if`; to skip it and tell somebody, `emit` or `escalate`"
                self._tell(("steps", name, field), message, mend, step=name, warning=True)

    def _handlers(self) -> None:
        for type_, actions in self._process.on.items():
            if type_ not in self._catalogue.events:
                mend = nearest(type_, self._catalogue.events) or "declare it under `declare: events:`"
                self._tell(("on", type_), f"there is no event `{type_}`", mend)
            for action in actions:
                self._action(("on", type_), action)
                if action.verb == "redo":
                    self._limit(("on", type_), action, "")

    def _nameless(self) -> None:
        """An event that this process declares and waits for, in which nothing says for which run it is."""
        process, declared = self._process, self._source.value.get("declare") or {}
        if not process.key.paths:
            return  # what names a run is not known
        made = {step.work.type for step in process.steps.values() if isinstance(step.work, EmitWork)}
        whole = re.fullmatch(r"\s*\$\{\s*\w+\.([\w.]+)\s*\}\s*", str(self._source.value.get("key")))
        for name in declared.get("events") or {}:
            shape = self._catalogue.events[name]
            waiting = [*process.awaited.get(name, ()), *(["`on:`"] if name in process.on else [])]
            if shape.about and waiting and name not in made and not self._kinds() & shape.about.keys():
                kinds = ", ".join(f"`{kind}`" for kind in shape.about)
                message = f"{name} is about {kinds}, by which no run of this process is found"
                mend = (
                    f"give the run such a key by `alias:`, or say in `about:` where `{process.kind}` stands"
                )
                self._tell(
                    ("declare", "events", name),
                    f"{message}, and {waiting[0]} waits for it",
                    mend,
                    warning=True,
                )
            if shape.about or not waiting or name in made or not isinstance(shape.data, Record):
                continue
            mend = f"give it a field `{process.kind}` that holds the key"
            if whole is not None:
                field = whole.group(1) if whole.group(1) in shape.data.fields else "its_field"
                mend += f", or say where that stands: `about: {{ {process.kind}: {field} }}`"
            message = f"nothing in {name} says for which run it is, and {waiting[0]} waits for it"
            self._tell(("declare", "events", name), message, mend, warning=True)

    def _kinds(self) -> set[str]:
        """The kinds of keys and aliases by which events find a run."""
        process = self._process
        return {
            process.kind,
            *process.alias,
            *(kind for step in process.steps.values() for kind in step.alias),
        }

    def _action(self, path: Path, action: Action, *, step: str = "") -> None:
        if action.verb == "emit":
            self._emitted(path, action.word, step)
            shape = self._catalogue.emitted(action.word)
            given = action.data.type if action.data is not None else Record("", {}, literal=True)
            why = assignable(given, shape.data, trusting=True) if shape is not None else None
            if why:
                self._tell(path, f"{action.word} cannot take this: {why}", "say it in `data:`", step=step)
        if action.verb in ("redo", "step") and action.word not in self._steps:
            mend = nearest(action.word, self._steps)
            if action.word == "nothing":
                mend = "to only record it, write `do: nothing`"
            elif action.word in self._catalogue.exceptions:
                mend = f"to raise it, write `{{ raise: {action.word} }}`"
            self._tell(path, f"there is no step `{action.word}`", mend, step=step)
        if action.verb == "raise" and action.word not in self._catalogue.exceptions:
            mend = nearest(action.word, self._catalogue.exceptions)
            mend = (
                mend if mend.startswith("did") else "declare it under `declare: exceptions:` with its owner"
            )
            self._tell(path, f"`{action.word}` is no known type of exception", mend, step=step, warning=True)

    def _emitted(self, path: Path, type_: str, step: str) -> None:
        events = self._catalogue.events
        if type_ == EXCEPTION_CLOSE:
            document = self._process.document
            if document != "ExceptionCase":
                message = (
                    f"`{type_}` closes the exception that a process is about; this one is about {document}"
                )
                self._tell(path, message, "emit it in a process with `document: ExceptionCase`", step=step)
        elif type_ not in events:
            close = nearest(type_, events)
            mend = "declare it under `declare: events:`"
            mend = f"{close} Else {mend}" if close.startswith("did") else mend
            self._tell(path, f"nobody declares the event `{type_}`", mend, step=step, warning=True)

    def _limit(self, path: Path, action: Action, step: str) -> None:
        target = self._process.steps.get(action.word)
        if action.most is None and (target is None or target.redo_most is None):
            self._tell(
                path,
                f"the redo of {action.word} could repeat without a person or a limit",
                f"say how often: `redo: {action.word}, most: 3`",
                step=step,
            )

    def _aliases(self) -> None:
        written: dict[str, str] = {self._process.kind: "the run's own key"}
        for kind in self._process.alias:
            if kind in written:
                mend = (
                    "leave it out; if events name it by another value than the key, call that otherwise "
                    f"than {kind}, here and in `about:` of the events"
                )
                self._tell(("alias", kind), f"{kind} is {written[kind]} already", mend)
            written[kind] = "the process"
        for name, step in self._process.steps.items():
            for kind in step.alias:
                if kind in written:
                    self._tell(
                        ("steps", name, "alias", kind),
                        f"the alias {kind} is written by {written[kind]} already",
                        "write it in one place, or name another kind",
                        step=name,
                    )
                written.setdefault(kind, name)

    def _measures(self) -> None:
        for measure in self._process.measures:
            for field, name in (("from", measure.start), ("to", measure.end)):
                if name == ("end" if field == "from" else "start"):
                    mend = "`from: start` or a step, `to: end` or a step"
                    self._tell(
                        ("measures", measure.name, field), f"nothing is measured `{field}: {name}`", mend
                    )
                elif name not in self._steps and name not in _BUILT_IN:
                    mend = nearest(name, self._steps | _BUILT_IN)
                    self._tell(("measures", measure.name, field), f"there is no step `{name}`", mend)


def uncertain_times(process: Process, source: Source, catalogue: Catalogue) -> Iterator[Problem]:
    """Warnings: a `by` that may find nothing leaves the step without a deadline until it does."""
    document = catalogue.documents.get(process.document)
    for name, step in process.steps.items():
        deadline = step.deadline
        if deadline is None or deadline.by is None or deadline.within is not None:
            continue
        if not deadline.by.nullable:
            continue
        for path in deadline.by.paths:
            if path[:1] == (process.variable,) and len(path) == 2 and isinstance(document, Record):
                field = document.fields.get(path[1])
                if field is not None and field.optional:
                    at = source.at(("steps", name, "by"))
                    yield Problem(
                        line=at.line,
                        column=at.column,
                        message=f"{'.'.join(path)} may be absent, and then there is no deadline yet",
                        mend="add `within:` beside it, for as long as it is not known",
                        step=name,
                        file=source.file,
                        severity="warning",
                    )
