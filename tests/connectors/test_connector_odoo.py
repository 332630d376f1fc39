"""Odoo by both of its interfaces, against a server that is written from what its makers publish."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from aiohttp import web
from odoo_stand_in import DATABASE, KEY, USER, Northway, Odoo, Refused
from talking import connector, context, example

from asked import AsEngine
from crossdock.connect import Calls, Lines, Registry, Wire
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Context, Response
from crossdock.connect.registry import declared
from crossdock.connect.secret import Secret
from crossdock.connectors.odoo import replies
from crossdock.engine import Connections
from crossdock.errors import UnknownOutcome, Unreachable
from crossdock.store import Database, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")
_numbers = itertools.count(1)
SETTINGS: dict[str, Any] = {"database": DATABASE, "sites": {"WH": "RNO"}}


class Keeps:
    def __init__(self) -> None:
        self.key = KEY

    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {"user": (Secret(USER),), "key": (Secret(self.key),)}


class Bench(AsEngine, Northway):
    """Our runtime, connected to it."""

    def __init__(self, tenant: Tenant, calls: Calls, odoo: Odoo, keeps: Keeps, interface: str) -> None:
        self.tenant, self.calls, self.odoo, self.keeps = tenant, calls, odoo, keeps
        self.interface = interface


@pytest_asyncio.fixture(params=["json2", "jsonrpc"], loop_scope="module")
async def bench(request: pytest.FixtureRequest, ground: Database) -> AsyncIterator[Bench]:
    tenant = await ground.create_tenant(f"acme-{next(_numbers)}", title="Acme Goods")
    odoo, keeps = Odoo(), Keeps()
    runner = web.AppRunner(odoo.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    settings = {"url": url, "interface": request.param, **SETTINGS}
    await Connections(ground).put(tenant, "erp", system="erp", connector="odoo", settings=settings)
    wire = Wire()
    calls = Calls(Lines(ground, Registry.of([connector("odoo")]), keeps), wire)
    bench = Bench(tenant, calls, odoo, keeps, request.param)
    bench.begin()
    yield bench
    await wire.close()
    await runner.cleanup()


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def delivered(numbers: list[str]) -> dict[str, Any]:
    def line(number: str, quantity: str) -> dict[str, Any]:
        return {"number": "1", "line": number, "quantity": {"value": quantity, "unit": "EA"}}

    kit, box = numbers
    lines = [[line(kit, "6")], [line(kit, "3"), line(box, "4")]]
    return {"order": "S00001", "shipments": ["X-1", "X-2"], "lines": lines}


async def test_its_declaration_holds_together() -> None:
    declared(connector("odoo"))


async def test_an_order_is_a_document_of_ours(bench: Bench) -> None:
    numbers = bench.order()
    order = await bench.done("get_order", {"order": "S00001"})
    assert (order["state"], order["site"], order["customer_po"]) == ("released", "RNO", "PO 77")
    assert (order["customer"]["id"], order["ship_to"]["country"]) == ("C1", "US")
    assert [one["number"] for one in order["lines"]] == numbers
    assert order["lines"][0]["product"]["weight"] == {"value": "0.4", "unit": "KGM"}
    ended = await bench.call("get_order", {"order": "nope"})
    assert (ended.outcome, ended.code) == ("refused", "not_found")
    await bench.calls.check(bench.tenant.id, "erp")


async def test_what_was_delivered_is_transferred_by_shipment_and_billed_once(bench: Bench) -> None:
    data = delivered(bench.order())
    invoice = await bench.done("release_invoice", data)
    assert invoice["total"] == usd("124.5")
    transfers = [(one["origin"], one["state"]) for one in bench.odoo.all("stock.picking")]
    assert transfers == [("S00001 X-1", "done"), ("S00001 X-2", "done"), ("S00001", "assigned")]
    for again in (True, False):
        assert await bench.done("release_invoice", data, again=again) == invoice
    assert bench.states("account.move") == ["posted"]
    rest = {"order": "S00001", "shipments": ["X-3"]}
    assert (await bench.done("release_invoice", rest, key="L"))["total"] == usd("12.5")
    ended = await bench.call("release_invoice", {"order": "S00001", "shipments": ["X-4"]}, key="M")
    assert (ended.outcome, ended.code) == ("refused", "nothing_left")


STEPS = (
    "stock.move.write",
    "stock.picking.write",
    "stock.picking.button_validate",
    "sale.advance.payment.inv.create",
    "sale.advance.payment.inv.create_invoices",
    "account.move.write",
    "account.move.action_post",
)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_cut_off_at_any_step_it_is_done_once(bench: Bench, when: str) -> None:
    for n, step in enumerate(STEPS, 1):
        name = f"S0000{n}"
        data = {**delivered(bench.order(name)), "order": name}
        once = iter([web.Response(status=502)])
        bench.odoo.trouble = lambda what, step=step, once=once: (
            next(once, None) if what == f"{when} {step}" else None
        )
        ended = await bench.call("release_invoice", data, key=name)
        assert ended.outcome in ("unknown", "unreachable"), step
        invoice = await bench.done("release_invoice", data, key=name, again=True)
        assert invoice["total"] == usd("124.5"), step
        mine = [one for one in bench.odoo.all("account.move") if one["invoice_origin"].startswith(name)]
        assert [one["state"] for one in mine] == ["posted"], step
        done = [one["origin"] for one in bench.odoo.all("stock.picking") if one["state"] == "done"]
        assert [one for one in done if one.startswith(name)] == [f"{name} X-1", f"{name} X-2"], step


async def test_a_refusal_is_in_its_words_and_a_question_names_what_asks(bench: Bench) -> None:
    data = delivered(bench.order())
    plain = bench.odoo._validated

    def refuses(transfer: Any, _: Any) -> Any:
        raise Refused(f"Not enough in stock for {transfer['name']}")

    bench.odoo._validated = refuses  # type: ignore[method-assign]
    ended = await bench.call("release_invoice", data)
    assert (ended.outcome, ended.code) == ("refused", "UserError")
    assert "Not enough in stock" in ended.reason
    bench.odoo._validated = lambda *_: {"res_model": "expiry.picking.confirmation"}  # type: ignore[method-assign]
    ended = await bench.call("release_invoice", data)
    assert (ended.outcome, ended.code) == ("refused", "question")
    assert "expiry.picking.confirmation" in ended.reason
    bench.odoo._validated = plain  # type: ignore[method-assign]
    await bench.done("release_invoice", data)


async def test_credit_counts_what_is_owed_and_to_be_billed_but_not_the_order_itself(bench: Bench) -> None:
    bench.kit["invoice_policy"] = "order"  # what is billed as delivered, Odoo counts once it was
    bench.order()
    asked = {"customer": "C1", "order": "S00001", "amount": usd("137.00")}
    known = {"exposure": usd("113.00"), "limit": usd("400.0")}
    assert await bench.done("check_credit", asked) == {"ok": True, **known}
    over = await bench.done("check_credit", {**asked, "amount": usd("300.00")})
    assert over == {"ok": False, "reason": "over_limit", **known}


async def test_an_invoice_is_credited_in_part_and_in_full_each_once(bench: Bench) -> None:
    invoice = await bench.done("release_invoice", delivered(bench.order()))
    some = {"order": "S00001", "amount": usd("24.90"), "reason": "crushed"}
    given = await bench.done("create_credit", some, key="C")
    assert given["amount"] == usd("24.9")
    for again in (True, False):
        assert await bench.done("create_credit", some, key="C", again=again) == given
    whole = await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="D")
    assert whole["amount"] == usd("99.6")  # what is left
    assert bench.states("account.move") == ["posted"] * 3
    ended = await bench.call("credit_invoice", {"invoice": invoice["invoice"], "amount": usd("200")}, key="E")
    assert (ended.outcome, ended.code) == ("refused", "too_much")


async def test_a_key_that_is_another_is_refused_when_signing_in_or_asking(bench: Bench) -> None:
    bench.keeps.key = "wrong-key-99"
    bench.order()
    ended = await bench.call("get_order", {"order": "S00001"})
    assert ended.outcome == "refused"
    assert "wrong-key-99" not in ended.reason


async def test_of_several_companies_one_is_told(bench: Bench) -> None:
    for name, company in (("S00001", "Northway"), ("S00002", "Southway")):
        bench.order(name, company_id=[1, company])
    poll = next(one for one in connector("odoo").polls if one.name == "orders")

    def of_northway(cursor: str, context: Context) -> Any:
        settings = {**context.settings, "company": "Northway"}
        return poll.read(cursor, msgspec.structs.replace(context, settings=settings))

    page = await bench.calls.ask(bench.tenant.id, "erp", of_northway, "")
    assert [one["name"] for one in page.records] == ["S00001"]


async def read(bench: Bench, feed: str, cursor: str = "") -> tuple[list[Any], str]:
    poll = next(one for one in connector("odoo").polls if one.name == feed)
    events: list[Any] = []
    more = True
    while more:
        page = await bench.calls.ask(bench.tenant.id, "erp", poll.read, cursor)
        assert poll.translate is not None
        settings = context("odoo", **SETTINGS).settings
        told = [one for record in page.records for one in poll.translate(record, settings)]
        events += arrivals(told, connector("odoo"), "erp", "page")
        cursor, more = page.cursor, page.more
    return events, cursor


async def test_the_feed_tells_what_was_confirmed_and_cancelled_and_a_lost_cursor_tells_the_same(
    bench: Bench,
) -> None:
    for n in range(120):  # more than two pages, and all of one transaction
        bench.order(f"S{n:05}")
    for sale in bench.odoo.all("sale.order"):
        sale["write_date"] = "2026-03-02 12:00:00"
    bench.order("S-draft", state="draft")
    events, cursor = await read(bench, "orders")
    assert ([one.type for one in events], len({one.id for one in events})) == (["order.released"] * 120, 120)
    assert (await read(bench, "orders", cursor))[0] == []
    sale = bench.odoo.all("sale.order")[7]
    bench.odoo.now = bench.odoo.now.replace(hour=13)
    bench.odoo.touch(sale)["state"] = "cancel"
    (cancelled,), _ = await read(bench, "orders", cursor)
    assert (cancelled.type, cancelled.about) == ("order.cancelled", {"order": "S00007"})
    again, _ = await read(bench, "orders", "{lost")
    assert len({one.id for one in again} - {one.id for one in events}) == 1


async def test_invoices_and_credits_are_told_with_their_order(bench: Bench) -> None:
    invoice = await bench.done("release_invoice", delivered(bench.order()))
    await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="D")
    bench.odoo.touch(bench.odoo.all("account.move")[0])["payment_state"] = "paid"
    events, _ = await read(bench, "invoices")
    assert sorted(one.type for one in events) == ["credit.issued", "invoice.paid", "invoice.released"]
    assert {one.about.get("order") for one in events} == {"S00001"}


async def test_an_error_is_told_by_the_name_of_its_exception_and_its_message() -> None:
    answer = Response(401, {}, example("odoo", "unauthorized.401.json"))
    assert replies.said(answer) == ("Unauthorized", "Invalid apikey")
    assert replies.said(Response(502, {}, b"Bad Gateway")) == ("", "Bad Gateway")
    rpc = {**SETTINGS, "interface": "jsonrpc"}
    locked = {
        "error": {"message": "Odoo Server Error", "data": {"name": "psycopg2.errors.SerializationFailure"}}
    }
    with pytest.raises(Unreachable):
        replies.result(Response(200, {}, json.dumps(locked).encode()), context("odoo", **rpc))
    with pytest.raises(UnknownOutcome):
        replies.result(Response(200, {}, b"{}"), context("odoo", **rpc))


async def test_stock_is_listed_by_bin_and_lot_and_promises_by_order_page_by_page(bench):
    keep, warehouse = bench.odoo.keep, [bench.warehouse["id"], "Reno"]
    shelf = keep("stock.location", warehouse_id=warehouse)
    for n in range(201):
        keep(
            "stock.quant",
            product_id=[bench.kit["id"], "KIT-30"],
            location_id=[shelf["id"], f"WH/Stock/A{n}"],
            lot_id=[7, "L-7"] if n == 200 else False,
            quantity=2.5 if n == 200 else 1.0,
            product_uom_id=[1, "Units"],
            **{"location_id.usage": "internal", "product_id.default_code": "KIT-30"},
        )
    first = await bench.done("list_stock", {})
    assert (len(first["stock"]), first["stock"][0]["location"]) == (200, "WH/Stock/A0")
    rest = await bench.done("list_stock", {"cursor": first["next"]})
    (last,) = rest["stock"]
    assert "next" not in rest
    assert (last["item"], last["site"], last["lot"]) == ("KIT-30", "RNO", "L-7")
    assert last["on_hand"] == {"value": "2.5", "unit": "EA"}
    assert (await bench.done("list_stock", {"items": ["GEL"]}))["stock"] == []
    bench.order()
    for move, product in zip(bench.odoo.all("stock.move"), (bench.kit, bench.box), strict=True):
        move |= {"product_id": [product["id"], ""], "product_uom": [1, "Units"]}
        move |= {"location_id": [shelf["id"], ""], "picking_type_id.code": "outgoing"}
    promised = (await bench.done("list_allocations", {}))["allocations"]
    assert [(one["order"], one["item"], one["site"], one["quantity"]["value"]) for one in promised] == [
        ("S00001", "KIT-30", "RNO", "10"),
        ("S00001", "BOX-1", "RNO", "4"),
    ]


async def test_a_count_becomes_an_inventory_move_however_often_it_is_called(bench):
    odoo = bench.odoo
    some, more = (odoo.quant(bench.kit, bench.stock, lies) for lies in (2.0, 4.0))
    less = {"item": "KIT-30", "site": "RNO", "change": {"value": "-5", "unit": "EA"}, "adjustment": "CC-1"}
    lost = iter([web.Response(status=500)])
    odoo.trouble = lambda what: (
        next(lost, None) if what == "after stock.quant.action_apply_inventory" else None
    )
    assert (await bench.call("adjust_stock", less)).outcome == "unknown"
    odoo.trouble = lambda _: None
    made = (await bench.call("adjust_stock", less, again=True)).output
    assert made["adjustment"].startswith("CC-1 (")
    assert (more["quantity"], some["quantity"]) == (0.0, 1.0)  # of the fullest bin first
    assert (await bench.call("adjust_stock", less, again=True)).output == made
    assert len([one for one in odoo.all("stock.move") if one.get("is_inventory")]) == 2  # of two bins
    found = await bench.call("adjust_stock", {**less, "change": {"value": "3", "unit": "EA"}}, key="more")
    assert (found.outcome, some["quantity"], more["quantity"]) == ("done", 4.0, 0.0)
    boxes = {**less, "item": "BOX-1", "change": {"value": "7", "unit": "EA"}}
    assert (await bench.call("adjust_stock", boxes, key="boxes")).outcome == "done"
    assert [one["quantity"] for one in odoo.all("stock.quant")] == [4.0, 0.0, 7.0]


async def test_a_count_that_cannot_be_taken_over_says_why_and_changes_nothing(bench):
    odoo = bench.odoo
    lot = odoo.keep("stock.lot", name="L-7", product_id=[bench.box["id"], "BOX-1"])
    bench.box["tracking"] = "lot"
    kits, boxes = odoo.quant(bench.kit, bench.stock, 2.0), odoo.quant(bench.box, bench.stock, 9.0, lot)
    less = {"item": "KIT-30", "site": "RNO", "change": {"value": "-3", "unit": "EA"}, "adjustment": "CC-1"}
    of_boxes = {**less, "item": "BOX-1"}
    for key, data, code in (
        ("a", less, "stock_short"),
        ("b", {**less, "change": {"value": "1", "unit": "XCT"}}, "unit"),
        ("c", {**less, "item": "NONE"}, "not_found"),
        ("d", {**less, "site": "NOWHERE"}, "not_found"),
        ("e", of_boxes, "no_lot"),
        ("f", {**of_boxes, "lot": "L-8"}, "not_found"),
    ):
        refused = await bench.call("adjust_stock", data, key=key)
        assert (refused.outcome, refused.code) == ("refused", code)
    assert (kits["quantity"], boxes["quantity"]) == (2.0, 9.0)
    assert not any("inventory_quantity" in one for one in (kits, boxes))
    sold = iter([1.0])

    def moves(what: str) -> None:
        if what == "before stock.quant.action_apply_inventory":
            boxes["quantity"] -= next(sold, 0.0)

    odoo.trouble = moves  # somebody sells one between the count and its applying
    assert (await bench.call("adjust_stock", {**of_boxes, "lot": "L-7"}, key="g")).outcome == "unknown"
    assert (
        await bench.call("adjust_stock", {**of_boxes, "lot": "L-7"}, key="g", again=True)
    ).outcome == "done"
    assert boxes["quantity"] == 5.0  # 9, one sold, three not found
