"""`crossdock connections`: how the outside systems stand; stop one, and let its backlog drain."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crossdock.assemble import System
from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system
from crossdock.engine.connections import Connection


def connections(
    stop: Annotated[str | None, typer.Option(help="Let no call of this connection leave; they wait")] = None,
    start: Annotated[
        str | None, typer.Option(help="Let calls of this connection leave again, in order")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="With --start: so many calls a second until all left")
    ] = None,
    stand_still: Annotated[
        bool, typer.Option("--stand-still", help="With --stop: deadlines that wait for it do not pass")
    ] = False,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """List connections with what waits for them, or stop and start one."""

    async def act(system: System) -> None:
        by = system.whoever(ORIGIN)
        if stop is not None:
            await system.acts.connections.stop(by, stop, deadlines_run=not stand_still)
        if start is not None:
            await system.acts.connections.start(by, start, drain_rate=rate)
        found = await system.connections.of(system.tenant)
        if json:
            for one in found:
                say_json(asdict(one))
            return
        table(
            "Connections",
            ["name", "system", "connector", "state", "wait", "out", "failures"],
            [
                (one.name, one.system, one.connector, _state(one), one.waiting, one.out, one.failures)
                for one in found
            ],
            empty=f"No connections yet. Name them in {system.settings.connections} and start again.",
        )
        if stop is not None:
            console.print(f"{stop} is stopped. Start it again: crossdock connections --start {stop} --rate 5")

    with_system(directory, act, json=json)


def _state(one: Connection) -> str:
    if one.stopped is not None:
        return "[yellow]stopped[/yellow]"
    return "[red]breaker open[/red]" if one.open_until is not None else "[green]open[/green]"
