"""Properties over generated processes and what may happen to them, in any order.

A process is drawn from a seed (`made_up`). A walk takes one of the things that may happen next (answers of all
kinds, events early, twice and of other versions, decisions, deadlines, repairs), again and again.
`PROPERTY_EXAMPLES=3000` runs them long, over as many processes and other seeds.
"""

from __future__ import annotations

import os
import random
from datetime import timedelta
from typing import Any

from driver import NINE, Run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_up import process_text

from crossdock.process import advance, decode_state, encode_state
from crossdock.process.definition import AwaitWork, RunWork
from crossdock.process.messages import Call, Event, StartChild, Tell
from crossdock.process.state import ENDED_RUN, ENDED_STEP, State

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "80"))
PROCESSES = EXAMPLES // 2  # as many different ones, walked in many ways
SETTINGS = settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 80,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
DOCUMENT = {
    "number": "C-1",
    "version": 1,
    "by": "zoe",
    "n": 3,
    "flag": True,
    "due": "2026-03-02T12:00:00Z",
    "items": [{"id": "i"}, {"id": "j"}],
}


def drawn(seed: int) -> Run:
    return Run(text=process_text(seed % PROCESSES), document=DOCUMENT)


def moves(run: Run) -> list[tuple[Any, ...]]:
    """What may happen next, whoever does it."""
    found: list[tuple[Any, ...]] = []
    for id_ in run.calls:
        found += [
            ("answer", id_, outcome) for outcome in ("done", "done", "refused", "unreachable", "unknown")
        ]
        if id_ in run.withdrawn:
            found += [("answer", id_, "withdrawn")] * 2
    for name, step in run.state.steps.items():
        if step.task:
            found += [
                ("decide", name, decision) for decision in ("approved", "approved", "refused", "outsider")
            ]
        if step.children is not None:
            found += [
                ("child", name, item, s)
                for item in step.children.open
                for s in ("completed", "completed", "failed")
            ]
            if step.children.undoing:
                found += [("undone", name)] * 3
            elif run.state.unwind is not None and name in run.state.unwind.steps:
                # one that has burnt something does not cancel; one that had completed has taken itself back
                found += [("child", name, item, "refused") for item in step.children.open]
                found += [("undone", name)] * (step.children.succeeded > 0)
        if step.status == "held":
            found += [("repair", what, name) for what in ("retry", "skip", "supply")]
            again = step.children.again if step.children is not None else {}
            found += [("item", what, name, item) for item in again for what in ("retry", "skip", "supply")]
    found += [("event", what) for what in ("case.scanned", "case.noted", "case.scanned", "case.noted")]
    found += [("event", "case.ended"), ("document", 1), ("document", -1)]
    found += [("refused", kind) for kind in run.state.alias if kind != "case"]
    if run.state.wake is not None:
        found += [("time",)] * 2
    found += [("close", id_, act) for id_ in run.state.exceptions for act in ("close", "retry", "skip")]
    return found


def move(run: Run, chosen: tuple[Any, ...]) -> None:
    """Let it happen."""
    match chosen:
        case ("answer", id_, outcome):
            run.answer(id_, outcome, **({"output": {"id": 1}} if outcome == "done" else {}))
        case ("decide", name, decision):
            work = run.process.steps[name].kind
            if decision == "outsider":
                run.decide(name, "approved", by="zoe" if work == "approve" else "eve")
            else:
                run.decide(name, "done" if work == "task" else decision)
        case ("child", name, item, status):
            life = run.state.steps[name].children.open[item]
            run.event("child.ended", {"step": name, "item": item, "redo": life, "status": status})
        case ("undone", name):
            children = run.state.steps[name].children
            item = "" if run.process.steps[name].work.each is None else "i"  # type: ignore[union-attr]
            life = children.lives.get(item, children.life)
            run.event("child.ended", {"step": name, "item": item, "redo": life, "status": "cancelled"})
        case ("repair", what, name):
            run.repair(f"step.{what}", name, note="by hand", output={})
        case ("redo", name):
            run.repair("step.redo", name, note="again")
        case ("event", type_):
            run.event(type_, {"n": 1})
        case ("time",):
            run.until(run.state.wake)
        case ("item", what, name, item):
            run.repair(f"step.{what}", name, item=item, note="by hand", output={})
        case ("document", step):
            known = run.state.document["version"]
            data = {
                **DOCUMENT,
                "version": known + step,
                "n": (known + step) % 6,
                "due": run.state.document["due"],
            }
            run.event("case.changed", data if step > 0 else {**data, "n": 5, "due": "2026-03-02T09:00:00Z"})
        case ("refused", kind):
            data = {"kind": kind, "value": run.state.alias.get(kind, ""), "holder": "p/other/1"}
            run.event("alias.refused", data)
        case ("close", id_, act):
            run.event("exception.close", {"exception": id_, "action": act, "note": "x"}, by="ann")


def walk(run: Run, chance: random.Random, steps: int) -> None:
    """So many things happen."""
    for _ in range(steps):
        if run.status() in ENDED_RUN:
            return
        possible = moves(run)
        if chance.random() < 0.08:
            possible = [("redo", name) for name in run.state.steps]
        run.now += timedelta(seconds=chance.randrange(120))
        move(run, chance.choice(possible))
        somebody_knows(run)


def somebody_knows(run: Run) -> None:
    """A live run waits for something that will come, or somebody is told."""
    state = run.state
    if state.status in ENDED_RUN:
        assert all(step.status in ENDED_STEP for step in state.steps.values())
        assert not [s for s in state.steps.values() if s.task or s.call or s.next]
        assert state.wake is None and state.unwind is None  # noqa: PT018
        assert not children_left(run), "a child runs on for a run that has ended"
        left = [x for x in state.exceptions.values() if x.holds or x.late]
        assert not left, f"an ended run is held, or late: {left}"
        if not run.process.on:
            left = [x for x in state.exceptions.values() if x.type == "redo_limit"]
            assert not left, f"nobody can do anything about it any more: {left}"
        return
    waiting = [
        name
        for name, step in state.steps.items()
        if step.task
        or (step.call is not None and step.call.out)
        or (step.children is not None and (step.children.open or step.children.undoing))
        or step.next is not None
        or (step.status == "waiting" and run.process.steps[name].kind == "await")
        or (step.status == "held" and any(x.step == name and x.holds for x in state.exceptions.values()))
    ]
    assert waiting, f"nothing can happen and nobody is told: {run.statuses}"
    out = {step.call.id for step in state.steps.values() if step.call is not None and step.call.out}
    assert out == set(run.calls), "what the run believes to be out is not what is out"
    for name, step in state.steps.items():
        if step.status == "held":
            assert any(x.step == name and x.holds for x in state.exceptions.values()), (
                f"{name} is held by nothing"
            )
        if step.status in ("running", "waiting"):
            assert name in waiting or isinstance(run.process.steps[name].work, RunWork), (
                f"{name} waits for nothing"
            )


def children_left(run: Run) -> set[tuple[str, str, int]]:
    """The child runs that have neither ended nor been told to cancel."""
    left = {(c.step, c.item, c.redo) for c in run.sent(StartChild)}
    left -= {(e.data["step"], e.data["item"], e.data["redo"]) for e in run.events if e.type == "child.ended"}
    told = {(t.step, t.item, t.redo) for t in run.sent(Tell)}
    return {child for child in left if child not in told and (child[0], "", child[2]) not in told}


seeds = st.integers(0, 10**6)


@SETTINGS
@given(seeds, seeds)
def test_a_live_run_waits_for_something_or_somebody_is_told(process: int, way: int):
    run = drawn(process)
    walk(run, random.Random(way), 25)
    run.replayed()


@SETTINGS
@given(seeds, seeds)
def test_the_same_events_lead_to_the_same_bytes(process: int, way: int):
    run = drawn(process)
    walk(run, random.Random(way), 15)
    run.replayed()
    state, records, commands = run.first, [], []
    for event in run.events:
        decision = advance(run.process, state, event, run.reference)
        state = decision.state
        records += decision.records
        commands += decision.commands
    assert encode_state(state) == encode_state(run.state)
    assert (records, commands) == (run.records, run.commands)


@SETTINGS
@given(seeds, seeds, st.integers(0, 20))
def test_a_cancel_from_any_state_undoes_all_that_succeeded_newest_first_and_ends(
    process: int, way: int, steps: int
):
    run = drawn(process)
    walk(run, random.Random(way), steps)
    if run.status() in ENDED_RUN or run.status() == "cancelling":
        return
    before = {name: step.order for name, step in run.state.steps.items() if step.status == "succeeded"}
    undoable = {n for n in before if (u := run.process.steps[n].undo) is not None and u.kind == "call"}
    impossible = {
        n for n in before if (u := run.process.steps[n].undo) is not None and u.kind == "impossible"
    }
    busy = run.state.unwind is not None
    asked = len(run.commands)
    run.cancel()
    if impossible:
        assert run.status() != "cancelling"
        assert "cancel_refused" in run.open
        return
    for name in run.state.steps:  # who is impatient starts nothing either
        if run.status() == "cancelling" and run.state.steps[name].children is not None:
            move(run, ("repair", "retry", name))
    assert not [c for c in run.commands[asked:] if isinstance(c, StartChild)], "a child was started"
    for _ in range(60):
        if run.status() != "cancelling":
            break
        somebody_knows(run)
        assert not [c for c in run.asked if isinstance(c, Call) and not c.undo and not c.only_find], (
            "something new was started"
        )
        move(run, _back(run))
    if run.status() == "active":  # what was out turned out to be done, and cannot be undone
        assert "cancel_refused" in run.open
        return
    assert run.status() == "cancelled"
    assert all(run.status(name) == "undone" for name in undoable)
    order = [c.step for c in run.commands[asked:] if isinstance(c, Call) and c.undo and c.step in undoable]
    if not busy:
        assert order == sorted(order, key=lambda name: -before[name])
    run.replayed()


def _back(run: Run) -> tuple[Any, ...]:
    """What lets a cancel go on: whatever is out is answered."""
    for id_ in run.calls:
        return ("answer", id_, "done" if "!undo" in id_ else "withdrawn")
    for name, step in run.state.steps.items():
        if step.children is not None and step.children.open:
            return ("child", name, next(iter(step.children.open)), "cancelled")
        if step.children is not None and step.children.undoing:
            return ("undone", name)
        if step.status == "held":
            return ("repair", "skip", name)
    raise AssertionError(f"a cancel that waits for nothing: {run.statuses}")


@SETTINGS
@given(seeds, seeds)
def test_events_that_come_twice_change_nothing(process: int, way: int):
    run = drawn(process)
    chance = random.Random(way)
    for _ in range(12):
        if run.status() in ENDED_RUN:
            return
        walk(run, chance, 1)
        before, event = run.state, run.events[-1]
        if event.type == "call.ended" and any(c in run.calls for c in [event.data["command"]]):
            continue  # the same call is out again: its next answer is another event
        commands, calls = len(run.commands), dict(run.calls)
        run.take(event)
        assert len(run.commands) == commands, f"{event.type} twice asked for something"
        assert run.calls == calls
        assert settled(run.state) == settled(before)


def settled(state: State) -> dict[str, Any]:
    """What a run is, but for times and counters."""
    return {
        "status": state.status,
        "document": state.document,
        "steps": {
            name: (
                step.status,
                step.redo,
                step.input,
                step.output,
                bool(step.task),
                step.call.id if step.call else "",
            )
            for name, step in state.steps.items()
        },
        "alias": state.alias,
        "exceptions": sorted((x.type, x.step) for x in state.exceptions.values()),
    }


@SETTINGS
@given(seeds, st.permutations(range(7)))
def test_independent_events_come_to_the_same_end_in_any_order(process: int, order: list[int]):
    text = process_text(process % PROCESSES)
    if "\non:" in text:
        return  # a handler that acts on its event is not independent of it
    one, other = Run(text=text, document=DOCUMENT), Run(text=text, document=DOCUMENT)
    later = NINE + timedelta(minutes=1)
    events = [
        one.make("case.scanned", {"n": 1}, time=later),
        one.make("case.noted", {"n": 1}, time=later),
        one.make("case.noted", {"n": 1}, time=later, id="same"),
        one.make("case.changed", {**DOCUMENT, "version": 2}, time=later),
        one.make("case.changed", {**DOCUMENT, "version": 3}, time=later),
        one.make("case.ended", {}, time=later),
        one.make("case.scanned", {"n": 1}, time=later, id="second"),
    ]
    finish(one, events)
    finish(other, [events[n] for n in order])
    assert shape(one) == shape(other)


def finish(run: Run, events: list[Event]) -> None:
    """The events come, then everything that is out is answered well, in the order of its name."""
    for event in events:
        run.take(event)
    for _ in range(60):
        if run.status() in ENDED_RUN:
            return
        ready = sorted(
            [("answer", id_, "done") for id_ in run.calls]
            + [("decide", name, "approved") for name, step in run.state.steps.items() if step.task]
            + [
                ("child", n, i, "completed")
                for n, s in run.state.steps.items()
                if s.children
                for i in s.children.open
            ]
        )
        if ready:
            move(run, ready[0])
        elif run.state.wake is not None:
            move(run, ("time",))
        else:
            return


def shape(run: Run) -> dict[str, Any]:
    """Where it ended: the inputs are those at the start of a step, and what comes after the end is recorded only."""
    live = run.status() not in ENDED_RUN
    return {
        "status": run.status(),
        "steps": run.statuses,
        "version": run.state.document["version"] if live else 0,
    }


@SETTINGS
@given(seeds, seeds)
def test_redoes_that_nobody_asks_for_come_to_an_end(process: int, way: int):
    run = drawn(process)
    chance = random.Random(way)
    for _ in range(300):
        if run.status() in ENDED_RUN:
            break
        bad = [
            m for m in moves(run) if m[0] == "answer" and m[2] == ("done" if "!undo" in m[1] else "refused")
        ]
        bad += [m for m in moves(run) if m[0] == "child" and m[3] == "failed"] + [
            m for m in moves(run) if m[0] in ("undone", "time")
        ]
        if not bad:
            break
        move(run, chance.choice(bad))
    else:
        raise AssertionError("it goes round and round")
    assert sum(step.auto_redo for step in run.state.steps.values()) <= 12


@SETTINGS
@given(seeds, seeds, st.integers(0, 20))
def test_a_willing_world_brings_a_run_to_its_end_from_any_state(process: int, way: int, steps: int):
    run = drawn(process)
    walk(run, random.Random(way), steps)
    for _ in range(300):
        if run.status() in ENDED_RUN:
            break
        move(run, _willing(run))
        somebody_knows(run)
    assert run.status() in ENDED_RUN, f"it does not end: {run.statuses}"
    assert decode_state(encode_state(run.state)) == run.state
    run.replayed()


def _willing(run: Run) -> tuple[Any, ...]:
    """What helps: partners do it, people agree and skip what is held, awaited events come, time passes."""
    for id_ in run.calls:
        return ("answer", id_, "done")
    for name, step in run.state.steps.items():
        if step.children is not None and step.children.open:
            return ("child", name, next(iter(step.children.open)), "completed")
        if step.children is not None and step.children.undoing:
            return ("undone", name)
        if step.task:
            return ("decide", name, "approved")
        if step.status == "held":
            return ("repair", "skip", name)
    for name, step in run.state.steps.items():
        work = run.process.steps[name].work
        if step.status == "waiting" and isinstance(work, AwaitWork):
            return ("event", work.types[0])
    return ("time",)
