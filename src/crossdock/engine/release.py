"""A run that a broken decision has stopped goes on: its events that were set aside come back to its inbox."""

from __future__ import annotations

from typing import LiteralString

from crossdock.engine.payloads import put_back
from crossdock.errors import Conflict
from crossdock.process import State, decode_state
from crossdock.store import EngineTransaction

_RELEASE: LiteralString = """
with a as (
  delete from crossdock.aside where tenant = $1 and run = $2 and ($3 or error is null)
  returning tenant, run, id, event
), i as (
  insert into crossdock.inbox (tenant, run, id, event) select tenant, run, id, event from a
), d as (
  delete from crossdock.aside where tenant = $1 and run = $2 and not $3 and error is not null
  returning tenant, error, event
)
insert into crossdock.quarantine (tenant, type, reason, event) select tenant, 'aside', error, event from d
"""


async def release(
    transaction: EngineTransaction, tenant: int, run: int, *, again: bool, lenient: bool = False
) -> None:
    """Let the run go on: with the event that stopped it, or without (`again`), which goes to quarantine.

    Raises `Conflict` when it is not stopped; `lenient` leaves it as it is then.
    """
    row = await transaction.row(
        "select state from crossdock.run where tenant = $1 and id = $2 and error is not null for update",
        tenant,
        run,
    )
    if row is None:
        if lenient:
            return
        raise Conflict(f"run {run} is not stopped", mend="see the stopped runs")
    state = await stored_state(transaction, tenant, row["state"])
    await transaction.execute(
        "update crossdock.run set error = null, status = $3, wake_at = $4 where tenant = $1 and id = $2",
        tenant,
        run,
        state.status if state else "active",
        state.wake if state else None,
    )
    await transaction.execute(_RELEASE, tenant, run, again)


async def stored_state(transaction: EngineTransaction, tenant: int, data: bytes | None) -> State | None:
    """The state of a run as its row has it, with the large parts that were taken out."""
    return None if data is None else decode_state((await put_back(transaction, tenant, data))[0])
