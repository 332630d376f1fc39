"""Orders that are not plain: what ERPNext is told of them is right to the cent and the piece, or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from erp_world import World, house_of, world_of
from talking import context

from crossdock.connectors.erpnext import replies
from crossdock.store import Database

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def house(ground: Database) -> AsyncIterator[Any]:
    async with world_of("erpnext", ground) as world:
        yield begun(world)


def begun(world: World) -> Any:
    house = house_of(world)
    house.begin()
    return house


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def part(line: str, quantity: str, unit: str = "EA") -> dict[str, Any]:
    return {"number": "1", "line": line, "order_line": line, "quantity": {"value": quantity, "unit": unit}}


def row(name: str, item: str, quantity: float, rate: float, **more: Any) -> dict[str, Any]:
    known = {"uom": "Nos", "item_group": "Products", "income_account": "Sales - N"}
    amount = {"qty": quantity, "rate": rate, "amount": quantity * rate}
    return {"name": name, "item_code": item, **known, **amount, **more}


def documents(house: Any, doctype: str) -> list[Any]:
    return list(house.erp.documents.get(doctype, {}).values())


def noted(house: Any) -> dict[str, dict[str, float]]:
    """What each Delivery Note carries, by our number."""
    return {
        one["lr_no"]: {of["so_detail"]: float(of["qty"]) for of in one["items"]}
        for one in documents(house, "Delivery Note")
    }


async def refused(house: Any, operation: str, data: Any, code: str, words: str, key: str = "R") -> None:
    ended = await house.call(operation, data, key=key)
    assert (ended.outcome, ended.code) == ("refused", code), ended
    assert words in ended.reason, ended.reason


async def test_a_quantity_in_another_unit_than_its_line_is_refused_and_one_that_means_the_same_is_not(
    house: Any,
) -> None:
    house.order(items=[row("a", "KIT-30", 5, 12.5), row("b", "GEL-1", 4, 3.0, uom="Box")])
    dozens = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2", "DZN")]]}
    await refused(house, "release_invoice", dozens, "unit", "line a (KIT-30) of SO-1 is in EA")
    pieces = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("b", "2", "EA")]]}
    await refused(house, "release_invoice", pieces, "unit", "have it told in XBX")
    assert documents(house, "Delivery Note") == []
    same = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2", "H87"), part("b", "1", "XBX")]]}
    assert (await house.done("release_invoice", same, key="K"))["total"] == usd("28.0")
    back = {"order": "SO-1", "lines": [part("a", "1", "DZN")]}
    await refused(house, "authorise_return", back, "unit", "is in EA")


async def test_more_than_is_left_is_refused_before_the_first_shipment_is_noted(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 5, 10.0)])
    data = {"order": "SO-1", "shipments": ["S-1", "S-2"], "lines": [[part("a", "3")], [part("a", "3")]]}
    await refused(house, "release_invoice", data, "nothing_left", "has 5 left of line a (KIT-30)")
    assert documents(house, "Delivery Note") == []
    strange = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("zz", "1")]]}
    await refused(house, "release_invoice", strange, "not_found", "no line of goods zz")
    await house.done("release_invoice", {**data, "lines": [[part("a", "3")], [part("a", "1")]]}, key="K")
    third = {"order": "SO-1", "shipments": ["S-3"], "lines": [[part("a", "2")]]}
    await refused(house, "release_invoice", third, "nothing_left", "has 1 left of line a (KIT-30)")


async def test_a_corrected_delivery_is_noted_as_corrected_while_it_is_a_draft_and_refused_after(
    house: Any,
) -> None:
    house.order(items=[row("a", "KIT-30", 5, 10.0)])
    wrong = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "4")]]}
    house.erp.stock = 0.0
    await refused(house, "release_invoice", wrong, "NegativeStockError", "units needed")
    assert noted(house) == {"S-1": {"a": 4.0}}  # a draft
    house.erp.stock = 100.0
    right = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2")]]}
    invoice = await house.done("release_invoice", right, key="K")
    assert invoice["total"] == usd("20.0")
    assert noted(house) == {"S-1": {"a": 2.0}}
    assert await house.done("release_invoice", right, key="K", again=True) == invoice
    # Looked up with other quantities it is not what was wanted.
    ended = await house.call("release_invoice", wrong, key="K", again=True)
    assert (ended.outcome, ended.code) == ("refused", "wrong_state")
    assert "is submitted in ERPNext with 2 of line a (KIT-30), not 4" in ended.reason
    assert house.standing("Sales Invoice") == [1]


async def test_a_shipment_that_was_billed_before_does_not_hide_one_that_was_not(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 5, 10.0)])
    first = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "3")]]}
    await house.done("release_invoice", first, key="K")
    both = {"order": "SO-1", "shipments": ["S-1", "S-2"], "lines": [[part("a", "3")], [part("a", "2")]]}
    invoice = await house.done("release_invoice", both, key="L")
    assert invoice["total"] == usd("50.0")
    assert [one["grand_total"] for one in documents(house, "Sales Invoice")] == [30, 20]
    assert await house.done("release_invoice", both, key="L", again=True) == invoice


async def test_services_are_billed_with_the_first_delivery_and_nobody_picks_or_returns_them(
    house: Any,
) -> None:
    house.order(
        items=[
            row("a", "KIT-30", 4, 10.0),
            row("s", "SETUP", 1, 55.0, item_group="Services"),
            row("d", "LOYALTY", 1, -5.0, item_group="Services"),
        ]
    )
    order = await house.done("get_order", {"order": "SO-1"})
    assert [one["number"] for one in order["lines"]] == ["a"]
    assert [(one["kind"], one["amount"]) for one in order["charges"]] == [
        ("SETUP", usd("55.0")),
        ("LOYALTY", usd("-5.0")),
    ]
    assert [one["item"] for one in (await house.done("list_allocations", {}))["allocations"]] == ["KIT-30"]
    first = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "1")]]}
    assert (await house.done("release_invoice", first, key="K"))["total"] == usd("60.0")
    rest = {"order": "SO-1", "shipments": ["S-2"], "lines": [[part("a", "3")]]}
    assert (await house.done("release_invoice", rest, key="L"))["total"] == usd("30.0")
    service = {"order": "SO-1", "shipments": ["S-3"], "lines": [[part("s", "1")]]}
    await refused(house, "release_invoice", service, "not_found", "no line of goods s")
    back = await house.done("authorise_return", {"order": "SO-1"}, key="B")
    given = await house.done("create_credit", {"order": "SO-1", **back}, key="C")
    assert given["amount"] == usd("40.0")  # the goods


async def test_an_order_of_services_alone_is_not_released_and_one_below_zero_not_picked(house: Any) -> None:
    settings = context("erpnext", company="Northway").settings
    alone = house.order("SO-2", items=[row("s", "SETUP", 1, 55.0, item_group="Services")])
    assert list(replies.happened(alone, settings)) == []
    taken = house.order("SO-3", items=[row("a", "KIT-30", 2, 10.0), row("b", "KIT-31", -1, 10.0)])
    (told,) = replies.happened(taken, settings)
    assert [line["number"] for line in told.data["lines"]] == ["a"]


async def test_what_is_not_kept_in_stock_is_a_service_whatever_its_group_but_for_a_bundle(house: Any) -> None:
    packed = [{"parent_detail_docname": "b", "item_code": "GEL-1", "qty": 4.0}]
    house.order(
        items=[
            row("a", "KIT-30", 2, 10.0, is_stock_item=1),
            row("b", "BUNDLE", 2, 7.0, is_stock_item=0),
            row("c", "TRAINING", 1, 90.0, is_stock_item=0),
            row("d", "FREE", 0, 1.0, is_stock_item=1),
            row("e", "DROP", 1, 5.0, is_stock_item=1, delivered_by_supplier=1),
        ],
        packed_items=packed,
    )
    order = await house.done("get_order", {"order": "SO-1"})
    assert [one["number"] for one in order["lines"]] == ["a", "b"]
    assert [one["kind"] for one in order["charges"]] == ["TRAINING"]
    open_ = (await house.done("list_allocations", {}))["allocations"]
    assert [one["item"] for one in open_] == ["KIT-30", "BUNDLE"]
    left = [part("a", "2"), part("b", "1")]
    data = {"order": "SO-1", "shipments": ["S-1"], "lines": [[*left, part("a", "0")]]}
    assert (await house.done("release_invoice", data, key="K"))["total"] == usd("117.0")
    assert noted(house) == {"S-1": {"a": 2.0, "b": 1.0, "c": 1.0}}
    settings = context("erpnext", company="Northway").settings
    alone = house.order("SO-2", items=[row("s", "TRAINING", 1, 55.0, is_stock_item=0)])
    assert list(replies.happened(alone, settings)) == []


async def test_goods_that_an_older_order_calls_a_service_are_not_billed_as_one(house: Any) -> None:
    house.order(
        items=[row("a", "KIT-30", 2, 10.0, is_stock_item=1), row("b", "GEL-1", 9, 7.0, is_stock_item=0)]
    )
    house.erp.keep("Item", "GEL-1", is_stock_item=1)
    data = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2")]]}
    await refused(
        house, "release_invoice", data, "wrong_state", "line b (GEL-1) of SO-1 is not kept in stock"
    )
    assert documents(house, "Delivery Note") == []


async def test_an_order_that_takes_no_delivery_is_refused_before_it_is_noted(house: Any) -> None:
    data = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2")]]}
    below = [row("a", "KIT-30", 2, 10.0), row("b", "LOYALTY", -1, 5.0, item_group="Services")]
    house.order(items=below)
    await refused(house, "release_invoice", data, "below_zero", "line b (LOYALTY) of SO-1")
    for status in ("Closed", "On Hold"):
        house.order(items=below[:1], status=status)
        await refused(house, "release_invoice", data, "wrong_state", f"SO-1 is {status} in ERPNext: open it")
    assert documents(house, "Delivery Note") == []
    house.order(items=below[:1])
    invoice = await house.done("release_invoice", data, key="K")
    house.order(items=below[:1], status="Closed", per_delivered=100.0)
    for again in (True, False):  # what has left and is billed stands
        assert await house.done("release_invoice", data, key="K", again=again) == invoice


async def test_a_customer_or_an_item_that_is_disabled_is_told_with_what_mends_it(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 2, 10.0)])
    house.erp.keep("Item", "KIT-30", disabled=1)
    data = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2")]]}
    mend = "Item KIT-30 is disabled: enable it in ERPNext, then try again"
    await refused(house, "release_invoice", data, "disabled", mend)
    house.erp.keep("Customer", "C1", disabled=1)
    await refused(house, "release_invoice", data, "disabled", "Customer C1 is disabled: enable it")
    asked = {"customer": "C1", "order": "SO-1", "amount": usd("1.00")}
    await refused(house, "check_credit", asked, "disabled", "give the order another")


async def test_a_line_in_dozens_is_delivered_in_dozens(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 5, 120.0, uom="Dozen", conversion_factor=12)])
    pieces = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2", "EA")]]}
    await refused(house, "release_invoice", pieces, "unit", "is in DZN")
    data = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "2", "DZN")]]}
    assert (await house.done("release_invoice", data, key="K"))["total"] == usd("240.0")


async def test_an_order_that_somebody_closes_before_anything_left_is_cancelled(house: Any) -> None:
    settings = context("erpnext", company="Northway").settings
    (told,) = replies.happened(house.order(status="Closed", per_delivered=0.0), settings)
    assert (told.type, told.data["reason"]) == ("order.cancelled", "closed in ERPNext")
    assert list(replies.happened(house.order(status="Closed", per_delivered=40.0), settings)) == []


async def test_credits_of_an_invoice_are_never_more_than_it_with_those_of_others(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 3, 33.33)])
    invoice = await house.done("release_invoice", {"order": "SO-1", "shipments": ["S-1"]}, key="K")
    assert invoice["total"] == usd("99.99")
    claim = {"order": "SO-1", "amount": usd("7.77"), "reason": "crushed"}
    assert (await house.done("create_credit", claim, key="C"))["amount"] == usd("7.77")
    # Another amount of it: the first has taken no quantities that a second would want.
    more = {"invoice": invoice["invoice"], "amount": usd("0.01")}
    assert (await house.done("credit_invoice", more, key="D"))["amount"] == usd("0.01")
    # Somebody's own draft counts as well.
    by_hand = {"return_against": invoice["invoice"], "is_return": 1, "currency": "USD", "customer": "C1"}
    house.erp.keep("Sales Invoice", "SI-hand", **by_hand, grand_total=-12.21, items=[], company="Northway")
    too_much = {"invoice": invoice["invoice"], "amount": usd("80.01")}
    await refused(house, "credit_invoice", too_much, "too_much", "of which 19.99 is credited already", "E")
    rest = await house.done("credit_invoice", {"invoice": invoice["invoice"]}, key="F")
    assert rest["amount"] == usd("80.0")
    for again in (True, False):
        whole = {"invoice": invoice["invoice"]}
        assert await house.done("credit_invoice", whole, key="F", again=again) == rest
    await refused(house, "credit_invoice", {"invoice": invoice["invoice"]}, "too_much", "99.99", "G")


async def test_goods_that_came_back_and_their_invoice_are_not_both_credited(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 5, 10.0)])
    sent = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("a", "4")]]}
    invoice = await house.done("release_invoice", sent, key="K")
    back = await house.done("authorise_return", {"order": "SO-1", "lines": [part("a", "3")]}, key="A")
    assert (await house.done("create_credit", {"order": "SO-1", **back}, key="B"))["amount"] == usd("30.0")
    whole = {"invoice": invoice["invoice"]}
    more = {**whole, "amount": usd("10.01")}
    await refused(house, "credit_invoice", more, "too_much", "of which 30.0 is credited already", "C")
    assert (await house.done("credit_invoice", whole, key="D"))["amount"] == usd("10.0")
    # All is credited: what comes back now lies in stock again, and is paid back no second time.
    last = await house.done("authorise_return", {"order": "SO-1", "lines": [part("a", "1")]}, key="E")
    words = "would credit 10.0 USD for return"
    await refused(house, "create_credit", {"order": "SO-1", **last}, "too_much", words, "F")
    await refused(house, "create_credit", {"order": "SO-1", **last}, "too_much", "SO-1 0.0 is left", "F")
    assert house.standing("Sales Invoice") == [1, 1, 1, 0]


async def test_an_amount_is_credited_on_the_accounts_that_were_billed_cut_off_or_not(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 3, 10.0), row("b", "GEL-1", 1, 3.33, income_account="Gels - N")])
    await house.done("release_invoice", {"order": "SO-1", "shipments": ["S-1"]}, key="K")
    claim = {"order": "SO-1", "amount": usd("10.01")}
    lost = iter([web.Response(status=502)])
    house.erp.trouble = lambda what: next(lost, None) if what == "created Sales Invoice" else None
    assert (await house.call("create_credit", claim, key="C")).outcome == "unknown"
    given = await house.done("create_credit", claim, key="C", again=True)
    assert given["amount"] == usd("10.01")
    credit = house.erp.documents["Sales Invoice"][given["credit"]]
    assert [(of["income_account"], of["qty"], of["rate"]) for of in credit["items"]] == [
        ("Sales - N", -1, 9.01),
        ("Gels - N", -1, 1.0),
    ]
    assert all("item_code" not in of for of in credit["items"])


async def test_what_one_return_may_bring_back_another_may_not(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 5, 10.0)])
    await house.done("release_invoice", {"order": "SO-1", "shipments": ["S-1"]}, key="K")
    three = {"order": "SO-1", "lines": [part("a", "3")]}
    first = await house.done("authorise_return", three, key="A")
    words = "has not delivered so much of line a of SO-1: 2 may come back, not 3"
    await refused(house, "authorise_return", three, "nothing_left", words, "B")
    await house.done("cancel_return", first, key="C")
    await house.done("authorise_return", three, key="B")


async def test_a_return_that_is_corrected_is_authorised_as_corrected_until_it_is_received(house: Any) -> None:
    house.order(items=[row("a", "KIT-30", 5, 10.0)])
    await house.done("release_invoice", {"order": "SO-1", "shipments": ["S-1"]}, key="K")
    three, two = ({"order": "SO-1", "lines": [part("a", much)]} for much in "32")
    await house.done("authorise_return", three, key="A")
    back = await house.done("authorise_return", two, key="A", again=True)
    assert sorted(much["a"] for much in noted(house).values()) == [-2.0, 5.0]
    assert (await house.done("create_credit", {"order": "SO-1", **back}, key="C"))["amount"] == usd("20.0")
    one = {"order": "SO-1", "lines": [part("a", "1")]}
    await refused(house, "authorise_return", one, "wrong_state", "was received in ERPNext", "A")


async def test_the_credit_of_an_order_in_another_currency_is_checked_at_the_orders_rate(house: Any) -> None:
    house.order(currency="EUR", conversion_rate=1.1)
    asked = {"customer": "C1", "order": "SO-1", "amount": {"amount": "454.54", "currency": "EUR"}}
    assert (await house.done("check_credit", asked))["ok"]  # 499.99 of 500
    over = {**asked, "amount": {"amount": "454.56", "currency": "EUR"}}
    assert await house.done("check_credit", over) == {
        "ok": False,
        "exposure": usd("0"),
        "limit": usd("500.0"),
        "reason": "over_limit",
    }
    sent = {"order": "SO-1", "shipments": ["S-1"], "lines": [[part("SO-1a", "1")]]}
    assert (await house.done("release_invoice", sent, key="K"))["total"]["currency"] == "EUR"
    # 12.50 EUR are owed, in an account in EUR: 13.75 USD.
    assert (await house.done("check_credit", asked))["exposure"] == usd("13.75")
    third = {**asked, "amount": {"amount": "1", "currency": "GBP"}}
    ended = await house.call("check_credit", third)
    assert (ended.outcome, "not in GBP" in ended.reason) == ("refused", True)


@pytest.mark.parametrize(
    ("own", "group", "company", "limit"),
    [
        (None, 300.0, 200.0, "300.0"),
        (None, None, 200.0, "200.0"),
        (0.0, 300.0, 200.0, "300.0"),
        (100.0, 300.0, 200.0, "100.0"),
        (None, None, 0.0, None),
    ],
)
async def test_the_limit_is_the_customers_else_their_groups_else_the_companys(
    house: Any, own: float | None, group: float | None, company: float, limit: str | None
) -> None:
    def rows(limit: float | None) -> list[Any]:
        return [] if limit is None else [{"company": "Northway", "credit_limit": limit}]

    house.erp.keep("Customer", "C1", credit_limits=rows(own), customer_group="Clinics")
    house.erp.keep("Customer Group", "Clinics", credit_limits=rows(group))
    house.erp.keep("Company", "Northway", default_currency="USD", credit_limit=company)
    house.order()
    asked = {"customer": "C1", "order": "SO-1", "amount": usd("250.00")}
    checked = await house.done("check_credit", asked)
    assert checked.get("limit") == (usd(limit) if limit else None)
    assert checked["ok"] is (limit is None or float(limit) >= 250)


async def test_a_customer_whose_orders_are_not_checked_may_order(house: Any) -> None:
    rows = [{"company": "Northway", "credit_limit": 1.0, "bypass_credit_limit_check": 1}]
    house.erp.keep("Customer", "C1", credit_limits=rows)
    house.order()
    asked = {"customer": "C1", "order": "SO-1", "amount": usd("250.00")}
    assert (await house.done("check_credit", asked))["ok"]
