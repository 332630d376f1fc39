"""What every act stands on: who may, on which thing of their tenant, what the audit says of it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, LiteralString
from uuid import uuid4

import msgspec

from crossdock.access import Policies, Principal, Resource
from crossdock.access.audit import Audit
from crossdock.access.resource import Value
from crossdock.engine import Arrival, History, Inbox
from crossdock.engine.history import Line
from crossdock.errors import NotFound, Refused
from crossdock.process.messages import Actor, Record
from crossdock.store import Database, EngineTransaction, Last, Tenant, TenantTransaction

LONGEST_NOTE = 2000
REFUSALS = frozenset(
    {
        "decision.refused",
        "repair.refused",
        "cancel.refused",
        "redo.refused",
        "run.move_refused",
        "step.retry_refused",
        "step.skip_refused",
        "step.supply_refused",
    }
)

_RUN: LiteralString = """
select id, process, key, generation, status, seq, ended, error, state
from crossdock.run where tenant = crossdock.tenant() and id = $1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run, as far as an act on it has to know. `seq`: how often it has decided."""

    id: int
    process: str
    key: str
    generation: int
    status: str
    seq: int
    ended: bool
    stopped: bool  # by a decision that broke
    state: bytes | None

    @property
    def name(self) -> str:
        """As people call it."""
        return f"{self.process}/{self.key}"

    def resource(self, attributes: Mapping[str, Value] | None = None) -> Resource:
        """As a decision about it sees it."""
        about: dict[str, Value] = {"process": self.process, "status": self.status, **(attributes or {})}
        return Resource(kind="run", id=str(self.id), attributes=about)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A run was asked to do something; its own decision says what comes of it.

    `event` and `source` name the event; `after` is how often the run had decided before. `again`: the same
    was asked before, and is not done twice.
    """

    run: int
    event: str
    source: str
    after: int
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What came of it. `refusal` says why not, where the run did not take it."""

    line: Line
    refusal: str = ""


@dataclass(slots=True, kw_only=True)
class Ground:
    """What acts are given."""

    database: Database
    policies: Policies
    audit: Audit
    inbox: Inbox
    history: History
    _tenants: dict[int, Tenant] = field(default_factory=dict)

    async def tenant(self, by: Principal) -> Tenant:
        """The tenant of whoever acts: there is no other way to name one."""
        found = self._tenants.get(by.tenant)
        if found is None:
            for one in await self.database.tenants():
                self._tenants[one.id] = one
            found = self._tenants.get(by.tenant)
        if found is None:
            raise NotFound("this tenant is not there", mend="sign in again")
        return found

    @asynccontextmanager
    async def look(self, by: Principal) -> AsyncIterator[TenantTransaction]:
        """A transaction that sees what is of the tenant of whoever acts."""
        async with self.database.of(await self.tenant(by)) as transaction:
            yield transaction

    async def run(self, by: Principal, number: int) -> Run:
        """A run of that tenant. Raises `NotFound`."""
        row = None
        if 0 < number < 2**63:
            async with self.look(by) as transaction:
                row = await transaction.row(_RUN, number)
        if row is None:
            raise NotFound(f"there is no run {number}", mend="see the runs")
        return Run(
            id=row["id"],
            process=row["process"],
            key=row["key"],
            generation=row["generation"],
            status=row["status"],
            seq=row["seq"],
            ended=row["ended"] is not None,
            stopped=row["error"] is not None,
            state=row["state"],
        )

    def noted(
        self,
        by: Principal,
        action: str,
        resource: Resource,
        *,
        why: str = "",
        before: Any = None,
        after: Any = None,
        made: str = "",
    ) -> Last:
        """The entry in the audit, to be made last in the transaction of the act."""

        async def last(transaction: EngineTransaction) -> None:
            await self.audit.record(
                transaction,
                by,
                action,
                resource,
                why=why,
                before=before,
                after=after,
                tenant=by.tenant,
                made=made,
            )

        return last

    async def tell(
        self,
        by: Principal,
        run: Run,
        action: str,
        type_: str,
        data: Mapping[str, Any],
        *,
        once: str = "",
        actor: Actor | None = None,
        resource: Resource | None = None,
    ) -> Asked:
        """Put an event for one run. `once` names the deed: the same one again changes nothing."""
        arrival = Arrival(
            id=_name(run, type_, once) if once else str(uuid4()),
            source=f"desk/{by.id}",
            type=type_,
            data=dict(data),
            actor=actor or by.actor(),
        )
        tenant = await self.tenant(by)
        (arrival,) = await self.inbox.sealed(tenant, [arrival], run.id)
        last = self.noted(
            by,
            action,
            resource or run.resource(),
            why=str(arrival.data.get("note") or arrival.data.get("reason") or ""),
            after={"event": arrival.id, "type": type_, **_told(arrival.data)},
            made=f"{run.id} {arrival.id}",
        )
        receipt = await self.inbox.tell(tenant, run.id, arrival, last=last)
        return Asked(
            run=run.id,
            event=arrival.id,
            source=arrival.source,
            after=run.seq,
            again=receipt.fate == "duplicate",
        )

    async def told(self, by: Principal, run: Run, type_: str, once: str) -> Asked | None:
        """What `tell` gave for a deed that was done before under this name; None where it was not."""
        if not once:
            return None
        arrival = Arrival(id=_name(run, type_, once), source=f"desk/{by.id}", type=type_)
        if not await self.inbox.knows(await self.tenant(by), arrival):
            return None
        return Asked(run=run.id, event=arrival.id, source=arrival.source, after=0, again=True)

    async def outcome(self, by: Principal, asked: Asked, *, within: float = 2.0) -> Told | None:
        """What the run has decided about it; None where it has not within so many seconds."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + within, 0.03
        tenant = await self.tenant(by)
        while True:
            for line in await self.history.decided(tenant, asked.run, asked.after):
                if (line.event.id, line.event.source) == (asked.event, asked.source):
                    refused = [one for one in line.records if one.what in REFUSALS]
                    reason = "; ".join(_why(one) for one in refused)
                    return Told(line=line, refusal=reason or ("it was not taken" if refused else ""))
            if loop.time() >= until:
                return None
            await asyncio.sleep(pause)
            pause = min(0.25, pause * 1.5)


def _name(run: Run, type_: str, once: str) -> str:
    return hashlib.sha256(f"{run.id}/{type_}/{once}".encode()).hexdigest()[:24]


def _why(refused: Record) -> str:
    """Why a run did not take it; of a move, also where in the run that stands."""
    reason = str(refused.data.get("reason", ""))
    return f"{refused.step}: {reason}" if refused.what == "run.move_refused" and refused.step else reason


def note_of(text: str) -> str:
    """What was written beside an act. Raises `Refused` where it is too long."""
    if len(text) > LONGEST_NOTE:
        raise Refused(f"the note has more than {LONGEST_NOTE:,} letters", where="note", mend="shorten it")
    return text.strip()


def needs(text: str, what: Literal["note", "reason"] = "note") -> str:
    """The same, where one is needed."""
    if not text.strip():
        raise Refused("nothing says why", where=what, mend="give a reason: it stays with the run")
    return note_of(text)


def _told(data: Mapping[str, Any]) -> dict[str, Any]:
    """Of the event's data what the audit keeps: what was given by hand is in the history of the run."""
    kept = {
        k: v for k, v in data.items() if k not in ("note", "reason", "output", "form") and v not in ("", None)
    }
    for name in ("output", "form"):
        if data.get(name) is not None:
            kept[f"{name}_sha256"] = hashlib.sha256(
                msgspec.json.encode(data[name], order="sorted")
            ).hexdigest()
    return kept
