"""The suite that every connector holds, for Odoo by both of its interfaces and for ERPNext.

The answers are those of the contract servers, which are written from what the makers publish: each example is
led against one over HTTP, and what has to come out stands here.
"""

from __future__ import annotations

import json
from typing import Any, ClassVar

import erpnext_stand_in
import odoo_stand_in
from erpnext_stand_in import ErpNext
from odoo_stand_in import DATABASE, Odoo
from playing import Played
from talking import example

from crossdock.connect.conformance import _KEY, Conformance, Example, Fed, Told

URL = "https://erp.example"


def usd(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "USD"}


def part(line: str, quantity: str) -> dict[str, Any]:
    unit = "XBX" if line.endswith("b") else "EA"  # boxes of ERPNext's
    return {"number": "1", "line": line, "quantity": {"value": quantity, "unit": unit}}


def given(examples: list[Example], operation: str) -> Any:
    return next(one.output for one in examples if one.operation == operation)


# -- Odoo ---------------------------------------------------------------------------------------------------


class OdooHouse(odoo_stand_in.Northway):
    def __init__(self, play: Played | None = None) -> None:
        old = play is not None and play.context.settings["interface"] == "jsonrpc"
        self.odoo = Odoo(17 if old else 19)
        self.begin()
        self.lines = self.order()

    def billed(self, play: Played) -> OdooHouse:
        """What was delivered of the order has its invoice, by another call than the one of the example."""
        data = {"order": "S00001", "shipments": ["X-1"]}
        other = Played("odoo", play.context.settings, play.secrets, key="XDANOTHERCALLANOTHERCALL00")
        it = next(one for one in other.connector.operations if one.name == "release_invoice")
        other.lead(self.odoo.app(), it.do(data, other.context))
        return self

    def invoice(self) -> str:
        return str(next(one["name"] for one in self.odoo.all("account.move") if one["state"] == "posted"))


ODOO_SECRETS = {
    "user": odoo_stand_in.USER,
    "key": odoo_stand_in.KEY,
    "webhook_secret": "shown-in-the-address",
}
HINT = b'{"_action": "Tell(#3)", "_id": 7, "_model": "sale.order", "name": "S00001", "state": "sale"}'


def odoo_examples(play: Played) -> list[Example]:
    def of(house: OdooHouse, operation: str, data: Any) -> Example:
        return play.example(house.odoo.app, operation, data)

    delivered = OdooHouse()
    kit, box = delivered.lines
    shipments = {"shipments": ["X-1", "X-2"], "lines": [[part(kit, "6")], [part(kit, "3"), part(box, "4")]]}
    billed, again, kept = (OdooHouse(play).billed(play) for _ in range(3))
    two = [{"order_line": kept.lines[0], "quantity": {"value": "2", "unit": "EA"}}]
    return [
        of(OdooHouse(), "check_credit", {"customer": "C1", "order": "S00001", "amount": usd("140")}),
        of(OdooHouse(), "get_order", {"order": "S00001"}),
        of(delivered, "release_invoice", {"order": "S00001", **shipments}),
        of(
            billed,
            "credit_invoice",
            {"invoice": billed.invoice(), "amount": usd("20.00"), "reason": "crushed"},
        ),
        of(again, "create_credit", {"order": "S00001", "amount": usd("12.50"), "reason": "broken"}),
        of(kept, "authorise_return", {"order": "S00001", "lines": two}),
        of(
            stocked(),
            "adjust_stock",
            {"item": "KIT-30", "site": "RNO", "change": {"value": "-3", "unit": "EA"}, "adjustment": "CC-1"},
        ),
        of(*odoo_returned(play)),
        of(*odoo_returned(play, "cancel_return")),
        *(of(OdooHouse(), f"list_{what}", {}) for what in ("parties", "items", "locations", "units")),
        of(carriers(), "list_services", {}),
        *(of(stocked(), f"list_{what}", {}) for what in ("stock", "allocations")),
    ]


def odoo_returned(play: Played, then: str = "create_credit") -> tuple[OdooHouse, str, Any]:
    """A return of everything that was authorised by another call, to be credited or cancelled."""
    house = OdooHouse(play).billed(play)
    other = Played("odoo", play.context.settings, play.secrets, key="XDANOTHERCALLANOTHERCALL01")
    it = next(one for one in other.connector.operations if one.name == "authorise_return")
    made, _ = other.lead(house.odoo.app(), it.do({"order": "S00001"}, other.context))
    order = {} if then == "cancel_return" else {"order": "S00001", "reason": "broken"}
    return house, then, {"return": made["return"], **order}


def carriers() -> OdooHouse:
    house = OdooHouse()
    house.odoo.keep("delivery.carrier", name="Parcel Express")
    return house


def stocked() -> OdooHouse:
    """Kits on a shelf, and transfers that have them to carry."""
    house = OdooHouse()
    house.odoo.quant(house.kit, house.stock, 5.0)
    lies = {"location_id": [house.stock["id"], "WH/Stock"], "product_id": [house.kit["id"], "KIT-30"]}
    for move in house.odoo.all("stock.move"):
        move |= {"product_uom": [1, "Units"], "picking_type_id.code": "outgoing", **lies}
    return house


def odoo_pages(play: Played) -> list[Fed]:
    house = OdooHouse().billed(play)
    house.order("S00002", state="cancel")
    return [
        Fed(
            feed="orders",
            answers=play.page(house.odoo.app(), "orders"),
            types=["order.released", "order.cancelled"],
        ),
        Fed(feed="invoices", answers=play.page(house.odoo.app(), "invoices"), types=["invoice.released"]),
    ]


JSON2 = {"url": URL, "database": DATABASE, "sites": {"WH": "RNO"}}
JSONRPC = {**JSON2, "interface": "jsonrpc"}


class TestOdoo(Conformance):
    play = Played("odoo", JSON2, ODOO_SECRETS, key=_KEY)
    connector = play.connector
    settings: ClassVar = JSON2
    secrets: ClassVar = ODOO_SECRETS
    examples: ClassVar = odoo_examples(play)
    pages: ClassVar = odoo_pages(play)
    notices: ClassVar = [Told(body=HINT, types=[])]

    def test_what_came_out_is_what_it_has_to_be(self) -> None:
        assert given(self.examples, "check_credit")["exposure"] == usd("250.00")  # not billable yet itself
        assert given(self.examples, "get_order")["state"] == "released"
        assert given(self.examples, "release_invoice")["total"] == usd("124.5")
        assert given(self.examples, "credit_invoice")["amount"] == usd("20.0")
        assert given(self.examples, "create_credit")["amount"] == usd("12.5")
        found = {
            one["code"]
            for what in ("parties", "items")
            for one in given(self.examples, f"list_{what}")["records"]
        }
        assert found == {"C1", "KIT-30", "BOX-1"}
        back = [
            one.output for one in self.examples if one.data.get("return") and one.operation == "create_credit"
        ]
        assert [one["amount"] for one in back] == [usd("137.0")]
        assert given(self.examples, "authorise_return")["return"].startswith("WH/IN/")
        (place,) = given(self.examples, "list_locations")["records"]
        assert (place["code"], place["ours"]) == ("WH", "RNO")
        (lies,) = given(self.examples, "list_stock")["stock"]
        assert (lies["item"], lies["site"], lies["on_hand"]["value"]) == ("KIT-30", "RNO", "5")
        assert len(given(self.examples, "list_allocations")["allocations"]) == 2
        assert given(self.examples, "adjust_stock")["adjustment"].startswith("CC-1 (")


class TestOdooByJsonRpc(TestOdoo):
    play = Played("odoo", JSONRPC, ODOO_SECRETS, key=_KEY)
    connector = play.connector
    settings: ClassVar = JSONRPC
    examples: ClassVar = odoo_examples(play)
    pages: ClassVar = odoo_pages(play)


# -- ERPNext ------------------------------------------------------------------------------------------------


class ErpNextHouse(erpnext_stand_in.Northway):
    def __init__(self) -> None:
        self.erp = ErpNext()
        self.begin()
        self.order()
        kit = {"item_name": "Kit", "disabled": 0, "is_stock_item": 1, "has_variants": 0, "stock_uom": "Nos"}
        self.erp.keep("Item", "KIT-30", **kit)
        self.erp.keep("Warehouse", "Stores - N", company="Northway", is_group=0, disabled=0)
        self.erp.keep("UOM", "Nos", enabled=1)
        lies = {"item_code": "KIT-30", "warehouse": "Stores - N", "stock_uom": "Nos"}
        self.erp.keep("Bin", "bin-1", **lies, actual_qty=5.0, reserved_qty=0.0)

    def billed(self, play: Played) -> ErpNextHouse:
        """What was delivered of the order has its invoice, by another call than the one of the example."""
        other = Played("erpnext", play.context.settings, play.secrets, key="XDANOTHERCALLANOTHERCALL00")
        it = next(one for one in other.connector.operations if one.name == "release_invoice")
        other.lead(self.erp.app(), it.do({"order": "SO-1", "shipments": ["S-1"]}, other.context))
        return self

    def invoice(self) -> str:
        return next(iter(self.erp.documents["Sales Invoice"]))


def erpnext_examples(play: Played) -> list[Example]:
    def of(house: ErpNextHouse, operation: str, data: Any) -> Example:
        return play.example(house.erp.app, operation, data)

    shipments = {
        "shipments": ["S-1", "S-2"],
        "lines": [[part("SO-1a", "6")], [part("SO-1a", "3"), part("SO-1b", "4")]],
    }
    billed, again = ErpNextHouse().billed(play), ErpNextHouse().billed(play)
    return [
        of(ErpNextHouse(), "check_credit", {"customer": "C1", "order": "SO-1", "amount": usd("140")}),
        of(ErpNextHouse(), "get_order", {"order": "SO-1"}),
        of(ErpNextHouse(), "release_invoice", {"order": "SO-1", **shipments}),
        of(
            billed,
            "credit_invoice",
            {"invoice": billed.invoice(), "amount": usd("20.00"), "reason": "crushed"},
        ),
        of(again, "create_credit", {"order": "SO-1", "amount": usd("12.50"), "reason": "broken"}),
        of(
            ErpNextHouse().billed(play),
            "authorise_return",
            {"order": "SO-1", "lines": [{"order_line": "SO-1a", "quantity": {"value": "2", "unit": "EA"}}]},
        ),
        of(*returned(play)),
        of(ErpNextHouse(), "cancel_return", {"return": "MAT-DN-RET-1"}),
        *(of(ErpNextHouse(), f"list_{what}", {}) for what in ("parties", "items", "locations", "units")),
        *(of(ErpNextHouse(), f"list_{what}", {}) for what in ("stock", "allocations")),
        of(
            ErpNextHouse(),
            "adjust_stock",
            {"item": "KIT-30", "site": "RNO", "change": {"value": "-3", "unit": "EA"}, "adjustment": "CC-1"},
        ),
    ]


def returned(play: Played) -> tuple[ErpNextHouse, str, Any]:
    """A return that was authorised by another call, to be credited."""
    house = ErpNextHouse().billed(play)
    other = Played("erpnext", play.context.settings, play.secrets, key="XDANOTHERCALLANOTHERCALL01")
    it = next(one for one in other.connector.operations if one.name == "authorise_return")
    made, _ = other.lead(house.erp.app(), it.do({"order": "SO-1"}, other.context))
    return house, "create_credit", {"order": "SO-1", "return": made["return"], "reason": "broken"}


def erpnext_pages(play: Played) -> list[Fed]:
    house = ErpNextHouse().billed(play)
    house.order("SO-2", docstatus=2)
    return [
        Fed(
            feed="orders",
            answers=play.page(house.erp.app(), "orders"),
            types=["order.released", "order.cancelled"],
        ),
        Fed(feed="invoices", answers=play.page(house.erp.app(), "invoices"), types=["invoice.released"]),
    ]


ERPNEXT = {"url": URL, "company": "Northway", "sites": {"Stores - N": "RNO"}}
ERPNEXT_SECRETS = {
    "key": erpnext_stand_in.KEY,
    "secret": erpnext_stand_in.SECRET,
    "webhook_secret": "signed-with-this",
}
ORDER = example("erpnext", "webhook_order.json")
INVOICE = json.dumps(
    {
        "doctype": "Sales Invoice",
        "name": "ACC-SINV-1",
        "docstatus": 1,
        "status": "Paid",
        "modified": "2026-03-02 10:00:00.000001",
        "currency": "USD",
        "grand_total": 137.0,
        "items": [{"name": "r1", "sales_order": "SO-1", "so_detail": "SO-1a", "amount": 137.0}],
    }
).encode()


class TestErpNext(Conformance):
    play = Played("erpnext", ERPNEXT, ERPNEXT_SECRETS, key=_KEY)
    connector = play.connector
    settings: ClassVar = ERPNEXT
    secrets: ClassVar = ERPNEXT_SECRETS
    examples: ClassVar = erpnext_examples(play)
    pages: ClassVar = erpnext_pages(play)
    notices: ClassVar = [
        Told(body=ORDER, types=["order.released"]),
        Told(body=INVOICE, types=["invoice.released", "invoice.paid"]),
    ]

    def test_what_came_out_is_what_it_has_to_be(self) -> None:
        assert given(self.examples, "check_credit")["ok"] is True
        assert given(self.examples, "get_order")["state"] == "released"
        assert given(self.examples, "release_invoice")["total"] == usd("124.5")
        assert given(self.examples, "credit_invoice")["amount"] == usd("20.0")
        assert given(self.examples, "create_credit")["amount"] == usd("12.5")
        back = [
            one.output for one in self.examples if one.data.get("return") and one.operation == "create_credit"
        ]
        assert [one["amount"] for one in back] == [usd("137.0")]
        assert given(self.examples, "authorise_return")["return"].startswith("DE-")
        (unit,) = given(self.examples, "list_units")["records"]
        assert (unit["code"], unit["ours"]) == ("Nos", "EA")
        (lies,) = given(self.examples, "list_stock")["stock"]
        assert (lies["item"], lies["site"], lies["on_hand"]["value"]) == ("KIT-30", "RNO", "5")
        assert len(given(self.examples, "list_allocations")["allocations"]) == 2
        assert given(self.examples, "adjust_stock")["adjustment"].startswith("ST-")
