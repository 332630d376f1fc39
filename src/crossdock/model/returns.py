"""What comes back: returns, and what the customer gets for them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Instant, Key, Text
from crossdock.model.document import BUYER, Document, Part, many, maybe, personal
from crossdock.model.money import Money
from crossdock.model.parties import Address, Party
from crossdock.model.quantity import Quantity, total

ReturnReason = Literal[
    "damaged", "defective", "wrong_item", "not_as_described", "late", "not_wanted", "over_delivered",
    "refused", "recall", "other", "unknown",
]  # fmt: skip

ReturnDisposition = Literal[
    "restock", "refurbish", "scrap", "to_supplier", "to_customer", "quarantine", "unknown"
]


class ReturnLine(Part):
    """What of one order line comes back (X12 180 BLI, GS1 return line)."""

    number: Key | None = maybe("Number within the return")
    order_line: Key | None = maybe("Line of the order")
    item: Key = Field(description="Item number")
    quantity: Quantity = Field(description="How much the customer wants to return")
    received: Quantity | None = maybe("How much came back")
    accepted: Quantity | None = maybe("How much passed the inspection")
    reason: ReturnReason | None = maybe("Why, for this line")
    condition: Literal["new", "opened", "used", "damaged", "unknown"] | None = maybe(
        "What the inspection found"
    )
    disposition: ReturnDisposition | None = maybe("What becomes of it")
    lot: Key | None = maybe("Lot or batch")
    serials: tuple[Key, ...] = many("Serial numbers")


class Return(Document):
    """Goods that a customer sends back, with our leave (X12 180 return merchandise authorisation)."""

    number: Key = Field(description="Number of the authorisation (RMA)")
    order: Key | None = maybe("Order that the goods came from")
    shipment: Key | None = maybe("Shipment that the goods came with")
    invoice: Key | None = maybe("Invoice that billed them")
    customer: Party | None = personal("Who returns", of=BUYER)
    lines: tuple[ReturnLine, ...] = many("What comes back")
    quantity: Quantity | None = maybe("How much in all, where it has one unit; derived from the lines")
    value: Money | None = maybe("Value of what comes back, as invoiced")
    reason: ReturnReason | None = maybe("Why")
    text: Text | None = personal("In the customer's words")
    state: (
        Literal[
            "requested", "authorised", "refused", "in_transit", "received", "inspected", "closed", "unknown"
        ]
        | None
    ) = maybe("Where it stands")
    wants: Literal["refund", "replacement", "repair", "credit", "unknown"] | None = maybe(
        "What the customer wants"
    )
    requested: Instant | None = maybe("When it was asked for")
    authorised: Instant | None = maybe("When we gave leave")
    authorised_by: Key | None = maybe("Who gave leave")
    send_until: Instant | None = maybe("Until when the goods must be on their way")
    received: Instant | None = maybe("When they came back")
    inspected: Instant | None = maybe("When they were inspected")
    return_to: Address | None = maybe("Where they go")
    carrier: Key | None = maybe("Who carries them")
    tracking_number: Key | None = maybe("The carrier's number of the return")
    label: Key | None = maybe("Reference to the return label")
    evidence: tuple[Key, ...] = many("References to images and messages")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        return self


class Refund(Document):
    """Money that goes back to the customer (ISO 20022 payment return, shops' refunds)."""

    number: Key = Field(description="Number of the refund")
    return_number: Key | None = maybe("Return that it pays for")
    order: Key | None = maybe("Order that it concerns")
    invoice: Key | None = maybe("Invoice that it pays back")
    credit_note: Key | None = maybe("Credit note that it settles")
    amount: Money = Field(description="What is paid back, positive")
    lines: tuple[ReturnLine, ...] = many("What it is for, by order line")
    method: Key | None = maybe("How: `card`, `transfer`, `credit` ...")
    state: Literal["requested", "approved", "paid", "failed", "unknown"] | None = maybe("Where it stands")
    paid: Instant | None = maybe("When it was paid")


class Replacement(Document):
    """What is sent again in place of goods lost, damaged or returned (ours; its order is another)."""

    number: Key = Field(description="Number of the replacement, or of its order")
    order: Key | None = maybe("Order that is made good")
    replacement_order: Key | None = maybe("Order that sends it")
    return_number: Key | None = maybe("Return that it answers")
    claim: Key | None = maybe("Claim that pays for it")
    lines: tuple[ReturnLine, ...] = many("What is sent again")
    state: Literal["requested", "approved", "ordered", "shipped", "delivered", "unknown"] | None = maybe(
        "Where it stands"
    )
