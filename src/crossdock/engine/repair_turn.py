"""A worker's turn at repairs of many: sends what is due, and writes down what became of what was sent."""

from __future__ import annotations

from typing import Any, LiteralString

import msgspec

from crossdock.engine.correlate import RunRef, encode_event
from crossdock.engine.moves import came_of
from crossdock.engine.release import release, stored_state
from crossdock.engine.repair import Action
from crossdock.process import State
from crossdock.process.messages import (
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    RUN_MOVE,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    Actor,
    Event,
)
from crossdock.process.state import ENDED_RUN, ENDED_STEP
from crossdock.store import Database, EngineTransaction

_TYPES: dict[str, str] = {
    "close": EXCEPTION_CLOSE,
    "retry": STEP_RETRY,
    "supply": STEP_SUPPLY,
    "skip": STEP_SKIP,
    "redo": STEP_REDO,
    "move": RUN_MOVE,
    "cancel": RUN_CANCEL,
}

_OPEN: LiteralString = """
select tenant, id, by, action, status, trial, rate, counted, sent,
       extract(epoch from statement_timestamp() - last)::float8 as since
from crossdock.repair where status in ('trial', 'running')
order by last for update skip locked limit 20
"""

_NEXT: LiteralString = """
select n, run, step, exception from crossdock.repair_item
where tenant = $1 and repair = $2 and sent is null order by n limit $3
"""

_SEND: LiteralString = """
with k as (
  select k.n, k.run, k.event, nextval('crossdock.inbox_id') as id
  from unnest($3::int[], $4::bigint[], $5::bytea[]) as k(n, run, event)
), i as (
  insert into crossdock.inbox (tenant, run, id, event) select $1, run, id, event from k
)
update crossdock.repair_item t set sent = crossdock.now(), inbox = k.id
from k where t.tenant = $1 and t.repair = $2 and t.n = k.n
"""

_AHEAD: LiteralString = """
with first as (
  select t.n, t.run, t.inbox, (select min(a.id) from crossdock.aside a
    where a.tenant = t.tenant and a.run = t.run) - 1 as id
  from crossdock.repair_item t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
  where t.tenant = $1 and t.repair = $2 and t.n = any ($3::int[]) and r.error is not null
), i as (
  update crossdock.inbox i set id = f.id from first f
  where i.tenant = $1 and i.run = f.run and i.id = f.inbox and f.id is not null
)
update crossdock.repair_item t set inbox = coalesce(f.id, f.inbox) from first f
where t.tenant = $1 and t.repair = $2 and t.n = f.n returning t.run
"""

_SENT: LiteralString = """
update crossdock.repair set sent = sent + $3, last = statement_timestamp(),
  status = case when sent + $3 >= counted then 'done'
                when status = 'trial' and sent + $3 >= trial then 'waiting' else status end
where tenant = $1 and id = $2
"""

_JUDGE: LiteralString = """
select t.tenant, t.repair, t.n, t.run, t.step, t.exception, r.status, r.error, r.state, p.action
from crossdock.repair_item t join crossdock.run r on r.tenant = t.tenant and r.id = t.run
join crossdock.repair p on p.tenant = t.tenant and p.id = t.repair
where t.outcome is null and t.sent is not null
  and not exists (select 1 from crossdock.inbox i where i.tenant = t.tenant and i.run = t.run
    and i.id = t.inbox)
limit 500
"""

_JUDGED: LiteralString = """
update crossdock.repair_item t set outcome = k.outcome, detail = k.detail
from unnest($1::int[], $2::bigint[], $3::int[], $4::text[], $5::text[])
  as k(tenant, repair, n, outcome, detail)
where t.tenant = k.tenant and t.repair = k.repair and t.n = k.n
"""


class RepairTurn:
    """The repairs that are under way, in small steps; any worker may take the next one."""

    def __init__(self, database: Database) -> None:
        """Of that database."""
        self._database = database

    async def go_on(self) -> set[RunRef]:
        """Send what is due of the repairs that are under way, and see what became of what was sent."""
        touched: set[RunRef] = set()
        async with self._database.engine() as transaction:
            for repair in await transaction.fetch(_OPEN):
                touched |= await self._send(transaction, repair)
        await self._judge()
        return touched

    async def _send(self, transaction: EngineTransaction, repair: Any) -> set[RunRef]:
        if repair["status"] == "trial":
            most = repair["trial"] - repair["sent"]
        else:
            most = min(int(repair["since"] * repair["rate"]), 1000)
        items = await transaction.fetch(_NEXT, repair["tenant"], repair["id"], most)
        if not items:
            return set()
        now = await transaction.value("select crossdock.now()")
        action = msgspec.json.decode(repair["action"], type=Action)
        if action.act == "release":
            for item in items:
                await release(transaction, repair["tenant"], item["run"], again=True, lenient=True)
            await transaction.execute(
                "update crossdock.repair_item set sent = crossdock.now() "
                "where tenant = $1 and repair = $2 and n = any ($3::int[])",
                repair["tenant"],
                repair["id"],
                [item["n"] for item in items],
            )
        else:
            events = [
                encode_event(
                    Event(
                        id=f"repair/{repair['id']}/{item['n']}",
                        source="engine/repair",
                        type=_TYPES[action.act],
                        time=now,
                        received=now,
                        now=now,
                        data=_data(action, item["step"], item["exception"]),
                        actor=action.actor or Actor(id=repair["by"]),
                    )
                )
                for item in items
            ]
            await transaction.execute(
                _SEND,
                repair["tenant"],
                repair["id"],
                [item["n"] for item in items],
                [item["run"] for item in items],
                events,
            )
            if action.act == "move":
                await self._ahead(transaction, repair["tenant"], repair["id"], items)
        await transaction.execute(_SENT, repair["tenant"], repair["id"], len(items))
        return {RunRef(repair["tenant"], item["run"]) for item in items}

    async def _ahead(
        self, transaction: EngineTransaction, tenant: int, repair: int, items: list[Any]
    ) -> None:
        """Release the runs that a decision has stopped, with their move before what stopped them."""
        runs = await transaction.fetch(_AHEAD, tenant, repair, [item["n"] for item in items])
        for row in runs:
            await release(transaction, tenant, row["run"], again=True, lenient=True)

    async def _judge(self) -> None:
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_JUDGE)
            judged = []
            for row in rows:
                state = await stored_state(transaction, row["tenant"], row["state"])
                action = msgspec.json.decode(row["action"], type=Action)
                if action.act == "move":
                    verdict = await came_of(transaction, row, action.version, state)
                else:
                    verdict = _verdict(row, state)
                if verdict is not None:
                    judged.append((row["tenant"], row["repair"], row["n"], *verdict))
            if judged:
                await transaction.execute(_JUDGED, *zip(*judged, strict=True))


def _verdict(row: Any, state: State | None) -> tuple[str, str] | None:
    """What became of a run after its repair was decided; None while its step is still at work."""
    if row["error"] is not None:
        return "stopped", row["error"]
    if row["status"] in ENDED_RUN:
        return "mended" if row["status"] == "completed" else "ended", row["status"]
    if state is None:
        return None
    step = state.steps.get(row["step"])
    if step is not None and step.status == "held":
        return "held", step.reason
    if row["exception"] in state.exceptions:
        return "refused", f"the step is {step.status}" if step is not None else "it has no step"
    if step is None:
        return ("held", "") if row["status"] == "held" else ("mended", row["status"])
    return ("mended", step.status) if step.status in {*ENDED_STEP, "waiting"} else None


def _data(action: Action, step: str, exception: str) -> dict[str, Any]:
    if action.act == "close":
        return {"exception": exception, "action": "close", "note": action.note}
    if action.act == "cancel":
        return {"reason": action.note or "cancelled by a repair"}
    if action.act == "move":
        return {"version": action.version, "note": action.note}
    data: dict[str, Any] = {"step": action.step or step, "note": action.note}
    if exception:
        data["exception"] = exception
    if action.act == "supply":
        data["output"] = action.output
    return data
