"""What is wrong with the order of steps: needs that are not there or go in a circle, steps that never start,

waits that never end, substitutes that come too late to matter, redoes of what has not begun.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.process.definition import AwaitWork, Process, RunWork, Step
from crossdock.process.problems import Finding, nearest
from crossdock.process.wiring import actions_of


def out_of_order(process: Process, known: frozenset[str]) -> Iterator[Finding]:
    """All of a process; `known` are its steps, also those that could not be read."""
    for name, step in process.steps.items():
        yield from _needs(name, step, known)
        yield from _started_by_what_it_needs(process, name, step)
        yield from _again(process, name, step)
        yield from _until(process, name, step)
    yield from _circles(process)


def _needs(name: str, step: Step, known: frozenset[str]) -> Iterator[Finding]:
    for field, names in (("needs", step.needs), ("needs_any", step.needs_any)):
        path = ("steps", name, field)
        for other in names:
            if other == name:
                yield Finding(path=path, message="it needs itself", mend="take it out", step=name)
            elif other not in known:
                parts = [part.strip() for part in other.split(",")]
                listed = len(parts) > 1 and known.issuperset(parts)
                mend = f"write a list: `{field}: [{', '.join(parts)}]`" if listed else ""
                mend = mend or nearest(other, known - {name})
                yield Finding(path=path, message=f"there is no step `{other}`", mend=mend, step=name)


def _started_by_what_it_needs(process: Process, name: str, step: Step) -> Iterator[Finding]:
    """A step in the place of one that it needs never starts; who needs both never starts after the second."""
    causes = process.triggers.get(name) or frozenset()
    blocked = causes & must_end_well(process, name)
    if blocked and blocked == causes:
        cause = min(blocked)
        yield Finding(
            path=("steps", name, "needs"),
            message=f"it can never start: it takes the place of {cause}, and needs {cause} to end well",
            mend=f"take what needs {cause} out of its needs",
            step=name,
        )
    for other in step.needs:
        replaced = process.triggers.get(other, frozenset()) & set(step.needs)
        if replaced and len(process.triggers[other]) == 1:
            failed = min(replaced)
            yield Finding(
                path=("steps", name, "needs"),
                message=f"it needs {failed} to end well, and never starts after {other} took its place",
                mend=f"write `needs_any: [{failed}, {other}]`",
                step=name,
                warning=True,
            )


def _again(process: Process, name: str, step: Step) -> Iterator[Finding]:
    for field, action in actions_of(step):
        if action.verb == "redo" and action.word != name and name in must_end_well(process, action.word):
            yield Finding(
                path=("steps", name, field),
                message=f"{action.word} has not begun then: it needs {name} to end well",
                mend=f"name {name}, or a step before it",
                step=name,
            )


def _until(process: Process, name: str, step: Step) -> Iterator[Finding]:
    """What an `until` names must be able to change while the step waits."""
    if not isinstance(step.work, AwaitWork) or step.work.until is None:
        return
    after = {other for other in process.steps if name in must_end_well(process, other)}
    named = {path[:2] if path[0] == "steps" else path[:1] for path in step.work.until.paths if path}
    if named <= {("tenant",), *(("steps", other) for other in after)}:
        later = sorted(path[1] for path in named if len(path) > 1)
        why = f"{later[0]}, which starts only after it" if later else "nothing that changes while it waits"
        yield Finding(
            path=("steps", name, "until"),
            message=f"`until` names {why}",
            mend=f"name what comes, as `size(steps.{name}.events) >= 2`",
            step=name,
        )


def _circles(process: Process) -> Iterator[Finding]:
    steps = process.steps
    state: dict[str, int] = {}
    trail: list[str] = []

    def visit(name: str) -> Iterator[Finding]:
        state[name] = 1
        trail.append(name)
        for other in _before(steps[name]):
            if other not in steps or other == name:
                continue
            if state.get(other) == 1:
                circle = [*trail[trail.index(other) :], other]
                yield Finding(
                    path=("steps", name, "needs"),
                    message=f"the needs go in a circle: {' needs '.join(circle)}; none of them can start",
                    mend="take one of these needs out; to go back, use `redo`",
                    step=name,
                )
            elif other not in state:
                yield from visit(other)
        trail.pop()
        state[name] = 2

    for name in steps:
        if name not in state:
            yield from visit(name)


def must_end_well(process: Process, name: str) -> set[str]:
    """The steps that have all succeeded or been skipped when this one starts."""
    found: set[str] = set()
    queue = list(process.steps[name].needs) if name in process.steps else []
    while queue:
        other = queue.pop()
        if other not in found and other in process.steps:
            found.add(other)
            # a step that was skipped has met its needs too, unless it was never called for
            if other not in process.triggers:
                queue.extend(process.steps[other].needs)
    return found


def _before(step: Step) -> Iterator[str]:
    """The steps that must have ended before this one can start, or (a growing list) can end."""
    yield from step.needs
    yield from step.needs_any
    if isinstance(step.work, RunWork):
        yield from sorted(step.work.growing)
