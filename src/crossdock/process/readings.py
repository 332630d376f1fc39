"""What expressions read of steps that cannot be there, or is no value.

A step as a whole, a status that there is none of, a step's own output before it has any; and, as a warning,
what another step gives that need not have ended yet, a status that a step of its kind never has, and what a
table never gives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from crossdock.expressions import STRING, Expression, Template
from crossdock.process.definition import (
    AwaitWork,
    CallWork,
    ChooseWork,
    EmitWork,
    PersonWork,
    Process,
    RunWork,
    SetWork,
    Step,
    WaitWork,
)
from crossdock.process.problems import Finding, nearest
from crossdock.process.source import Path
from crossdock.process.state import RunStatus, StepStatus
from crossdock.process.wiring import named_steps

Text = Expression | Template
Texts = Mapping[str, Sequence[Text]]
_STATUS = re.compile(r"""\b(run|steps\.\w+)\.status\s*[!=]=\s*["'](\w*)["']""")
_GIVES = re.compile(r"""\bsteps\.(\w+)\.output\s*[!=]=\s*["']([^"']*)["']""")
_AMONG = re.compile(r"""["']([^"']*)["']\s+in\s+steps\.(\w+)\.output\b(?!\s*\.)""")


def misreadings(
    process: Process, texts: Texts, stands: Mapping[int, Path], *, sure: bool = True
) -> Iterator[Finding]:
    """All of a process, whose expressions are `texts`, by step; each `stands` somewhere, by its id.

    Without `sure`, a field is misspelt: what starts a step, and when, is not known.
    """
    for text in texts.get("", ()):
        yield from _of_text(process, stands.get(id(text), ()), text, "")
    ended: dict[str, set[str]] = {}
    # where a need is misspelt, nobody knows what has ended before
    misspelt = any(
        other not in process.steps for s in process.steps.values() for other in (*s.needs, *s.needs_any)
    )
    for name, step in process.steps.items():
        path: Path = ("steps", name)
        for text in texts.get(name, ()):
            yield from _of_text(process, stands.get(id(text), path), text, name)
        if sure and not misspelt:
            yield from _too_early(process, step, texts.get(name, ()), ended)
        yield from _own_output(step)


def _of_text(process: Process, path: Path, text: Text, step: str) -> Iterator[Finding]:
    yield from _whole_steps(path, text, step)
    yield from _statuses(process, path, text, step)
    yield from _never_given(process, path, text, step)


def _whole_steps(path: Path, text: Text, step: str) -> Iterator[Finding]:
    """A step as a whole is no value: what it is changes, and most of it nobody needs."""
    for named in sorted(text.paths):
        if named[:1] == ("steps",) and len(named) < 3:
            whole = ".".join(named)
            mend = f"name what of it is needed: `{whole}.output`" if len(named) == 2 else "name one step"
            yield Finding(path=path, message=f"`{whole}` is not a value", mend=mend, step=step)


def _statuses(process: Process, path: Path, text: Text, step: str) -> Iterator[Finding]:
    """A status compared with a word that is none is never that, nor with one that its kind never has."""
    for expression in text.expressions if isinstance(text, Template) else (text,):
        for whose, word in _STATUS.findall(expression.text):
            known = get_args(RunStatus if whose == "run" else StepStatus)
            if word not in known:
                message = f"the status of a {'run' if whose == 'run' else 'step'} is never `{word}`"
                yield Finding(path=path, message=message, mend=f"it is one of {', '.join(known)}", step=step)
            other = process.steps.get(whose.removeprefix("steps."))
            if other is None or word not in ("running", "waiting") or word == _under_way(other):
                continue
            message = f"{other.name} is `{other.kind}`, whose status is never `{word}`"
            under_way = _under_way(other)
            mend = f"while it is under way it is `{under_way}`" if under_way else "ask for `succeeded`"
            yield Finding(path=path, message=message, mend=mend, step=step, warning=True)


def _under_way(step: Step) -> str:
    """The status of a step that has begun and not ended; none where it does both at once."""
    if isinstance(step.work, CallWork | RunWork):
        return "running"
    return "waiting" if isinstance(step.work, AwaitWork | PersonWork | WaitWork) else ""


def _never_given(process: Process, path: Path, text: Text, step: str) -> Iterator[Finding]:
    """What a table gives compared with a word that is none of those it gives."""
    for expression in text.expressions if isinstance(text, Template) else (text,):
        asked = [*_GIVES.findall(expression.text), *((n, w) for w, n in _AMONG.findall(expression.text))]
        for name, word in asked:
            other = process.steps.get(name)
            given = _words(other.work) if other is not None and isinstance(other.work, ChooseWork) else set()
            if given and word not in given:
                mend = nearest(word, given)
                message = f"{name} never gives `{word}`"
                yield Finding(path=path, message=message, mend=mend, step=step, warning=True)


def _words(table: ChooseWork) -> set[str]:
    """All that a table gives, where that is words and nothing else."""
    given = [*(rule.give for rule in table.rules), *([table.otherwise] if table.otherwise else [])]
    said = [
        None if text.expressions else str(text.evaluate({})) if text.type == STRING else None
        for text in given
    ]
    words = {word for word in said if isinstance(word, str)}
    return words if len(words) == len(set(said)) else set()


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
