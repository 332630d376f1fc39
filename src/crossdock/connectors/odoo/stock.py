"""What lies in Odoo's warehouses, by bin and lot, and what its transfers have still to carry of orders."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context
from crossdock.connectors.odoo import replies
from crossdock.connectors.odoo.asking import Talking, by_id, searched
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]

_PAGE = 200
_OPEN = ["waiting", "confirmed", "partially_available", "assigned"]
_QUANT = ["product_id", "location_id", "lot_id", "quantity", "product_uom_id", "write_date"]
_MOVE = ["product_id", "location_id", "sale_line_id", "product_uom_qty", "product_uom", "write_date"]


def list_stock(data: Json, context: Context) -> Talking:
    """A page of quants in internal locations: a row for each bin and lot."""
    domain = [["location_id.usage", "=", "internal"], *_from(data)]
    quants = yield from searched(context, "stock.quant", domain, _QUANT, most=_PAGE)
    items, sites = yield from _named(context, quants)
    rows = []
    for quant in quants:
        place, bin_ = replies.linked(quant, "location_id")
        lot = replies.linked(quant, "lot_id")[1]
        rows.append(
            {
                "item": items[replies.linked(quant, "product_id")[0]],
                "on_hand": replies.so_much(quant["quantity"], replies.linked(quant, "product_uom_id")[1]),
                "location": bin_,
                "changed": instant_text(replies.at(quant["write_date"])),
                **({"lot": lot} if lot else {}),
                **({"site": sites[place]} if sites.get(place) else {}),
            }
        )
    return {"stock": rows, **_next(quants)}


def list_allocations(data: Json, context: Context) -> Talking:
    """A page of what outgoing transfers of orders have still to carry."""
    domain = [
        ["sale_line_id", "!=", False],
        ["picking_type_id.code", "=", "outgoing"],
        ["state", "in", _OPEN],
        *_from(data),
    ]
    moves = yield from searched(context, "stock.move", domain, _MOVE, most=_PAGE)
    items, sites = yield from _named(context, moves)
    wanted = sorted({replies.linked(move, "sale_line_id")[0] for move in moves})
    lines = yield from by_id(context, "sale.order.line", wanted, ["order_id"])
    rows = []
    for move in moves:
        site = sites.get(replies.linked(move, "location_id")[0])
        line = lines[replies.linked(move, "sale_line_id")[0]]
        rows.append(
            {
                "order": replies.linked(line, "order_id")[1],
                "item": items[replies.linked(move, "product_id")[0]],
                "quantity": replies.so_much(move["product_uom_qty"], replies.linked(move, "product_uom")[1]),
                "changed": instant_text(replies.at(move["write_date"])),
                **({"site": site} if site else {}),
            }
        )
    return {"allocations": rows, **_next(moves)}


def _from(data: Json) -> list[Any]:
    """Where the page begins, and of which items it is."""
    terms: list[Any] = [["id", ">", int(data.get("cursor") or 0)]]
    if data.get("items"):
        terms.append(["product_id.default_code", "in", list(data["items"])])
    return terms


def _next(records: list[Any]) -> Json:
    return {"next": str(records[-1]["id"])} if len(records) == _PAGE else {}


def _named(context: Context, records: list[Any]) -> Talking:
    """The item of each product, and our site of each location."""
    products = sorted({replies.linked(one, "product_id")[0] for one in records})
    known = yield from by_id(context, "product.product", products, ["default_code"])
    items = {number: str(one.get("default_code") or number) for number, one in known.items()}
    places = sorted({replies.linked(one, "location_id")[0] for one in records})
    locations = yield from by_id(context, "stock.location", places, ["warehouse_id"])
    numbers = sorted({replies.linked(one, "warehouse_id")[0] for one in locations.values()} - {0})
    warehouses = yield from by_id(context, "stock.warehouse", numbers, ["code"])
    names = context.settings["sites"]
    sites = {}
    for number, place in locations.items():
        code = warehouses.get(replies.linked(place, "warehouse_id")[0], {}).get("code")
        sites[number] = names.get(code, code) if code else None
    return items, sites
