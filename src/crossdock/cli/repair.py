"""`crossdock retry | repair`: what is held goes on, one run at a time or all that share a cause."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from crossdock.cli.given import read_json
from crossdock.cli.output import console, say_json
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.runs import done, find, refuse_ended
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Conflict, NotFound, Refused

if TYPE_CHECKING:
    from crossdock.client import Operator, Run
    from crossdock.client.shapes import Repair

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
    "move": "move them",
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
_Proceed = Annotated[
    str | None, typer.Option(metavar="REPAIR", help="Go on with this repair: its id, or `last`")
]
_Progress = Annotated[
    str | None, typer.Option(metavar="REPAIR", help="Show how this repair stands: its id, or `last`")
]
_Note = Annotated[str, typer.Option(help="Why, for the history")]
_Exception = Annotated[
    str | None,
    typer.Option(
        metavar="ID",
        help="Of one run: only while this exception is open, which it answers; as `exceptions list` shows it",
    ),
]
_ANSWER = ("retry", "supply", "skip", "redo")


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
    exception: _Exception = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Try a held step again: of one run, or of all runs with one cause (counted, a few first)."""
    cause = {"exception": type_ or "", "connection": connection or "", "step": step or ""}
    action = {"act": "retry", "note": note}

    async def act(operator: Operator) -> None:
        if exception is not None or name is not None:
            await _one(operator, name, action, step, exception, json=json)
        elif not await under_way(operator, proceed, progress, "retry", json=json):
            _refuse_all(cause)
            await many(operator, cause, action, trial, rate, "retry", yes=yes, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


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
    exception: _Exception = None,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Repair one run, or all runs with one cause (counted, a few first).

    `retry` tries what failed again, `supply` gives the result by hand, `skip` goes on without the step,
    `redo` undoes the step and what depends on it and does it again, `close` closes the exception alone,
    `cancel` takes everything back, `release` lets a run that a broken decision has stopped try again.
    """
    cause: dict[str, Any] = {
        "process": process or "",
        "step": step or "",
        "exception": type_ or "",
        "connection": connection or "",
        "error": error or "",
        "stopped": stopped,
    }

    async def go(operator: Operator) -> None:
        action = _action(act, output, note)
        if exception is not None or name is not None:
            await _one(operator, name, action, step, exception, json=json)
        elif not await under_way(operator, proceed, progress, f"repair {act}", json=json):
            _refuse_all(cause)
            await many(operator, cause, action, trial, rate, f"repair {act}", yes=yes, json=json)

    ask(Where(directory=directory, url=url, key=key), go, json=json)


def _action(act: str, output: Path | None, note: str) -> dict[str, Any]:
    if act not in _ACTS:
        from crossdock.process.problems import nearest  # what it belongs to takes a while to import

        raise Refused(f"there is no repair {act}", mend=nearest(act, _ACTS))
    if (act == "supply") is not (output is not None):
        mend = "--output FILE, with the operation's output as JSON" if act == "supply" else "leave it out"
        raise Refused(f"{act} {'needs' if act == 'supply' else 'takes no'} --output", mend=mend)
    return {"act": act, "note": note} | ({"output": read_json(output)} if output else {})


async def _one(
    operator: Operator,
    name: str | None,
    action: dict[str, Any],
    step: str | None,
    exception: str | None,
    *,
    json: bool,
) -> None:
    """Repair one run: by its name, or that of the exception, which is answered only while it is open."""
    act, note, answers = action["act"], action["note"], exception or ""
    if exception is not None:
        if act not in _ANSWER:
            mend = f"leave it out; it is for {', '.join(_ANSWER)}"
            raise Refused(f"{act} answers no exception", where="--exception", mend=mend)
        case = await operator.exception(exception)
        one = await operator.run(case.run)
        if name is not None and (await find(operator, name)).id != one.id:
            raise Refused(
                f"{exception} is of {one.process}/{one.key}",
                where="--exception",
                mend="name that run, or none",
            )
        step = step or case.step
    else:
        one = await find(operator, name or "")
    known = f"{one.process}/{one.key}"
    if act == "release":
        await operator.release(one.id)
        done(json, {"run": one.id}, f"{known} tries again what stopped it")
        return
    if act == "cancel":
        refuse_ended(one)
        await operator.cancel(one.id, reason=note or "cancelled by hand", wait=0)
        done(json, {"run": one.id}, f"asked {known} to cancel")
        return
    at = step or await _held(operator, one)
    if act == "close":
        await operator.close_all(one.id, step=at, note=note)
    elif act == "supply":
        await operator.supply(one.id, at, action["output"], note=note, exception=answers, wait=0)
    elif act == "skip":
        await operator.skip(one.id, at, note=note or "skipped by hand", exception=answers, wait=0)
    elif act == "redo":
        await operator.redo(one.id, at, note=note, exception=answers, wait=0)
    else:
        await operator.retry(one.id, at, note=note, exception=answers, wait=0)
    done(json, {"run": one.id, "step": at}, f"asked {known} {_WORDS[act].format(step=at)}")


def _refuse_all(cause: dict[str, Any]) -> None:
    if not any(cause.get(name) for name in ("exception", "connection", "error", "stopped", "process")):
        raise Refused("nothing is named", mend="name a run, or a cause: --type or --connection")


async def under_way(
    operator: Operator, proceed: str | None, progress: str | None, command: str, *, json: bool
) -> bool:
    """Whether it is about a repair of many that has begun; then where that stands is told."""
    if proceed is not None:
        stands(json, await operator.proceed(await named(operator, proceed)), command)
    elif progress is not None:
        stands(json, await operator.repair(await named(operator, progress)), command)
    return proceed is not None or progress is not None


async def named(operator: Operator, repair: str) -> str:
    """The id of a repair of many; `last` is the newest. Raises `NotFound` where there is none yet."""
    if repair != "last":
        return repair
    async for one in operator.repairs(most=1):
        return one.id
    raise NotFound("there is no repair yet", mend="begin one: name a cause, and add --yes")


async def many(
    operator: Operator,
    cause: dict[str, Any],
    action: dict[str, Any],
    trial: int,
    rate: float,
    command: str,
    *,
    yes: bool,
    json: bool,
) -> None:
    """Count what has a cause, or begin to repair it."""
    act = action["act"]
    if act == "release" and not cause["stopped"]:
        raise Refused("only a run that was stopped is released", mend="add --stopped")
    if not 0 < rate < inf:
        raise Refused(f"{rate} is no rate", where="--rate", mend="give runs a second, such as 10")
    if not yes:
        count = await operator.preview(cause, action)
        more = " and go under another version" if act == "move" else ""
        done(json, {"runs": count}, f"{count} runs have this cause{more}. Add --yes to {_MANY[act]}.")
        return
    stands(json, await operator.begin(cause, action, trial=trial, rate=rate), command)


async def _held(operator: Operator, one: Run) -> str:
    async for case in operator.exceptions(run=one.id):
        if case.step:
            return case.step
    raise Conflict(f"{one.process}/{one.key} has no step that is held", mend="name one with --step")


def values_of(repair: Repair) -> dict[str, Any]:
    """Where a repair of many stands; `open` are those that were asked, and nothing has come of it yet."""
    left = repair.sent - sum(repair.outcomes.values())
    outcomes = repair.outcomes | ({"open": left} if left else {})
    return {
        "id": repair.id,
        "status": repair.status,
        "counted": repair.counted,
        "sent": repair.sent,
        "outcomes": outcomes,
    }


def stands(json: bool, repair: Repair, command: str) -> None:
    """Say where a repair of many stands, and how to go on with it."""
    told = values_of(repair)
    if json:
        say_json(told)
        return
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in told["outcomes"].items()) or "none yet"
    words = f"{repair.id} is {repair.status}: {repair.sent} of {repair.counted} sent; outcomes: {outcomes}"
    if repair.status in ("trial", "waiting"):
        words += f"\ngo on with the rest: crossdock {command} --proceed {repair.id}"
    console.print(words, highlight=False)
