"""Goods that come back to Odoo: a transfer of its own for each transfer that they left with.

Its source document says the order and our key; while it is open it is the leave to send the goods back. It is
validated when the goods are to be credited, and Odoo's own invoicing of what was delivered credits the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import coming_back, line_id
from crossdock.connectors.odoo import replies
from crossdock.connectors.odoo.asking import Talking, called, sale_of, searched
from crossdock.connectors.odoo.lines import goods_of, in_their_units, named, rates, turned

Json = Mapping[str, Any]
_TRANSFER = ["name", "state", "origin", "return_id"]
_MOVE = ["sale_line_id", "product_id", "product_uom", "product_uom_qty", "quantity"]
_NONE = Decimal(0)


def authorise_return(data: Json, context: Context) -> Talking:
    """Transfers back of what the order's transfers brought, under our key."""
    sale = yield from sale_of(context, data["order"], [])
    goods = yield from goods_of(context, sale)
    for transfer, wanted in (yield from _missing(context, sale, goods, data)):
        back = yield from _free(context, goods, transfer, wanted)
        if back is None:
            back = yield from _made(context, goods, transfer, wanted)
        origin = {"origin": _origin(sale, context)}
        yield from called(context, "stock.picking", "write", [back], vals=origin)
    ours = yield from _ours(context, sale)
    if not ours:
        raise RefusedByPartner(f"{sale['name']} has nothing that could come back", code="nothing_left")
    return _named(ours)


def find_return(data: Json, context: Context) -> Talking:
    """The return under our key, where all of it is there; with less `authorise_return` goes on."""
    sale = yield from sale_of(context, data["order"], [])
    ours = yield from _ours(context, sale)
    if not ours:
        return None
    goods = yield from goods_of(context, sale)
    try:
        missing = yield from _missing(context, sale, goods, data)
    except RefusedByPartner:  # which is said by going on
        return None
    return None if missing else _named(ours)


def cancel_return(data: Json, context: Context) -> Talking:
    """The transfers back are cancelled; they may have been before."""
    for transfer in (yield from transfers_back(context, data)):
        if transfer["state"] == "done":
            raise RefusedByPartner(f"return {transfer['name']} was received in Odoo", code="wrong_state")
        if transfer["state"] != "cancel":
            yield from called(context, "stock.picking", "action_cancel", [transfer["id"]])
    left = [one for one in (yield from transfers_back(context, data)) if one["state"] != "cancel"]
    if left:
        state = f"return {left[0]['name']} is {left[0]['state']} in Odoo"
        raise RefusedByPartner(state, code="wrong_state")
    return {}


def transfers_back(context: Context, data: Json) -> Talking:
    """The transfers that a return is. Raises `RefusedByPartner` where one is not there."""
    names = [name.strip() for name in str(data["return"]).split(",")]
    back = yield from searched(context, "stock.picking", [["name", "in", names]], _TRANSFER)
    if missing := sorted(set(names) - {one["name"] for one in back}):
        raise RefusedByPartner(f"Odoo has no return {missing[0]}", code="not_found")
    return back


def _named(transfers: list[Any]) -> Json:
    return {"return": ", ".join(sorted(one["name"] for one in transfers))}


def _origin(sale: Json, context: Context) -> str:
    return f"{sale['name']} {context.key}"


def _ours(context: Context, sale: Json) -> Talking:
    domain = [["origin", "=", _origin(sale, context)], ["state", "!=", "cancel"]]
    return (yield from searched(context, "stock.picking", domain, _TRANSFER))


def _missing(context: Context, sale: Json, goods: Mapping[int, Json], data: Json) -> Talking:
    """The transfers that are done, with how much of what is to come back and is in none of ours yet."""
    told = [{**one, "line": one.get("order_line") or one.get("line")} for one in data.get("lines") or ()]
    in_their_units(sale, goods, told, "line")
    wanted = coming_back(data, line_id)
    left = None if wanted is None else {_of(goods[number]): much for number, much in wanted.items()}
    domain = [["sale_id", "=", sale["id"]], ["picking_type_code", "=", "outgoing"], ["state", "=", "done"]]
    missing = []
    kits: set[int] = set()
    for transfer in (yield from searched(context, "stock.picking", domain, _TRANSFER)):
        domain = [["return_id", "=", transfer["id"]], ["state", "!=", "cancel"]]
        returns = yield from searched(context, "stock.picking", domain, _TRANSFER)
        ours = [one for one in returns if one["origin"] == _origin(sale, context)]
        for what, quantity in (yield from _moved(context, goods, ours, "product_uom_qty")).items():
            if left is not None:
                left[what] = left.get(what, _NONE) - quantity
        if ours:
            continue
        there = yield from _moved(context, goods, [transfer], "quantity")
        kits |= {line for line, product in there if (line, product) != _of(goods[line])}
        others = [one for one in returns if not _unclaimed(one)]
        for what, quantity in (yield from _moved(context, goods, others, "product_uom_qty")).items():
            there[what] = there.get(what, _NONE) - quantity
        back = {}
        for what, quantity in there.items():
            much = quantity if left is None else min(quantity, left.get(what, _NONE))
            if much > 0:
                back[what] = much
                if left is not None:
                    left[what] -= much
        if back:
            missing.append((transfer, back))
    for (number, _), rest in sorted((left or {}).items()):
        if rest:
            raise _no(sale, goods[number], (wanted or {}).get(number, _NONE), rest, kit=number in kits)
    return missing


def _no(sale: Json, line: Json, wanted: Decimal, rest: Decimal, *, kit: bool) -> RefusedByPartner:
    """Why so much of a line is not what could come back, or is not what our return is for."""
    what = f"{named(line)} of {sale['name']}"
    if kit:
        return RefusedByPartner(
            f"{what} is a kit in Odoo, which moves its parts: name no lines, so that all of the order comes"
            " back, or return the parts in Odoo",
            code="kit",
        )
    if rest < 0:
        return RefusedByPartner(
            f"the return in Odoo is for {float(wanted - rest):g} of {what}, not {float(wanted):g}: cancel it"
            " there, then try again",
            code="wrong_state",
        )
    return RefusedByPartner(
        f"Odoo has {float(wanted - rest):g} of {what} that was delivered and is not coming back yet, not"
        f" {float(wanted):g}",
        code="nothing_left",
    )


def _of(line: Json) -> tuple[int, int]:
    """A line and its product, by number: of a kit, others are moved."""
    return line["id"], replies.linked(line, "product_id")[0]


def _moved(context: Context, goods: Mapping[int, Json], transfers: list[Any], field: str) -> Talking:
    """How much of which line and product these transfers move, in its unit; parts of kits in theirs."""
    total: dict[tuple[int, int], Decimal] = {}
    if not transfers:
        return total
    domain = [["picking_id", "in", [one["id"] for one in transfers]], ["state", "!=", "cancel"]]
    moves = yield from searched(context, "stock.move", domain, _MOVE, most=2000)
    moves = [move for move in moves if replies.linked(move, "sale_line_id")[0] in goods]
    worth = yield from rates(context, {_units(goods, move, "product_uom") for move in moves})
    for move in moves:
        what = replies.linked(move, "sale_line_id")[0], replies.linked(move, "product_id")[0]
        rate = worth[_units(goods, move, "product_uom")]
        total[what] = total.get(what, _NONE) + turned(Decimal(str(move[field])), rate)
    return total


def _units(goods: Mapping[int, Json], move: Json, field: str) -> tuple[int, int]:
    line = goods[replies.linked(move, "sale_line_id")[0]]
    unit = replies.linked(move, field)[0]
    part = replies.linked(move, "product_id") != replies.linked(line, "product_id")
    return unit, unit if part else replies.linked(line, "unit")[0]


def returned_by(context: Context, goods: Mapping[int, Json], transfers: list[Any]) -> Talking:
    """How much of which line these transfers brought back; of a kit, all that Odoo counts as returned."""
    moved = yield from _moved(context, goods, transfers, "quantity")
    return {
        line: quantity if (line, product) == _of(goods[line]) else Decimal("Infinity")
        for (line, product), quantity in moved.items()
    }


def _unclaimed(transfer: Json) -> bool:
    """Whether it is as Odoo makes it, and nobody has said for what."""
    return transfer["state"] != "done" and str(transfer["origin"] or "").startswith("Return of")


def _free(
    context: Context, goods: Mapping[int, Json], transfer: Json, wanted: Mapping[tuple[int, int], Decimal]
) -> Talking:
    """A transfer back that a try has made which broke off before it got our key; None where there is none."""
    domain = [["return_id", "=", transfer["id"]], ["state", "not in", ["done", "cancel"]]]
    for one in (yield from searched(context, "stock.picking", domain, _TRANSFER)):
        if _unclaimed(one) and (yield from _moved(context, goods, [one], "product_uom_qty")) == wanted:
            return one["id"]
    return None


def _made(
    context: Context, goods: Mapping[int, Json], transfer: Json, wanted: Mapping[tuple[int, int], Decimal]
) -> Talking:
    """A transfer back of so much of these, by Odoo's own way; gives its id."""
    where = {"active_model": "stock.picking", "active_id": transfer["id"], "active_ids": [transfer["id"]]}
    values = {"picking_id": transfer["id"]}
    made = yield from called(context, "stock.return.picking", "create", vals_list=[values], more=where)
    wizard = made[0] if isinstance(made, list) else made
    domain = [["wizard_id", "=", wizard]]
    rows = yield from searched(context, "stock.return.picking.line", domain, ["move_id", "uom_id"])
    ids = [replies.linked(row, "move_id")[0] for row in rows]
    found = yield from searched(context, "stock.move", [["id", "in", ids]], _MOVE, most=2000)
    moves = {move["id"]: move for move in found if replies.linked(move, "sale_line_id")[0] in goods}
    rows = [{**row, **moves.get(row["move_id"][0], {"sale_line_id": False}), "id": row["id"]} for row in rows]
    ours = [row for row in rows if row["sale_line_id"]]
    pairs = {_units(goods, row, field) for row in ours for field in ("uom_id", "product_uom")}
    worth = yield from rates(context, pairs)
    left = dict(wanted)
    for row in rows:
        much = _NONE
        if row["sale_line_id"]:
            what = row["sale_line_id"][0], row["product_id"][0]
            brought = turned(Decimal(str(row["quantity"])), worth[_units(goods, row, "product_uom")])
            back = min(left.get(what, _NONE), brought)
            left[what] = left.get(what, _NONE) - back
            much = turned(back, 1 / worth[_units(goods, row, "uom_id")])
        values = {"quantity": float(much)}
        yield from called(context, "stock.return.picking.line", "write", [row["id"]], vals=values)
    for (number, _), rest in left.items():
        if rest > 0:
            raise RefusedByPartner(f"Odoo takes nothing of {named(goods[number])} back", code="nothing_left")
    answer = yield from _returned(context, wizard)
    if not isinstance(answer, dict) or not answer.get("res_id"):
        raise RefusedByPartner(f"Odoo made no transfer back of {transfer['name']}", code="wrong_state")
    return int(answer["res_id"])


def _returned(context: Context, wizard: int) -> Talking:
    """Make the transfer: the method has another name since Odoo 18."""
    model = "stock.return.picking"
    try:
        return (yield from called(context, model, "action_create_returns", [wizard]))
    except RefusedByPartner as error:
        if error.code != "AttributeError" or context.settings["interface"] == "json2":
            raise
    return (yield from called(context, model, "create_returns", [wizard]))
