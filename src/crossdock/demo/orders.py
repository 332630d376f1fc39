"""Real orders (SCMS 2006-2015) as the sandbox takes them: what the ERP holds, what will happen to each.

Real are: order and shipment numbers, items, quantities, values, weights, countries, modes, the promised day
and the day of delivery, so also every lateness. The history does not say when goods left, so that is the
day of delivery less a time for the mode (`TRANSIT_DAYS`), and an order is released a working day before its
first goods leave. It knows no damage, cancellation or change either: a few orders in a hundred get one,
drawn from their number (`_lot`), so that every run of the demo is the same.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from importlib.resources import files
from typing import Any

TRANSIT_DAYS = {"Air": 6, "Air Charter": 5, "Truck": 4, "Ocean": 28, "N/A": 5}
FIRST_DAY = date(2011, 1, 3)  # where the history is dense
_AWAY = "oldbridge"
_CENT = Decimal("0.01")
_LIMITED = ("haiti", "zambia", "mozambique")  # with a credit limit that some orders exceed
_COUNTRIES = {
    "Afghanistan": "AF", "Angola": "AO", "Belize": "BZ", "Benin": "BJ", "Botswana": "BW",
    "Burkina Faso": "BF", "Burundi": "BI", "Cameroon": "CM", "Congo, DRC": "CD", "Côte d'Ivoire": "CI",
    "Dominican Republic": "DO", "Ethiopia": "ET", "Ghana": "GH", "Guatemala": "GT", "Guinea": "GN",
    "Guyana": "GY", "Haiti": "HT",
    "Kazakhstan": "KZ", "Kenya": "KE", "Kyrgyzstan": "KG", "Lebanon": "LB", "Lesotho": "LS", "Liberia": "LR",
    "Libya": "LY", "Malawi": "MW", "Mali": "ML", "Mozambique": "MZ", "Namibia": "NA", "Nigeria": "NG",
    "Pakistan": "PK", "Rwanda": "RW", "Senegal": "SN", "Sierra Leone": "SL", "South Africa": "ZA",
    "South Sudan": "SS", "Sudan": "SD", "Swaziland": "SZ", "Tanzania": "TZ", "Togo": "TG", "Uganda": "UG",
    "Vietnam": "VN", "Zambia": "ZM", "Zimbabwe": "ZW",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOrder:
    """One order: what the ERP imports, and the scripts of ERP, warehouse and carriers for it."""

    number: str
    released: datetime
    erp: dict[str, Any]
    erp_script: dict[str, Any] | None
    wms_script: dict[str, Any]
    carrier_scripts: tuple[dict[str, Any], ...]
    returned: datetime | None  # when its customer asks to send goods back


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which one partner does not answer."""

    system: str
    begins: datetime
    ends: datetime


def outage(orders: list[DemoOrder]) -> Outage:
    """The carrier that most goes with is away for a working day, so that cut-offs pass unbooked.

    It is the day in the middle on which the first goods of an order leave.
    """
    script = orders[len(orders) // 2].wms_script
    leaves = datetime.fromisoformat(script["packs"][0]["at"])
    day = leaves.replace(hour=0, minute=0, second=0, microsecond=0)
    return Outage(system=_AWAY, begins=day + timedelta(hours=8), ends=day + timedelta(hours=20))


def load(count: int) -> list[DemoOrder]:
    """`count` orders that follow each other in time, in the order of their release (4,965 at the most)."""
    by_number: dict[str, list[dict[str, str]]] = defaultdict(list)
    packed = files("crossdock.packs.demo").joinpath("scms_shipments.csv.gz").read_bytes()
    for row in csv.DictReader(gzip.decompress(packed).decode().splitlines()):
        by_number[row["order_no"]].append(row)
    released = {number: _released(number, _parts(number, rows)) for number, rows in by_number.items()}
    numbers = sorted(by_number, key=lambda number: released[number])
    first = next(i for i, number in enumerate(numbers) if released[number].date() >= FIRST_DAY)
    first = max(0, min(first, len(numbers) - count))
    return [_order(number, by_number[number]) for number in numbers[first : first + count]]


def customers(orders: list[DemoOrder]) -> list[dict[str, Any]]:
    """The customers of these orders, as the ERP takes them."""
    found: dict[str, dict[str, Any]] = {}
    for order in orders:
        code = order.erp["customer"]
        slug = code.removeprefix("C-").lower()
        customer: dict[str, Any] = {
            "code": code,
            "name": f"{order.erp['ship_to']['name']}",
            "email": f"{slug}@customers.example",
            "language": "en",
            "currency": "USD",
            "payment_days": 30,
        }
        if slug in _LIMITED:
            customer["credit_limit"] = "900000.00"
        found[code] = customer
    return [found[code] for code in sorted(found)]


def moved(order: DemoOrder, *, number: str, lines: list[str], by: timedelta) -> DemoOrder:
    """The same order in an ERP that numbers orders and their lines itself, by so much later."""

    def later(at: str) -> str:
        return _text(datetime.fromisoformat(at) + by)

    def named(shipment: str) -> str:
        return number + shipment.removeprefix(order.number)

    erp = {
        **order.erp,
        "number": number,
        "lines": [{**line, "line_no": own} for line, own in zip(order.erp["lines"], lines, strict=True)],
    }
    packs = [
        {**pack, "at": later(pack["at"]), "shipment": named(pack["shipment"])}
        for pack in order.wms_script["packs"]
    ]
    carriage = tuple(
        {
            **script,
            "shipment": named(script["shipment"]),
            "pickup_at": later(script["pickup_at"]),
            "delivered_at": later(script["delivered_at"]),
        }
        for script in order.carrier_scripts
    )
    return replace(
        order,
        number=number,
        released=order.released + by,
        erp=erp,
        erp_script=None,
        wms_script={**order.wms_script, "order": number, "packs": packs},
        carrier_scripts=carriage,
        returned=order.returned + by if order.returned else None,
    )


def _order(number: str, rows: list[dict[str, str]]) -> DemoOrder:
    country = rows[0]["country"]
    slug = _slug(country)
    parts = _parts(number, rows)
    released = _released(number, parts)
    wanted = max(date.fromisoformat(row["scheduled_delivery"]) for row in rows)
    site = "RDC" if rows[0]["fulfil_via"] == "From RDC" else "DIRECT"
    lines = [_line(index, row) for index, row in enumerate(rows, 1)]
    erp = {
        "number": number,
        "reference": rows[0]["quote_no"] if rows[0]["quote_no"] != "Pre-PQ Process" else number,
        "customer": f"C-{slug.upper()}",
        "currency": "USD",
        "site": site,
        "zone": "UTC",
        "ordered_on": (released - timedelta(days=2)).date().isoformat(),
        "wanted_on": wanted.isoformat(),
        "created_by": "jo",
        "ship_to": {
            "name": f"{country} programme",
            "city": country,
            "country": _COUNTRIES.get(country, "US"),
        },
        "lines": lines,
        "attributes": {"mode": rows[0]["mode"], "incoterm": rows[0]["incoterm"]},
        "release_at": _text(released),
    }
    packs: list[dict[str, Any]] = [
        {"at": _text(part["leaves"]), "quantity": part["quantity"], "shipment": part["shipment"]}
        for part in parts
    ]
    return DemoOrder(
        number=number,
        released=released,
        erp=erp,
        erp_script=_change(number, released, lines),
        wms_script={"order": number, "start_after_hours": 1, "packs": packs, "short": 0},
        carrier_scripts=tuple(_carriage(number, part) for part in parts),
        returned=max(part["delivered"] for part in parts) + timedelta(days=3)
        if _lot(number, "return") < 0.015
        else None,
    )


def _released(number: str, parts: list[dict[str, Any]]) -> datetime:
    """A working day before its first goods leave."""
    leaves: datetime = min(part["leaves"] for part in parts)
    return _working(leaves - timedelta(hours=20 + int(6 * _lot(number, "lead"))))


def _parts(number: str, rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The shipments of an order: number, quantity, when they leave and arrive; in the order of leaving."""
    shipments: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        shipments[row["shipment_no"]].append(row)
    parts = []
    for name, items in shipments.items():
        day = max(date.fromisoformat(row["delivered"]) for row in items)
        delivered = datetime.combine(day, time(9), UTC) + timedelta(minutes=int(480 * _lot(name, "hour")))
        leaves = _working(delivered - timedelta(days=TRANSIT_DAYS.get(items[0]["mode"], 5)))
        parts.append(
            {
                "shipment": f"{number}/{name}",
                "quantity": sum(int(row["quantity"]) for row in items),
                "leaves": leaves,
                "delivered": max(delivered, leaves + timedelta(hours=30)),
            }
        )
    return sorted(parts, key=lambda part: (part["leaves"], part["shipment"]))


def _carriage(number: str, part: dict[str, Any]) -> dict[str, Any]:
    script: dict[str, Any] = {
        "shipment": part["shipment"],
        "pickup_at": _text(part["leaves"] + timedelta(hours=5)),
        "delivered_at": _text(part["delivered"]),
        "signed_by": "Receiving desk",
    }
    if _lot(part["shipment"], "damage") < 0.02:
        script["damaged"] = 1
    elif _lot(part["shipment"], "short") < 0.015:
        script["short"] = 1
    del number
    return script


def _change(number: str, released: datetime, lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    """What the customer does in flight, for a few orders in a hundred: cancel, or order more."""
    lot = _lot(number, "change")
    at = _text(released + timedelta(hours=3))
    if lot < 0.012:
        return {"order": number, "actions": [{"do": "cancel", "at": at, "reason": "ordered twice"}]}
    if lot < 0.024:
        changed = [{**lines[0], "description": "deliver to the back gate"}, *lines[1:]]
        return {"order": number, "actions": [{"do": "change", "at": at, "lines": changed}]}
    return None


def _line(number: int, row: dict[str, str]) -> dict[str, Any]:
    quantity = int(row["quantity"])
    value = Decimal(row["line_value_usd"] or "0")
    line: dict[str, Any] = {
        "line_no": number,
        "item": f"{_slug(row['product_group']).upper()}-{row['line_id']}",
        "description": row["item"][:120],
        "quantity": str(quantity),
        "uom": "PCE",
        "unit_price": str((value / quantity).quantize(_CENT, ROUND_HALF_UP)),
    }
    if re.fullmatch(r"[0-9]+([.][0-9]+)?", row["weight_kg"]):
        line["weight_kg"] = str((Decimal(row["weight_kg"]) / quantity).quantize(Decimal("0.0001")))
    return line


def _working(instant: datetime) -> datetime:
    """The same or the next earlier working day, between nine and four in the afternoon."""
    instant = instant.replace(minute=0, second=0, microsecond=0)
    while instant.weekday() > 4:
        instant -= timedelta(days=1)
    return instant.replace(hour=min(max(instant.hour, 9), 13))


def _lot(*names: str) -> float:
    """A number from 0 to 1 that depends on the names alone."""
    digest = hashlib.blake2b("/".join(names).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")
