"""The desk: one queue of approvals, tasks and exceptions, due soonest first. And events that found no run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crossdock.tower import queries
from crossdock.tower.ground import Ground
from crossdock.tower.pages.cases import MOST, Case, calendars_of, of_exception, of_task, ordered
from crossdock.tower.telling import facts
from crossdock.tower.telling.timeline import entry, titles_of
from crossdock.tower.telling.times import instant_of

PAGE = 30
KINDS = ("approve", "task", "exception")


async def desk(ground: Ground, request: Request) -> Response:
    """`/desk`, with `?kind=`, `?type=` and `?owner=` as filters."""
    query = request.query_params
    kind = query.get("kind", "") if query.get("kind", "") in KINDS else ""
    type_, owner, page = query.get("type", ""), query.get("owner", ""), query.get("page", "")
    number = max(1, int(page)) if page.isdigit() and len(page) < 6 else 1
    async with ground.look() as (transaction, times):
        waiting = await queries.desk_counts(transaction)
        types = await queries.exception_types(transaction)
        cases: list[Case] = []
        if kind != "exception" and not type_:
            for row in await queries.tasks(transaction, limit=MOST):
                process = await ground.process(transaction, row["version"])
                cases.append(of_task(row, process, times))
        if kind in ("", "exception"):
            calendars = calendars_of(await queries.calendars(transaction))
            for row in await queries.exceptions(transaction, type_=type_, limit=MOST):
                process = await ground.process(transaction, row["version"])
                cases.append(of_exception(row, process, times, calendars))
    owners = sorted({case.owner for case in cases if case.owner})
    shown = [c for c in cases if (not kind or c.kind == kind) and (not owner or c.owner == owner)]
    first = (number - 1) * PAGE
    return await ground.page(
        request,
        "desk.html.jinja",
        times,
        waiting,
        cases=ordered(shown)[first : first + PAGE],
        found=len(shown),
        late=sum(1 for case in shown if case.due is not None and times.late(case.due)),
        capped=max(waiting["tasks"], waiting["exceptions"]) > MOST,
        number=number,
        pages=-(-len(shown) // PAGE),
        state={"kind": kind, "type": type_, "owner": owner},
        types=types,
        owners=owners,
    )


async def one_task(
    ground: Ground, request: Request, id_: str, typed: Mapping[str, str], problems: list[str]
) -> Response | None:
    """A task alone, as it was filled in, with what is wrong. None when it is not open any more."""
    async with ground.look() as (transaction, times):
        waiting = await queries.desk_counts(transaction)
        rows = await queries.tasks(transaction, id_=id_, limit=1)
        if not rows:
            return None
        process = await ground.process(transaction, rows[0]["version"])
    return await ground.page(
        request,
        "case.html.jinja",
        times,
        waiting,
        status=422,
        case=of_task(rows[0], process, times, typed),
        typed=typed,
        problems=problems,
    )


async def events(ground: Ground, request: Request) -> Response:
    """`/events`: what nobody claimed, what was refused, what was decided last."""
    async with ground.look() as (transaction, times):
        waiting = await queries.desk_counts(transaction)
        parked = await queries.parked(transaction)
        refused = await queries.quarantined(transaction)
        recent = await queries.recent(transaction, limit=100)
        titles = {
            row["name"]: titles_of(await ground.process(transaction, row["id"]))
            for row in await queries.published(transaction)
        }
    return await ground.page(
        request,
        "events.html.jinja",
        times,
        waiting,
        parked=[(row, _arrived(row["event"])) for row in parked],
        refused=[(row, _arrived(row["event"])) for row in refused],
        recent=[(row, entry(row, titles.get(row["process"], {}), times)) for row in recent],
    )


def _arrived(data: bytes) -> dict[str, Any]:
    """What an event says of itself. Evidence that is no event shows as it is."""
    try:
        event = msgspec.json.decode(data)
    except msgspec.DecodeError:
        event = None
    if not isinstance(event, dict):
        return {"source": "", "happened": None, "about": [], "text": data.decode(errors="replace")[:20_000]}
    about = event.get("about")
    return {
        "source": str(event.get("source", "")),
        "happened": instant_of(event.get("time")),
        "about": sorted((str(k), str(v)) for k, v in about.items()) if isinstance(about, dict) else [],
        "text": facts.pretty(event.get("data", event))[:20_000],
    }
