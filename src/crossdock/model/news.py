"""What events carry where it is not a whole document: what happened to something that is known by its number.

A type whose data is a document carries it whole; one that tells news carries the numbers and what is new.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Instant, Key, Name, Precision, Text
from crossdock.model.document import Part, many, maybe, personal
from crossdock.model.invoices import HoldReason
from crossdock.model.milestones import Milestone, ShipmentReason
from crossdock.model.money import Money
from crossdock.model.quantity import Quantity
from crossdock.model.shipments import ProofOfDelivery, Shipment, ShipmentLine

Silence = Literal["wrong_number", "duplicate_number", "carrier_down", "not_yet_scanned", "no_scan", "unknown"]
"""Why nothing is heard: the carrier does not know the number, or reports what another shipment had under it;
it does not answer; it knows the label alone; it answers, and has no new scan."""


class OrderNews(Part):
    """Something happened to an order as a whole or to one line of it (X12 870, EDIFACT ORDRSP)."""

    order: Key = Field(description="Order number")
    line: Key | None = maybe("Line that it concerns; absent means the whole order")
    reason: Text | None = maybe("Why, as told")
    hold: HoldReason | None = maybe("Why it is held")
    by: Key | None = maybe("Who did it at the source")
    quantity: Quantity | None = maybe("How much it concerns")
    promised_delivery: Instant | None = maybe("The delivery now promised")
    promised_delivery_precision: Precision | None = maybe("How exactly that is meant")


class StockNews(Part):
    """Stock was promised to an order, or is missing for it (GS1 inventory activity, X12 846)."""

    order: Key | None = maybe("Order that it concerns")
    line: Key | None = maybe("Line of that order")
    item: Key | None = maybe("Item number; absent means the whole order")
    site: Key | None = maybe("Site whose stock it is")
    lot: Key | None = maybe("Lot or batch")
    quantity: Quantity | None = maybe("How much was promised, or given back")
    missing: Quantity | None = maybe("How much is missing")
    available: Instant | None = maybe("When there will be enough")


class StockAdjustment(Part):
    """What lies at a site was found to be other than the books said (X12 947, GS1 inventory adjustment).

    A cycle count that finds less than is promised leaves orders without their goods: `uncovered` names them,
    and each is told as `stock.short` besides.
    """

    number: Key | None = maybe("Number of the count or adjustment")
    item: Key = Field(description="Item number")
    site: Key | None = maybe("Site where it was counted")
    location: Key | None = maybe("Bin within the site")
    lot: Key | None = maybe("Lot or batch")
    owner: Key | None = maybe("Party that owns it, where not the site's")
    kind: Literal["count", "damaged", "lost", "found", "expired", "correction", "unknown"] | None = maybe(
        "What kind of correction it is"
    )
    before: Quantity | None = maybe("What the books said lay there")
    on_hand: Quantity | None = maybe("What lies there")
    change: Quantity | None = maybe("How much more there is than the books said; negative where it is less")
    reason: Text | None = maybe("Why, as told")
    uncovered: tuple[StockNews, ...] = many("What was promised to orders and is not there any more")


class PackedShipment(Part):
    """The warehouse packed a shipment of an order, perhaps a part of it (X12 945, GS1 warehousing outbound).

    `quantity` is the shipment's where it is absent, so that the parts of an order can be added up.
    """

    order: Key = Field(description="Order number")
    shipment: Shipment = Field(description="What was packed")
    quantity: Quantity | None = maybe("Packed quantity of this order; derived from the shipment")
    pick: Key | None = maybe("Pick task that it came from")
    last: bool | None = maybe("True where the warehouse sends no more for this order")
    short: tuple[ShipmentLine, ...] = many("What was missing, by line")
    back_ordered: tuple[ShipmentLine, ...] = many("What follows later, by line")
    back_order_expected: Instant | None = maybe("When it follows")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and self.shipment.quantity is not None:
            self._derive(quantity=self.shipment.quantity)
        return self


class ShipmentUpdate(Part):
    """News of a shipment, package or leg on its way (X12 214, EDIFACT IFTSTA, a carrier's push).

    A carrier often knows only its own number: at least one of `shipment`, `tracking_number`, `booking` and
    `package` is there.
    """

    shipment: Key | None = maybe("Shipment number")
    order: Key | None = maybe("Order number, where it is only one")
    tracking_number: Key | None = maybe("The carrier's number of shipment or package")
    booking: Key | None = maybe("Number of the booking")
    package: Key | None = maybe("Package that it concerns; absent means the whole shipment")
    carrier: Key | None = maybe("Who carries it")
    service: Key | None = maybe("The carrier's service")
    milestone: Milestone | None = maybe("What happened, with its times and words")
    reason: ShipmentReason | None = maybe("Why, where it is not in the milestone")
    text: Text | None = personal("The sender's words")
    estimated_delivery: Instant | None = maybe(
        "When it will be there as now told; for a day its end at the place"
    )
    estimated_delivery_precision: Precision | None = maybe(
        "How exactly that is meant; absent means to the second"
    )
    estimated_by: Name | None = maybe("Who estimates it")
    quantity: Quantity | None = maybe("How much it concerns, such as delivered or damaged")
    proof: ProofOfDelivery | None = maybe("Proof of delivery, where it came along")
    returned_by: Key | None = maybe("The carrier's number of the way back")
    silence: Silence | None = maybe("Why there is no news of it, where none came when it was due")
    silence_told: Name | None = maybe("The same in a sentence, with what is known last")

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not (self.shipment or self.tracking_number or self.booking or self.package):
            raise ValueError("names no shipment; give `shipment`, `tracking_number`, `booking` or `package`")
        return self


class InvoiceNews(Part):
    """Something happened to an invoice (EDIFACT APERAK, ISO 20022 remittance)."""

    invoice: Key = Field(description="Invoice number")
    order: Key | None = maybe("Order that it bills")
    hold: HoldReason | None = maybe("Why it is held")
    amount: Money | None = maybe("Amount that it concerns, such as paid")
    open_amount: Money | None = maybe("What is still to be paid")
    by: Key | None = maybe("Who did it at the source")
    text: Text | None = maybe("As told")


class Payment(Part):
    """Money arrived (ISO 20022 camt.054, X12 820)."""

    number: Key = Field(description="Number of the payment")
    amount: Money = Field(description="What arrived")
    invoice: Key | None = maybe("Invoice that it pays")
    order: Key | None = maybe("Order that it pays, for prepayment")
    customer: Key | None = maybe("Who paid")
    method: Key | None = maybe("How: `transfer`, `card`, `cash_on_delivery` ...")
    text: Text | None = personal("Remittance text")


class Notice(Part):
    """A message to a customer or partner (ours)."""

    number: Key = Field(description="Number of the message")
    order: Key | None = maybe("Order that it is about")
    shipment: Key | None = maybe("Shipment that it is about")
    exception: Key | None = maybe("Exception that it is about")
    customer: Key | None = maybe("Who is told")
    channel: Literal["email", "sms", "portal", "webhook", "edi", "phone", "letter", "unknown"] | None = maybe(
        "By which way"
    )
    template: Key | None = maybe("Template and version that it was made of")
    reason: Text | None = maybe("Why it could not be sent")
