"""From text to a process: `check` tells every problem, `load` gives the process or refuses."""

from __future__ import annotations

import re
from collections.abc import Iterable

from crossdock.errors import Refused
from crossdock.expressions import Type
from crossdock.process.catalogue import Catalogue, ProcessShape
from crossdock.process.check import Check, uncertain_times
from crossdock.process.definition import Process
from crossdock.process.form import form_of
from crossdock.process.names import Names
from crossdock.process.problems import NotAProcess, Problem
from crossdock.process.reader import read
from crossdock.process.source import Source

_NAMED = re.compile(r"^process:[ \t]*[\"']?([a-z][a-z0-9_-]*)", re.MULTILINE)


def name_in(text: str) -> str:
    """The name that a text gives its process, right or wrong as the rest may be; "" where it gives none."""
    found = _NAMED.search(text)
    return found.group(1) if found else ""


def named_in(text: str, others: Iterable[str]) -> list[str]:
    """Of the texts of other processes: those that this one may run, and that these may in their turn."""
    left = {name: other for other in others if (name := name_in(other)) != name_in(text)}
    found, texts = [], [text]
    while texts:
        names = [name for name in left if any(name in one for one in texts)]
        texts = [left.pop(name) for name in names]
        found += texts
    return found


def check(text: str, catalogue: Catalogue, *, file: str = "") -> tuple[Process | None, list[Problem]]:
    """The process, if the text is one that may be published, and all problems in the order of the file."""
    try:
        source = Source(text, file=file)
    except Refused as error:
        return None, [_unreadable(error, file)]
    misfits = form_of(source)
    if misfits:
        return None, misfits
    process, reader = read(source, catalogue)
    problems = list(reader.problems)
    if process is not None:
        problems += Check(process, reader).run()
        problems += uncertain_times(process, source, reader.catalogue)
    if not any(problem.severity == "error" for problem in problems):
        problems += form_of(source, strictly=True)
    problems.sort(key=lambda problem: (problem.line, problem.column))
    wrong = any(problem.severity == "error" for problem in problems)
    return (None if wrong else process), problems


def load(text: str, catalogue: Catalogue, *, file: str = "") -> Process:
    """The process in `text`. Raises `NotAProcess` with all its problems where it may not be published."""
    process, problems = check(text, catalogue, file=file)
    if process is None:
        raise NotAProcess(problem for problem in problems if problem.severity == "error")
    return process


def own_document(process: Process, catalogue: Catalogue) -> Type | None:
    """The type of its document where the process declares it itself, whatever else has the name; or None."""
    source = Source(process.source)
    raw = source.value.get("declare") or {}
    if process.document not in (raw.get("documents") or {}):
        return None
    names = Names(source, catalogue)
    names.declare(raw)
    return names.catalogue.documents.get(process.document)


def shape_of(process: Process, catalogue: Catalogue) -> ProcessShape:
    """What another process needs to know to run this one."""
    shape = ProcessShape(name=process.name)
    document = own_document(process, catalogue) or catalogue.documents.get(process.document)
    return ProcessShape(
        name=process.name,
        document=document if document is not None else shape.document,
        output=process.output.type if process.output is not None else shape.output,
    )


def _unreadable(error: Refused, file: str) -> Problem:
    line, column = 1, 1
    parts = error.where.rsplit(":", 2)
    if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
        line, column = int(parts[1]), int(parts[2])
    return Problem(line=line, column=column, message=error.message, mend=error.mend, file=file)


def reopen(text: str, catalogue: Catalogue, *, file: str = "") -> Process:
    """A process that was published before, read again: it is compiled, its rules are not applied anew.

    Raises `NotAProcess` where an expression of it no longer fits what is installed.
    """
    source = Source(text, file=file)
    wrong = form_of(source)
    if wrong:
        raise NotAProcess(wrong)
    process, reader = read(source, catalogue)
    wrong = [problem for problem in reader.problems if problem.severity == "error"]
    if process is None or wrong:
        raise NotAProcess(wrong)
    return process
