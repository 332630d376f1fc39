"""Businesses whose runs have child runs, generations and second thoughts; the children are played as well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from driver import CATALOGUE, NINE, Run
from test_kernel_examples import EXAMPLES, begin, money
from test_kernel_odd_businesses import told_children

from crossdock.process import load
from crossdock.process.calendar import Calendar
from crossdock.process.publish import shape_of
from crossdock.process.simulate import Simulation, declared, read_script
from crossdock.process.turn import Plain


def play(
    main: str,
    children: list[str],
    document: dict[str, Any],
    happens: str,
    *,
    calendar: Calendar | None = None,
) -> Simulation:
    """Play a process with its child runs; calls are answered, all else happens as it says."""
    known, library = CATALOGUE, {}
    for name in [*children, main]:
        library[name] = load((EXAMPLES / f"{name}.yaml").read_text(), known)
        known = known.including(processes={name: shape_of(library[name], known)})
    script = read_script(
        "defaults: answers\nhappens:\n" + happens, library[main], library, declared(known, library)
    )
    calendars = {calendar.name: calendar} if calendar else {}
    simulation = Simulation(library, Plain(None, calendars), NINE, catalogue=known, script=script)
    simulation.begin(library[main], document)
    simulation.go_on(NINE + timedelta(days=60))
    assert simulation.faults == []
    assert [(outcome.line, outcome.wrong) for outcome in simulation.outcomes if outcome.wrong] == []
    assert all(simulation.replayed(run) for run in simulation.runs)
    return simulation


# -- vaccines that were too warm ---------------------------------------------------------------------------

LOT: dict[str, Any] = {
    "lot": "L1", "site": "std", "raised_by": "rob", "version": 1, "wholesalers": ["w1", "w2"],
    "customers": [{"id": "a", "units": 10}, {"id": "b", "units": 20}],
}  # fmt: skip
WIDER = LOT | {"version": 2, "customers": [{"id": "z", "units": 7}, {"id": "b", "units": 20}]}


def lot() -> Run:
    return begin("withdraw-batch", LOT)


def traced(run: Run, by: str, customer: str = "", *, last: bool = False) -> Run:
    more = {"customer": customer, "units": 5} if customer else {}
    return run.event("lot.traced", {"lot": "L1", "wholesaler": by, "last": last, **more})


def test_a_lot_is_fetched_from_everybody_once_whether_known_or_traced_or_told_by_a_newer_version():
    run = traced(lot(), "w1", "c")
    assert run.children == {}  # not before the stock is blocked
    traced(run.done("block", {"blocked": 3}), "w2", "a", last=True)
    assert [item for _, item in run.children] == ["a", "b", "c"]
    assert run.children["fetch", "a"].document["units"] == 10  # as first known, not as traced
    run.event("lot.suspected", WIDER)
    assert [item for _, item in run.children] == ["a", "b", "c", "z"]  # whoever is gone from it is left alone
    for item in ("a", "b", "c", "z"):
        run.child("fetch", item, output={"units": 1})
    assert run.status("fetch") == "running"  # w1 may still trace some
    traced(run, "w1", last=True)
    traced(run, "w1", "late")
    assert (run.status("fetch"), run.whats()[-1]) == ("succeeded", "event.unused")
    run.decide("sign", by="rob", roles=("qualified-person",))
    assert run.status("sign") == "waiting"  # who raised it does not sign it
    run.decide("sign", by="quinn", roles=("qualified-person",))
    assert run.input("report") == {"lot": "L1", "back": 4, "of": 27}
    run.event("lot.cleared", {"lot": "L1", "why": "the logger was wrong"}).done("report", {"case": "C"})
    assert (run.status(), run.open) == ("completed", ["cancel_refused"])


def test_a_wider_withdrawal_calls_running_pickups_off_then_takes_finished_ones_back_and_fetches_anew_once():
    run = lot().done("block", {"blocked": 3}).child("fetch", "b", output={"units": 20})
    run.event("lot.widened", WIDER)
    assert told_children(run) == ["a"]
    run.child("fetch", "a", "cancelled")
    assert told_children(run) == [""]
    traced(run, "w1", "q")
    run.child("fetch", "b", "cancelled")
    assert [(item, child.redo) for (_, item), child in run.children.items()] == [
        ("a", 0), ("b", 1), ("z", 1), ("q", 1)
    ]  # fmt: skip
    run.event("lot.widened", WIDER | {"version": 3, "customers": [{"id": "y", "units": 1}]})
    assert run.open == ["redo_limit"]
    assert run.children["fetch", "y"].redo == 1  # it is fetched all the same: the list still grows
    run.child("fetch", "q", "failed", reason="lost").child("fetch", "b", "failed", reason="sold")
    assert [(x.message, x.count) for x in run.state.exceptions.values()][1:] == [("1 of 4", 2)]
    run.repair("step.retry", "fetch", item="b")
    assert run.last[0].data["reason"].startswith("b is not in the list any more")
    run.repair("step.skip", "fetch", item="b", note="sold on").repair("step.retry", "fetch", item="q")
    assert (run.status("fetch"), run.open) == ("running", ["redo_limit"])


def test_what_is_not_traced_is_told_then_climbs_and_in_the_end_is_left_out():
    run = lot().done("block", {"blocked": 3}).until(datetime(2026, 3, 9, 9, tzinfo=UTC))
    assert [told["to"] for told in run.told("escalated")] == ["qualified-person"]
    assert (run.status("traced"), run.open, run.status("fetch")) == ("skipped", [], "running")


BURNT = """
  - { call: courier.fetch, gives: { pickup: P-a } }
  - { call: courier.fetch, gives: { pickup: P-b } }
  - { at: 1h, event: lot.arrived, data: { lot: P-a, customer: a, units: 9, warmest: "12.0" } }
"""


def test_once_one_customers_lot_is_burnt_neither_a_cancel_nor_a_redo_touches_what_the_others_do():
    simulation = play(
        "withdraw-batch", ["fetch-lot"], LOT, BURNT + """
  - { at: 2h, event: lot.cleared, data: { lot: L1, why: the logger was wrong } }
  - { at: 3h, expect: { run: active, open: [cancel_refused], steps: { fetch: running } } }
  - { at: 4h, do: redo, step: fetch }
  - { at: 5h, expect: { run: active, open: [cancel_refused, redo_refused] } }
  - { at: 6h, event: lot.arrived, data: { lot: P-b, customer: b, units: 20, warmest: "2.0" } }
  - { when: sign waiting, decide: sign, as: quinn }
  - { expect: { run: completed, calls: [wms.block_lot, agency.report] } }
  - { expect: { for: fetch-lot, count: 2, run: completed, open: [] } }
""")  # fmt: skip
    assert [told for told in simulation.told if told.what == "step.undoing"] == []


def test_a_pickup_under_way_that_has_burnt_something_refuses_and_the_other_is_called_off():
    """What the burnt one tells comes with its no: it goes on, and a person settles the one that was called off."""
    happens = (
        BURNT
        + """
  - { call: depot.destroy, after: 1m }
  - { at: 1h 30s, event: lot.cleared, data: { lot: L1, why: too late } }
  - { at: 2h, expect: { run: held, open: [child_failed, cancel_refused], steps: { fetch: held } } }
  - { at: 3h, do: retry, step: fetch }
  - { call: courier.fetch, gives: { pickup: P-b2 } }
  - { at: 4h, event: lot.arrived, data: { lot: P-b2, customer: b, units: 20, warmest: "2.0" } }
  - { when: sign waiting, decide: sign, as: quinn }
  - { expect: { run: completed, steps: { fetch: succeeded }, open: [cancel_refused] } }
"""
    )
    simulation = play("withdraw-batch", ["fetch-lot"], LOT, happens)
    assert [run.state.id for run in simulation.runs] == [
        "withdraw-batch/L1/1", "fetch-lot/L1/a/1", "fetch-lot/L1/b/1", "fetch-lot/L1/b/2"
    ]  # fmt: skip


# -- documents under a letter of credit --------------------------------------------------------------------

BANK = Calendar.parse(
    {
        "name": "bank",
        "zone": "Europe/Berlin",
        "hours": {"mon-fri": "09:00-17:00"},
        "half_days": {"2026-12-24": "09:00-12:00"},
        "holidays": {"country": "DE"},
    }
)
CREDIT: dict[str, Any] = {
    "number": "LC1", "order": "O1", "issuer": "I", "amount": money("1000.00"), "expires": "2027-01-29T16:00:00Z",
    "version": 1,
}  # fmt: skip


def credit() -> Run:
    at = datetime(2026, 12, 1, 9, tzinfo=UTC)
    return begin("documentary-credit", CREDIT, calendars={"bank": BANK}, at=at)


def presented(run: Run, n: int) -> Run:
    again = f"#{n - 1}" if n > 1 else ""
    run.done(f"prepare{again}", {"set": f"S{n}"})
    run.decide("checked", "done", by="doc", roles=("documents-clerk",), form={})
    return run.done(f"present{again}", {"presentation": f"P{n}"})


def test_documents_are_due_21_days_after_shipment_or_when_the_credit_expires_whichever_is_first():
    run = credit().event("credit.amended", CREDIT | {"version": 2, "latest_shipment": "2026-12-10T12:00:00Z"})
    run.until(datetime(2026, 12, 11, 12, tzinfo=UTC))
    assert run.open == ["shipment_late"]
    run.event("goods.on_board", {"order": "O1", "at": "2026-12-11T10:00:00Z", "vessel": "V"})
    run.event("shipment.bill_changed", {"order": "O1", "why": "typing"})
    assert (run.open, run.withdrawn) == ([], {"prepare"})
    run.gone("prepare").done("prepare#1", {"set": "S"})
    due = [run.state.steps["checked"].due]
    for version, expires in ((4, "2026-12-23T16:00:00Z"), (3, "2026-12-01T16:00:00Z")):
        run.event("credit.amended", CREDIT | {"version": version, "expires": expires})
        due.append(run.state.steps["checked"].due)
    before = datetime(2026, 12, 23, 16, tzinfo=UTC)
    assert due == [datetime(2027, 1, 1, 10, tzinfo=UTC), before, before]
    run.until(datetime(2026, 12, 22, 9, tzinfo=UTC))
    run.decide("checked", "done", by="doc", roles=("documents-clerk",), form={})
    run.done("present", {"presentation": "P1"})
    assert run.state.steps["answer"].due == datetime(2026, 12, 30, 9, tzinfo=UTC)  # over Christmas
    run.until(datetime(2027, 1, 4, 9, tzinfo=UTC))
    assert [told["to"] for told in run.told("escalated")] == ["head-of-trade-finance"]
    run.event("bank.answered", {"presentation": "P1", "complies": False})
    assert [told["to"] for told in run.told("escalated")][1:] == ["trade-director"]  # due before it began
    run.decide("waive", "refused", by="ada", roles=("applicant",)).done("present!undo").done("prepare#1!undo")
    assert (run.status(), run.state.reason) == ("failed", "expired with discrepancies")


def test_a_no_to_discrepancies_takes_the_presentation_back_and_news_of_it_is_not_taken_for_the_next():
    run = credit().event("bank.paid", {"presentation": "P2", "amount": money("100.00")})  # before anything
    run.event("goods.on_board", {"order": "O1", "at": "2026-12-01T10:00:00Z", "vessel": "V"})
    presented(run, 1).event("bank.answered", {"presentation": "P1", "complies": False})
    run.decide("waive", by="doc", roles=("applicant",))
    assert run.status("waive") == "waiting"  # who checked them does not waive what is wrong with them
    run.decide("waive", "refused", by="ada", roles=("applicant",))
    run.event("bank.answered", {"presentation": "P1", "complies": True})
    assert list(run.calls) == ["present!undo"]
    assert list(run.done("present!undo").calls) == ["prepare!undo"]
    presented(run.done("prepare!undo"), 2)
    assert run.status("answer") == "waiting"
    run.event("bank.answered", {"presentation": "P2", "complies": False})
    run.decide("waive", by="ada", roles=("applicant",), form={"discount": money("100.00")})
    run.event("bank.paid", {"presentation": "P2", "amount": {"amount": "800.00", "currency": "USD"}})
    run.wait("10 days")
    assert [x.message for x in run.state.exceptions.values()] == ["100.00 EUR of 900.00 EUR"]
    run.event("bank.paid", {"presentation": "P2", "amount": money("800.00")})
    assert (run.told("run.completed"), run.open) == ([{"output": {"paid": money("900.00")}}], [])


# -- a box a month -----------------------------------------------------------------------------------------

KITCHEN = Calendar.parse(
    {
        "name": "kitchen",
        "zone": "Europe/Berlin",
        "hours": {"mon-sat": "06:00-22:00"},
        "cut_offs": {"lock": "18:00", "doorstep": "21:00"},
    }
)
BOX: dict[str, Any] = {
    "subscriber": "S", "month": 3, "size": "M", "price": money("49.90"), "recipes": ["r1"], "version": 1,
}  # fmt: skip


def box(at: datetime = NINE, **more: Any) -> Run:
    return begin("subscription-box", BOX | more, calendars={"kitchen": KITCHEN}, at=at)


def test_a_box_left_out_in_time_is_over_and_the_next_month_is_the_next_generation():
    calls = "[psp.charge, wms.pack, carrier.hand_over]"
    april = "{ subscriber: S, month: 4, size: M, price: { amount: '49.90', currency: EUR }, recipes: [r9], version: 1 }"
    simulation = play("subscription-box", [], BOX, f"""
  - {{ at: 1h, event: box.left_out, data: {{ box: S }} }}
  - {{ at: 30d, event: box.planned, data: {april} }}
  - {{ call: wms.pack, gives: {{ parcel: P }} }}
  - {{ at: 31d, event: parcel.scanned, data: {{ parcel: P, what: loaded }} }}
  - {{ at: 32d, event: parcel.scanned, data: {{ parcel: P, what: delivered }} }}
  - {{ expect: {{ for: subscription-box/S/1, run: cancelled, reason: no box in month 1, calls: [] }} }}
  - {{ expect: {{ for: subscription-box/S/2, run: completed, calls: {calls} }} }}
""", calendar=KITCHEN)  # fmt: skip
    assert [(run.state.generation, run.state.status) for run in simulation.runs] == [
        (1, "cancelled"), (2, "completed")
    ]  # fmt: skip


def test_a_card_is_charged_again_when_it_is_renewed_and_who_was_asked_for_it_is_asked_no_more():
    run = box(datetime(2026, 3, 28, 18, tzinfo=UTC))  # on Saturday, before the clocks go forward
    assert run.state.steps["lock"].due == datetime(2026, 3, 30, 16, tzinfo=UTC)
    run.wait("2 days").unreachable("charge").wait("1h").unreachable("charge")
    assert (run.status("charge"), run.status("ask_for_card"), len(run.emitted)) == ("failed", "waiting", 1)
    run.event("card.renewed", {"box": "S"}).refused("charge#1").event("card.renewed", {"box": "S"})
    assert (run.status("ask_for_card"), len(run.emitted)) == ("pending", 2)
    run.done("charge#2", {"charge": "C"})
    assert (run.status("ask_for_card"), list(run.calls)) == ("skipped", ["pack"])
    run.event("box.swapped", BOX | {"version": 2, "recipes": ["r2"]}).done("pack", {"parcel": "P1"})
    assert run.input("pack!undo") == {"parcel": "P1"}  # it was packed while the swap came
    assert run.done("pack!undo").input("pack#1") == {"recipes": ["r2"]}
    run.event("parcel.scanned", {"parcel": "P2", "what": "delivered"})  # before anybody says that it left
    assert run.done("pack#1", {"parcel": "P2"}).done("handed", {"ok": True}).status() == "completed"


def test_a_box_that_the_van_has_is_neither_swapped_nor_cancelled_and_ends_when_nobody_knows():
    run = box(gift=True).wait("10h").done("pack", {"parcel": "P"}).done("handed", {"ok": True})
    assert (run.statuses["charge"], run.statuses["ask_for_card"]) == ("skipped", "skipped")
    run.event("box.swapped", BOX | {"version": 2}).cancel().event("box.left_out", {"box": "S"})
    assert run.open == ["redo_refused", "cancel_refused", "too_late"]
    run.until(datetime(2026, 3, 4, 19, 30, tzinfo=UTC))
    assert (run.status(), run.statuses["sent"]) == ("completed", "skipped")


# -- a generator that came back broken ---------------------------------------------------------------------

DAMAGE: dict[str, Any] = {
    "hire": "H", "found_by": "fin", "cost": money("1000.00"), "version": 1,
    "parties": [{"id": "p", "percent": 60}, {"id": "q", "percent": 40}],
}  # fmt: skip


def test_a_party_that_objects_ends_all_bills_and_who_leads_has_them_sent_again_or_pays():
    play("damage-split", ["bill-share"], DAMAGE, """
  - { at: 1h, event: share.paid, data: { share: H/p, amount: { amount: "600.00", currency: EUR } } }
  - { at: 2h, event: share.objected, data: { share: H/q, why: it was broken before } }
  - { at: 3h, expect: { steps: { bill: failed, absorb: waiting } } }
  - { at: 4h, decide: absorb, as: lea, decision: refused }
  - { at: 5h, event: share.paid, data: { share: H/q, amount: { amount: "399.99", currency: EUR } } }
  - { at: 6h, event: share.objected, data: { share: H/q, why: still } }
  - { at: 7h, decide: absorb, as: lea }
  - { expect: { run: completed, steps: { absorb: succeeded, done: { output: { by_us: true } } } } }
  - { expect: { for: bill-share/H/p/1, run: cancelled, calls: [erp.bill_share, erp.credit_share] } }
  - { expect: { for: bill-share/H/p/2, run: cancelled, calls: [erp.bill_share, erp.credit_share] } }
  - { expect: { for: bill-share/H/q/2, run: failed, reason: "q: still" } }
""")  # fmt: skip


def test_shares_over_the_whole_are_held_until_they_are_appraised_and_the_rest_is_written_off():
    parties = [{"id": "p", "percent": 60}, {"id": "q", "percent": 60}]
    run = begin("damage-split", DAMAGE | {"parties": parties, "cost": money("9000.00")})
    assert [(x.type, x.message) for x in run.state.exceptions.values()] == [("odd_shares", "120 per cent")]
    run.event("damage.appraised", DAMAGE | {"version": 2, "cost": money("9000.00"), "parties": [parties[0]]})
    assert (run.open, run.input("rest")) == ([], {"amount": money("3600.00")})
    run.refused("insured").done("rest", {"posting": "X"})
    run.event("damage.settled_outside", {"damage": "H"}).child("bill", "p", "completed")
    assert told_children(run) == [""]  # the cancel met it paid
    assert list(run.child("bill", "p", "cancelled").calls) == ["rest!undo"]
    run.done("rest!undo")
    assert (run.status(), run.state.reason) == ("cancelled", "settled outside")
