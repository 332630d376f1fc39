"""`crossdock move`: runs in flight go on under the newest version of their process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.output import console, say_json
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.repair import many, named, stands, values_of
from crossdock.cli.runs import done, find
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Conflict, Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

_PATIENCE = 5.0  # seconds for a worker to decide it


def move(
    name: Annotated[str | None, typer.Argument(help="One run: its key or an alias")] = None,
    process: Annotated[str | None, typer.Option(help="All runs of it with an open exception")] = None,
    step: Annotated[str | None, typer.Option(help="All runs that this step holds")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="All runs with an open exception of it")] = None,
    stopped: Annotated[bool, typer.Option(help="All runs that a broken decision has stopped")] = False,
    error: Annotated[str | None, typer.Option(help="All runs whose exception says this")] = None,
    version: Annotated[str | None, typer.Option(help="Another version than the newest: its hash")] = None,
    trial: Annotated[int, typer.Option(help="Of many: so many first, the rest when you proceed", min=0)] = 3,
    rate: Annotated[float, typer.Option(help="Of many: so many runs a second")] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", help="Of many: do it; without, only count them")] = False,
    proceed: Annotated[
        str | None, typer.Option(metavar="MOVE", help="Go on with this move: its id, or `last`")
    ] = None,
    progress: Annotated[
        str | None,
        typer.Option(metavar="MOVE", help="Show what came of each of this move: its id, or `last`"),
    ] = None,
    note: Annotated[str, typer.Option(help="Why, for the history")] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Let runs go on under the newest version of their process, where their history is valid under it.

    Status 1 when the one run that is named stays where it is, and why.
    """

    async def act(operator: Operator) -> None:
        if name is not None:
            await _one(operator, name, version, note, json=json)
        elif proceed is not None:
            stands(json, await operator.proceed(await named(operator, proceed)), "move")
        elif progress is not None:
            await _progress(operator, await named(operator, progress), json=json)
        elif process or step or type_ or error or stopped:
            cause = {
                "process": process or "",
                "step": step or "",
                "exception": type_ or "",
                "error": error or "",
                "stopped": stopped,
            }
            action = {"act": "move", "note": note, "version": version or ""}
            await many(operator, cause, action, trial, rate, "move", yes=yes, json=json)
        else:
            raise Refused("nothing is named", mend="name a run, or what they share: --type, --process ...")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


async def _one(operator: Operator, name: str, version: str | None, note: str, *, json: bool) -> None:
    one = await find(operator, name)
    known = await operator.process(one.process)
    newest = version or known.next_version or known.version
    if newest == one.version:
        raise Conflict(
            f"{one.process}/{one.key} goes under version {one.version[:10]} already, the newest",
            mend="mend its process and publish it: crossdock process publish FILE",
        )
    outcome = await operator.move(one.id, version=newest, note=note, wait=_PATIENCE)
    if outcome.event.startswith("repair_"):  # it was stopped: it is moved as the one run of a set
        stands(json, await operator.repair(outcome.event), "move")
        return
    value: dict[str, Any] = {"run": one.id, "version": newest}
    words = f"asked {one.process}/{one.key} to go on under version {newest[:10]}; no worker has decided yet"
    if outcome.outcome == "done":
        value["moved"] = True
        words = f"{one.process}/{one.key} goes on under version {newest[:10]}"
    done(json, value, words)


async def _progress(operator: Operator, move: str, *, json: bool) -> None:
    progress = await operator.repair(move)
    results = [one async for one in operator.repaired(move) if one.sent is not None]
    if json:
        say_json({**values_of(progress), "results": [msgspec.structs.asdict(one) for one in results]})
        return
    stands(False, progress, "move")
    for one in results:
        if one.outcome not in ("moved", None) or one.detail.startswith("still held"):
            console.print(
                f"  {escape(f'{one.process}/{one.key}')} {one.outcome}: {escape(one.detail)}", highlight=False
            )
