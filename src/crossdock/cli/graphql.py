"""`crossdock graphql`: queries that are let in, for installations that carry out no others."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from msgspec.structs import asdict

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

graphql = typer.Typer(help="Queries of the graph that are let in by their hash.", no_args_is_help=True)

_PLACE = re.compile(r"body\.texts\.(\d+)")
_Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit")]


@graphql.command()
def allow(
    files: Annotated[list[Path], typer.Argument(help="Files with one query each")],
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let queries in, all or none, and say their hashes. One that would be refused is not let in."""

    async def act(operator: Operator) -> None:
        from crossdock.installed import read_text  # what it belongs to takes a while to import

        texts = [read_text(file) for file in files]
        try:
            found = await operator.allow_queries(texts, note=why)
        except Refused as error:
            if place := _PLACE.match(error.where):
                error.where = str(files[int(place[1])])
            raise
        for file, one in zip(files, found, strict=True):
            if json:
                say_json({"file": str(file), "hash": one.hash})
            else:
                console.print(f"{one.hash}  {file}", highlight=False, soft_wrap=True)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@graphql.command("list")
def list_(directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False) -> None:
    """List queries: those that are let in, and those that programs have sent to be kept."""

    async def act(operator: Operator) -> None:
        found = [one async for one in operator.queries()]
        if json:
            for one in found:
                say_json(asdict(one))
            return
        rows = [(one.hash, "yes" if one.allowed else "no", " ".join(one.text.split())[:60]) for one in found]
        table("Queries", ["hash", "let in", "text"], rows, empty="None are known by their hash.")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@graphql.command()
def drop(
    hash_: Annotated[str, typer.Argument(metavar="HASH", help="Of the query")],
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let a query in no longer. It holds everywhere within half a minute."""

    async def act(operator: Operator) -> None:
        gone = await operator.drop_query(hash_, note=why)
        if json:
            say_json({"hash": gone.hash, "dropped": True})
        else:
            console.print(f"{gone.hash} is let in no longer.", highlight=False, soft_wrap=True)

    ask(Where(directory=directory, url=url, key=key), act, json=json)
