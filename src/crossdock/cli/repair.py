"""`crossdock repair` and its shortcut `retry`: of one run, or of all runs with one cause."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crossdock.assemble import System
from crossdock.cli.given import read_json
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system
from crossdock.cli.remote import Key, Url, Where, find_there, held_there, with_either
from crossdock.cli.runs import done, find_run, stands
from crossdock.client import Client
from crossdock.engine.history import RunRow
from crossdock.engine.repair import Action, Cause
from crossdock.errors import Conflict, Refused
from crossdock.process.problems import nearest

_ACTS = ("retry", "supply", "skip", "redo", "close", "cancel", "release")
_WORDS = {
    "retry": "to try {step} again",
    "supply": "to take the given result for {step}",
    "skip": "to go on without {step}",
    "redo": "to do {step} again, and all that depends on it",
    "close": "to close what is open at {step}",
    "cancel": "to cancel",
}
_MANY = {
    "retry": "try them again",
    "supply": "give each the result",
    "skip": "go on without the step",
    "redo": "do the step again",
    "close": "close the exceptions",
    "cancel": "cancel them",
    "release": "let them try what stopped them again",
}

_One = Annotated[str | None, typer.Argument(help="One run: its key or an alias")]
_At = Annotated[str | None, typer.Option(help="The step; the one that is held, without")]
_Type = Annotated[str | None, typer.Option("--type", help="All runs with an open exception of it")]
_Connection = Annotated[str | None, typer.Option(help="All runs that this connection holds")]
_Process = Annotated[str | None, typer.Option(help="Of many: of this process alone")]
_Error = Annotated[str | None, typer.Option(help="All runs whose exception says this")]
_Stopped = Annotated[bool, typer.Option(help="All runs that a broken decision has stopped")]
_Trial = Annotated[int, typer.Option(help="Of many: so many first, the rest when you proceed", min=0)]
_Rate = Annotated[float, typer.Option(help="Of many: so many runs a second")]
_Yes = Annotated[bool, typer.Option("--yes", help="Of many: do it; without, only count them")]
_Proceed = Annotated[int | None, typer.Option(help="Go on with the repair of this number")]
_Progress = Annotated[int | None, typer.Option(help="Show how the repair of this number stands")]
_Note = Annotated[str, typer.Option(help="Why, for the history")]


def retry(
    name: _One = None,
    step: _At = None,
    type_: _Type = None,
    connection: _Connection = None,
    trial: _Trial = 3,
    rate: _Rate = 10.0,
    yes: _Yes = False,
    proceed: _Proceed = None,
    progress: _Progress = None,
    note: _Note = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Try a held step again: of one run, or of all runs with one cause (counted, a few first)."""
    cause = Cause(exception=type_ or "", connection=connection or "", step=step or "")
    action = Action(act="retry", note=note)

    async def act(system: System) -> None:
        if name is not None:
            await _one(system, name, action, step, json=json)
        elif not await _under_way(system, proceed, progress, "retry", json=json):
            await _many(system, cause, action, trial, rate, "retry", yes=yes, json=json)

    async def there(server: Client) -> None:
        if name is None:
            raise Refused(
                "many runs are not repaired from elsewhere by this command",
                mend="name a run; or give it on the server's machine, or use POST /repairs",
            )
        one = await find_there(server, name)
        at = step or await held_there(server, one)
        await server.retry(one.id, at, note=note)
        done(json, {"run": one.id, "step": at}, f"asked {one.process}/{one.key} to try {at} again")

    with_either(Where(directory=directory, url=url, key=key), act, there, json=json)


def repair(
    act: Annotated[str, typer.Argument(help=f"What is done: {', '.join(_ACTS)}")],
    name: _One = None,
    step: _At = None,
    output: Annotated[
        Path | None, typer.Option(help="For supply: the result, a file of JSON, or - for standard input")
    ] = None,
    process: _Process = None,
    type_: _Type = None,
    connection: _Connection = None,
    error: _Error = None,
    stopped: _Stopped = False,
    trial: _Trial = 3,
    rate: _Rate = 10.0,
    yes: _Yes = False,
    proceed: _Proceed = None,
    progress: _Progress = None,
    note: _Note = "",
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Repair one run, or all runs with one cause (counted, a few first).

    `retry` tries what failed again, `supply` gives the result by hand, `skip` goes on without the step,
    `redo` undoes the step and what depends on it and does it again, `close` closes the exception alone,
    `cancel` takes everything back, `release` lets a run that a broken decision has stopped try again.
    """
    cause = Cause(
        process=process or "",
        step=step or "",
        exception=type_ or "",
        connection=connection or "",
        error=error or "",
        stopped=stopped,
    )

    async def go(system: System) -> None:
        action = _action(act, output, note)
        if name is not None:
            await _one(system, name, action, step, json=json)
        elif not await _under_way(system, proceed, progress, f"repair {act}", json=json):
            await _many(system, cause, action, trial, rate, f"repair {act}", yes=yes, json=json)

    with_system(directory, go, json=json)


def _action(act: str, output: Path | None, note: str) -> Action:
    if act not in _ACTS:
        raise Refused(f"there is no repair {act}", mend=nearest(act, _ACTS))
    if (act == "supply") is not (output is not None):
        mend = "--output FILE, with the operation's output as JSON" if act == "supply" else "leave it out"
        raise Refused(f"{act} {'needs' if act == 'supply' else 'takes no'} --output", mend=mend)
    return Action(act=act, note=note, output=read_json(output) if output else None)  # type: ignore[arg-type]


async def _one(system: System, name: str, action: Action, step: str | None, *, json: bool) -> None:
    row = await find_run(system, name)
    known = f"{row.process}/{row.key}"
    acts, by = system.acts, system.whoever(ORIGIN)
    if action.act == "release":
        await acts.runs.release(by, row.id)
        done(json, {"run": row.id}, f"{known} tries again what stopped it")
        return
    if action.act == "cancel":
        if row.ended is not None:
            raise Conflict(f"{known} is {row.status} already", mend="nothing is left to cancel")
        await acts.runs.cancel(by, row.id, reason=action.note or "cancelled by hand")
        done(json, {"run": row.id}, f"asked {known} to cancel")
        return
    at = step or await _held(system, row)
    if action.act == "close":
        found = [one for one in await system.history.exceptions(system.tenant, run=row.id) if one.step == at]
        if not found:
            raise Conflict(f"nothing is open at {at} of {known}", mend=f"look at it: crossdock runs {name}")
        for one in found:
            await acts.exceptions.close(by, one.id, note=action.note)
    elif action.act == "supply":
        await acts.runs.supply(by, row.id, at, action.output, note=action.note)
    elif action.act == "skip":
        await acts.runs.skip(by, row.id, at, note=action.note or "skipped by hand")
    elif action.act == "redo":
        await acts.runs.redo(by, row.id, at, note=action.note)
    else:
        await acts.runs.retry(by, row.id, at, note=action.note)
    done(json, {"run": row.id, "step": at}, f"asked {known} {_WORDS[action.act].format(step=at)}")


async def _under_way(
    system: System, proceed: int | None, progress: int | None, command: str, *, json: bool
) -> bool:
    """Whether it was about a repair of many that has begun; then it is told where that stands."""
    if proceed is not None:
        await system.acts.repairs.proceed(system.whoever(ORIGIN), proceed)
    number = proceed if proceed is not None else progress
    if number is None:
        return False
    stands(json, await system.repairs.progress(system.tenant, number), command)
    return True


async def _many(
    system: System,
    cause: Cause,
    action: Action,
    trial: int,
    rate: float,
    command: str,
    *,
    yes: bool,
    json: bool,
) -> None:
    if not (cause.exception or cause.connection or cause.error or cause.stopped or cause.process):
        raise Refused("nothing is named", mend="name a run, or a cause: --type or --connection")
    if action.act == "release" and not cause.stopped:
        raise Refused("only a run that was stopped is released", mend="add --stopped")
    if not yes:
        count = await system.acts.repairs.preview(system.whoever(ORIGIN), cause, action)
        words = f"{count} runs have this cause. Add --yes to {_MANY[action.act]}."
        done(json, {"runs": count}, words)
        return
    by = system.whoever(ORIGIN)
    begun = await system.acts.repairs.begin(by, cause, action, trial=trial, rate=rate)
    stands(json, begun, command)


async def _held(system: System, row: RunRow) -> str:
    found = [one for one in await system.history.exceptions(system.tenant, run=row.id) if one.step]
    if not found:
        raise Conflict(f"{row.process}/{row.key} has no step that is held", mend="name one with --step")
    return found[0].step
