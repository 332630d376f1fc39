"""`crossdock check`: what is wrong with a process, before it runs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from crossdock.cli.output import console, say_json, tell_problems, told
from crossdock.errors import Refused
from crossdock.installed import Installed, neighbours_in, pack, read_text
from crossdock.process.problems import Problem


def check(
    files: Annotated[list[Path], typer.Argument(help="Processes: YAML files, or folders of them")],
    json: Annotated[bool, typer.Option("--json", help="One object with all problems")] = False,
) -> None:
    """Say what is wrong with processes: file, line, step and mend. Status 1 if anything is.

    Connectors are those installed, those in `connectors/` where you are, and those beside the file.
    """
    with told(json=json):
        paths = [path for name in files for path in _processes(name)]
        folders = sorted({path.parent for path in paths})
        installed = Installed.find(*dict.fromkeys([Path("connectors"), *(f / "connectors" for f in folders)]))
        installed.learn(pack("distribution"))
        for folder in folders:
            installed.learn(neighbours_in(folder), also_wrong=True)
        found: list[Problem] = []
        good = 0
        for path in paths:
            process, problems = installed.check(read_text(path), str(path))
            found += problems
            good += process is not None
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
        _print(found, len(paths), wrong)
    if wrong:
        raise SystemExit(1)


def _processes(name: Path) -> list[Path]:
    if name.is_dir():
        found = sorted(name.glob("*.yaml")) + sorted(name.glob("*.yml"))
        if not found:
            raise Refused("there is no process here", where=str(name), mend="name a folder with *.yaml files")
        return found
    if not name.exists():
        raise Refused("there is no such file", where=str(name), mend="name a process: a YAML file")
    return [name]


def _print(found: list[Problem], files: int, wrong: int) -> None:
    tell_problems(found)
    noun = "process" if files == 1 else "processes"
    if wrong:
        console.print(f"[bold red]{wrong} to mend[/bold red] in {files} {noun}")
    else:
        console.print(f"[bold green]{files} {noun} may be published[/bold green]")
