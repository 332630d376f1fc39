"""`crossdock run | runs | events | cancel | replay`: what there is, and acting on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from rich.markup import escape

from crossdock.cli.given import read_json
from crossdock.cli.output import STATUSES, console, say_json, status, table
from crossdock.cli.place import HERE, Directory, Json
from crossdock.cli.whom import Key, Url, Where, ask
from crossdock.errors import Conflict, NotFound, Refused

if TYPE_CHECKING:
    from crossdock.client import Operator, Run

Name = Annotated[str, typer.Argument(help="The run: its key, an alias (tracking number ...), or process/key")]


def run(
    process: Annotated[str, typer.Argument(help="The process by name")],
    document: Annotated[
        Path, typer.Option("--document", "-d", help="Its document: a JSON file, - for standard input")
    ],
    test: Annotated[
        bool, typer.Option("--test", help="Call only connections of a sandbox; its key begins with test/")
    ] = False,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Start a run of a process by hand. Refused where a run of that key is live."""

    async def act(operator: Operator) -> None:
        try:
            begun = await operator.start(process, await _document(operator, process, document), test=test)
        except NotFound:
            await _known(operator, process)
            raise
        except Refused as error:
            raise _in_file(error, document) from None
        words = f"started [bold]{process}/{begun.key}[/bold]; a worker goes on with it (crossdock serve)"
        done(json, {"process": process, "key": begun.key, "run": begun.id}, words)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


async def _document(operator: Operator, process: str, document: Path) -> Any:
    try:
        return read_json(document)
    except Refused:
        await _known(operator, process)  # what is wrong first is said first
        raise


def _in_file(error: Refused, document: Path) -> Refused:
    """The same, of the file that was given, where it is about what is in the document."""
    if "body.document" not in error.where + error.message:
        return error
    place = error.where.removeprefix("body.document.") if error.where.startswith("body.document.") else ""
    message = error.message.replace("body.document.", "")
    where = f"{document}: {place}" if place else str(document)
    return Refused(message, where=where, mend=error.mend or "see what fits: crossdock schema")


def runs(
    name: Annotated[str | None, typer.Argument(help="One run in detail: its key or an alias")] = None,
    process: Annotated[str | None, typer.Option(help="Only of this process")] = None,
    state: Annotated[
        str | None, typer.Option("--status", help="active, held, cancelling, completed ...")
    ] = None,
    most: Annotated[int, typer.Option(help="So many at most", min=1, max=10_000)] = 50,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """List runs, newest first, or show one with all that happened in it."""

    async def act(operator: Operator) -> None:
        _status(state)
        if name is not None:
            told = await _detail(operator, name)
            say_json(told) if json else _show(told)
            return
        found = [row_of(one) async for one in operator.runs(process=process, status=state, most=most)]
        if not found and process is not None:
            await _known(operator, process)
        if json:
            for row in found:
                say_json(row)
            return
        table(
            "Runs, times in UTC",
            ["process", "key", "gen", "status", "since", "next"],
            [
                (
                    r["process"],
                    r["key"],
                    r["generation"],
                    status(r["status"]),
                    time_of(r["created"]),
                    time_of(r["wake_at"]),
                )
                for r in found
            ],
            empty="No run is like that. See all: crossdock runs"
            if process or state
            else "No runs yet. Start one: crossdock run PROCESS --document FILE, or see crossdock demo.",
        )

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def events(
    most: Annotated[int, typer.Option(help="So many at most", min=1, max=10_000)] = 50,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """What no run has: events not claimed yet or refused, and what partners sent that could not be read."""

    async def act(operator: Operator) -> None:
        kept = [("unclaimed", one) async for one in operator.parked(most=most)]
        kept += [("quarantined", one) async for one in operator.quarantined(most=most)]
        found = [{"fate": fate, **msgspec.structs.asdict(one)} for fate, one in kept]
        async for unread in operator.unread(most=most):
            value = msgspec.structs.asdict(unread)
            del value["body"]  # the tower shows it
            found.append({"fate": "unread", **value})
        _tell_events(found, json=json)

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def _tell_events(found: Sequence[Mapping[str, Any]], *, json: bool) -> None:
    if json:
        for one in found:
            say_json(one)
        return
    table(
        "Events without a run, times in UTC",
        ["id", "", "since", "type", "names", "why"],
        [
            (
                one["id"],
                "unread",
                time_of(one["at"]),
                f"from {one['connection']}",
                one["message"],
                one["reason"],
            )
            if one["fate"] == "unread"
            else (
                one["id"],
                one["fate"],
                time_of(one["at"]),
                one["type"],
                _about(one["event"]),
                one["reason"] or "no run names these",
            )
            for one in found
        ],
        empty="Every event has found its run.",
    )


def cancel(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, for the history")],
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Cancel a run: what was done is undone, newest first."""

    async def act(operator: Operator) -> None:
        one = await find(operator, name)
        refuse_ended(one)
        await operator.cancel(one.id, reason=reason, wait=0)
        done(json, {"run": one.id}, f"asked {one.process}/{one.key} to cancel")

    ask(Where(directory=directory, url=url, key=key), act, json=json)


def replay(
    name: Annotated[str | None, typer.Argument(help="One run; all runs, without")] = None,
    most: Annotated[int, typer.Option(help="So many runs at most", min=1)] = 1000,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Decide the events of runs again, and compare with what is stored. Status 1 if any differs."""

    async def act(operator: Operator) -> int:
        found = [await find(operator, name)] if name else [one async for one in operator.runs(most=most)]
        differing = 0
        for one in found:
            result = await operator.replay(one.id)
            differing += not result.same
            if json:
                told = {"run": one.id, "process": one.process, "key": one.key}
                say_json(told | msgspec.structs.asdict(result))
            elif not result.same:
                where = "its state" if result.differs_at is None else f"decision {result.differs_at}"
                console.print(f"[red]{escape(f'{one.process}/{one.key}')} differs[/red]: {where}")
        if not json:
            console.print(f"{len(found)} replayed, {len(found) - differing} as stored, byte for byte")
        return differing

    if ask(Where(directory=directory, url=url, key=key), act, json=json):
        raise SystemExit(1)


# -- what the commands share ---------------------------------------------------------------------------


async def find(operator: Operator, name: str) -> Run:
    """The run that is known by a name, a live one first. Raises `NotFound`, `Conflict` for several."""
    process, slash, key = name.partition("/")
    found = [one async for one in operator.search(name)]
    if not found and slash:
        found = [one async for one in operator.search(key) if one.process == process]
    if not found:
        raise NotFound(f"no run is known by {name}", mend="see crossdock runs")
    live = [one for one in found if one.ended is None] or found
    if len({one.process for one in live}) > 1:
        names = ", ".join(f"{one.process}/{one.key}" for one in live)
        raise Conflict(f"{name} names several runs", mend=f"say which: {names}")
    return live[0]


def refuse_ended(one: Run) -> None:
    """Raises `Conflict` for a run that has ended."""
    if one.ended is not None:
        raise Conflict(f"{one.process}/{one.key} is {one.status} already", mend="nothing is left to cancel")


async def _known(operator: Operator, process: str) -> None:
    """Raises `NotFound` for a process that is not there, with the nearest name."""
    names = [one.name async for one in operator.processes()]
    if process not in names:
        from crossdock.process.problems import nearest  # what it belongs to takes a while to import

        raise NotFound(f"there is no process {process}", mend=nearest(process, names))


def _status(state: str | None) -> None:
    if state is not None and state not in STATUSES:
        from crossdock.process.problems import nearest  # what it belongs to takes a while to import

        raise Refused(f"no run is ever {state}", where="--status", mend=nearest(state, STATUSES))


def row_of(one: Run) -> dict[str, Any]:
    """A run as it is told."""
    return {
        "id": one.id,
        "process": one.process,
        "version": one.version,
        "key": one.key,
        "generation": one.generation,
        "status": one.status,
        "created": one.created,
        "changed": one.changed,
        "ended": one.ended,
        "wake_at": one.next,
        "parent": one.parent,
        "error": one.stopped,
    }


async def _detail(operator: Operator, name: str) -> dict[str, Any]:
    """All that is told of one run."""
    one = await operator.run((await find(operator, name)).id)
    return {
        "run": row_of(one),
        "state": await operator.state(one.id) or None,
        "history": [msgspec.to_builtins(line) async for line in operator.history(one.id)],
        "aliases": {alias.kind: alias.value for alias in one.aliases},
        "children": [row_of(child) async for child in operator.runs(parent=one.id)],
    }


def _show(told: Mapping[str, Any]) -> None:
    row = told["run"]
    console.print(
        f"[bold]{escape(row['process'])}/{escape(row['key'])}[/bold] "
        f"generation {row['generation']}: {status(row['status'])}"
    )
    if row["error"]:
        console.print(f"  [red]stopped by a decision that broke:[/red] {escape(row['error'])}")
    steps: Mapping[str, Any] = (told["state"] or {}).get("steps", {})
    table(
        "Steps, times in UTC",
        ["step", "status", "since", "due", ""],
        [
            (
                name,
                step.get("status"),
                time_of(step.get("ended") or step.get("started")),
                time_of(step.get("due")),
                step.get("reason"),
            )
            for name, step in steps.items()
        ],
        empty="Nothing is decided yet: is a worker running?",
    )
    table(
        "History",
        ["at", "event", "step", "what"],
        [
            (time_of(line["at"]), line["event"]["type"], record.get("step"), record["what"])
            for line in told["history"]
            for record in line["records"]
        ],
        empty="Nothing has happened yet.",
    )


def done(json: bool, value: dict[str, Any], words: str) -> None:
    """Say what was done: an object for scripts, words for people."""
    if json:
        say_json(value)
    else:
        console.print(words)


def time_of(instant: datetime | str | None) -> str:
    """An instant for people, in UTC."""
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant)
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if instant else ""


def _about(event: Any) -> str:
    about = event.get("about", {}) if isinstance(event, dict) else {}
    return " ".join(f"{kind}={value}" for kind, value in about.items())
