"""`crossdock provider`: identity providers at which people of the tenant sign in."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

provider = typer.Typer(help="Identity providers, where people sign in.", no_args_is_help=True)

_LONGEST = 64 * 1024
_Name = Annotated[str, typer.Argument(help="The provider, as addresses name it: a-z, 0-9 and -")]
_Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit")]


@provider.command("set")
def set_(
    name: _Name,
    issuer: Annotated[str, typer.Option(help="Its issuer, as it writes it: https://...")],
    client_id: Annotated[str, typer.Option(help="What it calls us")],
    title: Annotated[str, typer.Option(help="What stands on the button")] = "",
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="GROUP=ROLE; may be given again. `*` is everybody who is known there"),
    ] = None,
    claim: Annotated[str, typer.Option(help="The claim that lists the groups")] = "groups",
    scope: Annotated[
        list[str] | None, typer.Option("--scope", help="What is asked for; may be given again")
    ] = None,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Set a provider. Its secret is read from standard input; an empty one leaves what is kept."""

    async def act(operator: Operator) -> None:
        groups: dict[str, list[str]] = {}
        for one in group or ():
            named, equals, role = one.rpartition("=")
            if not equals or not named:
                raise Refused(f"{one!r} names no role", where="--group", mend="write GROUP=ROLE")
            groups.setdefault(named, []).append(role)
        made = await operator.put_provider(
            name,
            issuer=issuer,
            client_id=client_id,
            secret=_secret() or None,
            title=title,
            scopes=scope or None,
            claim=claim,
            groups=groups,
            note=why,
        )
        if json:
            say_json(asdict(made))
        else:
            console.print(f"People sign in with {title or name} now.", highlight=False)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@provider.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List providers, and what their groups mean here. No secrets."""

    async def act(operator: Operator) -> None:
        found = await operator.providers()
        if json:
            for one in found:
                say_json(asdict(one))
            return
        table(
            "Identity providers",
            ["name", "issuer", "client", "groups"],
            [
                (
                    one.name,
                    one.issuer,
                    one.client_id,
                    "; ".join(f"{group}: {', '.join(roles)}" for group, roles in one.groups.items()),
                )
                for one in found
            ],
            empty="None yet. Set one: crossdock provider set NAME --issuer URL --client-id ID",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@provider.command()
def drop(
    name: _Name,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Believe a provider no more. Sessions that it began end."""

    async def act(operator: Operator) -> None:
        await operator.drop_provider(name, note=why)
        if json:
            say_json({"provider": name, "dropped": True})
        else:
            console.print(f"{name} is dropped.", highlight=False)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _secret() -> str:
    if sys.stdin.isatty():
        text: str = typer.prompt(
            "The client's secret (not shown; empty: as it is)", hide_input=True, default=""
        )
        return text
    return sys.stdin.read(_LONGEST).removesuffix("\n").removesuffix("\r")
