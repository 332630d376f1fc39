"""`crossdock graphql`: queries that are let in, for installations that carry out no others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdock.access import Resource
from crossdock.api.graphql import Persisted
from crossdock.api.graphql.measure import measured
from crossdock.assemble import System
from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json, with_system
from crossdock.errors import Refused
from crossdock.installed import read_text
from crossdock.site import query_bounds

graphql = typer.Typer(help="Queries of the graph that are let in by their hash.", no_args_is_help=True)

ORIGIN = "command line"


@graphql.command()
def allow(
    files: Annotated[list[Path], typer.Argument(help="Files with one query each")],
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Let queries in, and say their hashes. One that would be refused is not let in."""

    async def act(system: System) -> None:
        by = system.whoever(ORIGIN)
        await system.policies.require(by, "setting.change", Resource(kind="setting", id="graphql"))
        texts = [(file, read_text(file)) for file in files]
        for file, text in texts:
            try:
                measured(text, {}, None, query_bounds(system.settings))
            except Refused as error:
                raise Refused(error.message, where=str(file), mend=error.mend) from None
        for file, text in texts:
            hash_ = await _queries(system).allow(system.tenant, by, text, why=f"let in from {file.name}")
            if json:
                say_json({"file": str(file), "hash": hash_})
            else:
                console.print(f"{hash_}  {file}", highlight=False, soft_wrap=True)

    with_system(directory, act, json=json)


@graphql.command("list")
def list_(directory: Directory = HERE, json: Json = False) -> None:
    """List queries: those that are let in, and those that programs have sent to be kept."""

    async def act(system: System) -> None:
        found = await _queries(system).list(system.tenant)
        if json:
            for hash_, allowed, text in found:
                say_json({"hash": hash_, "allowed": allowed, "text": text})
            return
        rows = [
            (hash_, "yes" if allowed else "no", " ".join(text.split())[:60]) for hash_, allowed, text in found
        ]
        table("Queries", ["hash", "let in", "text"], rows, empty="None are known by their hash.")

    with_system(directory, act, json=json)


@graphql.command()
def drop(
    hash_: Annotated[str, typer.Argument(metavar="HASH", help="Of the query")],
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Let a query in no longer. Processes that run may know it until they are started again."""

    async def act(system: System) -> None:
        by = system.whoever(ORIGIN)
        await system.policies.require(by, "setting.change", Resource(kind="setting", id="graphql"))
        await _queries(system).drop(system.tenant, by, hash_)
        if json:
            say_json({"hash": hash_, "dropped": True})
        else:
            console.print(f"{hash_} is let in no longer.", highlight=False, soft_wrap=True)

    with_system(directory, act, json=json)


def _queries(system: System) -> Persisted:
    return Persisted(system.database, system.audit)
