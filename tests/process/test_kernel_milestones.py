"""What was told of goods twice, late, or against a delivery moves a run once, by rule."""

from __future__ import annotations

from typing import Any

from driver import Run

DELIVERY = """
scanned: { await: shipment.in_transit, until: "${ size(steps.scanned.events) >= 3 }", within: 9d, late: { raise: slow } }
delivered: { await: shipment.delivered, within: 9d, late: { raise: slow } }
"""


def told(run: Run, code: str, time: str, **data: Any) -> str:
    """What the run makes of a milestone."""
    milestone = {"code": code, "code_told": code.upper(), "time": f"2026-03-0{time}Z", "by": "quayline"}
    run.event(f"shipment.{code}", {"tracking_number": "QL1", "milestone": milestone, **data})
    return run.last[0].what if run.last else ""


def test_a_poll_of_what_was_pushed_moves_nothing():
    run = Run(DELIVERY)
    assert told(run, "in_transit", "3T10:00:00") != "milestone.repeated"
    assert told(run, "in_transit", "3T10:01:00") == "milestone.repeated"
    assert len(run.state.steps["scanned"].events) == 1
    assert run.last[0].data["kept"] == "2026-03-03T10:00:00Z"
    told(run, "in_transit", "4T10:00:00")
    assert len(run.state.steps["scanned"].events) == 2


def test_two_shipments_of_one_run_are_kept_apart():
    run = Run(DELIVERY)
    told(run, "in_transit", "3T10:00:00")
    told(run, "in_transit", "3T10:00:00", tracking_number="QL2")
    told(run, "in_transit", "3T10:00:00", tracking_number="QL2", package="P-2")
    assert run.status("scanned") == "succeeded"


def test_what_still_moves_after_a_delivery_is_kept_with_both_sides_and_moves_nothing():
    run = Run(DELIVERY)
    told(run, "delivered", "3T10:00:00")
    assert told(run, "in_transit", "4T10:00:00") == "milestone.contradicts"
    assert run.last[0].data["code"] == "in_transit"
    delivery = {"code": "delivered", "time": "2026-03-03T10:00:00Z", "by": "quayline"}
    assert run.last[0].data["against"] == delivery
    assert run.state.steps["scanned"].events == []
    assert run.status("delivered") == "succeeded"


def test_a_delivery_told_late_stands_and_what_came_before_it_is_marked():
    run = Run(DELIVERY)
    told(run, "in_transit", "4T10:00:00")
    told(run, "delivered", "3T10:00:00")
    assert run.status("delivered") == "succeeded"
    assert [r.data["against"]["code"] for r in run.last if r.what == "milestone.contradicts"] == ["delivered"]


def test_a_proof_that_comes_with_the_second_telling_is_not_lost():
    run = Run(DELIVERY)
    told(run, "delivered", "3T10:00:00")
    assert told(run, "delivered", "3T10:00:00", proof={"received_by": "jo"}) == "event.unused"
