"""Northway ERP: what its calls take."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct, field

from crossdock.sandbox.amounts import NotNegative, Positive

Aware = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]

CENT = Decimal("0.01")


class Login(Struct):
    """Who logs in."""

    user: str
    password: str
    company: str


class Customer(Struct):
    """A customer, kept by its code."""

    code: Name
    name: Name
    email: str = ""
    language: str = "en"
    currency: str = "USD"
    credit_limit: NotNegative | None = None
    base_exposure: NotNegative = NotNegative(0)
    blocked: bool = False
    payment_days: Annotated[int, Meta(ge=0)] = 30


class Line(Struct):
    """A line of an order."""

    line_no: int
    item: Name
    quantity: Positive
    unit_price: NotNegative
    description: str = ""
    uom: str = "PCE"
    weight_kg: NotNegative = NotNegative(0)

    @property
    def amount(self) -> Decimal:
        """Quantity times price, to the cent."""
        return (self.quantity * self.unit_price).quantize(CENT)


class ShipTo(Struct):
    """Where the goods go."""

    name: str = ""
    street: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""


class NewOrder(Struct):
    """An order as it is entered."""

    number: Name
    customer: Name
    currency: str
    site: Name
    ordered_on: date
    lines: Annotated[list[Line], Meta(min_length=1, max_length=1000)]
    reference: str = ""
    zone: str = "UTC"
    wanted_on: date | None = None
    created_by: str = ""
    ship_to: ShipTo = field(default_factory=ShipTo)
    attributes: dict[str, str] = field(default_factory=dict)
    release_at: Aware | None = None


class Change(Struct):
    """What may change of an order; what is absent stays."""

    lines: Annotated[list[Line], Meta(min_length=1)] | None = None
    wanted_on: date | None = None
    ship_to: ShipTo | None = None


class Cancel(Struct):
    """Why an order is cancelled."""

    reason: str = ""


class Status(Struct):
    """How far an order is."""

    status: Literal["PICKING", "PART_SHIPPED", "SHIPPED", "CLOSED"]
    note: str = ""
    reference: str = ""


class CreditQuestion(Struct):
    """Whether an amount fits; `order` is left out of the exposure."""

    customer: Name
    amount: NotNegative
    currency: str
    order: str = ""


class StockCount(Struct):
    """What lies at a site, counted."""

    item: Name
    site: Name
    quantity: NotNegative
    uom: str = "PCE"


class NewAdjustment(Struct):
    """What was found to be more at a site than the books say, or less."""

    item: Name
    site: Name
    change: Decimal
    reference: str = ""
    uom: str = "PCE"
    reason: str = ""


class Import(Struct):
    """Set-up: many at once."""

    customers: list[Customer] = field(default_factory=list)
    orders: list[NewOrder] = field(default_factory=list)


class Script(Struct):
    """What the ERP's own people will do to an order."""

    order: Name
    actions: list[dict[str, Any]]


class Part(Struct):
    """A quantity of an order line."""

    line_no: int
    quantity: Positive


class NewInvoice(Struct):
    """An invoice as it is drafted; no lines means all."""

    order: str
    reference: str = ""
    lines: list[Part] = field(default_factory=list)
    proof: Any = None


class NewCreditNote(Struct):
    """A credit: of lines, of an amount, or of all that is left."""

    invoice: str
    reference: str = ""
    reason: str = ""
    lines: list[Part] = field(default_factory=list)
    amount: Positive | None = None


class NewReturn(Struct):
    """A return as it is authorised; no lines means all."""

    order: str
    reference: str = ""
    reason: str = ""
    lines: list[Part] = field(default_factory=list)


class ReturnStatus(Struct):
    """How far a return is."""

    status: Literal["RECEIVED", "CREDITED", "CLOSED", "CANCELLED"]
