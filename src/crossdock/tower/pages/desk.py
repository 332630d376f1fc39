"""The desk: one queue of approvals, tasks and exceptions, due soonest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from crossdock.tower import causes, queries
from crossdock.tower.ground import Ground
from crossdock.tower.pages.cases import MOST, Case, calendars_of, of_exception, of_task, ordered
from crossdock.tower.pages.numbers import page_of

PAGE = 30  # cards
ROWS = 100  # of the list, which says less of each
TOGETHER = 3  # open exceptions of one cause that are worth a word
KINDS = ("approve", "task", "exception")


async def desk(ground: Ground, request: Request) -> Response:
    """`/desk`, with `?kind=`, `?type=` and `?owner=` as filters; `?view=list` is the dense one."""
    query = request.query_params
    kind = query.get("kind", "") if query.get("kind", "") in KINDS else ""
    type_, owner, page = query.get("type", ""), query.get("owner", ""), query.get("page", "")
    view = "list" if query.get("view", "") == "list" else ""
    number = page_of(page)
    person = await ground.person(request)
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        found = []
        if person.may("exception.read"):
            found = await causes.causes(transaction, partial(ground.visible, request))
        read: list[int] = []
        cases: list[Case] = []
        if kind != "exception" and not type_:
            tasks = await queries.tasks(transaction, limit=MOST)
            read.append(len(tasks))
            if person.may("task.read"):  # others see what asks for a role of theirs, below
                tasks = await ground.visible(request, "task.read", tasks)
            for row in tasks:
                process = await ground.process(transaction, row["version"])
                cases.append(of_task(row, process, times))
        if not person.may("task.read"):
            cases = [case for case in cases if person.has(case.role) or person.has(case.owner)]
        if kind in ("", "exception") and person.may("exception.read"):
            calendars = calendars_of(await queries.calendars(transaction))
            exceptions = await queries.exceptions(transaction, type_=type_, limit=MOST)
            read.append(len(exceptions))
            for row in await ground.visible(request, "exception.read", exceptions):
                process = await ground.process(transaction, row["version"])
                cases.append(of_exception(row, process, times, calendars))
    owners = sorted({case.owner for case in cases if case.owner})
    shown = [c for c in cases if (not kind or c.kind == kind) and (not owner or c.owner == owner)]
    size = ROWS if view else PAGE
    first = (number - 1) * size
    return await ground.page(
        request,
        "desk.html.jinja",
        times,
        waiting,
        cases=ordered(shown)[first : first + size],
        found=len(shown),
        late=sum(1 for case in shown if case.due is not None and times.late(case.due)),
        capped=max(read, default=0) >= MOST,
        number=number,
        pages=-(-len(shown) // size),
        state={"kind": kind, "type": type_, "owner": owner, "view": view},
        types=_types(found),
        together=[row for row in found if row["number"] >= TOGETHER and type_ in ("", row["type"])][:3],
        owners=owners,
    )


def _types(found: Sequence[Any]) -> list[tuple[str, int]]:
    """The types of open exceptions with their numbers, most first."""
    numbers: Counter[str] = Counter()
    for row in found:
        numbers[row["type"]] += row["number"]
    return numbers.most_common()


async def one_task(
    ground: Ground, request: Request, id_: str, typed: Mapping[str, str], problems: list[str]
) -> Response | None:
    """A task alone, as it was filled in, with what is wrong. None when it is not open any more."""
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
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
