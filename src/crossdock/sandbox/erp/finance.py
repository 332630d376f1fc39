"""Northway ERP, finance: invoices, credit notes, return authorisations."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from crossdock.sandbox.amounts import exact
from crossdock.sandbox.clock import stamp
from crossdock.sandbox.erp.shapes import CENT, NewCreditNote, NewInvoice, NewReturn, Part, ReturnStatus
from crossdock.sandbox.service import Call, Rejected, Reply, Route

if TYPE_CHECKING:
    from crossdock.sandbox.erp.orders import Erp, Order


class Invoice(Struct):
    """An invoice as it stands."""

    id: str
    order: str
    reference: str
    currency: str
    lines: list[dict[str, Any]]
    total: Decimal
    proof: Any
    created_at: datetime
    status: str = "DRAFT"
    number: str = ""
    posted_at: datetime | None = None
    credited: Decimal = Decimal(0)


class Finance:
    """The finance documents of the ERP, kept beside its orders."""

    def __init__(self, erp: Erp) -> None:
        """Belong to an ERP."""
        self._erp = erp

    def begin(self) -> None:
        """Forget all documents."""
        self.invoices: dict[str, Invoice] = {}
        self.by_order: dict[str, list[Invoice]] = {}
        self.credit_notes: dict[str, dict[str, Any]] = {}
        self.returns: dict[str, dict[str, Any]] = {}

    def routes(self) -> list[Route]:
        """Operations on finance documents."""
        return [
            Route("invoice.create", "POST", "/invoices", self.create_invoice),
            Route("invoice.find", "GET", "/invoices", self.find_invoices),
            Route("invoice.get", "GET", "/invoices/{id}", self.get_invoice),
            Route("invoice.post", "POST", "/invoices/{id}/post", self.post_invoice),
            Route("invoice.discard", "POST", "/invoices/{id}/discard", self.discard_invoice),
            Route("credit_note.create", "POST", "/credit-notes", self.create_credit_note),
            Route("credit_note.find", "GET", "/credit-notes", self.find_credit_notes),
            Route("return.create", "POST", "/returns", self.create_return),
            Route("return.find", "GET", "/returns", self.find_returns),
            Route("return.get", "GET", "/returns/{number}", self.get_return),
            Route("return.status", "POST", "/returns/{number}/status", self.set_return_status),
        ]

    def show(self, kind: str, number: str) -> dict[str, Any]:
        """A document by kind and number."""
        if kind == "invoice":
            return self._show_invoice(self._invoice(number))
        return self.credit_notes[number] if kind == "credit_note" else self.returns[number]

    # Invoices.

    def create_invoice(self, call: Call) -> Reply:
        """A draft; a second call makes a second draft."""
        new = call.read(NewInvoice)
        order = self._erp.order(new.order)
        if order.status in {"ENTERED", "CANCELLED"}:
            raise Rejected("wrong_state", f"Order {new.order} is {order.status}", "order")
        parts = self._parts(order, new.lines)
        invoice = Invoice(
            id=self._erp.number("DINV-"),
            order=new.order,
            reference=new.reference,
            currency=order.new.currency,
            lines=[
                {"line_no": line.line_no, "quantity": str(exact(quantity)), "amount": money(amount)}
                for line, quantity, amount in parts
            ],
            total=sum((amount for _, _, amount in parts), Decimal(0)),
            proof=new.proof,
            created_at=self._erp.now,
        )
        self.invoices[invoice.id] = invoice
        self.by_order.setdefault(new.order, []).append(invoice)
        self._erp.did(call, new.order, reference=new.reference, id=invoice.id, kind="invoice", change=1)
        return ok(self._show_invoice(invoice))

    def post_invoice(self, call: Call) -> Reply:
        """Draft to posted, with a number; it is paid in time by itself."""
        erp, invoice = self._erp, self._draft(call)
        invoice.status, invoice.posted_at = "POSTED", erp.now
        invoice.number = erp.number("INV-")
        order = erp.orders[invoice.order]
        erp.stock.book_out(order, invoice)
        erp.did(call, invoice.order, reference=invoice.reference, id=invoice.id, kind="posted", change=1)
        erp.touch(order, "INVOICED", "SO_STATUS")
        erp.tell("INV_POSTED", "invoice", invoice.id, self._show_invoice(invoice), lane=invoice.order)
        days = erp.credit.customers[order.new.customer].payment_days
        erp.plan(erp.now + timedelta(days=days), lambda: self._pay(invoice))
        return ok(self._show_invoice(invoice))

    def discard_invoice(self, call: Call) -> Reply:
        """Draft to discarded."""
        invoice = self._draft(call)
        invoice.status = "DISCARDED"
        self._erp.did(
            call, invoice.order, reference=invoice.reference, id=invoice.id, kind="invoice", change=-1
        )
        return ok(self._show_invoice(invoice))

    def get_invoice(self, call: Call) -> Reply:
        """One invoice."""
        return ok(self._show_invoice(self._invoice(call.path("id"))))

    def find_invoices(self, call: Call) -> Reply:
        """Invoices by reference and order."""
        reference, order = call.query("reference"), call.query("order")
        known = self.by_order.get(order, []) if order else self.invoices.values()
        return ok(
            [self._show_invoice(each) for each in known if not reference or each.reference == reference]
        )

    def _pay(self, invoice: Invoice) -> None:
        erp = self._erp
        invoice.status = "PAID"
        erp.credit.expose(erp.orders[invoice.order], Decimal(0))
        erp.tell("INV_PAID", "invoice", invoice.id, self._show_invoice(invoice), lane=invoice.order)

    def _invoice(self, name: str) -> Invoice:
        if name in self.invoices:
            return self.invoices[name]
        for invoice in self.invoices.values():
            if invoice.number and invoice.number == name:
                return invoice
        raise Rejected("not_found", f"No invoice {name}")

    def _draft(self, call: Call) -> Invoice:
        invoice = self._invoice(call.path("id"))
        if invoice.status != "DRAFT":
            raise Rejected("wrong_state", f"Invoice {invoice.id} is {invoice.status}")
        return invoice

    def _show_invoice(self, invoice: Invoice) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "id": invoice.id,
            "order": invoice.order,
            "reference": invoice.reference,
            "status": invoice.status,
            "currency": invoice.currency,
            "total": money(invoice.total),
            "lines": invoice.lines,
            "proof": invoice.proof,
            "created_at": stamp(invoice.created_at),
        }
        if invoice.posted_at is not None:
            shown |= {"number": invoice.number, "posted_at": stamp(invoice.posted_at)}
        return shown

    # Credit notes.

    def create_credit_note(self, call: Call) -> Reply:
        """Credit an invoice in whole or part; posted at once."""
        erp, new = self._erp, call.read(NewCreditNote)
        invoice = self._invoice(new.invoice)
        if invoice.status not in {"POSTED", "PAID"}:
            raise Rejected("wrong_state", f"Invoice {invoice.id} is {invoice.status}", "invoice")
        amount: Decimal | None = new.amount
        if amount is None and new.lines:
            parts = self._parts(erp.orders[invoice.order], new.lines)
            amount = sum((part for _, _, part in parts), Decimal(0))
        left = invoice.total - invoice.credited
        amount = left if amount is None else amount
        if amount > left:
            raise Rejected("refused", f"Invoice {invoice.id} has {money(left)} left", "amount")
        invoice.credited += amount
        note: dict[str, Any] = {
            "id": erp.number("CN-"),
            "invoice": invoice.id,
            "order": invoice.order,
            "reference": new.reference,
            "status": "POSTED",
            "amount": money(amount),
            "currency": invoice.currency,
            "reason": new.reason,
        }
        self.credit_notes[note["id"]] = note
        erp.did(call, invoice.order, reference=new.reference, id=note["id"], kind="credit_note", change=1)
        erp.tell("CN_POSTED", "credit_note", note["id"], note, lane=invoice.order)
        return ok(note)

    def find_credit_notes(self, call: Call) -> Reply:
        """Credit notes by reference and invoice."""
        return ok(_matching(self.credit_notes, call, "reference", "invoice"))

    # Returns.

    def create_return(self, call: Call) -> Reply:
        """Authorise a return."""
        new = call.read(NewReturn)
        made = self._authorise(new)
        self._erp.did(call, new.order, reference=new.reference, id=made["number"], kind="return", change=1)
        return ok(made)

    def scripted_return(self, _order: Order, new: NewReturn) -> None:
        """A return that the ERP's own people authorise."""
        self._authorise(new)

    def get_return(self, call: Call) -> Reply:
        """One return."""
        return ok(self._return(call.path("number")))

    def find_returns(self, call: Call) -> Reply:
        """Returns by reference and order."""
        return ok(_matching(self.returns, call, "reference", "order"))

    def set_return_status(self, call: Call) -> Reply:
        """Note how far a return is."""
        made, status = self._return(call.path("number")), call.read(ReturnStatus).status
        if made["status"] in {"CLOSED", "CANCELLED"}:
            raise Rejected("wrong_state", f"Return {made['number']} is {made['status']}")
        made |= {"status": status, "changed_at": stamp(self._erp.now)}
        change = -1 if status == "CANCELLED" else 0
        self._erp.did(call, made["order"], id=made["number"], kind="return", change=change)
        self._erp.tell("RMA_STATUS", "return", made["number"], made, lane=made["order"])
        return ok(made)

    def _return(self, number: str) -> dict[str, Any]:
        if number not in self.returns:
            raise Rejected("not_found", f"No return {number}")
        return self.returns[number]

    def _authorise(self, new: NewReturn) -> dict[str, Any]:
        erp, order = self._erp, self._erp.order(new.order)
        if order.status in {"ENTERED", "CANCELLED"}:
            raise Rejected("wrong_state", f"Order {new.order} is {order.status}", "order")
        made: dict[str, Any] = {
            "number": erp.number("RMA-"),
            "order": new.order,
            "customer": order.new.customer,
            "reference": new.reference,
            "reason": new.reason,
            "status": "AUTHORISED",
            "lines": [
                {"line_no": line.line_no, "item": line.item, "quantity": str(exact(quantity))}
                for line, quantity, _ in self._parts(order, new.lines)
            ],
            "changed_at": stamp(erp.now),
        }
        self.returns[made["number"]] = made
        erp.tell("RMA_AUTHORISED", "return", made["number"], made, lane=new.order)
        return made

    def _parts(self, order: Order, wanted: list[Part]) -> list[tuple[Any, Decimal, Decimal]]:
        lines = {line.line_no: line for line in order.new.lines}
        if not wanted:
            return [(line, line.quantity, line.amount) for line in lines.values()]
        parts: list[tuple[Any, Decimal, Decimal]] = []
        for part in wanted:
            line = lines.get(part.line_no)
            if line is None or part.quantity > line.quantity:
                raise Rejected("invalid", f"Order {order.new.number} has no such line or quantity", "lines")
            parts.append((line, part.quantity, (part.quantity * line.unit_price).quantize(CENT)))
        return parts


def ok(result: Any) -> Reply:
    """The ERP's good answer."""
    return Reply(200, {"result": result})


def money(amount: Decimal) -> str:
    """An amount with two decimals."""
    return str(amount.quantize(CENT))


def _matching(documents: dict[str, dict[str, Any]], call: Call, *names: str) -> list[dict[str, Any]]:
    wanted = {name: call.query(name) for name in names if call.query(name)}
    return [
        document
        for document in documents.values()
        if all(document[name] == want for name, want in wanted.items())
    ]
