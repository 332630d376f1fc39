"""Tenders that are open: planners that tell how one stands are asked, also those that neither push nor list.

Where the connector has `tender_state`, a tender is asked for until it is answered or taken back, at the
connection that its call went to. The answer is told once, whether it was pushed before or is pushed after.
They are leased as numbers on their way are (`tracking`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, LiteralString

import structlog

from crossdock.access.redaction import hidden
from crossdock.connect import Calls, Lines, Registry
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Happening, RefusedByPartner
from crossdock.engine import Inbox
from crossdock.errors import CrossdockError
from crossdock.gateway.outages import Outages
from crossdock.process import State
from crossdock.store import Database, EngineTransaction, Tenant

log = structlog.get_logger(__name__)

ASK = ("tms", "tender_state")
ASK_SECONDS = 30.0
EVERY = timedelta(minutes=5)
_MOST_WAIT = timedelta(hours=1)
_ANSWERS = frozenset({"accepted", "declined", "expired"})
_OPEN = "offered"

_DONE: LiteralString = """
update crossdock.tracking t
set leased_until = null, due = crossdock.now() + make_interval(secs => $4), failures = $5, error = $6,
    asked = case when $5 = 0 then crossdock.now() else t.asked end
where tenant = $1 and connection = $2 and what = 'tender' and number = $3
"""
_OVER: LiteralString = """
delete from crossdock.tracking where tenant = $1 and connection = $2 and what = 'tender' and number = $3
"""
_TOLD: LiteralString = """
select exists (select from crossdock.history h where h.tenant = $1 and h.run = $2 and h.type = $3
               and position(convert_to(to_json($4::text)::text, 'UTF8') in h.event) > 0)
"""


class Tenders:
    """Asks for the tenders of all tenants, one at a time."""

    def __init__(
        self,
        database: Database,
        inbox: Inbox,
        lines: Lines,
        calls: Calls,
        registry: Registry,
        outages: Outages,
    ) -> None:
        """Into that inbox, through these connections."""
        self._database = database
        self._inbox = inbox
        self._lines = lines
        self._calls = calls
        self._outages = outages
        self.connectors = [
            connector.name
            for connector in registry.connectors.values()
            if any((connector.system_of(one), one.name) == ASK for one in connector.operations)
        ]

    async def planner(self, transaction: EngineTransaction, tenant: int, state: State, number: str) -> str:
        """The connection that a tender went to, found as its call found it; empty where it is answered."""
        via = ""
        for step in state.steps.values():
            output = step.output if isinstance(step.output, dict) else {}
            if output.get("tender") == number:
                if output.get("state", _OPEN) != _OPEN:
                    return ""
                via = step.via
        await self._inbox.library.refresh(transaction, tenant)
        return self._inbox.library.shelf_of(tenant).connection(ASK[0], via, test=state.test) or ""

    async def ask(self, row: Any) -> None:
        """Ask how a leased one stands, and tell its answer."""
        tenant = Tenant(id=row["tenant"], name=row["tenant_name"])
        connection, number = row["connection"], row["number"]
        failures, refused, error, over = 0, False, "", False
        try:
            over = await self._take(tenant, row)
            self._outages.answered(tenant.name, connection=connection)
        except RefusedByPartner as problem:
            failures, refused, error = row["failures"] + 1, True, problem.message
        except CrossdockError as problem:
            failures, error = row["failures"] + 1, str(problem)
        except Exception as problem:  # noqa: BLE001 - a connector reads what others send
            failures, error = row["failures"] + 1, f"{type(problem).__name__}: {problem}"
        error = hidden(error)[:2000]
        if refused and failures == 1:
            log.warning("tracking.refused", tenant=tenant.name, connection=connection, error=error)
        elif failures and not refused:
            self._outages.failed(tenant.name, error, connection=connection)
        with contextlib.suppress(CrossdockError):  # the lease ends by itself
            kept = (await self._inbox.raw(tenant.id, error.encode())).decode() if error else ""
            async with self._database.engine() as transaction:
                if over:
                    await transaction.execute(_OVER, tenant.id, connection, number)
                else:
                    wait = min(EVERY * 2 ** min(max(failures - 1, 0), 8), _MOST_WAIT)
                    await transaction.execute(
                        _DONE, tenant.id, connection, number, wait.total_seconds(), failures, kept
                    )

    async def _take(self, tenant: Tenant, row: Any) -> bool:
        """Take in how it stands; gives whether nothing more is to be asked."""
        connection, number = row["connection"], row["number"]
        line = await self._lines.line(tenant.id, connection)
        answer = await self._calls.read(tenant.id, connection, ASK, {"tender": number}, seconds=ASK_SECONDS)
        if answer["state"] in _ANSWERS:
            happened = _happened(number, answer, row["now"])
            async with self._database.engine() as transaction:
                known = await transaction.value(_TOLD, tenant.id, row["run"], happened.type, number)
            if not known:
                await self._inbox.put(
                    tenant, arrivals([happened], line.connector, connection, f"tender/{number}")
                )
        return answer["state"] in {*_ANSWERS, "withdrawn"}


def _happened(number: str, answer: Mapping[str, Any], now: datetime) -> Happening:
    """The answer as an event. Where the planner says no time, it happened `now`."""
    state, answered = answer["state"], answer.get("answered")
    data = {"number": number, "state": state}
    if answer.get("reason"):
        data["reason"] = answer["reason"]
    if answer.get("carrier"):
        data["carrier"] = {"id": answer["carrier"], "roles": ["carrier"]}
    return Happening(
        id=answer.get("event") or f"tender/{number}/{state}",
        type=f"tender.{state}",
        time=datetime.fromisoformat(answered) if answered else now,
        data=data,
    )
