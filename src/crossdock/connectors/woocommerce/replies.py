"""What WooCommerce answers and tells, in our words: orders of its REST API v3.

Its times are read from the fields in GMT. A webhook that was just made sends one delivery that says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Happening, Notice
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._shops import ShopOrder, amount, needed_amount, order_events, person
from crossdock.connectors._words import instant, told
from crossdock.errors import Refused
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]
_OVER = frozenset(("cancelled", "trash"))
_STATES = {
    "pending": "draft",
    "checkout-draft": "draft",
    "on-hold": "held",
    "processing": "confirmed",
    "completed": "closed",
    "refunded": "closed",
    "cancelled": "cancelled",
    "failed": "held",  # the payment did; it may be paid yet
    "trash": "cancelled",
}


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """An order; nothing for other resources. Raises `Refused` for what cannot be read."""
    if notice.body.startswith(b"webhook_id="):
        return  # the ping of a webhook that was just made
    body = payload(notice)
    topic = notice.headers.get("x-wc-webhook-topic", "")
    if topic == "order.deleted" or (isinstance(body.value, dict) and set(body.value) == {"id"}):
        id_ = body.needed("id")
        yield Happening(
            type="order.cancelled",
            time=notice.received,
            data={"order": id_, "reason": "deleted in the shop"},
            id=f"order/{id_}/cancelled",
        )
    elif isinstance(body.value, list):
        for n, one in enumerate(body.value):
            yield from order_events(read_order(Part(one, f"[{n}]"), notice.settings))
    elif topic.startswith("order.") or body["line_items"] or body["order_key"]:
        yield from order_events(read_order(body, notice.settings))
    elif not body["id"]:
        raise Refused("it is no resource of WooCommerce: `id` is missing", where=body.where)


def told_by_feed(record: Any, settings: Json) -> Iterator[Happening]:
    """One order of the feed. Raises `Refused` for one that cannot be read."""
    yield from order_events(read_order(Part(record), settings))


def delivery_id(notice: Notice) -> str:
    """WooCommerce's id of the delivery."""
    return notice.headers.get("x-wc-webhook-delivery-id", "")


def read_order(order: Part, settings: Json) -> ShopOrder:
    """An order. Raises `Refused` with the place of what is missing."""
    state = order.needed("status")
    created = _gmt(order, "date_created_gmt")
    changed = _gmt(order, "date_modified_gmt") if order["date_modified_gmt"] else created
    return ShopOrder(
        id=order.needed("id"),
        order=_order(order, settings, created, changed, state),
        created=created,
        changed=changed,
        released=state in settings.get("release_when", ("processing",)),
        cancelled=changed if state in _OVER else None,
        reason=state if state in _OVER else "",
    )


def _order(order: Part, settings: Json, created: datetime, changed: datetime, state: str) -> Json:
    currency = order.needed("currency")
    billing, shipping = order["billing"], order["shipping"]
    customer = order.text("customer_id")
    name = person(billing.text("first_name"), billing.text("last_name"))
    ship_to = _address(shipping) or _address(billing)
    return told(
        number=order.text("number") or order.needed("id"),
        version=instant_text(changed),
        changed=instant_text(changed),
        ordered=instant_text(created),
        customer=told(
            id=customer if customer not in ("", "0") else billing.text("email") or None,
            name=billing.text("company") or name,
            roles=["customer"],
            contact=told(name=name, email=billing.text("email"), phone=billing.text("phone")),
        ),
        lines=[_line(line, currency, settings) for line in order.each("line_items")],
        charges=[
            {
                "kind": "freight",
                "amount": amount(needed_amount(line, "total"), currency),
                **told(text=line.text("method_title")),
            }
            for line in order.each("shipping_lines")
        ]
        + [
            {
                "kind": "discount" if needed_amount(line, "total") < 0 else "fee",
                "amount": amount(needed_amount(line, "total"), currency),
                **told(text=line.text("name")),
            }
            for line in order.each("fee_lines")
        ],
        total=amount(needed_amount(order, "total"), currency),
        tax=amount(needed_amount(order, "total_tax"), currency) if order["total_tax"] else None,
        currency=currency,
        channel="shop",
        state=_STATES.get(state, "unknown"),
        ship_to=ship_to,
        payment_method=order.text("payment_method")[:200],
        service=next((line.text("method_id") for line in order.each("shipping_lines")), ""),
        text=order.text("customer_note"),
        references=[{"kind": "woocommerce", "value": order.needed("id")}],
        custom=told(status=state),
    )


def _line(line: Part, currency: str, settings: Json) -> Json:
    before, after = needed_amount(line, "subtotal"), needed_amount(line, "total")
    tax = needed_amount(line, "total_tax") if line["total_tax"] else Decimal(0)
    quantity = needed_amount(line, "quantity")
    sku = line.text("sku")
    return told(
        number=line.needed("id"),
        item=sku or None,
        name=line.text("name"),
        quantity={"value": line.needed("quantity"), "unit": settings.get("unit", "EA")},
        price=amount(before, currency) if quantity == 1 else None,
        discount=amount(before - after, currency) if before != after else None,
        tax=amount(tax, currency) if tax else None,
        amount=amount(after, currency),
    )


def _address(address: Part) -> Json | None:
    if not address["country"]:
        return None
    return told(
        name=person(address.text("first_name"), address.text("last_name")),
        company=address.text("company"),
        lines=[line for line in (address.text("address_1"), address.text("address_2")) if line],
        city=address.text("city"),
        region=address.text("state"),
        postal_code=address.text("postcode"),
        country=address.text("country"),
        contact=told(phone=address.text("phone"), email=address.text("email")),
    )


def _gmt(order: Part, name: str) -> datetime:
    text = order.needed(name)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(f"{text!r} is not a time", where=order[name].path) from None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else instant(text)
