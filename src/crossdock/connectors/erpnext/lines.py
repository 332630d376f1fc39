"""Lines of Sales Orders: which are goods, in which unit, and how much of each is left to deliver.

A service has a row as goods have. The connection says which item groups are services, and as of ERPNext 15 a
row says whether its item is kept in stock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import RefusedByPartner
from crossdock.connectors._deliveries import same_unit
from crossdock.connectors.erpnext import replies

Json = Mapping[str, Any]


def goods_of(order: Json, settings: Json) -> dict[str, Any]:
    """The rows of an order that are goods, by name."""
    return {row["name"]: row for row in replies.goods(order, settings)}


def left_of(row: Json) -> Decimal:
    """How much of a row was not delivered, or came back."""
    return Decimal(str(row["qty"])) - Decimal(str(row.get("delivered_qty") or 0))


def named(row: Json) -> str:
    """A row for a sentence."""
    return f"line {row['name']} ({row['item_code']})"


def in_their_units(order: Json, goods: Mapping[str, Json], told: Iterable[Json]) -> None:
    """Check that quantities are told of rows of goods, in the units of these. Raises `RefusedByPartner`."""
    for one in told:
        name = str(one.get("order_line") or one.get("line") or "")
        unit = (one.get("quantity") or {}).get("unit")
        if not name:
            continue  # what it has to be is said where it is read
        row = goods.get(name)
        if row is None:
            raise RefusedByPartner(
                f"{order['name']} has no line of goods {name} in ERPNext", code="not_found"
            )
        known = replies.unit(row.get("uom"))
        if unit and not same_unit(replies.unit(unit), known):
            raise RefusedByPartner(
                f"{named(row)} of {order['name']} is in {known} in ERPNext, and its quantity is told in"
                f" {unit}: have it told in {known}, then try again",
                code="unit",
            )


def carried(note: Json, goods: Iterable[str]) -> dict[str, Decimal]:
    """How much of which row of the order a Delivery Note carries."""
    much: dict[str, Decimal] = {}
    for row in note["items"]:
        name = str(row.get("so_detail"))
        if name in goods:
            much[name] = much.get(name, Decimal(0)) + Decimal(str(row["qty"]))
    return much
