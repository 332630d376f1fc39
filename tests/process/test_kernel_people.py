"""Approvals and tasks: who may decide, what was looked at, what a no does, and that nobody goes around it."""

from __future__ import annotations

import pytest
from driver import Run

from crossdock.process.people import digest

APPROVE = """
a:
  approve: {{ role: boss{people} }}
  with: {{ amount: "${{ case.amount }}" }}
  refused: {refused}
  within: 1h
  late: {{ raise: slow }}
b: {{ needs: a, call: erp.read }}
{more}
"""
DOCUMENT = {
    "number": "C-1",
    "by": "ann",
    "names": ["carl", "dora"],
    "amount": {"amount": "5.00", "currency": "EUR"},
    "version": 1,
}


def approval(
    refused: str = "{ cancel: refused }", people: str = ', not: ["${ case.by }"]', more: str = ""
) -> Run:
    return Run(APPROVE.format(refused=refused, people=people, more=more), DOCUMENT)


def test_an_approval_is_opened_with_all_that_a_person_needs():
    run = approval(people=', not: ["${ case.by }"], candidates: ["${ case.names }", bob]')
    (told,) = run.told("task.opened")
    assert told == {
        "task": "p/C-1/1/a", "kind": "approve", "title": "a", "role": "boss", "excluded": ["ann"],
        "candidates": ["carl", "dora", "bob"], "content": {"amount": {"amount": "5.00", "currency": "EUR"}},
        "seen": digest({"amount": {"amount": "5.00", "currency": "EUR"}}),
    }  # fmt: skip


def test_a_yes_lets_what_needs_it_go_on_and_says_who():
    run = approval().decide("a", note="fine")
    assert run.status("b") == "running"
    assert run.told("step.succeeded") == [
        {"output": {"decision": "approved", "by": "bob", "note": "fine", "form": {}}, "by": "bob"}
    ]


@pytest.mark.parametrize(
    ("who", "why"),
    [
        ({"by": "ann"}, "ann is excluded"),
        ({"roles": ("clerk",)}, "has not the role boss"),
        ({"kind": "assistant"}, "an assistant may propose"),
        ({"by": "key:7", "kind": "key", "behind": "ann"}, "key:7 is excluded"),
        ({"by": "key:8", "kind": "key"}, "nobody answers for key:8"),
        ({"by": ""}, "nobody is named"),
        ({"decision": "maybe"}, "neither approved nor refused"),
        ({"seen": "old"}, "has changed since"),
        ({"form": ["x"]}, "not a map"),
    ],
)
def test_a_decision_that_may_not_be_taken_is_refused_with_the_reason(who: dict[str, object], why: str):
    run = approval().decide("a", **who)
    assert run.status("a") == "waiting"
    assert why in run.told("decision.refused")[0]["reason"]


def test_what_a_key_decides_the_person_behind_it_has_decided():
    run = approval().decide("a", by="key:9", kind="key", behind="bob")
    assert run.told("task.decided")[0]["by"] == "bob"
    assert run.told("step.succeeded")[0]["by"] == "bob"


def test_where_those_excluded_are_not_known_whoever_started_the_run_is():
    text = 'a: { approve: { role: boss, not: ["${ case.by }"] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }'
    run = Run(text, by="bob").decide("a")
    assert run.status("a") == "waiting"
    assert run.decide("a", by="carl").status("a") == "succeeded"


def test_only_candidates_decide_where_there_are_any():
    run = approval(people=', not: ["${ case.by }"], candidates: ["${ case.names }"]')
    run.decide("a", by="bob")
    assert run.status("a") == "waiting"
    run.decide("a", by="dora")
    assert run.status("a") == "succeeded"


def test_what_is_decided_is_what_was_looked_at():
    run = approval()
    seen = run.told("task.opened")[0]["seen"]
    run.event("case.changed", {**DOCUMENT, "version": 2, "amount": {"amount": "900.00", "currency": "EUR"}})
    (changed,) = run.told("task.changed")
    assert changed["content"] == {"amount": {"amount": "900.00", "currency": "EUR"}}
    run.decide("a", seen=seen)
    assert run.status("a") == "waiting"
    run.decide("a", seen=changed["seen"])
    assert run.status("a") == "succeeded"


def test_a_change_that_does_not_touch_the_content_changes_nothing_for_those_who_decide():
    run = approval()
    run.event("case.changed", {**DOCUMENT, "version": 2, "n": 7})
    assert run.told("task.changed") == []


def test_those_excluded_are_worked_out_when_they_decide():
    run = approval()
    run.event("case.changed", {**DOCUMENT, "version": 2, "by": "bob"}).decide("a")
    assert "bob is excluded" in run.told("decision.refused")[0]["reason"]


@pytest.mark.parametrize(
    ("refused", "statuses", "status"),
    [
        ("{ cancel: refused }", {"a": "cancelled", "b": "cancelled"}, "cancelled"),
        ("cancel", {"a": "cancelled", "b": "cancelled"}, "cancelled"),
        ("{ fail: refused }", {"a": "cancelled", "b": "cancelled"}, "failed"),
        ("{ skip: go on without }", {"a": "skipped", "b": "running"}, "active"),
        ("{ raise: trouble }", {"a": "held", "b": "pending"}, "held"),
        ("{ emit: case.noted }", {"a": "held", "b": "pending"}, "held"),
    ],
)
def test_a_no_does_what_refused_says(refused: str, statuses: dict[str, str], status: str):
    run = approval(refused).decide("a", "refused", note="too much")
    assert (run.statuses, run.status()) == (statuses, status)
    assert run.told("task.decided")[0]["decision"] == "refused"
    if "raise" in refused:
        assert run.told("exception.raised")[0]["message"] == "refused by bob: too much"


def test_a_no_may_let_another_step_take_its_place():
    run = approval("{ step: c }", more="c: { call: erp.read }").decide("a", "refused")
    assert run.statuses == {"a": "failed", "b": "cancelled", "c": "running"}


def test_a_no_may_send_it_back_as_often_as_people_say_no():
    run = Run("""
    draft: { task: { role: clerk, form: { price: money } }, within: 1h, late: { raise: slow } }
    a:
      needs: draft
      approve: { role: boss, not: ["${ steps.draft.by }"] }
      with: { price: "${ steps.draft.output.price }" }
      refused: { redo: draft }
      within: 1h
      late: { raise: slow }
    """)
    for _ in range(3):
        run.decide(
            "draft",
            "done",
            by="carl",
            roles=("clerk",),
            form={"price": {"amount": "1.00", "currency": "EUR"}},
        )
        assert run.status("a") == "waiting"
        run.decide("a", "refused", by="bob")
        assert run.statuses == {"draft": "waiting", "a": "pending"}
    assert run.state.steps["draft"].task == "p/C-1/1/draft#3"
    run.decide(
        "draft", "done", by="carl", roles=("clerk",), form={"price": {"amount": "1.00", "currency": "EUR"}}
    )
    run.decide("a", by="carl", roles=("boss",))
    assert run.status("a") == "waiting"
    run.decide("a")
    assert run.status() == "completed"


def test_a_refusal_that_held_the_step_opens_it_anew_when_the_exception_is_closed():
    run = approval("{ raise: trouble }").decide("a", "refused").wait("30m").close("trouble")
    assert run.status("a") == "waiting"
    assert run.state.steps["a"].task == "p/C-1/1/a#1"
    assert run.state.wake == run.now.replace(hour=10, minute=30)
    run.decide("a")
    assert run.status("b") == "running"


def test_a_no_whose_consequence_cannot_be_worked_out_holds_the_step():
    run = approval('[{ if: "${ case.n > 1 }", cancel: no }]').decide("a", "refused")
    assert (run.status("a"), run.open) == ("held", ["decision_failed", "refused"])


@pytest.mark.parametrize("end", ["decided", "cancelled"])
def test_a_decision_that_comes_too_late_is_told_so(end: str):
    run = approval(more="z: { wait: 30 days }")
    task = run.state.steps["a"].task
    if end == "decided":
        run.decide("a")
    else:
        run.cancel()
        assert run.told("task.withdrawn") == [{"task": task}]
    run.event("task.decided", {"task": task, "decision": "approved"}, by="bob", roles=("boss",))
    assert run.told("decision.refused")[-1] == {
        "task": task,
        "by": "bob",
        "reason": "it was decided or withdrawn before",
    }


def test_lateness_escalates_and_the_first_may_still_decide():
    run = Run(
        "a: { approve: { role: boss, not: [ann] }, refused: { cancel: no }, within: 1h, late: [{ escalate: chief }] }"
    )
    run.wait("1h")
    assert run.told("escalated")[0] == {
        "to": "chief",
        "task": "p/C-1/1/a",
        "message": "a was due at 2026-03-02T10:00:00Z",
    }
    run.decide("a")
    assert run.status() == "completed"


def test_whom_an_approval_is_escalated_to_may_decide_it_and_nobody_may_before():
    run = Run(
        "a: { approve: { role: boss, not: [ann] }, refused: { cancel: no }, within: 1h, late: [{ escalate: chief }] }"
    )
    run.decide("a", roles=("chief",))
    assert run.told("decision.refused")[-1]["reason"] == "bob has not the role boss"
    run.wait("1h")
    run.decide("a", roles=("clerk",))
    assert run.told("decision.refused")[-1]["reason"] == "bob has not the role boss or chief"
    run.decide("a", roles=("chief",))
    assert run.status() == "completed"


def test_an_approval_cannot_be_supplied_and_those_excluded_cannot_skip_it():
    run = approval("{ raise: trouble }")
    run.repair("step.supply", "a", by="bob", output={"decision": "approved"})
    assert run.last[-1].data["reason"] == "an approval is decided, not supplied"
    run.repair("step.skip", "a", by="ann", note="please")
    assert "ann is excluded" in run.last[-1].data["reason"]
    run.event("step.skip", {"step": "a", "note": "no"}, by="bot", kind="assistant")
    assert run.last[-1].what == "step.skip_refused"
    for behind, why in (("ann", "ann is excluded"), ("", "nobody answers for key:7")):
        run.event("step.skip", {"step": "a", "note": "no"}, by="key:7", kind="key", behind=behind)
        assert why in run.last[-1].data["reason"]
    run.decide("a", "refused").close("trouble", action="skip", by="ann")
    assert run.status("a") == "held"
    run.close("trouble", action="skip", by="bob")
    assert (run.status("a"), run.status("b")) == ("skipped", "running")


TASK = 'a: { task: { role: clerk, form: { weight: quantity, "note?": string } }, within: 1h, late: { raise: slow } }\nb: { needs: a, set: { w: "${ steps.a.output.weight * 2 }" } }'


def test_a_task_gives_its_form():
    run = Run(TASK).decide("a", "done", roles=("clerk",), form={"weight": {"value": "2", "unit": "KG"}})
    assert run.told("step.succeeded", "b")[0]["output"] == {"w": {"value": "4", "unit": "KG"}}


@pytest.mark.parametrize(
    ("form", "why"),
    [
        ({}, "weight: missing"),
        ({"weight": 3}, "weight"),
        ({"weight": {"value": "1", "unit": "KG"}, "note": 5}, "note"),
    ],
)
def test_a_form_that_is_not_complete_is_refused_with_the_fields(form: dict[str, object], why: str):
    run = Run(TASK).decide("a", "done", roles=("clerk",), form=form)
    assert run.status("a") == "waiting"
    assert why in run.told("decision.refused")[0]["reason"]


def test_money_in_a_form_is_of_a_currency():
    text = "a: { task: { role: clerk, form: { price: money } }, within: 1h, late: { raise: slow } }"
    run = Run(text).decide("a", "done", roles=("clerk",), form={"price": {"amount": "1", "currency": "EURO"}})
    assert run.status("a") == "waiting"
    assert "price.currency: 'EURO' is not an ISO 4217" in run.told("decision.refused")[0]["reason"]
    run.decide("a", "done", roles=("clerk",), form={"price": {"amount": "1", "currency": "EUR"}})
    assert run.status() == "completed"


def test_a_task_is_not_refused():
    run = Run(TASK).decide("a", "refused", roles=("clerk",))
    assert "it is done" in run.told("decision.refused")[0]["reason"]


def test_a_person_supplies_a_task_by_hand_and_it_is_withdrawn():
    run = Run(TASK).repair("step.supply", "a", output={"weight": {"value": "1", "unit": "KG"}})
    assert run.status() == "completed"
    assert len(run.told("task.withdrawn")) == 1


def test_an_approval_may_have_a_form_that_a_no_need_not_fill():
    text = "a: { approve: { role: boss, not: [ann], form: { limit: money } }, refused: { raise: trouble }, within: 1h, late: { raise: slow } }"
    run = Run(text).decide("a")
    assert run.status("a") == "waiting"
    run.decide("a", form={"limit": {"amount": "5", "currency": "EUR"}})
    assert run.status() == "completed"
    assert Run(text).decide("a", "refused").status("a") == "held"


def test_who_may_decide_that_cannot_be_worked_out_lets_nobody_decide():
    run = Run(
        "a: { approve: { role: boss, not: [\"${ default(case.by, 'x') }\"] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }"
    )
    assert run.told("task.opened")[0]["excluded"] == ["x"]
    run = Run(
        'a: { approve: { role: boss, not: ["${ case.names[0] }"] }, refused: { cancel: no }, within: 1h, late: { raise: slow } }',
        {"number": "C-1", "names": ["ann"], "version": 1},
    )
    run.event("case.changed", {"number": "C-1", "names": [], "version": 2}).decide("a")
    assert (run.status("a"), run.open) == ("waiting", ["decision_failed"])
