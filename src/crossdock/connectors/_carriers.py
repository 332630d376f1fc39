"""What carriers tell and are told, in our form: scans become milestones, shipments become parcels.

A carrier's folder reads its own payload into `Consignment`, `Scan` and `Proof`; its `statuses.csv` says what
the codes mean. What happened and why are told apart: the row of the status says which event it is, or leaves
that to the row of the reason ("exception, customs"). A code without a row is `unknown`; its words are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import ceil
from typing import Any

from crossdock.connect.contract import Happening
from crossdock.connectors._words import Row, told
from crossdock.errors import Refused
from crossdock.model.codes import instant_text

Words = Mapping[tuple[str, str], Row]

REPORTS = (
    "shipment.announced",
    "shipment.picked_up",
    "shipment.in_transit",
    "shipment.delayed",
    "shipment.out_for_delivery",
    "shipment.delivery_attempted",
    "shipment.delivered",
    "shipment.damaged",
    "shipment.customs_held",
    "shipment.missorted",
    "shipment.held",
    "shipment.refused",
    "shipment.returned_to_sender",
    "shipment.cancelled",
    "shipment.milestone",
)
"""The types of events that the tables here lead to."""

GRAMS = {
    "GRM": Decimal(1),
    "KGM": Decimal(1000),
    "LBR": Decimal("453.59237"),
    "ONZ": Decimal("28.349523125"),
}
"""Grams in one of a unit of weight, by its UN/ECE code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consignment:
    """What a report is about, as the carrier names it; `shipment` and `order` are ours, told when booking."""

    carrier: str
    number: str
    shipment: str = ""
    order: str = ""
    estimated_delivery: str = ""  # as JSON has an instant
    estimated_precision: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """One thing that the carrier reports; `id` is the same by whichever way it comes."""

    id: str
    status: str
    time: datetime
    reason: str = ""
    text: str = ""
    place: str = ""
    precision: str = ""
    local_time: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """Who took it over and when, and what was noted: kind (damaged, short, unknown), pieces, words."""

    delivered: datetime
    received_by: str = ""
    noted: tuple[tuple[str, int, str], ...] = ()
    precision: str = ""


def milestone(words: Words, scan: Scan, *, by: str) -> tuple[str, dict[str, Any]]:
    """The type of the event that a scan is, and its milestone as JSON."""
    status = words.get(("status", scan.status))
    reason = words.get(("reason", scan.reason)) if scan.reason else None
    if status is None:
        type_, code, why = "shipment.milestone", "unknown", reason["reason"] if reason else ""
    else:
        type_ = status["event"] or (reason["event"] if reason else "") or "shipment.milestone"
        code = status["milestone"]
        why = reason["reason"] if reason else status["reason"]
    if scan.reason and reason is None:
        why = "unknown"
    content = told(
        code=code,
        reason=why,
        of="shipment",
        time=instant_text(scan.time),
        precision=scan.precision,
        local_time=scan.local_time,
        by=by,
        code_told=scan.status,
        reason_told=scan.reason,
        text=scan.text,
        place=told(name=scan.place),
    )
    return type_, content


def reported(words: Words, consignment: Consignment, scan: Scan, proof: Proof | None = None) -> Happening:
    """What a scan tells as an event, with the proof of delivery where it came along."""
    type_, content = milestone(words, scan, by=consignment.carrier)
    estimated = told(
        estimated_delivery=consignment.estimated_delivery,
        estimated_delivery_precision=consignment.estimated_precision,
    )
    data = {
        **named(consignment),
        "booking": consignment.number,
        "carrier": consignment.carrier,
        "milestone": content,
        **(estimated | {"estimated_by": consignment.carrier} if estimated else {}),
        **({"proof": named(consignment) | _proof(proof)} if proof is not None else {}),
    }
    return Happening(type=type_, time=scan.time, data=data, id=scan.id)


def tracking(
    words: Words, consignment: Consignment, scans: Iterable[Scan], proof: Proof | None = None
) -> dict[str, Any]:
    """What `carrier.track` gives: the milestones, and the same as the events that a push of each would be."""
    told_ = [reported(words, consignment, scan) for scan in scans]
    proved = [
        {**one.data, "proof": named(consignment) | _proof(proof)}
        if proof is not None and one.type == "shipment.delivered"
        else one.data
        for one in told_
    ]
    return {
        "milestones": [one.data["milestone"] for one in told_],
        "events": [
            {"id": one.id, "type": one.type, "time": instant_text(one.time), "data": data}
            for one, data in zip(told_, proved, strict=True)
        ],
    }


def named(consignment: Consignment) -> dict[str, str]:
    """Our numbers of it, and its own."""
    return told(shipment=consignment.shipment, order=consignment.order, tracking_number=consignment.number)


def _proof(proof: Proof) -> dict[str, Any]:
    return told(
        delivered=instant_text(proof.delivered),
        delivered_precision=proof.precision,
        received_by=proof.received_by,
        discrepancies=[
            {"kind": kind, "quantity": {"value": str(pieces), "unit": "H87"}, **told(text=words)}
            for kind, pieces, words in proof.noted
            if pieces
        ],
    )


def destination(shipment: Mapping[str, Any]) -> Mapping[str, Any]:
    """Where a shipment goes. Raises `Refused` where it does not say, or names no country or recipient."""
    address = shipment.get("ship_to") or {}
    if not address.get("country"):
        raise Refused(
            "the shipment does not say which country it goes to",
            where="shipment.ship_to.country",
            mend="have the process give the shipment the address of its order",
        )
    return address


def addressee(address: Mapping[str, Any]) -> str:
    """Who is addressed. Raises `Refused` where nobody is."""
    name = address.get("name") or address.get("company")
    if not name:
        raise Refused(
            "the address names nobody", where="shipment.ship_to.name", mend="give `name` or `company`"
        )
    return str(name)


def street(address: Mapping[str, Any]) -> str:
    """The lines of an address on one."""
    return ", ".join(address.get("lines", ()))


def grams(shipment: Mapping[str, Any]) -> Sequence[int]:
    """The weight of each piece in whole grams, rounded up; one piece where only the whole is known.

    Raises `Refused` where there is no weight, or one in a unit that we do not know.
    """
    packages = shipment.get("packages", ())
    weights = [package.get("weight") for package in packages]
    if not weights or None in weights:
        weights = [shipment.get("weight")]
    if None in weights:
        raise Refused("the shipment says no weight", where="shipment.weight", mend="weigh it before booking")
    return [_grams(weight) for weight in weights if weight is not None]


def _grams(weight: Mapping[str, str]) -> int:
    factor = GRAMS.get(weight["unit"])
    if factor is None:
        raise Refused(f"a weight in {weight['unit']} is not known", where="weight", mend="give KGM or GRM")
    return max(1, ceil(Decimal(weight["value"]) * factor))


def kilograms(pieces: Sequence[int]) -> list[Decimal]:
    """Grams as kilograms."""
    return [Decimal(piece) / 1000 for piece in pieces]
