"""Credit: for an amount or a whole invoice by a complaint, for goods that came back by a sale of returns.

A complaint is how Tryton gives money back: about an invoice, waiting, approved, with a credit note as its
result. A return is a sale of negative quantities; while it is a quotation it is our leave to send the goods
back, and it is confirmed, received and billed when they are to be credited. Both carry our key as reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import coming_back
from crossdock.connectors._words import money
from crossdock.connectors.tryton import replies, requests
from crossdock.connectors.tryton.talks import Talking, made, pressed, sale_of, searched
from crossdock.errors import Refused

Json = Mapping[str, Any]

RETURN = "stock.shipment.out.return"
_CENTS = Decimal("0.05")  # what rounding by line may be off
_BILLED = [
    *("number", "state", "total_amount", "party", "currency.code", "sales"),
    *("lines.type", "lines.quantity", "lines.unit_price", "lines.account"),
]
_COMPLAINT = ["state", "actions.result"]
_UNREFUSED = ["state", "not in", ["cancelled", "rejected"]]
_FINE = 100  # of more than so many, a price of four places is off by cents
_RETURNED = [
    *("origin", "shipment_returns.reference", "shipment_returns.state"),
    *("invoices.state", "invoices.number"),
]
_LEFT = ["lines.moves.quantity", "lines.moves.state"]
_BACK = ["lines.product", "lines.unit", "lines.quantity"]
_HEADER = [
    *("party", "invoice_party", "invoice_address", "shipment_party", "shipment_address", "currency"),
    *("company", "warehouse", "payment_term", "invoice_method", "shipment_method"),
]


# -- an amount, or all of an invoice ------------------------------------------------------------------------


def credit_invoice(data: Json, context: Context) -> Talking:
    """The invoice is credited under our reference: for the amount, else in full."""
    numbers = [number.strip() for number in str(data["invoice"]).split(",")]
    domain = [["number", "in", numbers], ["type", "=", "out"]]
    invoices = yield from searched(context, "account.invoice", domain, _BILLED)
    if missing := sorted(set(numbers) - {invoice["number"] for invoice in invoices}):
        raise replies.not_found("invoice", missing[0])
    return (yield from _credited(context, invoices, data))


def create_credit(data: Json, context: Context) -> Talking:
    """The order's customer has a credit note: for what came back with the return, else for the amount."""
    if data.get("return"):
        return (yield from _credited_return(data, context))
    if data.get("amount") is None:
        raise Refused("neither an amount nor a return is given", where="amount", mend="say what to credit")
    sale = yield from sale_of(context, data["order"], [f"invoices.{field}" for field in _BILLED])
    posted = [one for one in sale["invoices."] if one["state"] in replies.POSTED and one["total_amount"] > 0]
    if not posted:
        raise RefusedByPartner(f"sale {data['order']} has no posted invoice", code="wrong_state")
    largest = max(posted, key=lambda one: (one["total_amount"], one["id"]))
    return (yield from _credited(context, [largest], data))


def find_credit(data: Json, context: Context) -> Talking:
    """The posted credit with our reference; with less the operation goes on."""
    if data.get("return"):
        sale = yield from sale_of(context, data["return"], _RETURNED)
        posted = [one["id"] for one in sale["invoices."] if one["state"] in replies.POSTED]
        return (yield from _given(context, posted)) if posted else None
    drafts, posted = yield from _notes(context)
    return (yield from _given(context, posted)) if posted and not drafts else None


def _credited(context: Context, invoices: list[Any], data: Json) -> Talking:
    """A complaint about each invoice, approved, and its credit note posted."""
    amount = data.get("amount")
    for invoice in invoices:
        if invoice["state"] not in replies.POSTED:
            raise replies.wrong_state(f"invoice {invoice['number']}", invoice["state"])
    if amount is not None:  # on one of them
        invoices = [max(invoices, key=lambda one: (one["total_amount"], one["id"]))]
    about = [f"account.invoice,{invoice['id']}" for invoice in invoices]
    domain = [["origin", "in", about], _UNREFUSED]
    standing = yield from searched(
        context, "sale.complaint", domain, ["reference", "origin", "actions.result"]
    )
    sales = sorted({number for invoice in invoices for number in invoice.get("sales") or ()})
    rest = yield from _left_of(
        context, sales, _results([one for one in standing if one["reference"] == context.key])
    )
    wanted: list[Decimal] = []
    missing: list[tuple[Any, Decimal | None]] = []  # with how much of it, None for all
    for invoice, origin in zip(invoices, about, strict=True):
        what, total = f"invoice {invoice['number']}", invoice["total_amount"]
        ours = [one for one in standing if one["origin"] == origin and one["reference"] == context.key]
        others = [one for one in standing if one["origin"] == origin and one["reference"] != context.key]
        credited = yield from _credited_by_others(context, invoice, _results(others), _results(ours))
        left = total - credited if rest is None else min(total - credited, max(rest, Decimal(0)))
        credited = total - left
        wanted.append(left)
        if amount is not None:
            wanted[-1] = replies.in_currency(amount, invoice["currency."]["code"], what)
        if rest is not None:
            rest -= wanted[-1]
        if not ours and amount is not None and not 0 < wanted[-1] <= left:
            raise _too_much(what, total, credited)
        if not ours and wanted[-1]:
            missing.append((invoice, None if amount is None and left == total else wanted[-1]))
    if not any(wanted):
        raise _too_much(what, total, credited)
    for invoice, part in missing:
        yield from _complain(context, invoice, part, str(data.get("reason") or "credited"))
    yield from _approved(context)
    drafts, posted = yield from _notes(context)
    if drafts:
        if sum(wanted) != sum(invoice["total_amount"] for invoice in invoices):
            yield from _exactly(context, [*drafts, *posted], sum(wanted, Decimal(0)))
        yield from pressed(context, "account.invoice", drafts, "post")
        drafts, posted = yield from _notes(context)
    if drafts or not posted:
        raise RefusedByPartner("the complaint has led to no posted credit note", code="wrong_state")
    return (yield from _given(context, posted))


def _too_much(what: str, total: Decimal, credited: Decimal) -> RefusedByPartner:
    already = f", of which {credited} is credited already" if credited else ""
    return RefusedByPartner(f"{what} is for {total}{already}", code="too_much")


def _ours(context: Context) -> list[Any]:
    return [["reference", "=", context.key], _UNREFUSED]


def _credited_by_others(context: Context, invoice: Json, notes: list[int], ours: list[int]) -> Talking:
    """How much of an invoice these credit notes give, and those of its lines that somebody made by hand.

    They are posted, or about to be.
    """
    lines = [f"account.invoice.line,{line['id']}" for line in invoice["lines."]]
    domain = [
        ["OR", ["id", "in", notes], ["lines.origin", "in", lines]],
        ["id", "not in", ours],
        ["state", "!=", "cancelled"],
    ]
    found = yield from searched(context, "account.invoice", domain, ["total_amount"])
    return -sum((note["total_amount"] for note in found), Decimal(0))


def _left_of(context: Context, sales: list[int], ours: list[int]) -> Talking:
    """What was billed of sales and no other credit gives back, also none that is about to be.

    Goods that came back are credited by a sale of their own, which is of no one invoice. None without sales.
    """
    if not sales:
        return None
    back = [["origin", "in", [f"sale.sale,{number}" for number in sales]], ["state", "!=", "cancelled"]]
    domain = ["OR", ["id", "in", sales], back]
    fields = ["invoices.state", "invoices.total_amount", "invoices.lines"]
    found = yield from searched(context, "sale.sale", domain, fields)
    moves = {one["id"]: one for sale in found for one in sale["invoices."]}
    lines = [f"account.invoice.line,{line}" for one in moves.values() for line in one["lines"]]
    about = [*(f"account.invoice,{number}" for number in moves), *lines]
    domain = [["origin", "in", about], _UNREFUSED]
    complaints = yield from searched(context, "sale.complaint", domain, ["actions.result"])
    domain = ["OR", ["id", "in", _results(complaints)], ["lines.origin", "in", lines]]
    notes = yield from searched(context, "account.invoice", domain, ["state", "total_amount"])
    moves |= {note["id"]: note for note in notes}
    counted = [
        one["total_amount"]
        for number, one in moves.items()
        if number not in ours
        and (one["state"] in replies.POSTED or (one["total_amount"] < 0 and one["state"] != "cancelled"))
    ]
    return sum(counted, Decimal(0))


def _complain(context: Context, invoice: Json, wanted: Decimal | None, reason: str) -> Talking:
    kinds = yield from searched(
        context, "sale.complaint.type", [["origin.name", "=", "account.invoice"]], ["name"], most=1
    )
    if not kinds:
        raise RefusedByPartner(
            "Tryton has no type of complaint for invoices: an administrator makes one", code="no_type"
        )
    action: dict[str, Any] = {"action": "credit_note"}
    if wanted is not None:
        share = wanted / invoice["total_amount"]
        rows = [_share_of(line, share) for line in invoice["lines."] if line["type"] == "line"]
        action["invoice_lines"] = [["create", rows]]
    values = {
        "reference": context.key,
        "customer": invoice["party"],
        "type": kinds[0]["id"],
        "origin": f"account.invoice,{invoice['id']}",
        "description": reason,
        "actions": [["create", [action]]],
    }
    yield from made(context, "sale.complaint", values)


def _share_of(line: Json, share: Decimal) -> Json:
    """How much less each of a line is to have cost; of many, it is taken off a single one."""
    quantity = Decimal(str(line["quantity"]))
    less = line["unit_price"] * share
    if abs(quantity) > _FINE:
        quantity, less = Decimal(1), less * quantity
    price = less.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return {"line": line["id"], "quantity": float(quantity), "unit_price": price}


def _approved(context: Context) -> Talking:
    """Our complaints are done: their credit notes exist."""
    for state, button in (("draft", "wait"), ("waiting", "approve"), ("approved", "process")):
        found = yield from searched(context, "sale.complaint", _ours(context), _COMPLAINT)
        if there := [complaint["id"] for complaint in found if complaint["state"] == state]:
            yield from pressed(context, "sale.complaint", there, button)


def _notes(context: Context) -> Talking:
    """The credit notes of our complaints: drafts, and those that are posted."""
    found = yield from searched(context, "sale.complaint", _ours(context), _COMPLAINT)
    ids = _results(found)
    if not ids:
        return [], []
    notes = yield from searched(context, "account.invoice", [["id", "in", ids]], ["state"])
    drafts = [note["id"] for note in notes if note["state"] in ("draft", "validated")]
    return drafts, [note["id"] for note in notes if note["state"] in replies.POSTED]


def _results(complaints: list[Any]) -> list[int]:
    """The ids of the credit notes that complaints have led to."""
    actions = [action["result"] or "" for complaint in complaints for action in complaint["actions."]]
    return [int(result.partition(",")[2]) for result in actions if result.startswith("account.invoice,")]


def _exactly(context: Context, notes: list[int], wanted: Decimal) -> Talking:
    """Take away what rounding by line left over, so that the credit is the amount to the cent.

    The first of the notes is a draft.
    """
    found = yield from searched(context, "account.invoice", [["id", "in", notes]], _BILLED)
    (draft,) = [one for one in found if one["id"] == notes[0]]
    given = -sum((one["total_amount"] for one in found), Decimal(0))
    over = wanted - given
    if not over:
        return
    if abs(over) > _CENTS:
        raise RefusedByPartner(
            f"the credit note is for {given}, not for {wanted}: look at it in Tryton",
            code="amount_differs",
        )
    line = {
        "invoice": notes[0],
        "type": "line",
        "description": "Rounding",
        "quantity": -1.0,
        "unit_price": over,
        "account": draft["lines."][0]["account"],
    }
    yield from made(context, "account.invoice.line", line)


def _given(context: Context, notes: list[int]) -> Talking:
    """Credit notes as the operations give them."""
    found = yield from searched(
        context, "account.invoice", [["id", "in", notes]], ["number", "total_amount", "currency.code"]
    )
    total = -sum((note["total_amount"] for note in found), Decimal(0))
    numbers = ", ".join(sorted(note["number"] for note in found))
    return {"credit": numbers, "amount": money(total, found[0]["currency."]["code"])}


# -- goods that come back -----------------------------------------------------------------------------------


def authorise_return(data: Json, context: Context) -> Talking:
    """A sale of returns under our reference is quoted: the leave to send the goods back."""
    standing = yield from _returns(context)
    if not standing:
        fields = [*_HEADER, "lines.taxes", "lines.product", "lines.unit", *_of_lines(), *_LEFT]
        sale = yield from sale_of(context, data["order"], fields)
        replies.in_its_unit(sale, data.get("lines") or (), "order_line")
        back = yield from _coming_back(context, sale, data)
        yield from made(context, "sale.sale", _reversed(sale, back, data, context))
        standing = yield from _returns(context)
    if standing[0]["state"] == "draft":
        yield from pressed(context, "sale.sale", [standing[0]["id"]], "quote")
        standing = yield from _returns(context)
    if standing[0]["state"] == "draft":
        raise replies.wrong_state("the return", "draft")
    return {"return": standing[0]["number"]}


def _of_lines() -> list[str]:
    return [f"lines.{field}" for field in replies.LINES]


def find_return(_: Json, context: Context) -> Talking:
    """The return with our reference that was quoted and not cancelled."""
    quoted = [sale for sale in (yield from _returns(context)) if sale["state"] != "draft"]
    return {"return": quoted[0]["number"]} if quoted else None


def _returns(context: Context) -> Talking:
    domain = [["reference", "=", context.key], ["state", "!=", "cancelled"]]
    return (yield from searched(context, "sale.sale", domain, ["number", "state"]))


def _coming_back(context: Context, sale: Json, data: Json) -> Talking:
    """How much of which line comes back: what is asked for, or all that was delivered and is not back yet.

    A return does not say of which line it is, so what came back before counts by product and unit. Raises
    `RefusedByPartner` for more than was delivered.
    """
    left = {
        str(line["id"]): sum(
            (Decimal(str(move["quantity"])) for move in line["moves."] if move["state"] == "done"), Decimal(0)
        )
        for line in replies.going(sale)
    }
    kinds = {str(line["id"]): (line["product"], line["unit"]) for line in replies.going(sale)}
    wanted = coming_back(data, lambda number: number if number in left else None)
    for number, quantity in (wanted or {}).items():
        if quantity > left[number]:
            raise _not_delivered(sale, number)
    domain = [["origin", "=", f"sale.sale,{sale['id']}"], ["state", "!=", "cancelled"]]
    before = yield from searched(context, "sale.sale", domain, _BACK)
    for line in (line for one in before for line in one["lines."]):
        back = -Decimal(str(line["quantity"] or 0))
        for number in [number for number, kind in kinds.items() if kind == (line["product"], line["unit"])]:
            off = min(back, left[number])
            left[number] -= off
            back -= off
    if wanted is None:
        if not any(left.values()):
            raise RefusedByPartner(f"{sale['number']} has nothing that could come back", code="nothing_left")
        return {number: quantity for number, quantity in left.items() if quantity}
    for kind in set(kinds.values()):
        same = [number for number in kinds if kinds[number] == kind]
        if sum(wanted.get(number, 0) for number in same) > sum(left[number] for number in same):
            raise _not_delivered(sale, next(number for number in same if number in wanted))
    return wanted


def _not_delivered(sale: Json, number: str) -> RefusedByPartner:
    return RefusedByPartner(
        f"Tryton has not delivered so much of line {number} of {sale['number']}, or it is back already",
        code="nothing_left",
    )


def _reversed(sale: Json, wanted: Mapping[str, Decimal], data: Json, context: Context) -> Json:
    """The sale of what comes back, at the prices of the order."""
    goods = {str(line["id"]): line for line in replies.goods(sale)}
    lines = [
        {
            "type": "line",
            "product": goods[number]["product"],
            "unit": goods[number]["unit"],
            "quantity": -float(quantity),
            "unit_price": goods[number]["unit_price"],
            "taxes": [["add", goods[number]["taxes"]]],
        }
        for number, quantity in wanted.items()
    ]
    told = " ".join(filter(None, [data.get("return"), data.get("reason")])) or "return"
    return {
        **{field: sale[field] for field in _HEADER},
        "origin": f"sale.sale,{sale['id']}",
        "reference": context.key,
        "description": told[:200],
        "lines": [["create", lines]],
    }


def cancel_return(data: Json, context: Context) -> Talking:
    """The return is cancelled; it may have been before."""
    sale = yield from sale_of(context, data["return"], [])
    if sale["state"] in ("draft", "quotation"):
        yield from pressed(context, "sale.sale", [sale["id"]], "cancel")
        sale = yield from sale_of(context, data["return"], [])
    if sale["state"] != "cancelled":
        raise replies.wrong_state(f"return {data['return']}", sale["state"])
    return {}


def _credited_return(data: Json, context: Context) -> Talking:
    """The return is confirmed, its goods are received, and its credit note is posted."""
    sale = yield from sale_of(context, data["return"], _RETURNED)
    if sale["state"] == "quotation":
        yield from pressed(context, "sale.sale", [sale["id"]], "confirm")
        sale = yield from sale_of(context, data["return"], _RETURNED)
    if sale["state"] not in ("processing", "done"):
        raise replies.wrong_state(f"return {data['return']}", sale["state"])
    if unnamed := [one["id"] for one in sale["shipment_returns."] if not one["reference"]]:
        write = requests.call(context, f"model.{RETURN}.write", unnamed, {"reference": context.key})
        replies.result((yield write))
    for state, button in (("draft", "receive"), ("received", "do")):
        if there := [one["id"] for one in sale["shipment_returns."] if one["state"] == state]:
            yield from pressed(context, RETURN, there, button)
            sale = yield from sale_of(context, data["return"], _RETURNED)
    notes = [one for one in sale["invoices."] if one["state"] != "cancelled"]
    if not notes:
        raise RefusedByPartner(f"return {data['return']} has led to no credit note", code="no_invoice")
    drafts = [one["id"] for one in notes if one["state"] in ("draft", "validated")]
    if drafts:
        yield from _right(context, sale, data, drafts)
        yield from pressed(context, "account.invoice", drafts, "post")
    return (yield from _given(context, [one["id"] for one in notes]))


def _right(context: Context, sale: Json, data: Json, drafts: list[int]) -> Talking:
    """Raises `RefusedByPartner` for drafts of what came back that are not worth what is told, or is left."""
    found = yield from searched(
        context, "account.invoice", [["id", "in", drafts]], ["total_amount", "currency.code"]
    )
    worth = -sum((note["total_amount"] for note in found), Decimal(0))
    currency = found[0]["currency."]["code"]
    what = f"Tryton would credit {worth} {currency} for return {data['return']}"
    amount = data.get("amount")
    if amount is not None and replies.in_currency(amount, currency, f"return {data['return']}") != worth:
        raise RefusedByPartner(
            f"{what}: correct its draft of the credit note, or give no amount", code="amount_differs"
        )
    model, _, number = str(sale.get("origin") or "").partition(",")
    left = yield from _left_of(context, [int(number)] if model == "sale.sale" else [], drafts)
    if left is not None and worth > left:
        raise RefusedByPartner(
            f"{what}, and of what was billed of its sale {left} is left: correct the draft of its credit"
            " note, or post it in Tryton",
            code="too_much",
        )
