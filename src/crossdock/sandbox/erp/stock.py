"""Northway ERP, stock by the books: counted, adjusted, booked out with each invoice."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossdock.sandbox.amounts import exact
from crossdock.sandbox.clock import stamp
from crossdock.sandbox.erp.shapes import NewAdjustment, StockCount
from crossdock.sandbox.service import Call, Reply, Route

if TYPE_CHECKING:
    from crossdock.sandbox.erp.finance import Invoice
    from crossdock.sandbox.erp.orders import Erp, Order

MOST = 500
OPEN = frozenset({"RELEASED", "PICKING", "PART_SHIPPED", "SHIPPED", "INVOICED"})
Place = tuple[str, str]  # item and site


class Stock:
    """What lies where by the books. An item that was never counted at a site has no book there."""

    def __init__(self, erp: Erp) -> None:
        """Belong to an ERP."""
        self._erp = erp
        self.begin()

    def begin(self) -> None:
        """Forget all."""
        self._lies: dict[Place, Decimal] = {}
        self._changed: dict[Place, datetime] = {}
        self._units: dict[Place, str] = {}
        self._adjustments: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Count, adjust, look."""
        return [
            Route("stock.count", "POST", "/stock/count", self.count),
            Route("stock.adjust", "POST", "/stock/adjustments", self.adjust),
            Route("stock.find_adjustments", "GET", "/stock/adjustments", self.find_adjustments),
            Route("stock.list", "GET", "/stock", self.list_stock),
            Route("stock.reservations", "GET", "/stock/reservations", self.list_reservations),
        ]

    def count(self, call: Call) -> Reply:
        """Set what lies there."""
        new = call.read(StockCount)
        place = (new.item, new.site)
        self._units[place] = new.uom
        self._set(place, new.quantity)
        self._erp.did(call, new.item, id=f"{new.site}/{new.item}")
        return Reply(200, {"result": self._show(place)})

    def adjust(self, call: Call) -> Reply:
        """Add what was found to be more, or take off what was less; a second call does it a second time."""
        new = call.read(NewAdjustment)
        place = (new.item, new.site)
        self._units.setdefault(place, new.uom)
        self._set(place, self._lies.get(place, Decimal(0)) + new.change)
        made = {
            "id": self._erp.number("ADJ-"),
            "reference": new.reference,
            "item": new.item,
            "site": new.site,
            "change": str(exact(new.change)),
            "reason": new.reason,
            "at": stamp(self._erp.now),
        }
        self._adjustments[made["id"]] = made
        about = {"reference": new.reference, "id": made["id"], "kind": "adjustment"}
        self._erp.did(call, new.item, change=1, **about)
        return Reply(200, {"result": made})

    def find_adjustments(self, call: Call) -> Reply:
        """Adjustments by reference."""
        wanted = call.query("reference")
        found = [one for one in self._adjustments.values() if one["reference"] == wanted]
        return Reply(200, {"result": found})

    def list_stock(self, call: Call) -> Reply:
        """What lies where, by item and site."""
        items = _items(call)
        places = sorted(place for place in self._lies if not items or place[0] in items)
        return _page(call, "stock", [self._show(place) for place in places])

    def list_reservations(self, call: Call) -> Reply:
        """What released orders have open: ordered and not on a posted invoice."""
        items = _items(call)
        rows = [
            {
                "order": order.new.number,
                "line_no": line.line_no,
                "item": line.item,
                "site": order.new.site,
                "quantity": str(exact(left)),
                "uom": line.uom,
                "changed_at": stamp(order.changed_at),
            }
            for order in self._erp.orders.values()
            if order.status in OPEN
            for line, left in self._open(order)
            if left > 0 and (not items or line.item in items)
        ]
        return _page(call, "reservations", rows)

    def book_out(self, order: Order, invoice: Invoice) -> None:
        """What an invoice bills has left."""
        items = {line.line_no: line.item for line in order.new.lines}
        for part in invoice.lines:
            place = (items[part["line_no"]], order.new.site)
            if place in self._lies:
                self._set(place, self._lies[place] - Decimal(part["quantity"]))

    def _open(self, order: Order) -> list[tuple[Any, Decimal]]:
        billed: dict[int, Decimal] = {}
        for invoice in self._erp.finance.by_order.get(order.new.number, []):
            for part in invoice.lines if invoice.status in ("POSTED", "PAID") else ():
                number = part["line_no"]
                billed[number] = billed.get(number, Decimal(0)) + Decimal(part["quantity"])
        return [(line, line.quantity - billed.get(line.line_no, Decimal(0))) for line in order.new.lines]

    def _set(self, place: Place, quantity: Decimal) -> None:
        self._lies[place] = Decimal(quantity)
        self._changed[place] = self._erp.now

    def _show(self, place: Place) -> dict[str, Any]:
        return {
            "item": place[0],
            "site": place[1],
            "quantity": str(exact(self._lies[place])),
            "uom": self._units[place],
            "changed_at": stamp(self._changed[place]),
        }


def _items(call: Call) -> set[str]:
    return {item for item in call.query("items").split(",") if item}


def _page(call: Call, name: str, rows: list[dict[str, Any]]) -> Reply:
    begin = call.number("cursor", 0)
    end = begin + max(1, min(call.number("limit", 100), MOST))
    more = end < len(rows)
    return Reply(200, {"result": {name: rows[begin:end], "cursor": str(end) if more else None}})
