"""ERPNext, against a server that is written from what its makers publish."""

from __future__ import annotations

import base64
import hashlib
import hmac
import itertools
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from erpnext_stand_in import KEY, SECRET, ErpNext, Northway
from talking import connector, context, example, happened

from asked import AsEngine
from crossdock.connect import Calls, Lines, Registry, Wire
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Response
from crossdock.connect.registry import declared
from crossdock.connect.secret import Secret
from crossdock.connect.signatures import NotVerified, verify
from crossdock.connectors.erpnext import replies
from crossdock.engine import Connections
from crossdock.errors import Refused
from crossdock.store import Database, Tenant

pytestmark = pytest.mark.asyncio(loop_scope="module")
_numbers = itertools.count(1)
SETTINGS = {"company": "Northway", "sites": {"Stores - N": "RNO"}}


class Keeps:
    async def secrets(self, tenant: int, connection: str) -> dict[str, tuple[Secret, ...]]:
        return {"key": (Secret(KEY),), "secret": (Secret(SECRET),), "webhook_secret": (Secret("hook"),)}


class Bench(AsEngine, Northway):
    """Our runtime, connected to it."""

    def __init__(self, tenant: Tenant, calls: Calls, erp: ErpNext) -> None:
        self.tenant, self.calls, self.erp = tenant, calls, erp


@pytest_asyncio.fixture(loop_scope="module")
async def bench(ground: Database) -> AsyncIterator[Bench]:
    tenant = await ground.create_tenant(f"acme-{next(_numbers)}", title="Acme Goods")
    erp = ErpNext()
    runner = web.AppRunner(erp.app())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await Connections(ground).put(
        tenant, "erp", system="erp", connector="erpnext", settings={"url": url, **SETTINGS}
    )
    wire = Wire()
    lines = Lines(ground, Registry.of([connector("erpnext")]), Keeps())
    bench = Bench(tenant, Calls(lines, wire), erp)
    bench.begin()
    yield bench
    await wire.close()
    await runner.cleanup()


def line(number: str, quantity: str) -> dict[str, Any]:
    unit = "XBX" if number.endswith("b") else "EA"
    return {"number": "1", "line": number, "quantity": {"value": quantity, "unit": unit}}


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


DELIVERED = {
    "order": "SO-1",
    "shipments": ["S-1", "S-2"],
    "lines": [[line("SO-1a", "6")], [line("SO-1a", "3"), line("SO-1b", "4")]],
}


async def test_its_declaration_holds_together() -> None:
    declared(connector("erpnext"))


async def test_an_order_is_a_document_of_ours(bench: Bench) -> None:
    bench.order()
    order = await bench.done("get_order", {"order": "SO-1"})
    assert (order["state"], order["site"], order["customer_po"]) == ("released", "RNO", "PO 77")
    assert [(one["number"], one["quantity"]) for one in order["lines"]] == [
        ("SO-1a", {"value": "10", "unit": "EA"}),
        ("SO-1b", {"value": "4", "unit": "XBX"}),
    ]
    ended = await bench.call("get_order", {"order": "nope"})
    assert (ended.outcome, ended.code) == ("refused", "DoesNotExistError")
    assert "not found" in ended.reason
    await bench.calls.check(bench.tenant.id, "erp")


async def test_what_was_delivered_is_noted_by_shipment_and_billed_once(bench: Bench) -> None:
    bench.order()
    invoice = await bench.done("release_invoice", DELIVERED)
    assert invoice["total"] == usd("124.5")
    notes = list(bench.erp.documents["Delivery Note"].values())
    assert [(one["lr_no"], one["docstatus"], one["grand_total"]) for one in notes] == [
        ("S-1", 1, 75),
        ("S-2", 1, 49.5),
    ]
    for again in (True, False):
        assert await bench.done("release_invoice", DELIVERED, again=again) == invoice
    assert (bench.standing("Delivery Note"), bench.standing("Sales Invoice")) == ([1, 1], [1])
    rest = {"order": "SO-1", "shipments": ["S-3"], "lines": [[line("SO-1a", "1")]]}
    assert (await bench.done("release_invoice", rest, key="L"))["total"] == usd("12.5")
    ended = await bench.call("release_invoice", {**rest, "shipments": ["S-4"]}, key="M")
    assert (ended.outcome, ended.code) == ("refused", "nothing_left")


@pytest.mark.parametrize("doctype", ["Delivery Note", "Sales Invoice"])
@pytest.mark.parametrize("when", ["create", "created", "submit"])
@pytest.mark.parametrize("status", [500, 503])
async def test_whatever_is_cut_off_in_the_middle_it_is_done_once(
    bench: Bench, doctype: str, when: str, status: int
) -> None:
    bench.order()
    once = iter([web.Response(status=status)])
    bench.erp.trouble = lambda what: next(once, None) if what == f"{when} {doctype}" else None
    ended = await bench.call("release_invoice", DELIVERED)
    assert ended.outcome in ("unknown", "unreachable")
    assert (await bench.done("release_invoice", DELIVERED, again=True))["total"] == usd("124.5")
    assert (bench.standing("Delivery Note"), bench.standing("Sales Invoice")) == ([1, 1], [1])


async def test_stock_that_is_missing_is_refused_in_its_words_until_it_is_there(bench: Bench) -> None:
    bench.order()
    bench.erp.stock = 2.0
    ended = await bench.call("release_invoice", DELIVERED)
    assert (ended.outcome, ended.code) == ("refused", "NegativeStockError")
    assert "units needed" in ended.reason
    bench.erp.stock = 100.0
    await bench.done("release_invoice", DELIVERED)
    assert bench.standing("Delivery Note") == [1, 1]


async def test_a_draft_that_somebody_changed_meanwhile_is_looked_at_again(bench: Bench) -> None:
    bench.order()

    def touched(what: str) -> None:
        if what == "submit Delivery Note":
            bench.erp.trouble = None
            bench.erp.again(bench.erp.documents["Delivery Note"]["DE-1"])

    bench.erp.trouble = touched  # type: ignore[assignment]
    assert (await bench.call("release_invoice", DELIVERED)).outcome == "unknown"
    await bench.done("release_invoice", DELIVERED, again=True)
    assert bench.standing("Delivery Note") == [1, 1]


async def test_credit_counts_what_is_owed_and_ordered_but_not_the_order_itself(bench: Bench) -> None:
    bench.order()
    bench.order("SO-2", per_billed=50)
    asked = {"customer": "C1", "order": "SO-1", "amount": usd("137.00")}
    assert await bench.done("check_credit", asked) == {
        "ok": True,
        "exposure": usd("68.50"),
        "limit": usd("500.0"),
    }
    over = await bench.done("check_credit", {**asked, "amount": usd("450.00")})
    assert (over["ok"], over["reason"]) == (False, "over_limit")
    ended = await bench.call("check_credit", {**asked, "amount": {"amount": "1", "currency": "EUR"}})
    assert ended.outcome == "refused"


async def test_an_invoice_is_credited_in_part_and_in_full_each_once(bench: Bench) -> None:
    bench.order()
    invoice = await bench.done("release_invoice", DELIVERED)
    some = {"order": "SO-1", "amount": usd("24.90"), "reason": "crushed"}
    given = await bench.done("create_credit", some, key="C")
    assert given["amount"] == usd("24.9")
    assert await bench.done("create_credit", some, key="C", again=True) == given
    assert await bench.done("create_credit", some, key="C") == given
    whole = await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="D")
    assert whole["amount"] == usd("99.6")  # what was left
    assert bench.standing("Sales Invoice") == [1, 1, 1]
    ended = await bench.call("credit_invoice", {"invoice": invoice["invoice"], "amount": usd("200")}, key="E")
    assert (ended.outcome, ended.code) == ("refused", "too_much")


async def read(bench: Bench, feed: str, cursor: str = "") -> tuple[list[Any], str]:
    poll = next(one for one in connector("erpnext").polls if one.name == feed)
    events: list[Any] = []
    more = True
    while more:
        page = await bench.calls.ask(bench.tenant.id, "erp", poll.read, cursor)
        assert poll.translate is not None
        settings = context("erpnext", **SETTINGS).settings
        told = [one for record in page.records for one in poll.translate(record, settings)]
        events += arrivals(told, connector("erpnext"), "erp", "page")
        cursor, more = page.cursor, page.more
    return events, cursor


async def test_the_feed_tells_what_was_submitted_and_cancelled_and_a_lost_cursor_tells_the_same(
    bench: Bench,
) -> None:
    for n in range(60):  # more than a page
        bench.order(f"SO-{n}")
    bench.order("SO-draft", docstatus=0)
    events, cursor = await read(bench, "orders")
    assert ([one.type for one in events], len({one.id for one in events})) == (["order.released"] * 60, 60)
    assert (await read(bench, "orders", cursor))[0] == []
    bench.order("SO-7", docstatus=2)
    (cancelled,), cursor = await read(bench, "orders", cursor)
    assert (cancelled.type, cancelled.about) == ("order.cancelled", {"order": "SO-7"})
    again, _ = await read(bench, "orders", "{lost")
    assert {one.id for one in again} == {one.id for one in events} - {"Sales Order/SO-7/released"} | {
        cancelled.id
    }


async def test_invoices_and_credits_are_told(bench: Bench) -> None:
    bench.order()
    invoice = await bench.done("release_invoice", DELIVERED)
    await bench.done("credit_invoice", {"invoice": invoice["invoice"]}, key="D")
    document = bench.erp.documents["Sales Invoice"][invoice["invoice"]]
    bench.erp.again(document, status="Paid")
    events, _ = await read(bench, "invoices")
    assert sorted(one.type for one in events) == ["credit.issued", "invoice.paid", "invoice.released"]
    assert {one.about.get("order") for one in events} == {"SO-1"}


async def test_its_webhook_is_proven_and_tells_what_the_feed_tells() -> None:
    webhook = connector("erpnext").webhook
    assert webhook is not None
    body = example("erpnext", "webhook_order.json")
    signature = base64.b64encode(hmac.new(b"hook", body, hashlib.sha256).digest()).decode()
    headers = {"X-Frappe-Webhook-Signature": signature}
    verify(webhook.signature, headers.items(), body, [Secret("hook")], now=0.0)
    with pytest.raises(NotVerified):
        verify(webhook.signature, headers.items(), body + b" ", [Secret("hook")], now=0.0)
    (event,) = happened("erpnext", body, **SETTINGS)
    assert (event.type, event.id) == ("order.released", "Sales Order/SAL-ORD-2026-00001/released")
    assert event.data["lines"][0]["product"]["weight"] == {"value": "0.4", "unit": "KGM"}
    assert event.data["promised_delivery"] == "2026-03-09T23:59:59Z"
    for bad in (b"[]", b"{}", b"null", b'{"doctype": "Sales Order"}'):
        with pytest.raises(Refused):
            happened("erpnext", bad, **SETTINGS)


async def test_what_it_does_not_take_is_told_as_it_would_tell_somebody() -> None:
    answer = Response(417, {}, example("erpnext", "refused.417.json"))
    assert replies.said(answer) == (
        "NegativeStockError",
        "3.0 units of Item KIT-30 needed in Warehouse Stores - N",
    )
    assert replies.said(Response(502, {}, b"<html>Bad Gateway</html>")) == ("", "<html>Bad Gateway</html>")


async def test_bins_are_listed_page_by_page_and_orders_by_what_is_open(bench):
    bench.erp.keep("Warehouse", "Stores - N", company="Northway", is_group=0)
    bench.erp.keep("Warehouse", "Other - X", company="Elsewhere", is_group=0)
    for n in range(201):
        known = {"item_code": f"KIT-{n}", "warehouse": "Stores - N", "stock_uom": "Nos"}
        bench.erp.keep("Bin", f"bin-{n:03}", **known, actual_qty=float(n + 1), reserved_qty=0.0)
    theirs = {"item_code": "KIT-1", "warehouse": "Other - X", "stock_uom": "Nos", "actual_qty": 9.0}
    bench.erp.keep("Bin", "bin-999", **theirs)
    first = await bench.done("list_stock", {})
    rest = await bench.done("list_stock", {"cursor": first["next"]})
    assert (len(first["stock"]), [one["item"] for one in rest["stock"]]) == (200, ["KIT-200"])
    assert (first["stock"][0]["site"], first["stock"][0]["on_hand"]) == ("RNO", {"value": "1", "unit": "EA"})
    (one,) = (await bench.done("list_stock", {"items": ["KIT-7"]}))["stock"]
    assert one["on_hand"]["value"] == "8"
    bench.order()
    some = {"order": "SO-1", "shipments": ["S-1"], "lines": [[line("SO-1a", "4"), line("SO-1b", "4")]]}
    await bench.done("release_invoice", some)
    bench.order("SO-2", status="Completed")
    (open_,) = (await bench.done("list_allocations", {}))["allocations"]
    assert (open_["order"], open_["item"], open_["site"]) == ("SO-1", "KIT-30", "RNO")
    assert open_["quantity"] == {"value": "6", "unit": "EA"}
    assert (await bench.done("list_allocations", {"items": ["BOX-1"]}))["allocations"] == []


async def test_batches_are_told_as_lots_where_they_add_up_to_what_lies_there(bench):
    bench.erp.keep("Warehouse", "Stores - N", company="Northway", is_group=0)
    for item, batched in (("GEL-1", 1), ("GEL-2", 1), ("KIT-30", 0)):
        bench.erp.keep("Item", item, stock_uom="Nos", has_batch_no=batched)
        known = {"item_code": item, "warehouse": "Stores - N", "stock_uom": "Nos"}
        bench.erp.keep("Bin", f"bin-{item}", **known, actual_qty=9.0, reserved_qty=0.0)
    bench.erp.batches["GEL-1", "Stores - N"] = {"L-7": 6.5, "L-8": 2.5, "L-9": 0.0}
    bench.erp.batches["GEL-2", "Stores - N"] = {"L-7": 6.0}  # three of it are reserved
    stock = (await bench.done("list_stock", {}))["stock"]
    assert [(one["item"], one.get("lot"), one["on_hand"]["value"]) for one in stock] == [
        ("GEL-1", "L-7", "6.5"),
        ("GEL-1", "L-8", "2.5"),
        ("GEL-2", None, "9"),
        ("KIT-30", None, "9"),
    ]
    one = {"item": "GEL-1", "site": "RNO", "lot": "L-7", "change": {"value": "2", "unit": "EA"}}
    await bench.done("adjust_stock", one)
    (entry,) = bench.erp.documents["Stock Entry"].values()
    assert entry["items"][0]["batch_no"] == "L-7"


async def test_a_count_becomes_one_stock_entry_however_often_it_is_called(bench):
    bench.erp.keep("Item", "KIT-30", stock_uom="Nos")
    less = {"item": "KIT-30", "site": "RNO", "change": {"value": "-3", "unit": "EA"}, "adjustment": "CC-1"}
    lost = iter([web.Response(status=500)])  # it is there, as a draft
    bench.erp.trouble = lambda what: next(lost, None) if what == "created Stock Entry" else None
    assert (await bench.call("adjust_stock", less)).outcome == "unknown"
    bench.erp.trouble = None
    made = (await bench.call("adjust_stock", less, again=True)).output
    (entry,) = bench.erp.documents["Stock Entry"].values()
    assert made == {"adjustment": entry["name"]}
    assert (entry["docstatus"], entry["stock_entry_type"]) == (1, "Material Issue")
    (row,) = entry["items"]
    assert (row["qty"], row["s_warehouse"], row["uom"]) == (3, "Stores - N", "Nos")
    assert (await bench.call("adjust_stock", less, again=True)).output == made
    cases = {**less, "change": {"value": "1", "unit": "XCT"}}
    refused = await bench.call("adjust_stock", cases, key="other")
    assert (refused.outcome, refused.code) == ("refused", "unit")
