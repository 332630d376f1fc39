"""The table of runs: filtered, found by any number, paged, as a file; the address says what it shows."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from crossdock.access import Resource
from crossdock.tower import queries
from crossdock.tower.addresses import run_page
from crossdock.tower.ground import Ground
from crossdock.tower.pages.numbers import whole
from crossdock.tower.queries import RunFilter
from crossdock.tower.telling.words import RUN_STATUS

PAGE = 50
_EXPORTED = 1000  # rows a query
_COLUMNS = ("process", "key", "generation", "status", "started", "changed", "ended", "exceptions", "tasks")


def filter_of(request: Request) -> RunFilter:
    """What the address asks for."""
    query = request.query_params
    return RunFilter(
        status=query.get("status", ""),
        process=query.get("process", ""),
        number=query.get("q", "").replace("\0", "").strip()[:200],
    )


async def table(ground: Ground, request: Request) -> Response:
    """`/runs`."""
    chosen = filter_of(request)
    before, after = _number(request, "before"), _number(request, "after")
    why: dict[int, tuple[str, str]] = {}
    newer = older = 0
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        processes = [row["name"] for row in await queries.published(transaction)]
        if chosen.number:
            rows, why = await queries.find(transaction, chosen)
        else:
            rows = await queries.runs(transaction, chosen, before=before, after=after, limit=PAGE + 1)
            more = len(rows) > PAGE
            rows = rows[-PAGE:] if after else rows[:PAGE]
            if rows:
                older = rows[-1]["id"] if more or after else 0
                newer = rows[0]["id"] if before or (after and more) else 0
        rows = await ground.with_open(request, transaction, await ground.visible(request, "run.read", rows))
    return await ground.page(
        request,
        "runs.html.jinja",
        times,
        waiting,
        chosen=chosen,
        state={"status": chosen.status, "process": chosen.process, "q": chosen.number},
        processes=processes,
        statuses=list(RUN_STATUS),
        rows=rows,
        why=why,
        newer=newer,
        older=older,
    )


async def export(ground: Ground, request: Request) -> Response:
    """`/runs.csv`: all rows of the filtered table, not its page alone."""
    chosen = filter_of(request)
    return StreamingResponse(
        _lines(ground, request, chosen),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="runs.csv"'},
    )


async def _lines(ground: Ground, request: Request, chosen: RunFilter) -> AsyncIterator[str]:
    yield _line(_COLUMNS)
    before = 0
    while True:
        # A transaction for each piece: a slow reader holds no snapshot open.
        async with ground.look() as (transaction, times):
            if chosen.number:
                rows, _ = await queries.find(transaction, chosen, limit=_EXPORTED)
            else:
                rows = await queries.runs(transaction, chosen, before=before, limit=_EXPORTED)
            seen = await ground.visible(request, "run.read", rows)
            seen = await ground.with_open(request, transaction, seen)
        yield "".join(
            _line(
                (
                    row["process"],
                    row["key"],
                    row["generation"],
                    row["status"],
                    times.iso(row["created"]),
                    times.iso(row["changed"]),
                    times.iso(row["ended"]) if row["ended"] else "",
                    row["open_exceptions"],
                    row["open_tasks"],
                )
            )
            for row in seen
        )
        if chosen.number or len(rows) < _EXPORTED:
            return
        if not (person := await ground.again(request)).may("run.read"):  # then the file breaks off
            await ground.acts.policies.require(person.principal, "run.read", Resource(kind="run"))
        before = rows[-1]["id"]


def _line(values: tuple[Any, ...]) -> str:
    """One line of CSV. A text that a spreadsheet would take for a formula is written as text."""
    safe = [f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" else value for value in values]
    out = io.StringIO()
    csv.writer(out).writerow(safe)
    return out.getvalue()


def _number(request: Request, name: str) -> int:
    return whole(request.query_params.get(name, "")) or 0


def page_of(row: Any) -> str:
    """The page of the run in a row."""
    return run_page(row["process"], row["key"], row["generation"])
