"""Drives the real kernel, as an engine would: answers calls, sends events, moves the clock.

After every decision it holds what must always hold: the state that came in is untouched, the new one survives
being stored and read byte for byte, `wake` is the earliest open deadline, and no command contradicts an earlier
one. `replayed` folds all events again and compares the bytes; a fixture calls it for every run of a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from crossdock.expressions import parse_type
from crossdock.process import (
    Catalogue,
    Course,
    Decision,
    Event,
    Process,
    State,
    advance,
    canonical,
    check,
    decode_state,
    encode_state,
    new_state,
    replay,
    starts,
)
from crossdock.process.calendar import Calendar
from crossdock.process.catalogue import ProcessShape
from crossdock.process.durations import Duration
from crossdock.process.messages import Actor, Call, Claim, Emit, Record, Retry, StartChild, Tell, Withdraw
from crossdock.process.state import ENDED_RUN, Parent
from crossdock.process.turn import Plain

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
CHILD = ProcessShape(name="child", document=parse_type("any"), output=parse_type("any"))
CATALOGUE = canonical().including(processes={"child": CHILD})
LIVE: list[Run] = []

PRELUDE = """
process: p
owner: team
document: Case
key: ${ case.number }
start: [{ on: case.opened }]
declare:
  documents:
    Case:
      number: string
      version?: int
      changed?: timestamp
      amount?: money
      quantity?: quantity
      due?: timestamp
      "items?": [{ id: string, "n?": int }]
      names?: [string]
      by?: string
      flag?: bool
      n?: int
  events:
    case.opened: { data: Case }
    case.changed: { data: Case }
    case.scanned: { data: { "case?": string, "n?": int, "last?": bool, "item?": string } }
    case.noted: { data: { "case?": string, "n?": int, "reason?": string } }
    case.ended: { data: { "case?": string, "n?": int } }
  operations:
    erp.do: { input: any, output: any, undo: erp.undo }
    erp.more: { input: any, output: any, undo: erp.undo_more }
    erp.undo: { input: any }
    erp.undo_more: { input: any }
    erp.read: { input: any, output: any, changes: false }
    wms.do: { input: any, output: any, undo: wms.undo }
    wms.undo: { input: any }
  exceptions:
    trouble: { severity: high, owner: desk, meaning: Something is wrong }
    slow: { severity: low }
"""

_read: dict[str, Process] = {}


def text_of(steps: str, *, top: str = "", prelude: str = PRELUDE) -> str:
    """The text of a process: the prelude, what else stands at the top, and its steps."""
    body = "".join(f"  {line}\n" if line else "\n" for line in _dedent(steps).splitlines())
    return f"{prelude}\n{_dedent(top)}\nsteps:\n{body}"


def _dedent(text: str) -> str:
    lines = text.strip("\n").splitlines()
    margin = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return "\n".join(line[margin:].rstrip() for line in lines)


def process_of(text: str, catalogue: Catalogue = CATALOGUE) -> Process:
    """The process of a text, which must be one that may be published."""
    if text not in _read:
        process, problems = check(text, catalogue, file="p.yaml")
        assert process is not None, "\n".join(str(problem) for problem in problems)
        _read[text] = process
    return _read[text]


class Run:
    """One run of a process, and everything that was told about it and asked for."""

    def __init__(
        self,
        steps: str = "",
        document: Mapping[str, Any] | None = None,
        *,
        top: str = "",
        text: str = "",
        catalogue: Catalogue = CATALOGUE,
        calendars: Mapping[str, Calendar] | None = None,
        tenant: Mapping[str, Any] | None = None,
        parent: bool = False,
        at: datetime = NINE,
        by: str = "",
        begin: bool = True,
        type: str = "",
        trusted: bool = True,
    ) -> None:
        """Read the process; `begin` it with a document."""
        self.process = self.origin = process_of(text or text_of(steps, top=top), catalogue)
        self.moves: dict[str, Process] = {}  # by the id of the event
        self.reference = Plain(tenant, calendars)
        self.now = at
        self.records: list[Record] = []
        self.last: list[Record] = []
        self.commands: list[Any] = []
        self.asked: list[Any] = []
        self.calls: dict[str, Call] = {}  # out, or waiting for their next try
        self.due: dict[str, datetime] = {}  # when a call may go again
        self.withdrawn: set[str] = set()
        self.children: dict[tuple[str, str], StartChild] = {}
        self.events: list[Event] = []
        self._number = 0
        self.first = State(process="", version="", tenant="", key="")
        self.state = self.first
        self._parent = Parent(process="mother", key="M", generation=1, step="s", item="i") if parent else None
        LIVE.append(self)
        if begin:
            type_ = type or (self.process.start[0].on if self.process.start else "run.start")
            data: Any = dict(document or {"number": "C-1"})
            self.begin(type_, {"document": data} if type_ == "run.start" else data, by=by, trusted=trusted)

    def begin(self, type_: str, data: Any, **more: Any) -> Run:
        """Start the run by this event."""
        event = self.make(type_, data, **more)
        key = starts(self.process, event, self.reference)
        assert key is not None, f"{type_} does not start {self.process.name}"
        self.first = new_state(self.process, tenant="t", key=key, parent=self._parent)
        self.state = self.first
        return self.take(event)

    # -- what goes in ----------------------------------------------------------------------------------

    def make(
        self,
        type_: str,
        data: Any = None,
        *,
        by: str = "",
        roles: tuple[str, ...] = (),
        kind: str = "human",
        behind: str = "",
        time: datetime | None = None,
        received: datetime | None = None,
        id: str = "",
        trusted: bool = True,
    ) -> Event:
        """An event, named by its number, that happened and was received now unless said otherwise."""
        self._number += 1
        return Event(
            id=id or str(self._number),
            source="test",
            type=type_,
            time=time or self.now,
            received=received or self.now,
            now=self.now,
            data=data,
            actor=Actor(id=by, roles=roles, kind=kind, behind=behind) if by else None,
            trusted=trusted,
        )

    def event(self, type_: str, data: Any = None, **more: Any) -> Run:
        """A business event, or any other."""
        return self.take(self.make(type_, data if data is not None else {}, **more))

    def take(self, event: Event) -> Run:
        """Decide an event, and hold what must hold."""
        before = encode_state(self.state)
        decision = advance(self.process, self.state, event, self.reference)
        assert encode_state(self.state) == before, "the state that came in was touched"
        return self._taken(event, decision)

    def move(
        self,
        steps: str = "",
        *,
        top: str = "",
        to: Process | None = None,
        by: str = "ann",
        note: str = "mended",
    ) -> Run:
        """Ask the run to go on under another version of its process."""
        version = to or process_of(text_of(steps, top=top))
        event = self.make("run.move", {"version": version.version, "note": note}, by=by)
        course = self.course()
        assert encode_state(course.state) == encode_state(self.state), "the course gives another state"
        decision = course.move(version, event, self.reference)
        self.moves[event.id] = version
        self.process = course.process
        return self._taken(event, decision)

    @property
    def obstacles(self) -> list[tuple[str, str]]:
        """Why the last move was refused: steps and reasons."""
        return [(r.step, r.data["reason"]) for r in self.last if r.what == "run.move_refused"]

    def course(self) -> Course:
        """All events once more, through all versions."""
        course = Course(self.origin, self.first)
        for event in self.events:
            if event.id in self.moves:
                course.move(self.moves[event.id], event, self.reference)
            else:
                course.take(event, self.reference)
        return course

    def _taken(self, event: Event, decision: Decision) -> Run:
        state = decision.state
        stored = encode_state(state)
        assert encode_state(decode_state(stored)) == stored, "the state does not survive being stored"
        nexts = [s.next for s in state.steps.values() if s.next is not None]
        assert state.wake == min(nexts, default=None), "wake is not the earliest open deadline"
        assert state.status not in ENDED_RUN or state.wake is None
        assert state.seq == self.state.seq + 1
        self.state = decode_state(stored)  # as an engine that has just read it
        self.events.append(event)
        self.last = decision.records
        self.records += decision.records
        self.asked = decision.commands
        self.commands += decision.commands
        for command in decision.commands:
            self._ask(command)
        return self

    def _ask(self, command: Any) -> None:
        match command:
            case Call(id=id_):
                assert id_ not in self.calls, f"{id_} is out already"
                self.calls[id_] = command
                self.due.pop(id_, None)
                self.withdrawn.discard(id_)
            case Retry(id=id_, at=at):
                assert id_ in self.calls, f"{id_} is not out"
                assert at >= self.now
                self.due[id_] = at
            case Withdraw(id=id_):
                assert id_ in self.calls, f"{id_} is not out"
                self.withdrawn.add(id_)
            case StartChild(step=step, item=item):
                before = self.children.get((step, item))
                assert before is None or before.redo < command.redo, f"{step} {item} was started already"
                self.children[step, item] = command
            case _:
                pass

    # -- answers ---------------------------------------------------------------------------------------

    def answer(self, command: str, outcome: str, **more: Any) -> Run:
        """An answer to a call."""
        data = {"command": command, "outcome": outcome, **more}
        known = self.calls.pop(command, None)
        event = self.make("call.ended", data)
        if known is not None and outcome in ("unreachable", "unknown"):
            self.calls[command] = known
            self.take(event)
            retried = any(isinstance(c, Retry) and c.id == command for c in self.asked)
            again = any(isinstance(c, Call) and c.id == command for c in self.asked)
            if not retried and not again:
                self.calls.pop(command, None)
            return self
        return self.take(event)

    def done(self, command: str, output: Any = None) -> Run:
        """The call was done."""
        return self.answer(command, "done", output={} if output is None else output)

    def refused(self, command: str, reason: str = "no", code: str = "422") -> Run:
        """The partner said no."""
        return self.answer(command, "refused", reason=reason, code=code)

    def unreachable(self, command: str, **more: Any) -> Run:
        """The partner was not there."""
        return self.answer(command, "unreachable", reason="503", **more)

    def unknown(self, command: str, *, resolvable: bool = True) -> Run:
        """It may have been done."""
        return self.answer(command, "unknown", reason="time-out", resolvable=resolvable)

    def gone(self, command: str) -> Run:
        """The call was taken back before it was done."""
        return self.answer(command, "withdrawn")

    def decide(
        self,
        step: str,
        decision: str = "approved",
        by: str = "bob",
        roles: tuple[str, ...] = ("boss",),
        **more: Any,
    ) -> Run:
        """A person decides the open task of a step."""
        kind, behind = more.pop("kind", "human"), more.pop("behind", "")
        data = {"task": self.state.steps[step].task, "decision": decision, **more}
        return self.take(self.make("task.decided", data, by=by, roles=roles, kind=kind, behind=behind))

    def child(
        self, step: str, item: str = "", status: str = "completed", output: Any = None, reason: str = ""
    ) -> Run:
        """A child of a step ends."""
        data = {"step": step, "item": item, "redo": self.children[step, item].redo, "status": status}
        data |= {"output": output} if output is not None else {}
        data |= {"reason": reason} if reason else {}
        return self.event("child.ended", data)

    def repair(self, what: str, step: str = "", by: str = "ann", **data: Any) -> Run:
        """A person retries, supplies, skips, redoes a step, closes an exception, cancels the run."""
        data |= {"step": step} if step else {}
        return self.event(what, data, by=by)

    def cancel(self, reason: str = "not wanted", by: str = "ann") -> Run:
        """A person, or (with by="") the parent run, cancels the run."""
        return self.event("run.cancel", {"reason": reason}, by=by)

    def close(
        self, type_: str, action: str = "close", note: str = "done", step: str = "", by: str = "ann"
    ) -> Run:
        """A person closes the open exception of that type."""
        id_ = next(
            id_
            for id_, x in self.state.exceptions.items()
            if x.type == type_ and (not step or x.step == step)
        )
        return self.event("exception.close", {"exception": id_, "action": action, "note": note}, by=by)

    # -- time ------------------------------------------------------------------------------------------

    def wait(self, length: str | timedelta) -> Run:
        """Let time pass; deadlines fire when they are due."""
        span = Duration.parse(length).exact if isinstance(length, str) else length
        return self.until(self.now + span)

    def until(self, then: datetime) -> Run:
        """Let time pass until then."""
        for _ in range(1000):
            wake = self.state.wake
            if wake is None or wake > then:
                break
            self.now = max(self.now, wake)
            self.event("timer.due", {"due": wake.isoformat()})
            assert self.state.wake != wake, f"the deadline of {wake} does not pass"
        self.now = max(self.now, then)
        return self

    # -- what came of it -------------------------------------------------------------------------------

    def status(self, step: str = "") -> str:
        """The status of a step, or of the run."""
        return self.state.steps[step].status if step else self.state.status

    @property
    def statuses(self) -> dict[str, str]:
        """The status of every step."""
        return {name: step.status for name, step in self.state.steps.items()}

    @property
    def open(self) -> list[str]:
        """The types of the open exceptions, in the order in which they were opened."""
        return [x.type for x in self.state.exceptions.values()]

    def told(self, what: str, step: str | None = None) -> list[dict[str, Any]]:
        """The data of all records of that name."""
        return [r.data for r in self.records if r.what == what and step in (None, r.step)]

    def whats(self, step: str | None = None) -> list[str]:
        """The names of all records, in order."""
        return [r.what for r in self.records if step in (None, r.step)]

    def sent(self, kind: type) -> list[Any]:
        """All commands of a kind."""
        return [c for c in self.commands if isinstance(c, kind)]

    def call(self, id_: str) -> Call:
        """The last call of that id."""
        return [c for c in self.commands if isinstance(c, Call) and c.id == id_][-1]

    @property
    def emitted(self) -> list[tuple[str, Any]]:
        """The business events sent to others, but for news of exceptions."""
        return [(e.type, e.data) for e in self.sent(Emit) if not e.type.startswith("exception.")]

    @property
    def claimed(self) -> dict[str, str]:
        """The aliases claimed, but for those of exceptions."""
        return {c.kind: c.value for c in self.sent(Claim) if c.kind != "exception"}

    @property
    def news(self) -> list[Tell]:
        """What other runs were told."""
        return self.sent(Tell)

    def input(self, command: str) -> Any:
        """What the last call of that id was given."""
        return self.call(command).input

    def replayed(self) -> Run:
        """Fold all events again: the same bytes."""
        if self.moves:
            assert encode_state(self.course().state) == encode_state(self.state), "replay gives another state"
        elif self.events:
            again = replay(self.process, self.events, self.first, lambda _: self.reference)
            assert encode_state(again) == encode_state(self.state), "replay gives another state"
        return self
