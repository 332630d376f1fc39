"""What travels: packages, shipments, legs, bookings and tenders, and the proof that it arrived."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Gtin, Instant, Key, Name, Precision, Sscc, Text
from crossdock.model.document import Document, Part, many, maybe, personal
from crossdock.model.milestones import Milestone
from crossdock.model.money import Money
from crossdock.model.parties import Address, Party, Place
from crossdock.model.quantity import Quantity, total

Mode = Literal[
    "parcel", "road", "rail", "air", "ocean", "inland_water", "courier", "multimodal", "own", "unknown"
]
"""Mode of transport (UN/ECE Recommendation 19, with parcel, courier and own fleet told apart)."""

Disposition = Literal["accepted", "refused", "damaged", "short", "over", "unknown"]


class PackageContent(Part):
    """What of one item lies in a package (X12 856 item level, GS1 despatch advice line)."""

    item: Key = Field(description="Item number")
    gtin: Gtin | None = maybe("GS1 global trade item number")
    quantity: Quantity = Field(description="How much of it lies in the package")
    order: Key | None = maybe("Order that it is for")
    line: Key | None = maybe("Line of that order")
    lot: Key | None = maybe("Lot or batch")
    serials: tuple[Key, ...] = many("Serial numbers")


class Package(Document):
    """A parcel, carton or pallet (GS1 logistic unit, X12 856 MAN, EDIFACT PAC)."""

    number: Key | None = maybe("Number at the warehouse")
    sscc: Sscc | None = maybe("GS1 serial shipping container code")
    tracking_number: Key | None = maybe("The carrier's number of the package")
    kind: Key | None = maybe("UN/ECE Rec 21 code or the warehouse's word: carton, pallet")
    contents: tuple[PackageContent, ...] = many("What lies in it")
    within: Key | None = maybe("Number of the package that it lies in, such as a pallet")
    weight: Quantity | None = maybe("Gross weight, such as in KGM")
    length: Quantity | None = maybe("Length, such as in CMT")
    width: Quantity | None = maybe("Width, such as in CMT")
    height: Quantity | None = maybe("Height, such as in CMT")
    value: Money | None = maybe("Value declared to the carrier")
    label: Key | None = maybe("Reference to the label image")
    state: Literal["packed", "shipped", "delivered", "damaged", "lost", "returned", "unknown"] | None = maybe(
        "Where it stands"
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.id is None:
            if (name := self.sscc or self.tracking_number) is None:
                raise ValueError("has no number; give `number`, `sscc`, `tracking_number` or `id`")
            self._derive(id=name)
        return self


class ShipmentLine(Part):
    """What a shipment carries of one order line (X12 856 SN1, UBL DespatchLine)."""

    number: Key | None = maybe("Number within the shipment")
    order: Key | None = maybe("Order that it fulfils")
    line: Key | None = maybe("Line of that order")
    item: Key = Field(description="Item number")
    quantity: Quantity = Field(description="Shipped quantity")
    substitutes_for: Key | None = maybe("Item number that was ordered, where another was shipped")
    lot: Key | None = maybe("Lot or batch")


class Discrepancy(Part):
    """What was not as it should be on arrival (X12 861 RCD, UBL ReceiptLine)."""

    item: Key | None = maybe("Item number")
    order: Key | None = maybe("Order that it is for")
    line: Key | None = maybe("Line of that order")
    package: Key | None = maybe("Package that it concerns")
    kind: Literal["short", "over", "damaged", "wrong_item", "refused", "unknown"] = Field(
        description="What was wrong"
    )
    quantity: Quantity | None = maybe("How much it concerns")
    text: Text | None = maybe("As told")
    images: tuple[Key, ...] = many("References to images")


class ProofOfDelivery(Document):
    """Who took over what, and when (X12 214 with K1, UN/CEFACT proof of delivery)."""

    number: Key | None = maybe("Number at the carrier")
    shipment: Key | None = maybe("Shipment that was delivered")
    order: Key | None = maybe("Order, where it is only one")
    tracking_number: Key | None = maybe("The carrier's number")
    delivered: Instant | None = maybe("When it was handed over")
    delivered_precision: Precision | None = maybe("How exactly that is known; absent means to the second")
    received_by: Name | None = personal("Who took it")
    place: Place | None = maybe("Where")
    left_at: Name | None = personal("Where it was left: neighbour, locker, porch")
    quantity: Quantity | None = maybe("Quantity that was accepted, where it is one unit")
    packages: int | None = Field(default=None, ge=0, description="Number of packages that were handed over")
    discrepancies: tuple[Discrepancy, ...] = many("What was short, over, damaged or refused")
    image: Key | None = maybe("Reference to signature or photograph")
    temperature: Quantity | None = maybe("Temperature on handing over, in CEL")
    cash_collected: Money | None = maybe("What the driver collected")


class Leg(Part):
    """One stretch of the way on one means of transport (UN/CEFACT transport movement, DCSA transport leg)."""

    number: Key = Field(description="Number within the shipment, in order of travel")
    mode: Mode | None = maybe("Mode of transport")
    carrier: Key | None = maybe("Who carries it")
    vehicle: Name | None = maybe("Truck, flight, voyage or train")
    equipment: Key | None = maybe("Container (ISO 6346) or trailer number")
    place_from: Place | None = maybe("Where it starts")
    place_to: Place | None = maybe("Where it ends")
    planned_departure: Instant | None = maybe("When it should leave")
    planned_arrival: Instant | None = maybe("When it should arrive")
    departed: Instant | None = maybe("When it left")
    arrived: Instant | None = maybe("When it arrived")
    milestones: tuple[Milestone, ...] = many("What happened on it")


class Shipment(Document):
    """Goods that travel together from one place to another (UN/CEFACT consignment, X12 856, GS1 despatch).

    It may serve many orders, and an order may need many. `quantity` is derived from the lines, else from what
    lies in the packages, when it is absent and all have one unit; `order` and `orders` follow from each
    other.
    """

    number: Key = Field(description="Number at the warehouse or shipper, unique at the source")
    order: Key | None = maybe("The order that it serves, where it is exactly one")
    orders: tuple[Key, ...] = many("All orders that it serves")
    lines: tuple[ShipmentLine, ...] = many("What it carries, by order line")
    packages: tuple[Package, ...] = many("The packages that it is made of")
    package_count: int | None = Field(
        default=None, ge=0, description="Number of packages, where only that is known"
    )
    quantity: Quantity | None = maybe("Shipped quantity in all, where it has one unit")
    weight: Quantity | None = maybe("Gross weight, such as in KGM")
    volume: Quantity | None = maybe("Volume, such as in MTQ")
    value: Money | None = maybe("Value of the goods")
    insured_value: Money | None = maybe("Value that is insured")
    customer: Key | None = maybe("Customer, by the id that the ERP knows")
    ship_from: Address | None = maybe("Where it starts")
    ship_to: Address | None = maybe("Where it goes")
    site: Key | None = maybe("Site that ships it and whose calendar counts")
    mode: Mode | None = maybe("Mode of transport")
    carrier: Key | None = maybe("Who carries it: id of the carrier or its connection")
    service: Key | None = maybe("The carrier's service")
    tracking_number: Key | None = maybe("The carrier's number of the shipment")
    tracking_url: Text | None = maybe("Where the carrier shows it")
    booking: Key | None = maybe("Number of the booking")
    bill_of_lading: Key | None = maybe("Number of the bill of lading or waybill")
    incoterm: Key | None = maybe("ICC Incoterm")
    cut_off: Instant | None = maybe("Until when it must be handed to the carrier")
    pickup_from: Instant | None = maybe("Start of the pick-up window")
    pickup_until: Instant | None = maybe("End of the pick-up window")
    shipped: Instant | None = maybe("When it left the site")
    estimated_delivery: Instant | None = maybe(
        "When it will be there as last told; for a day its end at the place"
    )
    estimated_delivery_precision: Precision | None = maybe(
        "How exactly that is meant; absent means to the second"
    )
    estimated_by: Name | None = maybe("Who estimates it")
    promised_delivery: Instant | None = maybe("When we promised it would be there")
    delivered: Instant | None = maybe("When it was delivered")
    delivered_precision: Precision | None = maybe("How exactly that is known; absent means to the second")
    legs: tuple[Leg, ...] = many("The stretches of its way")
    milestones: tuple[Milestone, ...] = many("What happened to it")
    proof: ProofOfDelivery | None = maybe("Proof of delivery")
    freight: Money | None = maybe("Freight agreed or billed")
    insurance: Money | None = maybe("Insurance premium")
    drop_ship: bool | None = maybe("True where the supplier ships to the customer")
    cash_on_delivery: Money | None = maybe("What the driver collects")
    dangerous_goods: bool | None = maybe("True where any content is a dangerous good")
    text: Text | None = personal("Note for whoever handles it")

    @model_validator(mode="after")
    def _derived(self) -> Self:
        if self.order is None and len(set(self.orders)) == 1:
            self._derive(order=self.orders[0])
        elif self.order is not None and not self.orders:
            self._derive(orders=(self.order,))
        elif self.order is not None and self.order not in self.orders:
            raise ValueError(
                f"`order` is {self.order}, which is not among `orders`; leave it out where there are many"
            )
        if self.quantity is None:
            packed = [held.quantity for package in self.packages for held in package.contents]
            if (quantity := total([line.quantity for line in self.lines] or packed)) is not None:
                self._derive(quantity=quantity)
        return self


class Booking(Document):
    """Transport bought from a carrier (UN/CEFACT booking, X12 303, DCSA booking, a parcel label)."""

    number: Key = Field(description="The carrier's or ours, where the carrier gives none")
    shipment: Key | None = maybe("Shipment that it carries")
    order: Key | None = maybe("Order, where it is only one")
    state: Literal["requested", "confirmed", "refused", "cancelled", "unknown"] | None = maybe(
        "Where it stands"
    )
    carrier: Key | None = maybe("Who carries it")
    service: Key | None = maybe("The carrier's service")
    rate: Money | None = maybe("Price agreed, without tax")
    tracking_number: Key | None = maybe("The carrier's number of the shipment")
    package_numbers: tuple[Key, ...] = many("The carrier's numbers of the packages")
    label: Key | None = maybe("Reference to the label image")
    cut_off: Instant | None = maybe("Until when the goods must be handed over")
    appointment_from: Instant | None = maybe("Start of the slot at the dock")
    appointment_until: Instant | None = maybe("End of the slot at the dock")
    estimated_delivery: Instant | None = maybe("When the carrier expects to deliver")
    booked: Instant | None = maybe("When it was booked")
    billed_weight: Quantity | None = maybe("Weight that the rate is for, such as in KGM")


class Tender(Document):
    """An offer of a load to a carrier, which takes or declines it (X12 204 and 990)."""

    number: Key = Field(description="Our number of the tender")
    shipment: Key | None = maybe("Shipment that is offered")
    order: Key | None = maybe("Order, where it is only one")
    carrier: Party | None = maybe("Whom it is offered to")
    service: Key | None = maybe("The carrier's service")
    mode: Mode | None = maybe("Mode of transport")
    rate: Money | None = maybe("Price offered, without tax")
    state: Literal["offered", "accepted", "declined", "expired", "withdrawn", "unknown"] | None = maybe(
        "Where it stands"
    )
    answer_until: Instant | None = maybe("Until when the carrier must answer")
    answered: Instant | None = maybe("When it answered")
    reason: Text | None = maybe("Why it was declined, as told")
    pickup_from: Instant | None = maybe("Start of the pick-up window")
    pickup_until: Instant | None = maybe("End of the pick-up window")


class Appointment(Document):
    """A slot at a dock, for loading or unloading (X12 163, transportation appointment schedule information).

    `start` and `end` are those that hold now; `start_before` and `end_before` held before it was moved.
    """

    number: Key = Field(description="Number at whoever keeps the slots")
    shipment: Key | None = maybe("Shipment that is loaded or unloaded")
    order: Key | None = maybe("Order, where it is only one")
    tender: Key | None = maybe("Tender that it goes with")
    carrier: Key | None = maybe("Who drives to it")
    kind: Literal["pickup", "delivery", "unknown"] | None = maybe("Whether goods are loaded or unloaded")
    state: (
        Literal["requested", "confirmed", "moved", "refused", "missed", "kept", "cancelled", "unknown"] | None
    ) = maybe("Where it stands")
    start: Instant | None = maybe("From when the truck is expected")
    end: Instant | None = maybe("Until when it is expected")
    start_before: Instant | None = maybe("From when it was expected before it was moved")
    end_before: Instant | None = maybe("Until when it was expected before it was moved")
    site: Key | None = maybe("Site whose dock it is")
    dock: Key | None = maybe("Door or ramp")
    changed_by: Name | None = maybe("Who moved, refused or missed it: carrier, site or customer")
    reason: Text | None = maybe("Why, as told")
