"""Stackyard WMS: what its calls take."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from crossdock.sandbox.amounts import NotNegative, Positive

Aware = Annotated[datetime, Meta(tz=True)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]


class NewLine(Struct, rename="camel"):
    """A line of a pick or of an expected return."""

    line_ref: Name
    sku: Name
    qty: Positive
    unit_weight_kg: NotNegative = NotNegative("0.1")


class NewPick(Struct, rename="camel"):
    """A pick order."""

    client_reference: Name
    order_number: Name
    warehouse: Name
    lines: Annotated[list[NewLine], Meta(min_length=1, max_length=1000)]
    ship_by: str = ""


class NewReturn(Struct, rename="camel"):
    """Goods expected back."""

    client_reference: Name
    rma: Name
    order_number: Name
    lines: Annotated[list[NewLine], Meta(min_length=1)]
    warehouse: str = ""


class AllocationLine(Struct, rename="camel"):
    """A line of an order to which goods are promised."""

    line_ref: Name
    sku: Name
    qty: Positive


class NewAllocation(Struct, rename="camel"):
    """Goods promised to an order before it is picked."""

    client_reference: Name
    order_number: Name
    warehouse: Name
    lines: Annotated[list[AllocationLine], Meta(min_length=1, max_length=1000)]


class Dispatch(Struct, rename="camel"):
    """With whom a shipment leaves."""

    carrier: str = ""
    tracking_number: str = ""


class StockCount(Struct, rename="camel"):
    """What was counted in a warehouse."""

    warehouse: Name
    on_hand: NotNegative
    reason: str = ""


class Pack(Struct, forbid_unknown_fields=True):
    """One packing of a script; without a quantity, all that is left."""

    after_hours: float | None = None
    at: Aware | None = None
    quantity: Positive | None = None
    shipment: str = ""


class Script(Struct, forbid_unknown_fields=True, kw_only=True):
    """What will happen to an order's picks, or to a return."""

    order: str = ""
    start_after_hours: float = 1
    packs: list[Pack] = field(default_factory=list)
    short: NotNegative = NotNegative(0)
    return_: str = field(default="", name="return")
    received_after_hours: float = 48
    inspected_after_hours: float = 72
    conditions: list[Literal["A_STOCK", "B_STOCK", "SCRAP"]] = field(default_factory=list)
