"""`crossdock limits`: how often a tenant and its keys may ask, where that is agreed otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json, settings_in
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

limits = typer.Typer(help="How often a tenant and its keys may ask.", no_args_is_help=True)

_Of = Annotated[
    str | None,
    typer.Option("--of", help="The key, as `key:ID`, or a person; without it the tenant as a whole"),
]
_Kind = Annotated[str, typer.Argument(metavar="KIND", help="One of read, write, search, bulk, graphql")]
_Tenant = Annotated[
    str | None,
    typer.Option(
        "--tenant", help="Of this tenant; the one of the settings, or of the key at a server, without"
    ),
]
_Why = Annotated[str, typer.Option("--why", help="Why; it stands in the audit")]


@limits.command("list")
def list_(
    tenant: _Tenant = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List what holds for all, and what is agreed besides."""

    async def act(operator: Operator) -> None:
        found = await operator.limits(tenant)
        if json:
            for one in found.agreed:
                say_json({"who": one.who, "kind": one.kind, "limit": one.limit})
            return
        rows = [
            *(("each key", f"{kind} {limit}") for kind, limit in found.each_key.items()),
            *(("the tenant", f"{kind} {limit}") for kind, limit in found.whole.items()),
            *((one.who or "the tenant", f"{one.kind} {one.limit}, agreed") for one in found.agreed),
        ]
        table("Limits", ["of", "limit"], rows, empty="No limits are set.")

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=tenant is not None)


@limits.command("set")
def set_(
    kind: _Kind,
    limit: Annotated[str, typer.Argument(metavar="LIMIT", help="As 600/minute, or 50/10 seconds")],
    of: _Of = None,
    tenant: _Tenant = None,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Agree on a limit. It holds everywhere within half a minute."""

    async def act(operator: Operator) -> None:
        name = _tenant(tenant, Where(directory=directory, url=url, key=key))
        done = await operator.agree_limit(name, kind, limit, who=of, note=why)
        agreed = next(one.limit for one in done.agreed if (one.who, one.kind) == (of or "", kind))
        _tell(of, kind, agreed, name, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)


@limits.command()
def drop(
    kind: _Kind,
    of: _Of = None,
    tenant: _Tenant = None,
    why: _Why = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Go back to what holds for all."""

    async def act(operator: Operator) -> None:
        name = _tenant(tenant, Where(directory=directory, url=url, key=key))
        await operator.drop_limit(name, kind, who=of, note=why)
        _tell(of, kind, None, name, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json, as_operator=True)


def _tenant(given: str | None, where: Where) -> str:
    """The tenant that is meant. Raises `Refused` where a server is asked, and none is named."""
    if given is not None:
        return given
    if where.url:
        raise Refused(
            f"no tenant is named, and limits are agreed on by those who run {where.url}",
            where="--tenant",
            mend="name it: --tenant NAME, with a key of the operator",
        )
    return settings_in(where.directory).tenant


def _tell(of: str | None, kind: str, limit: str | None, tenant: str, *, json: bool) -> None:
    if json:
        say_json({"who": of or "", "kind": kind, "limit": limit})
    else:
        said = f"may {kind} {limit}" if limit else "has what holds for all"
        console.print(f"{of or tenant} {said}.", highlight=False)
