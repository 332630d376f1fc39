"""What each kind of step does, and the fields that all of them have."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from driver import NINE, Run

from crossdock.process.messages import Call, Claim, Emit, StartChild
from crossdock.process.turn import DecisionError

ONE = """
a:
  call: erp.do
  with: { number: "${ case.number }" }
  undo: none
"""


def test_a_call_is_sent_with_its_input_and_its_answer_ends_the_step():
    run = Run(ONE, {"number": "C-7"})
    call = run.call("a")
    assert (call.system, call.operation, call.input, call.lane) == (
        "erp",
        "do",
        {"number": "C-7"},
        "Case/C-7",
    )
    assert run.status("a") == "running"
    run.done("a", {"ok": True})
    assert run.status() == "completed"
    assert run.told("step.succeeded") == [{"output": {"ok": True}}]


def test_a_call_goes_to_the_connection_that_via_names():
    run = Run(
        """
        a: { call: erp.do, via: "${ case.by }", undo: erp.undo }
        z: { wait: 30 days }
        """,
        {"number": "C-1", "by": "north"},
    )
    assert run.call("a").via == "north"
    run.done("a").cancel()
    assert run.call("a!undo").via == "north"


def test_steps_without_needs_start_together_and_those_with_needs_when_all_have_ended_well():
    run = Run("""
    a: { call: erp.read }
    b: { call: erp.read }
    c: { needs: [a, b], call: erp.read }
    """)
    assert set(run.calls) == {"a", "b"}
    run.done("b")
    assert run.status("c") == "pending"
    run.done("a")
    assert run.status("c") == "running"


def test_needs_any_is_met_by_the_first_success_and_only_once():
    run = Run("""
    a: { call: erp.read }
    b: { call: erp.read }
    c: { needs_any: [a, b], call: erp.read }
    """)
    run.done("b")
    assert run.status("c") == "running"
    run.done("a")
    assert [c.id for c in run.sent(Call)].count("c") == 1


def test_needs_any_goes_on_when_all_have_ended_and_one_was_skipped():
    run = Run("""
    a: { call: erp.read, fails: other }
    b: { if: "${ false }", call: erp.read }
    c: { needs_any: [a, b], call: erp.read }
    other: { set: { x: 1 } }
    """)
    run.refused("a")
    assert run.statuses == {"a": "failed", "b": "skipped", "c": "running", "other": "succeeded"}


def test_needs_any_of_none_that_ended_well_cancels_the_step():
    run = Run("""
    a: { call: erp.read, fails: other }
    c: { needs_any: a, call: erp.read }
    other: { set: { x: 1 } }
    """)
    run.refused("a")
    assert run.status("c") == "cancelled"
    assert run.status() == "completed"


def test_a_step_whose_condition_does_not_hold_is_skipped_and_counts_as_met():
    run = Run("""
    a: { if: "${ case.number == 'X' }", call: erp.do, undo: none }
    b: { needs: a, call: erp.read }
    """)
    assert run.statuses == {"a": "skipped", "b": "running"}
    assert run.told("step.skipped") == [{"reason": "its condition does not hold"}]


def test_a_step_that_needs_a_failed_one_will_not_run_any_more():
    run = Run("""
    a: { call: erp.read, fails: other }
    b: { needs: a, call: erp.read }
    c: { needs: b, call: erp.read }
    other: { set: { x: 1 } }
    """)
    run.refused("a")
    assert run.statuses == {"a": "failed", "b": "cancelled", "c": "cancelled", "other": "succeeded"}
    assert run.told("step.cancelled", "b") == [{"reason": "it needs a, which is failed"}]


def test_a_run_goes_on_past_a_failed_step_by_what_took_its_place_and_not_past_one_whose_place_nobody_took():
    steps = """
    a: { call: erp.read, fails: other }
    b: { call: wms.do, undo: none, fails: nobody }
    nobody: { set: { x: 1 } }
    other: { needs: b, call: erp.do, undo: none }
    z: { needs_any: [a, other], set: { y: 1 } }
    """
    taken = Run(steps).refused("a").done("b").done("other")
    assert (taken.status("a"), taken.status("z"), taken.status()) == ("failed", "succeeded", "completed")
    left = Run(steps).refused("b").refused("a")
    assert left.statuses["other"] == "held"
    assert (left.status(), left.open) == ("held", ["decision_failed"])
    (told,) = left.told("exception.raised")
    assert told["message"] == "it was called for and cannot start: it needs b, which is failed"
    left.repair("step.skip", "other", note="nothing is left to do")
    assert (left.status("z"), left.status()) == ("succeeded", "completed")


def test_an_await_ends_with_its_event_which_is_its_output():
    run = Run("""
    a: { await: case.scanned, within: 1h, late: { raise: slow } }
    b: { needs: a, set: { n: "${ steps.a.output.n }", at: "${ steps.a.output.meta.time }" } }
    """)
    run.event("case.scanned", {"n": 5})
    assert run.told("step.succeeded", "b") == [{"output": {"n": 5, "at": "2026-03-02T09:00:00Z"}}]


def test_an_await_of_several_types_takes_any_of_them():
    run = Run("a: { await: [case.scanned, case.noted], within: 1h, late: { raise: slow } }")
    run.event("case.noted", {"n": 1})
    assert run.status() == "completed"


def test_an_await_takes_only_events_that_match():
    run = Run('a: { await: case.scanned, match: "${ event.n == 2 }", within: 1h, late: { raise: slow } }')
    run.event("case.scanned", {"n": 1})
    assert run.status("a") == "waiting"
    assert run.last[-1].what == "event.unused"
    run.event("case.scanned", {"n": 2})
    assert run.status("a") == "succeeded"


def test_a_wait_lasts_its_duration():
    run = Run("a: { wait: 2h }")
    assert run.status("a") == "waiting"
    run.wait("1h 59m")
    assert run.status("a") == "waiting"
    run.wait("1m")
    assert run.status() == "completed"


def test_a_wait_may_be_a_length_that_is_worked_out():
    run = Run('a: { wait: "${ hours(case.n) }" }', {"number": "1", "n": 3})
    run.wait("2h 59m")
    assert run.status("a") == "waiting"
    run.wait("1m")
    assert run.status("a") == "succeeded"
    assert not run.open


def test_a_wait_until_a_time_moves_with_the_document():
    run = Run('a: { wait: "${ case.due }" }', {"number": "C-1", "due": "2026-03-02T12:00:00Z"})
    assert run.state.wake == datetime(2026, 3, 2, 12, tzinfo=UTC)
    run.now += timedelta(minutes=1)
    run.event("case.changed", {"number": "C-1", "due": "2026-03-02T10:00:00Z"})
    assert run.state.wake == datetime(2026, 3, 2, 10, tzinfo=UTC)
    run.event(
        "case.changed", {"number": "C-1", "due": "2026-03-02T08:00:00Z"}, time=NINE + timedelta(hours=1)
    )
    assert run.status("a") == "succeeded"


def test_a_wait_for_a_time_that_has_passed_ends_at_once():
    assert (
        Run(
            'a: { wait: { until: "${ case.due }" } }', {"number": "C", "due": "2026-03-01T00:00:00Z"}
        ).status()
        == "completed"
    )


CHOICE = """
a:
  choose:
    hit: {hit}
    rules:
      - {{ when: "${{ case.n > 10 }}", give: big }}
      - {{ when: "${{ case.n > 5 }}", give: medium }}
      - {{ when: "${{ case.n == 0 }}", give: none }}
    {otherwise}
b: {{ needs: a, set: {{ it: "${{ steps.a.output }}" }} }}
"""


@pytest.mark.parametrize(("n", "it"), [(20, "big"), (7, "medium"), (0, "none"), (3, "small")])
def test_a_table_gives_what_its_first_hit_says_or_otherwise(n: int, it: str):
    run = Run(CHOICE.format(hit="first", otherwise="otherwise: small"), {"number": "C-1", "n": n})
    assert run.told("step.succeeded", "b")[0]["output"] == {"it": it}


@pytest.mark.parametrize(("n", "it"), [(20, ["big", "medium"]), (7, ["medium"]), (3, [])])
def test_a_table_that_collects_gives_all_hits(n: int, it: list[str]):
    run = Run(CHOICE.format(hit="collect", otherwise=""), {"number": "C-1", "n": n})
    assert run.told("step.succeeded", "b")[0]["output"] == {"it": it}


def test_a_table_without_a_hit_holds_the_step():
    run = Run(CHOICE.format(hit="first", otherwise=""), {"number": "C-1", "n": 3})
    assert run.status("a") == "held"
    assert run.open == ["decision_failed"]


def test_an_emit_sends_an_event_about_the_run_or_what_it_names():
    run = Run("""
    a: { emit: case.noted, data: { n: 1 } }
    b: { emit: case.ended, data: { n: 2 }, about: { other: "${ case.number }" } }
    """)
    assert run.emitted == [("case.noted", {"n": 1}), ("case.ended", {"n": 2})]
    first, second = [c for c in run.commands if type(c).__name__ == "Emit"]
    assert (first.about, second.about) == ({"case": "C-1"}, {"other": "C-1"})
    assert first.id != second.id


def test_values_that_are_set_feed_each_other():
    run = Run(
        """
    a: { set: { one: 1, total: "${ case.amount }" } }
    b: { needs: a, set: { two: "${ steps.a.output.one + 1 }", double: "${ steps.a.output.total * 2 }" } }
    c: { needs: b, set: { three: "${ steps.b.output.two + 1 }" } }
    """,
        {"number": "C-1", "amount": {"amount": "1.10", "currency": "EUR"}},
    )
    assert run.told("step.succeeded", "b")[0]["output"] == {
        "two": 2,
        "double": {"amount": "2.20", "currency": "EUR"},
    }
    assert run.told("step.succeeded", "c")[0]["output"] == {"three": 3}


def test_one_child_run_ends_its_step_with_what_it_gave():
    run = Run("""
    a: { run: child, with: { number: "${ case.number }" } }
    b: { needs: a, set: { it: "${ steps.a.output.proof }" } }
    """)
    assert run.sent(StartChild) == [
        StartChild(step="a", item="", process="child", document={"number": "C-1"})
    ]
    run.child("a", output={"proof": "yes"})
    assert run.told("step.succeeded", "b")[0]["output"] == {"it": "yes"}


def test_a_child_run_without_with_gets_the_document():
    assert Run("a: { run: child }").sent(StartChild)[0].document == {"number": "C-1"}


def test_the_run_gives_its_output_to_its_parent():
    run = Run(ONE, top='output: { n: "${ case.number }" }', parent=True)
    run.done("a")
    (told,) = run.news
    assert (told.to, told.type) == ("parent", "child.ended")
    assert told.data == {"step": "s", "item": "i", "redo": 0, "status": "completed", "output": {"n": "C-1"}}


def test_an_alias_is_claimed_from_the_output_and_by_the_process():
    run = Run(
        'a: { call: erp.do, undo: none, alias: { tracking: "${ output.tracking }", n: "${ input.x }" }, with: { x: "${ case.number }" } }',
        top='alias: { owner: "${ case.by }" }',
        document={"number": "C-1", "by": "ann"},
    )
    assert run.claimed == {"case": "C-1", "owner": "ann"}
    run.done("a", {"tracking": "1Z"})
    assert run.claimed == {"case": "C-1", "owner": "ann", "tracking": "1Z", "n": "C-1"}


def test_an_alias_that_another_run_holds_is_a_conflict_that_is_shown():
    run = Run(ONE, top='alias: { owner: "${ case.by }" }', document={"number": "C-1", "by": "ann"})
    run.event("alias.refused", {"kind": "owner", "value": "ann", "holder": "p/C-0/1"})
    assert run.open == ["alias_conflict"]
    assert run.told("exception.raised")[0]["message"] == "owner ann belongs to p/C-0/1"
    assert run.state.alias == {"case": "C-1"}


def test_an_alias_that_was_refused_is_claimed_again_when_the_conflict_is_closed_with_a_retry():
    run = Run(ONE, top='alias: { owner: "${ case.by }", n: "x" }', document={"number": "C-1", "by": "ann"})
    run.event("alias.refused", {"kind": "owner", "value": "ann", "holder": "p/C-0/1"})
    run.event("alias.refused", {"kind": "n", "value": "x", "holder": "p/C-2/1"})
    run.close("alias_conflict", "retry")
    assert [(c.kind, c.value) for c in run.asked if isinstance(c, Claim)] == [("owner", "ann"), ("n", "x")]
    run.event("alias.refused", {"kind": "owner", "value": "ann", "holder": "p/C-0/1"})
    assert run.open == ["alias_conflict"]  # it is still the other's
    assert [c for c in run.close("alias_conflict").asked if isinstance(c, Claim)] == []


@pytest.mark.parametrize(("value", "why"), [("x" * 2001, "2,001 bytes"), ("x\0y", "a NUL character")])
def test_what_cannot_be_looked_up_is_no_alias_and_no_key(value: str, why: str):
    run = Run("a: { call: erp.do, undo: erp.undo, alias: { tracking: '${ output.t }' } }").done(
        "a", {"t": value}
    )
    assert (run.claimed, run.status()) == ({"case": "C-1"}, "completed")
    assert why in run.told("exception.raised")[0]["message"]
    run = Run(
        "a: { emit: case.noted, data: {}, about: { case: '${ case.by }' } }", {"number": "1", "by": value}
    )
    assert (run.open, run.status("a"), run.emitted) == (["decision_failed"], "held", [])
    with pytest.raises(DecisionError, match=f"cannot be its key: it (has|holds) {why}"):
        Run("a: { wait: 1h }", {"number": value})


def test_the_longest_key_still_names_its_exceptions():
    run = Run("a: { call: erp.do, undo: erp.undo }", {"number": "é" * 500}).refused("a")
    (told,) = (e for e in run.sent(Emit) if e.type == "exception.raised")
    assert told.about == {"exception": f"p/{'é' * 500}/1/x1"}


def test_a_title_is_what_people_read():
    run = Run(
        "a: { title: Say yes, approve: { role: boss, not: [ann] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }"
    )
    assert run.told("task.opened")[0]["title"] == "Say yes"


def test_start_conditions_choose_what_starts_a_run():
    from crossdock.process import starts

    run = Run(ONE, top="", begin=False)
    assert starts(run.process, run.make("case.noted", {})) is None
    text = run.process.source.replace(
        "start: [{ on: case.opened }]",
        'start:\n  - { on: case.opened, if: "${ case.flag }" }\n  - { on: case.changed, if: "${ event.meta.source == \'test\' && case.n > 3 }" }',
    )
    other = Run(text=text, begin=False)
    assert starts(other.process, other.make("case.opened", {"number": "C", "flag": False})) is None
    assert starts(other.process, other.make("case.opened", {"number": "C", "flag": True})) == "C"
    assert starts(other.process, other.make("case.changed", {"number": "D", "n": 4})) == "D"


def test_the_document_may_be_a_part_of_the_event_that_starts():
    prelude_with_part = (
        Run(ONE, begin=False)
        .process.source.replace(
            "start: [{ on: case.opened }]", 'start: [{ on: case.wrapped, document: "${ event.case }" }]'
        )
        .replace("  events:\n", "  events:\n    case.wrapped: { data: { case: Case, reason: string } }\n")
    )
    run = Run(text=prelude_with_part, begin=False)
    run.begin("case.wrapped", {"case": {"number": "W", "version": 1}, "reason": "new"})
    assert run.state.document == {"number": "W", "version": 1}
    run.event("case.wrapped", {"case": {"number": "W", "version": 2}, "reason": "more"})
    assert run.state.document["version"] == 2


def test_a_start_without_a_key_says_so():
    run = Run(ONE, begin=False)
    from crossdock.process import starts

    with pytest.raises(DecisionError, match="could not be worked out"):
        starts(run.process, run.make("case.opened", {}))
    with pytest.raises(DecisionError, match="must be a text"):
        starts(run.process, run.make("case.opened", {"number": ""}))


def test_a_start_by_hand_or_by_a_parent_gives_the_document():
    run = Run(ONE, begin=False).begin("run.start", {"document": {"number": "H"}}, by="ann")
    assert (run.state.key, run.state.started_by) == ("H", "ann")


def test_expressions_see_the_run_the_tenant_and_the_time_of_the_decision():
    run = Run(
        'a: { set: { run: "${ run.key }", gen: "${ run.generation }", who: "${ tenant.name }", now: "${ now }", by: "${ run.started_by }" } }',
        tenant={"id": "t", "name": "Acme", "settings": {}},
        by="ann",
    )
    assert run.told("step.succeeded")[0]["output"] == {
        "run": "C-1", "gen": 1, "who": "Acme", "now": "2026-03-02T09:00:00Z", "by": "ann",
    }  # fmt: skip


def test_reasons_times_and_people_of_steps_can_be_read():
    run = Run("""
    a: { approve: { role: boss, not: [ann] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }
    b: { if: "${ false }", set: { x: 1 } }
    c:
      needs: [a, b]
      set: { by: "${ steps.a.by }", why: "${ steps.b.reason }", s: "${ steps.a.started }", e: "${ steps.a.ended }", st: "${ steps.b.status }" }
    """)
    run.wait("5m").decide("a")
    assert run.told("step.succeeded", "c")[0]["output"] == {
        "by": "bob", "why": "its condition does not hold", "st": "skipped",
        "s": "2026-03-02T09:00:00Z", "e": "2026-03-02T09:05:00Z",
    }  # fmt: skip
