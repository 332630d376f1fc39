"""What is billed: invoices and their lines, why one is held, credits and disputes."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Currency, Exact, Instant, Key, Name, Text
from crossdock.model.document import BUYER, Document, Part, many, maybe, personal
from crossdock.model.money import Money
from crossdock.model.orders import Charge
from crossdock.model.parties import Party
from crossdock.model.quantity import Quantity, total


class InvoiceLine(Part):
    """One line of an invoice or credit note (UBL InvoiceLine, EN 16931 BG-25, X12 810 IT1)."""

    number: Key = Field(description="Line number within the invoice")
    item: Key | None = maybe("Item number; absent for services and charges")
    name: Name | None = maybe("Description as on the document")
    order: Key | None = maybe("Order that is billed, where not as the invoice")
    order_line: Key | None = maybe("Line of that order")
    shipment: Key | None = maybe("Shipment that was delivered")
    quantity: Quantity | None = maybe("Invoiced quantity")
    price: Money | None = maybe("Price of one unit without tax")
    amount: Money = Field(description="Value of the line without tax")
    tax: Money | None = maybe("Tax on the line")
    tax_rate: Exact | None = maybe("Tax rate in per cent")


class HoldReason(Part):
    """Why an invoice or order is held (ours; EN 16931 has none)."""

    code: Literal[
        "proof_missing",
        "short_delivered",
        "damaged",
        "price_mismatch",
        "quantity_mismatch",
        "tax_missing",
        "credit",
        "dispute",
        "compliance",
        "customer_data",
        "other",
        "unknown",
    ] = Field(description="The reason in our terms")
    text: Text | None = maybe("The reason as told")
    since: Instant | None = maybe("Since when")
    by: Key | None = maybe("Who holds it: person, rule or system")
    line: Key | None = maybe("Line that it concerns")


class Invoice(Document):
    """A bill to the customer (UBL Invoice 2.3, EN 16931, X12 810, EDIFACT INVOIC)."""

    number: Key = Field(description="Invoice number; the draft's number until it is posted")
    order: Key | None = maybe("Order that is billed, where it is only one")
    orders: tuple[Key, ...] = many("All orders that are billed")
    shipments: tuple[Key, ...] = many("Shipments that are billed")
    customer: Party | None = personal("Who pays", of=BUYER)
    lines: tuple[InvoiceLine, ...] = many("What is billed")
    charges: tuple[Charge, ...] = many("Freight and other charges and allowances")
    total: Money | None = maybe("What is to be paid: lines, charges and tax")
    tax: Money | None = maybe("Tax within `total`")
    open_amount: Money | None = maybe("What is still to be paid")
    currency: Currency | None = maybe("ISO 4217 code")
    quantity: Quantity | None = maybe("Invoiced quantity over all lines, where they have one unit")
    state: (
        Literal["draft", "held", "released", "disputed", "partly_paid", "paid", "cancelled", "unknown"] | None
    ) = maybe("Where it stands")
    holds: tuple[HoldReason, ...] = many("Why it is held")
    issued: date | None = maybe("Date on the invoice, at the seller's place")
    due: date | None = maybe("Day until which it is to be paid, at the seller's place")
    released: Instant | None = maybe("When it was sent to the customer")
    paid: Instant | None = maybe("When it was paid in full")
    proof: Key | None = maybe("Proof of delivery that releases it")
    payment_terms: Name | None = maybe("As told")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.order is None and len(set(self.orders)) == 1:
            self._derive(order=self.orders[0])
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        if self.total is not None:
            if self.currency is None:
                self._derive(currency=self.total.currency)
            elif self.currency != self.total.currency:
                raise ValueError(f"`currency` is {self.currency}, but `total` is in {self.total.currency}")
        return self


class CreditNote(Document):
    """What the customer no longer owes (UBL CreditNote, X12 812)."""

    number: Key = Field(description="Number of the credit note")
    invoice: Key | None = maybe("Invoice that it corrects")
    order: Key | None = maybe("Order that it concerns")
    return_number: Key | None = maybe("Return that it pays for")
    customer: Party | None = personal("Who is credited", of=BUYER)
    lines: tuple[InvoiceLine, ...] = many("What is credited, positive amounts")
    total: Money = Field(description="What is credited in all, positive")
    reason: Text | None = maybe("Why")
    issued: date | None = maybe("Date on the document")


class Dispute(Document):
    """A customer's objection to an invoice, or ours to a supplier's or carrier's (X12 812)."""

    number: Key = Field(description="Our number of the dispute")
    invoice: Key | None = maybe("Invoice that is disputed")
    freight_bill: Key | None = maybe("Carrier's bill that is disputed")
    order: Key | None = maybe("Order that it concerns")
    lines: tuple[Key, ...] = many("Lines that are disputed; none means the whole")
    reason: Literal[
        "price", "quantity", "damaged", "not_received", "tax", "terms", "duplicate", "other", "unknown"
    ] = Field(description="What is objected to")
    amount: Money | None = maybe("What is not accepted")
    text: Text | None = maybe("In the objector's words")
    state: Literal["open", "accepted", "rejected", "withdrawn", "unknown"] | None = maybe("Where it stands")
    opened: Instant | None = maybe("When it was raised")
    decided: Instant | None = maybe("When it was decided")
    evidence: tuple[Key, ...] = many("References to proof, images, messages")
