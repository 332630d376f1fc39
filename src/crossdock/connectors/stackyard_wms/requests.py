"""What is asked of Stackyard WMS. Nothing is sent here.

The WMS counts without units. A line's reference is ours and comes back as we gave it, so it carries the unit
where that is not the connection's own: `1` is line 1 in pieces, `2/KGM` line 2 in kilograms.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, path
from crossdock.connectors._words import plain_number, told
from crossdock.errors import Refused


def stock(item: str, site: str | None, context: Context) -> Request:
    """What lies there of one item."""
    warehouse = _warehouse({"site": site}, context)
    return Request("GET", path("/api/stock/{sku}", sku=item), query={"warehouse": warehouse})


def list_stock(data: Mapping[str, Any], _: Context) -> Request:
    """A page of all that was counted."""
    return Request("GET", "/api/stock", query=_listed(data))


def list_allocations(data: Mapping[str, Any], _: Context) -> Request:
    """A page of what is held for orders and not packed."""
    return Request("GET", "/api/allocations/open", query=_listed(data))


def _listed(data: Mapping[str, Any]) -> dict[str, str]:
    return {"limit": "500", **told(after=data.get("cursor"), skus=",".join(data.get("items") or ()))}


def count_stock(data: Mapping[str, Any], context: Context) -> Request:
    """What was counted; the same count again changes nothing."""
    body = {
        "warehouse": _warehouse(data, context),
        "onHand": plain_number(data["on_hand"]["value"]),
        **told(reason=data.get("reason")),
    }
    return Request("PUT", path("/api/stock/{sku}", sku=data["item"]), json=body)


def allocate(data: Mapping[str, Any], context: Context) -> Request:
    """A promise to all lines that have an item number."""
    order = data["order"]
    unit = context.settings["unit"]
    lines = [_pick_line(line, unit) for line in order.get("lines", ()) if line.get("item")]
    if not lines:
        raise Refused("the order has no line to allocate", where="order.lines", mend="give lines with items")
    body = {
        "clientReference": context.key,
        "orderNumber": order["number"],
        "warehouse": _warehouse(order, context),
        "lines": [{name: line[name] for name in ("lineRef", "sku", "qty")} for line in lines],
    }
    return Request("POST", "/api/allocations", json=body, accept=(409,))


def find_allocation(_: Mapping[str, Any], context: Context) -> Request:
    """The allocations with our reference."""
    return Request("GET", "/api/allocations", query={"clientReference": context.key})


def deallocate(data: Mapping[str, Any], _: Context) -> Request:
    """Give the promise back; again is no harm."""
    return Request("POST", path("/api/allocations/{id}/release", id=data["allocation"]), json={})


def confirm_shipment(data: Mapping[str, Any], _: Context) -> Request:
    """The shipment leaves; again is no harm."""
    body = told(carrier=data.get("carrier"), trackingNumber=data.get("tracking_number"))
    return Request("POST", path("/api/shipments/{id}/dispatch", id=data["shipment"]), json=body)


def create_pick(data: Mapping[str, Any], context: Context) -> Request:
    """A pick of all lines that have an item number."""
    order = data["order"]
    unit = context.settings["unit"]
    lines = [_pick_line(line, unit) for line in order.get("lines", ()) if line.get("item")]
    if not lines:
        raise Refused("the order has no line to pick", where="order.lines", mend="give lines with items")
    body = {
        "clientReference": context.key,
        "orderNumber": order["number"],
        "warehouse": _warehouse(order, context),
        "lines": lines,
    }
    return Request("POST", "/api/pickOrders", json=body, accept=(409,))


def find_pick(_: Mapping[str, Any], context: Context) -> Request:
    """The picks with our reference."""
    return Request("GET", "/api/pickOrders", query={"clientReference": context.key})


def cancel_pick(data: Mapping[str, Any], _: Context) -> Request:
    """Take the pick back; again is no harm."""
    return Request("POST", path("/api/pickOrders/{id}/cancel", id=data["pick"]), json={})


def expect_return(data: Mapping[str, Any], warehouse: str, context: Context) -> Request:
    """Goods will come back to that warehouse."""
    unit = context.settings["unit"]
    lines = [_return_line(number, line, unit) for number, line in enumerate(data.get("lines") or (), 1)]
    if not lines:
        raise Refused("no lines are given", where="lines", mend="tell the warehouse what comes back")
    body = {
        "clientReference": context.key,
        "rma": data["return"],
        "warehouse": warehouse,
        "lines": lines,
        **told(orderNumber=data.get("order")),
    }
    return Request("POST", "/api/expectedReturns", json=body, accept=(409,))


def picks(order: str) -> Request:
    """All picks of an order."""
    return Request("GET", "/api/pickOrders", query={"orderNumber": order})


def find_receipt(_: Mapping[str, Any], context: Context) -> Request:
    """The announcements with our reference."""
    return Request("GET", "/api/expectedReturns", query={"clientReference": context.key})


def receipt(id_: str) -> Request:
    """One announcement."""
    return Request("GET", path("/api/expectedReturns/{id}", id=id_))


def cancel_receipt(id_: str) -> Request:
    """Take the announcement back."""
    return Request("POST", path("/api/expectedReturns/{id}/cancel", id=id_), json={}, accept=(409,))


def events(cursor: str, *, limit: int) -> Request:
    """What has happened after the cursor."""
    return Request("GET", "/api/events", query={"after": cursor or "0", "limit": str(limit)})


def _warehouse(order: Mapping[str, Any], context: Context) -> str:
    found = order.get("site") or context.settings.get("warehouse")
    if not found:
        raise Refused(
            "it is not said which warehouse",
            where="order.site",
            mend="give the order a site, or the connection a `warehouse`",
        )
    return str(found)


def _pick_line(line: Mapping[str, Any], unit: str) -> dict[str, Any]:
    quantity = line["quantity"]
    weight = (line.get("product") or {}).get("weight") or {}
    return {
        "lineRef": _reference(line["number"], quantity["unit"], unit),
        "sku": line["item"],
        "qty": plain_number(quantity["value"]),
        **({"unitWeightKg": plain_number(weight["value"])} if weight.get("unit") == "KGM" else {}),
    }


def _return_line(place: int, line: Mapping[str, Any], unit: str) -> dict[str, Any]:
    quantity = line["quantity"]
    number = str(line.get("order_line") or line.get("number") or place)
    return {
        "lineRef": _reference(number, quantity["unit"], unit),
        "sku": line["item"],
        "qty": plain_number(quantity["value"]),
    }


def _reference(number: str, unit: str, usual: str) -> str:
    return number if unit == usual and "/" not in number else f"{number}/{unit}"
