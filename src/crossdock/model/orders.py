"""What the customer asked for: quotes, orders, their lines, and the schedule they are split into."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Currency, Exact, Gtin, Instant, Key, Name, Precision, Text
from crossdock.model.document import BUYER, Document, Part, many, maybe, personal
from crossdock.model.money import Money
from crossdock.model.parties import Address, Item, Party
from crossdock.model.quantity import Quantity, total

Incoterm = Literal[
    "EXW", "FCA", "FAS", "FOB", "CFR", "CIF", "CPT", "CIP", "DAT", "DAP", "DPU", "DDP", "DDU", "unknown"
]
"""ICC Incoterms of 2020, and those of 2000 and 2010 that still stand on documents."""

Priority = Literal["low", "normal", "high", "urgent"]


class ScheduleLine(Part):
    """A part of an order line with its own date, site or state (X12 SCH, SAP schedule line)."""

    number: Key | None = maybe("Number within the line")
    quantity: Quantity = Field(description="How much of the line is due so")
    requested_delivery: Instant | None = maybe("When the customer wants it")
    promised_delivery: Instant | None = maybe("When we said it will be there")
    site: Key | None = maybe("Which site delivers it")
    back_order: bool | None = maybe("True while there is no stock for it")
    drop_ship: bool | None = maybe("True where the supplier delivers to the customer")


class OrderLine(Part):
    """One line of an order or quote (UBL OrderLine, X12 PO1, EDIFACT LIN)."""

    number: Key = Field(description="Line number within the order, as the source counts")
    item: Key | None = maybe("Item number at the seller (SKU); absent for what has none")
    name: Name | None = maybe("Description as on the document; needed where there is no item number")
    gtin: Gtin | None = maybe("GS1 global trade item number")
    customer_item: Key | None = maybe("The customer's number of the item")
    supplier: Key | None = maybe("Party that supplies it, where the line says so")
    quantity: Quantity = Field(description="Ordered quantity")
    price: Money | None = maybe("Price of one unit of `quantity.unit` without tax; see `price_per`")
    price_per: Exact | None = maybe("Number of units that `price` is for, where not 1")
    discount: Money | None = maybe("Discount on the line without tax, positive")
    tax: Money | None = maybe("Tax on the line")
    amount: Money | None = maybe("Value of the line without tax, after discount")
    schedule: tuple[ScheduleLine, ...] = many("How the line is split by date, site and back-order")
    substitutes: tuple[Key, ...] = many("Item numbers the customer accepts in its place")
    substitutes_for: Key | None = maybe("Item number that this line replaces")
    requested_delivery: Instant | None = maybe("When the customer wants the line, where not as the order")
    site: Key | None = maybe("Site that delivers the line, where not as the order")
    lot: Key | None = maybe("Lot that was asked for")
    product: Item | None = maybe("The item's own data, where the source sends them along")

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if self.item is None and self.name is None:
            raise ValueError(
                "says neither `item` nor `name`; give the item number, or a name where it has none"
            )
        return self


class Charge(Part):
    """A charge or allowance beside the goods (UBL AllowanceCharge, X12 SAC)."""

    kind: Key = Field(
        description="What for: `freight`, `insurance`, `cash_on_delivery`, `duty`, `discount` ..."
    )
    amount: Money = Field(description="Amount without tax; negative for an allowance")
    text: Text | None = maybe("As told")


class Order(Document):
    """A customer's order as the seller holds it (UBL Order 2.3, X12 850, EDIFACT ORDERS).

    `quantity` is derived from the lines when it is absent and all lines have one unit, `currency` from
    `total`.
    """

    number: Key = Field(description="The seller's order number, unique at the source")
    customer: Party | None = personal("Who bought, with the id by which the ERP knows it", of=BUYER)
    lines: tuple[OrderLine, ...] = many("What was ordered")
    charges: tuple[Charge, ...] = many("Freight, insurance and other charges and allowances")
    total: Money | None = maybe("What the customer owes in all: lines, charges and tax")
    tax: Money | None = maybe("Tax within `total`")
    quantity: Quantity | None = maybe("Ordered quantity over all lines, where they have one unit")
    weight: Quantity | None = maybe("Gross weight in all, such as in KGM")
    currency: Currency | None = maybe("ISO 4217 code of the order")
    site: Key | None = maybe("Site that delivers and whose calendar counts")
    channel: Key | None = maybe("Where it was placed: `edi`, `shop`, `desk`, `portal` ...")
    kind: (
        Literal["sale", "drop_ship", "replacement", "sample", "transfer", "consignment", "unknown"] | None
    ) = maybe("What kind of order it is")
    state: (
        Literal[
            "draft",
            "confirmed",
            "released",
            "held",
            "partly_shipped",
            "shipped",
            "closed",
            "cancelled",
            "unknown",
        ]
        | None
    ) = maybe("Where it stands at its source; the process has its own state")
    created_by: Key | None = maybe("Who entered it: user or system at the source; kept out of its approval")
    ordered: Instant | None = maybe("When the customer ordered")
    released: Instant | None = maybe("When the source released it for delivery")
    requested_delivery: Instant | None = maybe(
        "When the customer wants it; for a day alone its end at the place"
    )
    requested_delivery_precision: Precision | None = maybe("How exactly `requested_delivery` is meant")
    promised_delivery: Instant | None = maybe("When we said it will be there")
    promised_delivery_precision: Precision | None = maybe("How exactly `promised_delivery` is meant")
    priority: Priority | None = maybe("How urgent, from low to urgent")
    ship_to: Address | None = maybe("Where the goods go")
    bill_to: Party | None = personal("Who pays, where not the customer", of=BUYER)
    ship_from: Address | None = maybe("Where the goods come from")
    supplier: Party | None = maybe("Who delivers in a drop shipment")
    incoterm: Incoterm | None = maybe("ICC Incoterm")
    incoterm_place: Name | None = maybe("Place that the Incoterm names")
    mode: Key | None = maybe("Mode of transport the customer wants: air, ocean, road, rail, parcel")
    service: Key | None = maybe("Delivery service the customer chose")
    carrier: Key | None = maybe("Carrier the customer chose")
    payment_terms: Name | None = maybe("As told, such as `net 30`")
    payment_method: Key | None = maybe("How it is paid: `invoice`, `card`, `cash_on_delivery`, `prepaid` ...")
    cash_on_delivery: Money | None = maybe("What the driver collects")
    complete: bool | None = maybe("True where the customer takes the order only as a whole")
    quote: Key | None = maybe("Number of the quote it came from")
    customer_po: Key | None = maybe("The customer's own order number")
    text: Text | None = personal("Note for whoever handles it")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        if self.total is not None:
            if self.currency is None:
                self._derive(currency=self.total.currency)
            elif self.currency != self.total.currency:
                raise ValueError(f"`currency` is {self.currency}, but `total` is in {self.total.currency}")
        numbers = [line.number for line in self.lines]
        if len(set(numbers)) != len(numbers):
            raise ValueError(
                "two lines have the same number; each line's number must be its own within the order"
            )
        return self


class Quote(Document):
    """An offer to a customer, which an order may come from (UBL Quotation, X12 843, EDIFACT QUOTES)."""

    number: Key = Field(description="The seller's quote number")
    customer: Party | None = personal("Who asked", of=BUYER)
    lines: tuple[OrderLine, ...] = many("What is offered")
    charges: tuple[Charge, ...] = many("Freight and other charges offered")
    total: Money | None = maybe("What it would cost in all")
    site: Key | None = maybe("Site that would deliver")
    state: Literal["requested", "draft", "sent", "accepted", "refused", "expired", "unknown"] | None = maybe(
        "Where it stands"
    )
    created_by: Key | None = maybe("Who made it")
    sent: Instant | None = maybe("When it was sent")
    valid_until: Instant | None = maybe("Until when it binds us")
    requested_delivery: Instant | None = maybe("When the customer wants the goods")
    ship_to: Address | None = maybe("Where the goods would go")
    incoterm: Incoterm | None = maybe("ICC Incoterm")
    order: Key | None = maybe("Number of the order that came of it")
