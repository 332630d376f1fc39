"""`crossdock limits`: how often a tenant and its keys may ask, where that is agreed otherwise."""

from __future__ import annotations

from typing import Annotated

import typer

from crossdock.access import Resource
from crossdock.api.throttle_rules import KINDS, WHOLE, Agreements, Limit
from crossdock.assemble import System
from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json, with_system

limits = typer.Typer(help="How often a tenant and its keys may ask.", no_args_is_help=True)

ORIGIN = "command line"
_Who = Annotated[
    str, typer.Option("--key", help="The key, as `key:ID`, or a person; without it the tenant as a whole")
]
_Kind = Annotated[str, typer.Argument(metavar="KIND", help=f"One of {', '.join(KINDS)}")]


@limits.command("list")
def list_(directory: Directory = HERE, json: Json = False) -> None:
    """List what holds for all, and what is agreed besides."""

    async def act(system: System) -> None:
        agreed = await Agreements(system.database, system.audit).of(system.tenant)
        if json:
            for (who, kind), limit in sorted(agreed.items()):
                say_json({"who": who, "kind": kind, "limit": str(limit)})
            return
        rows = [
            *(("each key", text) for text in system.settings.throttle_key),
            *(("the tenant", text) for text in system.settings.throttle_tenant),
            *(
                (who or "the tenant", f"{kind} {limit}, agreed")
                for (who, kind), limit in sorted(agreed.items())
            ),
        ]
        table("Limits", ["of", "limit"], rows, empty="No limits are set.")

    with_system(directory, act, json=json)


@limits.command("set")
def set_(
    kind: _Kind,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="As 600/minute, or 50/10 seconds")],
    who: _Who = WHOLE,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Agree on a limit. It holds everywhere within half a minute."""
    _put(kind, who, limit, directory, json)


@limits.command()
def drop(kind: _Kind, who: _Who = WHOLE, directory: Directory = HERE, json: Json = False) -> None:
    """Go back to what holds for all."""
    _put(kind, who, None, directory, json)


def _put(kind: str, who: str, limit: str | None, directory: Directory, json: Json) -> None:
    async def act(system: System) -> None:
        by = await system.operator(ORIGIN)
        wanted = Limit.read(limit, where="LIMIT") if limit is not None else None
        await system.policies.require(by, "tenant.change", Resource(kind="tenant", id=system.tenant.name))
        agreements = Agreements(system.database, system.audit)
        await agreements.put(system.tenant, by, who=who, kind=kind, limit=wanted)
        if json:
            say_json({"who": who, "kind": kind, "limit": str(wanted) if wanted else None})
        else:
            said = f"may {kind} {wanted}" if wanted else "has what holds for all"
            console.print(f"{who or system.tenant.name} {said}.", highlight=False)

    with_system(directory, act, json=json)
