"""`crossdock person`: invite people, see them, change their roles, shut them out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask

if TYPE_CHECKING:
    from crossdock.client import Operator
    from crossdock.client.house_shapes import Link, Person

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
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Make a link by which somebody gets an account. It works once, for three days. Nothing is sent."""

    async def act(operator: Operator) -> None:
        _tell(await operator.invite(email, role, name=name), json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@person.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List people: their roles, when they signed in last, who is shut out."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.people()]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
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
                    one.provider or ("on" if one.two_factors else "off"),
                    f"{one.seen:%Y-%m-%d %H:%M}" if one.seen else "never",
                    f"shut out by {one.suspended_by}" if one.suspended else "",
                )
                for one in found
            ],
            empty="Nobody yet. Invite somebody: crossdock person invite ADDRESS --role tenant-admin",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@person.command()
def roles(
    id_: _Id,
    role: _Roles,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Give a person these roles and no others. Their sessions end."""

    async def act(operator: Operator) -> None:
        _told(await operator.give_roles(id_, role, note=why), json=json, words="has these roles now")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@person.command()
def suspend(
    id_: _Id, why: _Why, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Let a person in no more. Their sessions end, their keys fall silent."""

    async def act(operator: Operator) -> None:
        _told(await operator.shut_out(id_, note=why), json=json, words="is shut out")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@person.command()
def resume(
    id_: _Id,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let somebody in again who was shut out."""

    async def act(operator: Operator) -> None:
        _told(await operator.let_in(id_, note=why), json=json, words="may sign in again")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@person.command()
def reset(
    id_: _Id,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Make a link by which a person sets another password. It works once, for two hours."""

    async def act(operator: Operator) -> None:
        _tell(await operator.reset(id_, note=why), json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _tell(link: Link, *, json: bool) -> None:
    if json:
        say_json({"link": link.link, "expires": link.expires})
        return
    console.print("Give them this link, by a way that you trust. It is not shown again:\n")
    console.print(f"  {link.link}\n", highlight=False, soft_wrap=True)


def _told(one: Person, *, json: bool, words: str) -> None:
    if json:
        say_json(msgspec.structs.asdict(one))
    else:
        console.print(f"{one.id} {words}.", highlight=False)
