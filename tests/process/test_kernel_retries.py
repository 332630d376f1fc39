"""How a call goes on after each answer, at each moment of its run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from driver import NINE, Run

from crossdock.process.messages import Call, Retry, Withdraw

CALL = """
a:
  call: erp.do
  with: {{ n: 1 }}
  undo: erp.undo
  {more}
z: {{ wait: 30 days }}
"""


def a(more: str = "retry: { attempts: 3, first: 10s, most: 1m }") -> Run:
    return Run(CALL.format(more=more))


def waits(run: Run) -> list[float]:
    return [(c.at - run.now).total_seconds() for c in run.sent(Retry)]


def test_what_could_not_be_reached_is_tried_again_after_a_back_off_that_doubles_up_to_the_most():
    run = a("retry: { attempts: 8, first: 5s, most: 30s }")
    for _ in range(7):
        run.unreachable("a")
    assert waits(run) == [5, 10, 20, 30, 30, 30, 30]
    assert [r["attempt"] for r in run.told("call.retried")] == [2, 3, 4, 5, 6, 7, 8]
    run.unreachable("a")
    assert (run.status("a"), run.status(), run.open) == ("held", "held", ["partner_down"])


def test_a_fixed_back_off_stays():
    run = a("retry: { attempts: 4, backoff: fixed, first: 7s }")
    for _ in range(3):
        run.unreachable("a")
    assert waits(run) == [7, 7, 7]


def test_a_thousand_tries_come_to_no_overflow():
    run = a("retry: { attempts: 1000, first: 1 day, most: 2 days }")
    for _ in range(100):
        run.unreachable("a")
    assert waits(run)[-1] == 2 * 86400


@pytest.mark.parametrize(
    ("asked", "given"), [(3, 10), (60, 60), (1e12, 7 * 86400), (float("inf"), 10), (-5, 10)]
)
def test_retry_after_is_honoured_within_reason(asked: float, given: float):
    run = a()
    run.unreachable("a", retry_after=asked)
    assert waits(run) == [given]


def test_without_retry_the_first_failure_is_final():
    run = a("retry: none")
    run.unreachable("a")
    assert run.open == ["partner_down"]


def test_a_refusal_is_not_tried_again_and_all_that_is_known_is_told():
    run = a()
    run.refused("a", "no such item", "404")
    assert run.sent(Retry) == []
    (told,) = run.told("exception.raised", "a")
    assert told["type"] == "refused_by_partner"
    assert (told["message"], told["code"], told["operation"], told["call"], told["attempts"]) == (
        "no such item", "404", "erp.do", "a", 1,
    )  # fmt: skip
    assert told["connection"] == "erp"


def test_an_unknown_outcome_is_found_out_by_the_same_call():
    run = a()
    run.unknown("a")
    (retry,) = run.sent(Retry)
    assert (retry.id, retry.doubt) == ("a", True)
    run.done("a", {"x": 1})
    assert run.status("a") == "succeeded"


def test_a_doubt_once_raised_stays_until_it_is_settled():
    run = a()
    run.unknown("a").unreachable("a").unreachable("a")
    assert (run.open, run.status("a")) == (["unknown_outcome"], "held")


def test_an_outcome_that_cannot_be_found_out_goes_to_a_person_at_once():
    run = a()
    run.unknown("a", resolvable=False)
    assert run.sent(Retry) == []
    assert run.open == ["unknown_outcome"]


def test_a_person_tries_again_and_the_doubt_goes_with_the_call():
    run = Run("a: { call: erp.do, with: { n: 1 }, undo: none, retry: none }")
    run.unknown("a").repair("step.retry", "a")
    assert [(c.id, c.doubt) for c in run.sent(Call)] == [("a", False), ("a", True)]
    assert (run.status("a"), run.open) == ("running", [])


@pytest.mark.parametrize("how", ["retry", "close"])
def test_who_tries_again_what_no_program_can_find_out_says_that_it_was_not_done(how):
    run = a()
    run.unknown("a", resolvable=False)
    if how == "retry":
        run.repair("step.retry", "a")
    else:
        run.close("unknown_outcome", action="retry")
    assert [(c.id, c.doubt) for c in run.sent(Call)] == [("a", False), ("a", False)]
    run.cancel().refused("a")  # it is not in doubt any more
    assert run.status() == "cancelled"


def test_an_unknown_outcome_that_is_only_noted_stays_in_doubt():
    run = a()
    run.unknown("a", resolvable=False).close("unknown_outcome")
    assert [(c.id, c.doubt) for c in run.sent(Call)] == [("a", False), ("a", True)]


def test_a_call_given_up_leaves_again_with_the_same_key_and_input():
    run = a()
    run.refused("a").repair("step.retry", "a")
    first, second = run.sent(Call)
    assert first == second
    run.done("a")
    assert run.status("a") == "succeeded"


def test_a_call_that_waits_for_its_next_try_goes_at_once_when_a_person_says_so():
    run = a()
    run.unreachable("a")
    run.now += timedelta(seconds=1)
    run.repair("step.retry", "a")
    assert run.sent(Retry)[-1].at == run.now


def test_a_person_supplies_the_result_of_a_call():
    run = a()
    run.unknown("a", resolvable=False).repair("step.supply", "a", output={"id": 7}, note="seen in the ERP")
    assert run.status("a") == "succeeded"
    assert run.told("step.succeeded") == [{"output": {"id": 7}, "by": "ann"}]
    run.cancel()
    assert run.input("a!undo") == {"n": 1, "id": 7}


def test_a_result_is_not_supplied_while_the_call_is_out():
    run = a()
    run.repair("step.supply", "a", output={})
    assert run.last[-1].what == "step.supply_refused"


def test_a_skip_needs_a_reason():
    run = a()
    run.refused("a").repair("step.skip", "a")
    assert run.status("a") == "held"
    run.repair("step.skip", "a", note="not needed")
    assert run.told("step.skipped") == [{"reason": "not needed", "by": "ann"}]


def test_a_skip_of_a_call_that_is_out_takes_it_back_first():
    run = a()
    run.repair("step.skip", "a", note="no")
    assert run.sent(Withdraw) == [Withdraw(id="a")]
    assert run.status("a") == "running"
    run.gone("a")
    assert run.told("step.skipped") == [{"reason": "no", "by": "ann"}]


@pytest.mark.parametrize("answer", ["refused", "unreachable"])
def test_a_call_to_be_skipped_that_was_not_done_is_skipped(answer: str):
    run = a().repair("step.skip", "a", note="no").answer("a", answer)
    assert run.status("a") == "skipped"


def test_a_call_to_be_skipped_that_was_done_has_succeeded():
    run = a().repair("step.skip", "a", note="no").done("a", {"x": 1})
    assert run.status("a") == "succeeded"


def test_a_call_to_be_skipped_of_unknown_outcome_is_found_out():
    run = a().repair("step.skip", "a", note="no").unknown("a")
    assert run.status("a") == "running"
    assert run.sent(Retry)[-1].doubt
    run.gone("a")
    assert run.status("a") == "skipped"


def test_a_surplus_answer_changes_nothing():
    run = a().done("a", {"x": 1})
    before = run.state
    run.answer("a", "refused")
    assert run.last[-1].what == "call.surplus"
    assert run.state.steps == before.steps
    run.answer("nobody", "done")
    assert run.last[-1].what == "call.surplus"


# -- while the run is being cancelled -------------------------------------------------------------------------


def test_a_call_that_is_out_is_taken_back_before_anything_is_undone():
    run = a().cancel()
    assert run.sent(Withdraw) == [Withdraw(id="a")]
    assert run.status() == "cancelling"
    run.gone("a")
    assert (run.status(), run.status("a")) == ("cancelled", "cancelled")


def test_a_call_that_turns_out_to_have_been_done_is_undone():
    run = a().cancel().done("a", {"id": 9})
    assert run.input("a!undo") == {"n": 1, "id": 9}
    assert run.call("a!undo").operation == "undo"
    run.done("a!undo")
    assert (run.status(), run.status("a")) == ("cancelled", "undone")


@pytest.mark.parametrize("answer", ["refused", "unreachable"])
def test_a_call_that_was_not_done_is_over_when_the_run_is_cancelled(answer: str):
    assert a().cancel().answer("a", answer).status() == "cancelled"


def test_a_call_of_unknown_outcome_is_found_out_while_cancelling():
    run = a().cancel().unknown("a")
    assert run.status() == "cancelling"
    assert run.sent(Retry)[-1].doubt
    run.done("a").done("a!undo")
    assert run.status() == "cancelled"


def test_what_cannot_be_found_out_keeps_the_run_cancelling_until_a_person_says():
    run = a().cancel().unknown("a", resolvable=False)
    assert (run.status(), run.status("a"), run.open) == ("cancelling", "held", ["unknown_outcome"])
    run.repair("step.skip", "a", note="it was not done")
    assert run.status() == "cancelled"


def test_a_person_says_that_it_was_done_and_it_is_undone():
    run = a().cancel().unknown("a", resolvable=False).repair("step.supply", "a", output={"id": 3})
    assert run.input("a!undo") == {"n": 1, "id": 3}


def test_a_call_given_up_in_doubt_is_found_out_and_only_that():
    run = a().unknown("a", resolvable=False).cancel()
    assert [(c.id, c.only_find) for c in run.sent(Call)] == [("a", False), ("a", True)]
    run.gone("a")
    assert (run.status(), run.open) == ("cancelled", [])


def test_an_undo_is_tried_again_like_any_call():
    run = a().done("a").cancel().unreachable("a!undo")
    assert run.sent(Retry)[-1].id == "a!undo"
    run.unreachable("a!undo").unreachable("a!undo")
    assert (run.open, run.status()) == (["undo_failed"], "cancelling")
    (told,) = run.told("exception.raised")
    assert told["operation"] == "erp.undo"


@pytest.mark.parametrize("way", ["retry", "skip", "supply", "close"])
def test_a_refused_undo_is_for_a_person(way: str):
    run = a().done("a").cancel().refused("a!undo", "shipped already")
    assert (run.open, run.status(), run.status("a")) == (["undo_failed"], "cancelling", "held")
    if way == "close":
        run.close("undo_failed")
    else:
        run.repair(f"step.{way}", "a", note="by telephone")
    if way in ("retry", "close"):
        assert run.status() == "cancelling"
        run.done("a!undo")
    assert (run.status(), run.status("a"), run.open) == ("cancelled", "undone", [])


def test_an_undo_whose_input_cannot_be_worked_out_is_for_a_person():
    run = Run("""
    a: { call: erp.do, undo: { call: erp.undo, with: { id: "${ output.id }" } } }
    z: { wait: 30 days }
    """)
    run.done("a", {}).cancel()
    assert (run.open, run.status("a")) == (["undo_failed"], "held")
    run.repair("step.retry", "a")
    assert (run.open, run.status("a")) == (["undo_failed"], "held")
    run.repair("step.skip", "a", note="nothing was there")
    assert run.status() == "cancelled"


def test_an_undo_of_unknown_outcome_is_found_out():
    run = a().done("a").cancel().unknown("a!undo")
    assert run.sent(Retry)[-1].doubt
    run.done("a!undo")
    assert run.status() == "cancelled"


def test_an_undo_may_say_what_it_is_given_and_where_it_goes():
    run = Run(
        """
    a: { call: erp.do, with: { x: 1 }, undo: { call: wms.undo, with: { id: "${ output.id }", x: "${ input.x }" }, via: "${ case.by }" } }
    z: { wait: 30 days }
    """,
        {"number": "C-1", "by": "south"},
    )
    run.done("a", {"id": 4}).cancel()
    undo = run.call("a!undo")
    assert (undo.system, undo.input, undo.via, undo.undo) == ("wms", {"id": 4, "x": 1}, "south", True)


# -- deadlines of calls ---------------------------------------------------------------------------------------


def test_a_late_call_is_skipped_once_it_is_taken_back():
    run = a("within: 1h\n  late: skip").wait("1h")
    assert run.sent(Withdraw) == [Withdraw(id="a")]
    run.gone("a")
    assert run.status("a") == "skipped"


def test_a_late_call_gives_way_to_another_step_once_it_is_taken_back():
    run = Run("""
    a: { call: erp.do, undo: erp.undo, within: 1h, late: { step: other } }
    other: { call: wms.do, undo: wms.undo }
    """)
    run.wait("1h")
    assert (run.status("a"), run.status("other")) == ("running", "pending")
    run.gone("a")
    assert (run.status("a"), run.status("other")) == ("failed", "running")


def test_a_late_call_that_was_done_after_all_needs_no_other_step():
    run = Run("""
    a: { call: erp.do, undo: erp.undo, within: 1h, late: { step: other } }
    other: { call: wms.do, undo: wms.undo }
    """)
    run.wait("1h").done("a")
    assert (run.status("a"), run.status("other"), run.status()) == ("succeeded", "skipped", "completed")


def test_a_late_call_in_doubt_is_never_just_skipped():
    run = a("within: 1h\n  late: skip")
    run.unknown("a", resolvable=False).wait("1h")
    assert [(c.id, c.only_find) for c in run.sent(Call)] == [("a", False), ("a", True)]
    run.done("a")
    assert run.status("a") == "succeeded"


def test_a_call_keeps_its_deadline_while_it_is_held_and_tried_again():
    run = a("within: 1h\n  late: { raise: slow }")
    run.refused("a").wait("30m").repair("step.retry", "a")
    assert run.state.wake == NINE + timedelta(hours=1)
    run.wait("30m")
    assert run.open == ["slow"]


# -- while a redo takes it back ---------------------------------------------------------------------------------


def test_a_call_that_is_out_is_taken_back_by_a_redo_and_sent_with_a_new_key():
    run = a().repair("step.redo", "a")
    assert run.sent(Withdraw) == [Withdraw(id="a")]
    run.gone("a")
    assert [c.id for c in run.sent(Call)] == ["a", "a#1"]


def test_a_call_that_was_done_while_a_redo_took_it_back_is_undone_first():
    run = a().repair("step.redo", "a").done("a", {"id": 1})
    assert [c.id for c in run.sent(Call)] == ["a", "a!undo"]
    run.done("a!undo")
    assert [c.id for c in run.sent(Call)] == ["a", "a!undo", "a#1"]
