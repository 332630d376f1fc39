"""`crossdock run | runs | events | retry | cancel | replay`: what there is, and acting on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args
from uuid import uuid4

import msgspec
import typer

from crossdock.assemble import System
from crossdock.cli.given import read_document, read_json
from crossdock.cli.output import console, say_json, status, table
from crossdock.cli.place import HERE, ORIGIN, Directory, Json, with_system
from crossdock.cli.remote import (
    Key,
    Url,
    Where,
    chosen,
    detail_there,
    find_there,
    row_of,
    with_either,
    without_run_there,
)
from crossdock.client import Client
from crossdock.engine import replay as replay_run
from crossdock.engine.history import RunDetail, RunRow
from crossdock.engine.repair import Progress
from crossdock.errors import Conflict, NotFound, Refused
from crossdock.gateway import Quarantine
from crossdock.process.problems import nearest
from crossdock.process.state import RunStatus

Name = Annotated[str, typer.Argument(help="The run: its key, an alias (tracking number ...), or process/key")]


def run(
    process: Annotated[str, typer.Argument(help="The process by name")],
    document: Annotated[
        Path, typer.Option("--document", "-d", help="Its document: a JSON file, - for standard input")
    ],
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Start a run of a process by hand. Refused where a run of that key is live."""

    async def act(system: System) -> None:
        loaded = await _process(system, await _number(system, process))
        value = read_document(document, loaded.document)
        known = loaded.key.evaluate({loaded.variable: value, "tenant": {"id": system.tenant.name}})
        asked = await system.acts.runs.start(system.whoever(ORIGIN), process, value, once=str(uuid4()))
        words = f"started [bold]{process}/{known}[/bold]; a worker goes on with it (crossdock serve)"
        done(json, {"process": process, "key": known, "run": asked.run}, words)

    async def there(server: Client) -> None:
        begun = await server.start(process, read_json(document))
        words = f"started [bold]{process}/{begun.key}[/bold]"
        done(json, {"process": process, "key": begun.key, "run": begun.id}, words)

    with_either(Where(directory=directory, url=url, key=key), act, there, json=json)


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

    def tell(rows: Sequence[Mapping[str, Any]]) -> None:
        if json:
            for row in rows:
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
                    _time(r["created"]),
                    _time(r["wake_at"]),
                )
                for r in rows
            ],
            empty="No run is like that. See all: crossdock runs"
            if process or state
            else "No runs yet. Start one: crossdock run PROCESS --document FILE, or see crossdock demo.",
        )

    def tell_one(told: Mapping[str, Any]) -> None:
        say_json(told) if json else _show(told)

    async def act(system: System) -> None:
        _status(state)
        if process is not None:
            await _number(system, process)
        if name is not None:
            detail = _told(await system.history.run(system.tenant, (await find_run(system, name)).id))
            tell_one(await system.shown(detail))
            return
        found = await system.history.runs(
            system.tenant, process=process, statuses=[state] if state else None, most=most
        )
        tell([asdict(row) for row in found])

    async def there(server: Client) -> None:
        _status(state)
        if name is not None:
            tell_one(await detail_there(server, name))
            return
        tell([row_of(one) async for one in server.runs(process=process, status=state, most=most)])

    with_either(Where(directory=directory, url=url, key=key), act, there, json=json)


def events(
    most: Annotated[int, typer.Option(help="So many at most", min=1, max=10_000)] = 50,
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """What no run has: events not claimed yet or refused, and what partners sent that could not be read."""

    async def act(system: System) -> None:
        parked = await system.history.parked(system.tenant, most=most)
        refused = await system.history.quarantine(system.tenant, most=most)
        unread = await Quarantine(system.database, system.inbox, system.lines).list(system.tenant, most=most)
        found = [{"fate": "unclaimed", **asdict(row)} for row in parked]
        found += [{"fate": "quarantined", **asdict(row)} for row in refused]
        for one in unread:
            told = msgspec.structs.asdict(one)
            del told["body"]  # the tower shows it
            found.append({"fate": "unread", **told})
        _tell_events(await system.shown(found), json=json)

    async def there(server: Client) -> None:
        _tell_events(await without_run_there(server, most), json=json)

    with_either(Where(directory=directory, url=url, key=key), act, there, json=json)


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
                _time(one["at"]),
                f"from {one['connection']}",
                one.get("message", ""),
                one["reason"],
            )
            if one["fate"] == "unread"
            else (
                one["id"],
                one["fate"],
                _time(one["at"]),
                one["type"],
                _about(one["event"]),
                one["reason"] or "no run names these",
            )
            for one in found
        ],
        empty="Every event has found its run.",
    )


def stands(json: bool, repair: Progress, command: str) -> None:
    """Say where a repair of many stands, and how to go on with it."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in repair.outcomes.items()) or "none yet"
    words = (
        f"repair {repair.id} is {repair.status}: {repair.sent} of {repair.counted} sent; outcomes: {outcomes}"
    )
    if repair.status in ("trial", "waiting"):
        words += f"\ngo on with the rest: crossdock {command} --proceed {repair.id}"
    done(json, asdict(repair), words)


def cancel(
    name: Name,
    reason: Annotated[str, typer.Option(help="Why, for the history")],
    directory: Directory = HERE,
    url: Url = None,
    key: Key = None,
    json: Json = False,
) -> None:
    """Cancel a run: what was done is undone, newest first."""

    async def act(system: System) -> None:
        row = await find_run(system, name)
        if row.ended is not None:
            raise Conflict(
                f"{row.process}/{row.key} is {row.status} already", mend="nothing is left to cancel"
            )
        await system.acts.runs.cancel(system.whoever(ORIGIN), row.id, reason=reason)
        done(json, {"run": row.id}, f"asked {row.process}/{row.key} to cancel")

    async def there(server: Client) -> None:
        one = await find_there(server, name)
        await server.cancel(one.id, reason=reason)
        done(json, {"run": one.id}, f"asked {one.process}/{one.key} to cancel")

    with_either(Where(directory=directory, url=url, key=key), act, there, json=json)


def replay(
    name: Annotated[str | None, typer.Argument(help="One run; all runs, without")] = None,
    most: Annotated[int, typer.Option(help="So many runs at most", min=1)] = 1000,
    directory: Directory = HERE,
    json: Json = False,
) -> None:
    """Decide the events of runs again, and compare with what is stored. Status 1 if any differs."""

    async def act(system: System) -> int:
        rows = [await find_run(system, name)] if name else await system.history.runs(system.tenant, most=most)
        differing = 0
        for row in rows:
            result = await replay_run(system.database, system.library, system.tenant, row.id)
            differing += not result.same
            if json:
                say_json({"run": row.id, "process": row.process, "key": row.key, **asdict(result)})
            elif not result.same:
                console.print(f"[red]{row.process}/{row.key} differs[/red]: {result}")
        if not json:
            console.print(f"{len(rows)} replayed, {len(rows) - differing} as stored, byte for byte")
        return differing

    if with_system(directory, act, json=json):
        raise SystemExit(1)


# -- what the commands share ---------------------------------------------------------------------------


async def _number(system: System, process: str) -> int:
    """The current version of a process. Raises `NotFound`."""
    async with system.database.of(system.tenant) as transaction:
        rows = await transaction.fetch("select name, id from crossdock.process_current")
    published: dict[str, int] = {row["name"]: row["id"] for row in rows}
    if process not in published:
        raise NotFound(f"there is no process {process}", mend=nearest(process, published))
    return published[process]


async def _process(system: System, number: int) -> Any:
    async with system.database.engine() as transaction:
        return await system.library.process(transaction, system.tenant.id, number)


async def find_run(system: System, name: str) -> RunRow:
    """The run that is known by a name, a live one first. Raises `NotFound`, `Conflict` for several."""
    process, slash, key = name.partition("/")
    found = await system.history.find(system.tenant, name)
    if not found and slash:
        found = [row for row in await system.history.find(system.tenant, key) if row.process == process]
    return chosen(found, name)


def _status(state: str | None) -> None:
    if state is not None and state not in get_args(RunStatus):
        raise Refused(f"no run is ever {state}", where="--status", mend=nearest(state, get_args(RunStatus)))


def _show(told: Mapping[str, Any]) -> None:
    row = told["run"]
    console.print(
        f"[bold]{row['process']}/{row['key']}[/bold] generation {row['generation']}: {status(row['status'])}"
    )
    if row["error"]:
        console.print(f"  [red]stopped by a decision that broke:[/red] {row['error']}")
    steps: Mapping[str, Any] = (told["state"] or {}).get("steps", {})
    table(
        "Steps, times in UTC",
        ["step", "status", "since", "due", ""],
        [
            (
                name,
                step.get("status"),
                _time(step.get("ended") or step.get("started")),
                _time(step.get("due")),
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
            (_time(line["at"]), line["event"]["type"], record.get("step"), record["what"])
            for line in told["history"]
            for record in line["records"]
        ],
        empty="Nothing has happened yet.",
    )


def _told(detail: RunDetail) -> dict[str, Any]:
    """All that is told of one run, here and by `detail_there`."""
    return {
        "run": asdict(detail.run),
        "state": msgspec.to_builtins(detail.state),
        "history": [
            msgspec.to_builtins(
                {"seq": line.seq, "at": line.at, "event": line.event, "records": line.records}
            )
            for line in detail.lines
        ],
        "aliases": dict(detail.aliases),
        "children": [asdict(child) for child in detail.children],
    }


def done(json: bool, value: dict[str, Any], words: str) -> None:
    """Say what was done: an object for scripts, words for people."""
    if json:
        say_json(value)
    else:
        console.print(words)


def _time(instant: datetime | str | None) -> str:
    if isinstance(instant, str):
        instant = datetime.fromisoformat(instant)
    return instant.astimezone(UTC).strftime("%Y-%m-%d %H:%M") if instant else ""


def _about(event: Any) -> str:
    about = event.get("about", {}) if isinstance(event, dict) else {}
    return " ".join(f"{kind}={value}" for kind, value in about.items())
