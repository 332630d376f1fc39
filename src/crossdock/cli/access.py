"""`crossdock access`: who may do what, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.given import read_json
from crossdock.cli.output import console, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator
    from crossdock.client.house_shapes import Rules

access = typer.Typer(help="Who may do what, and why.", no_args_is_help=True)


@access.command()
def explain(
    who: Annotated[str, typer.Argument(help="A person, key:ID or role:NAME")],
    action: Annotated[str, typer.Argument(help="An act, as run.cancel")],
    on: Annotated[
        str, typer.Argument(metavar="[KIND/ID]", help="On this: run/ID, task/ID, connection/erp")
    ] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Say whether somebody may do something, why, and what it would need. Status 1 where they may not."""

    async def act(operator: Operator) -> bool:
        found = await operator.explain(who, action, on=on)
        if json:
            say_json(msgspec.structs.asdict(found))
            return found.allowed
        word = "[green]allowed[/green]" if found.allowed else "[red]not allowed[/red]"
        console.print(f"{word}: {escape(found.why)}", highlight=False)
        if found.policies:
            console.print(f"  decided by: {', '.join(found.policies)}", highlight=False)
        if found.needed:
            console.print(f"  it needs one of the roles: {', '.join(found.needed)}", highlight=False)
        console.print(f"  {escape(who)} has: {escape(', '.join(found.roles)) or 'no role'}", highlight=False)
        return found.allowed

    if not ask(Where(directory=directory, url=url, key=key), act, json=json):
        raise SystemExit(1)


@access.command()
def roles(
    name: Annotated[str | None, typer.Argument(help="Of this role alone, each act in words")] = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List roles and what each may do. Any other role decides the tasks that ask for it, and nothing else."""

    async def act(operator: Operator) -> None:
        from crossdock.access import ACTIONS  # what it belongs to takes a while to import

        found = (await operator.rules()).rights
        if name is not None:
            found = [one for one in found if one.name == name]
            if not found:
                raise Refused(
                    f"no policy is about the role {name}",
                    mend="it decides the tasks that ask for it, no more",
                )
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
        elif name is not None:
            (role,) = found
            rows = [(act_, ACTIONS.get(act_, ""), "") for act_ in role.actions]
            rows += [(act_, ACTIONS.get(act_, ""), "of some things") for act_ in role.sometimes]
            table(f"{role.name}: {role.says}", ["act", "", ""], rows, empty="It may do nothing.")
        else:
            rows_ = [(one.name, one.says, ", ".join(one.actions), ", ".join(one.sometimes)) for one in found]
            table("Roles", ["role", "", "may", "of some things"], rows_, empty="There is none.")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@access.command("set")
def set_(
    roles_: Annotated[
        Path | None, typer.Option("--roles", help="The tenant's roles: JSON, {name: {says, actions}}")
    ] = None,
    policies: Annotated[Path | None, typer.Option(help="The tenant's policies: a file of Cedar")] = None,
    why: Annotated[str, typer.Option("--why", help="Why; it stands in the audit")] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Set what this tenant adds to the shipped roles and policies, from now on. What is not given stays."""
    if roles_ is None and policies is None:
        raise typer.BadParameter("give --roles, --policies, or both")

    async def act(operator: Operator) -> Rules:
        from crossdock.installed import read_text  # what it belongs to takes a while to import

        before = await operator.rules()
        return await operator.set_rules(
            before.roles if roles_ is None else _roles(read_json(roles_), str(roles_)),
            before.policies if policies is None else read_text(policies),
            note=why,
        )

    made = ask(Where(directory=directory, url=url, key=key), act, json=json)
    if json:
        say_json({"version": made.version, "roles": sorted(made.roles)})
    else:
        console.print(f"version {made.version} of the rules holds", highlight=False)


def _roles(given: Any, where: str) -> dict[str, Any]:
    try:
        found = msgspec.convert(given, dict[str, _Role])
    except msgspec.ValidationError as error:
        raise Refused(
            f"these are no roles: {error}", where=where, mend="write {name: {says, actions}}"
        ) from None
    return {name: {"says": one.says, "actions": one.actions} for name, one in found.items()}


class _Role(msgspec.Struct, forbid_unknown_fields=True):
    actions: list[str]
    says: str = ""
