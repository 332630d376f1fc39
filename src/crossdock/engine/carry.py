"""Carrying out what a decision asks for: each command becomes rows, in the transaction of its decision."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, LiteralString

from crossdock.engine.aliases import Wanted
from crossdock.engine.correlate import ParentRef, Routing
from crossdock.engine.write import Columns
from crossdock.process import Decision, Process, State
from crossdock.process.messages import (
    CALL_ENDED,
    CHILD_ENDED,
    EXCEPTION_CLOSE,
    NO_CONNECTION,
    RUN_START,
    Call,
    Claim,
    Command,
    Emit,
    Event,
    Retry,
    StartChild,
    Tell,
    Withdraw,
)
from crossdock.store import EngineTransaction

_CHILDREN: LiteralString = """
select k.n, r.id
from unnest($1::int[], $2::int[], $3::bigint[], $4::text[], $5::text[], $6::int[])
  as k(n, tenant, parent, step, item, redo)
join crossdock.run r on r.tenant = any(array[k.tenant]) and r.parent = any(array[k.parent])
  and r.parent_step = any(array[k.step]) and r.parent_redo = k.redo
  and (k.item = '' or r.parent_item = k.item)
order by k.n, r.id
"""


def engine_event(
    run: int, type_: str, data: Any, now: datetime, reference: int, about: dict[str, str] | None = None
) -> Event:
    """An event that the engine itself makes for a run. Its name repeats in no run: `now` differs."""
    return Event(
        id=f"{run}/{type_}/{now.timestamp():.6f}",
        source="engine",
        type=type_,
        time=now,
        received=now,
        now=now,
        data=data,
        reference=reference,
        about=about or {},
    )


@dataclass(slots=True)
class Carrier:
    """Gathers the commands of a batch for `columns` and `routing`; `finish` does what needs the database."""

    transaction: EngineTransaction
    routing: Routing
    columns: Columns
    _children: list[tuple[int, int, State, StartChild]] = field(default_factory=list)
    _tells: list[tuple[int, int, State, Tell, int]] = field(default_factory=list)
    _emits: list[tuple[int, State, Emit]] = field(default_factory=list)
    _claims: list[Wanted] = field(default_factory=list)

    def take(self, tenant: int, run: int, parent: int | None, process: Process, decision: Decision) -> None:
        """Note what one decision asks for."""
        state = decision.state
        for n, command in enumerate(decision.commands):
            self._take(tenant, run, parent, process, state, command, n)

    def _take(
        self,
        tenant: int,
        run: int,
        parent: int | None,
        process: Process,
        state: State,
        command: Command,
        n: int,
    ) -> None:
        columns = self.columns
        match command:
            case Call():
                self._call(tenant, run, state, command)
            case Claim(kind=kind, value=value):
                # The run's own key was claimed when the run was made.
                if kind != process.kind or value != state.key:
                    self._claims.append(Wanted(tenant, run, process.name, kind, value))
            case Retry(id=id_, at=at, doubt=doubt):
                columns.retries.append((tenant, run, id_, at, doubt))
            case Withdraw(id=id_):
                if columns.forget_call(tenant, run, id_):
                    self._withdrawn(tenant, run, id_)
                else:
                    columns.withdrawals.append((tenant, run, id_))
            case StartChild():
                self._children.append((tenant, run, state, command))
            case Tell(to="parent"):
                if parent is not None:
                    self.routing.tell(tenant, parent, self._told(run, state, command, n))
            case Tell():
                self._tells.append((tenant, run, state, command, n))
            case Emit():
                self._emits.append((tenant, state, command))

    def _call(self, tenant: int, run: int, state: State, call: Call) -> None:
        connection = self.routing.library.shelf_of(tenant).connection(call.system, call.via, test=state.test)
        if connection is None:
            wanted = f"{call.via} for {call.system}" if call.via else call.system
            wanted += " of a sandbox, and the run is in test" if state.test else ""
            reason = (
                f"there is no connection {wanted}: make one, of a connector that can do "
                f"{call.system}.{call.operation}, and try again"
            )
            data = {"command": call.id, "outcome": "refused", "reason": reason, "code": NO_CONNECTION}
            self.routing.tell(tenant, run, engine_event(run, CALL_ENDED, data, self.columns.now, 0))
            return
        key = f"{state.tenant}/{state.process}/{state.key}/{state.generation}/{call.id}"
        self.columns.call(tenant, run, call, connection, key)

    def _withdrawn(self, tenant: int, run: int, command: str) -> None:
        data = {"command": command, "outcome": "withdrawn"}
        self.routing.tell(tenant, run, engine_event(run, CALL_ENDED, data, self.columns.now, 0))

    def _told(self, run: int, state: State, tell: Tell, n: int) -> Event:
        now = self.columns.now
        return Event(
            id=f"{run}/{state.seq}/{n}",
            source=f"run/{state.id}",
            type=tell.type,
            time=now,
            received=now,
            now=now,
            data=tell.data,
        )

    async def finish(self) -> None:
        """Everything that has to be looked up, or written before the batch's own rows."""
        now = self.columns.now
        for tenant, state, emit in self._emits:
            event = Event(
                id=emit.id,
                source=f"crossdock/{state.tenant}/{state.process}",
                type=emit.type,
                time=now,
                received=now,
                now=now,
                data=emit.data,
                about=emit.about,
                test=state.test,
            )
            await self.routing.add(
                tenant,
                event,
                quiet=emit.type.startswith("exception."),
                settles=emit.type == EXCEPTION_CLOSE,
            )
        for tenant, run, state, child in self._children:
            event = Event(
                id=f"{run}/{child.step}/{child.item}/{child.redo}",
                source=f"run/{state.id}",
                type=RUN_START,
                time=now,
                received=now,
                now=now,
                data={"document": child.document},
                test=state.test,
            )
            parent = ParentRef(run=run, step=child.step, item=child.item, redo=child.redo)
            await self.routing.add_child(tenant, child.process, event, parent)
        if self._tells:
            await self._tell_children()
        if self.columns.withdrawals:
            for tenant, run, command in await self.columns.withdraw(self.transaction):
                self._withdrawn(tenant, run, command)
        if self._claims:
            await self.routing.claim(self._claims)
            await self.routing.unpark([(w.tenant, w.kind, w.value, w.run) for w in self._claims])

    async def _tell_children(self) -> None:
        rows = await self.transaction.fetch(
            _CHILDREN,
            list(range(len(self._tells))),
            [tenant for tenant, *_ in self._tells],
            [run for _, run, *_ in self._tells],
            [tell.step for *_, tell, _ in self._tells],
            [tell.item for *_, tell, _ in self._tells],
            [tell.redo for *_, tell, _ in self._tells],
        )
        for row in rows:
            tenant, run, state, tell, n = self._tells[row["n"]]
            self.routing.tell(tenant, row["id"], self._told(run, state, tell, n))

    async def answer_children(self) -> None:
        """After routing: parents whose children could not be started are told so, as if they had failed."""
        if not self.routing.refused_children:
            return
        now = self.columns.now
        answers = Routing(self.transaction, self.routing.library, now)
        for item, parent, reason in self.routing.refused_children:
            data = {
                "step": parent.step,
                "item": parent.item,
                "redo": parent.redo,
                "status": "failed",
                "reason": reason,
            }
            event = engine_event(parent.run, CHILD_ENDED, data, now, 0)
            answers.tell(item.tenant, parent.run, event)
        await answers.run()
        self.routing.touched |= answers.touched
