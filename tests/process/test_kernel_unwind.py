"""Taking back: redo returns steps to pending, cancel ends the run; what cannot be undone; `fails`; exceptions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from driver import CATALOGUE, NINE, Run, process_of, text_of

from crossdock.process import advance, check, new_state
from crossdock.process.messages import Call, Claim, Emit, Event, Withdraw

CHAIN = """
a: { call: erp.do, with: { n: "${ case.n }" }, undo: erp.undo }
b: { needs: a, call: erp.more, undo: erp.undo_more }
c: { needs: b, call: wms.do, undo: wms.undo }
side: { call: wms.do, undo: wms.undo }
z: { needs: [c, side], await: case.ended, within: 9 days, late: { raise: slow } }
"""


def chain() -> Run:
    return (
        Run(CHAIN, {"number": "C-1", "n": 1, "version": 1})
        .done("a", {"id": 1})
        .done("side", {"id": 4})
        .done("b", {"id": 2})
        .done("c", {"id": 3})
    )


def undone(run: Run) -> list[str]:
    return [c.step for c in run.sent(Call) if c.undo]


def test_a_cancel_undoes_what_succeeded_newest_first_one_after_the_other():
    run = chain().cancel("customer")
    assert (run.status(), run.told("run.cancelling")) == (
        "cancelling",
        [{"reason": "customer", "by": "ann", "end": "cancelled"}],
    )
    for step in ("c", "b", "side", "a"):
        assert list(run.calls) == [f"{step}!undo"]
        run.done(f"{step}!undo")
    assert undone(run) == ["c", "b", "side", "a"]
    assert (run.status(), run.state.reason) == ("cancelled", "customer")
    assert run.statuses == {"a": "undone", "b": "undone", "c": "undone", "side": "undone", "z": "cancelled"}


def test_a_cancel_before_anything_was_done_ends_at_once():
    run = Run("a: { await: case.scanned, within: 1h, late: { raise: slow } }").cancel()
    assert (run.status(), run.commands[1:]) == ("cancelled", [])


def test_a_run_that_never_began_can_be_cancelled():
    process = process_of(text_of(CHAIN))
    state = new_state(process, tenant="acme", key="C-1")
    now = datetime(2026, 3, 2, 8, tzinfo=UTC)
    cancel = Event(
        id="1", source="desk", type="run.cancel", time=now, received=now, now=now, data={"reason": "no start"}
    )
    decision = advance(process, state, cancel)
    assert (decision.state.status, decision.state.ended, decision.state.wake) == ("cancelled", now, None)
    assert {step.status for step in decision.state.steps.values()} == {"cancelled"}
    assert decision.commands == []


def test_a_second_cancel_is_told_that_there_is_one():
    run = chain().cancel().cancel()
    assert run.last[-1].what == "cancel.refused"


def test_a_cancelled_run_changes_no_more():
    run = Run("a: { await: case.scanned, within: 1h, late: { raise: slow } }").cancel()
    for what in ("retry", "supply", "skip", "redo"):
        run.repair(f"step.{what}", "a", note="x")
        assert run.last[-1].what == "repair.refused"
    assert run.event("case.scanned", {}).last[-1].what == "event.unused"
    assert run.cancel().last[-1].what == "cancel.refused"


def test_events_while_cancelling_change_nothing():
    run = chain().cancel().event("case.ended", {}).event("case.changed", {"number": "C-1", "version": 9})
    assert run.told("event.unused") == [
        {"type": "case.ended", "reason": "the run is cancelling"},
        {"type": "case.changed", "reason": "the run is cancelling"},
    ]


def test_undo_none_has_nothing_to_take_back():
    run = Run("a: { call: erp.do, undo: none }\nz: { wait: 1 day }").done("a").cancel()
    assert (run.status(), run.status("a"), undone(run)) == ("cancelled", "succeeded", [])


IMPOSSIBLE = "a: {{ call: erp.do, undo: {undo} }}\nz: {{ needs: a, wait: 1 day }}"


@pytest.mark.parametrize(
    ("undo", "why"),
    [
        ("impossible", "a cannot be undone"),
        ("{ impossible: the goods are delivered }", "the goods are delivered"),
    ],
)
def test_what_cannot_be_undone_is_refused_with_that_reason_and_raised_instead(undo: str, why: str):
    run = Run(IMPOSSIBLE.format(undo=undo)).done("a").cancel()
    assert (run.status(), run.status("z"), run.open) == ("active", "waiting", ["cancel_refused"])
    assert run.told("exception.raised")[0]["message"] == f"cannot be cancelled: {why}"
    run.repair("step.redo", "a")
    assert run.open == ["cancel_refused", "redo_refused"]
    run.wait("1 day")
    assert run.status() == "completed"


def test_before_it_succeeded_it_can_be_cancelled():
    run = Run(IMPOSSIBLE.format(undo="impossible")).cancel().gone("a")
    assert run.status() == "cancelled"


TWO_SCANS = """
    a: { call: erp.do, undo: impossible }
    b:
      needs_any: [a, x]
      await: case.scanned
      until: "${ size(steps.b.events) >= 2 }"
      within: 1h
      late: [{ raise: slow }, { escalate: chief }, { after: 9h, emit: case.noted }]
    w: { needs_any: [a, x], wait: 5h }
    x: { set: { n: 1 } }
    z: { needs: [b, w], call: erp.read }
    """


@pytest.mark.parametrize("asked", ["cancel", "redo"])
def test_a_wait_that_is_given_back_waits_on_from_where_it_stood(asked: str):
    run = Run(TWO_SCANS).event("case.scanned", {"n": 1}).wait("2h")
    assert (run.open, len(run.told("escalated", "b"))) == (["slow"], 1)
    if asked == "cancel":
        run.cancel()
    else:
        run.repair("step.redo", "a")
    assert (run.status("b"), run.status("w"), run.open) == ("cancelled", "cancelled", [])
    run.wait("1h").done("a")  # it cannot be undone
    assert (run.status("b"), run.status("w")) == ("waiting", "waiting")
    assert sorted(run.open) == [f"{asked}_refused", "slow"]
    assert run.state.steps["w"].due == NINE + timedelta(hours=5)
    run.wait("2h")
    assert (run.status("w"), len(run.told("escalated", "b"))) == ("succeeded", 1)
    run.event("case.scanned", {"n": 2})
    assert (run.status("b"), run.status("z"), run.open) == ("succeeded", "running", [f"{asked}_refused"])


def test_what_was_held_is_held_again_where_the_cancel_is_refused():
    run = Run("""
    a: { call: erp.do, undo: impossible }
    b: { call: erp.more, undo: none, within: 1h, late: { raise: slow } }
    c: { approve: { role: boss, not: [x] }, refused: { raise: trouble }, within: 1h, late: { raise: slow } }
    """)
    run.refused("b").decide("c", "refused").cancel()
    assert run.open == []
    run.done("a")
    assert (run.status("b"), run.status("c")) == ("held", "held")
    assert sorted(run.open) == ["cancel_refused", "refused_by_partner", "trouble"]
    assert len(run.sent(Call)) == 2  # nobody has asked to try it again
    run.wait("1h").repair("step.retry", "b").done("b")
    assert (run.open.count("slow"), run.status("b")) == (1, "succeeded")
    run.close("trouble", step="c").decide("c")
    assert run.status() == "completed"


@pytest.mark.parametrize("verb", ["cancel: no use", "redo: b, most: 3"])
def test_a_failure_whose_cancel_or_redo_is_refused_later_holds_its_step(verb: str):
    run = Run(f"""
    a: {{ needs: b, call: erp.do, undo: impossible }}
    b: {{ set: {{ n: 1 }} }}
    c: {{ needs: b, call: erp.more, undo: none, fails: {{ {verb} }} }}
    d: {{ needs: b, approve: {{ role: boss, not: [x] }}, refused: {{ {verb} }}, within: 1h, late: {{ raise: slow }} }}
    """)
    run.refused("c")
    assert run.status("a") == "running"
    run.done("a")
    assert (run.status("c"), run.status("d")) == ("held", "waiting")
    assert sorted(run.open) == sorted([f"{verb.split(':', maxsplit=1)[0]}_refused", "refused_by_partner"])
    assert len(run.sent(Call)) == 2  # nobody has asked to try it again
    run.repair("step.retry", "c").done("c")
    assert run.status("c") == "succeeded"


def test_what_comes_while_a_cancel_is_found_out_counts_where_the_run_goes_on():
    run = Run(
        """
    a: { call: erp.do, undo: impossible }
    b: { await: case.scanned, within: 1h, late: { raise: slow } }
    z: { wait: 9 days }
    """,
        top="on: { case.noted: { do: raise, type: trouble } }",
    ).cancel()
    run.event("case.scanned", {"n": 1}).event("case.changed", {"number": "C-1", "version": 2})
    run.event("case.noted", {})
    assert (run.status("b"), run.open) == ("cancelled", [])
    run.done("a")
    assert (run.status(), run.status("b"), run.open) == ("active", "succeeded", ["cancel_refused"])
    assert run.state.document["version"] == 2


def test_a_call_found_to_be_done_that_cannot_be_undone_gives_the_run_back():
    run = Run("""
    a: { call: erp.do, undo: { impossible: gone out } }
    b: { call: wms.do, undo: wms.undo }
    c: { call: wms.do, undo: wms.undo }
    w: { approve: { role: boss, not: [x] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }
    later: { needs: [a, b, c, w], call: erp.read }
    """)
    run.done("c").cancel()
    assert [c.id for c in run.sent(Withdraw)] == ["a", "b"]
    run.gone("b").done("a")
    assert (run.status(), run.open) == ("active", ["cancel_refused"])
    assert run.statuses == {
        "a": "succeeded",
        "b": "running",
        "c": "succeeded",
        "w": "waiting",
        "later": "pending",
    }
    assert undone(run) == []
    run.done("b#1").decide("w").done("later")
    assert run.status() == "completed"


# -- redo -------------------------------------------------------------------------------------------------------


def test_a_redo_returns_a_step_and_all_that_depends_on_it_undoing_newest_first():
    run = chain().repair("step.redo", "b", note="wrong box")
    assert run.told("redo.begun") == [{"steps": ["b", "c", "z"], "reason": "wrong box", "by": "ann"}]
    assert run.status("z") == "cancelled"
    run.done("c!undo").done("b!undo")
    assert run.statuses == {
        "a": "succeeded",
        "b": "running",
        "c": "pending",
        "side": "succeeded",
        "z": "pending",
    }
    assert undone(run) == ["c", "b"]
    run.done("b#1").done("c#1").event("case.ended", {})
    assert run.status() == "completed"
    assert run.state.steps["b"].redo == 1


def test_a_redo_reads_the_document_as_it_is_then():
    run = chain().event("case.changed", {"number": "C-1", "n": 2, "version": 2}).repair("step.redo", "a")
    for step in ("c", "b", "a"):
        run.done(f"{step}!undo")
    assert run.input("a#1") == {"n": 2}


def test_a_redo_follows_those_that_only_name_the_step_in_an_expression():
    run = Run("""
    a: { call: erp.do, undo: erp.undo }
    b: { if: "${ steps.a.status == 'succeeded' }", call: erp.read }
    """)
    assert run.status("b") == "skipped"
    run.done("a")
    assert run.status() == "completed"


def test_what_comes_while_a_redo_takes_back_is_not_lost():
    run = (
        Run("""
    a: { call: erp.do, undo: erp.undo }
    b: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }
    z: { needs: b, call: erp.read }
    """)
        .done("a")
        .repair("step.redo", "a")
    )
    assert run.status("a") == "succeeded"
    run.event("case.scanned", {"n": 1})
    run.done("a!undo").done("a#1")
    assert run.status("z") == "running"


def test_a_redone_await_waits_for_a_new_event():
    run = (
        Run("""
    a: { await: case.scanned, within: 1h, late: { raise: slow } }
    z: { wait: 9 days }
    """)
        .event("case.scanned", {"n": 1})
        .repair("step.redo", "a")
    )
    assert run.status("a") == "waiting"
    run.event("case.scanned", {"n": 2})
    assert run.status("a") == "succeeded"


def test_a_redo_withdraws_open_approvals_and_closes_what_held_the_steps():
    run = (
        Run("""
    a: { call: erp.do, undo: erp.undo }
    b: { needs: a, approve: { role: boss, not: [x] }, refused: { raise: trouble }, within: 1h, late: { raise: slow } }
    """)
        .done("a")
        .decide("b", "refused")
    )
    assert run.open == ["trouble"]
    run.repair("step.redo", "a").done("a!undo").done("a#1")
    assert (run.open, run.status("b")) == ([], "waiting")
    run.repair("step.redo", "a")
    assert len(run.told("task.withdrawn")) == 1


def test_a_redo_by_no_person_is_limited():
    run = Run("""
    a: { call: erp.do, undo: erp.undo, redo: { most: 2 } }
    b: { needs: a, call: erp.more, undo: none, fails: { redo: a } }
    """)
    for n in range(3):
        life = f"#{n}" if n else ""
        run.done(f"a{life}").refused(f"b{life}")
        if n < 2:
            assert run.done(f"a{life}!undo").status("a") == "running"
    assert (run.status("a"), run.status("b")) == ("succeeded", "held")
    assert run.open == ["redo_limit", "refused_by_partner"]
    run.repair("step.redo", "a").done("a#2!undo")
    assert run.status("a") == "running"


def test_a_redo_of_a_step_that_failed_and_one_of_another():
    run = Run("""
    a: { call: erp.do, undo: erp.undo }
    b: { call: erp.more, undo: none, fails: { redo: a, most: 1 } }
    """)
    run.done("a").refused("b").done("a!undo")
    assert run.statuses == {"a": "running", "b": "failed"}


def test_a_redo_while_cancelling_is_refused():
    run = chain().cancel().repair("step.redo", "a")
    assert run.last[-1].what == "redo.refused"
    assert run.status() == "cancelling"


def test_a_cancel_while_redoing_takes_over():
    run = chain().repair("step.redo", "b").cancel()
    assert run.status() == "cancelling"
    for step in ("c", "b", "side", "a"):
        run.done(f"{step}!undo")
    assert (run.status(), undone(run)) == ("cancelled", ["c", "b", "side", "a"])


def test_a_second_redo_while_one_is_under_way_joins_it():
    run = chain().repair("step.redo", "c").repair("step.redo", "side")
    run.done("c!undo").done("side!undo")
    assert run.statuses == {
        "a": "succeeded",
        "b": "succeeded",
        "c": "running",
        "side": "running",
        "z": "pending",
    }


def test_a_cancel_while_a_redo_undoes_meets_what_cannot_be_undone():
    run = (
        Run("""
    a: { call: erp.do, undo: erp.undo }
    b: { call: erp.more, undo: impossible }
    z: { needs: [a, b], wait: 1 day }
    """)
        .done("a")
        .repair("step.redo", "a")
        .cancel()
    )
    run.done("a!undo")
    assert run.status() == "cancelling"
    run.done("b")
    assert (run.status(), run.status("b"), run.open) == ("cancelling", "held", ["undo_failed"])
    run.repair("step.retry", "b")
    assert run.status("b") == "held"
    run.repair("step.skip", "b", note="so be it")
    assert run.status() == "cancelled"


def test_what_a_redone_step_had_called_for_is_called_for_anew():
    run = (
        Run("""
    a: { call: erp.do, undo: erp.undo, fails: other }
    other: { call: wms.do, undo: wms.undo }
    z: { wait: 9 days }
    """)
        .refused("a")
        .done("other")
        .repair("step.redo", "a")
        .done("other!undo")
    )
    assert run.statuses == {"a": "running", "other": "pending", "z": "waiting"}
    run.done("a#1")
    assert run.status("other") == "skipped"


# -- fails --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fails", "step", "status", "open_"),
    [
        ("raise", "held", "held", ["refused_by_partner"]),
        ("{ raise: trouble, severity: low }", "held", "held", ["trouble"]),
        ("skip", "skipped", "active", []),
        ("cancel", "cancelled", "cancelled", []),
        ("{ fail: broken }", "cancelled", "failed", []),
        ("{ emit: case.noted }", "held", "held", ["refused_by_partner"]),
        ("[{ emit: case.noted }, skip]", "skipped", "active", []),
        ('[{ if: "${ false }", skip: x }]', "held", "held", ["refused_by_partner"]),
        ('[{ if: "${ case.n > 1 }", skip: x }]', "held", "held", ["decision_failed", "refused_by_partner"]),
    ],
)
def test_fails_says_what_a_final_failure_does(fails: str, step: str, status: str, open_: list[str]):
    run = Run(f"a: {{ call: erp.do, undo: none, fails: {fails} }}\nz: {{ wait: 9 days }}").refused("a")
    assert (run.status("a"), run.status(), run.open) == (step, status, open_)


def test_a_cancel_that_fails_asks_for_and_cannot_be_had_holds_the_step():
    run = (
        Run("""
    a: { call: erp.do, undo: impossible }
    b: { needs: a, call: erp.more, undo: none, fails: cancel }
    """)
        .done("a")
        .refused("b")
    )
    assert (run.status("b"), run.open) == ("held", ["cancel_refused", "refused_by_partner"])


def test_a_step_in_the_place_of_two_takes_the_place_of_the_second_only_while_it_has_not_ended():
    run = Run("""
    a: { call: erp.do, undo: none, fails: other }
    b: { call: erp.more, undo: none, fails: other }
    other: { call: wms.do, undo: none }
    """)
    run.refused("a").done("other").refused("b")
    assert (run.status("b"), run.open) == ("held", ["refused_by_partner"])


# -- exceptions -----------------------------------------------------------------------------------------------


def test_a_repeat_raises_the_count_of_the_open_exception():
    run = Run("a: { call: erp.do, undo: none }")
    run.refused("a", "one").repair("step.retry", "a").refused("a", "two")
    assert len(run.told("exception.raised")) == 2
    assert run.told("exception.closed")[0]["note"] == "tried again"
    run = Run("z: { wait: 9 days }", top="on: { case.noted: { do: raise, type: trouble } }")
    for _ in range(3):
        run.event("case.noted", {})
    assert len(run.told("exception.raised")) == 1
    assert [r["count"] for r in run.told("exception.repeated")] == [2, 3]


def test_a_step_is_held_until_all_of_its_exceptions_are_closed():
    run = Run("""
    a: { call: erp.do, undo: none, fails: [{ raise: trouble }, { raise: slow }] }
    b: { call: erp.read }
    """).refused("a")
    run.done("b")
    assert (run.status("a"), run.status(), run.open) == ("held", "held", ["trouble", "slow"])
    run.close("trouble")
    assert run.status("a") == "held"
    run.close("slow")
    assert run.status("a") == "running"


@pytest.mark.parametrize(
    ("action", "step", "status"),
    [
        ("close", "running", "active"),
        ("retry", "running", "active"),
        ("skip", "skipped", "active"),
        ("cancel", "cancelled", "cancelled"),
    ],
)
def test_closing_an_exception_does_what_the_person_chose(action: str, step: str, status: str):
    run = (
        Run("a: { call: erp.do, undo: none }\nz: { wait: 9 days }")
        .refused("a")
        .close("refused_by_partner", action)
    )
    assert (run.status("a"), run.status(), run.open) == (step, status, [])


def test_closing_in_an_unknown_way_or_what_is_not_open_is_refused():
    run = Run("a: { call: erp.do, undo: none }").refused("a").close("refused_by_partner", "explode")
    assert run.open == ["refused_by_partner"]
    run.event("exception.close", {"exception": "nothing"}, by="ann")
    assert [r["reason"] for r in run.told("repair.refused")] == [
        "'explode' is not one of close, retry, skip, cancel",
        "exception nothing is not open",
    ]


def test_an_exception_of_an_ended_run_can_be_closed_and_no_more():
    run = Run(
        "a: { await: case.scanned, within: 9h, late: { raise: slow } }",
        top="on: { case.noted: { do: raise, type: trouble } }",
    )
    run.event("case.noted", {}).event("case.scanned", {})
    assert (run.status(), run.open) == ("completed", ["trouble"])
    run.close("trouble", "cancel")
    assert (run.status(), run.open) == ("completed", [])


def test_exceptions_are_events_that_another_process_may_start_on():
    run = Run("a: { call: erp.do, undo: none }\nz: { wait: 9 days }").refused("a", "no")
    (raised,) = run.sent(Emit)
    assert (raised.type, raised.about) == ("exception.raised", {"exception": "p/C-1/1/x1"})
    assert raised.data == {
        "id": "p/C-1/1/x1", "type": "refused_by_partner", "severity": "medium", "process": "p",
        "run": "p/C-1/1", "message": "no", "raised": "2026-03-02T09:00:00Z", "step": "a",
    }  # fmt: skip
    assert [c.value for c in run.sent(Claim) if c.kind == "exception"] == ["p/C-1/1/x1"]
    run.repair("step.skip", "a", note="x")
    assert run.sent(Emit)[-1].type == "exception.closed"


def test_a_process_about_exceptions_does_not_announce_its_own():
    text = """
process: playbook
owner: desk
document: ExceptionCase
key: ${ exception.id }
start: [{ on: exception.raised, if: "${ exception.type == 'trouble' }" }]
on: { exception.closed: { do: cancel } }
steps:
  look: { task: { role: desk }, within: 1h, late: { raise: no_playbook } }
"""
    run = Run(text=text, document={"id": "x1", "type": "trouble", "message": "m", "status": "open"})
    run.wait("1h")
    assert (run.open, run.sent(Emit)) == (["no_playbook"], [])


def test_what_closes_an_exception_is_emitted_by_a_process_about_one_and_says_what_becomes_of_it():
    steps = "a: { emit: exception.close, data: { action: retry } }"
    _, problems = check(text_of(steps), CATALOGUE)
    assert [p.message for p in problems] == [
        "`exception.close` closes the exception that a process is about; this one is about Case"
    ]
    text = """
process: playbook
owner: desk
document: ExceptionCase
key: ${ exception.id }
start: [{ on: exception.raised }]
steps:
  settle: { emit: exception.close, data: { action: retyr } }
"""
    _, problems = check(text, CATALOGUE)
    assert [(p.message, p.mend) for p in problems] == [
        ("an exception cannot be closed by 'retyr'", "did you mean `retry`?")
    ]
    run = Run(text=text.replace("retyr", "skip"), document={"id": "x1", "type": "trouble", "status": "open"})
    (told,) = run.sent(Emit)
    assert (told.type, told.about) == ("exception.close", {"exception": "x1"})
    assert told.data == {"exception": "x1", "note": "playbook", "action": "skip"}
    assert run.status() == "completed"


def test_severity_and_owner_come_from_the_action_else_from_the_declaration():
    run = Run("a: { call: erp.do, undo: none, fails: { raise: trouble } }").refused("a")
    (told,) = run.told("exception.raised")
    assert (told["severity"], told["owner"], told["process_owner"], told["holds"]) == (
        "high",
        "desk",
        "team",
        True,
    )


# -- what an expression gets wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "status"),
    [
        ('{ if: "${ case.n > 1 }", call: erp.read }', "held"),
        ('{ call: erp.read, with: { n: "${ case.n + 1 }" } }', "held"),
        ('{ set: { n: "${ case.n + 1 }" } }', "held"),
        ('{ wait: "${ case.due }" }', "held"),
        ('{ emit: case.noted, data: { n: "${ case.n + 1 }" } }', "held"),
        (
            '{ each: "${ case.items }", item_key: "${ case.number }", run: child, with: { n: "${ case.n + 1 }" } }',
            "succeeded",
        ),
        ('{ await: case.scanned, match: "${ case.n > 1 }", within: 1h, late: { raise: slow } }', "waiting"),
        (
            '{ approve: { role: boss, not: ["${ case.names.map(n, n + n)[3] }"] }, refused: { cancel: x }, within: 1h, late: { raise: slow } }',
            "held",
        ),
        ('{ await: case.scanned, within: "${ case.number }", late: { raise: slow } }', "waiting"),
        ('{ choose: { rules: [{ when: "${ case.n > 1 }", give: 1 }] } }', "held"),
    ],
)
def test_what_cannot_be_worked_out_is_told_and_never_a_crash(step: str, status: str):
    run = Run(f"a: {step}\nz: {{ wait: 9 days }}")
    assert run.status("a") == status
    assert run.status("z") == "waiting"
    if status == "held":
        assert run.open == ["decision_failed"]
        run.event(
            "case.changed",
            {
                "number": "C-1",
                "n": 5,
                "due": "2026-03-01T00:00:00Z",
                "names": ["a", "b", "c", "d"],
                "version": 2,
            },
            time=run.now.replace(minute=1),
        )
        run.close("decision_failed")
        assert run.status("a") in ("running", "succeeded", "waiting")


def test_an_until_that_cannot_be_worked_out_keeps_the_event_and_tells():
    run = Run(
        'a: { await: case.scanned, until: "${ steps.a.output.n > 1 }", within: 1h, late: { raise: slow } }'
    )
    run.event("case.scanned", {"last": True})
    assert (run.status("a"), run.open) == ("waiting", ["decision_failed"])
    assert len(run.state.steps["a"].events) == 1
    run.event("case.scanned", {"n": 2})
    assert (run.status(), run.open) == ("completed", [])


def test_a_match_that_cannot_be_worked_out_tells_of_the_event():
    run = Run('a: { await: case.scanned, match: "${ event.n > 1 }", within: 1h, late: { raise: slow } }')
    run.event("case.scanned", {}, id="E9")
    (told,) = run.told("exception.raised")
    assert "case.scanned E9" in told["message"]
    run.event("case.scanned", {"n": 2})
    assert (run.status(), run.open) == ("completed", [])


def test_an_alias_an_output_and_a_calendar_that_cannot_be_worked_out_are_told():
    run = Run(
        'a: { call: erp.do, undo: none, alias: { x: "${ output.x }" } }',
        top='output: { n: "${ case.n + 1 }" }\ncalendar: "${ text(case.n + 1) }"\nalias: { y: "${ text(case.n + 2) }" }',
    )
    run.done("a", {"y": 1})
    assert run.status() == "completed"
    said = {
        r["message"].split(" could not")[0]
        for r in run.told("exception.raised") + run.told("exception.repeated")
    }
    assert said == {"its calendar", "its alias x", "its alias y", "the run's output"}


def test_a_limit_that_a_deadline_has_met_is_settled_when_what_it_waited_for_has_come():
    run = Run("""
    s0: { call: erp.do, undo: erp.undo }
    a: { needs: s0, await: case.scanned, within: 1h, late: { redo: s0, most: 1 } }
    """)
    run.done("s0").wait("1h").done("s0!undo").done("s0#1").wait("1h")
    assert run.open == ["redo_limit"]
    assert run.told("exception.raised")[0]["message"] == "s0 was done again 1 times already"
    run.event("case.scanned", {})
    assert (run.status(), run.open) == ("completed", [])


def test_what_cannot_be_worked_out_at_a_start_is_a_failure_that_fails_decides():
    steps = """
    a: { set: { x: "${ case.names[3] }" }, fails: b }
    b: { emit: case.noted, data: { n: 1 } }
    c: { set: { x: "${ case.names[3] }" } }
    """
    run = Run(steps, {"number": "C-1", "names": ["a"]})
    assert run.statuses == {"a": "failed", "b": "succeeded", "c": "held"}
    assert run.open == ["decision_failed"]
    run.wait("1m").event("case.changed", {"number": "C-1", "names": ["a", "b", "c", "d"]})
    run.close("decision_failed")
    assert (run.status(), run.status("c")) == ("completed", "succeeded")


def test_a_reason_is_worked_out_like_a_message():
    run = Run(
        "a: { await: case.scanned, within: 1h, late: skip }",
        top='on: { case.ended: { do: cancel, reason: "it was ${ event.n }" } }',
    )
    run.event("case.ended", {"n": 7})
    assert run.state.reason == "it was 7"


@pytest.mark.parametrize("act", ["step.skip", "step.retry", "step.supply", "step.redo"])
def test_what_answers_an_exception_does_nothing_to_the_step_after_somebody_was_quicker(act: str):
    run = chain().repair("step.redo", "a")
    for name in ("c", "b"):
        run.done(f"{name}!undo")
    run.refused("a!undo", "it is packed")
    (held,) = run.state.exceptions
    run.repair("step.skip", "a", note="it stays", exception=held)
    assert run.status("a") == "running"  # the redo has begun
    run.repair(act, "a", by="bob", note="it stays", exception=held)
    assert (run.status("a"), run.told("call.withdrawing")) == ("running", [])
    assert run.told("repair.refused") == [{"reason": f"exception {held} is not open any more", "by": "bob"}]
