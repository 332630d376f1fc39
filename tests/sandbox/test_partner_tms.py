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
