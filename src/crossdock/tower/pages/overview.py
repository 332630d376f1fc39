"""The first page: how many runs stand where, what waits for people, what happened last."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from crossdock.tower import queries
from crossdock.tower.ground import Ground
from crossdock.tower.pages.cases import Case, calendars_of, of_exception, of_task, ordered
from crossdock.tower.telling.timeline import entry, titles_of
from crossdock.tower.telling.words import RUN_STATUS

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
    """`/`. Whoever sees no runs has the desk instead."""
    if not (await ground.person(request)).may("run.read"):
        return RedirectResponse(f"{request.scope.get('root_path', '')}/desk", status_code=303)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        counted, old = await ground.counts.of(transaction)
        recent = await queries.recent(transaction, limit=25)
        rows = await ground.visible(request, "run.read", recent, of="event")
        counted = await ground.visible(request, "run.read", counted)
        published = await queries.published(transaction)
        cases: list[Case] = []
        for row in await ground.visible(request, "task.read", await queries.tasks(transaction, limit=50)):
            process = await ground.process(transaction, row["version"])
            cases.append(of_task(row, process, times))
        calendars = calendars_of(await queries.calendars(transaction))
        exceptions = await queries.exceptions(transaction, limit=100)
        for row in await ground.visible(request, "exception.read", exceptions):
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
        old=old,
        cases=ordered(cases)[:SHOWN],
        recent=[(row, entry(row, titles.get(row["process"], {}), times)) for row in rows],
        published=published,
    )
