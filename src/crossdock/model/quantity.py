"""Quantity: an exact value with its unit. It adds and compares within one unit only."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from crossdock.errors import Refused
from crossdock.model.codes import EXACT, Exact, Unit, decimal_text


class Quantity(BaseModel):
    """A quantity of goods or a measure (UN/CEFACT Quantity. Type, UN/ECE Recommendation 20).

    Adding or comparing two units is `Refused`: converting needs the item (a case of 12) or a rule, which
    stand elsewhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    __crossdock_type__: ClassVar[str] = "quantity"

    value: Exact = Field(description="How much, in `unit`, exact")
    unit: Unit = Field(description="UN/ECE Recommendation 20 code: EA each, KGM kilogram, CMT centimetre")

    def __str__(self) -> str:
        return f"{decimal_text(self.value)} {self.unit}"

    def __add__(self, other: Quantity) -> Quantity:
        self._same_unit(other, "add")
        return Quantity(value=EXACT.add(self.value, other.value), unit=self.unit)

    def __sub__(self, other: Quantity) -> Quantity:
        self._same_unit(other, "subtract")
        return Quantity(value=EXACT.subtract(self.value, other.value), unit=self.unit)

    def __mul__(self, factor: Decimal | int) -> Quantity:
        return Quantity(value=EXACT.multiply(self.value, Decimal(factor)), unit=self.unit)

    def __neg__(self) -> Quantity:
        return Quantity(value=self.value.copy_negate(), unit=self.unit)

    def __lt__(self, other: Quantity) -> bool:
        self._same_unit(other, "compare")
        return self.value < other.value

    def __le__(self, other: Quantity) -> bool:
        self._same_unit(other, "compare")
        return self.value <= other.value

    def __gt__(self, other: Quantity) -> bool:
        return other < self

    def __ge__(self, other: Quantity) -> bool:
        return other <= self

    def _same_unit(self, other: Quantity, verb: str) -> None:
        if self.unit != other.unit:
            raise Refused(
                f"cannot {verb} {self.unit} and {other.unit}",
                mend="convert one of them first, by the item's packing or a unit table",
            )


def total(quantities: Iterable[Quantity | None]) -> Quantity | None:
    """Add up quantities of one unit; None where there are none, one is missing, or the units differ."""
    result: Quantity | None = None
    for quantity in quantities:
        if quantity is None or (result is not None and result.unit != quantity.unit):
            return None
        result = quantity if result is None else result + quantity
    return result
