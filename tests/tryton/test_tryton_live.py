"""Every operation against a Tryton that runs: what it did stands in Tryton's own books."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from tryton_world import World, moved

from crossdock.demo.tryton import TrytonSaysNo

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.xdist_group("tryton"),
    pytest.mark.timeout(600),  # the first one installs it
]

USD = "USD"


def dollars(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": USD}


async def test_an_order_is_delivered_in_two_shipments_billed_once_and_the_rest_stays_back_order(
    world: World,
) -> None:
    order = await world.order(5, 3)
    document = await world.done("get_order", {"order": order.number})
    assert (document["state"], document["site"]) == ("released", "RDC")
    assert [line["number"] for line in document["lines"]] == order.lines
    assert document["total"] == dollars("86.60")  # 80.00 and 8.25 % tax
    delivered = {
        "order": order.number,
        "shipments": ["S-1", "S-2"],
        "lines": [order.part(3, 0), order.part(1, 3)],
    }
    invoice = await world.done("release_invoice", delivered, key="K")
    assert invoice["total"] == dollars("75.78")
    sale = await world.of(order)
    kit, other = order.codes
    assert moved(sale) == {"S-1": {kit: 3.0}, "S-2": {kit: 1.0, other: 3.0}, None: {kit: 1.0}}
    assert [one["state"] for one in sale["shipments."]] == ["done", "done", "waiting"]
    assert [(one["state"], one["number"]) for one in sale["invoices."]] == [("posted", invoice["invoice"])]
    # Asked again it is found, and done again it changes nothing.
    assert await world.done("release_invoice", delivered, key="K", find_first=True) == invoice
    assert await world.done("release_invoice", delivered, key="K") == invoice
    corrected = {**delivered, "lines": [order.part(2, 0), order.part(1, 3)]}
    ended = await world.call("release_invoice", corrected, key="K", find_first=True)
    assert (ended.outcome, ended.code) == ("refused", "wrong_state")
    assert await world.of(order) == sale
    # The back-order comes later, with another invoice.
    rest = {"order": order.number, "shipments": ["S-3"], "lines": [order.part(1, 0)]}
    later = await world.done("release_invoice", rest)
    assert later["total"] == dollars("10.82")
    sale = await world.of(order)
    assert (sale["shipment_state"], len(sale["invoices."]), len(sale["shipments."])) == ("sent", 2, 3)
    ended = await world.call("release_invoice", {**rest, "shipments": ["S-4"]})
    assert (ended.outcome, ended.code) == ("refused", "nothing_left")


async def test_what_somebody_did_by_hand_in_tryton_is_what_was_wanted(world: World) -> None:
    order = await world.order(2)
    sale = await world.of(order)
    (shipment,) = sale["shipments."]
    await world.admin.press("stock.shipment.out", [shipment["id"]], "assign_try", "pick", "pack")
    data = {"order": order.number, "shipments": ["S-1"], "lines": [order.part(2)]}
    await world.done("release_invoice", data)
    sale = await world.of(order)
    assert [(one["state"], one["reference"]) for one in sale["shipments."]] == [("done", "S-1")]
    assert [one["state"] for one in sale["invoices."]] == ["posted"]


async def test_what_tryton_has_not_in_stock_is_refused_until_the_stock_is_right(world: World) -> None:
    order = await world.order(8, stock={"RDC": Decimal(5)})
    whole = {"order": order.number, "shipments": ["S-1"], "lines": [order.part(8)]}
    ended = await world.call("release_invoice", whole, key="K")
    assert (ended.outcome, ended.code) == ("refused", "stock_short")
    assert order.codes[0] in ended.reason
    sale = await world.of(order)
    assert [one["state"] for one in sale["shipments."]] == ["waiting"]
    assert sale["invoices."] == []
    await world.company.stock(order.codes[0], "RDC", Decimal(8))
    invoice = await world.done("release_invoice", whole, key="K")
    assert invoice["total"] == dollars("86.60")
    # With less packed than ordered, as the pick that was short says, only that is billed.
    short = await world.order(8, stock={"RDC": Decimal(5)})
    part = {"order": short.number, "shipments": ["T-1"], "lines": [short.part(5)]}
    assert (await world.done("release_invoice", part))["total"] == dollars("54.12")
    assert moved(await world.of(short)) == {"T-1": {short.codes[0]: 5.0}, None: {short.codes[0]: 3.0}}


async def test_credit_is_held_by_tryton_itself_and_asked_for_what_was_let_through(world: World) -> None:
    order = await world.order(10, limit=Decimal(50), release=False)
    with pytest.raises(TrytonSaysNo, match="credit limit"):
        await world.company.release(order.sale)
    await world.company.limit(order.customer, Decimal(1000))
    await world.company.release(order.sale)
    asked = {"customer": order.customer, "order": order.number, "amount": dollars("108.25")}
    assert await world.done("check_credit", asked) == {
        "ok": True,
        "exposure": dollars("0.00"),
        "limit": dollars("1000"),
    }
    await world.company.limit(order.customer, Decimal(50))
    held = await world.done("check_credit", asked)
    assert (held["ok"], held["reason"], held["limit"]) == (False, "over_limit", dollars("50"))
    other = await world.done("check_credit", {**asked, "order": "another", "amount": dollars("1.00")})
    assert (other["ok"], other["exposure"]) == (False, dollars("100.00"))
    ended = await world.call("check_credit", {**asked, "amount": {"amount": "1", "currency": "EUR"}})
    assert ended.outcome == "refused"


async def test_a_return_is_authorised_taken_back_authorised_again_and_credited(world: World) -> None:
    order = await world.order(4, 1)
    await world.done(
        "release_invoice", {"order": order.number, "shipments": ["S-1"], "lines": [order.part(4, 1)]}
    )
    back = [{"order_line": order.lines[0], "item": order.codes[0], "quantity": {"value": "2", "unit": "EA"}}]
    asked = {"order": order.number, "return": "R-1", "lines": back, "reason": "broken"}
    first = await world.done("authorise_return", asked, key="A")
    assert await world.done("authorise_return", asked, key="A", find_first=True) == first
    for _ in range(2):
        assert await world.done("cancel_return", first) == {}
    second = await world.done("authorise_return", asked, key="B")
    assert second != first
    credit = {"order": order.number, "return": second["return"], "reason": "broken"}
    more = [{**back[0], "quantity": {"value": "3", "unit": "EA"}}]  # of 4, when 2 are to come back
    ended = await world.call("authorise_return", {**asked, "lines": more})
    assert (ended.outcome, ended.code) == ("refused", "nothing_left")
    ended = await world.call("create_credit", {**credit, "amount": dollars("5.00")}, key="C")
    assert (ended.outcome, ended.code) == ("refused", "amount_differs")
    given = await world.done("create_credit", credit, key="C")
    assert given["amount"] == dollars("21.65")
    assert await world.done("create_credit", credit, key="C", find_first=True) == given
    (sale,) = await world.admin.find(
        "sale.sale",
        [["number", "=", second["return"]]],
        *("shipment_returns.state", "invoices.state", "invoices.number", "invoices.total_amount"),
    )
    assert [one["state"] for one in sale["shipment_returns."]] == ["done"]
    assert [(one["state"], one["number"]) for one in sale["invoices."]] == [("posted", given["credit"])]


async def test_a_claim_is_credited_to_the_cent_and_the_rest_when_it_is_taken_back(world: World) -> None:
    order = await world.order(3, 1)
    data = {"order": order.number, "shipments": ["S-1"], "lines": [order.part(3, 1)]}
    invoice = await world.done("release_invoice", data)
    claimed = {"order": order.number, "amount": dollars("7.77"), "reason": "a box was crushed"}
    given = await world.done("create_credit", claimed, key="C")
    assert given["amount"] == dollars("7.77")
    assert await world.done("create_credit", claimed, key="C") == given
    # Another about the same invoice, which Tryton finds alike and asks about.
    more = await world.done("credit_invoice", {"invoice": invoice["invoice"]}, key="D")
    assert more["credit"] != given["credit"]
    assert more["amount"] == dollars("35.53")  # of 43.30
    complaints = await world.admin.find(
        "sale.complaint",
        [["origin", "=", f"account.invoice,{await _invoice(world, invoice)}"]],
        "state",
        "description",
    )
    assert [(one["state"], one["description"]) for one in complaints] == [
        ("done", "a box was crushed"),
        ("done", "credited"),
    ]
    ended = await world.call("create_credit", {**claimed, "amount": dollars("700.00")})
    assert (ended.outcome, ended.code) == ("refused", "too_much")


async def test_what_somebody_credited_by_hand_is_not_credited_again(world: World) -> None:
    order = await world.order(3)
    data = {"order": order.number, "shipments": ["S-1"], "lines": [order.part(3)]}
    invoice = await world.done("release_invoice", data)
    number = await _invoice(world, invoice)
    wizard, shown = "wizard.account.invoice.credit", {"with_refund": False, "invoice_date": None}
    session, *_ = await world.admin.call(f"{wizard}.create")
    here = {"active_model": "account.invoice", "active_id": number, "active_ids": [number]}
    await world.admin.call(f"{wizard}.execute", session, {"start": shown}, "credit", **here)
    claimed = {"order": order.number, "amount": dollars("0.01")}
    for operation, wanted in (
        ("create_credit", claimed),
        ("credit_invoice", {"invoice": invoice["invoice"]}),
    ):
        ended = await world.call(operation, wanted)
        assert (ended.outcome, ended.code) == ("refused", "too_much"), operation
        assert "32.48 is credited already" in ended.reason.replace("of which ", "")
    # The note was a draft. Cancelled, it stands in no claim's way.
    note = await world.admin.one("account.invoice", [["state", "=", "draft"], ["total_amount", "<", 0]])
    await world.admin.press("account.invoice", [note["id"]], "cancel")
    given = await world.done("credit_invoice", {"invoice": invoice["invoice"], "amount": dollars("30.00")})
    assert given["amount"] == dollars("30.00")
    ended = await world.call("credit_invoice", {"invoice": invoice["invoice"], "amount": dollars("3.00")})
    assert (ended.outcome, ended.code) == ("refused", "too_much")


async def test_goods_that_came_back_and_their_invoice_are_not_both_credited(world: World) -> None:
    order = await world.order(3)
    data = {"order": order.number, "shipments": ["S-1"], "lines": [order.part(3)]}
    invoice = await world.done("release_invoice", data)  # of 32.48
    two = [{"order_line": order.lines[0], "quantity": {"value": "2", "unit": "EA"}}]
    back = await world.done("authorise_return", {"order": order.number, "lines": two}, key="BOTH-R")
    await world.done("create_credit", {"order": order.number, **back}, key="BOTH-B")  # of 21.65
    much = {"invoice": invoice["invoice"], "amount": dollars("10.84")}
    ended = await world.call("credit_invoice", much)
    assert (ended.outcome, ended.code) == ("refused", "too_much")
    assert "of which 21.65 is credited already" in ended.reason
    some = await world.done("credit_invoice", {**much, "amount": dollars("5.00")}, key="BOTH-C")
    assert await world.done("credit_invoice", {**much, "amount": dollars("5.00")}, key="BOTH-C") == some
    # Now the last piece comes back, which is worth more than what is left of the order.
    last = await world.done("authorise_return", {"order": order.number}, key="BOTH-S")
    ended = await world.call("create_credit", {"order": order.number, **last}, key="BOTH-D")
    assert (ended.outcome, ended.code) == ("refused", "too_much")
    assert "5.83 is left" in ended.reason
    # Its draft stands until somebody has seen to it.
    sale = await world.admin.one("sale.sale", [["number", "=", last["return"]]], "invoices")
    await world.admin.press("account.invoice", sale["invoices"], "cancel")
    rest = await world.done("credit_invoice", {"invoice": invoice["invoice"]}, key="BOTH-E")
    assert rest["amount"] == dollars("5.83")


async def _invoice(world: World, invoice: Any) -> int:
    return int((await world.admin.one("account.invoice", [["number", "=", invoice["invoice"]]]))["id"])


async def test_four_orders_at_once_against_its_locks_are_each_billed_once(world: World) -> None:
    orders = [await world.order(2) for _ in range(4)]
    ended = await asyncio.gather(
        *(
            world.done(
                "release_invoice", {"order": o.number, "shipments": [f"{o.number}-1"], "lines": [o.part(2)]}
            )
            for o in orders
        )
    )
    assert len({invoice["invoice"] for invoice in ended}) == 4
    for order in orders:
        sale = await world.of(order)
        assert [one["state"] for one in sale["shipments."]] == ["done"]
        assert [one["state"] for one in sale["invoices."]] == ["posted"]


async def test_killed_in_the_middle_and_started_again_it_is_done_once(world: World) -> None:
    order = await world.order(2)
    data = {"order": order.number, "shipments": ["S-1"], "lines": [order.part(2)]}
    first = asyncio.create_task(world.call("release_invoice", data, key="K"))
    while not any(one["reference"] for one in (await world.of(order))["shipments."]):
        await asyncio.sleep(0.02)
    await world.house.kill()
    assert (await first).outcome in ("unknown", "unreachable")
    assert (await world.call("release_invoice", data, key="K", find_first=True)).outcome in (
        "unknown",
        "unreachable",
    )
    await world.house.start()
    await world.done("release_invoice", data, key="K", find_first=True)
    sale = await world.of(order)
    assert [(one["state"], one["reference"]) for one in sale["shipments."]] == [("done", "S-1")]
    assert [one["state"] for one in sale["invoices."]] == ["posted"]


async def test_a_session_that_has_ended_is_replaced(world: World) -> None:
    order = await world.order(1)
    await world.done("get_order", {"order": order.number})
    line = await world.lines.line(world.tenant.id, "erp")
    first = line.session
    user = await world.admin.one("res.user", [["login", "=", "integration"]])
    await world.admin.call("model.res.user.write", [user["id"]], {"password": world.house.password})
    await world.done("get_order", {"order": order.number})
    assert line.session is not first
    assert await world.calls.check(world.tenant.id, "erp") is None


async def test_what_is_not_there_is_refused_in_words(world: World) -> None:
    for operation, data in (
        ("get_order", {"order": "nope"}),
        ("release_invoice", {"order": "nope"}),
        ("credit_invoice", {"invoice": "nope"}),
        ("cancel_return", {"return": "nope"}),
        ("check_credit", {"customer": "nope", "order": "nope", "amount": dollars("1")}),
    ):
        ended = await world.call(operation, data)
        assert (ended.outcome, ended.code) == ("refused", "not_found"), operation
        assert "nope" in ended.reason
    offered = await world.order(1, release=False)
    ended = await world.call("release_invoice", {"order": offered.number})
    assert (ended.outcome, ended.code) == ("refused", "wrong_state")
