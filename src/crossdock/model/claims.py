"""What we are owed and what we are billed by carriers: claims, and freight bills to audit."""

from __future__ import annotations

from datetime import date
from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Currency, Instant, Key, Name, Text
from crossdock.model.document import Document, Part, many, maybe
from crossdock.model.money import Money
from crossdock.model.parties import Party
from crossdock.model.quantity import Quantity


class Claim(Document):
    """What a carrier, supplier or insurer owes for loss, damage, shortage or delay (X12 920, CMR art. 30)."""

    number: Key = Field(description="Our number of the claim")
    against: Party | None = maybe("Carrier, supplier or insurer that shall pay")
    kind: Literal["loss", "damage", "shortage", "delay", "overcharge", "other", "unknown"] | None = maybe(
        "What for"
    )
    order: Key | None = maybe("Order that it concerns")
    shipment: Key | None = maybe("Shipment that it concerns")
    package: Key | None = maybe("Package that it concerns")
    tracking_number: Key | None = maybe("The carrier's number that it concerns")
    purchase_order: Key | None = maybe("Purchase order, for a claim against a supplier")
    exception: Key | None = maybe("Exception that it began with")
    item: Key | None = maybe("Item number, where it is only one")
    quantity: Quantity | None = maybe("Quantity lost, damaged or short")
    amount: Money | None = maybe("What we claim")
    accepted_amount: Money | None = maybe("What was accepted")
    paid_amount: Money | None = maybe("What was paid")
    state: (
        Literal[
            "draft",
            "filed",
            "acknowledged",
            "accepted",
            "partly_accepted",
            "rejected",
            "paid",
            "closed",
            "unknown",
        ]
        | None
    ) = maybe("Where it stands")
    happened: Instant | None = maybe("When the loss or damage happened or was found")
    notify_until: Instant | None = maybe("Until when the damage must be notified")
    file_until: Instant | None = maybe("Until when the claim must be filed")
    filed: Instant | None = maybe("When it was filed")
    decided: Instant | None = maybe("When it was accepted or rejected")
    claim_reference: Key | None = maybe("The other side's number of the claim")
    reason: Text | None = maybe("The other side's reason, as told")
    evidence: tuple[Key, ...] = many("References to proof: images, notes, invoices, scans")


class FreightCharge(Part):
    """One charge on a carrier's bill (X12 210 L1, EDIFACT IFTFCC)."""

    number: Key | None = maybe("Line number on the bill")
    kind: Key = Field(
        description="What for: `base`, `fuel`, `residential`, `detention`, `reweigh`, `duty` ..."
    )
    shipment: Key | None = maybe("Shipment that it is for, where not as the bill")
    tracking_number: Key | None = maybe("The carrier's number that it is for")
    amount: Money = Field(description="Amount without tax")
    expected: Money | None = maybe("What was agreed for it")
    weight: Quantity | None = maybe("Weight that is billed, such as in KGM")
    text: Name | None = maybe("As on the bill")


class FreightBill(Document):
    """A carrier's invoice, to be matched with booking and shipment (X12 210, EDIFACT IFTFCC)."""

    number: Key = Field(description="The carrier's number of the bill")
    carrier: Party | None = maybe("Who bills")
    shipment: Key | None = maybe("Shipment that is billed, where it is only one")
    order: Key | None = maybe("Order, where it is only one")
    booking: Key | None = maybe("Booking that agreed the rate")
    tracking_number: Key | None = maybe("The carrier's number, where it is only one")
    charges: tuple[FreightCharge, ...] = many("What is billed")
    total: Money = Field(description="What is billed in all, with tax")
    tax: Money | None = maybe("Tax within `total`")
    expected: Money | None = maybe("What was agreed in all")
    tolerance: Money | None = maybe("By how much it may differ without a question")
    currency: Currency | None = maybe("ISO 4217 code")
    billed_weight: Quantity | None = maybe("Weight that is billed, such as in KGM")
    issued: date | None = maybe("Date on the bill")
    due: date | None = maybe("Day until which it is to be paid")
    state: Literal["received", "matched", "approved", "disputed", "paid", "unknown"] | None = maybe(
        "Where it stands"
    )

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.currency is None:
            self._derive(currency=self.total.currency)
        return self
