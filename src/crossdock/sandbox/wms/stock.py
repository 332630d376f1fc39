"""Stackyard WMS: what lies there, what of it is promised, counts, and what leaves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from crossdock.sandbox.amounts import exact
from crossdock.sandbox.clock import stamp
from crossdock.sandbox.service import Call, Rejected, Reply, Route
from crossdock.sandbox.wms.shapes import Dispatch, NewAllocation, StockCount

if TYPE_CHECKING:
    from crossdock.sandbox.wms.picks import Wms

Place = tuple[str, str]  # warehouse and article
MOST = 500  # rows of a page


@dataclass(slots=True)
class Allocation:
    """What is promised to an order before it is picked: by line, how much."""

    id: str
    new: NewAllocation
    held: dict[str, Decimal]
    state: str = "HELD"


class Stock:
    """The stock of the warehouse, kept beside its picks. What was never counted is always enough."""

    def __init__(self, wms: Wms) -> None:
        """Belong to a warehouse."""
        self._wms = wms
        self.begin()

    def begin(self) -> None:
        """Forget all."""
        self.on_hand: dict[Place, Decimal] = {}
        self.changed: dict[Place, datetime] = {}
        self.allocated: defaultdict[Place, Decimal] = defaultdict(Decimal)
        self._allocations: dict[str, Allocation] = {}
        self._dispatched: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Look, count, allocate, dispatch."""
        return [
            Route("stock.list", "GET", "/api/stock", self.list_stock),
            Route("stock.get", "GET", "/api/stock/{sku}", self.get),
            Route("stock.set", "PUT", "/api/stock/{sku}", self.count),
            Route("allocation.create", "POST", "/api/allocations", self.allocate),
            Route("allocation.find", "GET", "/api/allocations", self.find),
            Route("allocation.open", "GET", "/api/allocations/open", self.list_open),
            Route("allocation.release", "POST", "/api/allocations/{id}/release", self.release),
            Route("shipment.dispatch", "POST", "/api/shipments/{id}/dispatch", self.dispatch),
        ]

    def get(self, call: Call) -> Reply:
        """What is on hand of an item in a warehouse."""
        return Reply(200, self._show(call.query("warehouse"), call.path("sku")))

    def count(self, call: Call) -> Reply:
        """Count stock; picks that wait for it go on, and orders that lose by it are told."""
        count = call.read(StockCount)
        place = (count.warehouse, call.path("sku"))
        before = self.on_hand.get(place)
        self.put(place, count.on_hand)
        if before is not None and before != count.on_hand:
            lost = list(self._uncovered(place, before, count.on_hand))
            self._wms.publish(
                "STOCK_COUNTED",
                place[1],
                {
                    "countId": self._wms.number("CC-"),
                    "warehouse": place[0],
                    "sku": place[1],
                    "before": exact(before),
                    "onHand": exact(count.on_hand),
                    "reason": count.reason,
                    "uncovered": lost,
                },
            )
        self._wms.restock(place[1])
        self._wms.did(call, place[1], id=f"{place[0]}/{place[1]}")
        return Reply(200, self._show(*place))

    def put(self, place: Place, quantity: Decimal) -> None:
        """So much lies there from now on."""
        self.on_hand[place] = Decimal(quantity)
        self.changed[place] = self._wms.now

    def list_stock(self, call: Call) -> Reply:
        """All that was counted, by article and warehouse."""
        wanted = _skus(call)
        places = sorted((sku, warehouse) for warehouse, sku in self.on_hand if not wanted or sku in wanted)
        rows = [
            {**self._show(warehouse, sku), "changedAt": stamp(self.changed[warehouse, sku])}
            for sku, warehouse in places
        ]
        return _page(call, rows)

    def list_open(self, call: Call) -> Reply:
        """What open picks and allocations hold, by order and line."""
        wanted = _skus(call)
        held = [
            (order, line, sku, warehouse, quantity)
            for warehouse, sku in sorted(self.allocated)
            if not wanted or sku in wanted
            for order, line, quantity in self._claims((warehouse, sku))
        ]
        names = ("orderNumber", "lineRef", "sku", "warehouse")
        rows = [dict(zip(names, one[:4], strict=True)) | {"qty": exact(one[4])} for one in sorted(held)]
        return _page(call, rows)

    def _uncovered(self, place: Place, before: Decimal, now: Decimal) -> Iterator[dict[str, Any]]:
        """What orders lose by a count: those that came last lose first."""
        claims = list(self._claims(place))
        wanted = sum((quantity for *_, quantity in claims), Decimal(0))
        lost = max(wanted - now, Decimal(0)) - max(wanted - before, Decimal(0))
        for order, line, quantity in reversed(claims):
            less = min(quantity, lost)
            if less > 0:
                lost -= less
                yield {"orderNumber": order, "lineRef": line, "qty": exact(less)}

    def _claims(self, place: Place) -> Iterator[tuple[str, str, Decimal]]:
        for pick in self._wms.picks.values():
            for line in pick.lines if pick.state != "CANCELLED" else ():
                if (pick.new.warehouse, line.new.sku) == place and line.open > 0:
                    yield pick.new.order_number, line.new.line_ref, line.open
        for one in self._allocations.values():
            for wanted in one.new.lines if one.state == "HELD" else ():
                if (one.new.warehouse, wanted.sku) == place and one.held[wanted.line_ref] > 0:
                    yield one.new.order_number, wanted.line_ref, one.held[wanted.line_ref]

    def _show(self, warehouse: str, sku: str) -> dict[str, Any]:
        on_hand = self.on_hand.get((warehouse, sku))
        allocated = self.allocated[warehouse, sku]
        return {
            "sku": sku,
            "warehouse": warehouse,
            "onHand": None if on_hand is None else exact(on_hand),
            "allocated": exact(allocated),
            "available": None if on_hand is None else exact(on_hand - allocated),
        }

    def allocate(self, call: Call) -> Reply:
        """Promise to an order what is there of its lines."""
        new = call.read(NewAllocation)
        for known in self._allocations.values():
            if known.new.client_reference == new.client_reference and known.state != "RELEASED":
                raise Rejected(
                    "duplicate", "clientReference is taken", "clientReference", allocationId=known.id
                )
        held: dict[str, Decimal] = {}
        for line in new.lines:
            place = (new.warehouse, line.sku)
            free = self.on_hand.get(place, line.qty + self.allocated[place]) - self.allocated[place]
            held[line.line_ref] = max(min(Decimal(line.qty), free), Decimal(0))
            self.allocated[place] += held[line.line_ref]
        made = Allocation(self._wms.number("AL-"), new, held)
        self._allocations[made.id] = made
        self._did(call, made, 1)
        return Reply(201, self._shown(made))

    def find(self, call: Call) -> Reply:
        """Allocations by client reference or order number."""
        reference, order = call.query("clientReference"), call.query("orderNumber")
        found = [
            self._shown(one)
            for one in self._allocations.values()
            if one.new.client_reference == reference or (not reference and one.new.order_number == order)
        ]
        return Reply(200, {"items": found, "count": len(found)})

    def release(self, call: Call) -> Reply:
        """Give back what was promised; twice is fine."""
        one = self._allocations.get(call.path("id"))
        if one is None:
            raise Rejected("not_found", f"No allocation {call.path('id')}")
        if one.state == "HELD":
            self._end(one, "RELEASED")
            self._did(call, one, -1)
        return Reply(200, self._shown(one))

    def take_up(self, order: str) -> None:
        """A pick of the order begins: what was promised to it is the pick's."""
        for one in self._allocations.values():
            if one.new.order_number == order and one.state == "HELD":
                self._end(one, "PICKED")

    def _end(self, one: Allocation, state: str) -> None:
        one.state = state
        for line in one.new.lines:
            self.allocated[one.new.warehouse, line.sku] -= one.held[line.line_ref]

    def _shown(self, one: Allocation) -> dict[str, Any]:
        return {
            "allocationId": one.id,
            "clientReference": one.new.client_reference,
            "orderNumber": one.new.order_number,
            "warehouse": one.new.warehouse,
            "state": one.state,
            "lines": [
                {
                    "lineRef": line.line_ref,
                    "sku": line.sku,
                    "qty": exact(line.qty),
                    "allocatedQty": exact(one.held[line.line_ref]),
                    "shortQty": exact(line.qty - one.held[line.line_ref]),
                }
                for line in one.new.lines
            ],
        }

    def dispatch(self, call: Call) -> Reply:
        """A shipment leaves; twice is fine."""
        asked, number = call.read(Dispatch), call.path("id")
        of = next(
            (
                pick
                for pick in self._wms.picks.values()
                if any(one["shipmentId"] == number for one in pick.shipments)
            ),
            None,
        )
        if of is None:
            raise Rejected("not_found", f"No shipment {number}")
        if number not in self._dispatched:
            self._dispatched[number] = {
                "shipmentId": number,
                "carrier": asked.carrier,
                "trackingNumber": asked.tracking_number,
                "dispatchedAt": stamp(self._wms.now),
            }
            about = {"orderNumber": of.new.order_number, "pickOrderId": of.id}
            self._wms.publish(
                "SHIPMENT_DISPATCHED", of.new.order_number, {**about, **self._dispatched[number]}
            )
            self._wms.did(call, of.new.order_number, id=number)
        return Reply(200, self._dispatched[number])

    def _did(self, call: Call, one: Allocation, change: int) -> None:
        self._wms.did(
            call,
            one.new.order_number,
            reference=one.new.client_reference,
            id=one.id,
            kind="allocation",
            change=change,
        )


def _skus(call: Call) -> set[str]:
    return {sku for sku in call.query("skus").split(",") if sku}


def _page(call: Call, rows: list[dict[str, Any]]) -> Reply:
    begin = call.number("after", 0)
    end = begin + max(1, min(call.number("limit", 100), MOST))
    return Reply(200, {"items": rows[begin:end], "next": end if end < len(rows) else None})
