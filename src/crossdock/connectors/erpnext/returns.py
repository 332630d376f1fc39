"""Goods that come back to ERPNext: a draft of a return for each Delivery Note that they left with.

The drafts have our key as their transport receipt number (`lr_no`), and are the leave to send the goods back.
They are submitted when the goods are to be credited, which takes them into stock.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from decimal import Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, RefusedByPartner, Request, Response
from crossdock.connectors._deliveries import coming_back, line_name
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.lines import goods_of, in_their_units
from crossdock.connectors.erpnext.requests import GONE, NOTE, ORDER

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]


def authorise_return(data: Json, context: Context) -> Talking:
    """Drafts of returns of what the order's Delivery Notes brought, under our key."""
    order = replies.answer((yield requests.document(ORDER, data["order"])))
    goods = goods_of(order, context.settings)
    in_their_units(order, goods, data.get("lines") or ())
    ours = yield from _ours(context)
    if _more(data, ours):  # it was corrected after a try
        yield from cancel_return(_named(ours), context)
        ours = []
    missing = yield from _missing(data, context, goods, ours)
    for draft, rows in missing:
        values = {**draft, "items": rows, "lr_no": context.key}
        replies.answer((yield requests.create(NOTE, values)))
    if missing:
        ours = yield from _ours(context)
    if not ours:
        raise RefusedByPartner(f"{data['order']} has nothing that could come back", code="nothing_left")
    return _named(ours)


def find_return(data: Json, context: Context) -> Talking:
    """The return under our key, where all of it is there; with less `authorise_return` goes on."""
    ours = yield from _ours(context)
    if not ours or _more(data, ours):
        return None
    order = replies.answer((yield requests.document(ORDER, data["order"])))
    if (yield from _missing(data, context, goods_of(order, context.settings), ours)):
        return None
    return _named(ours)


def cancel_return(data: Json, _: Context) -> Talking:
    """The drafts are taken away; they may have been before."""
    for name in _names(data):
        answer = yield requests.perhaps(NOTE, name)
        if answer.status == GONE:
            continue
        note = replies.answer(answer)
        if note["docstatus"] == 1:
            raise RefusedByPartner(f"return {name} was received in ERPNext", code="wrong_state")
        if note["docstatus"] == 0:
            gone = yield requests.delete(NOTE, name)
            if gone.status != GONE:
                replies.answer(gone, key="message")
    return {}


def received(data: Json) -> Talking:
    """The returns are submitted: the goods are in stock again. Gives their names."""
    names = _names(data)
    for name in names:
        note = replies.answer((yield requests.document(NOTE, name)))
        if note["docstatus"] == 0:
            replies.answer((yield requests.submit(NOTE, name, note["modified"])))
        elif note["docstatus"] != 1:
            raise RefusedByPartner(f"return {name} is cancelled in ERPNext", code="wrong_state")
    return names


def _names(data: Json) -> list[str]:
    return [name.strip() for name in str(data["return"]).split(",")]


def _named(notes: list[Any]) -> Json:
    return {"return": ", ".join(sorted(note["name"] for note in notes))}


def _ours(context: Context) -> Talking:
    """The returns under our key, with their rows."""
    filters = [["lr_no", "=", context.key], ["is_return", "=", 1], ["docstatus", "<", 2]]
    found = replies.listed((yield requests.documents(NOTE, filters, ["name"])))
    notes = []
    for one in found:
        answer = yield requests.document(NOTE, one["name"])
        notes.append(replies.answer(answer))
    return notes


def _more(data: Json, ours: list[Any]) -> bool:
    """Whether our returns carry more of a line than is told."""
    told = coming_back(data, line_name)
    if told is None:
        return False
    for row in (row for note in ours for row in note["items"]):
        told[row["so_detail"]] = told.get(row["so_detail"], Decimal(0)) + Decimal(str(row["qty"]))
    return any(rest < 0 for rest in told.values())


def _promised(order: str, context: Context) -> Talking:
    """How much other drafts of returns have, by the note and the line that it left with."""
    filters = [
        ["Delivery Note Item", "against_sales_order", "=", order],
        ["is_return", "=", 1],
        ["docstatus", "=", 0],
        ["lr_no", "!=", context.key],
    ]
    found = replies.listed((yield requests.documents(NOTE, filters, ["name"])))
    promised: dict[tuple[str, str], Decimal] = {}
    for name in dict.fromkeys(one["name"] for one in found):
        note = replies.answer((yield requests.document(NOTE, name)))
        for row in note["items"]:
            of = (str(note["return_against"]), str(row["so_detail"]))
            promised[of] = promised.get(of, Decimal(0)) - Decimal(str(row["qty"]))
    return promised


def _missing(data: Json, context: Context, goods: Collection[str], ours: list[Any]) -> Talking:
    """Drafts and their rows, of what is to come back and is in none of ours yet."""
    promised = yield from _promised(data["order"], context)
    left = coming_back(data, line_name)
    if left is not None:
        for row in (row for note in ours for row in note["items"]):
            left[row["so_detail"]] = left.get(row["so_detail"], Decimal(0)) + Decimal(str(row["qty"]))
    covered = {note["return_against"] for note in ours}
    filters = [
        ["Delivery Note Item", "against_sales_order", "=", data["order"]],
        ["docstatus", "=", 1],
        ["is_return", "=", 0],
    ]
    found = replies.listed((yield requests.documents(NOTE, filters, ["name"])))
    missing = []
    for name in dict.fromkeys(one["name"] for one in found):
        if name in covered or (left is not None and not any(rest > 0 for rest in left.values())):
            continue
        draft = replies.answer((yield requests.derived("return", name)), key="message")
        rows = []
        for row in draft["items"]:
            if row["so_detail"] not in goods:
                continue
            back = -Decimal(str(row["qty"])) - promised.get((name, row["so_detail"]), Decimal(0))
            if left is not None:
                back = min(back, left.get(row["so_detail"], Decimal(0)))
                left[row["so_detail"]] = left.get(row["so_detail"], Decimal(0)) - back
            if back > 0:
                rows.append({**row, "qty": -back})
        if rows:
            missing.append((draft, rows))
    for line, rest in sorted((left or {}).items()):
        if rest > 0:
            wanted = (coming_back(data, line_name) or {})[line]
            raise RefusedByPartner(
                f"ERPNext has not delivered so much of line {line} of {data['order']}:"
                f" {float(wanted - rest):g} may come back, not {float(wanted):g}",
                code="nothing_left",
            )
    return missing
