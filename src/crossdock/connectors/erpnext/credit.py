"""Credit: an amount or the rest of a Sales Invoice by a return of it, and goods that came back.

A credit has our key in its remarks. A return of an invoice with quantities takes these from what may still
come back, and ERPNext refuses a second one. So only a whole invoice is credited by its quantities. An amount
is rows without an item, each with its share, on the accounts of the rows that were billed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import to_credit
from crossdock.connectors._words import money
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.requests import BILLED, INVOICE, STANDING
from crossdock.connectors.erpnext.returns import received
from crossdock.connectors.erpnext.talks import Talking
from crossdock.errors import Refused

Json = Mapping[str, Any]
_CENT = Decimal("0.01")
_OF_A_ROW = (
    *("item_name", "description", "uom", "income_account", "cost_center", "item_tax_template"),
    *("item_tax_rate", "sales_order", "so_detail", "delivery_note", "dn_detail"),
)


def credit_invoice(data: Json, context: Context) -> Talking:
    """The invoice is credited under our key: for the amount, else what is left of it."""
    invoice = replies.answer((yield requests.document(INVOICE, data["invoice"])))
    return (yield from _credited(invoice, data, context))


def create_credit(data: Json, context: Context) -> Talking:
    """The order's customer is credited: for what came back with the return, else the amount, on the order's
    largest invoice.
    """
    if data.get("return"):
        notes = yield from received(data)
        return (yield from _credited_notes(notes, data, context))
    if data.get("amount") is None:
        raise Refused("neither an amount nor a return is given", where="amount", mend="say what to credit")
    filters = [
        ["Sales Invoice Item", "sales_order", "=", data["order"]],
        ["docstatus", "=", 1],
        ["is_return", "=", 0],
    ]
    found = replies.listed((yield requests.documents(INVOICE, filters, BILLED)))
    if not found:
        raise RefusedByPartner(f"{data['order']} has no submitted invoice", code="wrong_state")
    largest = max(found, key=lambda one: (Decimal(str(one["grand_total"])), one["name"]))
    invoice = replies.answer((yield requests.document(INVOICE, largest["name"])))
    return (yield from _credited(invoice, data, context))


def find_credit(_: Json, context: Context) -> Talking:
    """The submitted credit with our key."""
    found = yield from _ours(context)
    return _given(found[0]) if found and found[0]["docstatus"] == 1 else None


def _ours(context: Context) -> Talking:
    filters = [["remarks", "like", f"%{context.key}%"], ["is_return", "=", 1], STANDING]
    return replies.listed((yield requests.documents(INVOICE, filters, BILLED)))


def _credited(invoice: Json, data: Json, context: Context) -> Talking:
    if invoice["docstatus"] != 1:
        raise RefusedByPartner(f"{invoice['name']} is not submitted in ERPNext", code="wrong_state")
    total = Decimal(str(invoice["grand_total"]))
    found = yield from _ours(context)
    before = yield from _credited_before(invoice, [one["name"] for one in found])
    wanted = to_credit(data, invoice["name"], total, invoice["currency"], before)
    if not found:
        draft = replies.answer((yield requests.derived("credit", invoice["name"])), key="message")
        rows = draft["items"] if wanted == total else _shares(invoice, wanted / total)
        remarks = f"{data.get('reason') or 'credited'} ({context.key})"
        values = {**draft, "items": rows, "remarks": remarks, "update_stock": 0}
        replies.answer((yield requests.create(INVOICE, values)))
        found = yield from _ours(context)
    worth = abs(Decimal(str(found[0]["grand_total"])))
    if found[0]["docstatus"] == 0 and worth != wanted:
        raise RefusedByPartner(
            f"the draft {found[0]['name']} credits {worth}, not {wanted}: correct it in ERPNext, then try"
            " again",
            code="amount_differs",
        )
    return (yield from _submitted(found[0], context))


def _credited_before(invoice: Json, ours: list[str]) -> Talking:
    """How much of an invoice other credits give, submitted or about to be.

    By its returns; and by what goods that came back are credited with, which is of no one invoice, so far as
    its orders have less left than the invoice.
    """
    orders = sorted({row["sales_order"] for row in invoice["items"] if row.get("sales_order")})
    filters = [["return_against", "=", invoice["name"]], ["is_return", "=", 1], STANDING]
    found = replies.listed((yield requests.documents(INVOICE, filters, BILLED)))
    by_it = abs(_sum(one for one in found if one["name"] not in ours))
    left = yield from _left(orders, ours)
    return max(by_it, _sum([invoice]) - left) if orders else by_it


def _left(orders: list[str], ours: list[str]) -> Talking:
    """What was billed of orders and no other credit gives back, also none that is about to be."""
    of_them = ["Sales Invoice Item", "sales_order", "in", orders]
    filters: list[Any] = [of_them, ["is_return", "=", 0], ["docstatus", "=", 1]]
    billed = replies.listed((yield requests.documents(INVOICE, filters, BILLED, most=1000)))
    credits_ = []
    for whose in (of_them, ["return_against", "in", [one["name"] for one in billed]]):
        filters = [whose, ["is_return", "=", 1], STANDING]
        credits_ += replies.listed((yield requests.documents(INVOICE, filters, BILLED, most=1000)))
    moves = {one["name"]: one for one in (*billed, *credits_) if one["name"] not in ours}
    return _sum(moves.values())


def _sum(invoices: Iterable[Json]) -> Decimal:
    """What they come to; a credit is below zero in ERPNext."""
    return sum((Decimal(str(one["grand_total"])) for one in invoices), Decimal(0))


def _shares(invoice: Json, share: Decimal) -> list[Json]:
    """The share of each row of an invoice as a row without an item; the last takes what rounding left."""
    rows: list[Json] = []
    left = Decimal(0)
    for row in invoice["items"]:
        exact = Decimal(str(row["amount"])) * share + left
        rate = exact.quantize(_CENT, ROUND_HALF_UP)
        left = exact - rate
        if rate:
            known = {name: row[name] for name in _OF_A_ROW if row.get(name)}
            name = known.get("item_name") or row.get("item_code") or "Credit"
            rows.append({**known, "item_name": name, "qty": -1, "conversion_factor": 1, "rate": rate})
    return rows


def _credited_notes(notes: list[str], data: Json, context: Context) -> Talking:
    """One credit of what these returns brought back."""
    found = yield from _ours(context)
    if not found:
        draft: Any = None
        for note in notes:
            draft = replies.answer((yield requests.derived(INVOICE, note, draft)), key="message")
        remarks = f"{data.get('reason') or 'returned'} ({context.key})"
        replies.answer((yield requests.create(INVOICE, {**draft, "remarks": remarks, "update_stock": 0})))
        found = yield from _ours(context)
    if found[0]["docstatus"] == 0:
        yield from _right(found[0], data)
    return (yield from _submitted(found[0], context))


def _right(credit: Json, data: Json) -> Talking:
    """Raises `RefusedByPartner` for a draft of what came back that is not worth what is told, or is left."""
    amount, currency = data.get("amount"), credit["currency"]
    worth = abs(_sum([credit]))
    told = None if amount is None else (amount["currency"], Decimal(amount["amount"]))
    if told not in (None, (currency, worth)):
        raise RefusedByPartner(
            f"ERPNext would credit {worth} {currency} for return {data['return']}: correct its draft"
            f" {credit['name']}, or give no amount",
            code="amount_differs",
        )
    left = yield from _left([data["order"]], [credit["name"]])
    if worth > left:
        raise RefusedByPartner(
            f"ERPNext would credit {worth} {currency} for return {data['return']}, and of what was billed of"
            f" {data['order']} {left} is left: correct its draft {credit['name']}, or submit it in ERPNext",
            code="too_much",
        )


def _submitted(credit: Json, context: Context) -> Talking:
    """The credit is submitted; gives it as the operations do."""
    if credit["docstatus"] == 0:
        replies.answer((yield requests.submit(INVOICE, credit["name"], credit["modified"])))
        found = yield from _ours(context)
        if not found or found[0]["docstatus"] != 1:
            raise RefusedByPartner(f"{credit['name']} is not submitted in ERPNext", code="wrong_state")
        credit = found[0]
    return _given(credit)


def _given(credit: Json) -> Json:
    amount = abs(Decimal(str(credit["grand_total"])))
    return {"credit": credit["name"], "amount": money(amount, credit["currency"])}
