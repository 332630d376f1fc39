"""Processes of other businesses, written from the language alone, and what must come of each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from driver import CATALOGUE, Run
from test_kernel_examples import begin, money

from crossdock.process import check
from crossdock.process.calendar import Calendar
from crossdock.process.messages import Emit, StartChild


def test_what_a_process_declares_may_stand_in_any_order_and_means_its_own():
    """`Address` is also a canonical document: the process's own counts, though it is declared after its use."""
    text = """
process: parcels
owner: desk
document: Parcel
key: ${ parcel.number }
start: { on: parcel.booked }
declare:
  documents:
    Parcel: { number: string, to: Address, "first?": Parcel }
    Address: { street: string, tower: int }
  events: { parcel.booked: { data: Parcel } }
steps:
  up: { set: { floor: "${ parcel.to.tower + 1 }", again: "${ default(parcel.first.to.street, '-') }" } }
"""
    process, problems = check(text, CATALOGUE)
    assert (process is not None, problems) == (True, [])
    run = Run(text=text, document={"number": "P", "to": {"street": "s", "tower": 3}})
    assert run.told("step.succeeded", "up") == [{"output": {"again": "-", "floor": 4}}]


def test_who_follows_an_exception_hears_at_its_end_what_it_was_and_how_it_was_mended():
    """The event that closes carries the whole case again: a playbook that has it as its document loses nothing."""
    run = Run(
        "a: { call: erp.read, retry: none }\nb: { await: case.scanned, within: 1h, late: { raise: slow } }"
    )
    run.unreachable("a")
    run.wait("2h").repair("step.retry", "a", note="the line is mended")
    raised, late, closed = (e for e in run.sent(Emit) if e.type.startswith("exception."))
    assert raised.data["severity"] == "high"  # as its type says, where the process does not
    assert late.data["severity"] == "low"
    assert closed.data == raised.data | {
        "status": "closed",
        "closed": "2026-03-02T11:00:00Z",
        "closed_by": "ann",
        "resolution": "the line is mended",
    }
    assert closed.about == raised.about


# -- cash on delivery ---------------------------------------------------------------------------------------

DEPOT = Calendar.parse(
    {
        "name": "depot",
        "zone": "Europe/Berlin",
        "hours": {"mon-fri": "08:00-17:00"},
        "cut_offs": {"pickup": "16:00"},
    }
)
PARCEL: dict[str, Any] = {"number": "P1", "cash": money("50.00"), "to": {"street": "A", "city": "B"}}


def booked() -> Run:
    text = begin("cash-on-delivery", {}, begin=False, calendars={"default": DEPOT})
    return text.begin("parcel.booked", {"parcel": PARCEL})


def test_a_new_address_before_the_hand_over_makes_a_new_label_and_forgets_the_old_barcode():
    run = booked().done("label", {"barcode": "B1"})
    assert run.state.wake == datetime(2026, 3, 2, 14, 45, tzinfo=UTC)  # 15:45 in Berlin
    moved = {**PARCEL, "to": {"street": "X", "city": "Y"}}
    run.event("parcel.readdressed", {"number": "P1", "to": moved["to"], "parcel": moved})
    assert (run.statuses["label"], run.statuses["handed_over"]) == ("succeeded", "cancelled")
    assert run.input("label!undo") == {"barcode": "B1"}
    run.done("label!undo").done("label#1", {"barcode": "B2"})
    assert run.input("label#1")["to"] == moved["to"]
    assert run.claimed == {"parcel": "P1", "barcode": "B2"}
    run.event("parcel.handed_over", {"barcode": "B1", "courier": "c"})
    assert run.status("handed_over") == "waiting"  # the old label is no proof
    run.event("parcel.handed_over", {"barcode": "B2", "courier": "c"})
    assert run.status("handed_over") == "succeeded"
    run.event("parcel.readdressed", {"number": "P1", "to": moved["to"]})
    assert run.open == ["readdressed_too_late"]
    assert run.status("label") == "succeeded"


def test_cash_that_comes_in_parts_or_not_at_all_ends_with_a_claim_once():
    run = booked().done("label", {"barcode": "B1"})
    run.event("parcel.handed_over", {"barcode": "B1", "courier": "c"}).done("expect", {"id": "e"})
    run.event("parcel.attempted", {"barcode": "B1", "outcome": "nobody"})
    run.event("parcel.attempted", {"barcode": "B1", "outcome": "delivered"})
    run.event("parcel.attempted", {"barcode": "B1", "outcome": "delivered"})  # one more than was waited for
    assert [r.what for r in run.last] == ["event.unused"]
    assert run.status("send_back") == "skipped"
    run.event("cash.settled", {"barcode": "B1", "amount": money("20.00")}).wait("3 days")
    assert run.open == ["cash_missing"]
    assert run.told("exception.raised")[0]["message"] == "50.00 EUR of P1"
    run.wait("7 days")
    assert (run.status("settled"), run.status("claim"), run.open) == ("failed", "waiting", [])
    run.decide("claim", "done", roles=("treasury",), form={"recovered": money("30.00")})
    assert run.status() == "completed"
    assert run.told("measure") == []  # what was never settled is not measured


# -- many orders in one truck -------------------------------------------------------------------------------


def kg(value: int) -> dict[str, str]:
    return {"value": str(value), "unit": "KG"}


def pallet(run: Run, id_: str, weight: int, type_: str = "pallet.staged") -> None:
    run.event(type_, {"order": "o", "pallet": id_, "weight": kg(weight)})


def test_pallets_of_two_growing_lists_are_loaded_once_each_and_anew_when_the_truck_is_too_heavy():
    run = begin(
        "truck-load",
        {"plate": "K", "day": "2", "departs": "2026-03-02T18:00:00Z", "stops": [], "capacity": kg(100)},
        by="ann",
    )
    pallet(run, "p1", 160)
    pallet(run, "p1", 160)  # told twice, loaded once
    pallet(run, "p2", 10, "pallet.late_add")
    pallet(run, "p3", 10, "pallet.late_add")
    run.event("staging.closed", {"dock": 1})
    assert [c.item for c in run.sent(StartChild)] == ["p1", "p2", "p3"]
    run.child("per_pallet", "p1", status="failed", reason="it fell")
    assert (run.status("per_pallet"), run.open) == ("held", ["departs_late"])
    run.decide("check_weight", "refused", by="ann", roles=("dock-lead",))
    assert run.last[-1].what == "decision.refused"  # who planned the truck does not weigh it
    run.decide("check_weight", "refused", by="bob", roles=("dock-lead",), note="too heavy")
    assert [t.item for t in run.news] == ["p2", "p3"]
    run.child("per_pallet", "p2", status="cancelled").child("per_pallet", "p3", status="cancelled")
    assert run.open == []
    again = [(c.item, c.redo) for c in run.asked if isinstance(c, StartChild)]
    assert again == [("p2", 1), ("p3", 1)]  # the late ones are known still, the staged ones come anew
    pallet(run, "p1", 60)
    run.event("staging.closed", {"dock": 1})
    for item in ("p1", "p2", "p3"):
        run.child("per_pallet", item)
    assert (run.status("check_weight"), run.status("loaded")) == ("skipped", "waiting")


# -- stock by way of quarantine -----------------------------------------------------------------------------


def test_a_recall_while_nobody_knows_whether_it_was_booked_finds_out_first_and_undoes_newest_first():
    batches = [{"batch": "b1", "qty": kg(1)}, {"batch": "b2", "qty": kg(2)}]
    run = begin(
        "quarantine-transfer",
        {"id": "T", "from": "A", "to": "R", "container": "C", "batches": batches, "by": "x"},
    )
    run.event("gate.passed", {"container": "C", "gate": "R", "temp": "9.5"})  # the arrival is told first
    run.event("gate.passed", {"container": "C", "gate": "A", "temp": "4"}).done("reserve", {"hold": "h"})
    assert (run.status("out"), run.status("arrive"), run.status("warm")) == (
        "succeeded",
        "succeeded",
        "waiting",
    )
    run.decide("warm", "done", roles=("qa",), form={"keep": True}).done("sample", {"job": "j1"})
    for batch in ("b1", "b2"):
        run.event("lab.result", {"batch": batch, "ok": True, "transfer": "T"}).child("stow", batch)
    run.unknown("booked", resolvable=False)
    run.event("transfer.recalled", {"id": "T", "why": "glass"})
    assert run.status() == "cancelling"
    assert run.call("booked").only_find
    run.unknown("booked", resolvable=False)
    assert run.status("booked") == "held"  # nothing else is undone before this is known
    run.repair("step.supply", "booked", output={"bin": "B7"})
    assert run.input("booked!undo") == {"bin": "B7"}
    run.done("booked!undo")
    assert [(t.step, t.item) for t in run.news] == [("stow", "")]
    run.child("stow", "b1", status="cancelled").child("stow", "b2", status="cancelled")
    run.done("sample!undo").done("reserve!undo")
    assert (run.status(), run.state.reason) == ("failed", "recalled: glass")
    undone = [r.step for r in run.records if r.what == "step.undone"]
    assert undone == ["booked", "stow", "sample", "reserve"]


# -- from quote to order ------------------------------------------------------------------------------------

ENQUIRY: dict[str, Any] = {
    "id": 7, "customer": "c", "lines": [{"sku": "a", "n": 1}], "valid": "72h", "rep": "rep",
}  # fmt: skip


def test_a_changed_enquiry_is_priced_anew_and_a_refused_counter_offer_asks_again_as_often_as_somebody_says_no():
    run = begin("quote-to-order", ENQUIRY).child("prices", "a", output={"price": money("10.00")})
    assert run.state.steps["margin"].input == {"total": money("10.00"), "n": 1}
    lines = [*ENQUIRY["lines"], {"sku": "b", "n": 2}]
    run.event("enquiry.changed", {**ENQUIRY, "lines": lines})
    run.child("prices", "a", status="cancelled")
    for sku in ("b", "a"):
        run.child("prices", sku, output={"price": money("10.00")})
    assert run.state.steps["margin"].input == {"total": money("20.00"), "n": 2}
    run.wait("25h")  # nobody looked
    for number in range(4):
        run.event("quote.answered", {"id": 7, "answer": "counter", "counter": money("5.00")})
        run.decide("counter", "refused", by=f"lead{number}", roles=("sales-lead",))
    assert [data["price"] for _, data in run.emitted] == [money("20.00")] * 5
    run.wait("1h").event("quote.answered", {"id": 7, "answer": "yes"})
    assert run.input("order") == {"customer": "c", "total": money("20.00")}
    run.done("order", {"order": "O-1"})
    assert run.status() == "completed"
    assert [(m["name"], m.get("met")) for m in run.told("measure")] == [("to_order", True), ("all", None)]


# -- a disputed invoice -------------------------------------------------------------------------------------


def test_one_piece_of_evidence_is_enough_when_it_is_late_and_a_withdrawal_stops_the_credit():
    run = begin(
        "credit-dispute",
        {
            "number": "D",
            "invoice": "I",
            "amount": money("100"),
            "reason": "damage",
            "opened_by": "ann",
            "lines": [],
        },
    )
    run.refused("block", "paid already")
    run.event("dispute.evidence", {"number": "D", "doc": "d1"}).wait("8 days")
    assert (run.status("block"), run.status("evidence"), run.status("judge")) == (
        "skipped",
        "skipped",
        "waiting",
    )
    run.decide("judge", "refused", by="eve", roles=("receivables",), note="more")
    assert run.status("evidence") == "waiting"
    for doc in ("d2", "d3"):
        run.event("dispute.evidence", {"number": "D", "doc": doc})
    assert run.state.steps["judge"].input["docs"] == ["d2", "d3"]
    run.decide("judge", by="eve", roles=("receivables",), form={"grant": money("50")})
    assert run.input("credit") == {"invoice": "I", "amount": money("50")}
    run.event("dispute.withdrawn", {"number": "D"}).gone("credit")
    assert (run.status(), run.state.reason, run.status("credit")) == ("cancelled", "withdrawn", "cancelled")


# -- a machine comes back from hire -------------------------------------------------------------------------


def test_a_longer_hire_moves_the_deadline_but_no_rung_is_climbed_twice():
    hire = {
        "contract": "H",
        "machine": "M",
        "ends": "2026-03-02T12:00:00Z",
        "deposit": money("1000"),
        "customer": "x",
    }
    run = begin("hire-return", hire).wait("3h 1m")
    assert run.told("exception.raised")[0]["severity"] == "low"
    run.event("hire.extended", {**hire, "ends": "2026-03-10T12:00:00Z"})
    assert run.state.wake == datetime(2026, 3, 11, 12, tzinfo=UTC)  # what is due at once was told
    run.until(datetime(2026, 3, 11, 12, tzinfo=UTC))
    assert [(r["count"], r["severity"]) for r in run.told("exception.repeated")] == [(2, "high")]
    run.until(run.now + timedelta(days=3))
    assert (run.status("arrived"), run.status("repossess")) == ("failed", "waiting")
    run.event("machine.arrived", {"machine": "M", "hours": "12.5"})
    assert [r.what for r in run.last] == ["event.unused"]


# -- blood between two banks, a spare part in advance, a container's free days -----------------------------------

BLOOD = {
    "number": "T-1",
    "from": "north",
    "to": "south",
    "requested_by": "ann",
    "needed": "2026-03-03T09:00:00Z",
    "units": [{"id": "U1", "kind": "red", "expires": "2026-04-01T00:00:00Z"}],
}


def test_a_box_that_was_too_warm_is_judged_by_who_did_not_pack_it_and_its_units_are_set_aside():
    run = begin("blood-transfer", BLOOD).done("reserve", {"reservation": "R"})
    run.decide("pack", "done", by="tom", roles=("technician",), form={"box": "B-1"})
    run.done("book", {"job": "J", "eta": "2026-03-02T15:00:00Z"})
    run.event("box.reading", {"box": "B-1", "celsius": 9.5, "door_open": True})
    assert run.status("watch") == "waiting"
    run.event("box.arrived", {"box": "B-1", "celsius": 5.0})
    run.decide("judge", "approved", by="tom", roles=("haemovigilance",))
    assert run.status("judge") == "waiting", "who packed it is excluded"
    run.decide("judge", "refused", by="eve", roles=("haemovigilance",))
    assert (run.status("judge"), run.status("told"), run.status("discard")) == (
        "failed",
        "cancelled",
        "running",
    )
    (child,) = run.sent(StartChild)
    assert child.document == {"unit": "U1", "why": "warm"}
    run.child("discard", "U1")
    assert run.status() == "completed"


SWAP = {
    "number": "S-1",
    "customer": "C",
    "part": "P",
    "value": money("80.00"),
    "warranty": True,
    "asked_by": "ann",
}


def test_a_part_that_never_comes_back_is_reminded_of_then_raised_then_charged():
    run = begin("advance-swap", SWAP).done("deposit", {"hold": "H"})
    run.done("ship", {"tracking": "T", "serial": "N"})
    run.wait("21 days")
    assert [type_ for type_, _ in run.emitted] == ["swap.reminder"]
    run.wait("7 days")
    assert run.open == ["core_late"]
    run.wait("7 days")
    assert (run.status("core"), run.status("free"), run.open) == ("failed", "cancelled", [])
    assert run.input("charge") == {"hold": "H", "amount": money("80.00")}
    run.done("charge", {"invoice": "I"})
    assert run.status() == "completed"


CONTAINER = {
    "number": "MSKU1",
    "voyage": "12E",
    "line": "L",
    "port": "HAM",
    "free_days": 5,
    "rate": money("40.00"),
}


def test_a_bill_for_more_days_than_the_container_stood_is_disputed():
    run = begin("container-demurrage", CONTAINER)
    assert run.claimed == {"container": "MSKU1/12E", "box": "MSKU1"}
    run.wait("7 days").event("container.gate_out", {"number": "MSKU1", "at": "2026-03-10T09:00:00Z"})
    run.event("container.returned", {"number": "MSKU1", "at": "2026-03-12T09:00:00Z", "damaged": False})
    assert run.told("step.succeeded", "days_in_port") == [{"output": {"days": 3}}]
    run.event("line.invoiced", {"number": "MSKU1", "amount": money("160.00"), "days": 4})
    assert (run.status("agree"), run.input("dispute")["ours"]) == ("skipped", money("120.00"))
