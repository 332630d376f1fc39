"""`crossdock personal`: seal personal data, find whose is held, erase it, see what was erased."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec import to_builtins
from msgspec.structs import asdict

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask

if TYPE_CHECKING:
    from crossdock.client import Operator
    from crossdock.client.house_shapes import Gone, Held, HeldOf, Sealed

personal = typer.Typer(help="Personal data: sealed, found and erased.", no_args_is_help=True)

_Note = Annotated[str, typer.Option("--note", help="Why, for the audit")]


@personal.command()
def show(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """Say whether personal data is sealed."""

    async def act(operator: Operator) -> Sealed:
        return await operator.personal()

    _tell(ask(Where(directory=directory, url=url, key=key), act, json=json), json=json)


@personal.command()
def seal(
    note: _Note = "", directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Seal what comes in from now on. What was written before stays as it is."""

    async def act(operator: Operator) -> Sealed:
        return await operator.seal_personal(on=True, note=note)

    _tell(ask(Where(directory=directory, url=url, key=key), act, json=json), json=json)


@personal.command("stop")
def stop(
    note: _Note = "", directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Seal nothing more. What was sealed stays so, can be read and erased."""

    async def act(operator: Operator) -> Sealed:
        return await operator.seal_personal(on=False, note=note)

    _tell(ask(Where(directory=directory, url=url, key=key), act, json=json), json=json)


@personal.command()
def find(
    text: Annotated[str, typer.Argument(help="Words of a name or address, an e-mail address, a number")],
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Find whose personal data is held. That somebody looked is noted in the audit."""

    async def act(operator: Operator) -> list[Held]:
        return await operator.find_personal(text)

    found = ask(Where(directory=directory, url=url, key=key), act, json=json)
    if json:
        for one in found:
            say_json(asdict(one))
        return
    table(
        "Whose data is held, times in UTC",
        ["subject", "since", "runs", "open", "handle"],
        [(one.subject, _time(one.since), one.runs, one.open_runs, one.handle) for one in found],
        empty="Nobody is held who is called so.",
    )


@personal.command()
def held(
    subject: Annotated[str, typer.Argument(help="As `crossdock personal find` tells it, or its handle")],
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Say what is held of somebody: since when, and in which runs. That somebody looked is noted."""

    async def act(operator: Operator) -> HeldOf:
        return await operator.held_personal(subject)

    found = ask(Where(directory=directory, url=url, key=key), act, json=json)
    if json:
        say_json(to_builtins(found))
        return
    console.print(
        f"{found.subject}: in {found.runs} runs since {_time(found.since)}, {found.open_runs} of them open",
        highlight=False,
    )
    table(
        "Its newest runs, times in UTC",
        ["run", "status", "began", "ended"],
        [
            (
                f"{one.process}/{one.key}",
                one.status,
                _time(one.created),
                _time(one.ended) if one.ended else "",
            )
            for one in found.holds
        ],
        empty="No run holds any of it.",
    )


@personal.command()
def erase(
    subject: Annotated[str, typer.Argument(help="As `crossdock personal find` tells it, or its handle")],
    why: Annotated[str, typer.Option("--why", help="Who asked for it, and when; name nobody")],
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Erase somebody's personal data, for ever: the key that opens it is destroyed."""

    async def act(operator: Operator) -> Gone:
        return await operator.erase_personal(subject, why=why)

    gone = ask(Where(directory=directory, url=url, key=key), act, json=json)
    if json:
        say_json(asdict(gone))
        return
    console.print(
        f"erased {subject}: its key is destroyed, with {gone.words} words of the index; "
        f"{gone.runs} runs show \\[erased] from now on. In the audit: {gone.handle}"
    )
    if gone.open_runs:
        console.print(
            f"{gone.open_runs} of the runs are open: calls that would send what is gone are refused. "
            f"See them: crossdock runs"
        )
    if gone.raw_until is not None:
        console.print(
            f"deliveries that could not be read may hold some of it, sealed, with keys that are destroyed: "
            f"until {_time(gone.raw_until)}"
        )
    console.print("Backups hold the key until they are gone as well.")


@personal.command()
def erased(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List what was erased, the last first. Whose it was, nobody can say any more."""

    async def act(operator: Operator) -> list[Gone]:
        return await operator.erased_personal()

    found = ask(Where(directory=directory, url=url, key=key), act, json=json)
    if json:
        for one in found:
            say_json(asdict(one))
        return
    table(
        "What was erased, times in UTC",
        ["handle", "held since", "erased", "by", "why", "runs"],
        [(one.handle, _time(one.since), _time(one.at), one.by, one.why, one.runs) for one in found],
        empty="Nothing was erased.",
    )


def _tell(state: Sealed, *, json: bool) -> None:
    if json:
        say_json(asdict(state))
    elif state.on and state.since is not None:
        console.print(
            f"personal data that comes in is sealed, since {_time(state.since)} (UTC), by {state.by}"
        )
    elif state.until is not None:
        console.print(f"nothing new is sealed since {_time(state.until)} (UTC); what was, stays so")
    else:
        console.print("personal data is not sealed. Begin: crossdock personal seal")


def _time(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
