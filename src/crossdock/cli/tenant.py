"""`crossdock tenant`: who shares this installation; make, suspend, write out and delete a tenant."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

tenant = typer.Typer(help="Who shares this installation.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(help="The tenant")]
_Why = Annotated[str, typer.Option("--why", help="Why; people of a suspended tenant read it")]


@tenant.command()
def create(
    name: Annotated[str, typer.Argument(help="1 to 63 of a-z, 0-9, - and _")],
    title: Annotated[str, typer.Option(help="What people read")] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Make a tenant."""

    async def act(operator: Operator) -> None:
        made = await operator.make_tenant(name, title=title)
        if json:
            say_json(msgspec.structs.asdict(made))
        else:
            console.print(
                f"made the tenant {made.name}; its pages: crossdock serve, with tenant = {made.name}"
            )

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)


@tenant.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List all tenants."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.tenants()]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        table(
            "Tenants",
            ["name", "title", "since", "state"],
            [
                (
                    one.name,
                    one.title,
                    one.created.strftime("%Y-%m-%d"),
                    f"suspended by {one.suspended_by}: {one.suspended_why}" if one.suspended else "open",
                )
                for one in found
            ],
            empty="There is none. Run `crossdock serve` once.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)


@tenant.command()
def suspend(
    name: _Name, why: _Why, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Let nothing in or out and decide nothing, until it is resumed. Nothing is lost."""

    async def act(operator: Operator) -> None:
        await operator.suspend_tenant(name, why=why)

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)
    _done(json, name, "suspended", f"{name} is suspended. Let it go on: crossdock tenant resume {name}")


@tenant.command()
def resume(
    name: _Name,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let a suspended tenant go on."""

    async def act(operator: Operator) -> None:
        await operator.resume_tenant(name, note=why)

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)
    _done(json, name, "resumed", f"{name} goes on")


@tenant.command()
def export(
    name: _Name,
    to: Annotated[Path | None, typer.Option(help="Into this file, which must not exist yet")] = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
) -> None:
    """Write all rows of a tenant as lines of JSON, table by table. Secrets stay sealed."""

    async def act(operator: Operator) -> None:
        await write_lines(operator.export_tenant(name), to)

    ask(Where(directory=directory, url=url, key=key), act, as_operator=True)


@tenant.command()
def delete(
    name: _Name,
    why: _Why,
    yes: Annotated[str, typer.Option("--yes", help="The tenant's name once more: do it")] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Delete a suspended tenant with all its rows, and say what went, signed. There is no way back."""

    async def act(operator: Operator) -> None:
        if yes != name:
            raise Refused("this deletes everything of the tenant", mend=f"export it, then add --yes {name}")
        proof = await operator.delete_tenant(name, why=why)
        if json:
            say_json(msgspec.structs.asdict(proof))
            return
        rows = sorted(proof.tables.items())
        table(f"What went with {name}", ["table", "rows"], rows, empty="Nothing")
        console.print(f"{proof.rows} rows; signed by {proof.key}, kept in the audit of the operator")

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)


async def write_lines(lines: AsyncIterator[str], to: Path | None) -> None:
    """To standard output, or into a new file that its owner alone may read. Raises `Refused`."""
    if to is None:
        async for line in lines:
            sys.stdout.write(line + "\n")
        return
    try:
        file = open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w")  # noqa: ASYNC230, PTH123, SIM115
    except OSError as error:
        raise Refused(
            f"this cannot be written: {error.strerror}", where=str(to), mend="name another file"
        ) from None
    with file:
        async for line in lines:
            file.write(line + "\n")


def _done(json: bool, name: str, what: str, words: str) -> None:
    if json:
        say_json({"tenant": name, what: True})
    else:
        console.print(words)
