"""What lies in Tryton's warehouses by its books, what it has promised, and taking over what a count found.

On hand is all of a warehouse: what came in and is not put away, what is stored, and what is picked and has
not left. Promised is what shipments to customers have still to carry. A count becomes an internal shipment
with our reference, between the store and what is lost and found.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors.tryton import replies
from crossdock.connectors.tryton.requests import EVERY
from crossdock.connectors.tryton.talks import Talking, made, pressed, searched

Json = Mapping[str, Any]

_INTERNAL = "stock.shipment.internal"
_PAGE = 200
_LOTS = 1000
_ZONES = ("input_location", "storage_location", "output_location")
_MOVE = [
    *("product.code", "quantity", "unit.symbol", "sale.number", "sale.warehouse.code", "last_modified_at")
]
_STEPS = (("draft", "wait"), ("waiting", "assign_try"), ("assigned", "do"))


def list_stock(data: Json, context: Context) -> Talking:
    """A page of goods in one warehouse, those that lie there; then the next warehouse."""
    warehouses = yield from searched(
        context,
        "stock.location",
        [["type", "=", "warehouse"]],
        ["code", *_ZONES],
        order=[["id", "ASC"]],
    )
    place, _, after = str(data.get("cursor") or "0/0").partition("/")
    if int(place) >= len(warehouses):
        return {"stock": []}
    warehouse = warehouses[int(place)]
    domain: list[Any] = [["type", "=", "goods"], ["code", "!=", None], ["id", ">", int(after)], EVERY]
    if data.get("items"):
        domain.append(["code", "in", list(data["items"])])
    zones = sorted({warehouse[zone] for zone in _ZONES if warehouse.get(zone)})
    goods = yield from searched(
        context,
        "product.product",
        domain,
        ["code", "quantity", "default_uom.symbol"],
        order=[["id", "ASC"]],
        most=_PAGE,
        more={"locations": zones, "with_childs": True},
    )
    there = [one for one in goods if one["quantity"]]
    lots = (yield from _lots([one["id"] for one in there], zones, context)) if there else {}
    site = replies.site_of(warehouse.get("code"), context.settings)
    rows = [
        {
            "item": one["code"],
            "on_hand": replies.so_much(lies, one["default_uom."]["symbol"]),
            **({"site": site} if site else {}),
            **({"lot": lot} if lot else {}),
        }
        for one in there
        for lot, lies in _by_lot(one, lots.get(one["id"], {})).items()
    ]
    if len(goods) == _PAGE:
        return {"stock": rows, "next": f"{place}/{goods[-1]['id']}"}
    following = int(place) + 1
    return {"stock": rows, **({"next": f"{following}/0"} if following < len(warehouses) else {})}


def _lots(goods: list[int], zones: list[int], context: Context) -> Talking:
    """How much of each lot of these goods lies in the zones; nothing where there are no lots."""
    found: dict[int, dict[str, Decimal]] = {}
    after = 0
    while context.settings["lots"]:
        lots = yield from searched(
            context,
            "stock.lot",
            [["product", "in", goods], ["id", ">", after]],
            ["number", "product", "quantity"],
            order=[["id", "ASC"]],
            most=_LOTS,
            more={"locations": zones, "with_childs": True},
        )
        for one in lots:
            if one["quantity"]:
                found.setdefault(one["product"], {})[one["number"]] = Decimal(str(one["quantity"]))
        if len(lots) < _LOTS:
            break
        after = lots[-1]["id"]
    return found


def _by_lot(one: Json, lots: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    """What lies there by lot, and what is in none."""
    rest = Decimal(str(one["quantity"])) - sum(lots.values())
    return {**lots, **({"": rest} if rest else {})}


def list_allocations(data: Json, context: Context) -> Talking:
    """A page of what shipments to customers have still to carry, of sales."""
    domain: list[Any] = [
        ["shipment", "like", "stock.shipment.out,%"],
        ["origin", "like", "sale.line,%"],
        ["to_location.type", "=", "customer"],
        ["state", "in", ["draft", "assigned"]],
        ["id", ">", int(data.get("cursor") or 0)],
    ]
    if data.get("items"):
        domain.append(["product.code", "in", list(data["items"])])
    moves = yield from searched(context, "stock.move", domain, _MOVE, order=[["id", "ASC"]], most=_PAGE)
    rows = []
    for move in moves:
        sale, product = move.get("sale.") or {}, move.get("product.") or {}
        if not sale.get("number") or not product.get("code"):
            continue
        code = (sale.get("warehouse.") or {}).get("code")
        site = replies.site_of(code, context.settings)
        rows.append(
            {
                "order": sale["number"],
                "item": product["code"],
                "quantity": replies.so_much(move["quantity"], move["unit."]["symbol"]),
                "changed": replies.instant_of(move["last_modified_at"]),
                **({"site": site} if site else {}),
            }
        )
    return {"allocations": rows, **({"next": str(moves[-1]["id"])} if len(moves) == _PAGE else {})}


def adjust_stock(data: Json, context: Context) -> Talking:
    """An internal shipment with our reference is done: out of the store, or into it, as the count found."""
    found = yield from _ours(context)
    number = found[0]["id"] if found else (yield from _moved(data, context))
    for state, button in _STEPS:
        (one,) = yield from searched(context, _INTERNAL, [["id", "=", number]], ["number", "state"])
        if one["state"] == state:
            yield from pressed(context, _INTERNAL, [number], button)
    (one,) = yield from searched(context, _INTERNAL, [["id", "=", number]], ["number", "state"])
    if one["state"] != "done":
        raise RefusedByPartner(
            f"Tryton has not as much of {data['item']} in store as the count took off: correct its stock,"
            " then try again",
            code="stock_short",
        )
    return {"adjustment": one["number"]}


def find_adjustment(_: Json, context: Context) -> Talking:
    """The shipment with our reference that is done; with less `adjust_stock` goes on."""
    found = yield from _ours(context)
    return {"adjustment": found[0]["number"]} if found and found[0]["state"] == "done" else None


def _ours(context: Context) -> Talking:
    domain = [["reference", "=", context.key], ["state", "!=", "cancelled"]]
    return (yield from searched(context, _INTERNAL, domain, ["number", "state"]))


def _moved(data: Json, context: Context) -> Talking:
    """The internal shipment of a correction, as a draft; gives its id."""
    change = Decimal(data["change"]["value"])
    warehouse = yield from _warehouse(data, context)
    goods = yield from searched(
        context,
        "product.product",
        [["code", "=", data["item"]], EVERY],
        ["default_uom", "default_uom.symbol"],
    )
    if not goods:
        raise replies.not_found("product", data["item"])
    unit = replies.so_much(0, goods[0]["default_uom."]["symbol"])["unit"]
    if unit != data["change"]["unit"]:
        raise RefusedByPartner(
            f"Tryton keeps {data['item']} in {unit}, and the count is in {data['change']['unit']}",
            code="unit",
        )
    store, lost = warehouse["storage_location"], warehouse["lost_found_location"]
    if not lost:
        raise RefusedByPartner(
            f"the warehouse {warehouse['code']} has no location for what is lost and found",
            code="no_location",
        )
    ends = {"from_location": store, "to_location": lost}
    if change > 0:
        ends = {"from_location": lost, "to_location": store}
    move = {
        **ends,
        "product": goods[0]["id"],
        "unit": goods[0]["default_uom"],
        "quantity": float(abs(change)),
    }
    if data.get("lot") and context.settings["lots"]:
        domain = [["number", "=", data["lot"]], ["product", "=", goods[0]["id"]]]
        lots = yield from searched(context, "stock.lot", domain, ["number"])
        if not lots:
            raise replies.not_found("lot", data["lot"])
        move["lot"] = lots[0]["id"]
    return (
        yield from made(context, _INTERNAL, {**ends, "reference": context.key, "moves": [["create", [move]]]})
    )


def _warehouse(data: Json, context: Context) -> Talking:
    codes = {ours: code for code, ours in context.settings["sites"].items()}
    fields = ["code", "storage_location", "lost_found_location"]
    domain: list[Any] = [["type", "=", "warehouse"]]
    if data.get("site"):
        domain.append(["code", "=", codes.get(data["site"], data["site"])])
    found = yield from searched(context, "stock.location", domain, fields)
    if len(found) != 1:
        raise RefusedByPartner(
            f"Tryton has {len(found)} warehouses {data.get('site') or 'and no site was told'}",
            code="not_found",
        )
    return found[0]
