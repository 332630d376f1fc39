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
