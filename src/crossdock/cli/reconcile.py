"""`crossdock reconcile`: what stands in the systems, compared with what stands here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask

if TYPE_CHECKING:
    from crossdock.client import Operator


def reconcile(
    what: Annotated[
        list[str] | None,
        typer.Argument(help="orders, invoices, shipments, stock, allocations; without any, all"),
    ] = None,
    mend: Annotated[
        str | None, typer.Option(metavar="DIFFERENCE", help="Take in what this difference says is missing")
    ] = None,
    last: Annotated[
        bool, typer.Option("--last", help="Compare nothing; show what the last one found")
    ] = False,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Compare the systems with what stands here, and show what differs. Status 1 if anything does.

    Orders there and runs here, invoices and proofs of delivery, shipments and bookings; and stock and what is
    promised of it, in the ERP and in the warehouse. The worker compares by itself, as the tenant's settings
    say; what differs is an exception that closes when it does no more.
    """

    async def act(operator: Operator) -> bool:
        if mend is not None:
            events = await operator.mend(mend)
            if json:
                say_json({"events": events})
            else:
                console.print(f"{events} event{'s' if events != 1 else ''} taken in.")
            return False
        told = await operator.reconciled() if last else await operator.reconcile(what or ())
        found = [one async for one in operator.differences() if not what or one.what in what]
        if json:
            say_json({**msgspec.to_builtins(told), "differences": msgspec.to_builtins(found)})
            return bool(found)
        table(
            "What differs",
            ["difference", "severity", "here", "there", "mend"],
            [
                (
                    one.id,
                    one.severity,
                    f"{one.against}: {one.here}" if one.against else one.here,
                    f"{one.connection}: {one.there}",
                    one.mend,
                )
                for one in found
            ],
            empty="Nothing differs.",
        )
        looked = ", ".join(f"{number} {name}" for name, number in told.compared.items())
        console.print(f"Looked at {looked or 'nothing yet'}.")
        if told.waiting:
            console.print(f"{told.waiting} more may be in flight; compare again in a while.")
        for name, why in told.failed.items():
            console.print(f"[yellow]{name} could not be read[/yellow]: {escape(why)}")
        return bool(found)

    if ask(Where(directory=directory, url=url, key=key), act, json=json):
        raise typer.Exit(1)
