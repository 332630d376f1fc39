"""What happened to goods on their way, and why: codes, their meanings, and the milestone with all its times.

What happened (X12 1650) is kept apart from why (X12 1651): `delivery_attempted` because
`recipient_unavailable`. A partner's code or word that we do not know becomes `unknown` and keeps its text; it
is never guessed.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, Self

from pydantic import Field, model_validator

from crossdock.model.codes import Instant, Key, Name, Precision, Text
from crossdock.model.document import Document, maybe, personal
from crossdock.model.parties import Place


class MilestoneCode(StrEnum):
    """What happened, or will (X12 1650, EDIFACT 9015, EPCIS business steps, DCSA event types)."""

    PLANNED = "planned"
    INFO_RECEIVED = "info_received"  # the carrier knows of it; nothing has moved
    RELEASED = "released"
    ALLOCATED = "allocated"
    PICK_STARTED = "pick_started"
    PICKED = "picked"
    PACKED = "packed"
    TENDERED = "tendered"
    BOOKED = "booked"
    LABELLED = "labelled"
    PICKED_UP = "picked_up"  # by the carrier; `direction` says so where words leave doubt
    DEPARTED = "departed"
    IN_TRANSIT = "in_transit"
    ARRIVED = "arrived"
    CUSTOMS_STARTED = "customs_started"
    CUSTOMS_CLEARED = "customs_cleared"
    OUT_FOR_DELIVERY = "out_for_delivery"
    AVAILABLE_FOR_PICKUP = "available_for_pickup"
    DELIVERY_ATTEMPTED = "delivery_attempted"
    DELIVERED = "delivered"
    PROOF_RECEIVED = "proof_received"
    INVOICED = "invoiced"
    PAID = "paid"
    RETURN_STARTED = "return_started"
    RETURN_RECEIVED = "return_received"
    RETURNED_TO_SENDER = "returned_to_sender"
    CANCELLED = "cancelled"
    ESTIMATED_DELIVERY = "estimated_delivery"  # somebody says when it will be there
    UNKNOWN = "unknown"


class ShipmentReason(StrEnum):
    """Why something happened to a shipment, or did not (X12 1651); also the shipment's exception types."""

    DELAY_OPERATIONAL = "delay_operational"
    DELAY_WEATHER = "delay_weather"
    DELAY_CUSTOMS = "delay_customs"
    MISSORT = "missort"
    HELD = "held"
    SECURITY_HAZMAT = "security_hazmat"
    DAMAGED = "damaged"
    LOST = "lost"
    ADDRESS_ISSUE = "address_issue"
    RECIPIENT_UNAVAILABLE = "recipient_unavailable"
    REFUSED = "refused"
    PAYMENT_DUE = "payment_due"
    DELIVERY_CHANGE = "delivery_change"
    PICKUP_FAILED = "pickup_failed"
    RETURNED_TO_SENDER = "returned_to_sender"
    CANCELLED = "cancelled"
    NO_MOVEMENT = "no_movement"  # silence where a scan was due
    TEMPERATURE_EXCURSION = "temperature_excursion"
    OTHER_EXCEPTION = "other_exception"
    UNKNOWN = "unknown"


class Milestone(Document):
    """One thing that happened to a package, leg, shipment or order line (X12 214 AT7, IFTSTA, EPCIS, DCSA).

    `time` is when it happened. Where only a day is known, `precision` is `day` and `time` is the end of that
    day at its place: a bound, not midnight.
    """

    code: MilestoneCode | None = maybe("What happened; absent where only the reason was told, such as a hold")
    reason: ShipmentReason | None = maybe("Why, where it was told")
    kind: Literal["actual", "planned", "estimated"] = Field(
        default="actual", description="Whether it happened, was planned, or is expected"
    )
    of: Literal["package", "leg", "shipment", "order_line", "order", "unknown"] | None = maybe(
        "What it happened to"
    )
    of_number: Key | None = maybe("Number of that package, leg, shipment or line")
    direction: (
        Literal["by_carrier", "by_recipient", "by_sender", "from_customs", "in_customs", "unknown"] | None
    ) = maybe("Picked up by whom; released from or held in what")
    time: Instant | None = maybe("When it happened, or is planned or expected to")
    precision: Precision | None = maybe("How exactly `time` is known; absent means to the second")
    local_time: Name | None = maybe(
        "The time as it was told; alone where it had no zone and its place says none"
    )
    said: Instant | None = maybe("When the sender said so")
    received: Instant | None = maybe("When we received it")
    corrected: Instant | None = maybe("When it was corrected, if it was")
    corrects: Key | None = maybe("Id of the milestone that this one replaces")
    by: Name | None = maybe("Who says so: carrier, site, customer")
    code_told: Name | None = maybe("The sender's code, as told")
    reason_told: Name | None = maybe("The sender's reason code, as told")
    text: Text | None = personal("The sender's words")
    place: Place | None = maybe("Where it happened")
    signed_by: Name | None = personal("Who signed, for a delivery")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.code is None and self.reason is None:
            raise ValueError("says neither `code` nor `reason`; a code or word we do not know is `unknown`")
        if self.precision is not None and self.time is None:
            raise ValueError("`precision` is given without `time`; leave both out where no time was told")
        return self
