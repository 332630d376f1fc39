"""What is wrong with a process: each problem names file, line, step and mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from crossdock.errors import Refused
from crossdock.process.source import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong (`error`), or that its author should know (`warning`)."""

    line: int
    column: int
    message: str
    mend: str = ""
    step: str = ""
    file: str = ""
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        place = f"{self.file or 'process'}:{self.line}:{self.column}"
        step = f" step {self.step}:" if self.step else ""
        word = " warning:" if self.severity == "warning" else ""
        return f"{place}:{word}{step} {self.message}" + (f"\n    mend: {self.mend}" if self.mend else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a rule found at `path` of the file, in `step` (empty: of the process)."""

    path: Path
    message: str
    mend: str
    step: str = ""
    warning: bool = False


class NotAProcess(Refused):
    """The text is not a process that can be published; `problems` says why, in the order of the file."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        """Take every problem found."""
        self.problems = tuple(problems)
        errors = [problem for problem in self.problems if problem.severity == "error"]
        count = f"{len(errors)} problems" if len(errors) != 1 else "1 problem"
        super().__init__(count + "\n" + "\n".join(str(problem) for problem in self.problems))


# What other languages of workflows call it: told where ours is a word that may stand there.
_MEANT: Mapping[str, tuple[str, ...]] = {
    ours: tuple(words.split())
    for ours, words in {
        "steps": "tasks jobs stages states activities nodes",
        "start": "trigger triggers starts_on",
        "needs": "depends_on dependsOn requires after upstream",
        "if": "when condition only_if",
        "when": "if condition case",
        "give": "then gives result returns",
        "otherwise": "else default",
        "with": "input inputs params parameters arguments args",
        "within": "timeout deadline time_limit sla",
        "late": "on_timeout on_late escalation overdue",
        "fails": "on_error on_failure onError catch on_fail",
        "undo": "compensate compensation rollback revert",
        "each": "for_each foreach forEach loop with_items",
        "run": "subprocess workflow child call_activity",
        "call": "operation action uses activity",
        "await": "wait_for wait_for_event receive event",
        "wait": "sleep delay pause",
        "emit": "publish send_event raise_event",
        "set": "variables vars assign let",
        "choose": "switch decide decision gateway",
        "approve": "approval sign_off",
        "task": "user_task human_task form_task",
        "role": "assignee group team who",
        "not": "exclude excluding except excluded",
        "again": "repeat rerun",
        "measures": "kpis metrics",
        "title": "label summary",
        "process": "name id",
    }.items()
}


_LONGEST = 200  # letters of a word that is looked for
_MOST = 2000  # words that it is compared with


def nearest(word: str, known: Iterable[str]) -> str:
    """A mend that names the nearest known word, or the known ones where they are few."""
    options = sorted(known)
    if len(word) > _LONGEST or len(options) > _MOST:
        return ""  # to compare it with each would take long
    meant = [ours for ours, words in _MEANT.items() if ours in options and word in words]
    if meant and word not in options:
        return f"did you mean `{meant[0]}`?"
    close = difflib.get_close_matches(word, options, 1, 0.75)
    # a slip seldom changes the first letter: `email` is not meant to be `fail`
    alike = [
        option
        for option in options
        if option[:1].lower() == word[:1].lower() or (len(option) > 3 and option in word)
    ]
    close = close or difflib.get_close_matches(word, alike, 1, 0.65)
    if close:
        return f"did you mean `{close[0]}`?"
    if not options:
        return ""
    return "known: " + ", ".join(options) if len(options) <= 40 else ""
