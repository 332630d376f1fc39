"""`crossdock connections`: how the outside systems stand; stop one, and let its backlog drain."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator


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
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List connections with what waits for them, or stop and start one."""

    async def act(operator: Operator) -> None:
        if rate is not None and not 0 < rate < inf:
            raise Refused(f"{rate} is no rate", where="--rate", mend="give calls a second, such as 5")
        if stop is not None:
            await operator.stop(stop, stand_still=stand_still)
        if start is not None:
            await operator.go_on(start, drain_rate=rate)
        found = [one async for one in operator.connections()]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        state = {"stopped": "[yellow]stopped[/yellow]", "failing": "[red]breaker open[/red]"}
        table(
            "Connections",
            ["name", "system", "connector", "state", "wait", "out", "failures"],
            [
                (
                    one.name,
                    one.system,
                    one.connector,
                    state.get(one.status, "[green]open[/green]"),
                    one.waiting,
                    one.out,
                    one.failures,
                )
                for one in found
            ],
            empty="No connections yet. Name them in connections.yaml, and start again.",
        )
        if stop is not None:
            console.print(f"{stop} is stopped. Start it again: crossdock connections --start {stop} --rate 5")

    ask(Where(directory=directory, url=url, key=key), act, json=json)
