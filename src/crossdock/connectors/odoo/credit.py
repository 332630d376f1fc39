"""Credits of Odoo: an amount or a whole invoice by a reversal, goods that came back by what Odoo bills.

A credit has our key in its reference, and is looked for before it is made.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import to_credit
from crossdock.connectors._words import money
from crossdock.connectors.odoo import replies
from crossdock.connectors.odoo.asking import Talking, called, sale_of, searched
from crossdock.connectors.odoo.returns import transfers_back
from crossdock.connectors.odoo.talks import MOVE, drafts_of, validated
from crossdock.errors import Refused

Json = Mapping[str, Any]


def credit_invoice(data: Json, context: Context) -> Talking:
    """The invoice is credited under our key: for the amount, else in full."""
    domain = [["name", "=", data["invoice"]], ["move_type", "=", "out_invoice"]]
    found = yield from searched(context, "account.move", domain, MOVE)
    if not found:
        raise RefusedByPartner(f"Odoo has no invoice {data['invoice']}", code="not_found")
    return (yield from _credited(context, found[0], data))


def create_credit(data: Json, context: Context) -> Talking:
    """The order's customer is credited: for what came back with the return, else the amount, on the order's
    largest invoice.
    """
    if data.get("return"):
        return (yield from _credited_return(context, data))
    if data.get("amount") is None:
        raise Refused("neither an amount nor a return is given", where="amount", mend="say what to credit")
    sale = yield from sale_of(context, data["order"], ["invoice_ids"])
    domain = [
        ["id", "in", sale["invoice_ids"]],
        ["move_type", "=", "out_invoice"],
        ["state", "=", "posted"],
    ]
    found = yield from searched(context, "account.move", domain, MOVE)
    if not found:
        raise RefusedByPartner(f"{data['order']} has no posted invoice", code="wrong_state")
    largest = max(found, key=lambda one: (one["amount_total"], one["id"]))
    return (yield from _credited(context, largest, data))


def find_credit(_: Json, context: Context) -> Talking:
    """The posted credit with our key."""
    found = yield from _ours(context)
    return _given(found[0]) if found and found[0]["state"] == "posted" else None


def _ours(context: Context) -> Talking:
    domain = [["move_type", "=", "out_refund"], ["ref", "ilike", context.key], ["state", "!=", "cancel"]]
    return (yield from searched(context, "account.move", domain, MOVE))


def _credited(context: Context, invoice: Json, data: Json) -> Talking:
    if invoice["state"] != "posted":
        raise RefusedByPartner(f"{invoice['name']} is {invoice['state']} in Odoo", code="wrong_state")
    total, currency = Decimal(str(invoice["amount_total"])), replies.linked(invoice, "currency_id")[1]
    wanted = to_credit(data, invoice["name"], total, currency)
    found = yield from _ours(context)
    if not found:
        values = {
            "move_ids": [[6, 0, [invoice["id"]]]],
            "journal_id": replies.linked(invoice, "journal_id")[0],
            "reason": f"{data.get('reason') or 'credited'} {context.key}",
        }
        made = yield from called(context, "account.move.reversal", "create", vals_list=[values])
        number = made[0] if isinstance(made, list) else made
        yield from called(context, "account.move.reversal", "refund_moves", [number])
        found = yield from _ours(context)
    credit = found[0]
    if credit["state"] == "draft":
        if Decimal(str(credit["amount_total"])) == total != wanted:
            yield from _cut(context, credit, wanted / total)
            (credit,) = yield from _ours(context)
        if Decimal(str(credit["amount_total"])) != wanted:
            raise RefusedByPartner(
                f"the draft credit of {invoice['name']} is for {credit['amount_total']}, not for {wanted}:"
                " correct it in Odoo, then try again",
                code="amount_differs",
            )
        yield from called(context, "account.move", "action_post", [credit["id"]])
        (credit,) = yield from _ours(context)
    if credit["state"] != "posted":
        raise RefusedByPartner(f"the credit of {invoice['name']} is {credit['state']}", code="wrong_state")
    return _given(credit)


def _credited_return(context: Context, data: Json) -> Talking:
    """The goods are received, and what Odoo found for them is posted under our key."""
    sale = yield from sale_of(context, data["order"], [])
    for transfer in (yield from transfers_back(context, data)):
        if transfer["state"] == "cancel":
            raise RefusedByPartner(f"return {transfer['name']} is cancelled in Odoo", code="wrong_state")
        if transfer["state"] != "done":
            yield from validated(context, transfer, None)
    found = yield from _ours(context)
    if not found:
        drafts = yield from drafts_of(context, sale, "out_refund")
        if not drafts:
            raise RefusedByPartner(
                f"Odoo has nothing to credit for return {data['return']}: its delivery was not billed, or"
                " more of the order is still to be billed",
                code="no_invoice",
            )
        reference = {"ref": f"{data.get('reason') or 'returned'} {context.key}"}
        yield from called(context, "account.move", "write", drafts, vals=reference)
        found = yield from _ours(context)
    credit, amount = found[0], data.get("amount")
    if credit["state"] == "draft":
        worth = money(credit["amount_total"], replies.linked(credit, "currency_id")[1])
        if amount is not None and Decimal(amount["amount"]) != Decimal(worth["amount"]):
            raise RefusedByPartner(
                f"Odoo would credit {worth['amount']} {worth['currency']} for return {data['return']}:"
                " correct its draft, or give no amount",
                code="amount_differs",
            )
        yield from called(context, "account.move", "action_post", [credit["id"]])
        (credit,) = yield from _ours(context)
    if credit["state"] != "posted":
        raise RefusedByPartner(
            f"the credit of return {data['return']} is {credit['state']} in Odoo", code="wrong_state"
        )
    return _given(credit)


def _cut(context: Context, credit: Json, share: Decimal) -> Talking:
    """A draft of a credit becomes one of a share: each line's price, in one change."""
    domain = [["move_id", "=", credit["id"]], ["display_type", "=", "product"]]
    lines = yield from searched(context, "account.move.line", domain, ["price_unit"])
    rows = []
    for line in lines:
        price = (Decimal(str(line["price_unit"])) * share).quantize(Decimal("0.000001"), ROUND_HALF_UP)
        rows.append([1, line["id"], {"price_unit": price}])
    yield from called(context, "account.move", "write", [credit["id"]], vals={"invoice_line_ids": rows})


def _given(credit: Json) -> Json:
    amount = money(credit["amount_total"], replies.linked(credit, "currency_id")[1])
    return {"credit": credit["name"], "amount": amount}
