"""What stands otherwise in one system than in another, or here: both sides, and what to do."""

from __future__ import annotations

from collections import Counter
from typing import LiteralString

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from crossdock.errors import Conflict, CrossdockError, Forbidden, NotFound
from crossdock.tower.ground import Ground, Person
from crossdock.tower.guard import Notice
from crossdock.tower.pages.act import back, doing, sentence

PAGE = 100
STATES = {"open": "stand", "waiting": "may be in flight", "gone": "are over"}

_LAST: LiteralString = """
select ran, due, failed, compared from crossdock.reconciliation where tenant = crossdock.tenant()
"""
_KINDS: LiteralString = """
select kind, connection, count(*) filter (where gone is null and told <> 'waiting')::int as open
from crossdock.difference where tenant = crossdock.tenant() group by 1, 2 order by 1
"""
_SYSTEMS: LiteralString = """
select distinct s.name from crossdock.difference d
cross join lateral (values (d.connection), (d.against)) s(name)
where d.tenant = crossdock.tenant() and s.name <> '' order by 1
"""
_SHOWN: LiteralString = """
select d.*, x.run_process, x.run_key, x.run_generation
from crossdock.difference d
left join lateral (
  select r.process as run_process, r.key as run_key, r.generation as run_generation
  from crossdock.run r
  where r.tenant = d.tenant and r.process = 'settle-difference' and r.key = d.kind || '/' || d.about
  order by r.id desc limit 1
) x on true
where d.tenant = crossdock.tenant()
  and ($1 = '' or d.kind = $1) and ($2 = '' or $2 in (d.connection, d.against))
  and case $3 when 'gone' then d.gone is not null when 'waiting' then d.told = 'waiting'
      else d.gone is null and d.told <> 'waiting' end
order by coalesce(d.gone, d.found) desc, d.id desc limit $4
"""


async def differences(ground: Ground, request: Request) -> Response:
    """`/differences`: what differs, by kind and system."""
    asked = request.query_params
    kind, system = (asked.get(name, "").replace("\0", "")[:200] for name in ("kind", "system"))
    state = asked.get("state", "open")
    state = state if state in STATES else "open"
    async with ground.look() as (transaction, times):
        waiting = await ground.waiting(request, transaction)
        last = await transaction.row(_LAST)
        kinds: Counter[str] = Counter()
        counted = await transaction.fetch(_KINDS)
        for row in await ground.visible(request, "exception.read", counted, of="difference"):
            kinds[row["kind"]] += row["open"]
        systems = [row["name"] for row in await transaction.fetch(_SYSTEMS)]
        rows = await transaction.fetch(_SHOWN, kind, system, state, PAGE + 1)
        more = len(rows) > PAGE
        rows = await ground.visible(request, "exception.read", rows[:PAGE], of="difference")
    return await ground.page(
        request,
        "differences.html.jinja",
        times,
        waiting,
        last=last,
        failed=msgspec.json.decode(last["failed"]) if last is not None else {},
        compared=msgspec.json.decode(last["compared"]) if last is not None else {},
        kinds=[{"kind": one, "open": many} for one, many in kinds.most_common()],
        systems=systems,
        states=STATES,
        rows=rows,
        more=more,
        kind=kind,
        system=system,
        state=state,
    )


@doing
async def mend(ground: Ground, request: Request, person: Person, fields: dict[str, str]) -> Response:
    """`POST /differences`: take in what was lost on its way."""
    number = fields.get("difference", "").replace("\0", "")[:700]
    where = {"back": fields.get("back", "") or "/differences"}
    try:
        events = await ground.acts.reconciliation.mend(person.principal, number)
    except Forbidden:
        raise
    except (NotFound, Conflict) as error:
        return back(request, where, Notice("wait", sentence(error.message)))
    except CrossdockError as error:
        return back(request, where, Notice("bad", sentence(error.message)))
    count = f"{events} event{'' if events == 1 else 's'}"
    said = f"Taken in: {count}. The next comparison shows what came of it."
    return back(request, where, Notice("good", said))
