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

Json = Mapping[str, Any]
_TRANSFER = ["name", "state", "origin", "return_id"]
_MOVE = ["sale_line_id", "product_uom_qty", "quantity"]


def authorise_return(data: Json, context: Context) -> Talking:
    """Transfers back of what the order's transfers brought, under our key."""
    sale = yield from sale_of(context, data["order"], [])
    for transfer, wanted in (yield from _missing(context, sale, data)):
        back = yield from _free(context, transfer, wanted)
        if back is None:
            back = yield from _made(context, transfer, wanted)
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
    if not ours or (yield from _missing(context, sale, data)):
        return None
    return _named(ours)


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


def _missing(context: Context, sale: Json, data: Json) -> Talking:
    """The transfers that are done, with how much of each line is to come back and is in none of ours yet."""
    domain = [["sale_id", "=", sale["id"]], ["picking_type_code", "=", "outgoing"], ["state", "=", "done"]]
    left = coming_back(data, line_id)
    missing = []
    for transfer in (yield from searched(context, "stock.picking", domain, _TRANSFER)):
        domain = [["return_id", "=", transfer["id"]], ["state", "!=", "cancel"]]
        returns = yield from searched(context, "stock.picking", domain, _TRANSFER)
        ours = [one for one in returns if one["origin"] == _origin(sale, context)]
        for line, quantity in (yield from _lines(context, ours, "product_uom_qty")).items():
            if left is not None:
                left[line] = left.get(line, Decimal(0)) - quantity
        if ours:
            continue
        there = yield from _lines(context, [transfer], "quantity")
        others = [one for one in returns if not _unclaimed(one)]
        for line, quantity in (yield from _lines(context, others, "product_uom_qty")).items():
            there[line] = there.get(line, Decimal(0)) - quantity
        wanted = {}
        for line, quantity in there.items():
            back = quantity if left is None else min(quantity, left.get(line, Decimal(0)))
            if back > 0:
                wanted[line] = back
                if left is not None:
                    left[line] -= back
        if wanted:
            missing.append((transfer, wanted))
    if rest := sorted(line for line, quantity in (left or {}).items() if quantity > 0):
        raise RefusedByPartner(
            f"Odoo has not delivered so much of line {rest[0]} of {sale['name']}", code="nothing_left"
        )
    return missing


def _lines(context: Context, transfers: list[Any], field: str) -> Talking:
    """How much of which line of the order these transfers move."""
    total: dict[int, Decimal] = {}
    if transfers:
        domain = [["picking_id", "in", [one["id"] for one in transfers]], ["state", "!=", "cancel"]]
        for move in (yield from searched(context, "stock.move", domain, _MOVE, most=2000)):
            line = replies.linked(move, "sale_line_id")[0]
            total[line] = total.get(line, Decimal(0)) + Decimal(str(move[field]))
    return total


def _unclaimed(transfer: Json) -> bool:
    """Whether it is as Odoo makes it, and nobody has said for what."""
    return transfer["state"] != "done" and str(transfer["origin"] or "").startswith("Return of")


def _free(context: Context, transfer: Json, wanted: Mapping[int, Decimal]) -> Talking:
    """A transfer back that a try has made which broke off before it got our key; None where there is none."""
    domain = [["return_id", "=", transfer["id"]], ["state", "not in", ["done", "cancel"]]]
    for one in (yield from searched(context, "stock.picking", domain, _TRANSFER)):
        if _unclaimed(one) and (yield from _lines(context, [one], "product_uom_qty")) == wanted:
            return one["id"]
    return None


def _made(context: Context, transfer: Json, wanted: Mapping[int, Decimal]) -> Talking:
    """A transfer back of so much of these lines, by Odoo's own way; gives its id."""
    where = {"active_model": "stock.picking", "active_id": transfer["id"], "active_ids": [transfer["id"]]}
    values = {"picking_id": transfer["id"]}
    made = yield from called(context, "stock.return.picking", "create", vals_list=[values], more=where)
    wizard = made[0] if isinstance(made, list) else made
    domain = [["wizard_id", "=", wizard]]
    rows = yield from searched(context, "stock.return.picking.line", domain, ["move_id", "quantity"])
    ids = [replies.linked(row, "move_id")[0] for row in rows]
    moves = yield from searched(context, "stock.move", [["id", "in", ids]], ["sale_line_id"])
    lines = {move["id"]: replies.linked(move, "sale_line_id")[0] for move in moves}
    left = dict(wanted)
    for row in rows:
        quantity = left.pop(lines.get(replies.linked(row, "move_id")[0], 0), Decimal(0))
        values = {"quantity": float(quantity)}
        yield from called(context, "stock.return.picking.line", "write", [row["id"]], vals=values)
    if left:
        raise RefusedByPartner(f"Odoo takes nothing of line {min(left)} back", code="nothing_left")
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
