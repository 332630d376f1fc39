"""What expressions read of steps that cannot be there, or is no value.

A step as a whole, a status that there is none of, a step's own output before it has any; and, as a warning,
what another step gives that need not have ended yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from crossdock.expressions import Expression, Template
from crossdock.process.definition import (
    AwaitWork,
    CallWork,
    EmitWork,
    Process,
    RunWork,
    SetWork,
    Step,
)
from crossdock.process.problems import Finding
from crossdock.process.source import Path
from crossdock.process.state import RunStatus, StepStatus
from crossdock.process.wiring import named_steps

Text = Expression | Template
Texts = Mapping[str, Sequence[Text]]
_STATUS = re.compile(r"""\b(run|steps\.\w+)\.status\s*[!=]=\s*["'](\w*)["']""")


def misreadings(process: Process, texts: Texts) -> Iterator[Finding]:
    """All of a process, whose expressions are `texts`, by step."""
    for text in texts.get("", ()):
        yield from _whole_steps((), text, "")
        yield from _statuses((), text, "")
    ended: dict[str, set[str]] = {}
    # where a need is misspelt, nobody knows what has ended before
    misspelt = any(
        other not in process.steps for s in process.steps.values() for other in (*s.needs, *s.needs_any)
    )
    for name, step in process.steps.items():
        path: Path = ("steps", name)
        for text in texts.get(name, ()):
            yield from _whole_steps(path, text, name)
            yield from _statuses(path, text, name)
        if not misspelt:
            yield from _too_early(process, step, texts.get(name, ()), ended)
        yield from _own_output(step)


def _whole_steps(path: Path, text: Text, step: str) -> Iterator[Finding]:
    """A step as a whole is no value: what it is changes, and most of it nobody needs."""
    for named in sorted(text.paths):
        if named[:1] == ("steps",) and len(named) < 3:
            whole = ".".join(named)
            mend = f"name what of it is needed: `{whole}.output`" if len(named) == 2 else "name one step"
            yield Finding(path=path, message=f"`{whole}` is not a value", mend=mend, step=step)


def _statuses(path: Path, text: Text, step: str) -> Iterator[Finding]:
    """A status compared with a word that is none is never that."""
    for expression in text.expressions if isinstance(text, Template) else (text,):
        for whose, word in _STATUS.findall(expression.text):
            known = get_args(RunStatus if whose == "run" else StepStatus)
            if word not in known:
                message = f"the status of a {'run' if whose == 'run' else 'step'} is never `{word}`"
                yield Finding(path=path, message=message, mend=f"it is one of {', '.join(known)}", step=step)


def _own_output(step: Step) -> Iterator[Finding]:
    """What a step gives is not there before it has done its work."""
    texts: list[Text | None] = [step.condition]
    if isinstance(step.work, CallWork):
        texts.append(step.work.input)
    if isinstance(step.work, SetWork):
        texts.append(step.work.values)
    if isinstance(step.work, EmitWork):
        texts.append(step.work.data)
    own = ("steps", step.name, "output")
    for text in texts:
        if text is not None and any(path[:3] == own for path in text.paths - text.probed):
            message = "it reads its own output before it has any"
            yield Finding(
                path=("steps", step.name), message=message, mend="name another step", step=step.name
            )


def _too_early(
    process: Process, step: Step, texts: Sequence[Text], ended: dict[str, set[str]]
) -> Iterator[Finding]:
    """An expression that names a step which need not have ended yet may find nothing there."""
    until = step.work.until if isinstance(step.work, AwaitWork) else None
    by = step.deadline.by if step.deadline is not None else None
    free = named_steps([text for text in (until, by) if text is not None])
    free |= {path[1] for text in texts for path in text.paths if path[::2] == ("steps", "status")}
    free |= {path[1] for text in texts for path in text.probed if path[0] == "steps" and len(path) > 1}
    free |= {step.name, *step.needs_any, *process.triggers.get(step.name, ())}
    for other in sorted(named_steps(texts) - free - _ended_before(process, step.name, ended)):
        if other in process.steps:
            yield Finding(
                path=("steps", step.name),
                message=f"it reads {other}, which need not have ended when it starts",
                mend=f"add {other} to its needs, or ask for its status first",
                step=step.name,
                warning=True,
            )


def _ended_before(process: Process, name: str, known: dict[str, set[str]]) -> set[str]:
    """All steps that have ended for certain when this one starts, or (a growing list) ends."""
    if name in known:
        return known[name]
    found = known[name] = set()  # whoever comes here again goes in a circle, which is told
    step = process.steps[name]
    for other in (*step.needs, *(step.work.growing if isinstance(step.work, RunWork) else ())):
        if other in process.steps and other not in found:
            found.add(other)
            if other not in process.triggers:  # one that nobody called for has waited for nothing
                found |= _ended_before(process, other, known)
    if step.needs_any and all(other in process.steps for other in step.needs_any):
        # whichever of them has ended, what that needs has
        found |= set.intersection(*({o, *_ended_before(process, o, known)} for o in step.needs_any))
    causes = process.triggers.get(name)
    if causes:  # the step whose place it takes had started, so what that needs has ended
        found |= set.intersection(*(_ended_before(process, cause, known) for cause in causes))
    return found
