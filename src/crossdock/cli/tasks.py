"""`crossdock tasks | exceptions`: what waits for people, and what went otherwise; decide, and close."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.given import read_json
from crossdock.cli.output import console, fields, say_json, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.runs import done, find, time_of
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Refused

if TYPE_CHECKING:
    from crossdock.client import Operator

tasks = typer.Typer(help="Approvals and tasks: what waits for people.", no_args_is_help=True)
exceptions = typer.Typer(help="Exceptions: what went otherwise.", no_args_is_help=True)

_Task = Annotated[str, typer.Argument(metavar="ID", help="The task, as `list` shows it")]
_Exception = Annotated[str, typer.Argument(metavar="ID", help="The exception, as `list` shows it")]
_Run = Annotated[str | None, typer.Option(help="Of this run: its key or an alias")]
_Most = Annotated[int, typer.Option(help="So many at most", min=1, max=10_000)]
_Note = Annotated[str, typer.Option(help="Why; it stays with the run")]
_DECISIONS = ("approved", "refused", "done")
_ACTIONS = ("close", "retry", "skip", "cancel")


@tasks.command("list")
def list_tasks(
    role: Annotated[str | None, typer.Option(help="For this role")] = None,
    run: _Run = None,
    state: Annotated[str, typer.Option("--status", help="open, decided, withdrawn or any")] = "open",
    most: _Most = 50,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List approvals and tasks, due soonest first."""

    async def act(operator: Operator) -> None:
        _one_of(state, ("open", "decided", "withdrawn", "any"), "--status")
        of = (await find(operator, run)).id if run is not None else None
        found = [one async for one in operator.tasks(status=state, role=role, run=of, most=most)]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        table(
            "Tasks, times in UTC",
            ["id", "what", "role", "run", "step", "due", "" if state == "open" else "status"],
            [
                (
                    one.id,
                    one.title or one.kind,
                    one.role,
                    f"{one.process}/{one.key}",
                    one.step,
                    time_of(one.due),
                    "" if state == "open" else one.status,
                )
                for one in found
            ],
            empty="Nothing waits for people." if state == "open" else "No task is like that.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@tasks.command("show")
def show_task(
    task: _Task, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Show what is decided about, and who may."""

    async def act(operator: Operator) -> None:
        one = await operator.task(task)
        if json:
            say_json(msgspec.structs.asdict(one))
            return
        console.print(f"[bold]{escape(one.title or one.kind)}[/bold]: {one.status}", highlight=False)
        told = [
            ("run", f"{one.process}/{one.key}"),
            ("step", one.step),
            ("role", one.role),
            ("due", time_of(one.due)),
            ("not by", ", ".join(one.excluded)),
        ]
        fields([*told, *_flat(one.content)])

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@tasks.command("decide")
def decide_task(
    task: _Task,
    decision: Annotated[str, typer.Argument(help="approved or refused, of an approval; done, of a task")],
    form: Annotated[
        Path | None, typer.Option(help="What its form asks for: a file of JSON, - for standard input")
    ] = None,
    note: _Note = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Decide it as it stands now. Status 1 where its run does not take it."""

    async def act(operator: Operator) -> None:
        _one_of(decision, _DECISIONS, "DECISION")
        one = await operator.task(task)
        given = None if form is None else read_json(form)
        told = await operator.decide(one, decision, note=note, form=given)
        words = f"{one.process}/{one.key}: {one.step} is {decision}"
        if told.outcome != "done":
            words = f"told {one.process}/{one.key}: {one.step} is {decision}; no worker has taken it yet"
        done(json, {"run": told.run, "task": one.id, "outcome": told.outcome}, words)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@exceptions.command("list")
def list_exceptions(
    type_: Annotated[str | None, typer.Option("--type", help="Of this type")] = None,
    connection: Annotated[str | None, typer.Option(help="About calls to this connection")] = None,
    run: _Run = None,
    state: Annotated[str, typer.Option("--status", help="open, closed or any")] = "open",
    most: _Most = 50,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List exceptions, oldest first."""

    async def act(operator: Operator) -> None:
        _one_of(state, ("open", "closed", "any"), "--status")
        of = (await find(operator, run)).id if run is not None else None
        found = [
            one
            async for one in operator.exceptions(
                status=state, type_=type_, connection=connection, run=of, most=most
            )
        ]
        if json:
            for one in found:
                say_json(msgspec.structs.asdict(one))
            return
        table(
            "Exceptions, times in UTC",
            ["id", "type", "run", "step", "since", "times", "message"],
            [
                (
                    one.id,
                    one.type,
                    f"{one.process}/{one.key}",
                    one.step,
                    time_of(one.opened),
                    one.count,
                    one.message,
                )
                for one in found
            ],
            empty="Nothing is open." if state == "open" else "No exception is like that.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@exceptions.command("show")
def show_exception(
    exception: _Exception, directory: Directory = HERE, url: Url = None, key: Key = None, json: Json = False
) -> None:
    """Show what went otherwise, and whether its step waits for it."""

    async def act(operator: Operator) -> None:
        one = await operator.exception(exception)
        if json:
            say_json(msgspec.structs.asdict(one))
            return
        console.print(f"[bold]{escape(one.type)}[/bold], {one.severity}: {one.status}", highlight=False)
        fields(
            [
                ("run", f"{one.process}/{one.key}"),
                ("step", f"{one.step}, which waits for it" if one.holds else one.step),
                ("connection", one.connection),
                ("owner", one.owner),
                ("since", time_of(one.opened)),
                ("times", str(one.count)),
                ("message", one.message),
            ]
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


@exceptions.command("close")
def close_exception(
    exception: _Exception,
    action: Annotated[
        str, typer.Option(help="Besides: retry its step, skip it, or cancel the run; else only close it")
    ] = "close",
    note: _Note = "",
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Close an exception. Of many with one cause: crossdock repair."""

    async def act(operator: Operator) -> None:
        _one_of(action, _ACTIONS, "--action")
        one = await operator.exception(exception)
        told = await operator.close(one.id, action=action, note=note, wait=0)
        also = "" if action == "close" else f" and to {action}{' it' if action == 'cancel' else ''}"
        done(
            json,
            {"run": told.run, "exception": one.id, "action": action},
            f"asked {one.process}/{one.key} to close {one.type}{also}",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _one_of(word: str, known: tuple[str, ...], where: str) -> None:
    if word not in known:
        raise Refused(f"{word} is none of them", where=where, mend=f"give {', '.join(known)}")


def _flat(content: Any, at: str = "") -> list[tuple[str, str]]:
    """What is in it, a line a value, with the way to it."""
    if isinstance(content, dict):
        return [
            pair for name, one in content.items() for pair in _flat(one, f"{at}.{name}" if at else str(name))
        ]
    if isinstance(content, list):
        return [pair for n, one in enumerate(content) for pair in _flat(one, f"{at}.{n}" if at else str(n))]
    return [] if content is None else [(at or "about", str(content))]
