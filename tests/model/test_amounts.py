"""Money and quantities are exact and never mix."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crossdock.errors import Refused
from crossdock.model import Money, Quantity, parse_document, to_json
from crossdock.model.quantity import total

amounts = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**15), max_value=10**15, places=6)


def eur(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def each(value: str) -> Quantity:
    return Quantity(value=Decimal(value), unit="EA")


def test_money_keeps_the_places_it_was_given_with():
    assert to_json(Money.model_validate({"amount": "12.50", "currency": "EUR"})) == {
        "amount": "12.50",
        "currency": "EUR",
    }


def test_equal_amounts_are_equal_whatever_their_places():
    assert eur("12.5") == eur("12.50")
    assert hash(eur("12.5")) == hash(eur("12.50"))
    assert eur("12.5") != Money(amount=Decimal("12.5"), currency="USD")


def test_money_adds_where_floating_point_would_not():
    assert eur("0.10") + eur("0.20") == eur("0.30")
    assert eur("99999999999999999999999999999999.01") + eur("0.01") == eur(
        "99999999999999999999999999999999.02"
    )
    assert str(eur("19.90") * 3) == "59.70 EUR"
    assert -eur("1") == eur("-1")


@pytest.mark.parametrize("verb", ["__add__", "__sub__", "__lt__", "__le__", "__gt__", "__ge__"])
def test_two_currencies_or_units_neither_add_nor_compare(verb: str):
    with pytest.raises(Refused, match=r"EUR and USD|USD and EUR"):
        getattr(eur("1"), verb)(Money(amount=Decimal(1), currency="USD"))
    with pytest.raises(Refused, match=r"EA and KGM|KGM and EA"):
        getattr(each("1"), verb)(Quantity(value=Decimal(1), unit="KGM"))


@given(amounts, amounts)
def test_adding_and_taking_away_leads_back_exactly(a: Decimal, b: Decimal):
    first, second = Money(amount=a, currency="EUR"), Money(amount=b, currency="EUR")
    assert first + second - second == first
    assert (first < second) == (a < b)


@given(amounts)
def test_json_of_an_amount_reads_back_as_the_same(a: Decimal):
    money = Money(amount=a, currency="JPY")
    assert Money.model_validate(to_json(money)) == money
    assert isinstance(to_json(money)["amount"], str)
    assert "E" not in to_json(money)["amount"]


@pytest.mark.parametrize(
    ("amount", "told"),
    [
        (12.5, "floating-point"),
        (True, "not a decimal number"),
        ("1e3", "not a decimal number"),
        ("12,50", "not a decimal number"),
        ("NaN", "not a decimal number"),
        ("", "not a decimal number"),
        (" 1", "not a decimal number"),
        ("१", "not a decimal number"),
        (Decimal("Infinity"), "not a decimal number"),
        (Decimal("1E+60"), "more than 38 digits"),
        (Decimal("1E-60"), "more than 38 digits"),
        ("9" * 39, "not a decimal number"),
        (None, "not a decimal number"),
        ({"value": 1}, "not a decimal number"),
    ],
)
def test_an_amount_that_is_not_exact_is_refused(amount: object, told: str):
    with pytest.raises(Refused) as refusal:
        parse_document("Refund", {"number": "R-1", "amount": {"amount": amount, "currency": "EUR"}})
    assert refusal.value.where == "amount.amount"
    assert told in refusal.value.message


def test_a_total_is_known_only_of_one_unit_and_of_all_parts():
    assert total([each("1"), each("2.5")]) == each("3.5")
    assert total([]) is None
    assert total([each("1"), None]) is None
    assert total([each("1"), Quantity(value=Decimal(1), unit="KGM")]) is None


@pytest.mark.parametrize("currency", ["EURO", "eur", "XYZ", ""])
def test_a_currency_that_iso_does_not_know_is_refused(currency: str):
    with pytest.raises(Refused, match="ISO 4217"):
        parse_document("Refund", {"number": "R-1", "amount": {"amount": "1", "currency": currency}})
