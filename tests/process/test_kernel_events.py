"""Events and documents: early, late, twice, in any order; newer and older versions; `on:`."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from driver import NINE, Run

from crossdock.process.messages import Call

TWO = """
a: { call: erp.read }
b: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }
"""


def test_an_event_that_came_before_its_await_satisfies_it():
    run = Run(TWO).event("case.scanned", {"n": 1})
    assert run.last[-1].what == "event.kept"
    run.done("a")
    assert run.status() == "completed"
    assert run.state.kept == []


def test_a_step_done_again_does_not_take_what_is_kept_for_another_step():
    run = Run("""
    a: { await: case.scanned, until: "${ size(steps.a.events) >= 2 }", within: 1h, late: { redo: a, most: 1 } }
    b: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }
    """)
    run.event("case.scanned", {"n": 1}).wait("1h")
    run.event("case.scanned", {"n": 2})
    assert run.statuses == {"a": "waiting", "b": "pending"}
    run.event("case.scanned", {"n": 3})
    assert run.status() == "completed"


def test_an_event_kept_twice_is_kept_once():
    run = Run(TWO).event("case.scanned", {"n": 1}, id="x").event("case.scanned", {"n": 1}, id="x")
    assert len(run.state.kept) == 1


def test_an_event_after_its_wait_was_skipped_is_kept_in_the_history_and_reopens_nothing():
    run = Run("""
    a: { await: case.scanned, within: 1h, late: skip }
    b: { needs: a, call: erp.read }
    """)
    run.wait("1h").event("case.scanned", {})
    assert run.last[-1].what == "event.unused"
    assert run.statuses == {"a": "skipped", "b": "running"}


def test_an_event_for_an_ended_run_is_recorded_only():
    run = Run("a: { set: { x: 1 } }").event("case.scanned", {})
    assert [(r.what, r.data["reason"]) for r in run.last] == [("event.unused", "the run is completed")]


def test_several_parts_are_taken_until_it_holds_and_one_more_is_surplus():
    run = Run("""
    a: { await: case.scanned, until: "${ size(steps.a.events) >= 2 }", within: 1h, late: { raise: slow } }
    b: { needs: a, call: erp.read, with: { parts: "${ steps.a.events.map(e, e.n) }" } }
    """)
    run.event("case.scanned", {"n": 1}).event("case.scanned", {"n": 2}).event("case.scanned", {"n": 3})
    assert run.input("b") == {"parts": [1, 2]}
    assert run.last[-1].what == "event.unused"


def test_the_same_part_twice_counts_once():
    run = Run(
        'a: { await: case.scanned, until: "${ size(steps.a.events) >= 2 }", within: 1h, late: { raise: slow } }'
    )
    part = run.make("case.scanned", {"n": 1})
    run.take(part).take(part)
    assert run.status("a") == "waiting"
    for n in range(40):  # more than the kernel remembers of anything
        run.event("case.noted", {"n": n})
    run.take(part)
    assert (run.status("a"), len(run.state.steps["a"].events)) == ("waiting", 1)


def test_until_follows_the_document():
    run = Run(
        'a: { await: case.scanned, until: "${ size(steps.a.events) >= case.n }", within: 1h, late: { raise: slow } }',
        {"number": "C-1", "n": 3, "version": 1},
    )
    run.event("case.scanned", {"n": 1}).event("case.changed", {"number": "C-1", "n": 1, "version": 2})
    assert run.status() == "completed"


def test_until_that_holds_without_any_event_needs_none():
    text = 'a: { await: case.scanned, until: "${ size(steps.a.events) >= case.n }", within: 1h, late: { raise: slow } }'
    assert Run(text, {"number": "C-1", "n": 0}).status() == "completed"
    run = Run(text, {"number": "C-1", "n": 2, "version": 1}).event(
        "case.changed", {"number": "C-1", "n": 0, "version": 2}
    )
    assert run.status() == "completed"


def test_until_that_makes_no_sense_without_an_event_waits_for_one():
    run = Run(
        'a: { await: case.scanned, until: "${ steps.a.output.last == true }", within: 1h, late: { raise: slow } }'
    )
    assert (run.status("a"), run.open) == ("waiting", [])
    run.event("case.scanned", {"last": False}).event("case.scanned", {"last": True})
    assert run.status() == "completed"


def test_a_quantity_is_packed_in_parts_exactly():
    run = Run("""
    a: { await: warehouse.shipment_packed, until: "${ packed(steps.a.events) >= case.quantity }", within: 1h, late: { raise: slow } }
    """, {"number": "C-1", "quantity": {"value": "0.3", "unit": "KG"}})  # fmt: skip
    for number in (1, 2, 3):
        assert run.status("a") == "waiting"
        run.event(
            "warehouse.shipment_packed",
            {"order": "O", "shipment": {"number": f"S{number}", "quantity": {"value": "0.1", "unit": "KG"}}},
        )
    assert run.status() == "completed"


def test_one_event_satisfies_every_step_that_waits_for_it_now_or_later():
    run = Run("""
    a: { await: case.scanned, within: 1h, late: { raise: slow } }
    b: { await: case.scanned, within: 1h, late: { raise: slow } }
    c: { needs: a, await: case.scanned, within: 1h, late: { raise: slow } }
    """)
    run.event("case.scanned", {})
    assert run.status() == "completed"


def test_an_event_that_comes_while_the_wait_is_held_is_there_when_it_goes_on():
    run = Run("""
    a:
      if: "${ case.due < now }"
      await: case.scanned
      within: 1h
      late: { raise: slow }
    """)
    assert (run.status("a"), run.open) == ("held", ["decision_failed"])
    run.event("case.scanned", {"n": 1})
    assert run.last[-1].what == "event.kept"
    run.event(
        "case.changed", {"number": "C-1", "due": "2026-03-01T00:00:00Z"}, time=NINE + timedelta(seconds=1)
    )
    run.close("decision_failed")
    assert run.status() == "completed"


def test_events_of_another_kind_are_of_no_use():
    run = Run(TWO)
    assert run.process.wants("case.scanned")
    assert run.process.wants("case.changed")
    assert not run.process.wants("case.noted")
    assert run.process.starts_on("case.opened")
    assert not run.process.starts_on("case.scanned")


def test_the_same_event_again_changes_nothing_but_the_count_of_decisions():
    run = Run(
        "a: { await: case.scanned, within: 1h, late: { raise: slow } }",
        top="on: { case.noted: { do: raise, type: trouble } }",
    )
    note = run.make("case.noted", {})
    run.take(note)
    before = run.state
    run.take(note)
    assert [r.what for r in run.last] == ["event.repeated"]
    assert run.asked == []
    assert run.state.exceptions == before.exceptions


# -- the document --------------------------------------------------------------------------------------------


WAITING = "a: { await: case.scanned, within: 9h, late: { raise: slow } }"


def change(run: Run, data: dict[str, object], minutes: int = 0) -> str:
    run.event("case.changed", {"number": "C-1", **data}, time=NINE + timedelta(minutes=minutes))
    return run.last[0].what


def test_a_newer_version_by_its_number_replaces_the_document_whenever_it_comes():
    run = Run(WAITING, {"number": "C-1", "version": 9})
    assert change(run, {"version": 10, "n": 1}, minutes=-30) == "document.replaced"
    assert change(run, {"version": 8, "n": 2}, minutes=30) == "document.older"
    assert run.state.document["n"] == 1


@pytest.mark.parametrize(
    ("older", "newer"), [("9", "10"), ("1.9", "1.10"), ("rev-a", "rev-b"), ("2026-01-02", "2026-01-10")]
)
def test_versions_are_compared_as_people_count_them(older: str, newer: str):
    run = Run(WAITING, {"number": "C-1", "version": older})
    assert change(run, {"version": newer}) == "document.replaced"
    assert change(run, {"version": older, "n": 1}) == "document.older"


def test_without_versions_its_time_of_change_counts():
    run = Run(WAITING, {"number": "C-1", "changed": "2026-03-02T08:00:00Z"})
    assert change(run, {"changed": "2026-03-02T10:00:00+02:00", "n": 1}, minutes=-9) == "document.older"
    assert change(run, {"changed": "2026-03-02T08:00:01Z", "n": 2}, minutes=-9) == "document.replaced"
    assert change(run, {"changed": "nonsense", "n": 3}, minutes=5) == "document.replaced"


def test_without_both_the_time_of_the_event_counts():
    run = Run(WAITING)
    assert change(run, {"n": 1}, minutes=10) == "document.replaced"
    assert change(run, {"n": 2}, minutes=5) == "document.older"
    assert change(run, {"n": 3}, minutes=11) == "document.replaced"


def test_of_two_that_were_received_together_the_one_decided_later_counts():
    run = Run(WAITING, {"number": "C-1", "n": 0})
    assert change(run, {"n": 1}) == "document.replaced"
    assert change(run, {"n": 2}) == "document.replaced"


def test_the_same_document_again_moves_its_time_so_that_order_does_not_matter():
    one, two = Run(WAITING), Run(WAITING)
    for data, minutes in (({}, 10), ({"n": 1}, 5)):
        change(one, data, minutes)
    for data, minutes in (({"n": 1}, 5), ({}, 10)):
        change(two, data, minutes)
    assert one.state.document == two.state.document == {"number": "C-1"}


def test_a_document_with_another_key_is_another_document():
    run = Run(WAITING)
    run.event("case.changed", {"number": "C-2", "n": 1}, time=NINE + timedelta(1))
    assert run.state.document == {"number": "C-1"}


def test_a_run_in_test_takes_newer_versions_of_its_document_too():
    run = Run(
        "a: { await: case.scanned, within: 1 day, late: { raise: slow } }",
        {"number": "C-1", "version": 1},
        top="environment: sandbox",
    )
    assert run.state.key == "test/C-1"
    run.event("case.changed", {"number": "C-1", "version": 2})
    assert run.state.document["version"] == 2


def test_inputs_are_those_at_the_start_of_the_step():
    run = Run(
        """
    a: { call: erp.do, with: { n: "${ case.n }" }, undo: erp.undo }
    z: { wait: 30 days }
    """,
        {"number": "C-1", "n": 1, "version": 1},
    )
    run.event("case.changed", {"number": "C-1", "n": 2, "version": 2}).refused("a").repair("step.retry", "a")
    assert run.input("a") == {"n": 1}
    run.done("a").cancel()
    assert run.input("a!undo") == {"n": 1}


# -- on: -------------------------------------------------------------------------------------------------------


def test_a_handler_acts_at_any_time_and_may_look_at_the_event():
    run = Run(
        TWO,
        top="""
    on:
      case.noted:
        - { if: "${ event.n > 5 }", do: raise, type: trouble, severity: critical, message: "n is ${ event.n }" }
        - { if: "${ event.n < 0 }", do: cancel }
        - { do: nothing }
    """,
    )
    run.event("case.noted", {"n": 1})
    assert (run.open, run.last[-1].what) == ([], "event.noted")
    run.event("case.noted", {"n": 6})
    assert run.told("exception.raised")[0]["message"] == "n is 6"
    assert run.status() == "active"
    run.event("case.noted", {"n": 7})
    assert run.told("exception.repeated")[0]["count"] == 2
    run.event("case.noted", {"n": -1, "reason": "gone"}).gone("a")
    assert (run.status(), run.state.reason) == ("cancelled", "case.noted: gone")


def test_a_handler_starts_a_step_that_starts_in_no_other_way():
    text = """
    a: { await: case.ended, within: 9h, late: { raise: slow } }
    extra: { call: erp.read }
    """
    run = Run(text, top="on: { case.noted: { do: step, step: extra } }")
    assert run.status("extra") == "pending"
    run.event("case.noted", {}).event("case.noted", {})
    assert run.status("extra") == "running"
    assert len(run.sent(Call)) == 1
    run = Run(text, top="on: { case.noted: { step: extra } }").event("case.ended", {})
    assert (run.statuses, run.status()) == ({"a": "succeeded", "extra": "skipped"}, "completed")


def test_a_handler_does_a_step_again():
    run = Run(
        """
    a: { call: erp.do, undo: erp.undo }
    z: { wait: 30 days }
    """,
        top="on: { case.changed: { redo: a, most: 2 } }",
    )
    run.done("a")
    for n in (1, 2):
        run.event("case.changed", {"number": "C-1", "version": n}).done(
            "a!undo" if n == 1 else "a#1!undo"
        ).done(f"a#{n}")
    run.event("case.changed", {"number": "C-1", "version": 3})
    assert run.open == ["redo_limit"]
    assert run.status("a") == "succeeded"


def test_an_older_version_that_comes_late_does_nothing_again():
    run = Run(
        """
    a: { call: erp.do, undo: erp.undo }
    z: { wait: 30 days }
    """,
        {"number": "C-1", "version": 1},
        top="on: { case.changed: [{ redo: a, most: 2 }, { raise: trouble }] }",
    ).done("a")
    run.event("case.changed", {"number": "C-1", "version": 3}).done("a!undo").done("a#1")
    run.event("case.changed", {"number": "C-1", "version": 2})
    assert (run.status("a"), run.told("document.older"), len(run.told("redo.begun"))) == (
        "succeeded",
        [{"version": 2}],
        1,
    )
    assert [told["count"] for told in run.told("exception.repeated")] == [2]  # it came all the same


def test_a_redo_of_what_has_not_begun_takes_nothing_back_and_does_not_count():
    run = Run(
        """
    z: { wait: 1h }
    a: { needs: z, call: erp.do, undo: erp.undo }
    """,
        top="on: { case.noted: { redo: a, most: 1 } }",
    )
    for n in range(3):
        run.event("case.noted", {"n": n})
    assert (run.open, run.status("a")) == ([], "pending")
    run.wait("1h").done("a").event("case.noted").done("a!undo").done("a#1")
    assert (run.open, run.status()) == ([], "completed")


def test_a_handler_that_cannot_be_worked_out_is_told_and_the_event_counts():
    run = Run(
        WAITING,
        top='on: { case.changed: [{ if: "${ event.n > 1 }", do: cancel }, { do: raise, type: trouble }] }',
    )
    run.event("case.changed", {"number": "C-1", "version": 1}, time=NINE + timedelta(1))
    assert run.open == ["decision_failed", "trouble"]
    assert run.state.document["version"] == 1


def test_a_handler_of_an_event_that_carries_the_document_sees_the_new_one():
    run = Run(WAITING, top='on: { case.changed: { if: "${ case.n > 1 }", do: cancel } }')
    run.event("case.changed", {"number": "C-1", "n": 2}, time=NINE + timedelta(1))
    assert run.status() == "cancelled"


def test_what_was_cancelled_before_it_was_released_is_not_cancelled_by_that():
    top = "on: { case.noted: [{ do: cancel, reason: called off }, { do: raise, type: trouble }] }"

    def began(*, time: datetime | None) -> Run:
        run = Run(WAITING, top=top, begin=False)
        return run.begin("case.opened", {"number": "C-1"}, time=time)

    released, before = NINE - timedelta(hours=1), NINE - timedelta(hours=2)
    run = began(time=released).event("case.noted", time=before)
    assert (run.status(), run.open) == ("active", ["trouble"])
    assert run.told("event.unused")[0]["reason"] == "it happened before what started the run"
    # What happened later, or by a source that tells no times, is.
    assert began(time=released).event("case.noted", time=NINE).status() == "cancelled"
    assert began(time=released).event("case.noted", time=before, received=before).status() == "cancelled"
    assert began(time=None).event("case.noted", time=before).status() == "cancelled"
