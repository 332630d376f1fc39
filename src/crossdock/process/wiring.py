"""What follows from a process as written: who looks at whom, so that deciding need not search."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from crossdock.expressions import Expression, Template
from crossdock.process.definition import (
    FORGOTTEN,
    Action,
    AwaitWork,
    PersonWork,
    Process,
    RunWork,
    Step,
    Undo,
    WaitWork,
)

Texts = Mapping[str, Sequence[Expression | Template]]


def wire(process: Process, texts: Texts) -> Process:
    """The process with its derived fields; `texts` are the expressions of each step."""
    awaited: dict[str, list[str]] = {}
    edges: dict[str, list[str]] = {name: [] for name in process.steps}
    for name, step in process.steps.items():
        if isinstance(step.work, AwaitWork):
            for type_ in step.work.types:
                awaited.setdefault(type_, []).append(name)
        for other in (*step.needs, *step.needs_any, *sorted(named_steps(texts.get(name, ())))):
            if other in edges and other != name and name not in edges[other]:
                edges[other].append(name)
    triggers = triggered_by(process)
    for handler, causes in triggers.items():
        for cause in sorted(causes):
            if cause in edges and handler not in edges[cause]:
                edges[cause].append(handler)
    keeps = _kept(process, texts)
    return replace(
        process,
        awaited={type_: tuple(names) for type_, names in awaited.items()},
        dependents={name: tuple(found) for name, found in edges.items()},
        triggers=triggers,
        watches_document=frozenset(
            name for name, step in process.steps.items() if _watches(step, process.variable)
        ),
        keeps=keeps,
        forgets={
            name: tuple(field for field in FORGOTTEN if field not in kept) for name, kept in keeps.items()
        },
    )


def _kept(process: Process, texts: Texts) -> dict[str, frozenset[str]]:
    """What of each step is still asked for when it has ended: by expressions, its undo, a measure."""
    read: dict[str, set[str]] = {name: set() for name in process.steps}
    for reader, each in texts.items():
        for path in {path for text in each for path in text.paths}:
            # what a step reads of itself (`until`) it reads while it is open
            if len(path) > 2 and path[0] == "steps" and path[1] in read and path[1] != reader:
                read[path[1]].add(path[2])
    for measure in process.measures:
        for name in (measure.start, measure.end):
            if name in read:
                read[name].add("at")
    for name, step in process.steps.items():
        if isinstance(step.work, RunWork):
            read[name].add("order")
        if step.undo is not None and step.undo.kind == "call":
            read[name] |= {"order", "via"} | _undo_reads(step.undo, name)
    return {name: frozenset(fields) for name, fields in read.items()}


def _undo_reads(undo: Undo, step: str) -> set[str]:
    if undo.input is None:
        return {"input", "output"}
    paths = undo.input.paths | (undo.via.paths if undo.via is not None else frozenset())
    own = {path[2] for path in paths if path[:2] == ("steps", step) and len(path) > 2}
    return own | {path[0] for path in paths if path and path[0] in ("input", "output")}


def named_steps(texts: Sequence[Expression | Template]) -> set[str]:
    """The steps that these expressions name."""
    return {path[1] for text in texts for path in text.paths if len(path) > 1 and path[0] == "steps"}


def actions_of(step: Step) -> Iterator[tuple[str, Action]]:
    """Every action of a step, with the field it stands in."""
    for action in step.fails:
        yield "fails", action
    if step.deadline is not None:
        for rung in step.deadline.ladder:
            for action in rung.actions:
                yield "late", action
    if isinstance(step.work, PersonWork):
        for action in step.work.refused:
            yield "refused", action


def triggered_by(process: Process) -> dict[str, frozenset[str]]:
    """The steps that only an action starts, and the steps whose actions name them (none: a handler's)."""
    found: dict[str, set[str]] = {}
    for name, step in process.steps.items():
        for _, action in actions_of(step):
            if action.verb == "step" and action.word in process.steps:
                found.setdefault(action.word, set()).add(name)
    # An event may come at any time: that it calls for nothing more is known only when all else has ended.
    on = {action.word for actions in process.on.values() for action in actions if action.verb == "step"}
    causes = {name: frozenset(names) for name, names in found.items()}
    return {**causes, **{name: frozenset[str]() for name in on if name in process.steps}}


def _watches(step: Step, variable: str) -> bool:
    work = step.work
    looked_at: list[Expression | Template | None] = []
    if isinstance(work, AwaitWork):
        looked_at.append(work.until)
    if isinstance(work, RunWork):
        looked_at.append(work.each)
    if isinstance(work, WaitWork):
        looked_at.append(work.until)
    if isinstance(work, PersonWork):
        looked_at.append(work.content)
    if step.deadline is not None:
        looked_at.append(step.deadline.by)
    return any(path[0] == variable for text in looked_at if text is not None for path in text.paths if path)
