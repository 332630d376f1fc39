"""`crossdock codes`: master data. Which of a partner's codes means which of ours, by connection or system."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator
    from crossdock.client.shapes import CodesFetched, CodesSet, WaitingCode

codes = typer.Typer(help="Master data: partners' codes and ours.", no_args_is_help=True)

_Scope = Annotated[str, typer.Argument(help="A connection, or a system for all of its connections")]
_Kind = Annotated[str, typer.Argument(help="party, item, location, service or unit")]
_Replace = Annotated[bool, typer.Option("--replace", help="Replace what stands against it")]
_Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit")]


@codes.command("list")
def list_(
    scope: Annotated[str | None, typer.Argument(help="Of this connection or system")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Of this kind")] = None,
    ours: Annotated[str | None, typer.Option("--ours", help="Of this code of ours")] = None,
    theirs: Annotated[str | None, typer.Option("--theirs", help="Of this code of theirs")] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="At most so many")] = 1000,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List cross references by scope, kind and their code."""

    async def act(operator: Operator) -> None:
        asked = operator.codes(scope=scope, kind=kind, ours=ours, theirs=theirs, most=most)
        found = [one async for one in asked]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        table(
            "Codes",
            ["of", "kind", "theirs", "ours", "direction", "since", "by"],
            [
                (one.scope, one.kind, one.theirs, one.ours, one.direction, f"{one.since:%Y-%m-%d}", one.by)
                for one in found
            ],
            empty="None yet. Take some in: crossdock codes import CONNECTION FILE",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@codes.command("set")
def set_(
    scope: _Scope,
    kind: _Kind,
    ours: Annotated[str, typer.Argument(help="Our code")],
    theirs: Annotated[str, typer.Argument(help="Their code")],
    direction: Annotated[
        str, typer.Option("--direction", help="in: only read so; out: only written so; both")
    ] = "both",
    replace: _Replace = False,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Say which of their codes means which of ours. Status 1 where that stands against another."""

    async def act(operator: Operator) -> None:
        line = {"kind": kind, "ours": ours, "theirs": theirs, "direction": direction}
        _tell(await operator.set_codes(scope, [line], replace=replace, note=why), scope, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@codes.command("import")
def import_(
    scope: _Scope,
    file: Annotated[Path, typer.Argument(help="CSV with the columns kind, ours, theirs and direction")],
    replace: _Replace = False,
    only_look: Annotated[
        bool, typer.Option("--only-look", help="Only tell what would become of each line")
    ] = False,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Take in the cross references of a file, all or none, and tell what became of each line.

    Status 1 where one stands against another, or cannot be read: then nothing was set.
    """

    async def act(operator: Operator) -> None:
        from crossdock.installed import read_text  # what it belongs to takes a while to import
        from crossdock.translate.codes import read_lines

        lines = read_lines(read_text(file))
        wrong = [one for one in lines if one.code is None]
        if wrong:
            raise Refused(
                f"{len(wrong)} line{'s' if len(wrong) > 1 else ''} cannot be read; none was taken"
                + "".join(f"\n  line {one.line}: {one.problem} ({one.mend})" for one in wrong[:100]),
                where=f"{file}:{wrong[0].line}",
                mend="mend them, then import the file again",
            )
        if not lines:
            raise Refused("there is no line in it", where=str(file), mend="write one for each code")
        sent: list[dict[str, Any]] = [
            {**msgspec.structs.asdict(one.code), "line": one.line} for one in lines if one.code is not None
        ]
        told = await operator.set_codes(scope, sent, replace=replace, only_look=only_look, note=why)
        _tell(told, scope, json=json, only_look=only_look)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@codes.command()
def fetch(
    connection: Annotated[str, typer.Argument(help="The connection to the system that keeps it")],
    kinds: Annotated[
        list[str] | None,
        typer.Argument(
            help="party, item, location, unit, service; else those of the last time, or all but service"
        ),
    ] = None,
    ours: Annotated[
        list[str] | None,
        typer.Option(
            "--ours",
            metavar="KIND=NUMBER",
            help="Which of their numbers is our code, such as item=gtin; else it is their code",
        ),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="All from the beginning: finds also what is not there any more")
    ] = False,
    only_look: Annotated[
        bool, typer.Option("--only-look", "--dry-run", help="Only tell what would become of it")
    ] = False,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Read the master data that a system keeps, and set what is new. Status 1 where something waits.

    What was changed there since the last time is read, and daily by itself from then on. What is renamed or
    gone there, or stands against a cross reference, changes nothing and waits for a person.
    """

    async def act(operator: Operator) -> bool:
        numbers = dict(_pair(one) for one in ours or ())
        told = await operator.fetch_codes(
            connection, kinds or (), numbers=numbers, anew=anew, only_look=only_look, note=why
        )
        if json:
            say_json(msgspec.to_builtins(told))
        else:
            _fetched(told, connection)
        return bool(told.waiting)

    if ask(Where(directory=directory, url=url, key=key), act, json=json):
        raise typer.Exit(1)


@codes.command()
def waiting(
    connection: Annotated[str | None, typer.Argument(help="Of this connection")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Of this kind")] = None,
    finding: Annotated[
        str | None, typer.Option("--finding", help="taken, doubled, renamed, gone or unknown")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="At most so many")] = 1000,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List master data that waits for a person, with what mends each, as the last reading found it."""

    async def act(operator: Operator) -> None:
        asked = operator.waiting_codes(connection=connection, kind=kind, finding=finding, most=most)
        found = [one async for one in asked]
        if json:
            for one in found:
                say_json(msgspec.to_builtins(one))
            return
        _waits(found)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@codes.command()
def drop(
    scope: _Scope,
    kind: _Kind,
    ours: Annotated[str | None, typer.Option("--ours", help="Those of this code of ours")] = None,
    theirs: Annotated[str | None, typer.Option("--theirs", help="That of this code of theirs")] = None,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Forget cross references: of a code of theirs, of ours, or that pair."""

    async def act(operator: Operator) -> None:
        if ours is None and theirs is None:
            raise Refused("no code is named", where="--theirs", mend="give --theirs, --ours or both")
        for one in await operator.drop_codes(scope, kind, ours=ours, theirs=theirs, note=why):
            if json:
                say_json(msgspec.structs.asdict(one))
            else:
                console.print(
                    f"{kind} {escape(f'{one.theirs} of {scope} is {one.ours}')} no more", highlight=False
                )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _pair(text: str) -> tuple[str, str]:
    kind, equals, number = text.partition("=")
    if not (equals and kind and number):
        raise Refused(f"`{text}` is no KIND=NUMBER", where="--ours", mend="write it as item=gtin")
    return kind.strip(), number.strip()


def _fetched(told: CodesFetched, connection: str) -> None:
    """What a reading came to: counts, what was added, what waits."""
    if told.added:
        table(
            f"Codes of {connection} that {'are set' if told.done else 'would be set'}",
            ["kind", "theirs", "ours", "name"],
            [(one.kind, one.theirs, one.ours, one.name) for one in told.added],
            empty="",
        )
    if told.waiting:
        _waits(told.waiting)
    counts = [
        (kind, one.read, one.added, one.same, one.inactive, one.waiting) for kind, one in told.counts.items()
    ]
    added = "added" if told.done else "would be added"
    table("Read", ["kind", "read", added, "as before", "not in use", "wait"], counts, empty="Nothing.")
    if told.more:
        console.print("There is more: fetch again, or let the worker read on.", highlight=False)


def _waits(found: Sequence[WaitingCode]) -> None:
    table(
        "What waits for a person",
        ["kind", "theirs", "", "here", "there", "mend"],
        [(one.kind, one.theirs, one.finding, one.here, one.there, one.mend) for one in found],
        empty="Nothing waits.",
    )


def _tell(told: CodesSet, scope: str, *, json: bool, only_look: bool = False) -> None:
    """What became of the lines. Ends with status 1 where one stands against another."""
    if json:
        say_json(msgspec.to_builtins(told))
    else:
        table(
            f"Codes of {scope}",
            ["line", "kind", "theirs", "ours", "", "because"],
            [(one.line, one.kind, one.theirs, one.ours, one.outcome, one.reason) for one in told.lines],
            empty="",
        )
        counts = f"{told.added} added, {told.changed} changed, {told.same} as before"
        if told.conflicts:
            console.print(f"[bold red]{told.conflicts} in conflict: none was set[/bold red]")
            console.print("Mend the lines, or replace what is there: --replace", highlight=False)
        else:
            console.print(f"{'Would be ' if only_look else ''}{counts}", highlight=False)
    if told.conflicts:
        raise SystemExit(1)
