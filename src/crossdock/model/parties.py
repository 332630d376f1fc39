"""Who and where: parties, addresses, contacts, places; and what is traded: items and stock."""

from __future__ import annotations

from datetime import date
from typing import Literal

from pydantic import Field

from crossdock.model.codes import Country, Exact, Gln, Gtin, HsCode, Instant, Key, Locode, Name, Text
from crossdock.model.document import Document, Part, Value, many, maybe, personal
from crossdock.model.money import Money
from crossdock.model.quantity import Quantity

PartyRole = Literal[
    "customer", "site", "carrier", "supplier", "broker", "bill_to", "ship_to", "forwarder", "insurer", "other"
]


class Contact(Value):
    """A person or desk to speak to (UN/CEFACT Trade Contact, X12 PER)."""

    name: Name | None = personal("Name of the person or desk")
    email: Name | None = personal("E-mail address")
    phone: Name | None = personal("Telephone number, best in E.164 form")
    language: Key | None = maybe("Language to write in, BCP 47, such as de-CH")


class Address(Part):
    """A postal address (UPU S42, UN/CEFACT Trade Address, X12 N1 to N4)."""

    name: Name | None = personal("Who is addressed, where it differs from the party")
    company: Name | None = maybe("Organisation at the address")
    lines: tuple[Name, ...] = personal(
        "Street and number, building, floor; as printed, in order", listed=True
    )
    city: Name | None = maybe("Town or city")
    region: Name | None = maybe(
        "State, province or county; ISO 3166-2 without the country where there is one"
    )
    postal_code: Name | None = maybe("Postal code as its country writes it")
    country: Country | None = maybe("ISO 3166-1 alpha-2 code")
    gln: Gln | None = maybe("GS1 global location number of the place")
    residential: bool | None = maybe("True for a private home, which carriers price and serve differently")
    contact: Contact | None = maybe("Whom to reach there")
    instructions: Text | None = personal("What the driver must know")


class Party(Document):
    """An organisation or person that takes part (UN/CEFACT Trade Party, X12 N1, EDIFACT NAD)."""

    name: Name | None = maybe("Name as on documents")
    roles: tuple[PartyRole, ...] = many("What it is to us")
    gln: Gln | None = maybe("GS1 global location number")
    scac: Key | None = maybe("Standard carrier alpha code, for carriers")
    tax_number: Key | None = maybe("VAT, EORI or national tax number")
    address: Address | None = maybe("Its main address")
    contact: Contact | None = maybe("Whom to reach")
    credit_limit: Money | None = maybe("How much it may owe in total")
    calendar: Key | None = maybe("Business calendar: hours, holidays, zone, cut-offs")
    time_zone: Key | None = maybe("IANA time zone, such as Europe/Berlin")


class Place(Value):
    """A place as a scan or plan names it (UN/LOCODE, GS1 SGLN, EPCIS readPoint)."""

    name: Name | None = maybe("As told: depot, port, town")
    locode: Locode | None = maybe("UN/LOCODE")
    gln: Gln | None = maybe("GS1 global location number")
    city: Name | None = maybe("Town or city")
    region: Name | None = maybe("State, province or county")
    postal_code: Name | None = maybe("Postal code")
    country: Country | None = maybe("ISO 3166-1 alpha-2 code")
    latitude: Exact | None = maybe("Degrees north, WGS 84")
    longitude: Exact | None = maybe("Degrees east, WGS 84")
    time_zone: Key | None = maybe("IANA time zone of the place")


class Item(Document):
    """A product that is stocked or sold (GS1 Trade Item, UN/CEFACT Trade Product)."""

    number: Key = Field(description="The owner's item number (SKU)")
    name: Name | None = maybe("Description as on documents")
    gtin: Gtin | None = maybe("GS1 global trade item number")
    supplier_number: Key | None = maybe("The supplier's item number")
    customer_number: Key | None = maybe("The customer's item number")
    pack_size: Quantity | None = maybe("What one unit of it holds")
    length: Quantity | None = maybe("Length, such as in CMT")
    width: Quantity | None = maybe("Width, such as in CMT")
    height: Quantity | None = maybe("Height, such as in CMT")
    weight: Quantity | None = maybe("Gross weight of one unit, such as in KGM")
    hazard_class: Key | None = maybe("UN dangerous goods class and division, such as 3 or 2.1")
    un_number: Key | None = maybe("UN number of the dangerous good, such as UN1263")
    temperature_from: Quantity | None = maybe("Lowest allowed temperature, in CEL")
    temperature_to: Quantity | None = maybe("Highest allowed temperature, in CEL")
    hs_code: HsCode | None = maybe("Tariff code, Harmonized System")
    origin: Country | None = maybe("Country of origin")
    export_control: Key | None = maybe("Export control classification, such as ECCN or AL number")
    minimum_age: int | None = Field(
        default=None, ge=0, description="Age that the receiver must prove, in years"
    )


class Stock(Document):
    """What lies where, of whom (GS1 Inventory Report, EDIFACT INVRPT)."""

    item: Key = Field(description="Item number")
    site: Key | None = maybe("Warehouse or shop where it lies")
    location: Key | None = maybe("Bin within the site")
    lot: Key | None = maybe("Lot or batch")
    serial: Key | None = maybe("Serial number, for single units")
    owner: Key | None = maybe("Party that owns it, where not the site's")
    state: Literal["available", "quality", "blocked", "damaged", "in_transit", "unknown"] | None = maybe(
        "Whether it may be promised"
    )
    on_hand: Quantity | None = maybe("What physically lies there")
    allocated: Quantity | None = maybe("What is promised to orders")
    available: Quantity | None = maybe("What may still be promised")
    expires: date | None = maybe("Last day of use")
    counted: Instant | None = maybe("When it was last counted")
