"""What was delivered of an order becomes Tryton's shipments that are done, and an invoice that is posted.

The warehouse and the carriers have done it; Tryton is told. Each of our shipments is one of Tryton's, with
our number as its reference, by which it is found again. A shipment of Tryton that is still open is cut to
what left; Tryton makes another of the rest, which the next of ours takes, or which stays as its back-order.
Then all are brought to `done` together, so that one invoice bills them.

    draft > waiting > assigned > picked > packed > shipped > done        and its invoice: draft > posted

All of it is a wanted state. What another try has done is found as it stands and gone on with, and where all
is done already nothing is pressed.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import line_id, parts
from crossdock.connectors._words import money
from crossdock.connectors.tryton import replies
from crossdock.connectors.tryton.talks import Talking, pressed, sale_of, searched, tolerant

Json = Mapping[str, Any]

SHIPMENT = "stock.shipment.out"
_OPEN = ("draft", "waiting", "assigned")
_STEPS = (
    ("draft", "wait"),
    ("waiting", "assign_try"),
    ("assigned", "pick"),
    ("picked", "pack"),
    ("packed", "ship"),
    ("shipped", "do"),
)
_MOVES = ("origin", "quantity", "state", "product.code", "unit.symbol")
_SHIPMENTS = [
    *("number", "reference", "state", "_timestamp"),
    *(f"outgoing_moves.{field}" for field in _MOVES),
]
_SALE = [*(f"shipments.{field}" for field in _SHIPMENTS), *(f"lines.{field}" for field in replies.LINES)]
_BILL = ("number", "state", "total_amount", "currency.code")
_INVOICES = [f"invoice_lines.invoice.{field}" for field in _BILL]
_AT_ONCE = ["shipments.state", "invoices.lines.origin", *(f"invoices.{field}" for field in _BILL)]
_DRAFT = ("draft", "validated")


def release_invoice(data: Json, context: Context) -> Talking:
    """The order's shipments are done, and what they carried is billed."""
    wanted = parts(data, context, line_id, erp="Tryton")
    sale = yield from sale_of(context, data["order"], _SALE)
    if sale["state"] not in ("processing", "done"):
        raise replies.wrong_state(f"sale {sale['number']}", sale["state"])
    for told in data.get("lines") or ():
        replies.in_its_unit(sale, told, "line")
    sale = yield from _with_enough(context, sale, wanted)
    shipments: list[int] = []
    for reference, lines in wanted.items():
        shipments.append((yield from _shipment(context, sale, reference, lines)))
        if len(shipments) < len(wanted):
            sale = yield from sale_of(context, data["order"], _SALE)
    yield from _done(context, shipments)
    invoices = yield from _invoices(context, shipments)
    if not invoices:
        raise RefusedByPartner(
            f"Tryton has made no invoice of what was delivered of {data['order']}: its invoice method may be"
            " another than on fulfilment",
            code="no_invoice",
        )
    services = yield from _services(context, sale, shipments)
    invoices |= services
    if drafts := [number for number, invoice in invoices.items() if invoice["state"] in _DRAFT]:
        yield from pressed(context, "account.invoice", drafts, "post")
        invoices = yield from _invoices(context, shipments)
        invoices |= yield from _services(context, sale, shipments, known=services)
    for invoice in invoices.values():
        if invoice["state"] not in replies.POSTED:
            raise replies.wrong_state(f"the invoice of {data['order']}", invoice["state"])
    return _released(invoices)


def find_invoice(data: Json, context: Context) -> Talking:
    """The invoice, where all that is told is done, billed and posted; else `release_invoice` goes on."""
    sale = yield from sale_of(context, data["order"], _SALE)
    shipments: list[int] = []
    for reference, lines in parts(data, context, line_id, erp="Tryton").items():
        mine = _mine(sale, reference)
        if mine is None or mine["state"] != "done" or (lines is not None and _carries(mine) != lines):
            return None
        shipments.append(mine["id"])
    invoices = yield from _invoices(context, shipments)
    if not invoices:
        return None
    invoices |= yield from _services(context, sale, shipments)
    if any(invoice["state"] not in replies.POSTED for invoice in invoices.values()):
        return None
    return _released(invoices)


def _released(invoices: Mapping[int, Json]) -> Json:
    currency = next(iter(invoices.values()))["currency."]["code"]
    total = sum((invoice["total_amount"] for invoice in invoices.values()), Decimal(0))
    # One, but for services, and where an earlier try was cut off between two shipments.
    numbers = ", ".join(invoice["number"] for _, invoice in sorted(invoices.items()))
    return {"invoice": numbers, "total": money(total, currency)}


def _mine(sale: Json, reference: str) -> Any:
    standing = [one for one in sale["shipments."] if one["state"] != "cancelled"]
    return next((one for one in standing if one["reference"] == reference), None)


def _shipment(context: Context, sale: Json, reference: str, lines: Mapping[int, Decimal] | None) -> Talking:
    """Tryton's shipment for one of ours: the one with our reference, else the open one, cut to what left."""
    found = _mine(sale, reference)
    if found is not None and (lines is None or _carries(found) == lines):
        return found["id"]
    if found is not None and found["state"] not in _OPEN:
        raise _otherwise(found, lines or {})
    if found is None:
        found = _free(sale, lines)
    if found is None:  # the rest of what an earlier one was cut to
        yield from pressed(context, "sale.sale", [sale["id"]], "process")
        sale = yield from sale_of(context, sale["number"], _SALE)
        found = _free(sale, lines)
    if found is None:
        raise _none_left(sale)
    if lines is not None:
        known = {line["id"] for line in replies.goods(sale)}
        if strange := sorted(set(lines) - known):
            raise replies.not_found(f"line of goods in sale {sale['number']}", strange[0])
    values: dict[str, Any] = {"reference": reference}
    if lines is not None and _carries(found) != lines:
        _cut(found, lines)  # refused before anything is pressed
        if found["state"] == "assigned":  # what was set aside for it goes back first
            yield from pressed(context, SHIPMENT, [found["id"]], "wait")
        if found["state"] != "draft":
            yield from pressed(context, SHIPMENT, [found["id"]], "draft")
            (found,) = yield from searched(context, SHIPMENT, [["id", "=", found["id"]]], _SHIPMENTS)
        values["moves"] = _cut(found, lines)
    seen = {"_timestamp": {f"{SHIPMENT},{found['id']}": found["_timestamp"]}}
    yield from tolerant(context, f"model.{SHIPMENT}.write", [found["id"]], values, more=seen)
    return found["id"]


def _with_enough(context: Context, sale: Json, wanted: Mapping[str, Mapping[int, Decimal] | None]) -> Talking:
    """The sale, once it holds what is wanted of each line. Else refused before a first shipment is cut."""
    needed: dict[int, Decimal] = {}
    for reference, lines in wanted.items():
        if _mine(sale, reference) is None:
            for number, quantity in (lines or {}).items():
                needed[number] = needed.get(number, Decimal(0)) + quantity

    def short() -> dict[int, Decimal]:
        free: dict[int, Decimal] = {}
        for one in sale["shipments."]:
            if one["state"] != "cancelled" and not one["reference"]:
                for number, quantity in _carries(one).items():
                    free[number] = free.get(number, Decimal(0)) + quantity
        return {
            number: free.get(number, Decimal(0)) for number in needed if needed[number] > free.get(number, 0)
        }

    if len(wanted) > 1 and short():
        yield from pressed(context, "sale.sale", [sale["id"]], "process")
        sale = yield from sale_of(context, sale["number"], _SALE)
        for number, free in short().items():
            raise _too_much(f"sale {sale['number']}", number, free, needed[number])
    return sale


def _too_much(where: str, line: int, left: Decimal, wanted: Decimal) -> RefusedByPartner:
    return RefusedByPartner(
        f"Tryton's {where} has {float(left):g} left of line {line}, not {wanted}: correct the order or the"
        " delivery, then try again",
        code="nothing_left",
    )


def _otherwise(shipment: Json, lines: Mapping[int, Decimal]) -> RefusedByPartner:
    """What has left Tryton's warehouse under our reference is not what is told now."""
    carried = _carries(shipment)
    line = min(n for n in {*carried, *lines} if carried.get(n, 0) != lines.get(n, 0))
    there, told = (float(one.get(line, 0)) for one in (carried, lines))
    return RefusedByPartner(
        f"Tryton's shipment {shipment['number']} is {shipment['state']} with {there:g} of line {line}, not"
        f" {told:g}: correct the delivery, or take it back in Tryton, then try again",
        code="wrong_state",
    )


def _none_left(sale: Json) -> RefusedByPartner:
    """Nothing is left to deliver; but a shipment with another reference may be what was meant."""
    named = [one for one in sale["shipments."] if one["state"] in _OPEN and one["reference"]]
    hint = "".join(
        f"; its shipment {one['number']} is open under the reference {one['reference']}: if it is this one,"
        " take the reference away in Tryton, then try again"
        for one in named[:1]
    )
    return RefusedByPartner(
        f"Tryton has nothing left to deliver of {sale['number']}{hint}", code="nothing_left"
    )


def _free(sale: Json, lines: Mapping[int, Decimal] | None) -> Any:
    """A shipment that is none of ours yet: one that carries just that, by hand or not, else an open one."""
    free = [one for one in sale["shipments."] if one["state"] != "cancelled" and not one["reference"]]
    same = [one for one in free if lines is not None and _carries(one) == lines]
    open_ = [one for one in free if one["state"] in _OPEN]
    return min(same or open_ or ([] if lines else free), key=lambda one: one["id"], default=None)


def _carries(shipment: Json) -> dict[int, Decimal]:
    """How much of which line of the sale is in a shipment."""
    carried: dict[int, Decimal] = {}
    for move in shipment["outgoing_moves."]:
        number = _line(move)
        if number and move["state"] != "cancelled":
            carried[number] = carried.get(number, Decimal(0)) + Decimal(str(move["quantity"]))
    return carried


def _line(move: Json) -> int:
    """The line of the sale that a move is of; 0 where it is of none."""
    model, _, number = str(move["origin"] or "").partition(",")
    return int(number) if model == "sale.line" else 0


def _cut(shipment: Json, lines: Mapping[int, Decimal]) -> list[Any]:
    """How its moves become what left: less of some, none of others."""
    less, none = [], []
    left = dict(lines)
    carries = _carries(shipment)
    for number, wanted in lines.items():
        if wanted > carries.get(number, Decimal(0)):
            raise _too_much(f"shipment {shipment['number']}", number, carries.get(number, Decimal(0)), wanted)
    for move in shipment["outgoing_moves."]:
        if move["state"] == "cancelled":
            continue
        wanted = left.pop(_line(move), Decimal(0))
        if not wanted:
            none.append(move["id"])
        elif wanted != Decimal(str(move["quantity"])):
            less.append(["write", [move["id"]], {"quantity": float(wanted)}])
    return [*less, *([["delete", none]] if none else [])]


def _done(context: Context, shipments: list[int]) -> Talking:
    """Press what brings them to `done`, all together."""
    found = yield from _standing(context, shipments)
    for state, button in _STEPS:
        there = [number for number, one in found.items() if one["state"] == state]
        if not there:
            continue
        yield from pressed(context, SHIPMENT, there, button)
        found = yield from _standing(context, shipments)
        stuck = [found[number] for number in there if found[number]["state"] == state]
        if stuck and button == "assign_try":
            raise _short(stuck)
        if stuck:
            raise replies.wrong_state(f"shipment {stuck[0]['number']}", state)
    for one in found.values():
        if one["state"] != "done":
            raise replies.wrong_state(f"shipment {one['number']}", one["state"])


def _standing(context: Context, shipments: list[int]) -> Talking:
    fields = ["number", "state", "inventory_moves.state", "inventory_moves.product.code"]
    found = yield from searched(context, SHIPMENT, [["id", "in", shipments]], fields)
    return {one["id"]: one for one in found}


def _short(stuck: list[Any]) -> RefusedByPartner:
    """Tryton says nothing of its own when stock does not suffice: it leaves the shipment waiting."""
    items = sorted(
        {
            str((move.get("product.") or {}).get("code"))
            for one in stuck
            for move in one["inventory_moves."]
            if move["state"] in ("draft", "staging")
        }
    )
    return RefusedByPartner(
        f"Tryton has not the stock of {', '.join(items) or 'it'} that has left by shipment"
        f" {', '.join(str(one['number']) for one in stuck)}: correct its stock, then try again",
        code="stock_short",
    )


def _invoices(context: Context, shipments: list[int]) -> Talking:
    """The invoices that bill the moves of these shipments, by id."""
    domain = [["shipment", "in", [f"{SHIPMENT},{number}" for number in shipments]], ["state", "=", "done"]]
    moves = yield from searched(context, "stock.move", domain, _INVOICES)
    lines = [line for move in moves for line in move.get("invoice_lines.") or ()]
    found = [line["invoice."] for line in lines if line.get("invoice.")]
    return {invoice["id"]: invoice for invoice in found if invoice["state"] != "cancelled"}


def _services(
    context: Context, sale: Json, shipments: list[int], known: Mapping[int, Json] | None = None
) -> Talking:
    """The invoices of what is no goods, by id: Tryton makes them as soon as the sale is processed.

    They go with the first delivery, and with a later one where they are drafts, or `known`.
    """
    goods = {line["id"] for line in replies.goods(sale)}
    others = {line["id"] for line in sale["lines."] if line["type"] == "line"} - goods
    if not others:
        return {}
    standing = yield from sale_of(context, sale["number"], _AT_ONCE)
    done = [one["id"] for one in standing["shipments."] if one["state"] == "done"]
    first = min(done, default=0) in shipments
    origins = {f"sale.line,{number}" for number in others}
    return {
        one["id"]: one
        for one in standing["invoices."]
        if one["state"] != "cancelled"
        and {line["origin"] for line in one["lines."]} <= origins
        and (first or one["state"] in _DRAFT or one["id"] in (known or {}))
    }
