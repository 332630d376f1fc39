"""Where a command works: the directory, its settings, and the installation that they open."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from crossdock.assemble import System, opened
from crossdock.cli.output import told
from crossdock.settings import Settings

T = TypeVar("T")

Directory = Annotated[
    Path,
    typer.Option("--dir", "-C", help="The installation's directory; crossdock.toml is read there"),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts: an object a line")]
HERE = Path()


def settings_in(directory: Path, **given: Any) -> Settings:
    """The settings there, with what was given on the command line. Raises `Refused`."""
    return Settings.read(directory, os.environ, **given)


def with_system(
    directory: Path, act: Callable[[System], Awaitable[T]], *, json: bool = False, set_up: bool = False
) -> T:
    """Open the installation, do something with it, and close it; an error becomes words and a status."""

    async def go() -> T:
        async with opened(settings_in(directory), set_up=set_up) as system:
            return await act(system)

    with told(json=json):
        return asyncio.run(go())
