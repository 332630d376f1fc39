"""`crossdock proposals`: what assistants propose; accept it, or turn it down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from crossdock.cli.given import read_json
from crossdock.cli.output import console, fields, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.runs import done, find, time_of
from crossdock.cli.whom import Key, Url, Where, ask

if TYPE_CHECKING:
    from crossdock.client import Operator

proposals = typer.Typer(help="What assistants propose, for people to decide.", no_args_is_help=True)

_Proposal = Annotated[str, typer.Argument(metavar="ID", help="The proposal, as `list` shows it")]
_Note = Annotated[str, typer.Option(help="For the audit")]


@proposals.command("list")
def list_proposals(
    state: Annotated[str, typer.Option("--status", help="open, accepted, declined, fallen or any")] = "open",
    run: Annotated[str | None, typer.Option(help="About this run: its key or an alias")] = None,
    most: Annotated[int, typer.Option(help="So many at most", min=1, max=10_000)] = 50,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List what is proposed, newest first."""

    async def act(operator: Operator) -> None:
        of = (await find(operator, run)).id if run is not None else None
        found = [one async for one in operator.proposals(status=state, run=of, most=most)]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        table(
            "Proposals, times in UTC",
            ["id", "deed", "run", "why", "by", "at", "" if state == "open" else "status"],
            [
                (
                    one.id,
                    one.deed,
                    f"{one.process}/{one.key}",
                    one.why,
                    one.by,
                    time_of(one.at),
                    "" if state == "open" else one.status,
                )
                for one in found
            ],
            empty="Nothing is proposed." if state == "open" else "No proposal is like that.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@proposals.command("show")
def show_proposal(
    proposal: _Proposal, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Show what is proposed, by whom and why, and how it stands."""

    async def act(operator: Operator) -> None:
        one = await operator.proposal(proposal)
        if json:
            say_json(msgspec.structs.asdict(one))
            return
        console.print(f"{one.deed} on {one.process}/{one.key}: {one.status}", highlight=False, markup=False)
        told = [
            ("why", one.why),
            ("by", one.by + (f" of {one.person}" if one.person else "")),
            ("model", one.model or ""),
            ("at", time_of(one.at)),
            *((name, str(value)) for name, value in one.given.items()),
            ("decided", f"{time_of(one.decided)} by {one.decided_by}" if one.decided else ""),
            ("note", one.note or ""),
        ]
        fields(told)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@proposals.command("make")
def make_proposal(
    deed: Annotated[str, typer.Argument(help="run.retry, run.cancel, task.decide, exception.close ...")],
    on: Annotated[str, typer.Argument(help="The run, task or exception: its id, as lists show it")],
    why: Annotated[str, typer.Option(help="Why; whoever decides reads it")],
    given: Annotated[
        Path | None, typer.Option(help="What the deed is given: a file of JSON, - for standard input")
    ] = None,
    model: Annotated[str, typer.Option(help="What it was made by: a model with its version")] = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Propose a deed on a run, a task or an exception. It changes nothing else."""

    async def act(operator: Operator) -> None:
        told = {} if given is None else read_json(given)
        one = await operator.propose(deed, on, told, why=why, model=model)
        done(json, msgspec.structs.asdict(one), f"proposed {one.id}: {one.deed} on {one.process}/{one.key}")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@proposals.command("accept")
def accept_proposal(
    proposal: _Proposal,
    note: _Note = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Accept it: what is proposed is done, by your rights. Status 1 where its run does not take it."""

    async def act(operator: Operator) -> None:
        one = await operator.proposal(proposal)
        told = await operator.accept(one.id, note=note)
        words = f"{one.process}/{one.key}: {one.deed} is done"
        if told.outcome != "done":
            words = f"told {one.process}/{one.key}: {one.deed}; no worker has taken it yet"
        done(json, {"run": told.run, "proposal": one.id, "outcome": told.outcome}, words)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@proposals.command("decline")
def decline_proposal(
    proposal: _Proposal,
    note: _Note = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Turn it down: nothing of it is done."""

    async def act(operator: Operator) -> None:
        one = await operator.decline(proposal, note=note)
        words = f"turned down: {one.deed} on {one.process}/{one.key}"
        done(json, {"run": one.run, "proposal": one.id, "status": one.status}, words)

    ask(Where(directory=directory, url=url, key=key), act, json=json)
