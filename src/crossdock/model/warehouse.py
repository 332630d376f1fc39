"""What the warehouse does: pick tasks, and its news about packing."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Instant, Key, Text
from crossdock.model.document import Document, Part, many, maybe
from crossdock.model.parties import Address
from crossdock.model.quantity import Quantity, total


class PickLine(Part):
    """What is to be picked of one order line (GS1 warehouse order line, X12 940 W01)."""

    number: Key | None = maybe("Number within the task")
    line: Key | None = maybe("Line of the order")
    item: Key = Field(description="Item number")
    quantity: Quantity = Field(description="How much to pick")
    picked: Quantity | None = maybe("How much was picked so far")
    location: Key | None = maybe("Bin to pick from")
    lot: Key | None = maybe("Lot to pick")
    serials: tuple[Key, ...] = many("Serial numbers that were picked")
    reason: Text | None = maybe("Why less was picked, as told")


class PickTask(Document):
    """An order to the warehouse to pick, and how far it is (X12 940 and 945, GS1 warehousing outbound)."""

    number: Key = Field(description="The warehouse's number of the task")
    order: Key | None = maybe("Order that it is for")
    site: Key | None = maybe("Warehouse that picks")
    lines: tuple[PickLine, ...] = many("What to pick")
    quantity: Quantity | None = maybe(
        "How much to pick in all, where it has one unit; derived from the lines"
    )
    picked: Quantity | None = maybe(
        "How much was picked in all, where it has one unit; derived from the lines"
    )
    state: Literal["open", "started", "picked", "packed", "short", "cancelled", "unknown"] | None = maybe(
        "Where it stands"
    )
    priority: Literal["low", "normal", "high", "urgent"] | None = maybe("How urgent")
    wave: Key | None = maybe("Wave or batch that it belongs to")
    picker: Key | None = maybe("Who picks")
    cut_off: Instant | None = maybe("Until when it must be ready")
    started: Instant | None = maybe("When picking started")
    ended: Instant | None = maybe("When picking ended")
    ship_to: Address | None = maybe("Where the goods go")
    instructions: Text | None = maybe("What the picker must know")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.quantity is None and (quantity := total(line.quantity for line in self.lines)) is not None:
            self._derive(quantity=quantity)
        if self.picked is None and (picked := total(line.picked for line in self.lines)) is not None:
            self._derive(picked=picked)
        return self
