"""`crossdock process`: what new runs take; publish a process, and take it back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossdock.cli.backtest import differs
from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.runs import time_of
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

process = typer.Typer(help="Processes that new runs take.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The process by name")]
_Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit")]


@process.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List processes, and the version that new runs take."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.processes()]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        table(
            "Processes, times in UTC",
            ["name", "version", "published", "by", "rolled out"],
            [
                (
                    one.name,
                    one.version[:10],
                    time_of(one.published),
                    one.published_by,
                    f"{one.next_version[:10]}, {one.share:.0%} of new runs"
                    if one.next_version and one.share is not None
                    else "",
                )
                for one in found
            ],
            empty="No process yet. Publish one: crossdock process publish FILE",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@process.command()
def versions(
    name: _Name, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """List the versions of a process, newest first."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.versions(name)]
        if json:
            for one in found:
                say_json({n: v for n, v in msgspec.structs.asdict(one).items() if n != "source"})
            return
        table(
            f"Versions of {name}, times in UTC",
            ["version", "published", "by", ""],
            [
                (one.version, time_of(one.published), one.published_by, "current" if one.current else "")
                for one in found
            ],
            empty="There is none.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@process.command()
def publish(
    files: Annotated[list[Path], typer.Argument(help="Files of YAML; those that run each other together")],
    share: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="The part of new runs that take it at first")
    ] = 1.0,
    proved: Annotated[
        str | None,
        typer.Option(
            "--backtest",
            metavar="30d",
            help="First prove them on runs that began in so long; ask if any differs",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Publish whatever the backtest shows")] = False,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Publish processes, all or none: new runs take them; those under way stay where they are.

    What `crossdock serve` finds in its own directory it publishes at its start, and that holds then. With
    --backtest, what would have been otherwise is shown first; if anything would, only --yes publishes.
    """

    async def act(operator: Operator) -> None:
        from crossdock.installed import read_text  # what it belongs to takes a while to import

        texts = [read_text(file) for file in files]
        if proved is not None:
            differing = False
            for text in texts:
                differing = await differs(operator, text, since=proved, json=json) or differing
            if differing and not yes:
                raise Refused(
                    "the past would have been otherwise, and nothing is published",
                    mend="look at what differs; where that is what is meant, add --yes",
                )
        try:
            made = await operator.publish(texts, share=share, note=why)
        except Refused as error:
            raise _in_files(error, files) from None
        for one in made:
            if json:
                say_json(msgspec.structs.asdict(one))
            else:
                console.print(f"{one.name} {(one.next_version or one.version)[:10]} is published")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _in_files(error: Refused, files: list[Path]) -> Refused:
    """The same, with the files in the place of their numbers."""
    for number, file in reversed(list(enumerate(files))):
        for part in ("message", "where", "mend"):
            setattr(error, part, getattr(error, part).replace(f"body.sources.{number}", str(file)))
    return error


@process.command()
def back(
    name: _Name,
    version: Annotated[
        str, typer.Argument(help="The version, as `versions` lists it; its beginning will do")
    ],
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let new runs take an older version of a process again, all of them."""

    async def act(operator: Operator) -> None:
        known = [one.version async for one in operator.versions(name)]
        found = [one for one in known if one.startswith(version)]
        if len(found) != 1:
            raise Refused(
                f"{len(found) or 'no'} versions of {name} begin with {version}",
                mend=f"see them: crossdock process versions {name}",
            )
        one = await operator.roll_back(name, found[0], note=why)
        if json:
            say_json(msgspec.structs.asdict(one))
        else:
            console.print(f"new runs of {one.name} take version {one.version[:10]}")

    ask(Where(directory=directory, url=url, key=key), act, json=json)
