"""Where a command works: the directory, its settings, and the installation that they open."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from crossdock.cli.output import told
from crossdock.settings import Settings

if TYPE_CHECKING:
    from crossdock.assemble import System

T = TypeVar("T")

Directory = Annotated[
    Path,
    typer.Option("--dir", "-C", help="The installation's directory; crossdock.toml is read there"),
]
Json = Annotated[bool, typer.Option("--json", help="JSON for scripts: an object a line")]
HERE = Path()
ORIGIN = "command line"
"""Where whoever gives a command acts from, as the audit says it."""


def settings_in(directory: Path, **given: Any) -> Settings:
    """The settings there, with what was given on the command line. Raises `Refused`."""
    return Settings.read(directory, os.environ, **given)


def with_system(
    directory: Path, act: Callable[[System], Awaitable[T]], *, json: bool = False, set_up: bool = False
) -> T:
    """Open the installation, do something with it, and close it; an error becomes words and a status."""

    async def go() -> T:
        from crossdock.assemble import opened  # all that there is: not needed to ask a server elsewhere

        async with opened(settings_in(directory), set_up=set_up) as system:
            return await act(system)

    with told(json=json):
        return run(go())


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, on the fastest loop there is.

    SIGINT and SIGTERM end it in good order, from the first moment on: what is open is closed, and the status
    is 128 and the signal's number, unless `main` waits for them in `interrupted`. A second one ends it at
    once.
    """
    told_to_end: list[int] = []

    async def watched() -> T:
        loop = asyncio.get_running_loop()
        task = asyncio.ensure_future(main)

        def end(number: int) -> None:
            told_to_end.append(number)
            for one in (signal.SIGINT, signal.SIGTERM):
                loop.remove_signal_handler(one)
            task.cancel()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, end, number)
        return await task

    loops: Any = asyncio
    with contextlib.suppress(ImportError):  # not on every platform
        import uvloop

        loops = uvloop
    with asyncio.Runner(loop_factory=loops.new_event_loop) as runner:
        try:
            return runner.run(watched())
        except asyncio.CancelledError:
            if told_to_end:
                raise SystemExit(128 + told_to_end[0]) from None
            raise


def _stays() -> None:
    """Say that this process goes on for long, once it has read what it works with.

    What was made until now is not looked through for garbage again, and the rest more seldom: with a thousand
    calls in flight a third of a worker's time went into that.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def interrupted() -> None:
    """Until somebody ends the process; then return as if all were done."""
    _stays()
    task = asyncio.current_task()
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if task is not None:
            task.uncancel()
