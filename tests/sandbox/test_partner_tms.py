"""Waypost TMS over HTTP."""

from typing import Any

from partner_client import Receiver, Sandbox

ASKED = {
    "reference": "SO-1-1",
    "zone": "America/Los_Angeles",
    "to": {"country": "US", "postcode": "94607"},
    "packages": [{"weight_g": 4400}],
}


async def quotes(sandbox: Sandbox, **more: Any) -> list[Any]:
    answer = await sandbox.call("tms", "POST", "/v2/rate-requests", {**ASKED, **more})
    assert answer.status == 200, answer.body
    return answer.json["quotes"]


def tender(quote: Any, client_id: str = "t1") -> dict[str, str]:
    return {"client_id": client_id, "quote_id": quote["quote_id"], "shipment": "SO-1-1", "order": "SO-1"}


async def test_quotes_of_three_carriers_come_cheapest_first_with_their_cut_offs(sandbox: Sandbox) -> None:
    await sandbox.monday(8)  # midnight in Los Angeles
    offered = await quotes(sandbox)
    prices = [quote["price"]["value_minor"] for quote in offered]
    assert prices == sorted(prices)
    assert {quote["carrier"] for quote in offered} == {"quayline", "farrow", "oldbridge"}
    farrow = next(quote for quote in offered if quote["carrier"] == "farrow")
    assert farrow["cut_off_at"][11:] in {"23:00:00Z", "00:00:00Z"}  # 16:00 there, in summer and in winter
    assert farrow["transit_days"] == 2
    assert await quotes(sandbox) == [
        {**quote, "quote_id": quote["quote_id"].replace("Q-000001", "Q-000002")} for quote in offered
    ]


async def test_a_tender_is_accepted_at_once_and_its_client_id_makes_it_safe_to_repeat(
    sandbox: Sandbox,
) -> None:
    (quote, *_) = await quotes(sandbox)
    first = await sandbox.call("tms", "POST", "/v2/tenders", tender(quote))
    assert (first.status, first.json["status"]) == (201, "accepted")
    again = await sandbox.call("tms", "POST", "/v2/tenders", tender(quote))
    assert (again.status, again.json) == (200, first.json)
    assert (await sandbox.ledger("tms"))["counts"] == {"tender.create": {"SO-1-1": 1}}


async def test_a_tender_after_the_cut_off_is_refused_and_told_the_next(sandbox: Sandbox) -> None:
    await sandbox.monday(8)
    offered = await quotes(sandbox)
    early = next(quote for quote in offered if quote["carrier"] == "oldbridge")
    await sandbox.advance(hours=16)
    late = await sandbox.call("tms", "POST", "/v2/tenders", tender(early))
    assert (late.status, late.json["type"]) == (409, "urn:waypost:cut-off-passed")
    assert late.headers["Content-Type"] == "application/problem+json"
    assert late.json["next_cut_off_at"] > early["cut_off_at"]


async def test_a_scripted_answer_comes_later_with_the_shared_token(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "tms")
    script = {"order": "SO-1", "answer": "decline", "after_minutes": 20, "reason": "no capacity"}
    await sandbox.control("tms", "/script", script)
    (quote, *_) = await quotes(sandbox)
    made = (await sandbox.call("tms", "POST", "/v2/tenders", tender(quote))).json
    assert made["status"] == "pending"
    await sandbox.advance(minutes=20)
    (hook,) = receiver.hooks
    assert hook.headers["X-Waypost-Token"] == "waypost-hook-token"
    assert (hook.json["event"], hook.json["tender"]["reason"]) == ("tender.declined", "no capacity")
    assert (await sandbox.call("tms", "GET", "/v2/events")).json["events"][0]["event_id"] == "wp-1"


async def test_errors_are_problem_documents(sandbox: Sandbox) -> None:
    bad = await sandbox.call("tms", "POST", "/v2/rate-requests", {**ASKED, "packages": [{"weight_g": 0}]})
    assert (bad.status, bad.json["type"], bad.json["field"]) == (
        422,
        "urn:waypost:invalid",
        "packages[0].weight_g",
    )
    zone = await sandbox.call("tms", "POST", "/v2/rate-requests", {**ASKED, "zone": "Mars/Olympus"})
    assert (zone.status, zone.json["field"]) == (422, "zone")
    assert (await sandbox.raw("tms", "GET", "/v2/carriers")).status == 401


async def test_each_carrier_answers_as_its_own_script_says_and_may_insist(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "tms")
    await sandbox.monday(8)
    offered = await quotes(sandbox)
    slow, quick = (next(q for q in offered if q["carrier"] == c) for c in ("oldbridge", "farrow"))
    late = {"shipment": "SO-1-1", "carrier": "oldbridge", "after_minutes": 60, "insists": True, "times": 2}
    never = {"shipment": "SO-1-1", "carrier": "farrow", "answer": "none"}
    await sandbox.control("tms", "/script", {"scripts": [late, never]})
    made = (await sandbox.call("tms", "POST", "/v2/tenders", tender(slow))).json
    other = (await sandbox.call("tms", "POST", "/v2/tenders", tender(quick, "t2"))).json
    gone = await sandbox.call("tms", "POST", f"/v2/tenders/{made['tender_id']}/withdraw")
    assert gone.json["status"] == "withdrawn"
    await sandbox.advance(hours=2)
    assert [(hook.json["event"], hook.json["tender"]["status"]) for hook in receiver.hooks] == [
        ("tender.accepted", "withdrawn"),
        ("tender.accepted", "withdrawn"),
    ]
    left = (await sandbox.call("tms", "GET", f"/v2/tenders/{other['tender_id']}")).json
    assert left["status"] == "pending"
    assert (await sandbox.ledger("tms"))["standing"] == {"tender": {"SO-1-1": 1}}


async def test_a_load_that_was_taken_may_be_given_back(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "tms")
    script = {"order": "SO-1", "gives_back_after_minutes": 90, "reason": "truck broke down"}
    await sandbox.control("tms", "/script", script)
    (quote, *_) = await quotes(sandbox)
    assert (await sandbox.call("tms", "POST", "/v2/tenders", tender(quote))).json["status"] == "accepted"
    await sandbox.advance(hours=2)
    assert [hook.json["event"] for hook in receiver.hooks] == ["tender.declined"]


async def test_a_slot_is_confirmed_moved_and_missed_as_its_script_says(
    sandbox: Sandbox, receiver: Receiver
) -> None:
    await sandbox.listen(receiver, "tms")
    dock = {"confirm_after_minutes": 30, "move_after_minutes": 60, "miss_after_minutes": 600}
    await sandbox.control("tms", "/script", {"shipment": "SO-1-1", "dock": dock})
    wanted = {"client_id": "a1", "shipment": "SO-1-1", "kind": "pickup", "not_after": "2027-03-02T22:00:00Z"}
    made = (await sandbox.call("tms", "POST", "/v2/appointments", wanted)).json
    assert (made["status"], made["start"], made["end"]) == (
        "requested",
        "2027-03-02T21:00:00Z",
        "2027-03-02T22:00:00Z",
    )
    assert (await sandbox.call("tms", "POST", "/v2/appointments", wanted)).json == made
    await sandbox.advance(hours=11)
    confirmed, moved, missed = (hook.json for hook in receiver.hooks)
    assert confirmed["event"] == "appointment.confirmed"
    assert (moved["appointment"]["start"], moved["appointment"]["start_before"]) == (
        "2027-03-03T01:00:00Z",
        "2027-03-02T21:00:00Z",
    )
    assert missed["event"] == "appointment.missed"
    found = (await sandbox.call("tms", "GET", "/v2/appointments?client_id=a1")).json["appointments"]
    assert [one["status"] for one in found] == ["missed"]


async def test_a_slot_that_was_given_back_is_told_no_more(sandbox: Sandbox, receiver: Receiver) -> None:
    await sandbox.listen(receiver, "tms")
    await sandbox.control("tms", "/script", {"shipment": "SO-1-1", "dock": {"confirm_after_minutes": 30}})
    wanted = {"client_id": "a1", "shipment": "SO-1-1", "kind": "delivery"}
    made = (await sandbox.call("tms", "POST", "/v2/appointments", wanted)).json
    for _ in range(2):
        gone = await sandbox.call("tms", "POST", f"/v2/appointments/{made['appointment_id']}/cancel")
        assert gone.json["status"] == "cancelled"
    await sandbox.advance(hours=1)
    assert receiver.hooks == []
    assert (await sandbox.ledger("tms"))["standing"] == {"appointment": {"SO-1-1": 0}}
