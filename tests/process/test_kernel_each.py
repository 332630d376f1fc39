"""Child runs: one for each item of a list that grows, is reordered, loses items; failing ones; undone ones."""

from __future__ import annotations

import pytest
from driver import Run

from crossdock.process import encode_state
from crossdock.process.messages import Call, StartChild, Tell
from crossdock.process.turn import DecisionError

LIST = """
a: { each: "${ case.items }", run: child, with: { id: "${ item.id }" } }
z: { needs: a, call: erp.read, with: { proofs: "${ steps.a.outputs }", n: "${ steps.a.counts.total }" } }
"""


def items(*ids: str, version: int = 1) -> dict[str, object]:
    return {"number": "C-1", "version": version, "items": [{"id": id_} for id_ in ids]}


def started(run: Run) -> list[str]:
    return [c.item for c in run.sent(StartChild)]


def test_one_child_is_started_for_each_item_and_the_step_ends_with_the_last():
    run = Run(LIST, items("x", "y"))
    assert [(c.item, c.document) for c in run.sent(StartChild)] == [("x", {"id": "x"}), ("y", {"id": "y"})]
    run.child("a", "y", output={"p": 2})
    assert run.status("a") == "running"
    run.child("a", "x", output={"p": 1})
    assert run.input("z") == {"proofs": [{"p": 1}, {"p": 2}], "n": 2}


def test_outputs_stand_in_the_order_of_the_items_whichever_ended_first():
    one, two = Run(LIST, items("x", "y")), Run(LIST, items("x", "y"))
    one.child("a", "x", output={"p": 1}).child("a", "y", output={"p": 2})
    two.child("a", "y", output={"p": 2}).child("a", "x", output={"p": 1})
    assert one.input("z") == two.input("z")
    assert one.state.steps == two.state.steps


def test_an_empty_list_ends_at_once():
    assert Run(LIST, items()).input("z") == {"proofs": [], "n": 0}


GROWING = """
list: { await: case.scanned, until: "${ steps.list.events.exists(e, e.last == true) }", within: 1 day, late: { raise: slow } }
a: { each: "${ steps.list.events.map(e, e.item) }", run: child }
z: { needs: a, call: erp.read }
"""


def test_a_list_that_still_grows_starts_children_as_they_come_and_is_final_when_what_it_names_has_ended():
    run = Run(GROWING)
    assert run.status("a") == "running"
    run.event("case.scanned", {"item": "x"}).child("a", "x")
    assert run.status("a") == "running"
    run.event("case.scanned", {"item": "y", "last": True})
    assert started(run) == ["x", "y"]
    run.child("a", "y")
    assert run.status("z") == "running"


def test_an_item_that_comes_twice_starts_one_child():
    run = Run(GROWING).event("case.scanned", {"item": "x"}).event("case.scanned", {"item": "x", "last": True})
    assert started(run) == ["x"]
    run.child("a", "x")
    assert run.status("a") == "succeeded"


def test_a_list_made_of_what_is_not_there_yet_is_empty_so_far():
    run = Run("""
    plan: { call: erp.read }
    a: { each: "${ steps.plan.output.items }", run: child, item_key: "${ item.n }" }
    """)
    assert (run.status("a"), run.open) == ("running", [])
    run.done("plan", {"items": [{"n": 1}, {"n": 2}]})
    assert started(run) == ["1", "2"]


def test_a_list_that_never_comes_is_told():
    run = Run("""
    plan: { call: erp.read }
    a: { each: "${ steps.plan.output.items }", run: child }
    """)
    run.done("plan", {})
    assert run.open == ["decision_failed"]


def test_a_list_may_be_reordered_grow_and_lose_items_in_the_document():
    run = Run(LIST, items("x", "y"))
    run.event("case.changed", items("y", "w", "x", version=2))
    assert started(run) == ["x", "y", "w"]
    run.event("case.changed", items("y", version=3))
    assert (started(run), run.news) == (["x", "y", "w"], [])
    run.event("case.changed", items("x", "y", "w", version=4))
    assert started(run) == ["x", "y", "w"]
    for item in ("x", "y", "w"):
        assert run.status("a") == "running"
        run.child("a", item, output={"p": item})
    assert run.input("z")["n"] == 3


@pytest.mark.parametrize(
    ("item", "key"),
    [
        ({"id": "i"}, "i"),
        ({"number": "n"}, "n"),
        ({"key": "k"}, "k"),
        ({"name": "m"}, "m"),
        ("text", "text"),
        (7, "7"),
    ],
)
def test_an_item_is_known_by_its_own_key(item: object, key: str):
    run = Run('plan: { call: erp.read }\na: { each: "${ steps.plan.output.items }", run: child }').done(
        "plan", {"items": [item]}
    )
    assert started(run) == [key]


@pytest.mark.parametrize("item", [{"n": 1}, True, None, [], ""])
def test_an_item_without_a_key_is_told(item: object):
    run = Run('plan: { call: erp.read }\na: { each: "${ steps.plan.output.items }", run: child }').done(
        "plan", {"items": [item]}
    )
    assert run.open == ["decision_failed"]
    assert "no key" in run.told("exception.raised")[0]["message"]


def test_item_key_names_items_and_expressions_see_the_item():
    run = Run(
        'a: { each: "${ case.items }", item_key: "${ text(item.n) + item.id }", run: child, with: { n: "${ item.n }", c: "${ case.number }" } }',
        {"number": "C", "items": [{"id": "x", "n": 4}]},
    )
    assert run.sent(StartChild) == [
        StartChild(step="a", item="4x", process="child", document={"n": 4, "c": "C"})
    ]


def test_ten_thousand_children_are_held_and_one_more_is_refused():
    text = 'a: { each: "${ case.names }", run: child }\nz: { needs: a, wait: 1h }'
    names = [f"customer-{n}" for n in range(10_000)]
    with pytest.raises(DecisionError, match="more than 10000 items"):
        Run(text, {"number": "C", "names": [*names, "one more"]})
    run = Run(text, {"number": "C", "names": names})
    assert len(run.sent(StartChild)) == 10_000


def test_children_are_kept_as_counts_and_the_open_ones():
    run = Run(
        'list: { call: erp.read }\na: { each: "${ steps.list.output.names }", run: child }\nz: { needs: a, wait: 1h }'
    ).done("list", {"names": [f"customer-{n}" for n in range(300)]})
    before = len(encode_state(run.state))
    for n in range(300):
        run.child("a", f"customer-{n}")
    children = run.state.steps["a"].children
    assert (children.total, children.succeeded, children.open, children.started) == (300, 300, {}, [])
    assert len(encode_state(run.state)) < before * 0.6


def test_a_child_that_fails_makes_the_step_fail_with_that_reason_and_fails_decides():
    run = Run(LIST, items("x", "y")).child("a", "x", "failed", reason="no truck")
    assert (run.status("a"), run.open) == ("held", ["child_failed"])
    (told,) = [r for r in run.records if r.what == "exception.raised"]
    assert (told.data["message"], told.item) == ("child x was failed: no truck", "x")


@pytest.mark.parametrize(
    ("fails", "status"), [("skip", "skipped"), ("other", "failed"), ("{ raise: trouble }", "held")]
)
def test_fails_decides_about_the_step_and_its_other_children(fails: str, status: str):
    run = Run(
        f'a: {{ each: "${{ case.items }}", run: child, fails: {fails} }}\nother: {{ {"call: erp.read" if fails == "other" else "set: { x: 1 }"} }}',
        items("x", "y"),
    )
    run.child("a", "x", "cancelled")
    assert run.status("a") == status
    told = [(t.item, t.type) for t in run.news]
    assert told == ([] if status == "held" else [("y", "run.cancel")])
    run.child("a", "y", "cancelled")
    assert run.status("a") == status


def test_other_children_go_on_and_grow_while_one_holds_the_step():
    run = Run(GROWING).event("case.scanned", {"item": "x"}).child("a", "x", "failed")
    run.event("case.scanned", {"item": "y", "last": True})
    assert started(run) == ["x", "y"]
    run.child("a", "y")
    assert run.status("a") == "held"
    run.repair("step.retry", "a")
    assert [(c.item, c.redo) for c in run.sent(StartChild)] == [("x", 0), ("y", 0), ("x", 1)]
    run.child("a", "x")
    assert run.status("a") == "succeeded"


def test_one_child_of_many_is_tried_again_supplied_or_skipped_alone():
    run = Run(LIST, items("w", "x", "y", "z"))
    for item in ("w", "x", "y"):
        run.child("a", item, "failed", reason="no")
    assert run.told("exception.repeated")[-1]["count"] == 3
    run.repair("step.retry", "a", item="w").repair("step.supply", "a", item="x", output={"p": "hand"})
    assert run.status("a") == "held"
    run.repair("step.skip", "a", item="y", note="given up")
    assert (run.status("a"), run.open) == ("running", [])
    run.child("a", "w", output={"p": 1}).child("a", "z", output={"p": 4})
    assert run.input("z")["proofs"] == [{"p": 1}, {"p": "hand"}, {"p": 4}]
    run.repair("step.retry", "a", item="nobody")
    assert run.last[-1].what == "step.retry_refused"


def test_a_child_that_is_not_in_the_list_any_more_is_not_started_again():
    run = Run(LIST, items("x")).child("a", "x", "failed").event("case.changed", items(version=2))
    run.repair("step.retry", "a", item="x")
    assert "not in the list any more" in run.last[-1].data["reason"]
    run.repair("step.retry", "a")
    assert (run.status("a"), run.open) == ("held", ["child_failed"])
    run.repair("step.skip", "a", item="x", note="gone")
    assert run.status("a") == "succeeded"


def test_a_cancel_cancels_open_children_then_undoes_those_that_ended_well():
    run = Run(LIST, items("x", "y")).child("a", "x").cancel("gone")
    assert run.news == [Tell(to="child", type="run.cancel", data={"reason": "gone"}, step="a", item="y")]
    assert run.status() == "cancelling"
    run.child("a", "y", "cancelled")
    assert run.news[1:] == [Tell(to="child", type="run.cancel", data={"reason": "gone"}, step="a")]
    run.child("a", "x", "cancelled")
    assert (run.status(), run.status("a")) == ("cancelled", "undone")


@pytest.mark.parametrize("way", ["cancel", "redo"])
def test_a_child_that_had_failed_is_not_started_again_while_its_step_is_taken_back(way: str):
    run = Run(LIST, items("x", "y")).child("a", "x", "failed")
    run.cancel() if way == "cancel" else run.repair("step.redo", "a")
    assert (run.status("a"), run.open) == ("running", [])
    run.repair("step.retry", "a", item="x").repair("step.retry", "a")
    assert (started(run), run.last[-1].what) == (["x", "y"], "step.retry_refused")
    run.child("a", "y", "cancelled")
    if way == "cancel":
        assert run.status() == "cancelled"
    else:
        assert [(c.item, c.redo) for c in run.asked] == [("x", 1), ("y", 1)]


def test_a_child_that_had_failed_holds_its_step_again_where_the_cancel_is_refused():
    run = Run(LIST, items("x", "y")).child("a", "x", "failed").cancel()
    run.child("a", "y", "refused", reason="delivered")
    assert (run.status(), run.status("a")) == ("held", "held")
    assert run.open == ["child_failed", "cancel_refused"]
    run.child("a", "y").repair("step.retry", "a", item="x").child("a", "x")
    assert run.status("a") == "succeeded"


def test_a_step_that_fails_by_doing_another_one_again_cancels_its_other_children():
    run = Run(
        'a: { each: "${ case.items }", run: child, fails: { redo: b, most: 1 } }\nb: { set: { n: 1 } }',
        items("x", "y"),
    )
    run.child("a", "x", "failed")
    assert (run.status("a"), [(t.type, t.item) for t in run.news]) == ("failed", [("run.cancel", "y")])


def test_a_child_that_completes_while_it_is_being_cancelled_is_undone_too():
    run = Run(LIST, items("x")).cancel().child("a", "x")
    assert run.news[-1].item == ""
    run.child("a", "x", "cancelled")
    assert run.status() == "cancelled"


def test_children_started_again_are_reached_by_their_own_life_when_they_are_undone():
    run = (
        Run(LIST + "y: { wait: 30 days }\n", items("x", "y"))
        .child("a", "x", "failed")
        .repair("step.retry", "a", item="x")
    )
    run.child("a", "x").child("a", "y").done("z").cancel()
    assert [(t.item, t.redo) for t in run.news] == [("", 0), ("x", 1)]
    run.child("a", "x", "cancelled").child("a", "y", "cancelled")
    assert run.status() == "cancelled"


@pytest.mark.parametrize("way", ["retry", "skip", "close"])
def test_a_child_that_cannot_be_undone_is_for_a_person(way: str):
    run = (
        Run(LIST + "y: { wait: 30 days }\n", items("x", "y"))
        .child("a", "x")
        .child("a", "y")
        .done("z")
        .cancel()
    )
    run.child("a", "y", "cancelled").child("a", "x", "refused", reason="delivered")
    assert (run.status(), run.open) == ("cancelling", ["undo_failed"])
    assert run.told("exception.raised")[-1]["message"] == "x could not be undone: delivered"
    if way == "skip":
        run.repair("step.skip", "a", note="delivered is delivered")
    else:
        run.close("undo_failed") if way == "close" else run.repair("step.retry", "a")
        run.child("a", "x", "cancelled")
    assert (run.status(), run.open) == ("cancelled", [])


@pytest.mark.parametrize("fails", ["skip", "other"])
def test_what_came_of_a_step_that_did_not_succeed_is_undone_before_its_children(fails: str):
    run = Run(
        f"""
    a: {{ each: "${{ case.items }}", run: child, fails: {fails} }}
    other: {{ call: wms.do, undo: wms.undo }}
    b: {{ needs_any: [a, other], call: erp.do, undo: erp.undo }}
    c: {{ needs: b, call: erp.more, undo: erp.undo_more }}
    z: {{ needs: c, wait: 9 days }}
    """,
        {"number": "C-1", "items": [{"id": "i"}, {"id": "j"}]},
        top="on: { case.noted: { do: step, step: other } }" if fails == "skip" else "",
    )
    run.child("a", "i").child("a", "j", "failed")
    if fails == "other":
        run.done("other")
    run.done("b").done("c").cancel().done("c!undo").done("b!undo")
    if fails == "other":
        run.done("other!undo")
    assert [told.step for told in run.news if told.step] == ["a"]
    assert run.event(
        "child.ended", {"step": "a", "item": "i", "redo": 0, "status": "cancelled"}
    ).status() == ("cancelled")


def test_what_children_of_a_skipped_or_failed_step_did_is_undone_too():
    run = Run(
        'a: { each: "${ case.items }", run: child, fails: skip }\ny: { wait: 30 days }', items("x", "y")
    )
    run.child("a", "x").child("a", "y", "failed")
    assert run.status("a") == "skipped"
    run.cancel().child("a", "x", "cancelled")
    assert (run.status(), run.status("a")) == ("cancelled", "undone")


def test_a_cancel_goes_past_what_child_runs_did_where_nothing_has_to_be_taken_back():
    run = (
        Run('a: { each: "${ case.items }", run: child, undo: none }', items("x", "y"))
        .child("a", "x")
        .cancel()
    )
    assert [(t.type, t.item) for t in run.news] == [("run.cancel", "y")]
    assert run.child("a", "y", "cancelled").status() == "cancelled"


def test_a_redo_cancels_and_undoes_children_and_starts_them_in_a_new_life():
    run = Run(LIST, items("x", "y")).child("a", "x").repair("step.redo", "a")
    run.child("a", "y", "cancelled").child("a", "x", "cancelled")
    assert [(c.item, c.redo) for c in run.sent(StartChild)] == [("x", 0), ("y", 0), ("x", 1), ("y", 1)]
    run.event("child.ended", {"step": "a", "item": "x", "redo": 0, "status": "completed"})
    assert run.last[-1].what == "child.surplus"
    run.child("a", "x").child("a", "y")
    assert run.status("a") == "succeeded"


def test_a_parent_cancels_its_child_and_a_completed_one_is_taken_back_or_says_why_not():
    run = Run("a: { call: erp.do, undo: erp.undo }", parent=True).done("a")
    assert run.status() == "completed"
    run.cancel(by="").done("a!undo")
    assert [t.data["status"] for t in run.news] == ["completed", "cancelled"]
    run = (
        Run("a: { call: erp.do, undo: { impossible: goods delivered } }", parent=True).done("a").cancel(by="")
    )
    assert run.news[-1].data == {
        "step": "s",
        "item": "i",
        "redo": 0,
        "status": "refused",
        "reason": "goods delivered",
    }
    assert (run.status(), run.open) == ("completed", ["cancel_refused"])
    run.close("cancel_refused")
    assert run.open == []


DELIVERIES = 'a: { each: "${ case.items }", run: child, undo: { impossible: goods delivered } }'


def test_a_cancel_is_refused_as_soon_as_one_child_has_done_what_cannot_be_undone():
    run = Run(DELIVERIES, items("x", "y")).child("a", "x").cancel()
    assert (run.status(), run.status("a"), run.open) == ("active", "running", ["cancel_refused"])
    assert run.told("exception.raised")[-1]["message"] == "cannot be cancelled: goods delivered"
    assert run.news == []  # the other child is left alone
    run.repair("step.redo", "a")
    assert "redo_refused" in run.open
    run.child("a", "y")
    assert run.status() == "completed"


def test_a_cancel_is_given_back_when_a_child_does_meanwhile_what_cannot_be_undone():
    run = Run(DELIVERIES + "\nb: { needs: a, call: erp.read }", items("x", "y")).cancel()
    assert (run.status(), len(run.news)) == ("cancelling", 2)
    run.child("a", "x").child("a", "y", "cancelled")
    assert (run.status(), run.open) == ("held", ["child_failed", "cancel_refused"])
    run.repair("step.skip", "a", item="y", note="not delivered").done("b")
    assert run.status() == "completed"


PLAIN = 'a: { each: "${ case.items }", run: child, within: 3 days, late: { raise: slow } }'


def test_a_child_says_that_what_it_did_stays_and_its_parent_is_neither_cancelled_nor_done_again():
    child = Run("a: { call: erp.do, undo: { impossible: it is burnt } }", parent=True).done("a")
    assert child.news[-1].data["stays"] == "it is burnt"
    run = Run(PLAIN, items("x", "y"))
    run.event("child.ended", {"step": "a", "item": "x", "status": "completed", "stays": "it is burnt"})
    assert run.cancel().told("exception.raised")[-1]["message"] == "cannot be cancelled: it is burnt"
    run.repair("step.redo", "a")
    assert (run.status(), run.open, run.news) == ("active", ["cancel_refused", "redo_refused"], [])
    assert run.child("a", "y").status() == "completed"


def test_a_running_child_that_refuses_a_cancel_gives_its_parent_back_at_once_with_its_deadline():
    child = Run("a: { call: erp.do, undo: { impossible: burnt } }\nb: { wait: 1h }", parent=True).done("a")
    child.cancel(by="")
    assert [(t.data["status"], t.data["reason"]) for t in child.news] == [("refused", "burnt")]
    run = Run(PLAIN, items("x", "y")).wait("1h").cancel().child("a", "x", "refused", reason="burnt")
    assert run.status() == "cancelling"  # the other one is still being cancelled
    run.child("a", "y", "cancelled")
    assert (run.status(), run.open) == ("held", ["child_failed", "cancel_refused"])
    run.repair("step.skip", "a", item="y", note="not wanted any more").wait("3 days")
    assert (run.status(), run.open) == ("active", ["cancel_refused", "slow"])
    assert run.child("a", "x").status() == "completed"


def test_a_cancel_that_turns_out_to_be_impossible_is_told_to_the_parent_that_asked_for_it():
    run = Run("a: { call: erp.do, undo: { impossible: burnt } }\nb: { wait: 1h }", parent=True)
    run.cancel(by="").done("a")
    assert [(t.data["status"], t.data["reason"]) for t in run.news] == [("refused", "burnt")]
    assert run.wait("1h").news[-1].data["status"] == "completed"


def test_a_step_whose_child_is_tried_again_goes_on_once():
    run = Run(LIST, items("x", "y")).child("a", "x", "failed").close("child_failed", "retry")
    assert [record.what for record in run.last] == ["exception.closed", "child.started", "step.resumed"]


def test_a_child_that_a_cancel_met_completed_and_that_took_itself_back_is_not_waited_for_again():
    run = Run(LIST, items("x", "y")).cancel()
    run.child("a", "x").child("a", "x", "cancelled").child("a", "y", "cancelled")
    assert (run.status(), run.asked) == ("cancelled", [])


def test_a_child_that_took_itself_back_for_a_cancel_that_was_refused_holds_the_step():
    run = Run("a: { each: '${ case.items }', run: child }\nb: { call: erp.do, undo: impossible }", items("x"))
    run.cancel().child("a", "x").done("b")
    assert (run.status(), run.open) == ("completed", ["cancel_refused"])
    run = Run(
        "a: { each: '${ case.items }', run: child }\nb: { call: erp.do, undo: impossible }", items("x", "y")
    )
    run.cancel().child("a", "x").child("a", "y", "cancelled").done("b").child("a", "x", "cancelled")
    assert run.status("a") == "held"
    run.repair("step.retry", "a").child("a", "x").child("a", "y")
    assert run.status() == "completed"


def test_before_any_child_has_done_it_a_run_is_cancelled():
    run = Run(DELIVERIES, items("x", "y")).cancel().child("a", "x", "cancelled").child("a", "y", "cancelled")
    assert (run.status(), run.open) == ("cancelled", [])


def test_a_person_does_not_cancel_a_run_that_has_completed():
    run = Run("a: { call: erp.do, undo: erp.undo }", parent=True).done("a").cancel()
    assert run.last[-1].what == "cancel.refused"
    assert [c for c in run.sent(Call) if c.undo] == []


def test_a_surplus_or_malformed_child_changes_nothing():
    run = Run(LIST, items("x")).event("child.ended", {}).event("child.ended", None)
    assert run.told("child.surplus") == [{}, {}]


@pytest.mark.parametrize("each", ["", 'each: "${ case.items }", '])
def test_a_child_that_ended_while_a_redo_was_tried_that_cannot_be_had_counts(each: str):
    run = Run(
        f"""
        a: {{ call: erp.do, undo: impossible }}
        b: {{ {each}run: child, if: "${{ steps.a.status != 'undone' }}" }}
        c: {{ needs: [a, b], call: erp.read }}
        """,
        items("x"),
    )
    run.repair("step.redo", "a").child("b", "x" if each else "").done("a")
    assert (run.open, run.status("b"), run.status("c")) == (["redo_refused"], "succeeded", "running")


def test_a_list_that_grew_while_a_redo_was_tried_that_cannot_be_had_is_looked_at_again():
    run = Run("""
    a: { call: erp.do, undo: impossible }
    list: { await: case.scanned, until: "${ steps.list.events.exists(e, e.last == true) }", within: 1 day, late: { raise: slow } }
    b: { each: "${ steps.list.events.map(e, e.item) }", run: child, with: { s: "${ steps.a.status }" } }
    """).event("case.scanned", {"item": "x"})
    run.repair("step.redo", "a").event("case.scanned", {"item": "y", "last": True}).child(
        "b", "x", "cancelled"
    ).done("a")
    assert (started(run), run.status("b")) == (["x", "y"], "held")
    run.repair("step.retry", "b").child("b", "x").child("b", "y")
    assert run.status("b") == "succeeded"
