"""What carriers have in common: a booking, its journey as a script or luck has it, and cut-offs.

The three carriers differ in all that is seen from outside; each says here only how it announces a scan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, Struct

from crossdock.sandbox.clock import business_day, cut_off
from crossdock.sandbox.service import Call, Rejected, Service

Aware = Annotated[datetime, Meta(tz=True)]
Pieces = Annotated[int, Meta(ge=0)]
Kind = Literal["in_transit", "delayed", "out_for_delivery", "attempted", "damaged", "exception", "returned"]
Reason = Literal[
    "", "weather", "customs", "missort", "operational", "not_home", "address", "refused", "handling"
]

TEXTS = {
    "info": "Shipment information received",
    "picked_up": "Picked up from the sender",
    "in_transit": "Processed at a hub",
    "delayed": "Delayed",
    "out_for_delivery": "Out for delivery",
    "attempted": "Delivery attempted, nobody there",
    "delivered": "Delivered",
    "damaged": "Package found damaged",
    "exception": "Shipment exception",
    "returned": "Returned to the sender",
    "cancelled": "Cancelled before pick-up",
}
SIGNERS = ("M. Okafor", "L. Svensson", "T. Nguyen", "A. Moreau", "R. Patel", "J. Kowalska")
MINUTE = timedelta(minutes=1)
FASTEST = timedelta(hours=6)  # from pick-up to delivery, where no script says otherwise


class Event(Struct, forbid_unknown_fields=True):
    """One scan of a script."""

    kind: Kind
    at: Aware | None = None
    after_hours: float | None = None
    reason: Reason = ""
    text: str = ""
    place: str = ""


class Script(Struct, forbid_unknown_fields=True, kw_only=True):
    """What will happen to a shipment; hours count from the booking."""

    shipment: str = ""
    order: str = ""
    pickup_at: Aware | None = None
    pickup_after_hours: float | None = None
    delivered_at: Aware | None = None
    delivered_after_hours: float | None = None
    signed_by: str = ""
    damaged: Pieces = 0
    short: Pieces = 0
    silent_days: Annotated[float, Meta(ge=0)] = 0
    lost: bool = False
    events: list[Event] | None = None


@dataclass(slots=True)
class Scan:
    """A status that the carrier announces."""

    no: int
    kind: str
    at: datetime
    reason: str
    text: str
    place: str


@dataclass(slots=True)
class Proof:
    """Proof of delivery: who signed, when, and how many pieces were damaged or missing."""

    by: str
    at: datetime
    damaged: int
    short: int


@dataclass(slots=True, kw_only=True)
class Booking:
    """What a carrier must know to book; `sent` is the request, for the answer."""

    reference: str
    order: str
    service: str
    zone: str
    day: date | None
    city: str
    weights: list[Decimal]  # kg
    sent: Any


@dataclass(slots=True, kw_only=True)
class Shipment:
    """A booked shipment and all that happened to it."""

    id: str
    booking: Booking
    zone: ZoneInfo
    day: date
    due: date
    price: Decimal
    scans: list[Scan] = field(default_factory=list)
    proof: Proof | None = None
    call_off: list[Callable[[], None]] = field(default_factory=list)

    @property
    def status(self) -> str:
        """The kind of the newest scan."""
        return self.scans[-1].kind

    @property
    def due_at(self) -> datetime:
        """The promised delivery as an instant: 18:00 local time."""
        return datetime.combine(self.due, time(18), self.zone)

    def local(self, at: datetime) -> datetime:
        """An instant in the shipment's zone."""
        return at.astimezone(self.zone)


class Carrier(Service):
    """Base of the three."""

    script_shape = Script
    prefix: ClassVar[str]
    width: ClassVar[int] = 6
    services: ClassVar[dict[str, tuple[int, Decimal, Decimal]]]  # business days, price, price per kg
    cut_off_hour: ClassVar[int]

    def begin(self) -> None:
        """Forget shipments and scripts."""
        self.shipments: dict[str, Shipment] = {}
        self.by_reference: dict[str, list[Shipment]] = {}
        self.scripts: dict[tuple[str, str], Script] = {}

    def announce(self, shipment: Shipment, scan: Scan) -> None:
        """Tell the world of a scan, in the carrier's own way."""
        raise NotImplementedError

    def script(self, item: Script) -> None:
        """Keep what will happen to a shipment, or to all of an order."""
        if bool(item.shipment) == bool(item.order):
            raise ValueError("a script is about a shipment or about an order")
        about = ("shipment", item.shipment) if item.shipment else ("order", item.order)
        self.scripts[about] = item

    def book(self, call: Call, booking: Booking, field_names: tuple[str, str, str]) -> Shipment:
        """Book and plan the journey; `field_names` are the carrier's for service, day and zone."""
        service_field, day_field, zone_field = field_names
        if booking.service not in self.services:
            raise Rejected("invalid", f"Unknown service; there are {', '.join(self.services)}", service_field)
        try:
            zone = ZoneInfo(booking.zone)
        except (ValueError, OSError, KeyError):
            raise Rejected("invalid", f"Unknown time zone {booking.zone!r}", zone_field) from None
        day = self._day(booking.day, zone, day_field)
        days, price, per_kg = self.services[booking.service]
        weight = sum(booking.weights, Decimal(0))
        shipment = Shipment(
            id=self.number(self.prefix, self.width),
            booking=booking,
            zone=zone,
            day=day,
            due=business_day(day, days),
            price=(price + per_kg * weight).quantize(Decimal("0.01")),
        )
        self.shipments[shipment.id] = shipment
        self.by_reference.setdefault(booking.reference, []).append(shipment)
        self.did(
            call,
            booking.reference,
            order=booking.order,
            reference=booking.reference,
            id=shipment.id,
            kind="shipment",
            change=1,
        )
        self.scan(shipment, "info")
        self._plan(shipment)
        return shipment

    def cancel(self, call: Call, shipment: Shipment, *, again: bool) -> None:
        """Cancel before pick-up; `again` says whether a second time is fine."""
        if shipment.status == "cancelled" and again:
            return
        if shipment.status != "info":
            raise Rejected("wrong_state", f"{shipment.id}: {TEXTS[shipment.status].lower()}")
        for call_off in shipment.call_off:
            call_off()
        booking = shipment.booking
        self.did(
            call,
            booking.reference,
            order=booking.order,
            reference=booking.reference,
            id=shipment.id,
            kind="shipment",
            change=-1,
        )
        self.scan(shipment, "cancelled")

    def shipment(self, number: str) -> Shipment:
        """The shipment, else `not_found`."""
        if number not in self.shipments:
            raise Rejected("not_found", f"Unknown number {number}")
        return self.shipments[number]

    def scan(
        self, shipment: Shipment, kind: str, *, reason: str = "", text: str = "", place: str = ""
    ) -> None:
        """Something happens to the shipment, now."""
        scan = Scan(
            len(shipment.scans) + 1,
            kind,
            self.now,
            reason,
            text or TEXTS[kind],
            place or shipment.booking.city,
        )
        shipment.scans.append(scan)
        self.announce(shipment, scan)

    def _day(self, day: date | None, zone: ZoneInfo, name: str) -> date:
        now = self.now
        possible = cut_off(now, zone, self.cut_off_hour).astimezone(zone).date()
        if day is None:
            return possible
        if day < now.astimezone(zone).date():
            raise Rejected("invalid", f"{day} has passed", name)
        if day < possible or day.weekday() >= 5:
            raise Rejected("cut_off", f"No collection on {day} any more; the next is on {possible}", name)
        return day

    def _plan(self, shipment: Shipment) -> None:
        booking, now = shipment.booking, self.now
        script = self.scripts.get(("shipment", booking.reference)) or self.scripts.get(
            ("order", booking.order)
        )
        luck = self.luck(booking.reference)
        journey = Journey(shipment, script, luck, now, calm=self.calm)
        for at, event in journey.events:

            def happen(event: Event = event) -> None:
                if event.kind == "delayed" and journey.delivered is not None:
                    shipment.due = max(shipment.due, shipment.local(journey.delivered).date())
                self.scan(shipment, event.kind, reason=event.reason, text=event.text, place=event.place)

            shipment.call_off.append(self.plan(at, happen))

        def deliver(by: str = journey.signed_by) -> None:
            shipment.proof = Proof(by, self.now, journey.damaged, journey.short)
            self.scan(shipment, "delivered")

        shipment.call_off.insert(0, self.plan(journey.pickup, lambda: self.scan(shipment, "picked_up")))
        if journey.delivered is not None:
            shipment.call_off.append(self.plan(journey.delivered, deliver))


class Journey:
    """When a shipment is picked up, what is seen of it on its way, when and how it arrives."""

    def __init__(
        self, shipment: Shipment, script: Script | None, luck: Random, now: datetime, *, calm: bool
    ) -> None:
        """Lay out the journey from a script, else from luck."""
        self.events: list[tuple[datetime, Event]] = []
        plain = script or Script()
        noon = datetime.combine(shipment.day, time(12), shipment.zone).astimezone(UTC)
        pickup = max(now, noon) + timedelta(hours=luck.uniform(2, 6))
        self.pickup = max(now, _when(plain.pickup_at, plain.pickup_after_hours, now) or pickup)
        delivered = _when(plain.delivered_at, plain.delivered_after_hours, now)
        local = datetime.combine(shipment.due, time(9), shipment.zone) + timedelta(hours=luck.uniform(0, 7))
        usual = max(local.astimezone(UTC), self.pickup + FASTEST)
        arrival = max(delivered or usual, self.pickup + MINUTE)
        self.signed_by = plain.signed_by or luck.choice(SIGNERS)
        self.damaged, self.short = plain.damaged, plain.short
        silent, lost = plain.silent_days, plain.lost
        fate = 1.0 if script or calm else luck.random()
        if fate < 0.08:
            reason: Reason = luck.choice(("weather", "missort", "operational", "customs"))
            told = self.pickup + (arrival - self.pickup) / 2
            self.events.append((told, Event("delayed", reason=reason, text=f"Delayed: {reason}")))
            arrival += timedelta(days=luck.choice((1, 1, 2, 3)))
        elif fate < 0.11:
            self.events.append((arrival, Event("attempted", reason="not_home")))
            arrival += timedelta(days=1)
        elif fate < 0.13:
            self.damaged = 1
        elif fate < 0.14:
            self.short = 1
        elif fate < 0.15:
            silent = 4
        elif fate < 0.1525:
            lost = True
        if silent and not delivered:
            arrival += timedelta(days=silent)
        if plain.events is None:
            self._between(arrival)
        else:
            for event in plain.events:
                self.events.append((_when(event.at, event.after_hours, now) or self.pickup + MINUTE, event))
        self.events = [(max(at, self.pickup), event) for at, event in self.events]
        if silent:
            until = self.pickup + timedelta(days=silent)
            self.events = [(at, event) for at, event in self.events if not self.pickup <= at < until]
        ends = lost or any(event.kind == "returned" for _, event in self.events)
        self.delivered = None if ends else arrival
        if lost:
            self.events = []
        self.events.sort(key=lambda pair: pair[0])

    def _between(self, arrival: datetime) -> None:
        """A scan a day, damage found before the delivery, and the last mile."""
        way = arrival - self.pickup
        at = self.pickup + min(timedelta(hours=8), way / 4)
        while at < arrival - way / 5:
            self.events.append((at, Event("in_transit", place=f"Hub {1 + len(self.events)}")))
            at += timedelta(days=1)
        if self.damaged:
            self.events.append((arrival - way / 6, Event("damaged", reason="handling")))
        if way > timedelta(0):
            self.events.append((arrival - min(timedelta(hours=4), way / 8), Event("out_for_delivery")))


def _when(at: datetime | None, hours: float | None, start: datetime) -> datetime | None:
    if at is not None:
        return max(at, start)
    return None if hours is None else start + timedelta(hours=hours)


def day_of(text: str, name: str) -> date | None:
    """A day as `YYYY-MM-DD`, None when absent."""
    try:
        return msgspec.convert(text, date) if text else None
    except msgspec.ValidationError:
        raise Rejected("invalid", "Not a date", name) from None
