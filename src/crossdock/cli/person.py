"""`crossdock person`: invite people, see them, change their roles, shut them out."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from crossdock.access.people import Account, Link
from crossdock.assemble import System
from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system

person = typer.Typer(help="People and their roles.", no_args_is_help=True)

_Id = Annotated[str, typer.Argument(metavar="ID", help="The person's id")]
_Roles = Annotated[list[str], typer.Option("--role", help="A role; may be given again")]
_Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit")]


@person.command()
def invite(
    email: Annotated[str, typer.Argument(help="Their e-mail address")],
    role: _Roles,
    name: Annotated[str, typer.Option(help="Their name")] = "",
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Make a link by which somebody gets an account. It works once, for three days. Nothing is sent."""

    async def act(system: System) -> None:
        link = await system.acts.people.invite(system.whoever(ORIGIN), email=email, roles=role, name=name)
        _tell(system, link, json=json)

    with_system(directory, act, json=json)


@person.command("list")
def list_(directory: Directory = HERE, json: Json = False) -> None:
    """List people: their roles, when they signed in last, who is shut out."""

    async def act(system: System) -> None:
        found = await system.identity.people.of(system.tenant)
        if json:
            for one in found:
                say_json(asdict(one))
            return
        table(
            "People",
            ["id", "name", "e-mail", "roles", "codes", "signed in", ""],
            [
                (
                    one.id,
                    one.name,
                    one.email,
                    ", ".join(one.roles),
                    one.issuer or ("on" if one.totp_on else "off"),
                    f"{one.seen:%Y-%m-%d %H:%M}" if one.seen else "never",
                    f"shut out by {one.suspended_by}" if one.suspended else "",
                )
                for one in found
            ],
            empty="Nobody yet. Invite somebody: crossdock person invite ADDRESS --role tenant-admin",
        )

    with_system(directory, act, json=json)


@person.command()
def roles(id_: _Id, role: _Roles, why: _Why = "", directory: Directory = HERE, json: Json = False) -> None:
    """Give a person these roles and no others. Their sessions end."""

    async def act(system: System) -> Account:
        return await system.acts.people.change(system.whoever(ORIGIN), id_, roles=role, note=why)

    _told(with_system(directory, act, json=json), json=json, words="has these roles now")


@person.command()
def suspend(id_: _Id, why: _Why, directory: Directory = HERE, json: Json = False) -> None:
    """Let a person in no more. Their sessions end, their keys fall silent."""

    async def act(system: System) -> Account:
        return await system.acts.people.suspend(system.whoever(ORIGIN), id_, note=why)

    _told(with_system(directory, act, json=json), json=json, words="is shut out")


@person.command()
def resume(id_: _Id, why: _Why = "", directory: Directory = HERE, json: Json = False) -> None:
    """Let somebody in again who was shut out."""

    async def act(system: System) -> Account:
        return await system.acts.people.resume(system.whoever(ORIGIN), id_, note=why)

    _told(with_system(directory, act, json=json), json=json, words="may sign in again")


@person.command()
def reset(id_: _Id, why: _Why = "", directory: Directory = HERE, json: Json = False) -> None:
    """Make a link by which a person sets another password. It works once, for two hours."""

    async def act(system: System) -> None:
        link = await system.acts.people.reset(system.whoever(ORIGIN), id_, note=why)
        _tell(system, link, json=json)

    with_system(directory, act, json=json)


def _tell(system: System, link: Link, *, json: bool) -> None:
    settings = system.settings
    scheme = "https" if settings.tls_certificate else "http"
    address = (settings.address or f"{scheme}://{settings.host}:{settings.port}") + link.path
    if json:
        say_json({"link": address, "expires": link.expires})
        return
    console.print("Give them this link, by a way that you trust. It is not shown again:\n")
    console.print(f"  {address}\n", highlight=False, soft_wrap=True)


def _told(account: Account, *, json: bool, words: str) -> None:
    if json:
        say_json(asdict(account))
    else:
        console.print(f"{account.id} {words}.", highlight=False)
