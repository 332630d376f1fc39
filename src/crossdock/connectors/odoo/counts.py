"""What a count in the warehouse found, taken over into Odoo's stock.

A count there says how much lies in a bin: the quantity that its quant has, and the change. It is put down and
applied, which makes an inventory move whose reference holds our key. Until it is applied nothing has changed,
so what was cut off before is counted anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors.odoo import replies
from crossdock.connectors.odoo.asking import EVERY, Talking, called, searched
from crossdock.errors import Unreachable

Json = Mapping[str, Any]

_MODE = {"inventory_mode": True}
_MOST = 1000


def adjust_stock(data: Json, context: Context) -> Talking:
    """Bins are counted anew, the fullest first, and the count is applied."""
    found = yield from find_adjustment(data, context)
    if found is not None:
        return found
    warehouse = yield from _warehouse(data, context)
    product = yield from _product(data, context)
    lot = yield from _lot(data, product, context)
    domain = [
        ["product_id", "=", product["id"]],
        ["lot_id", "=", lot],
        ["location_id.warehouse_id", "=", warehouse["id"]],
        ["location_id.usage", "=", "internal"],
    ]
    bins = yield from searched(
        context, "stock.quant", domain, ["quantity"], order="quantity desc", most=_MOST
    )
    left, lie = Decimal(data["change"]["value"]), {}
    for one in bins:
        lies = Decimal(str(one["quantity"]))
        there = max(lies + left, min(lies, Decimal(0)))  # nothing is taken from where nothing lies
        left -= there - lies
        if there != lies:
            lie[one["id"]] = there
        if not left:
            break
    if left < 0:
        raise RefusedByPartner(
            f"Odoo has not as much of {data['item']} at {warehouse['code']} as the count took off:"
            " correct its stock, then try again",
            code="stock_short",
        )
    for quant, there in lie.items():
        values = {"inventory_quantity": float(there)}
        yield from called(context, "stock.quant", "write", [quant], vals=values, more=_MODE)
    counted = list(lie)
    if left:
        place = replies.linked(warehouse, "lot_stock_id")[0]
        new = {"product_id": product["id"], "location_id": place, "inventory_quantity": float(left)}
        first = [{**new, **({"lot_id": lot} if lot else {})}]
        counted += yield from called(context, "stock.quant", "create", vals_list=first, more=_MODE)
    yield from _applied(data, counted, context)
    made = yield from find_adjustment(data, context)
    if made is None:
        raise RefusedByPartner("Odoo applied the count, and shows no move of it", code="not_applied")
    return made


def find_adjustment(_: Json, context: Context) -> Talking:
    """The inventory move with our key, told by its reference."""
    domain = [["is_inventory", "=", True], ["state", "=", "done"], ["reference", "ilike", context.key]]
    moves = yield from searched(context, "stock.move", domain, ["reference"], most=1)
    return {"adjustment": moves[0]["reference"]} if moves else None


def _applied(data: Json, quants: list[int], context: Context) -> Talking:
    """All at once. Raises `Unreachable` where one has changed since it was counted."""
    told = " ".join(filter(None, (data.get("reason"), data.get("adjustment"), f"({context.key})")))
    more = {**_MODE, "inventory_name": told}
    answer = yield from called(context, "stock.quant", "action_apply_inventory", quants, more=more)
    if isinstance(answer, Mapping):  # it asks somebody at a screen
        asks = str(answer.get("res_model") or "another question")
        if asks == "stock.inventory.conflict":
            raise Unreachable("a bin has changed in Odoo while it was counted; nothing was done")
        raise RefusedByPartner(f"Odoo asks before it applies the count: {asks}", code="question")


def _warehouse(data: Json, context: Context) -> Talking:
    codes = {ours: code for code, ours in context.settings["sites"].items()}
    domain = [["code", "=", codes.get(data["site"], data["site"])]] if data.get("site") else []
    found = yield from searched(context, "stock.warehouse", domain, ["code", "lot_stock_id"])
    if len(found) != 1:
        raise RefusedByPartner(
            f"Odoo has {len(found)} warehouses {data.get('site') or 'and no site was told'}",
            code="not_found",
        )
    return found[0]


def _product(data: Json, context: Context) -> Talking:
    domain = [["default_code", "=", data["item"]]]
    fields = ["uom_id", "tracking", "active"]
    found = yield from searched(context, "product.product", domain, fields, more=EVERY)
    if found and not any(one["active"] for one in found):
        raise RefusedByPartner(
            f"item {data['item']} is archived in Odoo: unarchive it there, then try again", code="archived"
        )
    found = [one for one in found if one["active"]]
    if len(found) != 1:
        raise RefusedByPartner(f"Odoo has {len(found)} products {data['item']}", code="not_found")
    keeps = replies.linked(found[0], "uom_id")[1]
    if replies.so_much(0, keeps)["unit"] != data["change"]["unit"]:
        raise RefusedByPartner(
            f"Odoo keeps {data['item']} in {keeps}, and the count is in {data['change']['unit']}", code="unit"
        )
    return found[0]


def _lot(data: Json, product: Json, context: Context) -> Talking:
    """The number of the lot that was counted; False where the product has none."""
    if not data.get("lot"):
        if product.get("tracking") in ("lot", "serial"):
            raise RefusedByPartner(
                f"Odoo keeps {data['item']} by lot, and the count names none", code="no_lot"
            )
        return False
    domain = [["name", "=", data["lot"]], ["product_id", "=", product["id"]]]
    found = yield from searched(context, "stock.lot", domain, ["name"])
    if not found:
        raise RefusedByPartner(f"Odoo has no lot {data['lot']} of {data['item']}", code="not_found")
    return found[0]["id"]
