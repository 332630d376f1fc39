"""What is asked of Northway ERP. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, Request, path
from crossdock.connectors._words import told, words
from crossdock.errors import Refused


def login(user: str, password: str, company: str) -> Request:
    """A session."""
    return Request(
        "POST", "/login", json={"user": user, "password": password, "company": company}, changes=False
    )


def changes(cursor: str, *, limit: int) -> Request:
    """What has changed after the cursor, with the documents as they are now."""
    return Request("GET", "/changes", query={"expand": "1", "limit": str(limit), **told(cursor=cursor)})


def check_credit(data: Mapping[str, Any], _: Context) -> Request:
    """Whether the customer may still buy for that much."""
    asked = {
        "customer": data["customer"],
        "amount": data["amount"]["amount"],
        "currency": data["amount"]["currency"],
        "order": data["order"],
    }
    return Request("POST", "/credit/check", json=asked, changes=False)


def order(data: Mapping[str, Any], _: Context) -> Request:
    """One order."""
    return Request("GET", path("/orders/{number}", number=data["order"]))


def invoices(**wanted: str) -> Request:
    """The invoices of a `reference` or an `order`."""
    return Request("GET", "/invoices", query=wanted)


def invoice(number: str) -> Request:
    """One invoice."""
    return Request("GET", path("/invoices/{number}", number=number))


def draft_invoice(data: Mapping[str, Any], context: Context) -> Request:
    """A draft of the order's invoice: of the lines that were delivered, else of the whole order."""
    proof = told(shipments=data.get("shipments"), proof=data.get("proof"))
    lines = _delivered(data.get("lines") or [])
    body = {"order": data["order"], "reference": context.key, **told(lines=lines, proof=proof)}
    return Request("POST", "/invoices", json=body)


def post_invoice(id_: str) -> Request:
    """The draft becomes the invoice."""
    return Request("POST", path("/invoices/{id}/post", id=id_), json={})


def credit_notes(reference: str) -> Request:
    """The credit notes of a reference."""
    return Request("GET", "/credit-notes", query={"reference": reference})


def credit(
    invoice: str, context: Context, *, reason: str, amount: str = "", lines: list[Any] | None = None
) -> Request:
    """A credit note for an amount or lines; for neither, all that the invoice has left."""
    body = {
        "invoice": invoice,
        "reference": context.key,
        "reason": reason,
        **told(amount=amount, lines=lines),
    }
    return Request("POST", "/credit-notes", json=body)


def returns(reference: str) -> Request:
    """The returns of a reference."""
    return Request("GET", "/returns", query={"reference": reference})


def return_(number: str) -> Request:
    """One return."""
    return Request("GET", path("/returns/{number}", number=number))


def authorise_return(data: Mapping[str, Any], context: Context) -> Request:
    """Leave to send goods back: these lines, or all of the order."""
    body = {
        "order": data["order"],
        "reference": context.key,
        "reason": data.get("reason") or "return",
        **told(lines=[_line(line) for line in data.get("lines") or ()]),
    }
    return Request("POST", "/returns", json=body)


def cancel_return(number: str) -> Request:
    """Take the leave back."""
    return Request("POST", path("/returns/{number}/status", number=number), json={"status": "CANCELLED"})


def list_stock(data: Mapping[str, Any], _: Context) -> Request:
    """A page of what lies where by its books."""
    return Request("GET", "/stock", query=_listed(data))


def list_reservations(data: Mapping[str, Any], _: Context) -> Request:
    """A page of what released orders have open."""
    return Request("GET", "/stock/reservations", query=_listed(data))


def _listed(data: Mapping[str, Any]) -> dict[str, str]:
    return {"limit": "500", **told(cursor=data.get("cursor"), items=",".join(data.get("items") or ()))}


def adjust_stock(data: Mapping[str, Any], context: Context) -> Request:
    """So much more, or less, lies there than its books say."""
    if not data.get("site"):
        raise Refused("it is not said at which site", where="site", mend="give the site as the ERP names it")
    numbered = told(reason=data.get("reason"), adjustment=data.get("adjustment"))
    body = {
        "item": data["item"],
        "site": data["site"],
        "change": data["change"]["value"],
        "uom": uom(data["change"]["unit"]),
        "reference": context.key,
        "reason": " ".join(str(part) for part in numbered.values()),
    }
    return Request("POST", "/stock/adjustments", json=body)


def adjustments(_: Mapping[str, Any], context: Context) -> Request:
    """The adjustments with our reference."""
    return Request("GET", "/stock/adjustments", query={"reference": context.key})


def uom(unit: str) -> str:
    """A unit as the ERP calls it; one that it has no word for stands for itself."""
    rows = words("crossdock.connectors.northway_erp")
    known = (code for (of, code), row in rows.items() if of == "unit" and row["ours"] == unit)
    return next(known, unit)


def _delivered(shipments: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """What to bill: the lines of all shipments, summed by the order's line. Empty where none names any."""
    if not any(shipments):
        return []
    billed: dict[int, Decimal] = {}
    for lines in shipments:
        if not lines:
            raise Refused(
                "a shipment does not say what it carried, so what to bill is not known",
                where="lines",
                mend="bill it in the ERP, then supply the invoice's number",
            )
        for line in lines:
            part = _part(line.get("line"), line, "the delivery", "line")
            billed[part["line_no"]] = billed.get(part["line_no"], Decimal(0)) + Decimal(part["quantity"])
    return [{"line_no": number, "quantity": str(quantity)} for number, quantity in billed.items()]


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of a return as the ERP counts them: by the order's line."""
    number = line.get("order_line") or line.get("line") or line.get("number")
    return _part(number, line, "the return", "order_line")


def _part(number: object, line: Mapping[str, Any], of: str, field: str) -> dict[str, Any]:
    quantity = line.get("quantity") or {}
    if not str(number or "").isdecimal() or "value" not in quantity:
        raise Refused(
            f"a line of {of} does not say which line of the order it is, and how much of it",
            where="lines",
            mend=f"give `{field}` as the ERP numbers it, and `quantity`",
        )
    return {"line_no": int(str(number)), "quantity": quantity["value"]}
