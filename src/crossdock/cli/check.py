"""`crossdock check`: what is wrong with a process or a mapping, before it is used."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crossdock.cli.output import console, say_json, tell_problems, told
from crossdock.errors import Refused
from crossdock.installed import Installed, neighbours_in, pack, read_text
from crossdock.process.problems import Problem
from crossdock.process.publish import name_in as process_in
from crossdock.translate import name_in as mapping_in


def check(
    files: Annotated[
        list[Path], typer.Argument(help="Processes and mappings: YAML files, or folders of them")
    ],
    json: Annotated[bool, typer.Option("--json", help="One object with all problems")] = False,
) -> None:
    """Say what is wrong with processes and mappings: file, line, step and mend. Status 1 if anything is.

    Connectors are those installed, those in `connectors/` where you are, and those beside the file.
    """
    with told(json=json):
        paths = [path for name in files for path in _processes(name)]
        folders = sorted({path.parent for path in paths})
        installed = Installed.find(*dict.fromkeys([Path("connectors"), *(f / "connectors" for f in folders)]))
        found: list[Problem] = []
        texts: dict[Path, str] = {}
        for path in paths:
            try:
                texts[path] = read_text(path)
            except Refused as error:  # the others are told of all the same
                found.append(
                    Problem(line=1, column=1, message=error.message, mend=error.mend, file=str(path))
                )
        beside = [neighbours_in(folder) for folder in folders]
        by = [*texts.values(), *(text for one in beside for text in one.values())]
        installed.learn(pack("distribution"), by=by)
        for neighbours in beside:
            installed.learn(neighbours, by=texts.values(), also_wrong=True)
        good = mappings = 0
        first: dict[str, Path] = {}  # by the name of a process: the file that gives it
        for path, text in texts.items():
            found += _given_twice(text, path, first)
            good_one, problems = (
                installed.mapping(text, str(path)) if mapping_in(text) else installed.check(text, str(path))
            )
            found += problems
            mappings += bool(mapping_in(text))
            good += good_one is not None
    wrong = sum(problem.severity == "error" for problem in found)
    if json:
        say_json(
            {
                "files": len(paths),
                "good": good,
                "problems": [asdict(problem) for problem in found],
            }
        )
    else:
        _print(found, _counted(len(paths), mappings), wrong)
    if wrong:
        raise SystemExit(1)


def _given_twice(text: str, path: Path, first: dict[str, Path]) -> list[Problem]:
    """A warning where another file gives a process of the same name: only one of them is published by it."""
    name = process_in(text)
    if not name or first.setdefault(name, path) == path:
        return []
    line = next((n for n, at in enumerate(text.splitlines(), 1) if at.startswith("process:")), 1)
    mend = "name one of them otherwise, or keep one"
    message = f"the process {name} stands in {first[name]} as well"
    return [Problem(line=line, column=1, message=message, mend=mend, file=str(path), severity="warning")]


def _processes(name: Path) -> list[Path]:
    if name.is_dir():
        found = sorted(name.glob("*.yaml")) + sorted(name.glob("*.yml"))
        if not found:
            raise Refused("there is no process here", where=str(name), mend="name a folder with *.yaml files")
        return found
    if not name.exists():
        raise Refused("there is no such file", where=str(name), mend="name a process: a YAML file")
    return [name]


def _print(found: list[Problem], noun: str, wrong: int) -> None:
    tell_problems(found)
    if wrong:
        console.print(f"[bold red]{wrong} to mend[/bold red] in {noun}")
    else:
        console.print(f"[bold green]{noun} may be published[/bold green]")


def _counted(files: int, mappings: int) -> str:
    processes = files - mappings
    said = [f"{processes} process{'es' if processes != 1 else ''}"] if processes or not mappings else []
    said += [f"{mappings} mapping{'s' if mappings != 1 else ''}"] if mappings else []
    return " and ".join(said)
