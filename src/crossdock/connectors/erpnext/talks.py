"""Operations of ERPNext that take more than one question, as wanted states.

Each of our shipments is a Delivery Note with our number as its transport receipt number (`lr_no`); what they
carried is billed by one Sales Invoice. A credit has our key in its remarks. Each is looked for before it is
made, a draft that an earlier try left is gone on with, and what is submitted already is what was wanted.
Goods come back by `returns`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, Page, RefusedByPartner, Request, Response
from crossdock.connectors._changes import Place, moment
from crossdock.connectors._deliveries import line_name, parts, to_credit
from crossdock.connectors._words import money, told
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.requests import INVOICE, NOTE, ORDER
from crossdock.connectors.erpnext.returns import received
from crossdock.errors import Refused

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]
_PAGE = 50
_FINE = Decimal("0.000001")
_STANDING = ["docstatus", "<", 2]
_BILLED = ["name", "docstatus", "modified", "grand_total", "currency"]


def health(_: Any, __: Context) -> Talking:
    """It answers and lets us in."""
    replies.answer((yield requests.who()), key="message")


def get_order(data: Json, context: Context) -> Talking:
    """One order."""
    document = replies.answer((yield requests.document(ORDER, data["order"])))
    return replies.order(document, context.settings)


def check_credit(data: Json, context: Context) -> Talking:
    """Whether the customer may buy for that much: what is owed and ordered, without this order."""
    settings, asked = context.settings, data["amount"]
    customer = replies.answer((yield requests.document("Customer", data["customer"])))
    company = replies.answer((yield requests.document("Company", settings["company"])))
    currency = company["default_currency"]
    if asked["currency"] != currency:
        raise Refused(
            f"the credit of {data['customer']} is in {currency}, not in {asked['currency']}",
            where="amount",
            mend=f"give the amount in {currency}",
        )
    owed = Decimal(
        str(replies.answer((yield requests.balance(data["customer"], context)), key="message") or 0)
    )
    filters = [
        ["customer", "=", data["customer"]],
        ["company", "=", settings["company"]],
        ["docstatus", "=", 1],
        ["status", "!=", "Closed"],
        ["per_billed", "<", 100],
    ]
    fields = ["name", "base_grand_total", "per_billed"]
    for order in replies.listed((yield requests.documents(ORDER, filters, fields, most=1000))):
        if order["name"] != data["order"]:
            open_ = 1 - Decimal(str(order["per_billed"])) / 100
            owed += (Decimal(str(order["base_grand_total"])) * open_).quantize(Decimal("0.01"), ROUND_HALF_UP)
    limits = [
        Decimal(str(row["credit_limit"]))
        for row in customer.get("credit_limits") or ()
        if row.get("company") == settings["company"] and row.get("credit_limit")
    ]
    ok = not limits or owed + Decimal(asked["amount"]) <= limits[0]
    return {
        "ok": ok,
        "exposure": money(owed, currency),
        **told(limit=money(limits[0], currency) if limits else None, reason=None if ok else "over_limit"),
    }


# -- delivered and billed -----------------------------------------------------------------------------------


def release_invoice(data: Json, context: Context) -> Talking:
    """The order's Delivery Notes are submitted, and what they carried is billed."""
    notes: list[str] = []
    for reference, lines in parts(data, context, line_name, erp="ERPNext").items():
        notes.append((yield from _delivered(data["order"], reference, lines)))
    invoices = yield from _invoices(notes)
    if not invoices:
        draft: Any = None
        for note in notes:
            draft = replies.answer((yield requests.derived(INVOICE, note, draft)), key="message")
        replies.answer((yield requests.create(INVOICE, {**draft, "remarks": context.key})))
        invoices = yield from _invoices(notes)
    for invoice in invoices:
        if invoice["docstatus"] == 0:
            replies.answer((yield requests.submit(INVOICE, invoice["name"], invoice["modified"])))
    return _released((yield from _invoices(notes)), data["order"])


def find_invoice(data: Json, context: Context) -> Talking:
    """The invoice, where all that was delivered is billed; with less `release_invoice` goes on."""
    notes = []
    for reference in parts(data, context, line_name, erp="ERPNext"):
        found = yield from _noted(reference)
        if not found or found[0]["docstatus"] != 1:
            return None
        notes.append(found[0]["name"])
    invoices = yield from _invoices(notes)
    if not invoices or any(invoice["docstatus"] != 1 for invoice in invoices):
        return None
    return _released(invoices, data["order"])


def _released(invoices: list[Any], order: str) -> Json:
    if not invoices or any(invoice["docstatus"] != 1 for invoice in invoices):
        raise RefusedByPartner(f"the invoice of {order} is not submitted in ERPNext", code="wrong_state")
    total = sum((Decimal(str(invoice["grand_total"])) for invoice in invoices), Decimal(0))
    names = ", ".join(invoice["name"] for invoice in invoices)
    return {"invoice": names, "total": money(total, invoices[0]["currency"])}


def _noted(reference: str) -> Talking:
    fields = ["name", "docstatus", "modified"]
    filters = [["lr_no", "=", reference], _STANDING]
    return replies.listed((yield requests.documents(NOTE, filters, fields)))


def _delivered(order: str, reference: str, lines: Mapping[str, Decimal] | None) -> Talking:
    """The Delivery Note of one of our shipments, submitted."""
    found = yield from _noted(reference)
    if not found:
        draft = replies.answer((yield requests.derived(NOTE, order)), key="message")
        rows = []
        for row in draft["items"]:
            wanted = Decimal(str(row["qty"])) if lines is None else lines.get(str(row.get("so_detail")))
            if wanted:
                rows.append({**row, "qty": wanted})
        if strange := set(lines or ()) - {str(row.get("so_detail")) for row in rows}:
            raise RefusedByPartner(
                f"ERPNext has nothing left of line {min(strange)} of {order}", code="nothing_left"
            )
        replies.answer((yield requests.create(NOTE, {**draft, "items": rows, "lr_no": reference})))
        found = yield from _noted(reference)
    if found[0]["docstatus"] == 0:
        replies.answer((yield requests.submit(NOTE, found[0]["name"], found[0]["modified"])))
    return found[0]["name"]


def _invoices(notes: list[str]) -> Talking:
    """What bills these Delivery Notes."""
    filters = [["Sales Invoice Item", "delivery_note", "in", notes], ["is_return", "=", 0], _STANDING]
    found = replies.listed((yield requests.documents(INVOICE, filters, _BILLED)))
    return list({invoice["name"]: invoice for invoice in found}.values())


# -- credit -------------------------------------------------------------------------------------------------


def credit_invoice(data: Json, context: Context) -> Talking:
    """The invoice is credited under our key: for the amount, else in full."""
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
    found = replies.listed((yield requests.documents(INVOICE, filters, _BILLED)))
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
    filters = [["remarks", "like", f"%{context.key}%"], ["is_return", "=", 1], _STANDING]
    return replies.listed((yield requests.documents(INVOICE, filters, _BILLED)))


def _credited(invoice: Json, data: Json, context: Context) -> Talking:
    if invoice["docstatus"] != 1:
        raise RefusedByPartner(f"{invoice['name']} is not submitted in ERPNext", code="wrong_state")
    total = Decimal(str(invoice["grand_total"]))
    wanted = to_credit(data, invoice["name"], total, invoice["currency"])
    found = yield from _ours(context)
    if not found:
        draft = replies.answer((yield requests.derived("credit", invoice["name"])), key="message")
        share = wanted / total
        rows = [
            {**row, "rate": (Decimal(str(row["rate"])) * share).quantize(_FINE)} for row in draft["items"]
        ]
        remarks = f"{data.get('reason') or 'credited'} ({context.key})"
        values = {**draft, "items": rows, "remarks": remarks, "update_stock": 0}
        replies.answer((yield requests.create(INVOICE, values)))
        found = yield from _ours(context)
    credit = found[0]
    if credit["docstatus"] == 0:
        if abs(Decimal(str(credit["grand_total"]))) != wanted:
            raise RefusedByPartner(
                f"the draft {credit['name']} credits {abs(credit['grand_total'])}, not {wanted}: correct it"
                " in ERPNext, then try again",
                code="amount_differs",
            )
        replies.answer((yield requests.submit(INVOICE, credit["name"], credit["modified"])))
        found = yield from _ours(context)
    if found[0]["docstatus"] != 1:
        raise RefusedByPartner(f"{credit['name']} is not submitted in ERPNext", code="wrong_state")
    return _given(found[0])


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
    credit, amount = found[0], data.get("amount")
    if credit["docstatus"] == 0:
        worth = abs(Decimal(str(credit["grand_total"])))
        if amount is not None and (amount["currency"], Decimal(amount["amount"])) != (
            credit["currency"],
            worth,
        ):
            raise RefusedByPartner(
                f"ERPNext would credit {worth} {credit['currency']} for return {data['return']}: correct its"
                f" draft {credit['name']}, or give no amount",
                code="amount_differs",
            )
        replies.answer((yield requests.submit(INVOICE, credit["name"], credit["modified"])))
        found = yield from _ours(context)
    if found[0]["docstatus"] != 1:
        raise RefusedByPartner(f"{credit['name']} is not submitted in ERPNext", code="wrong_state")
    return _given(found[0])


def _given(credit: Json) -> Json:
    amount = abs(Decimal(str(credit["grand_total"])))
    return {"credit": credit["name"], "amount": money(amount, credit["currency"])}


# -- feeds --------------------------------------------------------------------------------------------------


def orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Sales Orders that were submitted or cancelled."""
    return (yield from _page(ORDER, cursor, context))


def invoices(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Sales Invoices and credits that were submitted or paid."""
    return (yield from _page(INVOICE, cursor, context))


def _page(doctype: str, cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Whole documents of the company that were submitted or cancelled since."""
    filters = [["company", "=", context.settings["company"]], ["docstatus", ">", 0]]
    page = yield from named(doctype, filters, [], cursor, context)
    documents = []
    for one in page.records:
        answer = yield requests.document(doctype, one["name"])
        documents.append(replies.answer(answer))
    return Page(records=documents, cursor=page.cursor, more=page.more)


def named(
    doctype: str,
    filters: list[Any],
    fields: list[str],
    cursor: str,
    context: Context,
    *,
    most: int = _PAGE,
) -> Generator[Request, Response, Page]:
    """Documents that were changed since, oldest first, with their names and these fields."""
    place, settings = Place.of(cursor), context.settings
    filters = [
        *filters,
        *replies.since_of(moment(place.after[0]) if place.after else place.bound(settings), settings),
    ]
    asked = requests.documents(
        doctype, filters, ["name", "modified", *fields], order="modified asc, name asc", most=most
    )
    found = [
        (replies.at(one["modified"], settings), one["name"], one) for one in replies.listed((yield asked))
    ]
    page = place.page(found, settings, most)
    if page.more and page.cursor == cursor:
        raise RefusedByPartner(f"more than {most} documents of {doctype} have the same time", code="feed")
    return page
