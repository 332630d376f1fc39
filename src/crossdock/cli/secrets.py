"""`crossdock secrets`: set them, see which there are, replace what seals them. None is ever shown."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import NotFound, Refused

if TYPE_CHECKING:
    from crossdock.assemble import System
    from crossdock.client import Operator

secrets = typer.Typer(help="The secrets of connections, and the keys that seal them.", no_args_is_help=True)

_LONGEST = 64 * 1024

_Connection = Annotated[str, typer.Argument(help="The connection")]
_Name = Annotated[str, typer.Argument(help="The secret, as its connector names it")]


@secrets.command("list")
def list_(
    connection: Annotated[str | None, typer.Argument(help="Of this connection alone")] = None,
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """List secrets: which, since when, set by whom, until when. No part of any text."""

    async def act(operator: Operator) -> None:
        names = [connection] if connection else [one.name async for one in operator.connections()]
        found = [one for name in names for one in await operator.secrets(name)]
        if json:
            for one in found:
                say_json(asdict(one))
            return
        table(
            "Secrets",
            ["connection", "name", "", "set", "by", "expires"],
            [
                (
                    one.connection,
                    one.name,
                    "in use" if one.in_use else "holds still",
                    f"{one.set:%Y-%m-%d %H:%M}",
                    one.set_by,
                    f"{one.expires:%Y-%m-%d %H:%M}" if one.expires else "",
                )
                for one in found
            ],
            empty="No secrets yet. Set one: crossdock secrets set CONNECTION NAME",
        )

    ask(Where(directory=directory, url=url, key=by), act, json=json)


@secrets.command("set")
def set_(
    connection: _Connection,
    name: _Name,
    keep_old: Annotated[
        bool, typer.Option("--keep-old", help="Let the one before hold on for what comes in")
    ] = False,
    old_until: Annotated[
        datetime | None, typer.Option(help="With --keep-old: until this time, in UTC")
    ] = None,
    expires: Annotated[
        datetime | None, typer.Option(help="When it has to be replaced, in UTC; doctor tells in time")
    ] = None,
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """Set a secret. Its text is read from standard input, so that it stands in no history of a shell."""

    def told(changed: bool) -> None:
        if json:
            say_json({"connection": connection, "name": name, "changed": changed})
        else:
            console.print(f"{name} of {connection} is set." if changed else "It was so already.")

    async def there(operator: Operator) -> None:
        done = await operator.set_secret(
            connection,
            name,
            _text(),
            keep_old=keep_old,
            old_until=_utc(old_until),
            expires=_utc(expires),
        )
        told(done.changed)

    async def act(system: System) -> None:
        connector = await _connector(system, connection, name)
        text = _text()
        await system.unlock()
        changed = await system.acts.connections.set_secret(
            system.whoever(ORIGIN),
            connection,
            name,
            text,
            connector=connector,
            keep_old=keep_old,
            old_until=_utc(old_until),
            expires=_utc(expires),
        )
        told(bool(changed))

    if url:
        ask(Where(directory=directory, url=url, key=by), there, json=json)
    else:  # here it may also be set before its connection is
        with_system(directory, act, json=json)


@secrets.command()
def drop(
    connection: _Connection,
    name: _Name,
    old: Annotated[
        bool, typer.Option("--old", help="Only those that hold still; the one in use stays")
    ] = False,
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """Forget a secret."""

    async def act(operator: Operator) -> None:
        gone = await operator.drop_secret(connection, name, only_old=old)
        if json:
            say_json(asdict(gone))
        else:
            console.print(f"{gone.dropped} dropped.")

    ask(Where(directory=directory, url=url, key=by), act, json=json)


@secrets.command()
def rotate(
    new_master: Annotated[
        bool, typer.Option("--new-master", help="Make a new master key in the data directory first")
    ] = False,
    values: Annotated[
        bool, typer.Option("--values", help="Also a new data key, and all secrets sealed with it")
    ] = False,
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """Seal the data keys of all tenants anew with the current master key, while everything runs.

    Master keys that are not current may be taken away afterwards; keep them as long as backups made before.
    A new master key is made on the server's machine alone: it has to lie in a backup, and with every process,
    before it seals anything.
    """

    def told(master: str, keys: int, sealed: int) -> None:
        if json:
            say_json({"master": master, "data_keys": keys, "values": sealed})
            return
        console.print(f"{keys} data keys are sealed with {master} alone.", highlight=False)
        if values:
            console.print(f"{sealed} secrets are sealed with new data keys.")

    async def there(operator: Operator) -> None:
        if new_master:
            raise Refused(
                "a master key is made on the machine of the server alone: it has to lie in a backup, and "
                "with every process, before it seals anything",
                where="--new-master",
                mend="give the command there, without --url; then rotate from here as often as you like",
            )
        done = await operator.rotate_secrets(values=values)
        told(done.master, done.keys, done.values)

    async def act(system: System) -> None:
        await system.unlock()
        who = await system.operator(ORIGIN)
        done = await system.acts.tenants.seal_anew(who, new_master=new_master, values=values)
        told(done.master, done.keys, done.values)

    if url:
        ask(Where(directory=directory, url=url, key=by), there, json=json)
    else:  # here the master key may be made first
        with_system(directory, act, json=json)


async def _connector(system: System, connection: str, name: str) -> str:
    from crossdock.process.problems import nearest  # not needed to ask a server elsewhere

    known = await system.connectors_by_connection()
    if connection not in known:
        raise NotFound(f"there is no connection {connection}", mend=nearest(connection, known))
    connector = system.installed.connectors.connector(known[connection])
    if name not in connector.secrets:
        raise Refused(
            f"{connector.name} has no secret `{name}`",
            where=connection,
            mend=nearest(name, connector.secrets),
        )
    return connector.name


def _text() -> str:
    if sys.stdin.isatty():
        text: str = typer.prompt("Its text (not shown)", hide_input=True)
        return text
    text = sys.stdin.read(_LONGEST + 2)
    return text.removesuffix("\n").removesuffix("\r")


def _utc(at: datetime | None) -> datetime | None:
    return at.replace(tzinfo=UTC) if at is not None and at.tzinfo is None else at
