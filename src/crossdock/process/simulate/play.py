"""Who stands outside a simulated run: what the script says, and what is made up where it says nothing.

Made up are (with `defaults: all`): answers to calls, a second or two later; decisions of people, half an
hour after they were asked; events that a step waits for, some hours later and before its deadline. An event
is tried on the run before it is sent: where several types are awaited, the first that ends the wait is taken.
With `answers`, calls alone are answered; with `none`, nothing is. What the script says of an operation, a
step or an event is never made up beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from crossdock.expressions import problems
from crossdock.process.catalogue import ProcessShape
from crossdock.process.definition import CallWork, PersonWork
from crossdock.process.durations import Duration
from crossdock.process.messages import (
    EXCEPTION_CLOSE,
    RUN_CANCEL,
    STEP_REDO,
    STEP_RETRY,
    STEP_SKIP,
    STEP_SUPPLY,
    TASK_DECIDED,
    Actor,
    Call,
    Record,
    StartChild,
)
from crossdock.process.simulate.awaited import Awaited
from crossdock.process.simulate.expect import Outcome, judge
from crossdock.process.simulate.pending import Pending, means, unused
from crossdock.process.simulate.runs import Answer, Run
from crossdock.process.simulate.script import Item, Script
from crossdock.process.simulate.values import Values
from crossdock.process.simulate.world import World

_PEOPLE = ("somebody", "somebody else", "a third person")  # one of them is not excluded
_DECIDES = timedelta(minutes=30)
_REPAIRS = timedelta(hours=1)
_MOMENT = timedelta(minutes=1)
_CHILD = timedelta(days=1)
_REPAIR_EVENTS = {
    "cancel": RUN_CANCEL,
    "retry": STEP_RETRY,
    "skip": STEP_SKIP,
    "supply": STEP_SUPPLY,
    "redo": STEP_REDO,
    "close": EXCEPTION_CLOSE,
}


@dataclass(slots=True)
class Player:
    """Plays the script against a world, and makes up the rest."""

    world: World
    script: Script
    values: Values
    main: str = ""  # the process whose steps are meant where no process is named
    outcomes: list[Outcome] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _pending: list[Pending] = field(default_factory=list)
    _awaited: Awaited = field(init=False)

    def __post_init__(self) -> None:
        """Take up the script."""
        self._pending = [Pending(item) for item in self.script.items if item.kind != "never"]
        self._awaited = Awaited(
            world=self.world,
            values=self.values,
            script=self.script,
            pending=[pending for pending in self._pending if pending.item.kind == "event"],
        )

    @property
    def unsatisfied(self) -> Mapping[tuple[str, str], str]:
        """The waits, by run and step, that nothing made up would end, and why."""
        return self._awaited.unsatisfied

    def begin(self, main: str) -> None:
        """Plan what has a time; `main` is the process of which the script speaks."""
        self.main = self._awaited.main = main
        for pending in self._pending:
            at = pending.item.time(self.world.now)
            if at is not None:
                self._plan(pending, at + (pending.item.after or timedelta(0)))

    def end(self) -> None:
        """Judge what is expected at the end, and tell what never came to pass."""
        for pending in self._pending:
            item = pending.item
            if item.kind == "expect" and item.at is None and item.when is None:
                self._expect(pending)
            elif pending.left and (item.kind == "expect" or pending.used < pending.times):
                self.faults.append(f"line {item.line}: {unused(pending)}")

    # -- what the world asks ---------------------------------------------------------------------------

    def answer(self, run: Run, call: Call) -> Answer:
        """How this call is answered."""
        operation = f"{call.system}.{call.operation}"
        shape = self.world.catalogue.operations.get(operation)
        for pending in self._of("call", run):
            if pending.item.name == operation or (pending.item.name == call.step and not call.undo):
                pending.used += 1
                return self._answer(pending.item, run, shape.output if shape is not None else None)
        if self.script.defaults == "none":
            return Answer(outcome="never")
        return Answer(
            output=self.values.made(run, shape.output if shape is not None else None, {}), assumed=True
        )

    def child(self, run: Run, child: StartChild) -> Answer | None:
        """How a child run ends without being run."""
        shape = self.world.catalogue.processes.get(child.process, ProcessShape(name=child.process))
        for pending in self._pending:
            item = pending.item
            if item.kind == "child" and item.name == child.process and pending.left:
                pending.used += 1
                after = item.after or _CHILD
                if "fails" in item.said:
                    return Answer(outcome="refused", reason=str(item.said["fails"]), after=after)
                if item.said.get("never"):
                    return Answer(outcome="never")
                return Answer(output=self.values.made(run, shape.output, item.said.get("gives")), after=after)
        if child.process in self.world.library:
            return None
        if self.script.defaults == "none":
            return Answer(outcome="never")
        return Answer(output=self.values.made(run, shape.output, {}), after=_CHILD, assumed=True)

    def decided(self, run: Run, records: list[Record]) -> None:
        """Look at what has changed: moments of the script, people asked, steps held, steps that wait."""
        for pending in self._pending:
            when = pending.item.when
            if when is None or pending.set or not pending.left or when.process != run.process.name:
                continue
            status = run.state.status if when.step == "run" else run.state.steps[when.step].status
            if status == when.status:
                self._plan(pending, self.world.now + (pending.item.after or _MOMENT))
        for record in records:
            if record.what == "task.opened":
                self._asked(run, record)
        self._repair_held(run)
        self._awaited.look(run)

    # -- the script ------------------------------------------------------------------------------------

    def _of(self, kind: str, run: Run) -> list[Pending]:
        return [
            pending
            for pending in self._pending
            if pending.item.kind == kind and pending.left and means(pending.item, run, self.main)
        ]

    def _plan(self, pending: Pending, at: Any) -> None:
        pending.set = True
        self.world.plan(at, lambda: self._happen(pending))

    def _happen(self, pending: Pending) -> None:
        item = pending.item
        match item.kind:
            case "event":
                pending.used += 1
                self._event(item)
            case "decide":
                run = self._run(item)
                task = run.state.steps[item.name].task if run is not None else ""
                if run is None or not task:
                    status = run.state.steps[item.name].status if run is not None else "not there"
                    pending.used += 1
                    self.faults.append(
                        f"line {item.line}: {item.name} is not open for a decision, it is {status}"
                    )
                else:
                    pending.used += 1
                    self._decide(run, item.name, task, item)
            case "do":
                pending.used += 1
                self._do(item)
            case "expect":
                self._expect(pending)
        for run in list(self.world.runs.values()):
            self._awaited.look(run)

    def _run(self, item: Item) -> Run | None:
        """The run that an item means: the first that lives, else the last."""
        runs = [run for run in self.world.runs.values() if means(item, run, self.main)]
        return next((run for run in runs if run.live), runs[-1] if runs else None)

    def _event(self, item: Item) -> None:
        given = item.said.get("data") or {}
        run = self._target(item, given)
        if run is None and item.whom:
            self.faults.append(
                f"line {item.line}: there is no live run {item.whom} that has a use for {item.name}"
            )
        data = self.values.event(run, item.name, self._awaiting(run, item.name), given)
        shape = self.world.catalogue.events[item.name]
        self.faults += [f"line {item.line}: {item.name}: {line}" for line in problems(data, shape.data)]
        self.world.send(self.world.about_event(item.name, data))

    def _target(self, item: Item, given: Any) -> Run | None:
        """The run whose keys an event gets where it names none: one that waits for it, if any does."""
        explicit = self.world.about(item.name, given)
        best: tuple[int, Run] | None = None
        for run in self.world.runs.values():
            if not run.live or not run.process.wants(item.name) or not means(item, run, self.main):
                continue
            if any(run.state.alias.get(kind, value) != value for kind, value in explicit.items()):
                continue
            states = [run.state.steps[name].status for name in run.process.awaited.get(item.name, ())]
            rank = 0 if "waiting" in states else 1 if "pending" in states else 2
            if best is None or rank < best[0]:
                best = (rank, run)
        return best[1] if best else None

    def _answer(self, item: Item, run: Run, output: Any) -> Answer:
        said = item.said
        after = item.after or timedelta(seconds=2)
        if said.get("never"):
            return Answer(outcome="never")
        if "refuses" in said:
            return Answer(outcome="refused", reason=str(said["refuses"]), after=after)
        if "unreachable" in said:
            wait = said.get("retry_after")
            seconds = _seconds(wait) if wait is not None else None
            return Answer(outcome="unreachable", reason="not reachable", retry_after=seconds, after=after)
        made = self.values.made(run, output, said.get("gives"))
        if said.get("unknown"):
            return Answer(
                outcome="unknown",
                reason="no answer came",
                output=made,
                found="gives" in said,
                resolvable=said.get("resolvable") is not False,
                after=after,
            )
        return Answer(output=made, after=after)

    def _do(self, item: Item) -> None:
        run = self._run(item)
        if run is None:
            self.faults.append(f"line {item.line}: there is no run to {item.name}")
            return
        step, reason = str(item.said.get("step") or ""), str(item.said.get("reason") or "")
        data: dict[str, Any] = {"step": step, "note": reason}
        if item.name == "cancel":
            data = {"reason": reason}
        elif item.name == "supply":
            work = run.process.steps[step].work
            shape = (
                self.world.catalogue.operations.get(f"{work.system}.{work.operation}")
                if isinstance(work, CallWork)
                else None
            )
            data["output"] = self.values.made(run, shape.output if shape else None, item.said.get("output"))
        elif item.name == "close":
            wanted = item.said.get("exception")
            ids = [id_ for id_, open_ in run.state.exceptions.items() if open_.type == wanted]
            if not ids:
                self.faults.append(f"line {item.line}: no exception {wanted} is open")
                return
            data = {"exception": ids[0], "action": "close", "note": reason}
        who = Actor(id=str(item.said.get("as") or "somebody"))
        self.world.deliver(run, _REPAIR_EVENTS[item.name], data, actor=who)

    def _repair_held(self, run: Run) -> None:
        for pending in self._of("do", run):
            item = pending.item
            if pending.set or item.at is not None or item.when is not None:
                continue
            step = item.said.get("step")
            held = step and run.state.steps[step].status == "held"
            wanted = item.said.get("exception")
            if held or (wanted and any(open_.type == wanted for open_ in run.state.exceptions.values())):
                self._plan(pending, self.world.now + (item.after or _REPAIRS))
                return

    def _expect(self, pending: Pending) -> None:
        pending.used += 1
        expected = pending.item.said["expect"]
        whom = str(expected.get("for") or self.main)
        runs = [
            run
            for run in self.world.runs.values()
            if whom in (run.process.name, run.state.id, run.state.id.rpartition("/")[0])
        ]
        wrong = tuple(judge(expected, whom, runs))
        self.outcomes.append(Outcome(line=pending.item.line, expected=expected, wrong=wrong))

    # -- people ----------------------------------------------------------------------------------------

    def _asked(self, run: Run, record: Record) -> None:
        task = str(record.data.get("task", ""))
        scripted = [p for p in self._of("decide", run) if p.item.name == record.step]
        item: Item | None = None
        after = _DECIDES
        if scripted:
            pending = scripted[0]
            if pending.set or pending.item.at is not None or pending.item.when is not None:
                return
            pending.used += 1
            item, after = pending.item, pending.item.after or _DECIDES
        elif self.script.defaults != "all":
            return

        def decide() -> None:
            if run.state.steps[record.step].task == task:
                self._decide(run, record.step, task, item)

        self.world.plan(self.world.now + after, decide)

    def _decide(self, run: Run, step: str, task: str, item: Item | None) -> None:
        work = run.process.steps[step].work
        assert isinstance(work, PersonWork)  # noqa: S101 - the script was checked, and only people are asked
        said: Mapping[str, Any] = item.said if item is not None else {}
        opened = next((t for t in reversed(self.world.told) if t.data.get("task") == task), None)
        candidates = opened.data.get("candidates") if opened is not None else None
        excluded = (opened.data.get("excluded") if opened is not None else None) or []
        free = [who for who in candidates or _PEOPLE if who not in excluded]
        who = str(said.get("as") or (free[0] if free else "somebody"))
        data: dict[str, Any] = {"task": task}
        if work.kind == "approve":
            data["decision"] = said.get("decision", "approved")
        if said.get("note"):
            data["note"] = str(said["note"])
        if data.get("decision") != "refused" and work.form is not None:
            data["form"] = self.values.made(run, work.form, said.get("form"))
        roles = said.get("roles", [work.role])
        actor = Actor(id=who, roles=tuple(roles if isinstance(roles, list) else [str(roles)]))
        self.world.deliver(run, TASK_DECIDED, data, actor=actor, assumed=item is None)

    def _awaiting(self, run: Run | None, type_: str) -> str:
        names = run.process.awaited.get(type_, ()) if run is not None else ()
        waiting = [name for name in names if run is not None and run.state.steps[name].status == "waiting"]
        return waiting[0] if waiting else names[0] if names else ""


def _seconds(duration: Any) -> float:
    return Duration.parse(duration).exact.total_seconds()
