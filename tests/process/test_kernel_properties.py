"""Properties over generated processes and what may happen to them, in any order.

A process is drawn from a seed: three to seven steps of all kinds, with needs, conditions, deadlines, failures,
undo. A walk takes one of the things that may happen next (answers of all kinds, events, decisions, deadlines,
repairs), again and again. Only processes that `check` accepts are walked.
"""

from __future__ import annotations

import random
from datetime import timedelta
from functools import cache
from typing import Any

from driver import CATALOGUE, NINE, Run, text_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crossdock.process import advance, check, encode_state
from crossdock.process.definition import RunWork
from crossdock.process.messages import Call, Event
from crossdock.process.state import ENDED_RUN, ENDED_STEP, State

PROCESSES = 40  # as many different ones, walked in many ways
SETTINGS = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
DOCUMENT = {
    "number": "C-1",
    "version": 1,
    "by": "zoe",
    "n": 3,
    "flag": True,
    "items": [{"id": "i"}, {"id": "j"}],
}


def _step(chance: random.Random, index: int, names: list[str], spare: str) -> str:
    earlier = names[:index]
    parts = []
    if earlier and chance.random() < 0.7:
        few = chance.sample(earlier, min(len(earlier), chance.choice([1, 1, 2])))
        parts.append(f"{chance.choice(['needs', 'needs', 'needs_any'])}: [{', '.join(few)}]")
    if chance.random() < 0.2:
        parts.append('if: "${ case.n > ' + str(chance.randrange(5)) + ' }"')
    late = chance.choice(
        [
            "skip",
            "cancel",
            "{ raise: slow }",
            "[{ raise: slow }, { after: 2h, escalate: boss }]",
            f"{{ step: {spare} }}",
            "{ redo: s0, most: 1 }",
        ]
    )
    fails = chance.choice(
        [
            "",
            "",
            "fails: skip",
            "fails: cancel",
            f"fails: {spare}",
            "fails: { redo: s0, most: 2 }",
            "fails: { raise: trouble }",
        ]
    )
    kind = chance.choice(
        [
            "call",
            "call",
            "call",
            "await",
            "until",
            "approve",
            "task",
            "wait",
            "run",
            "each",
            "set",
            "choose",
            "emit",
        ]
    )
    undo = chance.choice(
        ["erp.undo", "erp.undo", "none", "impossible" if chance.random() < 0.3 else "erp.undo"]
    )
    parts.append(
        {
            "call": f'call: erp.do, with: {{ n: "${{ case.n }}" }}, undo: {undo}, retry: {{ attempts: 2 }}',
            "await": f"await: case.scanned, within: {chance.choice(['1h', '3h'])}, late: {late}",
            "until": f'await: case.noted, until: "${{ size(steps.{names[index]}.events) >= 2 }}", within: 2h, late: {late}',
            "approve": f'approve: {{ role: boss, not: ["${{ case.by }}"] }}, with: {{ n: "${{ case.n }}" }}, refused: {chance.choice(["{ cancel: no }", "{ raise: trouble }", "{ redo: s0 }", f"{{ step: {spare} }}"])}, within: 4h, late: {late}',
            "task": f"task: {{ role: boss }}, within: 4h, late: {late}",
            "wait": "wait: 2h",
            "run": "run: child, with: { x: 1 }",
            "each": 'each: "${ case.items }", run: child',
            "set": 'set: { x: "${ case.n }" }',
            "choose": 'choose: { rules: [{ when: "${ case.n > 2 }", give: 1 }], otherwise: 2 }',
            "emit": "emit: case.ended, data: { n: 1 }",
        }[kind]
    )
    if fails and kind in ("call", "run", "each"):
        parts.append(fails)
    return f"{names[index]}: {{ {', '.join(parts)} }}"


@cache
def process_text(seed: int) -> str | None:
    """A process that may be published, or None where this seed gives none."""
    chance = random.Random(seed)
    names = [f"s{n}" for n in range(chance.randrange(3, 8))]
    steps = [_step(chance, n, names, "spare") for n in range(len(names))]
    if any("spare" in step for step in steps):
        steps.append("spare: { call: wms.do, undo: wms.undo }")
    on = chance.choice(
        [
            "",
            "on: { case.ended: { do: cancel } }",
            "on: { case.ended: { redo: s0, most: 1 } }",
            "on: { case.ended: { do: raise, type: trouble } }",
        ]
    )
    text = text_of("\n".join(steps), top=on)
    process, _ = check(text, CATALOGUE)
    return text if process is not None else None


def drawn(seed: int) -> Run | None:
    text = process_text(seed % PROCESSES)
    return Run(text=text, document=DOCUMENT) if text else None


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
            found += [("decide", name, decision) for decision in ("approved", "refused")]
        if step.children is not None:
            found += [
                ("child", name, item, s)
                for item in step.children.open
                for s in ("completed", "completed", "failed")
            ]
            if step.children.undoing:
                found += [("undone", name)] * 3
        if step.status == "held":
            found += [("repair", what, name) for what in ("retry", "skip", "supply")]
    found += [("event", what) for what in ("case.scanned", "case.noted")]
    if run.state.wake is not None:
        found += [("time",)] * 2
    found += [("close", id_) for id_ in run.state.exceptions]
    return found


def move(run: Run, chosen: tuple[Any, ...]) -> None:
    """Let it happen."""
    match chosen:
        case ("answer", id_, outcome):
            run.answer(id_, outcome, **({"output": {"id": 1}} if outcome == "done" else {}))
        case ("decide", name, decision):
            work = run.process.steps[name].kind
            run.decide(name, "done" if work == "task" else decision)
        case ("child", name, item, status):
            life = run.state.steps[name].children.open[item]
            run.event("child.ended", {"step": name, "item": item, "redo": life, "status": status})
        case ("undone", name):
            children = run.state.steps[name].children
            life = children.lives.get("i", children.life)
            run.event("child.ended", {"step": name, "item": "i", "redo": life, "status": "cancelled"})
        case ("repair", what, name):
            run.repair(f"step.{what}", name, note="by hand", output={})
        case ("redo", name):
            run.repair("step.redo", name, note="again")
        case ("event", type_):
            run.event(type_, {"n": 1})
        case ("time",):
            run.until(run.state.wake)
        case ("close", id_):
            run.event("exception.close", {"exception": id_, "action": "close", "note": "x"}, by="ann")


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


seeds = st.integers(0, 10**6)


@SETTINGS
@given(seeds, seeds)
def test_a_live_run_waits_for_something_or_somebody_is_told(process: int, way: int):
    run = drawn(process)
    if run is not None:
        walk(run, random.Random(way), 25)
        run.replayed()


@SETTINGS
@given(seeds, seeds)
def test_the_same_events_lead_to_the_same_bytes(process: int, way: int):
    run = drawn(process)
    if run is None:
        return
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
    if run is None:
        return
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
    if run is None:
        return
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
    if text is None or "case.ended:" in text.split("steps:")[0].split("exceptions:")[1]:
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
    if run is None:
        return
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


def test_enough_of_the_processes_may_be_published():
    assert sum(process_text(seed) is not None for seed in range(PROCESSES)) >= PROCESSES // 2
