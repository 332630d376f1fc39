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
from crossdock.connectors.odoo.asking import Talking, called, of_company, sale_of, searched
from crossdock.connectors.odoo.billing import MOVE, draft_credit
from crossdock.connectors.odoo.deliver import filled_as_asked, validated
from crossdock.connectors.odoo.lines import goods_of
from crossdock.connectors.odoo.returns import returned_by, transfers_back
from crossdock.errors import Refused

Json = Mapping[str, Any]
_CENT = Decimal("0.01")


def credit_invoice(data: Json, context: Context) -> Talking:
    """The invoice is credited under our key: for the amount, else for all that it has left."""
    names = [name.strip() for name in str(data["invoice"]).split(",")]
    domain = [["name", "in", names], ["move_type", "=", "out_invoice"], *of_company(context)]
    found = yield from searched(context, "account.move", domain, MOVE)
    if missing := sorted(set(names) - {one["name"] for one in found}):
        raise RefusedByPartner(f"Odoo has no invoice {missing[0]}", code="not_found")
    return (yield from _credited(context, found, data))


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
    return (yield from _credited(context, found, data))


def find_credit(_: Json, context: Context) -> Talking:
    """The posted credit with our key."""
    found = yield from _ours(context)
    return _given(found) if found and all(one["state"] == "posted" for one in found) else None


def _ours(context: Context) -> Talking:
    domain = [["move_type", "=", "out_refund"], ["ref", "ilike", context.key], ["state", "!=", "cancel"]]
    return (yield from searched(context, "account.move", domain, [*MOVE, "reversed_entry_id"]))


def _credited(context: Context, invoices: list[Any], data: Json) -> Talking:
    """Each of the invoices is reversed for what it has left; for an amount the largest is, in part."""
    standing = {replies.linked(one, "reversed_entry_id")[0] for one in (yield from _ours(context))}
    if data.get("amount") is not None:
        begun = [one for one in invoices if one["id"] in standing]
        invoices = [max(begun or invoices, key=lambda one: (one["amount_total"], one["id"]))]
    wanted: dict[int, Decimal] = {}
    for invoice in invoices:
        if invoice["state"] != "posted":
            raise RefusedByPartner(f"{invoice['name']} is {invoice['state']} in Odoo", code="wrong_state")
        total, currency = _total(invoice), replies.linked(invoice, "currency_id")[1]
        credited = yield from _credited_by_others(context, invoice)
        wanted[invoice["id"]] = to_credit(data, invoice["name"], total, currency, credited)
    for invoice in invoices:
        if invoice["id"] not in standing:
            yield from _reversed(context, invoice, f"{data.get('reason') or 'credited'} {context.key}")
    found = yield from _ours(context)
    for credit in found:
        number = replies.linked(credit, "reversed_entry_id")[0]
        if credit["state"] == "draft" and number in wanted:
            invoice = next(one for one in invoices if one["id"] == number)
            yield from _cut(context, credit, invoice, wanted[number])
            yield from called(context, "account.move", "action_post", [credit["id"]])
    found = yield from _ours(context)
    for credit in found:
        if credit["state"] != "posted":
            raise RefusedByPartner(
                f"the credit of {invoices[0]['name']} is {credit['state']}", code="wrong_state"
            )
    return _given(found)


def _credited_by_others(context: Context, invoice: Json) -> Talking:
    """How much of an invoice is credited, also by a draft, but for what is ours.

    By its reversals and by credits that were set off against it; and by those of its order's lines, which are
    of no one invoice, so far as the order has less left than the invoice.
    """
    domain = [["invoice_ids", "in", [invoice["id"]]]]
    orders = yield from searched(context, "sale.order", domain, ["invoice_ids"])
    ids = sorted({invoice["id"], *(number for order in orders for number in order["invoice_ids"])})
    moves = yield from _moves_of(context, ids)
    domain = [
        ["debit_move_id.move_id", "=", invoice["id"]],
        ["credit_move_id.move_id.move_type", "=", "out_refund"],
        ["credit_move_id.move_id.reversed_entry_id", "!=", invoice["id"]],
    ]
    set_off = yield from searched(context, "account.partial.reconcile", domain, ["debit_amount_currency"])
    reversals = [one for one in moves if replies.linked(one, "reversed_entry_id")[0] == invoice["id"]]
    by_it = sum((_total(one) for one in reversals), Decimal(0))
    by_it += sum((Decimal(str(one["debit_amount_currency"])) for one in set_off), Decimal(0))
    return max(by_it, _total(invoice) - _left(moves))


def _moves_of(context: Context, ids: list[int]) -> Talking:
    """These invoices where they are posted, and what others credited of them, also by a draft."""
    fields = ["amount_total", "move_type", "ref", "state", "reversed_entry_id"]
    domain = ["|", ["id", "in", ids], ["reversed_entry_id", "in", ids], ["state", "!=", "cancel"]]
    moves = yield from searched(context, "account.move", domain, fields, most=2000)
    return [
        one
        for one in moves
        if (one["move_type"] == "out_invoice" and one["state"] == "posted")
        or (one["move_type"] == "out_refund" and not _is_ours(one, context))
    ]


def _left(moves: list[Any]) -> Decimal:
    """What was billed and is not credited."""
    amounts = (_total(one) * (1 if one["move_type"] == "out_invoice" else -1) for one in moves)
    return sum(amounts, Decimal(0))


def _is_ours(credit: Json, context: Context) -> bool:
    return context.key.lower() in str(credit["ref"] or "").lower()


def _total(move: Json) -> Decimal:
    return Decimal(str(move["amount_total"]))


def _reversed(context: Context, invoice: Json, reason: str) -> Talking:
    """A draft that takes all of an invoice back, with our key in its reference."""
    values = {
        "move_ids": [[6, 0, [invoice["id"]]]],
        "journal_id": replies.linked(invoice, "journal_id")[0],
        "reason": reason,
    }
    made = yield from called(context, "account.move.reversal", "create", vals_list=[values])
    number = made[0] if isinstance(made, list) else made
    yield from called(context, "account.move.reversal", "refund_moves", [number])


def _credited_return(context: Context, data: Json) -> Talking:
    """The goods are received, and what Odoo found for them is posted under our key."""
    sale = yield from sale_of(context, data["order"], [])
    goods = yield from goods_of(context, sale)
    back = yield from transfers_back(context, data)
    for transfer in back:
        if transfer["state"] == "cancel":
            raise RefusedByPartner(f"return {transfer['name']} is cancelled in Odoo", code="wrong_state")
        if transfer["state"] != "done":
            yield from filled_as_asked(context, transfer)
            yield from validated(context, transfer)
    found = yield from _ours(context)
    if not found:
        returned = yield from returned_by(context, goods, back)
        reference = f"{data.get('reason') or 'returned'} {context.key}"
        if not (yield from draft_credit(context, sale, goods, returned, reference)):
            raise RefusedByPartner(
                f"Odoo has nothing to credit for return {data['return']}: its delivery was not billed, or"
                " more of the order is still to be billed",
                code="no_invoice",
            )
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
        sale = yield from sale_of(context, data["order"], ["invoice_ids"])
        left = _left((yield from _moves_of(context, sale["invoice_ids"])))
        if _total(credit) > left:
            raise RefusedByPartner(
                f"Odoo would credit {worth['amount']} {worth['currency']} for return {data['return']}, and of"
                f" what was billed of {sale['name']} {left} is left: correct its draft, or post it in Odoo",
                code="too_much",
            )
        yield from called(context, "account.move", "action_post", [credit["id"]])
        (credit,) = yield from _ours(context)
    if credit["state"] != "posted":
        raise RefusedByPartner(
            f"the credit of return {data['return']} is {credit['state']} in Odoo", code="wrong_state"
        )
    return _given([credit])


def _cut(context: Context, credit: Json, invoice: Json, wanted: Decimal) -> Talking:
    """A draft that takes all of an invoice back becomes one of so much, which leaves the order as it is.

    Odoo links its lines to the order's, and would bill once more what they take back. Of a part, each line
    becomes one of its share, as prices have two places.
    """
    domain = [["move_id", "=", credit["id"]], ["display_type", "=", "product"]]
    lines = yield from searched(
        context, "account.move.line", domain, ["price_unit", "quantity", "discount"], most=5000
    )
    loose: dict[str, Any] = {"sale_line_ids": [[5, 0, 0]]}
    rows = {line["id"]: dict(loose) for line in lines}
    total = _total(invoice)
    whole = _total(credit) == total != wanted
    prices = {line["id"]: (_worth(line) * wanted / total).quantize(_CENT, ROUND_HALF_UP) for line in lines}
    if whole:
        for number, price in prices.items():
            rows[number] |= {"quantity": 1, "price_unit": price, "discount": 0}
    origin = {"invoice_origin": invoice["invoice_origin"]}  # which not every release copies
    yield from _written(context, credit, rows, **origin)
    after = yield from _ours(context)
    over = wanted - next(_total(one) for one in after if one["id"] == credit["id"])
    if whole and over and abs(over) <= _CENT * (len(lines) + 1):
        largest = max(prices, key=lambda number: prices[number])
        yield from _written(context, credit, {largest: {"price_unit": prices[largest] + over}})
        after = yield from _ours(context)
    for one in after:
        if one["id"] == credit["id"] and _total(one) != wanted:
            raise RefusedByPartner(
                f"the draft credit is for {one['amount_total']}, not for {wanted}: correct it in Odoo, then"
                " try again",
                code="amount_differs",
            )


def _written(context: Context, credit: Json, rows: Mapping[int, Json], **more: Any) -> Talking:
    values = {**more, "invoice_line_ids": [[1, number, row] for number, row in rows.items()]}
    yield from called(context, "account.move", "write", [credit["id"]], vals=values)


def _worth(line: Json) -> Decimal:
    price, quantity, discount = (Decimal(str(line[name])) for name in ("price_unit", "quantity", "discount"))
    return price * quantity * (1 - discount / 100)


def _given(found: list[Any]) -> Json:
    amount = money(
        sum((_total(one) for one in found), Decimal(0)), replies.linked(found[0], "currency_id")[1]
    )
    return {"credit": ", ".join(one["name"] for one in found), "amount": amount}
