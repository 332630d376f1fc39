"""The first page: how many runs stand where, what waits for people, what happened last. And the processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crossdock.errors import NotFound
from crossdock.process import Process
from crossdock.process.source import Source
from crossdock.process.wiring import actions_of
from crossdock.tower import queries
from crossdock.tower.cases import Case, calendars_of, of_exception, of_task, ordered
from crossdock.tower.graph import does, draw
from crossdock.tower.ground import Ground
from crossdock.tower.timeline import entry, titles_of
from crossdock.tower.words import RUN_STATUS, plain, step_title

SHOWN = 6  # cases on the first page
_BAR = 200  # its width, in units of its drawing


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How the runs of one process stand: number by status, and the parts of its bar (status, from, width)."""

    process: str
    numbers: dict[str, int]
    total: int
    bar: tuple[tuple[str, float, float], ...]


def loads(rows: list[Any]) -> list[Load]:
    """One line for each process, those with most open runs first."""
    by: dict[str, dict[str, int]] = {}
    for row in rows:
        by.setdefault(row["process"], {})[row["status"]] = row["number"]
    found = []
    for process, numbers in by.items():
        total = sum(numbers.values())
        at, bar = 0.0, []
        for status in RUN_STATUS:
            width = _BAR * numbers.get(status, 0) / total
            if width:
                bar.append((status, round(at, 2), round(width, 2)))
            at += width
        found.append(Load(process=process, numbers=numbers, total=total, bar=tuple(bar)))
    return sorted(found, key=lambda load: (-_open(load.numbers), load.process))


def _open(numbers: dict[str, int]) -> int:
    return sum(numbers.get(status, 0) for status in ("active", "held", "cancelling"))


async def overview(ground: Ground, request: Request) -> Response:
    """`/`."""
    async with ground.look() as (transaction, times):
        waiting = await queries.desk_counts(transaction)
        counted = await queries.counts(transaction)
        rows = await queries.recent(transaction, limit=25)
        published = await queries.published(transaction)
        cases: list[Case] = []
        for row in await queries.tasks(transaction, limit=50):
            process = await ground.process(transaction, row["version"])
            cases.append(of_task(row, process, times))
        calendars = calendars_of(await queries.calendars(transaction))
        for row in await queries.exceptions(transaction, limit=100):
            process = await ground.process(transaction, row["version"])
            cases.append(of_exception(row, process, times, calendars))
        titles: dict[str, dict[str, str]] = {}
        for one in published:
            titles[one["name"]] = titles_of(await ground.process(transaction, one["id"]))
    numbers: Counter[str] = Counter()
    for row in counted:
        numbers[row["status"]] += row["number"]
    return await ground.page(
        request,
        "overview.html.jinja",
        times,
        waiting,
        numbers=numbers,
        loads=loads(counted),
        cases=ordered(cases)[:SHOWN],
        recent=[(row, entry(row, titles.get(row["process"], {}), times)) for row in rows],
        published=published,
    )


async def processes(ground: Ground, request: Request) -> Response:
    """`/processes`."""
    async with ground.look() as (transaction, times):
        waiting = await queries.desk_counts(transaction)
        published = await queries.published(transaction)
        counted = {load.process: load for load in loads(await queries.counts(transaction))}
        found = [(row, await ground.process(transaction, row["id"])) for row in published]
    return await ground.page(request, "processes.html.jinja", times, waiting, processes=found, loads=counted)


async def process(ground: Ground, request: Request) -> Response:
    """`/processes/{name}`, of the version `?version=` or the one that new runs take."""
    name, wanted = request.path_params["name"], request.query_params.get("version", "")
    async with ground.look() as (transaction, times):
        waiting = await queries.desk_counts(transaction)
        versions = await queries.versions(transaction, name)
        current = next((row for row in await queries.published(transaction) if row["name"] == name), None)
        number = next(
            (row["id"] for row in versions if row["version"] == wanted), current["id"] if current else None
        )
        chosen = next((row for row in versions if row["id"] == number), None)
        if chosen is None or (wanted and chosen["version"] != wanted):
            raise NotFound(f"there is no process {name} {wanted}".strip(), mend="see the published processes")
        source = await queries.source(transaction, chosen["id"]) or ""
        found = await ground.process(transaction, chosen["id"])
    return await ground.page(
        request,
        "process.html.jinja",
        times,
        waiting,
        name=name,
        process=found,
        graph=draw(found) if found is not None else None,
        steps=_steps(found) if found is not None else [],
        source=source.splitlines(),
        chosen=chosen,
        current=current,
        versions=versions,
    )


def _steps(process: Process) -> list[dict[str, str]]:
    """The table that says in words what the picture shows."""
    rows = []
    raw = Source(process.source).value["steps"]
    for name, step in process.steps.items():
        needs = list(step.needs) + ([f"one of {', '.join(step.needs_any)}"] if step.needs_any else [])
        called_by = sorted(process.triggers.get(name, ()))
        if name in process.triggers:
            needs.append(
                f"only when {', '.join(called_by)} calls for it" if called_by else "only when called for"
            )
        written = raw.get(name) or {}
        by = ", ".join(f"{word} {_words(written[word])}" for word in ("within", "by") if word in written)
        what_if = [f"{cause}: {_verb(action.verb, action.word)}" for cause, action in actions_of(step)]
        rows.append(
            {
                "name": name,
                "title": step_title(name, step.title),
                "kind": step.kind,
                "does": does(step),
                "needs": ", ".join(needs) or "the start",
                "by": by,
                "else": "; ".join(what_if),
                "undo": _undo(step.undo.kind, f"{step.undo.system}.{step.undo.operation}")
                if step.undo
                else "",
            }
        )
    return rows


def _words(written: object) -> str:
    """A deadline as it stands in the file, on one line."""
    if isinstance(written, Mapping):
        return ", ".join(f"{plain(str(name)).lower()} {value}" for name, value in written.items())
    return " ".join(str(written).split())


def _verb(verb: str, word: str) -> str:
    return f"{verb} {plain(word).lower()}" if word else verb


def _undo(kind: str, operation: str) -> str:
    return {"call": operation, "none": "nothing to undo"}.get(kind, "cannot be undone")
