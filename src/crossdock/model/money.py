"""Money: an exact amount with its currency. It adds and compares within one currency only."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from crossdock.errors import Refused
from crossdock.model.codes import EXACT, Currency, Exact, decimal_text


class Money(BaseModel):
    """An amount of money (UN/CEFACT Amount. Type, ISO 4217).

    Equal amounts are equal whatever their places: 12.5 EUR is 12.50 EUR. Adding or comparing two currencies
    is `Refused`: converting is a business decision with a rate and a date, not arithmetic.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    __crossdock_type__: ClassVar[str] = "money"

    amount: Exact = Field(
        description="Amount in the currency's main unit, exact, with the places it was given"
    )
    currency: Currency = Field(description="ISO 4217 code")

    def __str__(self) -> str:
        return f"{decimal_text(self.amount)} {self.currency}"

    def __add__(self, other: Money) -> Money:
        self._same_currency(other, "add")
        return Money(amount=EXACT.add(self.amount, other.amount), currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        self._same_currency(other, "subtract")
        return Money(amount=EXACT.subtract(self.amount, other.amount), currency=self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        """Multiply exactly, without rounding to the currency's places."""
        return Money(amount=EXACT.multiply(self.amount, Decimal(factor)), currency=self.currency)

    def __neg__(self) -> Money:
        return Money(amount=self.amount.copy_negate(), currency=self.currency)

    def __lt__(self, other: Money) -> bool:
        self._same_currency(other, "compare")
        return self.amount < other.amount

    def __le__(self, other: Money) -> bool:
        self._same_currency(other, "compare")
        return self.amount <= other.amount

    def __gt__(self, other: Money) -> bool:
        return other < self

    def __ge__(self, other: Money) -> bool:
        return other <= self

    def _same_currency(self, other: Money, verb: str) -> None:
        if self.currency != other.currency:
            raise Refused(
                f"cannot {verb} {self.currency} and {other.currency}",
                mend="convert one of them first, with the rate and date that the business agreed",
            )
