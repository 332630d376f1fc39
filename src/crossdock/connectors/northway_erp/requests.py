"""What is asked of Northway ERP. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, path
from crossdock.connectors._words import told
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
    """A draft of the order's invoice. It bills the whole order: the ERP does not know our shipments."""
    proof = told(shipments=data.get("shipments"), proof=data.get("proof"))
    body = {"order": data["order"], "reference": context.key, **told(proof=proof)}
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


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    """A line of ours as the ERP counts them: by the order's line."""
    number = str(line.get("order_line") or line.get("line") or line.get("number") or "")
    quantity = line.get("quantity") or {}
    if not number.isdigit() or "value" not in quantity:
        raise Refused(
            "a line of the return does not say which line of the order it is, and how much of it",
            where="lines",
            mend="give `order_line` as the ERP numbers it, and `quantity`",
        )
    return {"line_no": int(number), "quantity": quantity["value"]}
