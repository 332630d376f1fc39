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
    *("number", "state", "total_amount", "party", "currency.code"),
    *("lines.type", "lines.quantity", "lines.unit_price", "lines.account"),
]
_COMPLAINT = ["state", "actions.result"]
_RETURNED = ["shipment_returns.reference", "shipment_returns.state", "invoices.state", "invoices.number"]
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
    if amount is not None and len(invoices) > 1:
        raise Refused("an amount is credited on one invoice", where="invoice", mend="name one of them")
    wanted = None
    if amount is not None:
        (invoice,) = invoices
        what = f"invoice {invoice['number']}"
        wanted = replies.in_currency(amount, invoice["currency."]["code"], what)
        if not 0 < wanted <= invoice["total_amount"]:
            raise RefusedByPartner(f"{what} is for {invoice['total_amount']}", code="too_much")
    standing = yield from searched(context, "sale.complaint", _ours(context), ["origin"])
    known = {complaint["origin"] for complaint in standing}
    for invoice in invoices:
        if f"account.invoice,{invoice['id']}" not in known:
            yield from _complain(context, invoice, wanted, str(data.get("reason") or "credited"))
    yield from _approved(context)
    drafts, posted = yield from _notes(context)
    if drafts:
        if wanted is not None:
            yield from _exactly(context, drafts[0], wanted)
        yield from pressed(context, "account.invoice", drafts, "post")
        drafts, posted = yield from _notes(context)
    if drafts or not posted:
        raise RefusedByPartner("the complaint has led to no posted credit note", code="wrong_state")
    return (yield from _given(context, posted))


def _ours(context: Context) -> list[Any]:
    return [["reference", "=", context.key], ["state", "not in", ["cancelled", "rejected"]]]


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
        action["invoice_lines"] = [
            [
                "create",
                [
                    {
                        "line": line["id"],
                        "quantity": float(line["quantity"]),
                        "unit_price": (line["unit_price"] * share).quantize(Decimal("0.0001"), ROUND_HALF_UP),
                    }
                    for line in invoice["lines."]
                    if line["type"] == "line"
                ],
            ]
        ]
    values = {
        "reference": context.key,
        "customer": invoice["party"],
        "type": kinds[0]["id"],
        "origin": f"account.invoice,{invoice['id']}",
        "description": reason,
        "actions": [["create", [action]]],
    }
    yield from made(context, "sale.complaint", values)


def _approved(context: Context) -> Talking:
    """Our complaints are done: their credit notes exist."""
    for state, button in (("draft", "wait"), ("waiting", "approve"), ("approved", "process")):
        found = yield from searched(context, "sale.complaint", _ours(context), _COMPLAINT)
        if there := [complaint["id"] for complaint in found if complaint["state"] == state]:
            yield from pressed(context, "sale.complaint", there, button)


def _notes(context: Context) -> Talking:
    """The credit notes of our complaints: drafts, and those that are posted."""
    found = yield from searched(context, "sale.complaint", _ours(context), _COMPLAINT)
    results = [
        action["result"] for complaint in found for action in complaint["actions."] if action["result"]
    ]
    ids = [int(result.partition(",")[2]) for result in results if result.startswith("account.invoice,")]
    if not ids:
        return [], []
    notes = yield from searched(context, "account.invoice", [["id", "in", ids]], ["state"])
    drafts = [note["id"] for note in notes if note["state"] in ("draft", "validated")]
    return drafts, [note["id"] for note in notes if note["state"] in replies.POSTED]


def _exactly(context: Context, note: int, wanted: Decimal) -> Talking:
    """Take away what rounding by line left over, so that the credit is the amount to the cent."""
    (draft,) = yield from searched(context, "account.invoice", [["id", "=", note]], _BILLED)
    over = wanted + draft["total_amount"]  # a credit is negative
    if not over:
        return
    if abs(over) > _CENTS:
        raise RefusedByPartner(
            f"the credit note is for {-draft['total_amount']}, not for {wanted}: look at it in Tryton",
            code="amount_differs",
        )
    line = {
        "invoice": note,
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
        fields = [*_HEADER, "lines.taxes", "lines.product", "lines.unit", *_of_lines()]
        sale = yield from sale_of(context, data["order"], fields)
        yield from made(context, "sale.sale", _reversed(sale, data, context))
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


def _reversed(sale: Json, data: Json, context: Context) -> Json:
    """The sale of what comes back: these lines of the order, or all of its goods, at its prices."""
    goods = {str(line["id"]): line for line in replies.goods(sale)}
    wanted = {number: Decimal(str(line["quantity"])) for number, line in goods.items()}
    wanted = coming_back(data, lambda number: number if number in goods else None) or wanted
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
    if drafts and data.get("amount") is not None:
        given = yield from _given_if(context, drafts)
        if replies.in_currency(data["amount"], given[1], f"return {data['return']}") != given[0]:
            raise RefusedByPartner(
                f"Tryton would credit {given[0]} {given[1]} for return {data['return']}: correct its draft of"
                " the credit note, or give no amount",
                code="amount_differs",
            )
    if drafts:
        yield from pressed(context, "account.invoice", drafts, "post")
    return (yield from _given(context, [one["id"] for one in notes]))


def _given_if(context: Context, drafts: list[int]) -> Talking:
    """What drafts of credit notes would give, and in which currency."""
    found = yield from searched(
        context, "account.invoice", [["id", "in", drafts]], ["total_amount", "currency.code"]
    )
    return -sum((note["total_amount"] for note in found), Decimal(0)), found[0]["currency."]["code"]
