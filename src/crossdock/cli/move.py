"""`crossdock move`: runs in flight go on under the newest version of their process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from crossdock.assemble import System
from crossdock.cli.output import console, say_json
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system
from crossdock.cli.runs import done, find_run, stands
from crossdock.engine.repair import Action, Cause, Progress
from crossdock.errors import Conflict, Refused

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
    proceed: Annotated[int | None, typer.Option(help="Go on with the move of this number")] = None,
    progress: Annotated[int | None, typer.Option(help="Show what came of each of this number")] = None,
    note: Annotated[str, typer.Option(help="Why, for the history")] = "",
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Let runs go on under the newest version of their process, where their history is valid under it.

    Status 1 when the one run that is named stays where it is.
    """

    async def act(system: System) -> bool:
        if name is not None:
            return await _one(system, name, version, note, json=json)
        if proceed is not None:
            await system.acts.repairs.proceed(system.whoever(ORIGIN), proceed)
            stands(json, await system.repairs.progress(system.tenant, proceed), "move")
        elif progress is not None:
            await _progress(system, progress, json=json)
        elif process or step or type_ or error or stopped:
            cause = Cause(
                process=process or "",
                step=step or "",
                exception=type_ or "",
                error=error or "",
                stopped=stopped,
            )
            action = Action(act="move", note=note, version=version or "")
            if not yes:
                count = await system.acts.repairs.preview(system.whoever(ORIGIN), cause, action)
                words = f"{count} runs have this cause and go under another version. Add --yes to move them."
                done(json, {"runs": count}, words)
                return True
            by = system.whoever(ORIGIN)
            begun = await system.acts.repairs.begin(by, cause, action, trial=trial, rate=rate)
            stands(json, begun, "move")
        else:
            raise Refused("nothing is named", mend="name a run, or what they share: --type, --process ...")
        return True

    if not with_system(directory, act, json=json):
        raise SystemExit(1)


async def _one(system: System, name: str, version: str | None, note: str, *, json: bool) -> bool:
    row = await find_run(system, name)
    newest = version or await system.library.newest(system.tenant, row.process)
    if newest is None or newest == row.version:
        raise Conflict(
            f"{row.process}/{row.key} goes under version {row.version[:10]} already, the newest",
            mend="mend its process and publish it: crossdock serve does at its start",
        )
    by = system.whoever(ORIGIN)
    asked = await system.acts.runs.move(by, row.id, version=newest, note=note)
    if isinstance(asked, Progress):
        stands(json, asked, "move")
        return True
    outcome = await system.acts.outcome(by, asked, within=_PATIENCE)
    told = outcome.line.records if outcome is not None else []
    value: dict[str, Any] = {"run": row.id, "version": newest}
    words = f"asked {row.process}/{row.key} to go on under version {newest[:10]}; no worker has decided yet"
    reasons = [
        {"step": record.step, "reason": record.data.get("reason", "")}
        for record in told
        if record.what == "run.move_refused"
    ]
    if reasons:
        value["stayed"] = reasons
        lines = [f"  {one['step'] or 'the run'}: {one['reason']}" for one in reasons]
        words = "\n".join([f"{row.process}/{row.key} stays under version {row.version[:10]}:", *lines])
    elif told:
        value["moved"] = True
        words = f"{row.process}/{row.key} goes on under version {newest[:10]}"
    done(json, value, words)
    return not reasons


async def _progress(system: System, number: int, *, json: bool) -> None:
    progress = await system.repairs.progress(system.tenant, number)
    results = await system.repairs.results(system.tenant, number)
    if json:
        say_json({**asdict(progress), "results": [asdict(one) for one in results]})
        return
    stands(False, progress, "move")
    for one in results:
        if one.outcome not in ("moved", None) or one.detail.startswith("still held"):
            console.print(f"  {one.process}/{one.key} {one.outcome}: {one.detail}", highlight=False)
