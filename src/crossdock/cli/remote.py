"""A server elsewhere in the place of the installation here: `--url` and `--key`, or the environment.

A command that can do both says what it does here and what it does there, and `with_either` chooses. What it
tells is the same; only the ids of runs are the names that the server gives them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
import typer

from crossdock.assemble import System
from crossdock.cli.output import told
from crossdock.cli.place import HERE, run, with_system
from crossdock.client import Client, Run
from crossdock.engine.history import RunRow
from crossdock.errors import Conflict, NotFound, Refused

T = TypeVar("T")
R = TypeVar("R", RunRow, Run)

Url = Annotated[
    str | None,
    typer.Option("--url", envvar="CROSSDOCK_URL", help="Ask this server instead; or CROSSDOCK_URL"),
]
Key = Annotated[
    str | None,
    typer.Option(
        "--key",
        envvar="CROSSDOCK_KEY",
        help="The key to ask it with; better CROSSDOCK_KEY, which no list of processes shows",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """What was given to say where a command works."""

    directory: Path
    url: str | None
    key: str | None

    def __repr__(self) -> str:
        return f"Where({self.directory}, {self.url})"


def with_either(
    where: Where,
    here: Callable[[System], Awaitable[T]],
    there: Callable[[Client], Awaitable[T]],
    *,
    json: bool = False,
) -> T:
    """Do it at the server that is named, or else in the installation; an error becomes words and a status."""
    if not where.url:
        return with_system(where.directory, here, json=json)
    url = where.url

    async def go() -> T:
        if where.directory != HERE:
            raise Refused(
                "a directory and a server are both named", where="--dir", mend="leave out --dir, or --url"
            )
        if not where.key:
            raise Refused(
                f"no key is given for {url}" if "@" not in url else "no key is given",
                where="--key",
                mend="set CROSSDOCK_KEY; on the server: crossdock key create --role NAME --json",
            )
        async with Client(url, key=where.key) as server:
            return await there(server)

    with told(json=json):
        return run(go())


def chosen(found: Sequence[R], name: str) -> R:
    """The one of these runs that a name means, a live one first. Raises `NotFound`, `Conflict`."""
    if not found:
        raise NotFound(f"no run is known by {name}", mend="see crossdock runs")
    live = [row for row in found if row.ended is None] or found
    if len({row.process for row in live}) > 1:
        names = ", ".join(f"{row.process}/{row.key}" for row in live)
        raise Conflict(f"{name} names several runs", mend=f"say which: {names}")
    return live[0]


async def find_there(server: Client, name: str) -> Run:
    """The run that is known by a name at a server. Raises `NotFound`, `Conflict` for several."""
    process, slash, key = name.partition("/")
    found = [one async for one in server.search(name)]
    if not found and slash:
        found = [one async for one in server.search(key) if one.process == process]
    return chosen(found, name)


async def held_there(server: Client, run: Run) -> str:
    """The step of a run that is held. Raises `Conflict` where none is."""
    async for one in server.exceptions(run=run.id):
        if one.step:
            return one.step
    raise Conflict(f"{run.process}/{run.key} has no step that is held", mend="name one with --step")


def row_of(run: Run) -> dict[str, Any]:
    """A run as the command line tells it."""
    return {
        "id": run.id,
        "process": run.process,
        "version": run.version,
        "key": run.key,
        "generation": run.generation,
        "status": run.status,
        "created": run.created,
        "changed": run.changed,
        "ended": run.ended,
        "wake_at": run.next,
        "parent": run.parent,
        "error": run.stopped,
    }


async def detail_there(server: Client, name: str) -> dict[str, Any]:
    """All that the command line tells of one run."""
    one = await server.run((await find_there(server, name)).id)
    return {
        "run": row_of(one),
        "state": await server.state(one.id) or None,
        "history": [msgspec.to_builtins(line) async for line in server.history(one.id)],
        "aliases": {alias.kind: alias.value for alias in one.aliases},
        "children": [row_of(child) async for child in server.runs(parent=one.id)],
    }


async def without_run_there(server: Client, most: int) -> list[dict[str, Any]]:
    """The events that no run has, as the command line tells them."""
    kept = [("unclaimed", one) async for one in server.parked(most=most)]
    kept += [("quarantined", one) async for one in server.quarantined(most=most)]
    found = [{"fate": fate, **msgspec.structs.asdict(one)} for fate, one in kept]
    async for unread in server.unread(most=most):
        value = msgspec.structs.asdict(unread)
        del value["body"]  # the tower shows it
        found.append({"fate": "unread", **value})
    return found
