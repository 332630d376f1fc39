"""What authorities and law ask: customs filings and compliance checks."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from crossdock.model.codes import Country, HsCode, Instant, Key, Name, Text
from crossdock.model.document import Document, Part, many, maybe
from crossdock.model.money import Money
from crossdock.model.parties import Party, Place
from crossdock.model.quantity import Quantity


class CustomsLine(Part):
    """One commodity of a filing (WCO Data Model goods item)."""

    item: Key | None = maybe("Item number")
    name: Name | None = maybe("Description for customs")
    hs_code: HsCode | None = maybe("Tariff code")
    origin: Country | None = maybe("Country of origin")
    quantity: Quantity | None = maybe("Quantity declared")
    weight: Quantity | None = maybe("Net weight, such as in KGM")
    value: Money | None = maybe("Customs value")


class CustomsFiling(Document):
    """A declaration to customs and how it stands (WCO Data Model, X12 309, 350, EDIFACT CUSDEC)."""

    number: Key = Field(description="Our number, or the authority's (MRN, entry number)")
    kind: Literal["export", "import", "transit", "security", "unknown"] | None = maybe("What is declared")
    shipment: Key | None = maybe("Shipment that it is for")
    order: Key | None = maybe("Order, where it is only one")
    tracking_number: Key | None = maybe("The carrier's number")
    broker: Party | None = maybe("Who files")
    office: Name | None = maybe("Customs office")
    place: Place | None = maybe("Where the goods are presented")
    country: Country | None = maybe("Country whose customs it is")
    lines: tuple[CustomsLine, ...] = many("Commodities")
    value: Money | None = maybe("Customs value in all")
    duty: Money | None = maybe("Duties and taxes assessed")
    incoterm: Key | None = maybe("ICC Incoterm")
    state: Literal["draft", "filed", "held", "inspected", "released", "rejected", "unknown"] | None = maybe(
        "Where it stands"
    )
    reason: Text | None = maybe("Why it is held or rejected, as told")
    filed: Instant | None = maybe("When it was filed")
    released: Instant | None = maybe("When the goods were released")


class ComplianceCheck(Document):
    """Whether something may be sold or sent at all (denied parties, export control, ADR, age, licence)."""

    number: Key = Field(description="Number of the check")
    kind: Literal[
        "denied_party", "export_control", "dangerous_goods", "age", "licence", "sanctions", "unknown"
    ] = Field(description="What is checked")
    order: Key | None = maybe("Order that it is for")
    shipment: Key | None = maybe("Shipment that it is for")
    party: Key | None = maybe("Party that is checked")
    item: Key | None = maybe("Item that is checked")
    result: Literal["clear", "match", "possible_match", "licence_needed", "refused", "unknown"] | None = (
        maybe("What was found; absent while it runs")
    )
    list_name: Name | None = maybe("List or rule, with its version")
    licence: Key | None = maybe("Licence that allows it")
    text: Text | None = maybe("What was found, in words")
    checked: Instant | None = maybe("When it was checked")
    decided_by: Key | None = maybe("Who decided on a match")
