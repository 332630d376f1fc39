"""Invoices and credits that Odoo makes of an order's lines: what is delivered or returned, and not billed.

Odoo drafts all that is open of the order. What we are told of is taken, the rest is left to be billed later:
of a product that is billed as ordered, of what somebody has delivered by hand. Services, discounts and down
payments go with the first invoice, as Odoo has them. A draft is ours once our key stands in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors.odoo.asking import Talking, called, searched
from crossdock.connectors.odoo.lines import ROUNDED, exactly, named

Json = Mapping[str, Any]
Quantities = Mapping[int, Decimal]
MOVE = [
    *("name", "state", "move_type", "payment_state", "amount_total", "currency_id", "write_date"),
    *("invoice_origin", "ref", "journal_id"),
]


def invoices_of(context: Context, sale: Json) -> Talking:
    """The invoices that say this order and our key as their origin."""
    domain = [
        ["move_type", "=", "out_invoice"],
        ["invoice_origin", "=", f"{sale['name']} {context.key}"],
        ["state", "!=", "cancel"],
    ]
    return (yield from searched(context, "account.move", domain, MOVE))


def left_of(context: Context, invoices: list[Any], told: Quantities | None) -> Talking:
    """What of the told quantities is on none of these invoices; None where nothing is told."""
    if told is None:
        return None
    left = dict(told)
    for row in (yield from _rows(context, [invoice["id"] for invoice in invoices])):
        for number in row["sale_line_ids"]:
            if number in left:
                left[number] -= _much(row)
    return {number: quantity for number, quantity in left.items() if quantity > ROUNDED}


def draft_invoice(
    context: Context, sale: Json, goods: Mapping[int, Json], wanted: Quantities | None
) -> Talking:
    """A draft with our key of what is wanted of each line of goods; of all that is open, where none is."""
    drafts = yield from _drafts_of(context, sale, "out_invoice")
    if not drafts:
        raise RefusedByPartner(
            f"Odoo has nothing to bill of {sale['name']}: what it takes off is as much as what was delivered;"
            " bill it in Odoo, then supply the invoice's number",
            code="no_invoice",
        )
    values: dict[str, Any] = {"invoice_origin": f"{sale['name']} {context.key}"}
    if wanted is not None:
        rows = yield from _rows(context, drafts)
        for number, quantity in wanted.items():
            there = sum((_much(row) for row in rows if number in row["sale_line_ids"]), Decimal(0))
            if there + ROUNDED < quantity:
                raise RefusedByPartner(
                    f"Odoo has {float(there):g} to bill of {named(goods[number])} of {sale['name']}, not"
                    f" {float(quantity):g}: some is billed, or came back; bill it in Odoo, then supply the"
                    " invoice's number",
                    code="no_invoice",
                )
        values["invoice_line_ids"] = _cut(rows, wanted, goods)
    yield from called(context, "account.move", "write", drafts, vals=values)


def draft_credit(
    context: Context, sale: Json, goods: Mapping[int, Json], returned: Quantities, reference: str
) -> Talking:
    """A draft with that reference of what came back of each line of goods; False where there is nothing."""
    drafts = yield from _drafts_of(context, sale, "out_refund")
    if not drafts:
        return False
    rows = yield from _rows(context, drafts)
    others = [[2, row["id"], 0] for row in rows if not set(row["sale_line_ids"]) & set(goods)]
    values = {"ref": reference, "invoice_line_ids": [*others, *_cut(rows, returned, goods)]}
    yield from called(context, "account.move", "write", drafts, vals=values)
    return True


def _cut(rows: list[Any], wanted: Quantities, goods: Mapping[int, Json]) -> list[Any]:
    """How rows of a draft become what is wanted of the lines of goods; what is no goods stays."""
    left, changes = dict(wanted), []
    for row in rows:
        number = next((one for one in row["sale_line_ids"] if one in goods), 0)
        if not number:
            continue
        much = min(_much(row), left.get(number, Decimal(0)))
        if much <= 0:
            changes.append([2, row["id"], 0])
            continue
        left[number] -= much
        if much != _much(row):
            changes.append([1, row["id"], {"quantity": float(much)}])
    return changes


def _rows(context: Context, moves: list[int]) -> Talking:
    domain = [["move_id", "in", moves], ["display_type", "=", "product"]]
    if not moves:
        return []
    return (
        yield from searched(context, "account.move.line", domain, ["quantity", "sale_line_ids"], most=5000)
    )


def _much(row: Json) -> Decimal:
    return exactly(Decimal(str(row["quantity"])))


def _drafts_of(context: Context, sale: Json, kind: str) -> Talking:
    """Drafts of that kind of what is not billed yet: those that were left without our key, or new ones."""
    domain = [
        ["move_type", "in", ["out_invoice", "out_refund"]],
        ["invoice_origin", "=", sale["name"]],
        ["state", "=", "draft"],
    ]
    drafts = yield from searched(context, "account.move", domain, MOVE)
    if drafts and all(draft["move_type"] != kind for draft in drafts):
        raise RefusedByPartner(
            f"Odoo has a draft of what is to be billed or credited of {sale['name']}: post or delete it,"
            " then try again",
            code="no_invoice",
        )
    if not drafts:
        values = {"advance_payment_method": "delivered", "sale_order_ids": [[6, 0, [sale["id"]]]]}
        made = yield from called(context, "sale.advance.payment.inv", "create", vals_list=[values])
        where = {"active_model": "sale.order", "active_id": sale["id"], "active_ids": [sale["id"]]}
        number = made[0] if isinstance(made, list) else made
        yield from called(context, "sale.advance.payment.inv", "create_invoices", [number], more=where)
        drafts = yield from searched(context, "account.move", domain, MOVE)
        if drafts and all(draft["move_type"] != kind for draft in drafts):
            yield from called(context, "account.move", "unlink", [draft["id"] for draft in drafts])
            drafts = []
    return [draft["id"] for draft in drafts if draft["move_type"] == kind]
