"""`crossdock try`: run a process in memory, with what a script says and the rest made up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from crossdock.cli.given import read_document
from crossdock.cli.output import say_json, tell_problems, told
from crossdock.cli.try_telling import as_object, tell_simulation
from crossdock.errors import Refused
from crossdock.installed import Installed, neighbours_in, pack, read_text
from crossdock.process import Process
from crossdock.process.durations import Duration
from crossdock.process.problems import Problem
from crossdock.process.simulate import NotAScript, Script, Simulation, declared, read_script

_PACK = "distribution"
_PROCESS = re.compile(r"^process: *([a-z0-9_-]+)", re.MULTILINE)
_RUN = re.compile(r"\brun: *([a-z0-9_-]+)")
_START = "2026-01-05T08:00:00Z"


def try_(
    file: Annotated[Path, typer.Argument(help="The process: a YAML file, or the name of a packaged process")],
    document: Annotated[
        Path | None, typer.Option("--document", help="Its document as JSON; made up where none is given")
    ] = None,
    script: Annotated[
        Path | None, typer.Option("--script", help="What happens, and what is expected: a YAML file")
    ] = None,
    until: Annotated[str, typer.Option("--until", help="How much time may pass, as 30d or 12h")] = "30d",
    start: Annotated[str, typer.Option("--start", help="When it starts: an instant with its zone")] = _START,
    json: Annotated[bool, typer.Option("--json", help="One object with everything")] = False,
) -> None:
    """Run a process in memory: no database, no partners, no waiting.

    What the script does not say is made up and marked as assumed: answers, decisions, awaited events. Status
    0 if all that the script expects holds and every run has ended, or waits for something that has a name.
    """
    with told(json=json):
        text, texts, folder = _find(file)
        found = Installed.find(Path("connectors"), *([folder / "connectors"] if folder is not None else ()))
        run = _run_by(text, {**pack(_PACK), **texts})
        found.learn(run)
        process, problems = found.check(text, str(file))
        if process is None:
            _refuse(problems, json=json)
        library = _library(process, {**run, **texts}, found)
        catalogue = declared(found.catalogue, library)
        try:
            played = (
                read_script(_script(script), process, library, catalogue, file=str(script))
                if script
                else None
            )
        except NotAScript as error:
            _refuse(list(error.problems), json=json)
        simulation = Simulation(library, start=_instant(start), catalogue=found.catalogue, script=played)
        given = (
            read_document(document, process.document)
            if document is not None
            else simulation.document(process)
        )
        length = (played or Script()).until or Duration.parse(until, where="--until").exact
        began = simulation.now
        simulation.begin(process, given)
        simulation.go_on(began + length)
    if json:
        say_json(as_object(simulation, process, played))
    else:
        tell_problems(problems)
        tell_simulation(simulation, process, played, made_up=document is None)
    if not good(simulation):
        raise SystemExit(1)


def good(simulation: Simulation) -> bool:
    """Whether all came as expected, and nothing stands still without a reason that has a name."""
    wrong = any(outcome.wrong for outcome in simulation.outcomes)
    return not wrong and not simulation.faults and all(wait.named for wait in simulation.waits())


def _find(file: Path) -> tuple[str, dict[str, str], Path | None]:
    """The text of the process, the texts beside it, and their folder (none for a packaged process)."""
    if file.exists() and not file.is_dir():
        return read_text(file), neighbours_in(file.parent), file.parent
    packaged = pack(_PACK)
    name = f"{file.name.removesuffix('.yaml')}.yaml"
    if file.parent != Path() or name not in packaged:
        names = ", ".join(name.removesuffix(".yaml") for name in packaged)
        mend = f"name a YAML file, or a packaged process: {names}"
        raise Refused("there is no such process", where=str(file), mend=mend)
    return packaged[name], packaged, None


def _script(file: Path) -> str:
    """The text of a script: a file, or one that a packaged process is tested with."""
    if not file.exists() and file.parent == Path():
        tests = resources.files("crossdock.packs").joinpath(_PACK, "tests")
        packaged = tests.joinpath(f"{file.name.removesuffix('.yaml')}.yaml")
        if packaged.is_file():
            return packaged.read_text()
    return read_text(file)


def _run_by(text: str, texts: Mapping[str, str]) -> dict[str, str]:
    """The texts of the processes that this one runs, and that these run."""
    named = {found.group(1): file for file, other in texts.items() if (found := _PROCESS.search(other))}
    wanted: dict[str, str] = {}
    queue = [text]
    while queue:
        for name in _RUN.findall(queue.pop()):
            file = named.get(name)
            if file is not None and file not in wanted:
                wanted[file] = texts[file]
                queue.append(texts[file])
    return wanted


def _library(process: Process, texts: Mapping[str, str], found: Installed) -> dict[str, Process]:
    """The process, and those of these texts that may be published."""
    library = {process.name: process}
    for file, text in texts.items():
        other, _ = found.check(text, file) if text != process.source else (process, [])
        if other is not None:
            library.setdefault(other.name, other)
    return library


def _refuse(problems: list[Problem], *, json: bool) -> NoReturn:
    if json:
        fields = Problem.__dataclass_fields__
        say_json({"ok": False, "problems": [{name: getattr(p, name) for name in fields} for p in problems]})
    else:
        tell_problems(problems)
    raise SystemExit(1)


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        raise Refused(f"{text!r} is no instant", where="--start", mend=f"write it as {_START}")
    return instant.astimezone(UTC)
