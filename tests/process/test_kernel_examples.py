"""Whole processes of other businesses, from their first event to their end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from driver import CATALOGUE, NINE, Run

from crossdock.expressions import parse_type
from crossdock.process import check
from crossdock.process.catalogue import ProcessShape
from crossdock.process.messages import Call, StartChild
from crossdock.process.schema import SCHEMA
from crossdock.process.source import Source

EXAMPLES = Path(__file__).parent / "examples"
KNOWN = CATALOGUE.including(
    processes={
        "return-device": ProcessShape(
            name="return-device", document=parse_type({"job": "string", "customer": "string"})
        ),
        "pick-line": ProcessShape(name="pick-line", output=parse_type({"weight": "decimal"})),
        "reach-customer": ProcessShape(name="reach-customer"),
        "restock-item": ProcessShape(name="restock-item", document=parse_type({"sku": "string"})),
        "collect-stop": ProcessShape(name="collect-stop", output=parse_type({"pallets": "int"})),
        "call-off": ProcessShape(name="call-off", output=parse_type({"delivery": "string"})),
        "fetch-lot": ProcessShape(name="fetch-lot", output=parse_type({"units": "int"})),
        "bill-share": ProcessShape(name="bill-share", output=parse_type({"paid": "money"})),
    }
)
EUR = "EUR"


def money(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": EUR}


def each(count: int) -> dict[str, str]:
    return {"value": str(count), "unit": "EA"}


def begin(name: str, document: dict[str, Any], **more: Any) -> Run:
    return Run(text=(EXAMPLES / f"{name}.yaml").read_text(), document=document, catalogue=KNOWN, **more)


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_it_may_be_published_and_fits_the_schema(path: Path):
    process, problems = check(path.read_text(), KNOWN, file=path.name)
    assert process is not None, "\n".join(map(str, problems))
    assert process.name
    jsonschema.Draft202012Validator(SCHEMA).validate(Source(path.read_text()).value)


# -- customs ------------------------------------------------------------------------------------------------------

ENTRY = {
    "number": "E-1", "version": 1, "port": "rotterdam", "client": "ACME", "broker": "brook", "value": money("52000.00"),
    "papers": ["invoice", "packing-list"], "arrival": "2026-03-06T09:00:00Z",
}  # fmt: skip


def papers(run: Run) -> Run:
    run.done("ask").event("entry.paper_received", {"entry": "E-1", "paper": "invoice"})
    return run.event("entry.paper_received", {"entry": "E-1", "paper": "packing-list"})


def test_customs_with_a_duty_above_the_limit_that_finance_agrees_to():
    run = papers(begin("customs-clearance", ENTRY)).done("file", {"reference": "NL-9"})
    assert run.claimed["customs"] == "NL-9"
    run.event("entry.answered", {"entry": "E-1", "status": "received"})
    assert run.status("answer") == "waiting"
    run.event("entry.answered", {"entry": "E-1", "status": "duty", "duty": money("10400.50")})
    assert run.statuses["agree"] == "waiting"
    run.decide("agree", by="brook", roles=("finance",))
    assert run.status("agree") == "waiting"
    run.decide("agree", by="fred", roles=("finance",)).done("pay", {"payment": "P"}).done("release")
    assert run.status() == "completed"
    assert run.input("pay") == {"reference": "NL-9", "amount": money("10400.50")}
    assert {m["name"] for m in run.told("measure")} == {"clearance", "answer_time"}


def test_customs_whose_papers_come_late_after_two_days_before_arrival():
    run = begin("customs-clearance", ENTRY).done("ask")
    assert run.state.wake == NINE + timedelta(days=2)
    run.wait("2 days")
    assert run.open == ["papers_missing"]
    run.event("entry.paper_received", {"entry": "E-1", "paper": "invoice"}).event(
        "entry.paper_received", {"entry": "E-1", "paper": "packing-list"}
    )
    assert run.open == []


def test_customs_that_reject_and_the_filing_is_done_again():
    run = papers(begin("customs-clearance", ENTRY)).done("file", {"reference": "NL-9"})
    run.event("entry.answered", {"entry": "E-1", "status": "rejected", "reason": "wrong code"})
    run.decide("correct", "done", by="carla", roles=("customs-clerk",), form={"give_up": False})
    run.decide("again", "refused", by="lea", roles=("customs-lead",)).done("file!undo").done(
        "file#1", {"reference": "NL-10"}
    )
    run.event("entry.answered", {"entry": "E-1", "status": "released"}).done("release")
    assert run.status() == "completed"
    assert run.statuses["pay"] == "skipped"


def test_customs_paid_cannot_be_given_up_but_before_that_it_can():
    run = papers(begin("customs-clearance", ENTRY)).done("file", {"reference": "NL-9"})
    other = run.event("entry.abandoned", {"entry": "E-1", "reason": "too dear"}).done("file!undo")
    assert (other.status(), other.state.reason) == ("cancelled", "the client gave the goods up")
    run = papers(begin("customs-clearance", ENTRY)).done("file", {"reference": "NL-9"})
    run.event("entry.answered", {"entry": "E-1", "status": "duty", "duty": money("10.00")}).done("pay")
    run.event("entry.abandoned", {"entry": "E-1", "reason": "too dear"})
    assert run.open == ["cancel_refused"]
    run.done("release")
    assert run.status() == "completed"


def test_customs_entry_changed_after_filing_is_filed_again():
    run = papers(begin("customs-clearance", ENTRY)).done("file", {"reference": "NL-9"})
    run.event("entry.changed", {**ENTRY, "version": 2, "value": money("1.00")}).done("file!undo")
    assert run.input("file#1") == {"entry": "E-1", "value": money("1.00")}


# -- cold chain ---------------------------------------------------------------------------------------------------

EXCURSION = {"shipment": "S-1", "logger": "L-7", "product": "vaccine", "value": money("90000.00")}


def reading(celsius: float, minutes: int = 5) -> dict[str, Any]:
    return {"excursion": EXCURSION, "celsius": celsius, "minutes": minutes}


def excursion() -> Run:
    run = Run(text=(EXAMPLES / "cold-chain.yaml").read_text(), begin=False)
    return run.begin("logger.reading", reading(11.5))


def test_an_excursion_that_cools_down_in_time_is_judged_by_a_person():
    run = excursion().done("instruct")
    for celsius in (9.5, 7.9, 7.0, 6.5, 6.0):
        run.event("logger.reading", reading(celsius))
    assert run.status("verdict") == "waiting"
    run.decide("verdict", "done", by="qp", roles=("qualified-person",), form={"usable": True})
    assert (run.status(), run.status("quarantine"), run.status("tell_insurer")) == (
        "completed",
        "skipped",
        "skipped",
    )
    assert run.told("task.opened")[0]["content"]["readings"] == [9.5, 7.9, 7.0, 6.5]


def test_an_excursion_that_stays_warm_is_quarantined_and_the_insurer_told():
    run = excursion().done("instruct").wait("30 minutes")
    assert run.open == ["still_warm"]
    run.wait("30 minutes")
    assert (run.status("cooled"), run.status("quarantine"), run.status("log")) == (
        "failed",
        "running",
        "cancelled",
    )
    run.done("quarantine", {"place": "Q1"}).done("tell_insurer")
    assert (run.status(), run.open) == ("completed", [])
    assert run.process.again == "allow"


# -- drop ship ------------------------------------------------------------------------------------------------------

DROP = {
    "number": "D-1", "supplier": "fabrik", "buyer": "bea", "total": money("100.00"), "promised": "2026-03-06T12:00:00Z",
    "lines": [{"id": "1", "item": "A", "quantity": each(2)}, {"id": "2", "item": "B", "quantity": each(3)}],
}  # fmt: skip


def confirmed(run: Run, line: str, count: int) -> Run:
    return run.event("drop_ship.confirmed", {"order": "D-1", "line": line, "quantity": each(count)})


def test_a_drop_ship_order_confirmed_line_by_line_shipped_and_paid():
    run = begin("drop-ship", DROP, parent=True)
    confirmed(run, "2", 3).done("send", {"message": "M"})
    confirmed(run, "1", 2)
    assert (run.status("accept_short"), run.status("shipped")) == ("skipped", "waiting")
    run.event("drop_ship.shipped", {"order": "D-1", "tracking": "T9"}).done("tell")
    run.event("drop_ship.invoiced", {"order": "D-1", "total": money("104.00")}).done("pay")
    assert run.news[-1].data["output"] == {"order": "D-1", "paid": money("104.00")}
    assert run.claimed["tracking"] == "T9"


def test_a_short_confirmation_is_decided_and_a_no_cancels_the_order_at_the_supplier():
    run = begin("drop-ship", DROP).done("send", {"message": "M"})
    confirmed(confirmed(run, "1", 2), "2", 1).decide("accept_short", "refused", by="bea", roles=("buyer",))
    assert run.input("send!undo") == {"message": "M"}
    run.done("send!undo")
    assert (run.status(), run.state.reason) == ("cancelled", "short confirmation not accepted")


def test_a_supplier_that_stays_silent_is_cancelled_a_business_day_after_it_was_late():
    run = begin("drop-ship", DROP).done("send", {"message": "M"}).wait("8h")
    assert run.open == ["supplier_silent"]
    run.wait("2 days").done("send!undo")
    assert (run.status(), run.state.reason) == ("cancelled", "the supplier did not confirm")


def test_an_invoice_above_the_tolerance_needs_a_yes_and_the_customer_may_miss_the_news():
    run = begin("drop-ship", DROP).done("send", {"message": "M"})
    confirmed(confirmed(run, "1", 2), "2", 3).event("drop_ship.shipped", {"order": "D-1", "tracking": "T"})
    run.refused("tell").event("drop_ship.invoiced", {"order": "D-1", "total": money("105.01")})
    assert (run.status("tell"), run.status("check_amount")) == ("skipped", "waiting")
    run.decide("check_amount", by="al", roles=("accounts",)).done("pay")
    assert run.status() == "completed"


# -- inbound ----------------------------------------------------------------------------------------------------

ASN = {
    "number": "A-1",
    "supplier": "fabrik",
    "quantity": each(100),
    "eta": "2026-03-02T15:00:00Z",
    "version": 1,
}


@pytest.mark.parametrize(("counts", "over", "short"), [((60, 40), False, False), ((60, 45), True, False)])
def test_goods_in_as_announced_or_over(counts: tuple[int, int], over: bool, short: bool):  # noqa: FBT001
    run = begin("inbound", ASN).done("dock", {"dock": "7"})
    for count in counts:
        run.event("asn.counted", {"asn": "A-1", "received": each(count)})
    assert run.told("step.succeeded", "result")[0]["output"] == {
        "received": each(sum(counts)),
        "over": over,
        "short": short,
    }
    if over:
        run.decide("accept_over", by="ina", roles=("inbound-lead",))
    run.done("post", {"document": "MD"}).done("put_away", {"bins": []})
    assert (run.status(), run.status("claim")) == ("completed", "skipped")


def test_goods_in_short_are_claimed_and_a_truck_that_is_late_is_told():
    run = begin("inbound", ASN).done("dock", {"dock": "7"})
    run.event("asn.moved", {**ASN, "eta": "2026-03-02T10:00:00Z", "version": 2}).wait("1h")
    assert run.open == ["truck_late"]
    run.event("asn.counted", {"asn": "A-1", "received": each(90), "last": True}).done(
        "post", {"document": "MD"}
    )
    assert run.open == []
    run.refused("claim").done("put_away", {"bins": ["B1"]})
    assert (run.status(), run.open) == ("held", ["claim_failed"])
    run.close("claim_failed", action="skip", note="not worth it")
    assert run.status() == "completed"


# -- freight audit -----------------------------------------------------------------------------------------------


def bill(total: str) -> Run:
    return begin("freight-audit", {"number": "FB-1", "total": money(total), "carrier": "X", "currency": EUR})


@pytest.mark.parametrize("total", ["100.00", "102.00", "104.99"])
def test_a_freight_bill_within_the_tolerance_is_paid_as_it_is(total: str):
    run = bill(total).done("expected", {"amount": money("100.00"), "booked": True})
    assert run.input("post") == {"bill": "FB-1", "amount": money(total)}
    assert run.done("post", {"posting": "P"}).status() == "completed"


def test_a_freight_bill_that_is_not_agreed_to_is_disputed_and_paid_as_settled():
    run = bill("150.00").done("expected", {"amount": money("100.00"), "booked": True})
    run.decide("agree", "refused", by="lou", roles=("freight-lead",)).done("dispute", {"dispute": "DI"})
    run.event("freight_bill.dispute_answered", {"dispute": "DI", "agreed": money("120.00")})
    assert run.input("post")["amount"] == money("120.00")


def test_a_freight_bill_far_too_high_is_disputed_and_a_silent_carrier_gets_what_was_expected():
    run = bill("900.00").done("expected", {"amount": money("100.00"), "booked": True})
    assert (run.status("agree"), run.status("dispute")) == ("skipped", "running")
    run.done("dispute", {"dispute": "DI"}).wait("14 days")
    assert run.open == ["carrier_silent"]
    run.wait("14 days")
    assert run.input("post")["amount"] == money("100.00")


def test_a_freight_bill_nobody_booked_is_priced_by_a_person():
    run = bill("50.00").refused("expected", "unknown", "404")
    assert (run.status("expected"), run.status("never_seen")) == ("failed", "waiting")
    run.decide(
        "never_seen", "done", by="aud", roles=("freight-auditor",), form={"amount": money("49.00")}
    ).done("post")
    assert run.status() == "completed"


# -- repair ---------------------------------------------------------------------------------------------------------

JOB = {"number": "R-1", "serial": "SN", "customer": "C", "technician": "tom", "warranty": False, "version": 1}


def diagnosed(job: dict[str, Any] = JOB, *, repairable: bool = True) -> Run:
    run = (
        begin("repair", job)
        .done("pickup", {"tracking": "T"})
        .event("repair_job.arrived", {"job": "R-1", "condition": "wet"})
    )
    form = {"parts": [{"id": "P", "count": 1}], "price": money("80.00"), "repairable": repairable}
    return run.decide("diagnose", "done", by="tom", roles=("technician",), form=form)


def test_a_repair_with_a_quote_that_is_accepted_and_a_second_try():
    run = diagnosed().done("quote").event("repair_job.answered", {"job": "R-1", "accepted": True})
    assert run.input("parts") == {"parts": [{"id": "P", "count": 1}]}
    run.done("parts", {"reservation": "V"}).decide(
        "mend", "done", by="tom", roles=("technician",), form={"hours": "1.5"}
    )
    run.event("repair_job.tested", {"job": "R-1", "ok": False})
    run.decide("passed", "refused", by="wil", roles=("workshop-lead",))
    assert run.statuses["mend"] == "waiting"
    run.decide("mend", "done", by="tom", roles=("technician",), form={"hours": "0.5"})
    run.event("repair_job.tested", {"job": "R-1", "ok": True})
    run.child("send_back")
    assert run.status() == "completed"


def test_a_repair_under_warranty_needs_no_quote_and_the_job_may_change():
    run = diagnosed({**JOB, "warranty": True})
    assert (run.status("quote"), run.status("answer"), run.status("parts")) == (
        "skipped",
        "skipped",
        "running",
    )
    run.event(
        "repair_job.updated",
        {"job": {**JOB, "customer": "D", "version": 2, "warranty": True}, "why": "moved"},
    )
    assert run.state.document["customer"] == "D"
    run.event("repair_job.withdrawn", {"job": "R-1"}).gone("parts").done("pickup!undo")
    assert run.status() == "cancelled"


def test_a_device_beyond_repair_is_told_and_sent_back():
    run = diagnosed(repairable=False)
    assert run.emitted == [("repair_job.beyond_repair", {"job": "R-1"})]
    assert run.sent(StartChild)[0].document == {"job": "R-1", "customer": "C"}
    assert run.child("send_back").status() == "completed"


def test_a_customer_who_never_answers_ends_the_repair():
    run = diagnosed().done("quote").wait("20 days").done("pickup!undo")
    assert (run.status(), run.state.reason) == ("cancelled", "the customer did not answer")


# -- spare parts ----------------------------------------------------------------------------------------------------

KIT = {
    "subscription": "SUB",
    "month": "2026-03",
    "version": 1,
    "lines": [{"id": "1", "item": "filter", "count": 2}, {"id": "2", "item": "belt", "count": 1}],
}


def test_a_kit_whose_lines_change_while_it_is_picked():
    run = begin("spare-parts", KIT).child("pick", "1", output={"weight": "0.10"})
    run.event(
        "kit.changed", {**KIT, "version": 2, "lines": [{"id": "3", "item": "oil", "count": 1}, *KIT["lines"]]}
    )
    assert [c.item for c in run.sent(StartChild)] == ["1", "2", "3"]
    run.child("pick", "2", output={"weight": "0.20"}).child("pick", "3", "failed", reason="none left")
    assert run.open == ["pick_short"]
    run.repair("step.skip", "pick", item="3", note="sent next month").wait("2 days").done(
        "charge", {"charge": "CH"}
    )
    assert run.emitted == [
        ("kit.closed", {"subscription": "SUB", "weights": ["0.10", "0.20"], "total": "0.30"})
    ]
    assert run.status() == "completed"


def test_a_kit_that_is_emptied_is_cancelled_and_refunded():
    run = begin("spare-parts", KIT).wait("2 days").done("charge", {"charge": "CH"}).child("pick", "1")
    run.event("kit.changed", {**KIT, "version": 3, "lines": []})
    run.child("pick", "2", "cancelled").child("pick", "1", "cancelled").done("charge!undo")
    assert (run.status(), run.statuses["pick"]) == ("cancelled", "undone")


# -- tender -----------------------------------------------------------------------------------------------------------

LOAD = {
    "number": "L-1",
    "carriers": ["alpha", "beta", "gamma"],
    "pickup": "2026-03-05T08:00:00Z",
    "cost": money("500.00"),
}


def answer(run: Run, carrier: str, *, accepted: bool) -> Run:
    return run.event("load.answered", {"load": "L-1", "carrier": carrier, "accepted": accepted})


def test_a_load_goes_down_the_guide_by_a_no_and_by_silence():
    run = begin("tender", LOAD).done("offer", {"tender": "T1"})
    assert run.call("offer").via == "edi-alpha"
    answer(run, "alpha", accepted=False).done("offer!undo")
    assert run.call("offer#1").via == "edi-beta"
    run.done("offer#1", {"tender": "T2"}).wait("2h").done("offer#1!undo").done("offer#2", {"tender": "T3"})
    answer(run, "beta", accepted=True)
    assert run.status("answer") == "waiting"
    answer(run, "gamma", accepted=True)
    assert run.emitted == [("load.tendered", {"load": "L-1", "carrier": "gamma"})]
    assert (run.status(), run.status("spot")) == ("completed", "skipped")
    assert run.claimed["tender"] == "T3"


def test_a_load_that_nobody_takes_goes_to_the_spot_market():
    run = begin("tender", {**LOAD, "carriers": ["alpha"]}).done("offer", {"tender": "T1"})
    answer(run, "alpha", accepted=False)
    assert (run.status("judge"), run.status("taken"), run.status("spot")) == (
        "failed",
        "cancelled",
        "running",
    )
    assert run.input("spot") == {"load": "L-1", "most": money("1000.00")}
    run.wait("1 day")
    assert run.open == ["nobody_drives"]
    run.done("spot", {"posting": "SP"})
    assert (run.status(), run.open) == ("completed", [])


# -- recall -------------------------------------------------------------------------------------------------------------


def test_a_recall_reaches_a_thousand_customers():
    customers = [{"id": f"C{n}", "email": f"c{n}@example.org", "units": n % 3 + 1} for n in range(1000)]
    run = begin(
        "recall", {"batch": "B-1", "danger": "sharp edge", "ordered_by": "sam", "customers": customers}
    )
    run.done("block", {"blocked": 40})
    assert run.told("task.opened")[0]["content"] == {"danger": "sharp edge", "customers": 1000, "units": 1999}
    run.decide("release", by="sam", roles=("safety-officer",))
    assert run.status("release") == "waiting"
    run.decide("release", by="olga", roles=("safety-officer",))
    assert len(run.sent(StartChild)) == 1000
    for n in range(998):
        run.child("reach", f"C{n}")
    run.child("reach", "C998", "failed", reason="bounced").child("reach", "C999", "cancelled")
    assert (run.status(), run.open) == ("held", ["unreached"])
    run.repair("step.retry", "reach", item="C998").repair("step.skip", "reach", item="C999", note="deceased")
    run.child("reach", "C998")
    assert run.input("report") == {"batch": "B-1", "reached": 999, "of": 1000}
    run.done("report")
    assert run.status() == "completed"


def test_a_recall_that_is_stopped_cancels_those_under_way_and_takes_back_the_others():
    customers = [{"id": f"C{n}", "email": "x", "units": 1} for n in range(3)]
    run = begin("recall", {"batch": "B-1", "danger": "none", "ordered_by": "sam", "customers": customers})
    run.done("block", {"blocked": 40}).decide("release", by="olga", roles=("safety-officer",)).child(
        "reach", "C0"
    )
    run.event("recall.stop", {"batch": "B-1"}).child("reach", "C1", "cancelled").child(
        "reach", "C2", "cancelled"
    )
    run.child("reach", "C0", "cancelled")
    assert [c.id for c in run.sent(Call) if c.undo] == ["block!undo"]
    run.done("block!undo")
    assert run.status() == "cancelled"
