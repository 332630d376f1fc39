"""`crossdock key`: keys of programs. The first is made on the server's machine; each is shown once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator
    from crossdock.client.house_shapes import Key as Shown

key = typer.Typer(help="Keys, by which programs show who they are.", no_args_is_help=True)

_LENGTHS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@key.command()
def create(
    role: Annotated[list[str], typer.Option("--role", help="A role that it has; may be given again")],
    scope: Annotated[
        list[str] | None,
        typer.Option("--scope", help="Narrow it to this act, as run.read; may be given again"),
    ] = None,
    expires: Annotated[str, typer.Option(help="How long it lasts: 90d, 12h, 2w; or `never`")] = "never",
    name: Annotated[str, typer.Option(help="What it is for")] = "",
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """Make a key. Its text is shown this once."""
    # Who runs the installation is of the operator, and what they do is done from there.
    as_operator = "operator-admin" in role

    async def act(operator: Operator) -> None:
        made = await operator.make_key(role, scopes=scope or None, name=name, expires=_until(expires))
        if json:
            tenant = (await operator.tenant()).name
            say_json({"key": made.text, "tenant": tenant, **_told(made)})
            return
        console.print("Keep it now, it is not shown again:\n", highlight=False)
        console.print(f"  {made.text}\n", highlight=False, soft_wrap=True)
        console.print(f"Take it back: crossdock key revoke {made.id}", highlight=False)

    ask(Where(directory=directory, url=url, key=by), act, json=json, as_operator=as_operator)


@key.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Those that are revoked as well")] = False,
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """List keys: what they may, whose they are, when they were used last. No part of any text."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.keys(revoked=every)]
        if json:
            for one in found:
                say_json(_told(one))
            return
        table(
            "Keys",
            ["id", "name", "roles", "scopes", "by", "state", "used last"],
            [
                (
                    one.id,
                    one.name,
                    ", ".join(one.roles),
                    "all" if one.scopes is None else ", ".join(one.scopes),
                    one.made_by,
                    _state(one),
                    f"{one.used:%Y-%m-%d %H:%M} from {one.used_from}" if one.used else "never",
                )
                for one in found
            ],
            empty="No keys yet. Make one: crossdock key create --role viewer",
        )

    ask(Where(directory=directory, url=url, key=by), act, json=json)


@key.command()
def revoke(
    id_: Annotated[str, typer.Argument(metavar="ID", help="The key's id, or the key itself")],
    why: Annotated[str, typer.Option("--why", help="Why; it stands in the audit")] = "",
    directory: Directory = HERE,
    url: Url = None,
    by: Key = None,
    json: Json = False,
) -> None:
    """Believe a key no more, from this moment on."""

    async def act(operator: Operator) -> None:
        named = id_.split("_")[2] if id_.startswith("cdk_") and id_.count("_") >= 3 else id_
        gone = await operator.revoke_key(named, note=why)
        if json:
            say_json(_told(gone))
        else:
            console.print(f"{gone.id} is revoked.", highlight=False)

    ask(Where(directory=directory, url=url, key=by), act, json=json)


def _state(one: Shown) -> str:
    if one.revoked is not None:
        return f"revoked by {one.revoked_by}"
    if one.expires is None:
        return "in force"
    return f"until {one.expires:%Y-%m-%d %H:%M}" if one.works else f"expired {one.expires:%Y-%m-%d}"


def _told(one: Shown) -> dict[str, Any]:
    told = msgspec.structs.asdict(one)
    del told["text"]  # said once, when it is made
    return told


def _until(text: str) -> datetime | None:
    if text == "never":
        return None
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhdw])", text)
    if found is None:
        raise Refused(f"{text!r} is no length of time", where="--expires", mend="write 90d, 12h, 2w or never")
    return datetime.now(UTC) + timedelta(seconds=int(found[1]) * _LENGTHS[found[2]])
