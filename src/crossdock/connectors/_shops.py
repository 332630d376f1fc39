"""What shops tell, in our form: an order as its connector read it becomes the events that its state asks for.

The events follow from the order itself and not from which door it came by, so push and poll tell the same:

    order.created     once, when it is first seen
    order.released    once, when it is paid or otherwise released
    order.changed     for each later state, known by when it was changed
    order.cancelled   once; nothing else is told of an order that is cancelled
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from crossdock.connect.contract import Happening
from crossdock.connectors._payload import Part
from crossdock.connectors._words import decimal_text, told
from crossdock.errors import Refused

ORDER_EVENTS = ("order.created", "order.released", "order.changed", "order.cancelled")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShopOrder:
    """An order of a shop: `order` is it as JSON of the model, `id` the shop's own number of it."""

    id: str
    order: Mapping[str, Any]
    created: datetime
    changed: datetime
    released: bool
    cancelled: datetime | None = None
    reason: str = ""


def order_events(shop: ShopOrder) -> Iterator[Happening]:
    """The events that an order's state asks for."""
    named = f"order/{shop.id}"
    if shop.cancelled is not None:
        yield Happening(
            type="order.cancelled",
            time=shop.cancelled,
            data=told(order=shop.order["number"], reason=shop.reason),
            id=f"{named}/cancelled",
        )
        return
    yield Happening(type="order.created", time=shop.created, data=shop.order, id=f"{named}/created")
    if shop.released:
        yield Happening(type="order.released", time=shop.changed, data=shop.order, id=f"{named}/released")
    if shop.changed > shop.created:
        yield Happening(
            type="order.changed", time=shop.changed, data=shop.order, id=f"{named}/{shop.changed.isoformat()}"
        )


def amount(value: Decimal | str, currency: str) -> dict[str, str]:
    """Money as JSON has it."""
    return {"amount": decimal_text(value), "currency": currency}


def person(first: str, last: str) -> str:
    """A name of its two parts."""
    return f"{first} {last}".strip()


def needed_amount(part: Part, name: str) -> Decimal:
    """An amount that has to be there. Raises `Refused` where it is not, or is none."""
    try:
        return Decimal(part.needed(name))
    except InvalidOperation:
        raise Refused(f"{part.text(name)!r} is no amount", where=part[name].path) from None
