"""What was delivered of an order becomes Odoo's transfers that are done, and an invoice that is posted.

Each of our shipments is a transfer out whose source document says the order and our number. An open one that
is nobody's yet is filled with what left and validated; what is left of it becomes Odoo's back-order, which
the next of ours takes. All of our shipments are looked at before the first is validated: that each line has
so much left, in its unit, and that what has left under our number is what is told. A kit is moved by its
parts, which say how many kits they are only where all that is left goes at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import line_id, parts
from crossdock.connectors._words import money
from crossdock.connectors.odoo import billing, replies
from crossdock.connectors.odoo.asking import Talking, called, sale_of, searched
from crossdock.connectors.odoo.lines import ROUNDED, goods_of, in_their_units, named, rates, turned

Json = Mapping[str, Any]
Quantities = Mapping[int, Decimal]
_OPEN = ("waiting", "confirmed", "assigned")
_MOVE = [
    *("picking_id", "sale_line_id", "product_id", "product_uom", "product_uom_qty", "quantity", "picked"),
    "state",
]
_NONE = Decimal(0)
_PLACES = Decimal("0.01")  # that Odoo keeps of a quantity, unless it is set to keep more


def release_invoice(data: Json, context: Context) -> Talking:
    """The order's transfers are done, with what was delivered, and that is billed."""
    sale = yield from sale_of(context, data["order"], [])
    if sale["state"] not in ("sale", "done"):
        raise RefusedByPartner(f"{sale['name']} is {sale['state']} in Odoo", code="wrong_state")
    wanted = parts(data, context, line_id, erp="Odoo")
    goods = yield from goods_of(context, sale)
    for lines in data.get("lines") or ():
        in_their_units(sale, goods, lines, "line")
    transfers = yield from _transfers(context, sale, goods)
    _checked(sale, goods, transfers, wanted)
    for reference, carried in wanted.items():
        free = _free(sale, transfers, wanted)
        yield from _delivered(context, sale, goods, transfers, free, reference, carried)
        if len(wanted) > 1:
            transfers = yield from _transfers(context, sale, goods)
    told = _in_all(wanted)
    invoices = yield from billing.invoices_of(context, sale)
    left = yield from billing.left_of(context, invoices, told)
    if left or (told is None and not invoices):
        yield from billing.draft_invoice(context, sale, goods, left)
        invoices = yield from billing.invoices_of(context, sale)
    if drafts := [invoice["id"] for invoice in invoices if invoice["state"] == "draft"]:
        yield from called(context, "account.move", "action_post", drafts)
        invoices = yield from billing.invoices_of(context, sale)
    return _released(invoices, sale["name"])


def find_invoice(data: Json, context: Context) -> Talking:
    """The invoice with our key, posted, of what is told; with less `release_invoice` goes on."""
    sale = yield from sale_of(context, data["order"], [])
    wanted = parts(data, context, line_id, erp="Odoo")
    invoices = yield from billing.invoices_of(context, sale)
    if not invoices or any(invoice["state"] != "posted" for invoice in invoices):
        return None
    if (yield from billing.left_of(context, invoices, _in_all(wanted))):
        return None
    goods = yield from goods_of(context, sale)
    transfers = yield from _transfers(context, sale, goods)
    for reference, carried in wanted.items():
        mine = _mine(sale, transfers, reference)
        if mine is None or mine["state"] != "done" or _differs(mine, carried):
            return None
    return _released(invoices, sale["name"])


def _in_all(wanted: Mapping[str, Quantities | None]) -> Quantities | None:
    """How much of which line all of our shipments carried; None where they do not say it."""
    total: dict[int, Decimal] = {}
    for carried in wanted.values():
        if carried is None:
            return None
        for number, quantity in carried.items():
            total[number] = total.get(number, _NONE) + quantity
    return total


def _released(invoices: list[Any], order: str) -> Json:
    if not invoices or any(invoice["state"] != "posted" for invoice in invoices):
        raise RefusedByPartner(f"the invoice of {order} is not posted in Odoo", code="wrong_state")
    total = sum((Decimal(str(invoice["amount_total"])) for invoice in invoices), _NONE)
    names = ", ".join(invoice["name"] for invoice in invoices)
    return {"invoice": names, "total": money(total, replies.linked(invoices[0], "currency_id")[1])}


# -- transfers ----------------------------------------------------------------------------------------------


def _transfers(context: Context, sale: Json, goods: Mapping[int, Json]) -> Talking:
    """The order's transfers out, each with its `moves` and how much of which line it `carries`, in its unit.

    A kit is in `kits` and not in what it carries, but for an open one, which carries all that is left of it.
    """
    domain = [["sale_id", "=", sale["id"]], ["picking_type_code", "=", "outgoing"], ["state", "!=", "cancel"]]
    found = yield from searched(context, "stock.picking", domain, ["name", "state", "origin"])
    if not found:
        return []
    ids = [one["id"] for one in found]
    domain = [["picking_id", "in", ids], ["state", "!=", "cancel"], ["sale_line_id", "!=", False]]
    moves = yield from searched(context, "stock.move", domain, _MOVE, most=5000)
    moves = [move for move in moves if replies.linked(move, "sale_line_id")[0] in goods]
    worth = yield from rates(context, {_units(move, goods) for move in moves})
    whole = []
    for one in found:
        own, carries, kits = [], dict[int, Decimal](), set[int]()
        for move in moves:
            if replies.linked(move, "picking_id")[0] != one["id"]:
                continue
            own.append({**move, "rate": worth[_units(move, goods)]})
            line = goods[replies.linked(move, "sale_line_id")[0]]
            much = Decimal(str(move["quantity" if move["state"] == "done" else "product_uom_qty"]))
            if move["product_id"][0] != line["product_id"][0]:
                kits.add(line["id"])
                if move["state"] != "done":
                    carries[line["id"]] = _left_of_kit(line)
            else:
                much = turned(much, own[-1]["rate"])
                carries[line["id"]] = carries.get(line["id"], _NONE) + much
        whole.append({**one, "moves": own, "carries": carries, "kits": kits})
    return whole


def _units(move: Json, goods: Mapping[int, Json]) -> tuple[int, int]:
    line = goods[replies.linked(move, "sale_line_id")[0]]
    unit = replies.linked(line, "unit")[0]
    if move["product_id"][0] != line["product_id"][0]:
        return unit, unit  # a part of a kit: its unit says nothing of the line's
    return replies.linked(move, "product_uom")[0], unit


def _left_of_kit(line: Json) -> Decimal:
    return Decimal(str(line["product_uom_qty"])) - Decimal(str(line["qty_delivered"]))


def _mine(sale: Json, transfers: list[Any], reference: str) -> Any:
    origin = f"{sale['name']} {reference}"
    return next((one for one in transfers if one["origin"] == origin), None)


def _differs(transfer: Json, carried: Quantities | None) -> int:
    """The first line of which a transfer carries something else than is told; 0 where there is none."""
    carries: Quantities = transfer["carries"]
    told = carries if carried is None else carried
    lines = {*carries, *told} - transfer["kits"]
    return min((n for n in lines if abs(carries.get(n, _NONE) - told.get(n, _NONE)) > ROUNDED), default=0)


def _free(sale: Json, transfers: list[Any], wanted: Iterable[str]) -> list[Any]:
    """Open transfers that are of none of our shipments; a back-order may still have the number of one."""
    rests = [f"{sale['name']} {reference}" for reference in wanted]
    mine = [(_mine(sale, transfers, reference) or {}).get("id") for reference in wanted]
    open_ = [one for one in transfers if one["state"] in _OPEN and one["id"] not in mine]
    return [one for one in open_ if one["origin"] in (sale["name"], False, *rests)]


def _checked(
    sale: Json,
    goods: Mapping[int, Json],
    transfers: list[Any],
    wanted: Mapping[str, Quantities | None],
) -> None:
    """Play all of it before anything is done. Raises `RefusedByPartner` for the first that cannot be."""
    transfers = [{**one, "carries": dict(one["carries"])} for one in transfers]
    free = _free(sale, transfers, wanted)
    for reference, carried in wanted.items():
        mine = _mine(sale, transfers, reference)
        if mine is not None and mine["state"] == "done":
            if number := _differs(mine, carried):
                raise _otherwise(goods[number], mine, carried or {})
            continue
        taken = mine or _chosen(sale, goods, free, carried)
        for number, quantity in (carried or {}).items():
            left = taken["carries"].get(number, _NONE)
            if quantity > left:
                raise _too_much(sale, goods[number], left, quantity)
            if number in taken["kits"] and quantity != left:
                raise RefusedByPartner(
                    f"{named(goods[number])} of {sale['name']} is a kit in Odoo, which moves its parts: all"
                    f" {float(left):g} that are left can be told as delivered, not {float(quantity):g};"
                    " deliver and bill it in Odoo, then supply the invoice's number",
                    code="kit",
                )
            taken["carries"][number] = left - quantity
        if mine is not None:
            free.append(mine)  # what is left of it


def _chosen(sale: Json, goods: Mapping[int, Json], free: list[Any], carried: Quantities | None) -> Any:
    """The transfer for one of our shipments: one that carries just that, else one that has so much left."""
    if not free:
        raise RefusedByPartner(f"Odoo has nothing left to deliver of {sale['name']}", code="nothing_left")
    if carried is None:
        return free[0]
    same = [one for one in free if not _differs(one, carried)]
    enough = [one for one in free if all(one["carries"].get(n, 0) >= much for n, much in carried.items())]
    if same or enough:
        return (same or enough)[0]
    for number, quantity in carried.items():
        left = sum((one["carries"].get(number, _NONE) for one in free), _NONE)
        if quantity > left:
            raise _too_much(sale, goods[number], left, quantity)
    raise RefusedByPartner(
        f"no one transfer of {sale['name']} has what left: {', '.join(one['name'] for one in free)} hold it"
        " together; tell what left by transfer, or deliver and bill it in Odoo",
        code="nothing_left",
    )


def _too_much(sale: Json, line: Json, left: Decimal, wanted: Decimal) -> RefusedByPartner:
    return RefusedByPartner(
        f"Odoo has {float(left):g} left to deliver of {named(line)} of {sale['name']}, not {float(wanted):g}:"
        " correct the order or the delivery, then try again",
        code="nothing_left",
    )


def _otherwise(line: Json, transfer: Json, told: Quantities) -> RefusedByPartner:
    """What has left Odoo's warehouse under our reference is not what is told now."""
    there = transfer["carries"].get(line["id"], _NONE)
    return RefusedByPartner(
        f"Odoo's transfer {transfer['name']} is done with {float(there):g} of {named(line)}, not"
        f" {float(told.get(line['id'], 0)):g}: correct the delivery, or take it back and deliver it anew in"
        " Odoo, then supply the invoice's number",
        code="wrong_state",
    )


def _delivered(
    context: Context,
    sale: Json,
    goods: Mapping[int, Json],
    transfers: list[Any],
    free: list[Any],
    reference: str,
    carried: Quantities | None,
) -> Talking:
    """The transfer of one of our shipments is done; what is left of it becomes Odoo's back-order."""
    origin = {"origin": f"{sale['name']} {reference}"}
    mine = _mine(sale, transfers, reference)
    if mine is None:
        mine = _chosen(sale, goods, free, carried)
        yield from _filled(context, mine, goods, carried)
        yield from called(context, "stock.picking", "write", [mine["id"]], vals=origin)
    elif mine["state"] != "done":
        yield from _filled(context, mine, goods, carried)
    if mine["state"] != "done":
        yield from validated(context, mine)
    # A back-order copies our number from what it is the rest of: it is none of ours yet.
    domain = [["sale_id", "=", sale["id"]], ["state", "in", list(_OPEN)]]
    found = yield from searched(context, "stock.picking", domain, ["origin"])
    if copied := [one["id"] for one in found if one["origin"] == origin["origin"]]:
        yield from called(context, "stock.picking", "write", copied, vals={"origin": sale["name"]})


def validated(context: Context, transfer: Json) -> Talking:
    """The transfer is done, with what it was filled with."""
    back_order = {"skip_backorder": True, "picking_ids_not_to_backorder": []}
    ids = [transfer["id"]]
    answer = yield from called(context, "stock.picking", "button_validate", ids, more=back_order)
    (after,) = yield from searched(context, "stock.picking", [["id", "in", ids]], ["state"])
    if after["state"] != "done":
        asks = answer.get("res_model", "") if isinstance(answer, dict) else ""
        state = f"transfer {transfer['name']} is {after['state']} in Odoo"
        if asks:
            raise RefusedByPartner(f"{state}, which asks by {asks}", code="question")
        raise RefusedByPartner(state, code="wrong_state")


def _filled(
    context: Context, transfer: Json, goods: Mapping[int, Json], carried: Quantities | None
) -> Talking:
    """The transfer says what left: so much of some lines, nothing of others."""
    left = None if carried is None else dict(carried)
    changes = []
    for move in transfer["moves"]:
        number, demand = replies.linked(move, "sale_line_id")[0], Decimal(str(move["product_uom_qty"]))
        if left is None or (number in transfer["kits"] and left.get(number)):
            wanted = demand
        else:
            there = min(left.get(number, _NONE), turned(demand, move["rate"]))
            left[number] = left.get(number, _NONE) - there
            wanted = turned(there, 1 / move["rate"])
            if move["rate"] != 1 and wanted != wanted.quantize(_PLACES):
                raise RefusedByPartner(
                    f"Odoo moves {named(goods[number])} in {move['product_uom'][1]}, and"
                    f" {float(there):g} are no round number of them: deliver and bill it in Odoo, then"
                    " supply the invoice's number",
                    code="unit",
                )
        if Decimal(str(move["quantity"])) != wanted or not move["picked"]:
            changes.append((move["id"], {"quantity": float(wanted), "picked": True}))
    for number, values in changes:
        yield from called(context, "stock.move", "write", [number], vals=values)


def filled_as_asked(context: Context, transfer: Json) -> Talking:
    """The transfer moves all that it is for."""
    domain = [["picking_id", "=", transfer["id"]], ["state", "!=", "cancel"]]
    fields = ["product_uom_qty", "quantity", "picked"]
    for move in (yield from searched(context, "stock.move", domain, fields)):
        if move["quantity"] != move["product_uom_qty"] or not move["picked"]:
            values = {"quantity": move["product_uom_qty"], "picked": True}
            yield from called(context, "stock.move", "write", [move["id"]], vals=values)
