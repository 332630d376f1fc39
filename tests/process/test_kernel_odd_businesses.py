"""Businesses that use the language in odd combinations: what must come of each follows from its text alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from driver import Run
from test_kernel_examples import begin, each, money

from crossdock.process.calendar import Calendar
from crossdock.process.messages import Tell


def kilograms(value: str) -> dict[str, str]:
    return {"value": value, "unit": "KGM"}


def told_children(run: Run) -> list[str]:
    """The items of the children that the last decision told to cancel; empty: all that have ended."""
    return [told.item for told in run.asked if isinstance(told, Tell)]


# -- kitchens, fitted room by room -------------------------------------------------------------------------

OSLO = Calendar.parse(
    {
        "name": "nord",
        "zone": "Europe/Oslo",
        "hours": {"mon-fri": "08:00-16:00"},
        "holidays": {"country": "NO"},
    }
)
KITCHEN: dict[str, Any] = {
    "number": "K-1", "depot": "nord", "sold_by": "sue", "price": money("9000.00"), "version": 1,
    "rooms": [
        {"name": "Küche 一", "boxes": [{"id": "b1", "weight": kilograms("20")}], "stone": {"length": "2.50", "price": money("1000.00")}},
        {"name": "bar", "boxes": [], "stone": {"length": "0.75", "price": money("1.00")}},
    ],
}  # fmt: skip


def kitchen() -> Run:
    return begin("kitchen-fitting", KITCHEN, calendars={"nord": OSLO}).done("crew", {"hold": "H"})


def box(run: Run, depot: str, name: str, *, last: bool = False, room: str = "bar") -> Run:
    data = {"kitchen": "K-1", "room": room, "box": name, "from": depot, "last": last}
    return run.event("box.arrived", data)


def test_boxes_of_two_lists_are_taken_in_as_soon_as_one_is_complete_and_the_other_still_grows():
    run = kitchen()
    box(run, "south", "b1")
    assert run.children == {}
    box(run, "south", "b2", last=True)
    box(run, "north", "b3", room="Küche 一")
    box(run, "north", "b3", room="Küche 一")
    assert [item for _, item in run.children] == ["bar/b1", "bar/b2", "Küche 一/b3"]
    for item in ("bar/b1", "bar/b2", "Küche 一/b3"):
        run.child("boxes", item)
    assert run.status("boxes") == "running"  # the other list may still grow
    run.wait("3 days").wait("3 days")
    assert run.open == ["boxes_late"]
    assert run.status("boxes") == "running"
    box(run, "north", "b4", last=True)
    assert run.child("boxes", "bar/b4").status("boxes") == "succeeded"
    assert "boxes_late" not in run.open


def test_a_change_while_the_mason_is_asked_again_takes_that_call_back_and_asks_anew():
    run = kitchen().unreachable("worktops")
    heavy = {"name": "hall", "boxes": [{"id": "x", "weight": kilograms("81")}]}
    run.event("kitchen.changed", KITCHEN | {"version": 2, "rooms": [*KITCHEN["rooms"], heavy]})
    assert run.withdrawn == {"worktops"}
    assert run.emitted == [("kitchen.heavy", {"number": "K-1"})]
    run.gone("worktops").done("worktops#1", {"job": "J1", "price": money("1001.00")})
    assert run.claimed["job"] == "J1"
    assert run.state.steps["measured"].due == datetime(2026, 3, 9, 9, tzinfo=UTC)  # five business days


def test_a_refusal_sends_the_stone_back_and_a_failed_room_sends_the_crew_back_once():
    run = kitchen().done("worktops", {"job": "J1", "price": money("1001.00")})
    run.event("mason.measured", {"job": "J1", "length": "3.25"})
    run.decide("agree", by="sue", roles=("sales-lead",))
    assert run.status("agree") == "waiting"  # who sold it does not agree to it
    run.decide("agree", "refused", by="lea", roles=("sales-lead",))
    run.event("mason.measured", {"job": "J1", "length": "9"})  # of the job that is being taken back
    run.done("worktops!undo").done("worktops#1", {"job": "J2", "price": money("1000.01")})
    assert run.status("measured") == "waiting"
    run.event("mason.measured", {"job": "J2", "length": "3.25"})
    run.decide("agree", by="lea", roles=("sales-lead",))
    run.decide("second", by="lea", roles=("controller",))
    assert run.status("second") == "waiting"  # one person is not two
    run.decide("second", by="con", roles=("controller",))
    box(run, "south", "b1", last=True)
    box(run, "north", "b2", last=True)
    run.child("boxes", "bar/b1").child("boxes", "bar/b2").child("fit", "bar")
    run.child("fit", "Küche 一", "failed", reason="the wall is wet")
    assert told_children(run) == [""]  # what was fitted is taken back first
    assert run.child("fit", "bar", "cancelled").calls.keys() == {"worktops#1!undo"}
    assert run.done("worktops#1!undo").calls.keys() == {"crew!undo"}
    run.done("crew!undo")
    assert (run.status("boxes"), run.calls.keys()) == ("succeeded", {"crew#1"})  # the boxes are here
    run.done("crew#1", {"hold": "H2"}).done("worktops#2", {"job": "J3", "price": money("0.00")})
    run.event("mason.measured", {"job": "J3", "length": "3.25"})
    assert (run.status("agree"), run.status("second")) == (
        "skipped",
        "skipped",
    )  # it is not worth a signature
    run.child("fit", "bar").child("fit", "Küche 一").done("bill", {"bill": "B"})
    assert run.input("bill")["amount"] == money("9000.00")
    assert run.status() == "completed"


# -- unsold copies -----------------------------------------------------------------------------------------

PARIS = Calendar.parse(
    {"name": "fr", "zone": "Europe/Paris", "hours": {"mon-fri": "08:00-18:00"}, "holidays": {"country": "FR"}}
)
COPIES: dict[str, Any] = {
    "kiosk": "Gare à l'Est 🗞", "title": "Ünïcode", "region": "fr", "bundle": "B1", "copies": each(40),
    "price": {"amount": "1.10", "currency": "EUR"}, "off_sale": "2026-03-27T17:00:00Z",
}  # fmt: skip


def copies() -> Run:
    return begin("press-returns", COPIES, calendars={"fr": PARIS})


def back(run: Run, count: int, bundle: str = "B1") -> Run:
    return run.event("copies.returned", {"bundle": bundle, "returned": each(count)})


def test_copies_that_come_early_count_and_the_rest_is_let_go_after_easter_and_the_change_of_clocks():
    run = back(copies(), 3)
    assert run.state.key == "Gare à l'Est 🗞|Ünïcode"
    run.until(datetime(2026, 4, 3, 17, tzinfo=UTC))
    assert run.open == ["returns_late"]
    # from Friday evening: Easter Monday is closed, so two business days end on Thursday at opening
    assert run.state.wake == datetime(2026, 4, 9, 6, tzinfo=UTC)
    back(run, 30, "B9")
    back(run, 30)
    assert run.status("counted") == "waiting"
    run.until(datetime(2026, 4, 9, 6, tzinfo=UTC))
    assert run.state.steps["band"].output == ["too-many", "credit"]
    assert run.input("credit")["amount"] == {"amount": "36.30", "currency": "EUR"}
    assert back(run, 7).last[0].what == "event.unused"
    run.done("credit", {"credit": "C"})
    assert [(m["name"], m.get("met")) for m in run.told("measure")] == [
        ("off_sale_to_credit", False),
        ("whole", None),
    ]


def test_nothing_that_came_back_is_a_share_of_nought_and_no_credit():
    run = copies().until(datetime(2026, 5, 1, tzinfo=UTC))
    assert run.state.steps["band"].output == ["sold-out"]
    assert (run.status("credit"), run.status(), run.open) == ("skipped", "completed", [])


def test_a_recall_is_asked_about_passed_on_or_voids_the_delivery_by_what_it_says():
    run = copies().event("delivery.recalled", {"bundle": "B1"})
    assert run.open == ["recall_unclear"]
    run.event("delivery.recalled", {"bundle": "B1", "why": "typo"})
    assert run.emitted == [("kiosk.notice", {"kiosk": "Gare à l'Est 🗞", "text": "Bring back Ünïcode: typo"})]
    run.event("delivery.recalled", {"bundle": "B1", "why": "void"})
    assert (run.status(), run.state.reason) == ("cancelled", "void B1")


# -- steel, galvanised elsewhere ---------------------------------------------------------------------------

LOT: dict[str, Any] = {
    "number": "L-1", "planner": "pia", "version": 1,
    "pieces": [{"mark": "A", "weight": kilograms("10")}, {"mark": "B", "weight": kilograms("2.5")}],
}  # fmt: skip


def lot(**more: Any) -> Run:
    return begin("galvanising", LOT | more).done("reserve", {"slip": "S"})


def load(run: Run, name: str, **good: bool) -> Run:
    pieces = [{"mark": mark, "weight": kilograms("11"), "ok": ok} for mark, ok in good.items()]
    return run.event("lot.returned", {"lot": "L-1", "load": name, "pieces": pieces})


def weighed(run: Run, name: str) -> Run:
    return run.event("lot.weighed", {"lot": "L-1", "load": name, "weight": kilograms("15")})


def test_work_by_hand_takes_the_place_of_the_galvaniser_and_nothing_is_weighed_reworked_or_paid():
    run = lot().unreachable("send").unreachable("send")
    assert (run.status("send"), run.status("by_hand")) == ("failed", "waiting")
    run.decide("by_hand", "done", by="x", roles=("shop",), form={"weight": kilograms("12")})
    assert [run.status(step) for step in ("back", "weighed", "rework")] == [
        "skipped",
        "succeeded",
        "succeeded",
    ]
    assert run.told("task.opened")[-1]["content"] == {"heavier": {"value": "0", "unit": ""}, "rework": 0}
    run.decide("inspect", by="ins", roles=("inspector",), form={"price": money("0.00")})
    assert (run.status("accept"), run.status("over"), run.status()) == ("skipped", "skipped", "completed")
    assert run.told("run.completed") == [{"output": {"price": money("0.00"), "reworked": 0}}]


def test_a_lot_given_up_while_pieces_are_reworked_takes_back_the_children_first_and_a_refused_undo_waits():
    run = load(lot().done("send", {"job": "J"}), "l1", A=False)
    weighed(run, "l1").child("rework", "A")
    load(run, "l2", B=False)
    run.event("lot.withdrawn", {"lot": "L-1", "reason": "the client is broke"})
    assert (run.status(), told_children(run), list(run.calls)) == ("cancelling", ["B"], [])
    run.child("rework", "B")  # it was done before the cancel reached it
    assert told_children(run) == [""]
    run.child("rework", "A", "cancelled").child("rework", "B", "cancelled")
    assert list(run.calls) == ["send!undo"]
    run.done("send!undo").refused("reserve!undo")
    assert (run.open, run.status()) == (["undo_failed"], "cancelling")
    run.repair("step.skip", "reserve", note="the slip is lost")
    assert (run.status(), run.state.reason) == ("failed", "the client is broke")


def test_a_changed_lot_is_sent_anew_while_its_rework_is_sent_back_by_the_inspector():
    run = load(lot().done("send", {"job": "J"}), "l1", A=False, B=True)
    run.child("rework", "A", "failed", reason="scrap")
    weighed(run, "l1").decide("inspect", "refused", by="ins", roles=("inspector",))
    assert run.children["rework", "A"].redo == 1
    run.event("lot.changed", LOT | {"version": 2, "pieces": LOT["pieces"][:1]})
    assert told_children(run) == ["A"]
    run.child("rework", "A", "cancelled").done("send!undo")
    assert run.input("send#1")["weight"] == kilograms("10")
    run.event("lot.changed", LOT | {"version": 3})
    assert run.open == ["redo_limit"]  # once is enough without a person
    load(run.done("send#1", {"job": "J2"}), "l9", A=True, B=True)
    weighed(run, "l9").decide("inspect", by="ins", roles=("inspector",), form={"price": money("700.00")})
    assert run.done("accept", {"posting": "P"}).status() == "completed"


def test_a_price_over_the_limit_is_signed_by_a_second_person_whose_no_takes_the_posting_back():
    run = weighed(load(lot(limit=money("500.00")).done("send", {"job": "J"}), "l1", A=True, B=True), "l1")
    run.decide("inspect", by="ins", roles=("inspector",), form={"price": money("700.00")})
    run.done("accept", {"posting": "P"}).decide("over", by="ins", roles=("controller",))
    assert run.status("over") == "waiting"
    run.decide("over", "refused", by="con", roles=("controller",)).done("accept!undo")
    assert (run.status("inspect"), run.status("accept")) == ("waiting", "pending")
    run.cancel().done("send!undo").done("reserve!undo")
    assert run.status() == "cancelled"


# -- a box, in the time of three ports ---------------------------------------------------------------------


def port(name: str, zone: str, **more: Any) -> Calendar:
    week = {"mon-fri": "08:00-17:00"}
    return Calendar.parse({"name": name, "zone": zone, "hours": week, "cut_offs": {"rail": "16:00"}, **more})


PORTS = {
    "hamburg": port("hamburg", "Europe/Berlin", holidays={"country": "DE", "subdivision": "HH"}),
    "chicago": port(
        "chicago", "America/Chicago", holidays={"country": "US"}, half_days={"2026-11-27": "08:00-12:00"}
    ),
    "sydney": port("sydney", "Australia/Sydney"),
}


def three_ports(at: datetime) -> Run:
    ports = ["hamburg", "chicago", "sydney"]
    return begin("three-ports", {"number": "B", "ports": ports, "version": 1}, calendars=PORTS, at=at)


def test_each_port_is_late_by_its_own_clock_and_climbs_its_rungs_in_their_order_of_time():
    """Friday evening before the clocks of Chicago go back: Hamburg's have gone, Sydney's go forward only."""
    run = three_ports(datetime(2026, 10, 30, 20, tzinfo=UTC))
    due = {name: run.state.steps[name].due for name in ("first", "second", "third")}
    assert due == {
        "first": datetime(2026, 11, 4, 7, tzinfo=UTC),  # from Monday's opening: Wednesday at eight
        "second": datetime(2026, 11, 3, 21, tzinfo=UTC),  # Tuesday at three, an hour later by the sun
        "third": datetime(2026, 10, 31, 5, tzinfo=UTC),  # Monday's train, two days before
    }
    times: list[tuple[str, str, datetime]] = []
    while run.state.wake is not None:
        run.until(run.state.wake)
        times += [
            (record.step, record.what, run.now)
            for record in run.last
            if record.what in ("escalated", "event.emitted", "exception.raised")
        ]
    assert times == [
        ("third", "exception.raised", datetime(2026, 10, 31, 5, tzinfo=UTC)),
        ("third", "escalated", datetime(2026, 11, 1, 5, tzinfo=UTC)),  # a day, whatever the week
        ("third", "event.emitted", datetime(2026, 11, 2, 1, tzinfo=UTC)),  # Monday at noon
        ("second", "exception.raised", datetime(2026, 11, 3, 21, tzinfo=UTC)),
        ("first", "exception.raised", datetime(2026, 11, 4, 7, tzinfo=UTC)),
        ("first", "event.emitted", datetime(2026, 11, 4, 11, tzinfo=UTC)),
        ("second", "event.emitted", datetime(2026, 11, 4, 16, tzinfo=UTC)),  # two hours today, two tomorrow
        ("second", "escalated", datetime(2026, 11, 4, 21, tzinfo=UTC)),
        ("first", "escalated", datetime(2026, 11, 5, 7, tzinfo=UTC)),
    ]


def test_a_train_on_a_holiday_does_not_go_and_on_a_half_day_it_goes_at_closing():
    run = three_ports(datetime(2026, 11, 26, 0, tzinfo=UTC))  # the eve of Thanksgiving, after the train
    run.event("box.released", {"box": "B", "port": "sydney"})
    assert run.state.steps["gate"].due == datetime(2026, 11, 27, 18, tzinfo=UTC)


# -- a painting on loan ------------------------------------------------------------------------------------

LOAN: dict[str, Any] = {
    "number": "V-1", "lender": "wien", "borrower": "東京", "crate": "CR", "curator": "cora", "value": money("250000.00"),
    "works": [{"id": "klimt", "value": money("250000.0")}], "opens": "2026-04-10T09:00:00Z",
}  # fmt: skip


def loan(**more: Any) -> Run:
    return begin("museum-loan", LOAN | more)


def signed(run: Run, step: str, by: str, decision: str = "approved", **more: Any) -> Run:
    return run.decide(step, decision, by=by, roles=("director",), **more)


def test_a_refused_cover_is_signed_once_more_and_then_a_person_supplies_it():
    run = signed(loan(), "first_sign", "cora")
    assert run.status("first_sign") == "waiting"
    signed(signed(run, "first_sign", "dora"), "second_sign", "dora")
    assert run.status("second_sign") == "waiting"
    signed(run, "second_sign", "emil")
    assert run.input("cover")["signed"] == ["dora", "emil"]
    run.refused("cover")
    assert (run.status("first_sign"), run.status("second_sign")) == ("waiting", "pending")
    signed(signed(run, "first_sign", "emil"), "second_sign", "dora").refused("cover#1")
    assert sorted(run.open) == ["redo_limit", "refused_by_partner"]
    run.repair("step.supply", "cover", output={"policy": "P"})
    assert (run.status("move"), run.open) == ("running", [])


def test_a_shock_on_the_way_has_the_work_examined_and_what_a_courier_could_not_report_is_supplied():
    run = signed(signed(loan(), "first_sign", "dora"), "second_sign", "emil").done("cover", {"policy": "P"})
    run.event("crate.shock", {"crate": "CR", "g": 5.0})
    assert run.emitted == []
    run.event("crate.shock", {"crate": "CR", "g": 6.0})
    assert run.status("examine") == "pending"  # called for, and not before the crate moves
    run.done("move", {"job": "J"}).event("crate.arrived", {"crate": "CR", "at": "Paris"})
    assert (run.status("examine"), run.status("there")) == ("waiting", "waiting")
    run.event("crate.arrived", {"crate": "CR", "at": "東京"})
    run.child("condition", "klimt", "failed", reason="no light")
    assert [data["g"] for _, data in run.emitted] == [6.0, 0.0]
    run.repair("step.retry", "condition", item="klimt").child("condition", "klimt", "cancelled")
    run.decide("examine", "done", by="kim", roles=("conservator",), form={"fine": False})
    assert (run.status(), run.open) == ("held", ["damaged"])
    run.repair("step.supply", "condition", item="klimt", output={"fine": True})
    assert run.told("run.completed") == [{"output": {"fine": False, "works": 1}}]


def test_works_of_no_value_need_no_signature_and_an_empty_list_is_done_at_once():
    run = loan(value=money("0"), works=[])
    assert run.input("cover")["signed"] == []
    run.done("cover", {"policy": "P"}).done("move", {"job": "J"})
    run.event("crate.arrived", {"crate": "CR", "at": "東京"})
    assert run.told("run.completed") == [{"output": {"fine": True, "works": 0}}]
    assert run.statuses["examine"] == "skipped"


def test_two_who_sign_end_a_loan_in_two_ways_and_nobody_in_a_third():
    run = signed(loan(), "first_sign", "dora", "refused", note="nein")
    assert (run.status(), run.state.reason) == ("cancelled", "refused: nein")
    run = signed(signed(loan(), "first_sign", "dora"), "second_sign", "emil", "refused")
    assert (run.status(), run.state.reason) == ("failed", "second thoughts")
    run = loan().wait("3 days").wait("2 days")
    assert (run.status(), run.state.reason) == ("cancelled", "nobody signed")
    other = {"id": "a", "value": {"amount": "1", "currency": "USD"}}
    assert loan(works=[other]).state.steps["band"].output["why"] == "the works come to 1 USD"


# -- an instrument, calibrated by five at once -------------------------------------------------------------


def instrument() -> Run:
    what = {"serial": "S-1", "tag": "T", "lab": "x", "grade": "A", "owner": "olga", "version": 1}
    return begin("calibration", what).done("reserve", {"slot": "s", "until": "2026-03-02T12:00:00Z"})


def read(run: Run, by: str = "olga") -> Run:
    form = {"readings": [{"point": 1, "value": 0.5}, {"point": 2, "value": -1.0}]}
    return run.decide("read", "done", by=by, roles=("technician",), form=form)


def test_a_dispute_takes_back_a_call_an_approval_a_wait_an_await_and_children_at_once():
    run = instrument()
    assert run.state.wake == datetime(2026, 3, 2, 11, tzinfo=UTC)
    assert read(run, "zoe").status("read") == "waiting"  # no candidate
    read(run)
    assert run.input("draft")["readings"] == [{"p": 1, "v": 0.5}]
    task = run.state.steps["sign"].task
    run.event("reading.taken", {"tag": "T", "point": 3, "value": 0.5})
    run.event("reading.taken", {"tag": "T", "point": 1, "value": 0.7})
    run.event("reading.disputed", {"tag": "T", "note": "hm"})
    assert run.last[-1].data == {"message": "hm"}
    run.unreachable("draft").event("reading.disputed", {"tag": "T", "serious": True, "note": "wrong probe"})
    assert (run.withdrawn, told_children(run)) == ({"draft"}, ["1", "2"])
    assert [run.status(step) for step in ("sign", "again_by_machine", "settle")] == ["cancelled"] * 3
    run.event("task.decided", {"task": task, "decision": "approved"}, by="max", roles=("metrologist",))
    assert run.last[0].data["reason"] == "it was decided or withdrawn before"
    run.event("reading.taken", {"tag": "T", "point": 2, "value": -1.0})  # for the next time
    run.child("points", "1").child("points", "2", "cancelled").unknown("draft")
    assert run.status("read") == "succeeded"  # nothing is taken back before all is found out
    run.done("draft", {"cert": "C"})
    assert (told_children(run), list(run.calls)) == ([""], [])
    run.child("points", "1", "cancelled").done("draft!undo")
    assert run.status("read") == "waiting"
    read(run, "tess")
    assert [event["point"] for event in run.state.steps["again_by_machine"].events] == [2]
    assert run.children["points", "1"].redo == 1


def test_a_cancel_while_nobody_knows_of_the_draft_waits_for_a_person_and_then_goes_on():
    run = read(instrument()).unknown("draft", resolvable=False).cancel()
    run.child("points", "1", "failed", reason="x").child("points", "2", "cancelled")
    run.answer("draft", "unknown", reason="still", resolvable=False)
    assert (run.status(), run.open) == ("cancelling", ["unknown_outcome"])
    run.repair("step.supply", "draft", output={"cert": "C"}).done("draft!undo").done("reserve!undo")
    assert (run.status(), run.open) == ("cancelled", [])


# -- a supplier, taken on under four eyes ------------------------------------------------------------------

BANK = "pruefung_der_bankverbindung_durch_die_kreditorenbuchhaltung_im_vier_augen_prinzip"
SUPPLIER: dict[str, Any] = {
    "tax_number": "de 811 569 869", "name": "Müller & Söhne", "proposed_by": "pat", "iban": "DE1", "team": ["ann", "ben"],
    "turnover": money("0"), "version": 1,
}  # fmt: skip


def supplier(**more: Any) -> Run:
    return begin("supplier-onboarding", SUPPLIER | more)


def payable(run: Run, step: str, by: str, decision: str = "approved", **more: Any) -> Run:
    return run.decide(step, decision, by=by, roles=("accounts-payable",), **more)


def test_a_bank_account_is_approved_by_two_who_neither_proposed_it_nor_each_other_and_again_when_it_changes():
    run = supplier().unreachable("screen").unreachable("screen").unreachable("screen")
    assert run.state.key == "DE811569869"
    assert (run.status("screen"), run.status("compliance"), run.open) == ("skipped", "skipped", [])
    called = {"called_back": True}
    for by, form in (("ann", called), ("pat", called), ("zed", {})):
        assert payable(run, BANK, by, form=form).status(BANK) == "waiting"
    payable(run, BANK, "zed", form=called)
    assert payable(run, "second_pair_of_eyes", "zed").status("second_pair_of_eyes") == "waiting"
    seen = run.told("task.opened", "second_pair_of_eyes")[-1]["seen"]
    run.event("supplier.changed", SUPPLIER | {"version": 2, "iban": "DE2"})
    assert run.told("task.opened", BANK)[-1]["content"] == {"iban": "DE2"}
    payable(run, BANK, "yan", form=called)
    payable(run, "second_pair_of_eyes", "zed", seen=seen)
    assert run.last[0].data["reason"] == "what is decided has changed since it was looked at"
    assert payable(run, "second_pair_of_eyes", "zed", "refused").status(BANK) == "waiting"


def test_who_skips_the_first_signature_does_not_give_the_second():
    run = supplier().done("screen", {"hits": []}).repair("step.skip", BANK, by="pat", note="quick")
    assert (run.last[0].what, run.status(BANK)) == ("step.skip_refused", "waiting")
    run.repair("step.skip", BANK, by="sam", note="the bank has said so")
    assert payable(run, "second_pair_of_eyes", "sam").status("second_pair_of_eyes") == "waiting"
    assert payable(run, "second_pair_of_eyes", "zed").input("create") == {"tax": "DE811569869", "iban": "DE1"}
    run.event("supplier.withdrawn", {"tax_number": "x", "by": "eve"})
    assert run.status() == "active"  # not hers to withdraw


def test_a_hit_on_a_list_climbs_to_the_board_whose_no_ends_it_and_two_hits_are_raised():
    hits = [{"list": "EU", "score": 0.8}, {"list": "US", "score": 0.79}]
    run = supplier().done("screen", {"hits": hits}).wait("1 day").wait("1 day")
    assert [told["to"] for told in run.told("escalated")] == ["compliance-lead", "board"]
    run.decide("compliance", "refused", by="bo", roles=("board",))
    assert (run.status(), run.state.reason) == ("cancelled", "Müller & Söhne steht auf einer Liste")
    run = supplier().done("screen", {"hits": [hits[0], hits[0]]})
    run.decide("compliance", "refused", by="cy", roles=("compliance",))
    assert (run.status(), run.open) == ("held", ["sanctioned"])
    assert run.close("sanctioned").status("compliance") == "waiting"  # asked anew
