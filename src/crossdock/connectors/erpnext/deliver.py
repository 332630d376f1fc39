"""What was delivered of an order becomes Delivery Notes, submitted, and a Sales Invoice of what they carried.

Each of our shipments is a Delivery Note with our number as its transport receipt number (`lr_no`). All of
them are looked at before the first is made: that each line has so much left, in its unit, and that what was
noted under our number is what is told. A draft that an earlier try left is gone on with, or made anew where
other quantities are told now. Services go with the first note, and are billed with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import line_name, parts
from crossdock.connectors._words import money
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.lines import carried, goods_of, in_their_units, left_of, named
from crossdock.connectors.erpnext.requests import BILLED, INVOICE, NOTE, ORDER, STANDING
from crossdock.connectors.erpnext.talks import Talking

Json = Mapping[str, Any]
Quantities = Mapping[str, Decimal]


def release_invoice(data: Json, context: Context) -> Talking:
    """The order's Delivery Notes are submitted, and what they carried is billed."""
    wanted = parts(data, context, line_name, erp="ERPNext")
    order = replies.answer((yield requests.document(ORDER, data["order"])))
    if order["docstatus"] != 1:
        raise RefusedByPartner(f"{order['name']} is not submitted in ERPNext", code="wrong_state")
    goods = goods_of(order, context.settings)
    for lines in data.get("lines") or ():
        in_their_units(order, goods, lines)
    yield from _services_alone(order, context)
    noted = yield from _noted(order, wanted)
    _checked(order, goods, noted, wanted)
    notes: list[str] = []
    for reference, much in wanted.items():
        notes.append((yield from _delivered(order, goods, reference, much, noted.get(reference))))
    invoices = yield from _invoices(notes)
    if unbilled := [note for note in notes if note not in invoices]:
        draft: Any = None
        for note in unbilled:
            draft = replies.answer((yield requests.derived(INVOICE, note, draft)), key="message")
        replies.answer((yield requests.create(INVOICE, {**draft, "remarks": context.key})))
        invoices = yield from _invoices(notes)
    drafts = {one["name"]: one for found in invoices.values() for one in found if one["docstatus"] == 0}
    for invoice in drafts.values():
        replies.answer((yield requests.submit(INVOICE, invoice["name"], invoice["modified"])))
    if drafts:
        invoices = yield from _invoices(notes)
    return _released(invoices, data["order"])


def find_invoice(data: Json, context: Context) -> Talking:
    """The invoice, where all that is told was delivered and is billed; else `release_invoice` goes on."""
    wanted = parts(data, context, line_name, erp="ERPNext")
    order = replies.answer((yield requests.document(ORDER, data["order"])))
    goods = goods_of(order, context.settings)
    noted = yield from _noted(order, wanted)
    for reference, much in wanted.items():
        note = noted.get(reference)
        if note is None or note["docstatus"] != 1 or _differs(note, goods, much):
            return None
    notes = [note["name"] for note in noted.values()]
    invoices = yield from _invoices(notes)
    standing = [one for found in invoices.values() for one in found]
    if len(invoices) < len(notes) or any(one["docstatus"] != 1 for one in standing):
        return None
    return _released(invoices, data["order"])


def _released(by_note: Mapping[str, list[Any]], order: str) -> Json:
    invoices = {one["name"]: one for found in by_note.values() for one in found}
    if not invoices or any(one["docstatus"] != 1 for one in invoices.values()):
        raise RefusedByPartner(f"the invoice of {order} is not submitted in ERPNext", code="wrong_state")
    total = sum((Decimal(str(one["grand_total"])) for one in invoices.values()), Decimal(0))
    currency = next(iter(invoices.values()))["currency"]
    return {"invoice": ", ".join(invoices), "total": money(total, currency)}


def _noted(order: Json, wanted: Mapping[str, Quantities | None]) -> Talking:
    """The Delivery Notes of our shipments that there are, with their rows, by our number."""
    found = {}
    for reference in wanted:
        filters = [
            ["lr_no", "=", reference],
            ["Delivery Note Item", "against_sales_order", "=", order["name"]],
            ["is_return", "=", 0],
            STANDING,
        ]
        if notes := replies.listed((yield requests.documents(NOTE, filters, ["name"]))):
            found[reference] = replies.answer((yield requests.document(NOTE, notes[0]["name"])))
    return found


def _checked(
    order: Json,
    goods: Mapping[str, Json],
    noted: Mapping[str, Json],
    wanted: Mapping[str, Quantities | None],
) -> None:
    """Raises `RefusedByPartner` for what cannot be done, before anything is."""
    needed: dict[str, Decimal] = {}
    if any(reference not in noted or noted[reference]["docstatus"] == 0 for reference in wanted):
        _may_leave(order)
    for reference, much in wanted.items():
        note = noted.get(reference)
        if note is None or note["docstatus"] == 0:
            for name, quantity in (much or {}).items():
                needed[name] = needed.get(name, Decimal(0)) + quantity
        elif name := _differs(note, goods, much):
            there, told = carried(note, goods).get(name, Decimal(0)), (much or {}).get(name, Decimal(0))
            raise RefusedByPartner(
                f"{note['name']} is submitted in ERPNext with {float(there):g} of {named(goods[name])}, not"
                f" {float(told):g}: correct the delivery, or cancel {note['name']}, then try again",
                code="wrong_state",
            )
    for name, quantity in needed.items():
        left = left_of(goods[name])
        if quantity > left:
            raise RefusedByPartner(
                f"{order['name']} has {float(left):g} left of {named(goods[name])} in ERPNext,"
                f" not {float(quantity):g}: correct the order or the delivery, then try again",
                code="nothing_left",
            )


def _may_leave(order: Json) -> None:
    """Raises `RefusedByPartner` for an order of which ERPNext takes no Delivery Note."""
    if order.get("status") in ("Closed", "On Hold"):
        raise RefusedByPartner(
            f"{order['name']} is {order['status']} in ERPNext: open it again there, then try again",
            code="wrong_state",
        )
    for row in order["items"]:
        if Decimal(str(row["qty"])) < 0:
            raise RefusedByPartner(
                f"{named(row)} of {order['name']} has a quantity below zero, which no Delivery Note takes:"
                " amend the order in ERPNext (a discount has its rate below zero), or deliver and bill it"
                " there, then supply the invoice's number",
                code="below_zero",
            )


def _services_alone(order: Json, context: Context) -> Talking:
    """Check that no goods would be billed whole as a service.

    A row that is older than its ERPNext 15 says of every item that it is not kept in stock.
    """
    rows = [row for row in replies.services(order, context.settings) if row.get("is_stock_item") == 0]
    groups = context.settings["services"]
    if unsure := [row for row in rows if row.get("item_group") not in groups]:
        filters = [["name", "in", sorted({row["item_code"] for row in unsure})], ["is_stock_item", "=", 1]]
        kept = [one["name"] for one in replies.listed((yield requests.documents("Item", filters, ["name"])))]
        for row in unsure:
            if row["item_code"] in kept:
                raise RefusedByPartner(
                    f"{named(row)} of {order['name']} is not kept in stock as the order says, and is as its"
                    " item says: amend the order in ERPNext, or deliver and bill it there",
                    code="wrong_state",
                )


def _differs(note: Json, goods: Mapping[str, Json], much: Quantities | None) -> str:
    """The first line of which a note carries something else than is told; empty where there is none."""
    there = carried(note, goods)
    told = there if much is None else much
    return min((name for name in {*there, *told} if there.get(name) != told.get(name)), default="")


def _delivered(
    order: Json, goods: Mapping[str, Json], reference: str, much: Quantities | None, note: Json | None
) -> Talking:
    """The Delivery Note of one of our shipments, submitted; gives its name."""
    if note is not None and note["docstatus"] == 0 and _differs(note, goods, much):
        gone = yield requests.delete(NOTE, note["name"])
        if gone.status != requests.GONE:
            replies.answer(gone, key="message")
        note = None
    if note is None:
        draft = replies.answer((yield requests.derived(NOTE, order["name"])), key="message")
        rows = []
        for row in draft["items"]:
            name = str(row.get("so_detail"))
            whole = much is None or name not in goods
            quantity = Decimal(str(row["qty"])) if whole else (much or {}).get(name)
            if quantity:
                rows.append({**row, "qty": quantity})
        if not any(str(row.get("so_detail")) in goods for row in rows):
            raise RefusedByPartner(
                f"ERPNext has nothing left to deliver of {order['name']}", code="nothing_left"
            )
        values = {**draft, "items": rows, "lr_no": reference}
        note = replies.answer((yield requests.create(NOTE, values)))
    if note["docstatus"] == 0:
        replies.answer((yield requests.submit(NOTE, note["name"], note["modified"])))
    return note["name"]


def _invoices(notes: list[str]) -> Talking:
    """What bills these Delivery Notes, by note; those that nothing bills are left out."""
    found = {}
    for note in notes:
        filters = [["Sales Invoice Item", "delivery_note", "=", note], ["is_return", "=", 0], STANDING]
        if bills := replies.listed((yield requests.documents(INVOICE, filters, BILLED))):
            found[note] = bills
    return found
