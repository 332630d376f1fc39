"""Processes that an integrator would write from the documentation alone, played to their ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from driver import NINE, Run
from test_kernel_examples import begin, each, money

from crossdock.process.calendar import Calendar
from crossdock.process.messages import RUN_CANCEL, Call, StartChild, Tell


def at(text: str, zone: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


# -- a pharmaceutical batch --------------------------------------------------------------------------------

BATCH = {
    "number": "B-1",
    "product": "P",
    "site": "basel",
    "made_by": "mia",
    "sampled_by": "sam",
    "version": 1,
}


def after_tests(run: Run, request: str = "LR-1", *, passed: bool = True, life: str = "") -> Run:
    if not life:
        run.done("plan", {"tests": ["assay", "purity"]})
    run.done(f"order{life}", {"request": request})
    for test in ("purity", "assay"):
        run.event("batch.tested", {"batch": "B-1", "test": test, "passed": passed, "value": "98.0"})
    return run


def test_a_batch_is_released_by_two_people_who_neither_made_nor_sampled_it():
    run = after_tests(begin("batch-release", BATCH))
    assert run.status("deviation") == "skipped"
    for who in ("mia", "sam"):
        run.decide("first", by=who, roles=("qualified-person",))
        assert run.status("first") == "waiting"
    run.decide("first", by="fay", roles=("qualified-person",))
    run.decide("second", by="fay", roles=("qualified-person",))
    assert run.status("second") == "waiting", "the same person twice"
    run.decide("second", by="sue", roles=("qualified-person",)).done("release", {"certificate": "C"})
    assert run.status() == "completed"
    assert run.emitted == [("batch.released", {"batch": "B-1", "first": "fay", "second": "sue"})]
    assert run.input("release") == {"batch": "B-1", "by": ["fay", "sue"]}


def test_a_failed_test_is_looked_at_and_a_first_no_orders_the_tests_again():
    run = after_tests(begin("batch-release", BATCH), passed=False)
    assert run.told("step.succeeded", "results")[0]["output"] == ["out_of_specification"]
    run.decide("deviation", "done", by="dan", roles=("qa",), form={"retest": True})
    run.decide("first", by="dan", roles=("qualified-person",))
    assert run.status("first") == "waiting", "who judged the deviation does not sign"
    run.decide("first", "refused", by="fay", roles=("qualified-person",)).done("order!undo")
    assert run.input("order#1") == {"batch": "B-1", "tests": ["assay", "purity"]}
    assert run.status("tested") == "pending"
    after_tests(run, "LR-2", life="#1")
    assert run.claimed["lims"] == "LR-2"
    run.decide("first", by="fay", roles=("qualified-person",))
    run.decide("second", "refused", by="sue", roles=("qualified-person",)).done("order#1!undo")
    assert (run.status(), run.state.reason) == ("cancelled", "the second person refused")


def test_a_recall_ends_the_run_as_failed_with_what_was_ordered_withdrawn():
    run = after_tests(begin("batch-release", BATCH))
    run.event("batch.recalled", {"batch": "B-1", "scope": "site", "reason": "water"})
    assert (run.status(), run.open) == ("active", ["recall_elsewhere"])
    run.event("batch.recalled", {"batch": "B-1", "scope": "batch", "reason": "glass"}).done("order!undo")
    assert (run.status(), run.state.reason, run.state.steps["first"].task) == (
        "failed",
        "recalled: glass",
        "",
    )


def test_a_laboratory_that_is_late_is_told_of_rung_by_rung_in_business_days():
    run = begin("batch-release", BATCH)
    run.done("plan", {"tests": ["assay"]}).done("order", {"request": "LR"})
    assert run.state.wake == NINE + timedelta(days=7)  # five business days from Monday 09:00
    run.wait("7 days")
    assert run.open == ["test_late"]
    run.wait("1 day")
    assert [r["to"] for r in run.told("escalated")] == ["laboratory-lead"]
    run.wait("2 days")
    assert run.emitted == [("batch.overdue", {"batch": "B-1"})]
    run.event("batch.tested", {"batch": "B-1", "test": "assay", "passed": True})
    assert (run.open, run.status("first")) == ([], "waiting")


# -- a container with free days ----------------------------------------------------------------------------

CONTAINER = {
    "number": "MSCU1", "call": "C7", "bill": "BL-9", "terminal": "santos", "free_days": 2, "size": 40,
    "tariff": {"amount": "75.50", "currency": "USD"}, "version": 1,
}  # fmt: skip
SANTOS = Calendar.parse({"name": "santos", "zone": "America/Sao_Paulo", "hours": {"mon-fri": "08:00-18:00"}})


def discharged(run: Run, *, final: bool = True) -> Run:
    data = {"container": CONTAINER, "at": "2026-03-02T09:00:00Z", "final": final}
    return run.event("container.discharged", data)


def test_a_container_that_stays_costs_the_days_over_its_free_time():
    run = begin("container-import", CONTAINER, calendars={"santos": SANTOS})
    assert (run.state.key, run.claimed["bill_of_lading"]) == ("MSCU1/C7", "BL-9")
    discharged(run, final=False)
    assert run.status("discharged") == "waiting"
    discharged(run).done("book", {"slot": "2026-03-03T12:00:00Z", "id": "A-1"})
    assert run.state.steps["out"].due == at("2026-03-05T08:00", "America/Sao_Paulo")  # a first hour counts
    run.until(at("2026-03-05T08:00", "America/Sao_Paulo"))
    assert (run.open, run.status("slot")) == (["demurrage_runs"], "succeeded")
    run.wait("3 days")
    assert run.told("exception.repeated")[0]["count"] == 2
    run.event("container.gated_out", {"container": "MSCU1", "at": "2026-03-08T11:00:00Z"})
    assert run.open == []
    assert run.input("accrue") == {
        "container": "MSCU1",
        "amount": {"amount": "302.00", "currency": "USD"},
        "days": 4,
    }
    run.done("accrue", {"posting": "P"}).event(
        "container.returned", {"container": "MSCU1", "at": "2026-03-09T11:00:00Z"}
    )
    assert run.status() == "completed"


def test_a_container_that_was_discharged_before_it_was_announced_starts_by_that():
    run = Run(text=begin("container-import", CONTAINER).process.source, begin=False)
    run.begin("container.discharged", {"container": CONTAINER, "at": "2026-03-02T09:00:00Z", "final": True})
    assert run.state.document == CONTAINER
    assert run.status("discharged") == "waiting", "what starts a run is not what it waits for"
    run.event("container.rerouted", {"container": "MSCU1", "port": "Itajai"})
    assert (run.status(), run.state.reason) == ("cancelled", "goes to Itajai")


# -- returns, graded ---------------------------------------------------------------------------------------

PARCEL = {
    "number": "R-1", "customer": "C",
    "lines": [{"sku": "A", "price": money("400.00")}, {"sku": "B", "price": money("199.99"), "age_days": 40}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("grades", "amount", "restocked", "remarks"),
    [
        ("AA", "599.99", ["A", "B"], ["late", "valuable 599.99 EUR"]),
        ("AB", "389.99", ["A"], ["late", "valuable 599.99 EUR"]),
        ("AD", "", ["A"], ["defective", "late", "valuable 599.99 EUR"]),
    ],
)
def test_returned_goods_are_graded_by_the_first_and_remarked_by_all_rules(
    grades: str, amount: str, restocked: list[str], remarks: list[str]
):
    for order in (0, 1), (1, 0):
        run = begin("returns-grading", PARCEL)
        for n in order:
            defects = {"defects": ["torn"]} if grades[n] == "D" else {}
            run.event("parcel.graded", {"parcel": "R-1", "sku": "AB"[n], "grade": grades[n], **defects})
        assert sorted(c.item for c in run.sent(StartChild)) == restocked
        assert run.told("step.succeeded", "remarks")[0]["output"] == remarks
        if amount:
            assert run.input("refund")["amount"] == money(amount)
            run.done("refund", {"refund": "X"})
        for item in restocked:
            run.child("restock", item)
        assert (run.status(), run.status("refund")) == ("completed", "succeeded" if amount else "skipped")


def test_an_unknown_grade_hits_no_rule_and_a_person_supplies_the_share():
    run = begin("returns-grading", {**PARCEL, "lines": PARCEL["lines"][:1]})
    run.event("parcel.graded", {"parcel": "R-1", "sku": "A", "grade": "X"})
    assert (run.status(), run.open) == ("held", ["decision_failed"])
    run.repair("step.supply", "share", output="0.5", note="as agreed")
    assert run.input("refund")["amount"] == money("200.00")
    run.child("restock") if run.children else None
    run.done("refund", {"refund": "X"}).cancel()
    assert run.status() == "completed"


# -- a milk run and a blanket order: lists that grow ---------------------------------------------------------


def stop(supplier: str, *, last: bool = False) -> dict[str, Any]:
    return {"tour": "T", "supplier": supplier, "dock": "1", "last": last}


def test_stops_are_added_on_the_way_once_each_and_summed_at_the_end():
    run = begin("milk-run", {"number": "T", "stops": []}, parent=True)
    run.event("tour.stop_added", stop("a")).event("tour.stop_added", stop("b")).event(
        "tour.stop_added", stop("a")
    )
    assert [c.item for c in run.sent(StartChild)] == ["a", "b"]
    run.child("stop", "b", output={"pallets": 3})
    assert run.status("stop") == "running", "the list may still grow"
    run.event("tour.stop_added", stop("c", last=True)).event("tour.ended", {"tour": "T"})
    run.child("stop", "c", output={"pallets": 4}).child("stop", "a", "failed", reason="no dock")
    assert run.open == ["child_failed"]
    run.repair("step.supply", "stop", item="a", output={"pallets": 5}, note="counted by hand")
    assert run.news[-1].data["output"] == {"pallets": 12}
    assert run.told("step.succeeded", "all")[0]["output"] == {"pallets": 12, "stops": 3}


BLANKET = {
    "number": "BO",
    "customer": "C",
    "agreed": each(300),
    "price": money("2.00"),
    "ends": "2026-12-01T00:00:00Z",
}


def call_off(n: int, count: int = 1) -> dict[str, Any]:
    return {"blanket": "BO", "release": f"R{n}", "quantity": each(count)}


def test_three_hundred_call_offs_run_as_children_and_the_state_stays_small():
    run = begin("blanket-order", BLANKET)
    for n in range(300):
        run.event("blanket.call_off", call_off(n))
        if n % 7 == 0:
            run.event("blanket.call_off", call_off(n), id=f"again {n}") if n < 0 else None
    assert (run.status("call_offs"), len(run.sent(StartChild))) == ("succeeded", 300)
    for n in reversed(range(300)):
        run.child("deliver", f"R{n}", output={"delivery": f"D{n}"})
    assert run.status() == "completed"
    assert run.emitted == [("blanket.exhausted", {"blanket": "BO", "called": each(300)})]


def test_a_cancelled_blanket_takes_back_what_was_delivered_and_stops_what_runs():
    run = begin("blanket-order", BLANKET)
    for n in range(3):
        run.event("blanket.call_off", call_off(n))
    run.child("deliver", "R1", output={"delivery": "D"}).event("blanket.terminated", {"blanket": "BO"})
    told = [(t.item, t.type) for t in run.sent(Tell)]
    assert sorted(told) == [("R0", RUN_CANCEL), ("R2", RUN_CANCEL)]
    run.child("deliver", "R0", "cancelled").child("deliver", "R2", "completed")
    assert run.status() == "cancelling"
    assert run.sent(Tell)[-1].item == "", "those that had succeeded are taken back together"
    for item in ("R1", "R2"):
        run.child("deliver", item, "cancelled")
    assert run.status() == "cancelled"


# -- customs that hold, and papers made again ----------------------------------------------------------------

GOODS = {
    "number": "K-1",
    "version": 1,
    "value": money("1000.00"),
    "duty_rate": "0.0375",
    "gross": {"value": "12.5", "unit": "KGM"},
}


def test_papers_that_customs_do_not_take_are_made_again_newest_undone_first():
    run = begin("cross-border", GOODS).done("papers", {"set": "S"}).done("declare_it", {"mrn": "M1"})
    assert run.input("declare_it") == {"set": "S", "duty": money("37.50")}
    run.event("consignment.customs_held", {"consignment": "K-1", "why": "wrong papers"})
    undone = [c.id for c in run.sent(Call) if c.undo]
    assert undone == ["declare_it!undo"]
    run.done("declare_it!undo").done("papers!undo").done("papers#1", {"set": "S2"})
    run.event("consignment.cleared", {"mrn": "M1"})
    run.done("declare_it#1", {"mrn": "M2"})
    assert run.status("cleared") == "waiting", "the clearance of the old declaration is not that of the new"
    assert run.claimed["mrn"] == "M2"
    run.event("consignment.cleared", {"mrn": "M2", "duty": money("37.50")}).done("pay", {"payment": "P"})
    run.close("customs_hold")
    assert run.status() == "completed"


def test_a_hold_that_comes_twice_is_one_exception_and_one_redo_too_many_is_told():
    run = begin("cross-border", GOODS)
    for life in ("", "#1", "#2"):
        run.done(f"papers{life}", {"set": "S"}).done(f"declare_it{life}", {"mrn": f"M{life}"})
        run.event("consignment.customs_held", {"consignment": "K-1", "why": "wrong papers"})
        run.done(f"declare_it{life}!undo").done(f"papers{life}!undo")
    run.done("papers#3", {"set": "S"}).done("declare_it#3", {"mrn": "M3"})
    run.event("consignment.customs_held", {"consignment": "K-1", "why": "wrong papers"})
    assert sorted(run.open) == ["customs_hold", "redo_limit"]
    run.repair("step.redo", "papers", note="once more").done("declare_it#3!undo").done("papers#3!undo")
    assert run.open == ["customs_hold"], "a person did what the limit had stopped"


def test_once_duty_is_paid_a_changed_consignment_is_refused_and_told():
    run = begin("cross-border", GOODS).done("papers", {"set": "S"}).done("declare_it", {"mrn": "M"})
    run.event("consignment.cleared", {"mrn": "M", "duty": money("1.00")}).unreachable("pay")
    run.event("consignment.changed", {**GOODS, "version": 2})
    assert run.status("pay") == "running", "it is not known to be undone"
    run.done("pay", {"payment": "P"})
    assert (run.status(), run.open) == ("completed", ["redo_refused"])


# -- a dock appointment that moves ------------------------------------------------------------------------------

VISIT = {"number": "V-1", "site": "hub", "slot": "2026-03-02T10:00:00Z", "plate": "B-XY 1", "version": 1}
HUB = Calendar.parse(
    {
        "name": "hub",
        "zone": "Europe/Berlin",
        "hours": {"mon-sat": "06:00-22:00"},
        "cut_offs": {"gate_closes": "21:00"},
    }
)


def test_a_slot_that_moves_moves_the_deadline_and_what_it_had_told_is_closed_by_the_truck():
    run = begin("dock-appointment", VISIT, calendars={"hub": HUB})
    assert run.state.wake == NINE + timedelta(hours=1)
    run.event("visit.moved", {**VISIT, "version": 2, "eta": "2026-03-02T12:00:00Z"})
    assert run.state.wake == NINE + timedelta(hours=3)
    run.event("visit.moved", {**VISIT, "version": 3, "eta": "2026-03-02T08:30:00Z"})
    assert run.open == ["late_truck"], "moved into the past: due at once"
    run.event("visit.moved", {**VISIT, "version": 2, "eta": "2026-03-03T08:30:00Z"})
    assert run.state.steps["gate"].due == at("2026-03-02T08:30", "UTC"), "an older version moves nothing"
    run.wait("90m").until(run.now)
    assert run.emitted == [("visit.no_show", {"visit": "V-1"})]
    run.event("visit.arrived", {"visit": "V-1", "plate": "B-XY 1"})
    assert (run.open, run.status("unload")) == ([], "waiting")
    run.wait("45m")
    assert run.open == ["blocked_dock"]
    run.decide("unload", "done", by="f", roles=("forklift",), form={"pallets": 20})
    assert run.state.steps["gone"].due == at("2026-03-02T20:45", "Europe/Berlin")
    run.event("visit.left", {"visit": "V-1"})
    assert run.status() == "completed"


def test_a_truck_that_does_not_come_is_skipped_and_nobody_unloads():
    run = begin("dock-appointment", VISIT, calendars={"hub": HUB}).wait("6h")
    assert (run.status("gate"), run.status("unload"), run.status("gone")) == ("skipped", "skipped", "waiting")
    run.event("visit.arrived", {"visit": "V-1", "plate": "B-XY 1"})
    assert run.told("event.unused")[-1]["reason"] == "no step waits for it any more"


# -- dangerous goods: packed again until it is right --------------------------------------------------------------

DGD = {"number": "D", "un": "UN1263", "class": "3", "packed_by": "pia", "net": {"value": "5", "unit": "LTR"}}


def packed(run: Run, by: str, verdict: str) -> Run:
    run.decide("pack", "done", by=by, roles=("packer",), form={"photos": [], "net": DGD["net"], "seal": "Z"})
    return run.decide("check_pack", verdict, by="exa", roles=("dg-expert",))


def test_goods_packed_wrong_are_packed_again_and_after_the_third_time_it_is_over():
    run = begin("dangerous-goods", DGD)
    run.done("classify", {"allowed": True, "packing_group": "II", "limit": {"value": "30", "unit": "LTR"}})
    for _ in range(3):
        packed(run, "pete", "refused")
        assert run.status("pack") == "waiting"
    packed(run, "pete", "refused")
    assert (run.status(), run.state.reason) == ("cancelled", "packed wrong four times")


def test_goods_in_another_unit_than_the_limit_are_held_with_the_reason():
    run = begin("dangerous-goods", {**DGD, "net": {"value": "5", "unit": "KGM"}})
    run.done("classify", {"allowed": True, "packing_group": "II", "limit": {"value": "30", "unit": "LTR"}})
    assert (run.status("within_limit"), run.status()) == ("cancelled", "failed")
    assert run.told("step.cancelled", "within_limit")[0]["reason"] == "no rule"


# -- a cascade down the carriers ------------------------------------------------------------------------------------

LOAD = {
    "number": "L",
    "carriers": [{"name": n, "rate": money(r)} for n, r in (("x", "90"), ("y", "95"), ("z", "99"))],
}


def test_a_no_a_silence_and_a_refusal_lead_to_the_next_carrier_and_the_last_to_nobody():
    run = begin("carrier-cascade", LOAD).done("offer", {"tender": "T"})
    assert run.call("offer").via == "x"
    run.event("load.answered", {"load": "L", "carrier": "y", "yes": True})
    assert run.status("answer") == "waiting", "who was not asked does not answer"
    run.event("load.answered", {"load": "L", "carrier": "x", "yes": False}).done("offer!undo")
    assert run.status("answer") in ("pending", "waiting")
    run.refused("offer#1")
    assert run.call("offer#2").via == "z"
    run.done("offer#2", {"tender": "T3"}).wait("2h").done("offer#2!undo")
    assert (run.status(), run.emitted) == ("completed", [("load.unplaced", {"load": "L"})])
    assert run.statuses["pick"] == "failed"


# -- ladders, waits, units, starts ------------------------------------------------------------------------------------


def test_every_kind_of_rung_is_climbed_in_its_time():
    run = begin("ladders", {"id": "J", "vip": True}).done("base", {"ref": "R1"}).wait("1h")
    assert run.told("event.noted")[0]["message"] == "it is noted"
    run.wait("20m")
    assert (run.open, run.told("exception.repeated")[0]["count"]) == (["job_slow"], 2)
    run.wait("20m")
    assert [r["to"] for r in run.told("escalated")] == ["chief"]
    assert run.emitted == [("job.nag", {"id": "J", "n": 1})]
    run.wait("10m")
    assert (run.status("wait_for"), run.status("alarm")) == ("failed", "running")
    assert run.input("alarm") == {"id": "J", "was": "R1"}
    run.refused("alarm")
    assert (run.status(), run.status("alarm"), run.open) == ("completed", "skipped", [])


def test_a_process_of_waits_alone_keeps_its_local_times_when_the_clocks_change():
    oslo = {
        "name": "oslo",
        "zone": "Europe/Oslo",
        "hours": {"mon-sun": "08:00-16:00"},
        "cut_offs": {"ferry": "15:30"},
    }
    london = {"name": "london", "zone": "Europe/London", "hours": {"mon-fri": "09:00-17:00"}}
    begun = at("2026-03-28T14:00", "Europe/Oslo")  # the clocks go forward in the night
    calendars = {"oslo": Calendar.parse(oslo), "london": Calendar.parse(london)}
    run = begin("only-waits", {"id": "W"}, calendars=calendars, at=begun)
    assert run.state.wake == at("2026-03-29T14:00", "Europe/Oslo") == begun + timedelta(hours=23)
    run.until(run.state.wake)
    assert run.status("d") == "succeeded"
    assert run.state.steps["b"].due == at("2026-03-30T09:00", "Europe/Oslo")  # two hours, and one
    assert run.state.steps["f"].due == at("2026-03-31T09:00", "Europe/London")  # Monday is the day
    run.until(at("2026-03-30T09:00", "Europe/Oslo"))
    assert run.state.steps["c"].due == at("2026-03-30T15:30", "Europe/Oslo")
    run.wait("3 days")
    assert run.status() == "completed"


def test_sums_keep_currencies_and_units_apart_and_mixing_them_is_what_fails_says():
    crate = {
        "id": "K", "rate": "1.25", "ratio": 0.5,
        "prices": [money("0.10"), money("0.20"), {"amount": "1.00", "currency": "USD"}],
        "weights": [{"value": "1.5", "unit": "KGM"}, {"value": "3", "unit": "LBR"}, {"value": "2", "unit": "KGM"}],
    }  # fmt: skip
    run = begin("mixed-units", crate)
    assert run.told("step.succeeded", "both")[0]["output"] == {"total": money("1.10")}
    assert run.told("step.succeeded", "kg")[0]["output"] == {"kg": {"value": "3.5", "unit": "KGM"}}
    assert (run.status("mixed"), run.status()) == ("skipped", "completed")


TRIP = {"number": "T", "version": 1}


@pytest.mark.parametrize("order", list(permutations(["begun", "km", "done"])))
def test_a_trip_begun_by_any_of_its_events_ends_the_same(order: tuple[str, ...]):
    run = begin("several-starts", TRIP)
    data = {"begun": {"trip": TRIP, "driver": "d"}, "km": {"trip": "T", "km": "12.5"}, "done": {"trip": "T"}}
    for what in order:
        run.event(f"trip.{what}", data[what])
        run.event(f"trip.{what}", data[what], id=run.events[-1].id)
    assert run.statuses == {
        "driver": "succeeded",
        "seen": "succeeded",
        "either": "succeeded",
        "done": "succeeded",
    }
    assert run.status() == "completed"


def test_a_trip_that_was_lost_does_not_start_and_one_never_done_has_failed():
    assert Run(text=begin("several-starts", TRIP).process.source, begin=False).process.start[2].condition
    run = begin("several-starts", TRIP).wait("12 days").wait("1 day")
    assert (run.status(), run.statuses["either"]) == ("failed", "succeeded")


def test_stock_is_replenished_until_what_was_missing_is_there():
    level = {
        "site": "S",
        "sku": "K",
        "on_hand": each(3),
        "reorder_point": each(5),
        "target": each(20),
        "version": 1,
    }
    run = begin("vmi-replenish", level).done("order", {"order": "PO"})
    assert (run.state.key, run.claimed["purchase"]) == ("S:K", "PO")
    assert run.input("order")["quantity"] == each(17)
    run.event("level.received", {"site": "S", "sku": "K", "quantity": each(10)})
    run.event("level.reported", {**level, "version": 2, "on_hand": each(13)})
    assert run.status("received") == "succeeded", "seven are missing now, and ten have come"
    assert run.process.again == "allow"


def test_a_disputed_invoice_is_dropped_when_its_exception_is_closed():
    case = {
        "id": "p/K/1/x1",
        "type": "invoice_dispute",
        "severity": "critical",
        "process": "p",
        "run": "p/K/1",
        "message": "too dear",
        "raised": "2026-03-02T09:00:00Z",
    }
    run = begin("invoice-dispute", case)
    assert run.told("step.succeeded", "route")[0]["output"] == {"role": "cfo", "hours": 2}
    assert run.told("step.succeeded", "facts")[0]["output"]["text"] == (
        "Exception invoice_dispute\nat the run\n"
    )
    run.event("exception.closed", case)
    assert (run.status(), run.state.reason) == ("cancelled", "it closed by itself")
