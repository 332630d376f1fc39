"""One case of the past under another version, in memory: events at their times, answers to its questions.

The clock is virtual. What came from outside comes when it came; an answer comes as long after its question as
then; a deadline passes when it is due, and one that passed in the history passes when it passed there. At one
time, things come in the order of the history. So the version that a case ran under gives what it gave.

The play ends where the history ends: an open case at `until`; a closed one with its last event, and then only
waits for a time go on. It stops at the first question that this case holds no answer to (`unknown`), for what
would have followed nobody knows. With `assume`, a call takes the answer that the same operation gave to other
content, or counts as done; an approval is taken as given. Each such answer is in `assumed`.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from crossdock.errors import CrossdockError
from crossdock.process.advance import Decision, advance, new_state, starts
from crossdock.process.backtest.recorded import Answer, Asked, Recorded, same_call
from crossdock.process.definition import AwaitWork, PersonWork, Process, WaitWork
from crossdock.process.differences import Past
from crossdock.process.messages import (
    CALL_ENDED,
    EXCEPTION_CLOSE,
    TASK_DECIDED,
    TIMER_DUE,
    Actor,
    Call,
    Claim,
    Event,
    Record,
    Retry,
    StartChild,
    Tell,
    Withdraw,
)
from crossdock.process.state import ENDED_RUN, ENDED_STEP, State
from crossdock.process.turn import Reference, text_of

MOST_DECISIONS = 20_000
_FAULTS = (CrossdockError, LookupError, TypeError, ValueError, AssertionError)
_LAST = 2**62  # the place of what the history does not hold


@dataclass(frozen=True, slots=True)
class Unknown:
    """What would have been asked, and this case holds no answer to."""

    step: str
    what: str
    detail: str = ""


@dataclass(slots=True)
class _Talk:
    """A call of the play, and the call of the history whose answers it takes."""

    call: Call
    then: Asked | None
    taken: int = 0  # answers
    asked: int = 0  # tries
    at: datetime | None = None  # of the last try
    doubt: bool = False  # a try that was answered may have done it
    taken_back: bool = False
    planned: int = 0  # the place in the agenda of the answer that is on its way


class Play:
    """A case under `process`, from its first event on. `state` and `decisions` say what came of it."""

    def __init__(
        self,
        process: Process,
        history: Sequence[Past],
        *,
        closed: bool,
        until: datetime,
        known: frozenset[str],
        assume: bool = False,
    ) -> None:
        """Play it. `closed`: the case has ended; `known`: types of events that its versions had a use for."""
        first = history[0]
        self.process = process
        self.state: State = new_state(
            process,
            tenant=first.before.tenant,
            key=first.before.key,
            generation=first.before.generation,
            parent=first.before.parent,
        )
        self.decisions: list[Decision] = []
        self.unknown: Unknown | None = None
        self.broken = ""  # why a decision could not be made
        self.refused = ""  # why it would not have begun
        self.assumed: Counter[str] = Counter()
        self._then = Recorded(history)
        self._known = known
        self._assume = assume
        self._bare: set[str] = set()  # operations that count as done, with nothing that they gave
        self._agenda: list[tuple[datetime, int, int, Event, Reference]] = []
        self._planned = 0
        self._talks: dict[str, _Talk] = {}
        self._used: set[str] = set()  # calls of the history that are taken
        self._opened: Counter[str] = Counter()  # tasks, by step
        self._claims: Counter[tuple[str, str]] = Counter()  # how often an alias was claimed that was refused
        self._exceptions: dict[tuple[str, str], str] = {}
        self._reference = first.reference
        self._now = first.event.now
        try:
            key = starts(process, first.event, first.reference)
        except _FAULTS as error:
            self.refused = f"it would not have begun: {error}"
            return
        if key != self.state.key:
            self.refused = "it would not have begun" if key is None else "its key would be another"
            return
        for answer in self._then.arrivals:
            self._plan(answer, answer.event.now)
        self._run(closed=closed, until=datetime.max.replace(tzinfo=UTC) if closed else until)

    # -- time ------------------------------------------------------------------------------------------

    def _plan(self, answer: Answer, at: datetime, **changed: Any) -> None:
        """Let an event of the history come at a time."""
        event = answer.event
        shift = at - event.now
        if shift:
            changed |= {"time": event.time + shift, "received": event.received + shift, "now": at}
        self._put(at, answer.place, msgspec.structs.replace(event, **changed), answer.reference)

    def _put(self, at: datetime, place: int, event: Event, reference: Reference) -> None:
        self._planned += 1
        heapq.heappush(self._agenda, (at, place, self._planned, event, reference))

    def _run(self, *, closed: bool, until: datetime) -> None:
        while len(self.decisions) < MOST_DECISIONS and self.unknown is None and not self.broken:
            item = self._agenda[0] if self._agenda else None
            timer = self._timer(item)
            passed = timer is not None and timer[1] >= 0  # in the history too, so that it has not ended yet
            if item is None and closed and not passed and not self._alone():
                return
            if timer is not None and (item is None or timer[:2] < item[:2]):
                wake = self.state.wake
                if timer[0] > until:
                    return
                self._decide(*timer[2:])
                if self.state.wake == wake and not self.broken:
                    self.broken = f"its timer of {timer[2].data['due']} changes nothing"
            elif item is None or item[0] > until:
                return
            else:
                heapq.heappop(self._agenda)
                fitted = self._fitted(item[3])
                if fitted is not None:
                    self._decide(fitted, item[4])

    def _timer(self, item: Any) -> tuple[datetime, int, Event, Reference] | None:
        """When the next deadline passes: as it did in the history, else when it is due."""
        wake = self.state.wake
        if wake is None or self.state.status in ENDED_RUN:
            return None
        known = self._then.timers.get(wake)
        if known is not None and known.event.now >= self._now:
            return known.event.now, known.place, known.event, known.reference
        if item is not None and item[3].received <= wake:  # what was received in time beats the deadline
            return item[0], _LAST, item[3], item[4]
        at = max(self._now, wake)
        event = Event(
            id=f"{self.state.id}/due/{text_of(wake)}",
            source="backtest",
            type=TIMER_DUE,
            time=wake,
            received=at,
            now=at,
            data={"due": text_of(wake)},
        )
        return at, -1, event, self._reference

    def _alone(self) -> bool:
        """Whether the case goes on by itself: nothing is waited for but times. Else it says what for."""
        if self.state.status in ENDED_RUN or self.state.status == "held":
            return False
        for name, step in self.state.steps.items():
            work = self.process.steps[name].work
            if step.status in ENDED_STEP or step.status == "pending" or isinstance(work, WaitWork):
                continue
            self._lacks(name, _waits(work), "the history ends before")
            return False
        return True

    # -- deciding --------------------------------------------------------------------------------------

    def _fitted(self, event: Event) -> Event | None:
        """An event with the names that things have here; None where there is no such thing here."""
        data = event.data if isinstance(event.data, dict) else {}
        if event.type == EXCEPTION_CLOSE:
            step_and_type = self._then.exceptions.get(str(data.get("exception", "")))
            here = self._exceptions.get(step_and_type) if step_and_type else None
            if here not in self.state.exceptions:
                return None
            return msgspec.structs.replace(event, data={**data, "exception": here})
        if event.type == TASK_DECIDED and event.source != "backtest":
            return self._decision(event, data)
        return event

    def _decide(self, event: Event, reference: Reference) -> None:
        self._now, self._reference = event.now, reference
        try:
            decision = advance(self.process, self.state, event, reference)
        except _FAULTS as error:
            self.broken = str(error)
            return
        self.state = decision.state
        self.decisions.append(decision)
        for record in decision.records:
            self._told(record, event)
        for command in decision.commands:
            match command:
                case Call():
                    self._call(command)
                case Retry(id=id_, at=at, doubt=doubt) if event.type == CALL_ENDED:
                    self._talks[id_].doubt = doubt
                    self._try(self._talks[id_], max(at, self._now))
                case Retry(id=id_):
                    self._hurry(self._talks[id_])
                case Withdraw(id=id_):
                    self._withdraw(self._talks[id_])
                case StartChild():
                    self._child(command)
                case Tell(to="child"):
                    self._stop_children(command)
                case Claim(kind=kind, value=value) if (kind, value) in self._then.refused:
                    nth = self._claims[kind, value]
                    self._claims[kind, value] += 1
                    for answer in self._then.refused[kind, value].answers[nth : nth + 1]:
                        self._plan(answer, self._now + answer.after)
                case _:
                    pass

    def _lacks(self, step: str, what: str, detail: str = "") -> None:
        self.unknown = self.unknown or Unknown(step, what, detail)

    def _told(self, record: Record, event: Event) -> None:
        match record.what:
            case "exception.raised":
                type_ = str(record.data.get("type", ""))
                self._exceptions[record.step, type_] = str(record.data["exception"])
                if type_ == "decision_failed" and self._bare:
                    gave = ", ".join(sorted(self._bare))
                    self._lacks(record.step, f"needs what {gave} gives", str(record.data.get("message", "")))
            case "task.opened":
                self._open(record)
            case "step.waiting":
                types = record.data.get("types") or ()
                if types and not self._known.intersection(types):
                    named = " or ".join(types)
                    self._lacks(record.step, f"waits for {named}, which no version of these cases has taken")
            case "decision.refused" if event.type == TASK_DECIDED and record.step:
                why = str(record.data.get("reason", ""))
                self._lacks(record.step, "asks for a decision that nobody has given", why)
            case _:
                pass

    # -- calls -----------------------------------------------------------------------------------------

    def _call(self, call: Call) -> None:
        talk = self._talks.get(call.id)
        if talk is None or not same_call(talk.call, call):
            talk = self._talks[call.id] = _Talk(call, self._same(call))
        talk.call, talk.taken_back, talk.doubt = call, False, call.doubt
        self._try(talk, self._now)

    def _same(self, call: Call) -> Asked | None:
        """The call of the history that this one repeats, whatever its step was called."""
        mine = self._then.calls.get(call.id)
        found = [call.id] if mine is not None and same_call(call, mine.what) else []
        found += [id_ for id_, then in self._then.calls.items() if same_call(call, then.what)]
        found = [id_ for id_ in found if id_ not in self._used]
        if not found and self._assume:
            found = [call.id] if mine is not None and _operation(mine.what) == _operation(call) else []
            found += [id_ for id_, t in self._then.calls.items() if _operation(t.what) == _operation(call)]
            found = [id_ for id_ in found if id_ not in self._used]
            if found:
                self.assumed[f"{_operation(call)}: as it was answered with other content"] += 1
        if not found:
            return None
        self._used.add(found[0])
        return self._then.calls[found[0]]

    def _try(self, talk: _Talk, at: datetime) -> None:
        call, then = talk.call, talk.then
        talk.asked += 1
        talk.at = at
        if then is None:
            self._unanswered(call)
            return
        if talk.taken >= len(then.answers):
            if talk.asked > then.times:
                self._lacks(call.step, f"calls {_operation(call)} once more than then")
            return  # it was not answered then either, so far
        answer = then.answers[talk.taken]
        if answer.event.data.get("outcome") != "withdrawn" or call.only_find or talk.taken_back:
            self._reply(talk, answer)

    def _reply(self, talk: _Talk, answer: Answer) -> None:
        """Let an answer come as long after the question as then."""
        assert talk.at is not None  # noqa: S101 - it was asked
        talk.taken += 1
        data = {**answer.event.data, "command": talk.call.id}
        self._plan(answer, max(self._now, talk.at + answer.after), data=data)
        talk.planned = self._planned

    def _unanswered(self, call: Call) -> None:
        """A call that this case has never made: its answer is not known."""
        name = _operation(call)
        mine = self._then.calls.get(call.id)
        if mine is not None and _operation(mine.what) == name:
            fields = ", ".join(_differing(mine.what.input, call.input)) or "its connection"
            self._lacks(call.step, f"calls {name} with other content", fields)
        elif not self._assume:
            self._lacks(call.step, f"calls {name}, which was not called")
        else:
            self.assumed[f"{name}: as done"] += 1
            self._bare.add(name)
            self._made_up(CALL_ENDED, {"command": call.id, "outcome": "done"})

    def _coming(self, talk: _Talk) -> bool:
        """Whether an answer is on its way."""
        return any(item[2] == talk.planned for item in self._agenda)

    def _stop(self, talk: _Talk) -> None:
        """Let the answer that is on its way not come."""
        self._agenda = [item for item in self._agenda if item[2] != talk.planned]
        heapq.heapify(self._agenda)

    def _hurry(self, talk: _Talk) -> None:
        """What waits for its next try is tried at once; what is under way is not tried once more."""
        if talk.at is None or talk.at <= self._now:
            return
        talk.at = self._now
        if talk.then is not None and self._coming(talk):
            self._stop(talk)
            talk.taken -= 1
            self._reply(talk, talk.then.answers[talk.taken])

    def _withdraw(self, talk: _Talk) -> None:
        """Taken back before the same answer as then, it is answered as then.

        Else an answer on its way comes; what waits for its next try, and is not in doubt, was not done.
        """
        talk.taken_back = True
        coming = self._coming(talk)
        left = talk.then.answers[talk.taken :] if talk.then is not None else []
        as_then = talk.then is not None and talk.taken - coming in talk.then.taken_back
        if coming and not as_then and talk.at is not None and talk.at > self._now and not talk.doubt:
            self._stop(talk)
            self._made_up(CALL_ENDED, {"command": talk.call.id, "outcome": "withdrawn"})
        elif left and not coming and left[0].event.data.get("outcome") == "withdrawn":
            self._reply(talk, left[0])
        elif not coming and (talk.then is None or not talk.then.taken_back):
            self._lacks(talk.call.step, f"takes {_operation(talk.call)} back")

    # -- children and people ---------------------------------------------------------------------------

    def _child(self, child: StartChild) -> None:
        then = self._then.children.get((child.step, child.item, child.redo))
        if then is None or then.what.process != child.process:
            self._lacks(child.step, f"runs {child.process}, which was not run")
        elif then.what.document != child.document and not self._assume:
            fields = ", ".join(_differing(then.what.document, child.document))
            self._lacks(child.step, f"runs {child.process} with another document", fields)
        else:
            if then.what.document != child.document:
                self.assumed[f"{child.process}: as it ended with another document"] += 1
            for answer in then.answers:
                self._plan(answer, self._now + answer.after)

    def _stop_children(self, tell: Tell) -> None:
        """Children told to end do as they did. Those that were not told then, nobody can answer for."""
        if (tell.step, tell.item, tell.redo) not in self._then.stopped:
            self._lacks(tell.step, "cancels its runs")

    def _open(self, record: Record) -> None:
        """Something is put before a person: who decided it then decides it now."""
        step = record.step
        then = self._then.tasks.get(step, [])[self._opened[step] : self._opened[step] + 1]
        self._opened[step] += 1
        role = str(record.data.get("role", ""))
        task = {"task": record.data["task"]}
        if not then:
            if self._assume and record.data.get("kind") == "approve":
                self.assumed[f"approval of {role} at {step}: as given"] += 1
                self._made_up(TASK_DECIDED, {**task, "decision": "approved"}, Actor(id=role, roles=(role,)))
            else:
                self._lacks(step, f"asks {role}, who was not asked")
            return
        if record.data.get("content") not in then[0].what and not self._assume:
            fields = ", ".join(_differing(then[0].what[-1], record.data.get("content")))
            self._lacks(step, f"asks {role} about other content", fields)
        for answer in then[0].answers:
            data = {name: value for name, value in answer.event.data.items() if name != "seen"}
            self._plan(answer, self._now + answer.after, data={**data, **task})

    def _decision(self, event: Event, data: dict[str, Any]) -> Event | None:
        """A decision, if it is still asked for: it holds for what was decided on."""
        task = str(data.get("task", ""))
        step = next((name for name, one in self.state.steps.items() if one.task and one.task == task), "")
        if not step:
            return None
        work = self.process.steps[step].work
        role = work.role if isinstance(work, PersonWork) else ""
        then = self._then.tasks[step][self._opened[step] - 1].what[-1]
        if self.state.steps[step].input != then:
            if not self._assume:
                fields = ", ".join(_differing(then, self.state.steps[step].input))
                self._lacks(step, f"asks {role} about other content", fields)
                return None
            self.assumed[f"decision of {role} at {step}: as on other content"] += 1
        return event

    def _made_up(self, type_: str, data: dict[str, Any], actor: Actor | None = None) -> None:
        at = self._now + timedelta(seconds=1)
        event = Event(
            id=f"{self.state.id}/assumed/{self._planned}",
            source="backtest",
            type=type_,
            time=at,
            received=at,
            now=at,
            data=data,
            actor=actor,
        )
        self._put(at, _LAST, event, self._reference)


def _operation(call: Call) -> str:
    return f"{call.system}.{call.operation}"


def _waits(work: Any) -> str:
    match work:
        case AwaitWork():
            return f"still waits for {' or '.join(work.types)}"
        case PersonWork():
            return f"still waits for {work.role}"
        case _:
            return "still waits for an answer"


def _differing(then: Any, now: Any) -> list[str]:
    """The fields of two values that differ, by name."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return []
    return [name for name in {**then, **now} if then.get(name) != now.get(name)]
