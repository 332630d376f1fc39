"""Odoo where an order is not a plain one: other units, kits, services, discounts, currencies; too much, or changed.

By JSON-2 as of 19, and by JSON-RPC as of 17 and 18.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from odoo_stand_in import DATABASE, KEY, USER, Northway, Odoo
from talking import connector, context

from asked import AsEngine
from crossdock.connect import Calls, Lines, Registry, Wire
from crossdock.connect.arrivals import arrivals
from crossdock.connect.secret import Secret
from crossdock.engine import Connections
from crossdock.process.messages import CallEnded
from crossdock.store import Database, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")
_numbers = itertools.count(1)
SETTINGS: dict[str, Any] = {"database": DATABASE, "sites": {"WH": "RNO"}}


class Keeps:
    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {"user": (Secret(USER),), "key": (Secret(KEY),)}


class Bench(AsEngine, Northway):
    """Our runtime, connected to it."""

    def __init__(self, tenant: Tenant, calls: Calls, odoo: Odoo) -> None:
        self.tenant, self.calls, self.odoo = tenant, calls, odoo

    async def refused(self, operation: str, data: Any, code: str, *words: str, **more: Any) -> CallEnded:
        """It is refused in these words."""
        ended = await self.call(operation, data, **more)
        assert (ended.outcome, ended.code) == ("refused", code), ended
        for word in words:
            assert word in ended.reason
        return ended

    def done_transfers(self) -> int:
        return self.states("stock.picking").count("done")

    def invoices(self) -> list[float]:
        found = [one for one in self.odoo.all("account.move") if one["state"] == "posted"]
        return [one["amount_total"] for one in found if one["move_type"] == "out_invoice"]


@pytest_asyncio.fixture(params=[19, 18, 17], loop_scope="module")
async def bench(request: pytest.FixtureRequest, ground: Database) -> AsyncIterator[Bench]:
    tenant = await ground.create_tenant(f"acme-unusual-{next(_numbers)}", title="Acme Goods")
    odoo = Odoo(request.param)
    runner = web.AppRunner(odoo.app())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    interface = "json2" if request.param > 18 else "jsonrpc"
    settings = {"url": url, "interface": interface, **SETTINGS}
    await Connections(ground).put(tenant, "erp", system="erp", connector="odoo", settings=settings)
    wire = Wire()
    calls = Calls(Lines(ground, Registry.of([connector("odoo")]), Keeps()), wire)
    bench = Bench(tenant, calls, odoo)
    bench.begin()
    yield bench
    await wire.close()
    await runner.cleanup()


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def part(line: str, quantity: str, unit: str = "EA") -> dict[str, Any]:
    return {"number": "1", "line": line, "quantity": {"value": quantity, "unit": unit}}


def left(*shipments: list[Any]) -> dict[str, Any]:
    """That so much left, by shipment."""
    names = [f"X-{n}" for n in range(1, len(shipments) + 1)]
    return {"order": "S00001", "shipments": names, "lines": list(shipments)}


async def news(bench: Bench) -> list[tuple[str, Any]]:
    """What the feed of orders tells from its beginning."""
    poll = next(one for one in connector("odoo").polls if one.name == "orders")
    page = await bench.calls.ask(bench.tenant.id, "erp", poll.read, "")
    assert poll.translate is not None
    settings = context("odoo", **SETTINGS).settings
    told = [one for record in page.records for one in poll.translate(record, settings)]
    return [(one.type, one.data) for one in arrivals(told, connector("odoo"), "erp", "page")]


# -- units --------------------------------------------------------------------------------------------------


async def test_dozens_that_odoo_moves_as_pieces_are_billed_as_dozens(bench: Bench) -> None:
    bench.order()
    line = bench.line(bench.sale(), bench.kit, 3.0, 144.0, **{bench.odoo.unit_field: bench.dozens})
    ((_, order),) = await news(bench)
    assert order["lines"][2]["quantity"] == {"value": "3", "unit": "DZN"}
    invoice = await bench.done("release_invoice", left([part(line, "2", "DZN")]))
    assert invoice["total"] == usd("288.0")
    (moved,) = [one["quantity"] for one in bench.odoo.all("stock.move") if one["state"] == "done"]
    assert moved == 24.0
    assert (await bench.call("release_invoice", left([part(line, "2", "DZN")]), again=True)).output == invoice
    back = {"order": "S00001", "lines": [part(line, "1", "DZN")]}
    returned = await bench.done("authorise_return", back, key="R")
    credit = await bench.done("create_credit", {"order": "S00001", **returned}, key="C")
    assert credit["amount"] == usd("144.0")


async def test_a_quantity_in_another_unit_than_the_lines_is_refused(bench: Bench) -> None:
    kit, _ = bench.order()
    words = f"line {kit} (KIT-30) of S00001 is in EA", "told in DZN"
    await bench.refused("release_invoice", left([part(kit, "2", "DZN")]), "unit", *words)
    assert bench.done_transfers() == 0
    await bench.done("release_invoice", left([part(kit, "2", "H87")]))  # one piece has several codes
    back = {"order": "S00001", "lines": [part(kit, "1", "DZN")]}
    await bench.refused("authorise_return", back, "unit", *words, key="R")
    assert len(bench.odoo.all("stock.picking")) == 2


async def test_what_is_no_round_number_in_the_unit_of_the_product_is_refused(bench: Bench) -> None:
    bench.kit["uom_id"] = bench.dozens
    bench.order()
    line = bench.line(bench.sale(), bench.kit, 24.0, 1.0, **{bench.odoo.unit_field: bench.units})
    await bench.refused("release_invoice", left([part(line, "5")]), "unit", "no round number")
    assert bench.done_transfers() == 0
    assert (await bench.done("release_invoice", left([part(line, "6")])))["total"] == usd("6.0")


# -- too much, and what was told otherwise ------------------------------------------------------------------


async def test_more_than_is_left_is_refused_with_what_is_left_before_anything_is_done(bench: Bench) -> None:
    kit, box = bench.order()
    data = left([part(kit, "11")])
    await bench.refused("release_invoice", data, "nothing_left", "10 left", f"line {kit} (KIT-30)", "not 11")
    both = left([part(kit, "6")], [part(kit, "6"), part(box, "1")])
    await bench.refused("release_invoice", both, "nothing_left", "4 left", "not 6")
    strange = left([part("999999", "1")])
    await bench.refused("release_invoice", strange, "not_found", "no line of goods 999999")
    assert (bench.done_transfers(), bench.odoo.all("account.move")) == (0, [])
    assert not any(one["picked"] for one in bench.odoo.all("stock.move"))


async def test_a_delivery_that_is_corrected_after_a_try_is_delivered_as_corrected(bench: Bench) -> None:
    kit, box = bench.order()
    bench.odoo.trouble = lambda what: (
        web.Response(status=502) if what == "before stock.picking.button_validate" else None
    )
    first = await bench.call("release_invoice", left([part(kit, "6"), part(box, "4")]))
    assert first.outcome in ("unknown", "unreachable")
    bench.odoo.trouble = lambda _: None
    invoice = await bench.done("release_invoice", left([part(kit, "2")]), again=True)
    assert (invoice["total"], bench.done_transfers()) == (usd("25.0"), 1)


async def test_what_was_billed_is_not_what_was_wanted_where_the_quantities_are_others(bench: Bench) -> None:
    kit, _ = bench.order()
    invoice = await bench.done("release_invoice", left([part(kit, "6")]))
    for again in (True, False):
        words = "is done with 6 of", "not 5"
        await bench.refused("release_invoice", left([part(kit, "5")]), "wrong_state", *words, again=again)
    more = left([part(kit, "6")], [part(kit, "1")])
    both = await bench.done("release_invoice", more, again=True)
    assert both["invoice"].startswith(f"{invoice['invoice']}, ")
    assert (both["total"], bench.invoices()) == (usd("87.5"), [75.0, 12.5])


async def test_more_than_was_delivered_does_not_come_back_and_no_return_grows_by_another_try(
    bench: Bench,
) -> None:
    kit, box = bench.order()
    await bench.done("release_invoice", left([part(kit, "6")]))

    def back(line: str, quantity: str) -> dict[str, Any]:
        return {"order": "S00001", "lines": [part(line, quantity)]}

    words = f"Odoo has 6 of line {kit} (KIT-30) of S00001", "not 7"
    await bench.refused("authorise_return", back(kit, "7"), "nothing_left", *words, key="R")
    await bench.refused("authorise_return", back(box, "1"), "nothing_left", "Odoo has 0 of", key="R")
    await bench.done("authorise_return", back(kit, "2"), key="R")
    await bench.refused("authorise_return", back(kit, "5"), "nothing_left", "Odoo has 4 of", key="S")
    for again in (True, False):
        words = "is for 2 of", "not 1"
        await bench.refused("authorise_return", back(kit, "1"), "wrong_state", *words, key="R", again=again)


# -- what is billed -----------------------------------------------------------------------------------------


async def test_services_are_billed_with_the_first_delivery_and_not_waited_for(bench: Bench) -> None:
    kit, _ = bench.order()
    bench.line(bench.sale(), bench.freight, 1.0, 20.0)
    bench.freight["active"] = False  # archived since
    ((_, order),) = await news(bench)
    assert len(order["lines"]) == 2
    assert order["charges"] == [{"kind": "FREIGHT", "amount": usd("20.0")}]
    assert (await bench.done("release_invoice", left([part(kit, "6")])))["total"] == usd("95.0")
    rest = {**left([part(kit, "4")]), "shipments": ["X-2"]}
    assert (await bench.done("release_invoice", rest, key="L"))["total"] == usd("50.0")


async def test_an_order_of_services_alone_is_not_released(bench: Bench) -> None:
    bench.order()
    sale = bench.sale()
    for model in ("sale.order.line", "stock.picking", "stock.move"):
        bench.odoo.records[model].clear()
    bench.line(sale, bench.freight, 1.0, 20.0)
    assert await news(bench) == []


async def test_of_what_is_billed_as_ordered_no_more_is_billed_than_was_delivered(bench: Bench) -> None:
    bench.kit["invoice_policy"] = bench.box["invoice_policy"] = "order"  # as Odoo has it for a new product
    kit, box = bench.order()
    assert (await bench.done("release_invoice", left([part(kit, "6")])))["total"] == usd("75.0")
    rest = {**left([part(kit, "4"), part(box, "4")]), "shipments": ["X-2"]}
    assert (await bench.done("release_invoice", rest, key="L"))["total"] == usd("62.0")


async def test_what_somebody_delivered_by_hand_is_not_billed_under_our_key(bench: Bench) -> None:
    kit, box = bench.order()
    (by_hand,) = bench.odoo.all("stock.picking")
    for move in bench.odoo.all("stock.move"):
        move |= {"picked": True, "quantity": 4.0}
    bench.odoo._validated(by_hand, {"skip_backorder": True})
    by_hand["origin"] = "by hand"
    assert (await bench.done("release_invoice", left([part(kit, "6")])))["total"] == usd("75.0")
    none = {**left([part(box, "1")]), "shipments": ["X-2"]}
    await bench.refused("release_invoice", none, "nothing_left", "nothing left to deliver", key="L")


async def test_what_is_billed_already_is_not_billed_again(bench: Bench) -> None:
    bench.kit["invoice_policy"] = "order"
    kit, _ = bench.order()
    number = bench.odoo._invoiced(bench.sale())["res_id"]
    bench.odoo._posted([bench.odoo.records["account.move"][number]])
    ended = await bench.call("release_invoice", left([part(kit, "6")]))
    assert (ended.outcome, bench.invoices()) == ("refused", [125.0])


async def test_a_discount_is_an_allowance_and_is_billed_with_the_first_delivery(bench: Bench) -> None:
    kit, _ = bench.order()
    off = bench.odoo.keep("product.product", **{**bench.freight, "default_code": "DISCOUNT"})
    bench.line(bench.sale(), off, 1.0, -13.7)
    ((_, order),) = await news(bench)
    assert order["charges"] == [{"kind": "DISCOUNT", "amount": usd("-13.7")}]
    assert (await bench.done("release_invoice", left([part(kit, "6")])))["total"] == usd("61.3")


async def test_where_the_discount_is_more_than_the_delivery_nothing_is_credited_by_mistake(
    bench: Bench,
) -> None:
    kit, _ = bench.order()
    off = bench.odoo.keep("product.product", **{**bench.freight, "default_code": "DISCOUNT"})
    bench.line(bench.sale(), off, 1.0, -100.0)
    for again in (False, True):
        words = "nothing to bill of S00001", "takes off"
        await bench.refused("release_invoice", left([part(kit, "1")]), "no_invoice", *words, again=again)
    assert bench.odoo.all("account.move") == []


async def test_goods_that_come_back_with_an_order_do_not_go_out_with_it(bench: Bench) -> None:
    kit, box = bench.order()
    sale = bench.sale()
    bench.line(sale, bench.box, -2.0, 3.0)
    bench.line(sale, bench.box, 0.0, 3.0)
    bench.note(sale, "line_section", "Kits")
    bench.note(sale, "line_note", "Handle with care")
    ((kind, order),) = await news(bench)
    assert (kind, [one["number"] for one in order["lines"]]) == ("order.released", [kit, box])
    everything = left([part(kit, "10"), part(box, "4")])
    assert (await bench.done("release_invoice", everything))["total"] == usd("137.0")
    back = next(one for one in bench.odoo.all("stock.picking") if one["picking_type_code"] == "incoming")
    credit = {"order": "S00001", "return": back["name"]}
    assert (await bench.done("create_credit", credit, key="C"))["amount"] == usd("6.0")


async def test_a_kit_is_billed_where_all_of_it_goes_and_told_where_it_does_not(bench: Bench) -> None:
    kit, _ = bench.order()
    whole = bench.odoo.keep("product.product", **{**bench.kit, "default_code": "SET-1"})
    parts = {bench.kit["id"]: 3.0, bench.box["id"]: 1.0}
    line = bench.line(bench.sale(), whole, 2.0, 50.0, kit=parts)
    words = f"line {line} (SET-1) of S00001 is a kit", "all 2 that are left", "not 1"
    await bench.refused("release_invoice", left([part(line, "1")]), "kit", *words)
    assert bench.done_transfers() == 0
    invoice = await bench.done("release_invoice", left([part(line, "2"), part(kit, "1")]))
    assert invoice["total"] == usd("112.5")
    again = await bench.done("release_invoice", left([part(line, "2"), part(kit, "1")]), again=True)
    assert again == invoice
    back = {"order": "S00001", "lines": [part(line, "1")]}
    await bench.refused("authorise_return", back, "kit", "is a kit", key="R")
    returned = await bench.done("authorise_return", {"order": "S00001"}, key="R")
    credit = await bench.done("create_credit", {"order": "S00001", **returned}, key="C")
    assert credit["amount"] == usd("112.5")


# -- credits ------------------------------------------------------------------------------------------------


async def test_no_more_is_credited_than_an_invoice_has_left(bench: Bench) -> None:
    kit, box = bench.order()
    invoice = await bench.done("release_invoice", left([part(kit, "9"), part(box, "4")]))
    returned = await bench.done("authorise_return", {"order": "S00001", "lines": [part(kit, "2")]}, key="R")
    await bench.done("create_credit", {"order": "S00001", **returned}, key="C")  # of no one invoice: 25.00
    await bench.done("create_credit", {"order": "S00001", "amount": usd("20.00")}, key="D")
    row = {"display_type": "product", "sale_line_ids": [int(kit)], "price_unit": 12.5, "quantity": 1.0}
    of = {"currency_id": [1, "USD"], "invoice_origin": "by hand", "ref": False}
    bench.odoo._account_move("out_invoice", [row], **of)  # a draft, which has not billed anything
    more = {"invoice": invoice["invoice"], "amount": usd("79.51")}
    words = "is for 124.5, of which 45.0 is credited already"
    await bench.refused("credit_invoice", more, "too_much", words, key="E")
    whole = await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="F")
    assert whole["amount"] == usd("79.5")
    for again in (True, False):
        found = await bench.call("credit_invoice", {"invoice": invoice["invoice"]}, key="F", again=again)
        assert found.output == whole
    await bench.refused("credit_invoice", {"invoice": invoice["invoice"]}, "too_much", key="G")


async def test_a_return_of_what_is_credited_already_is_not_credited_again(bench: Bench) -> None:
    kit, _ = bench.order()
    invoice = await bench.done("release_invoice", left([part(kit, "6")]))
    some = {"invoice": invoice["invoice"], "amount": usd("60.00")}
    await bench.done("credit_invoice", some, key="C")
    returned = await bench.done("authorise_return", {"order": "S00001", "lines": [part(kit, "2")]}, key="R")
    asked = {"order": "S00001", **returned}
    for again in (False, True):
        words = "would credit 25.0 USD", "of S00001 15.0 is left"
        await bench.refused("create_credit", asked, "too_much", *words, key="D", again=again)
    draft = next(one for one in bench.odoo.all("account.move") if one["state"] == "draft")
    bench.odoo._posted([draft])  # somebody wants it so
    assert (await bench.done("create_credit", asked, key="D", again=True))["amount"] == usd("25.0")


async def test_a_credit_that_somebody_set_off_against_an_invoice_counts(bench: Bench) -> None:
    kit, box = bench.order()
    invoice = await bench.done("release_invoice", left([part(kit, "9"), part(box, "4")]))
    bench.odoo.keep(
        "account.partial.reconcile",
        debit_amount_currency=24.5,
        **{
            "debit_move_id.move_id": bench.odoo.all("account.move")[0]["id"],
            "credit_move_id.move_id.move_type": "out_refund",
            "credit_move_id.move_id.reversed_entry_id": False,
        },
    )
    whole = await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="F")
    assert whole["amount"] == usd("100.0")


async def test_a_credit_of_money_does_not_have_the_goods_billed_again(bench: Bench) -> None:
    kit, _ = bench.order()
    invoice = await bench.done("release_invoice", left([part(kit, "6")]))
    await bench.done("create_credit", {"order": "S00001", "amount": usd("10.00")}, key="C")
    await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="D")
    rest = {"order": "S00001", "shipments": ["X-2"]}
    assert (await bench.done("release_invoice", rest, key="L"))["total"] == usd("62.0")


async def test_an_amount_is_credited_to_the_cent_where_prices_have_two_places(bench: Bench) -> None:
    kit, box = bench.order()
    await bench.done("release_invoice", left([part(kit, "9"), part(box, "4")]))
    for n, amount in enumerate(("7.77", "0.01", "33.33")):
        given = await bench.done("create_credit", {"order": "S00001", "amount": usd(amount)}, key=f"C{n}x")
        assert given["amount"] == usd(amount)


async def test_cut_off_anywhere_an_amount_is_credited_once(bench: Bench) -> None:
    kit, box = bench.order()
    await bench.done("release_invoice", left([part(kit, "9"), part(box, "4")]))
    for n in itertools.count():
        calls, met = itertools.count(), []

        def breaks(_: str, n: int = n, calls: Any = calls, met: list[int] = met) -> web.Response | None:
            if next(calls) != n:
                return None
            met.append(n)
            return web.Response(status=502)

        bench.odoo.trouble = breaks
        asked = {"order": "S00001", "amount": usd("1.11")}
        ended = await bench.call("create_credit", asked, key=f"C{n}x")
        if ended.outcome != "done":
            ended = await bench.call("create_credit", asked, key=f"C{n}x", again=True)
        bench.odoo.trouble = lambda _: None
        assert ended.outcome == "done", (n, ended)
        credits_ = [one for one in bench.odoo.all("account.move") if one["move_type"] == "out_refund"]
        assert [(one["state"], one["amount_total"]) for one in credits_] == [("posted", 1.11)] * (n + 1)
        if not met:
            break
    assert n > 5


async def test_a_return_is_credited_for_what_came_back_with_it(bench: Bench) -> None:
    kit, box = bench.order()
    await bench.done("release_invoice", left([part(kit, "6"), part(box, "4")]))
    by_hand = await bench.done("authorise_return", {"order": "S00001", "lines": [part(kit, "2")]}, key="R")
    (transfer,) = [one for one in bench.odoo.all("stock.picking") if one["name"] == by_hand["return"]]
    bench.odoo._validated(transfer, {})  # received in Odoo, and not credited
    bench.line(bench.sale(), bench.freight, 1.0, 5.0)  # ordered since, and not billed
    ours = await bench.done("authorise_return", {"order": "S00001", "lines": [part(box, "1")]}, key="S")
    credit = await bench.done("create_credit", {"order": "S00001", **ours}, key="C")
    assert credit["amount"] == usd("3.0")
    credit = await bench.done("create_credit", {"order": "S00001", **by_hand}, key="D")
    assert credit["amount"] == usd("25.0")


# -- customers, items, credit -------------------------------------------------------------------------------


async def test_credit_of_an_order_in_another_currency_is_checked_at_its_rate(bench: Bench) -> None:
    bench.kit["invoice_policy"] = "order"
    bench.order(currency_id=[2, "EUR"], currency_rate=0.5, amount_to_invoice=50.0)
    asked = {"customer": "C1", "order": "S00001", "amount": {"amount": "125.00", "currency": "EUR"}}
    known = {"exposure": usd("150.00"), "limit": usd("400.0")}
    assert await bench.done("check_credit", asked) == {"ok": True, **known}
    over = {**asked, "amount": {"amount": "125.01", "currency": "EUR"}}
    assert await bench.done("check_credit", over) == {"ok": False, "reason": "over_limit", **known}
    strange = {**asked, "amount": {"amount": "1.00", "currency": "CHF"}}
    ended = await bench.call("check_credit", strange)
    assert (ended.outcome, "at what rate" in ended.reason) == ("refused", True)


async def test_the_company_of_a_contact_has_the_credit_and_zero_is_no_limit(bench: Bench) -> None:
    bench.order()
    company = [bench.partner["id"], "Clinic"]
    contact = {"ref": "JO", "credit": 0.0, "credit_to_invoice": 0.0, "commercial_partner_id": company}
    bench.odoo.keep("res.partner", **{**bench.partner, **contact})
    asked = {"customer": "JO", "order": "S00001", "amount": usd("151.00")}
    assert (await bench.done("check_credit", asked))["ok"] is False
    bench.partner["credit_limit"] = 0.0
    assert await bench.done("check_credit", asked) == {"ok": True, "exposure": usd("250.00")}
    bench.partner |= {"credit_limit": 400.0, "show_credit_limit": False}  # the company sets none
    assert (await bench.done("check_credit", asked))["ok"] is True


async def test_what_is_archived_is_told_with_what_to_do(bench: Bench) -> None:
    kit, _ = bench.order()
    bench.partner["active"] = bench.kit["active"] = False
    order = await bench.done("get_order", {"order": "S00001"})  # still the order that it was
    assert (order["customer"]["id"], order["lines"][0]["item"]) == ("C1", "KIT-30")
    bench.odoo.quant(bench.kit, bench.stock, 5.0)
    assert (await bench.done("list_stock", {}))["stock"][0]["item"] == "KIT-30"
    asked = {"customer": "C1", "order": "S00001", "amount": usd("1.00")}
    await bench.refused("check_credit", asked, "archived", "customer C1 is archived", "unarchive it there")
    count = {"item": "KIT-30", "site": "RNO", "change": {"value": "1", "unit": "EA"}, "adjustment": "CC-1"}
    await bench.refused("adjust_stock", count, "archived", "item KIT-30 is archived")
    assert (await bench.done("release_invoice", left([part(kit, "1")])))["total"] == usd("12.5")


async def test_an_order_whose_transfers_are_all_cancelled_is_cancelled(bench: Bench) -> None:
    kit, _ = bench.order()
    assert [kind for kind, _ in await news(bench)] == ["order.released"]
    bench.odoo._cancelled(bench.odoo.all("stock.picking")[0])
    ((kind, data),) = await news(bench)
    assert (kind, data["order"]) == ("order.cancelled", "S00001")
    await bench.refused("release_invoice", left([part(kit, "1")]), "nothing_left")


async def test_an_order_of_which_some_was_delivered_is_not_cancelled_with_the_rest(bench: Bench) -> None:
    kit, _ = bench.order()
    await bench.done("release_invoice", left([part(kit, "6")]))
    bench.odoo._cancelled(next(one for one in bench.odoo.all("stock.picking") if one["state"] != "done"))
    assert [kind for kind, _ in await news(bench)] == ["order.released"]
