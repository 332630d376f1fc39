"""What we buy: purchase orders, what is announced to us, and what arrived."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Currency, Instant, Key, Precision, Text
from crossdock.model.document import Document, many, maybe
from crossdock.model.money import Money
from crossdock.model.orders import Incoterm, OrderLine
from crossdock.model.parties import Address, Party
from crossdock.model.quantity import Quantity, total
from crossdock.model.shipments import Discrepancy, Mode, Package, ShipmentLine


class PurchaseOrder(Document):
    """What we order from a supplier (UBL Order, X12 850 and 855, EDIFACT ORDERS and ORDRSP)."""

    number: Key = Field(description="Our purchase order number")
    supplier: Party | None = maybe("Who supplies")
    order: Key | None = maybe("Customer's order that it serves, for a drop shipment")
    lines: tuple[OrderLine, ...] = many("What is bought")
    total: Money | None = maybe("What it costs in all")
    quantity: Quantity | None = maybe("Ordered quantity, where it has one unit; derived from the lines")
    currency: Currency | None = maybe("ISO 4217 code")
    site: Key | None = maybe("Site that receives")
    ship_to: Address | None = maybe("Where the goods go")
    state: (
        Literal["draft", "sent", "confirmed", "changed", "shipped", "partly_received", "received", "closed",
                "cancelled", "unknown"]
        | None
    ) = maybe("Where it stands")  # fmt: skip
    created_by: Key | None = maybe("Who entered it; kept out of its approval")
    ordered: Instant | None = maybe("When it was sent to the supplier")
    requested_delivery: Instant | None = maybe("When we want it; for a day alone its end at the place")
    requested_delivery_precision: Precision | None = maybe("How exactly that is meant")
    confirmed_delivery: Instant | None = maybe("When the supplier says it will be there")
    supplier_order: Key | None = maybe("The supplier's order number")
    incoterm: Incoterm | None = maybe("ICC Incoterm")
    drop_ship: bool | None = maybe("True where the supplier delivers to our customer")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        if self.currency is None and self.total is not None:
            self._derive(currency=self.total.currency)
        return self


class InboundShipment(Document):
    """What a supplier announces to us (X12 856 advance ship notice, EDIFACT DESADV, UBL DespatchAdvice)."""

    number: Key = Field(description="Number of the notice (ASN)")
    purchase_order: Key | None = maybe("Purchase order, where it is only one")
    purchase_orders: tuple[Key, ...] = many("All purchase orders that it fulfils")
    supplier: Party | None = maybe("Who ships")
    site: Key | None = maybe("Site that receives")
    lines: tuple[ShipmentLine, ...] = many("What comes; `order` is the purchase order here")
    packages: tuple[Package, ...] = many("The packages")
    quantity: Quantity | None = maybe("How much comes, where it has one unit; derived from the lines")
    weight: Quantity | None = maybe("Gross weight, such as in KGM")
    mode: Mode | None = maybe("Mode of transport")
    carrier: Key | None = maybe("Who carries it")
    tracking_number: Key | None = maybe("The carrier's number")
    bill_of_lading: Key | None = maybe("Number of the bill of lading or waybill")
    shipped: Instant | None = maybe("When it left the supplier")
    estimated_arrival: Instant | None = maybe("When it should be here")
    estimated_arrival_precision: Precision | None = maybe("How exactly that is meant")
    arrived: Instant | None = maybe("When it arrived at the gate")
    dock: Key | None = maybe("Dock that it was given")
    state: Literal["announced", "in_transit", "arrived", "received", "cancelled", "unknown"] | None = maybe(
        "Where it stands"
    )

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        if self.purchase_order is None and len(set(self.purchase_orders)) == 1:
            self._derive(purchase_order=self.purchase_orders[0])
        elif self.purchase_order is not None and not self.purchase_orders:
            self._derive(purchase_orders=(self.purchase_order,))
        return self


class Receipt(Document):
    """What arrived and was counted (X12 861, EDIFACT RECADV, UBL ReceiptAdvice)."""

    number: Key = Field(description="Number of the receipt")
    inbound_shipment: Key | None = maybe("Notice that announced it")
    purchase_order: Key | None = maybe("Purchase order, where it is only one")
    supplier: Key | None = maybe("Who supplied")
    site: Key | None = maybe("Site that received it")
    lines: tuple[ShipmentLine, ...] = many("What was counted; `order` is the purchase order here")
    quantity: Quantity | None = maybe("How much was counted, where it has one unit; derived from the lines")
    discrepancies: tuple[Discrepancy, ...] = many("What was over, short or damaged")
    received: Instant | None = maybe("When it was counted")
    received_by: Key | None = maybe("Who counted")
    text: Text | None = maybe("Remark")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        return self
