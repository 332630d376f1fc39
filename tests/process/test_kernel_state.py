"""A run as it is stored: small, complete, named by its generation; and the limits of one decision."""

from __future__ import annotations

import copy
from datetime import timedelta

import msgspec
import pytest
from driver import NINE, Run, process_of, text_of

from crossdock.process import advance, decode_state, encode_state, new_state, replay
from crossdock.process.messages import Emit
from crossdock.process.turn import MOST_EVENTS, MOST_KEPT, DecisionError

CHAIN = "\n".join(
    f's{n}: {{ {f"needs: s{n - 1}, " if n else ""}call: erp.do, with: {{ number: "${{ case.number }}", n: {n} }}, undo: none }}'
    for n in range(8)
)


def test_a_chain_of_eight_calls_is_a_few_hundred_bytes_at_its_end():
    run = Run(CHAIN)
    for n in range(8):
        run.done(f"s{n}", {"answer": "x" * 200})
    assert run.status() == "completed"
    assert len(encode_state(run.state)) < 800


def test_what_an_expression_or_an_undo_may_still_ask_for_is_kept_and_nothing_else():
    run = Run("""
    a: { call: erp.do, with: { x: 1 }, undo: erp.undo }
    b: { call: erp.do, with: { x: 1 }, undo: none }
    c: { call: erp.do, with: { x: 1 }, undo: { call: erp.undo, with: { id: "${ output.id }" } } }
    z: { needs: [a, b, c], call: erp.read, with: { b: "${ steps.b.output.id }", t: "${ steps.b.ended }" } }
    """)
    for step in "abc":
        run.done(step, {"id": step})
    kept = {name: set(msgspec.to_builtins(run.state.steps[name])) - {"status"} for name in "abc"}
    assert kept == {"a": {"order", "input", "output"}, "b": {"output", "ended"}, "c": {"order", "output"}}
    assert run.input("z") == {"b": "b", "t": "2026-03-02T09:00:00Z"}


def test_a_second_generation_is_another_run_with_the_same_key():
    process = process_of(text_of("a: { call: erp.do, undo: none }", top="again: allow"))
    state = new_state(process, tenant="t", key="C-1", generation=2)
    assert (process.again, state.id) == ("allow", "p/C-1/2")
    run = Run("a: { emit: case.noted, data: { n: 1 } }", begin=False)
    run.first = run.state = new_state(run.process, tenant="t", key="C-1", generation=3)
    run.event("case.opened", {"number": "C-1"})
    assert run.sent(Emit)[0].id == "p/C-1/3/1"


def test_replay_is_the_fold_of_what_was_decided():
    run = Run(CHAIN).done("s0").refused("s1").repair("step.retry", "s1").done("s1").wait("1h")
    assert encode_state(replay(run.process, run.events, run.first)) == encode_state(run.state)
    half = replay(run.process, run.events[:3], run.first)
    assert encode_state(replay(run.process, run.events[3:], half)) == encode_state(run.state)


def test_a_decision_that_fails_leaves_nothing_behind():
    run = Run(CHAIN)
    before = encode_state(run.state)
    for data in ({"command": 5}, None, {"command": "s0", "outcome": "perhaps"}):
        with pytest.raises(DecisionError, match="malformed"):
            advance(run.process, run.state, run.make("call.ended", data))
    assert encode_state(run.state) == before


@pytest.mark.parametrize(
    "type_",
    [
        "timer.due",
        "task.decided",
        "child.ended",
        "alias.refused",
        "exception.close",
        "step.retry",
        "step.supply",
        "step.skip",
        "step.redo",
        "run.cancel",
        "case.scanned",
        "case.changed",
    ],
)
@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        [],
        "x",
        {"step": "nobody"},
        {"step": "a"},
        {"task": None},
        {"exception": 1},
        {"redo": "x", "step": "c"},
    ],
)
def test_whatever_an_event_says_it_is_no_crash(type_: str, data: object):
    run = Run("""
    a: { approve: { role: boss, not: [x] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }
    b: { await: case.scanned, within: 1h, late: { raise: slow } }
    c: { run: child }
    """)
    event = msgspec.structs.replace(run.make(type_, data, by="ann"), data=data)
    run.take(event)


def test_a_bad_due_time_is_refused_as_a_whole():
    run = Run("a: { wait: 1h }")
    with pytest.raises(DecisionError, match="where a time is needed"):
        advance(run.process, run.state, run.make("timer.due", {"due": "soon"}))


def test_more_early_events_than_can_be_kept_are_refused():
    run = Run("a: { call: erp.read }\nb: { needs: a, await: case.scanned, within: 1h, late: skip }")
    state = run.state
    for n in range(MOST_KEPT):
        state = advance(run.process, state, run.make("case.scanned", {"n": n})).state
    with pytest.raises(DecisionError, match="came before the steps that wait"):
        advance(run.process, state, run.make("case.scanned", {"n": -1}))


def test_an_await_that_takes_more_events_than_it_may_tells_so_and_waits_on():
    run = Run('a: { await: case.scanned, until: "${ steps.a.output.last == true }", within: 1h, late: skip }')
    view = {"n": 1, "meta": {"type": "case.scanned", "id": "x", "source": "y", "time": "", "received": ""}}
    state = copy.copy(run.state)
    state.steps = {"a": copy.copy(state.steps["a"])}
    state.steps["a"].events = [view] * MOST_EVENTS
    decision = advance(run.process, state, run.make("case.scanned", {"n": -1}))
    (raised,) = [record for record in decision.records if record.what == "exception.raised"]
    assert raised.data["message"] == (
        "a has taken 2,000 events, the most that one step takes, and still waits: mend its `until`, or let "
        "`match` take fewer, and move the run to that version; or supply its result"
    )
    step = decision.state.steps["a"]
    assert (step.status, len(step.events)) == ("waiting", MOST_EVENTS)
    repair = run.make("step.supply", {"step": "a", "output": {"n": 1}})
    assert advance(run.process, decision.state, repair).state.status == "completed"


def test_times_survive_with_their_microseconds():
    run = Run("a: { wait: 1h }", at=NINE + timedelta(microseconds=1))
    assert decode_state(encode_state(run.state)) == run.state
