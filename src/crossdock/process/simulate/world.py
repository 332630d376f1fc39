"""The world around the kernel, in memory: runs, an agenda in virtual time, and every command carried out.

It does what the engine does with a database: events go to every live run that a key or alias of theirs
names and that has a use for their type; what names nobody is parked until its alias appears; a start for a
key that is live goes to the live run, for one that has ended it is set aside unless the process says
`again: allow`. Deadlines fire at their time, after what was received at that same time. Whoever answers calls
is asked (`Partner`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from crossdock.errors import CrossdockError
from crossdock.process.advance import advance, new_state, starts
from crossdock.process.catalogue import Catalogue
from crossdock.process.definition import Process
from crossdock.process.messages import (
    ALIAS_REFUSED,
    CALL_ENDED,
    CHILD_ENDED,
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    RUN_START,
    TIMER_DUE,
    Actor,
    Call,
    Claim,
    Command,
    Emit,
    Event,
    Record,
    Retry,
    StartChild,
    Tell,
    Withdraw,
)
from crossdock.process.simulate.calls import Calls
from crossdock.process.simulate.runs import Answer, End, Partner, Run, Told
from crossdock.process.state import Parent, encode_state
from crossdock.process.turn import Reference, text_of

MOST_DECISIONS = 20_000


class World:
    """Runs and what is to come. Deterministic: the same questions give the same answers in the same order."""

    def __init__(
        self, library: Mapping[str, Process], catalogue: Catalogue, reference: Reference, start: datetime
    ) -> None:
        """An empty world at `start`."""
        self.library = library
        self.catalogue = catalogue
        self.reference = reference
        self.now = start
        self.runs: dict[str, Run] = {}
        self.told: list[Told] = []
        self.parked: list[Event] = []
        self.faults: list[str] = []
        self._partner: Partner | None = None
        self._calls = Calls(self, self._answered)
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._planned = 0
        self._named = 0
        self._aliases: dict[tuple[str, str, str], str] = {}  # process, kind, value -> run
        self._seen: set[tuple[str, str]] = set()
        self._decisions = 0

    def meet(self, partner: Partner) -> None:
        """Say who answers."""
        self._partner = partner

    # -- time ------------------------------------------------------------------------------------------

    def plan(self, at: datetime, act: Callable[[], None]) -> None:
        """Do something at a time, or now where that has passed; at one time in the order of planning."""
        self._planned += 1
        heapq.heappush(self._agenda, (max(at, self.now), self._planned, act))

    def go_on(self, until: datetime) -> None:
        """Let time pass until nothing is to come, or until then."""
        while self._decisions < MOST_DECISIONS:
            due = min((run for run in self.runs.values() if _wakes(run)), key=_wake, default=None)
            at = self._agenda[0][0] if self._agenda else None
            if due is not None and (at is None or _wake(due) < at):
                if _wake(due) > until:
                    break
                self._wake(due)
            elif at is None or at > until:
                break
            else:
                _, _, act = heapq.heappop(self._agenda)
                self.now = at
                act()
        else:
            self.faults.append(f"it does not come to rest: {MOST_DECISIONS:,} decisions")
        self.now = max(self.now, until) if self._agenda or any(map(_wakes, self.runs.values())) else self.now

    def _wake(self, run: Run) -> None:
        wake = _wake(run)
        self.now = max(self.now, wake)
        self.deliver(run, TIMER_DUE, {"due": text_of(wake)})
        if run.live and run.state.wake == wake:
            self._stop(run, f"its timer of {text_of(wake)} changes nothing")

    # -- events ----------------------------------------------------------------------------------------

    def event(
        self, type_: str, data: Any, *, about: dict[str, str] | None = None, actor: Actor | None = None
    ) -> Event:
        """An event of now, named by a number."""
        self._named += 1
        return Event(
            id=str(self._named),
            source="simulation",
            type=type_,
            time=self.now,
            received=self.now,
            now=self.now,
            data=data,
            about=about or {},
            actor=actor,
        )

    def about_event(self, type_: str, data: Any) -> Event:
        """A business event of now, about the keys in its data."""
        return self.event(type_, data, about=self.about(type_, data))

    def about(self, type_: str, data: Any) -> dict[str, str]:
        """The business keys in an event's data, by kind."""
        shape = self.catalogue.events.get(type_)
        keys = {}
        for kind, path in shape.about.items() if shape is not None else ():
            value = data
            for part in path.split("."):
                value = value.get(part) if isinstance(value, dict) else None
            if isinstance(value, list) and len(value) == 1:
                value = value[0]
            if isinstance(value, str) and value:
                keys[kind] = value
        return keys

    def named(self, about: Mapping[str, str], type_: str) -> list[Run]:
        """The live runs that these keys name, that have a use for the type; the first started first."""
        found = {self._aliases.get((p, kind, value)) for kind, value in about.items() for p in self.library}
        return [
            run
            for run in self.runs.values()
            if run.state.id in found
            and run.live
            and (
                run.process.wants(type_)
                or (type_ == EXCEPTION_CLOSE and run.process.document != "ExceptionCase")
            )
        ]

    def send(self, event: Event, *, assumed: bool = False, quiet: bool = False) -> list[Run]:
        """A business event for whoever has a use for it; `quiet` ones are not parked. Gives its runs."""
        if (event.source, event.id) in self._seen:
            return []
        self._seen.add((event.source, event.id))
        runs = self.named(event.about, event.type)
        wanted = any(process.wants(event.type) for process in self.library.values())
        begun: list[tuple[Process, str]] = []
        refused = ""
        for process in self.library.values():
            try:
                key = starts(process, event, self.reference)
            except CrossdockError as error:
                refused = str(error)
                continue
            if key is None:
                continue
            last = self._last(process.name, key)
            if last is not None and last.live:
                runs += [] if last in runs else [last]
            elif last is not None and process.again != "allow":
                refused = f"the run of {process.name} for {key} has ended, and it does not say `again: allow`"
            else:
                begun.append((process, key))
        fate = "" if runs or begun else "quarantined" if refused else "parked" if wanted else "unwanted"
        if not quiet or fate == "quarantined":
            shown = {"type": event.type, "about": event.about, "fate": fate, "reason": refused}
            self._tell("", "event", data={k: v for k, v in shown.items() if v}, assumed=assumed)
        if fate == "parked" and not quiet:
            self.parked.append(event)
        for run in runs:
            self._decide(run, event, assumed=assumed)
        return runs + [self._begin(p, key, event) for p, key in begun]

    def _emit(self, event: Event, *, quiet: bool) -> None:
        self.send(event, quiet=quiet)

    def deliver(
        self, run: Run, type_: str, data: Any, *, actor: Actor | None = None, assumed: bool = False
    ) -> None:
        """An event for one run."""
        self._decide(run, self.event(type_, data, actor=actor), assumed=assumed)

    def begin(self, process: Process, document: Any) -> Run | None:
        """Start a run for a document: by the event that starts the process where one would, else by hand."""
        for start in process.start:
            event = self.about_event(start.on, document)
            try:
                key = None if start.document is not None else starts(process, event, self.reference)
            except CrossdockError:
                continue
            if key is not None:
                self.send(event)
                return self._last(process.name, key)
        event = self.event(RUN_START, {"document": document})
        key = starts(process, event, self.reference)
        return None if key is None else self._begin(process, key, event)

    def _last(self, process: str, key: str) -> Run | None:
        found = [r for r in self.runs.values() if r.state.process == process and r.state.key == key]
        return found[-1] if found else None

    def _begin(self, process: Process, key: str, event: Event, parent: Parent | None = None) -> Run:
        last = self._last(process.name, key)
        generation = last.state.generation + 1 if last else 1
        first = new_state(
            process,
            tenant=str(self.reference.tenant.get("id", "")),
            key=key,
            generation=generation,
            parent=parent,
        )
        run = Run(process=process, first=first, state=first)
        self.runs[first.id] = run
        self._aliases[process.name, process.kind, key] = first.id
        self._decide(run, event)
        self._unpark(run)
        return run

    # -- deciding --------------------------------------------------------------------------------------

    def _decide(self, run: Run, event: Event, *, assumed: bool = False) -> None:
        if run.stopped:
            return
        if event.now != self.now:
            event = msgspec.structs.replace(event, now=self.now)
        self._decisions += 1
        try:
            decision = advance(run.process, run.state, event, self.reference)
        except CrossdockError as error:
            self._stop(run, f"{event.type} could not be decided: {error}")
            return
        run.events.append(event)
        run.state = decision.state
        subject = _subject(event)
        for record in decision.records:
            own = assumed and record.what in _ANSWERED and record.step == subject
            self._note(run, record)
            self._tell(run.state.id, record.what, record.step, record.item, record.data, assumed=own)
        for command in decision.commands:
            self._carry_out(run, command)
        if self._partner is not None:
            self._partner.decided(run, decision.records)

    def _stop(self, run: Run, reason: str) -> None:
        run.stopped = reason
        self.faults.append(f"{run.state.id}: {reason}")
        self._tell(run.state.id, "run.stopped", data={"reason": reason})

    def _tell(
        self,
        run: str,
        what: str,
        step: str = "",
        item: str = "",
        data: Mapping[str, Any] | None = None,
        *,
        assumed: bool = False,
    ) -> None:
        self.told.append(
            Told(at=self.now, run=run, what=what, step=step, item=item, data=data or {}, assumed=assumed)
        )

    def _note(self, run: Run, record: Record) -> None:
        if record.what == "exception.raised":
            run.raised.append(str(record.data.get("type", "")))
        elif record.what == "measure":
            run.measures[str(record.data.get("name", ""))] = dict(record.data)
        elif record.what in _ENDS:
            said = {name: record.data[name] for name in ("output", "by", "reason") if name in record.data}
            run.ends[record.step] = End(at=self.now, **said)
        elif record.what.startswith("run.") and "output" in record.data:
            run.output = record.data["output"]

    # -- commands --------------------------------------------------------------------------------------

    def _carry_out(self, run: Run, command: Command) -> None:
        match command:
            case Call():
                self._calls.call(run, command)
            case Retry(id=id_, at=at):
                self._calls.again(run, id_, at)
            case Withdraw(id=id_):
                self._calls.withdraw(run, id_)
            case StartChild():
                self._child(run, command)
            case Tell():
                self.plan(self.now, lambda: self._pass_on(run, command))
            case Emit():
                event = Event(
                    id=command.id,
                    source=f"crossdock/{run.process.name}",
                    type=command.type,
                    time=self.now,
                    received=self.now,
                    now=self.now,
                    data=command.data,
                    about=command.about,
                )
                quiet = command.type.startswith("exception.")
                self.plan(self.now, lambda: self._emit(event, quiet=quiet))
            case Claim(kind=kind, value=value):
                self._claim(run, kind, value)

    def _answered(self, run: Run, call: Call) -> Answer:
        return self._partner.answer(run, call) if self._partner is not None else Answer(outcome="never")

    def _child(self, run: Run, child: StartChild) -> None:
        answer = self._partner.child(run, child) if self._partner else None
        if answer is not None:
            if answer.outcome == "never":
                return
            status = "completed" if answer.outcome == "done" else "failed"
            said = {"status": status, "output": answer.output, "reason": answer.reason}
            self.plan(
                self.now + answer.after,
                lambda: self._answer_child(run, child, said, assumed=answer.assumed),
            )
            return
        self.plan(self.now, lambda: self._start_child(run, child))

    def _start_child(self, run: Run, child: StartChild) -> None:
        process = self.library.get(child.process)
        event = self.event(RUN_START, {"document": child.document})
        why = f"no process {child.process} is known"
        if process is not None:
            try:
                key = starts(process, event, self.reference)
            except CrossdockError as error:
                key, why = None, str(error)
            last = self._last(process.name, key) if key is not None else None
            if last is not None and last.live:
                why = f"a run of {process.name} for {key} is live already"
            elif key is not None:
                parent = Parent(
                    process=run.state.process,
                    key=run.state.key,
                    generation=run.state.generation,
                    step=child.step,
                    item=child.item,
                    redo=child.redo,
                )
                self._begin(process, key, event, parent)
                return
        self._answer_child(run, child, {"status": "failed", "reason": why})

    def _answer_child(
        self, run: Run, child: StartChild, said: Mapping[str, Any], *, assumed: bool = False
    ) -> None:
        data = {
            "step": child.step,
            "item": child.item,
            "redo": child.redo,
            **{k: v for k, v in said.items() if v},
        }
        self.deliver(run, CHILD_ENDED, data, assumed=assumed)

    def _pass_on(self, run: Run, tell: Tell) -> None:
        if tell.to == "parent":
            parent = run.state.parent
            name = f"{parent.process}/{parent.key}/{parent.generation}" if parent is not None else ""
            if name in self.runs:
                self.deliver(self.runs[name], tell.type, tell.data)
            return
        mine = [
            other
            for other in self.runs.values()
            if (parent := other.state.parent) is not None
            and (parent.process, parent.key, parent.generation)
            == (run.state.process, run.state.key, run.state.generation)
            and (parent.step, parent.redo) == (tell.step, tell.redo)
            and tell.item in ("", parent.item)
        ]
        for other in mine:
            self.deliver(other, tell.type, tell.data)
        if not mine and tell.type == RUN_CANCEL:  # a child that was never run: it is gone
            child = StartChild(step=tell.step, item=tell.item, redo=tell.redo, process="", document=None)
            self._answer_child(run, child, {"status": "cancelled"})

    def _claim(self, run: Run, kind: str, value: str) -> None:
        name = (run.process.name, kind, value)
        holder = self.runs.get(self._aliases.get(name, ""))
        if holder is not None and holder is not run and holder.live:
            data = {"kind": kind, "value": value, "holder": holder.state.id}
            self.plan(self.now, lambda: self.deliver(run, ALIAS_REFUSED, data))
            return
        self._aliases[name] = run.state.id
        self.plan(self.now, lambda: self._unpark(run))

    def _unpark(self, run: Run) -> None:
        mine = [e for e in self.parked if run in self.named(e.about, e.type)]
        self.parked = [event for event in self.parked if event not in mine]
        for event in mine:
            self._decide(run, event)


_ENDS = frozenset(
    {"step.succeeded", "step.skipped", "step.failed", "step.held", "step.cancelled", "step.undone"}
)
# What an answer leads to, as far as it can be made up.
_ANSWERED = frozenset(
    {
        "step.succeeded",
        "step.undone",
        "task.decided",
        "child.ended",
        "call.retried",
        "step.held",
        "step.failed",
    }
)


def replay(run: Run, reference: Reference) -> bytes:
    """The run's state, folded anew from its events: the same bytes as its own, or the kernel is at fault."""
    state = run.first
    for event in run.events:
        state = advance(run.process, state, event, reference).state
    return encode_state(state)


def _subject(event: Event) -> str:
    data = event.data if isinstance(event.data, dict) else {}
    if event.type == CALL_ENDED:
        return str(data.get("command", "")).partition("!")[0].partition("#")[0]
    if event.type == "task.decided":
        return str(data.get("task", "")).rpartition("/")[2].partition("#")[0]
    return str(data.get("step", ""))


def _wakes(run: Run) -> bool:
    return run.live and run.state.wake is not None


def _wake(run: Run) -> datetime:
    assert run.state.wake is not None  # noqa: S101 - asked of runs that wake
    return run.state.wake
