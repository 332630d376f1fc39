"""`crossdock connector new`: the beginnings of a connector that already passes the suite for connectors."""

from __future__ import annotations

import re
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

import typer

from crossdock.cli.output import console, say_json, told
from crossdock.cli.place import HERE, Json
from crossdock.errors import Conflict, Refused

connector = typer.Typer(no_args_is_help=True)

_NAME = re.compile(r"[a-z][a-z0-9_]{1,39}")


@connector.callback()
def _group() -> None:
    """Make connectors to systems that none is there for."""


@connector.command()
def new(
    name: Annotated[str, typer.Argument(help="What connections call it: small letters, digits, _")],
    title: Annotated[str | None, typer.Option(help="What people call it")] = None,
    yaml: Annotated[
        bool, typer.Option("--yaml", help="One YAML file instead of a Python package: enough for most")
    ] = False,
    into: Annotated[Path, typer.Option("--into", help="The folder that it is written into")] = HERE,
    json: Json = False,
) -> None:
    """Write a connector that works as it stands, with tests; then replace what it asks and reads.

    A package is a folder NAME-connector, to be installed beside Crossdock. With --yaml it is
    connectors/NAME.yaml, read where the installation is, and a test. Nothing that is there is overwritten.
    """
    with told(json=json):
        if not _NAME.fullmatch(name):
            raise Refused(
                f"{name!r} cannot name a connector",
                where="NAME",
                mend="2 to 40 small letters, digits and _, a letter first",
            )
        words = {
            "name": name,
            "module": f"{name}_connector",
            "title": title or name.replace("_", " ").capitalize(),
            "camel": name.title().replace("_", ""),
        }
        begun = resources.files("crossdock.connect").joinpath("beginnings", "yaml" if yaml else "package")
        files = {
            into / path: _filled(begun.joinpath(f"{file}.tmpl"), words)
            for file, path in _places(words, yaml=yaml)
        }
        there = [str(path) for path in files if path.exists()]
        if there:
            raise Conflict(
                f"{', '.join(there)} {'is' if len(there) == 1 else 'are'} there already",
                mend="choose another name, or another folder with --into",
            )
        try:
            for path, text in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
        except OSError as error:
            raise Refused(
                f"it cannot be written: {error.strerror}",
                where=str(error.filename or into),
                mend="name a folder that you may write into with --into",
            ) from None
        if json:
            say_json({"connector": name, "files": [str(path) for path in files]})
            return
        for path in files:
            console.print(f"  {path}", highlight=False, soft_wrap=True)
        console.print(
            f"\nIt passes its tests as it stands. Try:  [bold]{_next(words, into, yaml=yaml)}[/bold]",
            soft_wrap=True,
        )
        console.print("Then replace what it asks and reads by what your system says.")


def _places(words: dict[str, str], *, yaml: bool) -> list[tuple[str, Path]]:
    """Template files, and where each is written."""
    if yaml:
        return [
            ("connector.yaml", Path("connectors") / f"{words['name']}.yaml"),
            ("test.py", Path("tests") / f"test_{words['name']}.py"),
        ]
    package = Path(f"{words['name']}-connector")
    module = package / words["module"]
    return [
        ("pyproject.toml", package / "pyproject.toml"),
        ("README.md", package / "README.md"),
        ("module.py", module / "__init__.py"),
        ("requests.py", module / "requests.py"),
        ("replies.py", module / "replies.py"),
        ("test.py", package / "tests" / f"test_{words['name']}.py"),
    ]


def _filled(template: Traversable, words: dict[str, str]) -> str:
    text = template.read_text()
    for name, word in words.items():
        text = text.replace(f"@{name}@", word)
    return text


def _next(words: dict[str, str], into: Path, *, yaml: bool) -> str:
    if yaml:
        return f"python -m pytest {into / 'tests' / ('test_' + words['name'] + '.py')}"
    return (
        f"cd {into / (words['name'] + '-connector')} && python -m pip install -e . pytest && python -m pytest"
    )
