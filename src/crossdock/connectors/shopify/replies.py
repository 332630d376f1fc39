"""What Shopify answers and tells, in our words: orders and refunds of its Admin API."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Happening, Notice
from crossdock.connectors._payload import Part, payload
from crossdock.connectors._shops import ShopOrder, amount, needed_amount, order_events, person
from crossdock.connectors._words import instant, told
from crossdock.errors import Refused

Json = Mapping[str, Any]
_TOPICS = ("orders/", "refunds/")


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """An order or a refund; nothing for other resources. Raises `Refused` for what cannot be read."""
    body = payload(notice)
    topic = notice.headers.get("x-shopify-topic", "")
    if (topic and not topic.startswith(_TOPICS)) or isinstance(body["order_edit"].value, dict):
        return  # an edit is told by the order as it became
    for wrapper in ("order", "refund", "draft_order", "fulfillment"):
        if isinstance(body[wrapper].value, dict):
            body = body[wrapper]
    if isinstance(body["orders"].value, list):
        for order in body.each("orders"):
            yield from order_events(read_order(order, notice.settings))
    elif body["transactions"]:
        if any(one.text("kind") == "refund" for one in body.each("transactions")):
            yield _refund(body)  # else nothing was paid yet: what was authorised is void
    elif isinstance(body["refund_line_items"].value, list):
        return  # goods were taken off the order and no money moved: the order itself tells that
    elif body["financial_status"]:
        yield from order_events(read_order(body, notice.settings))
    elif not body["id"]:
        raise Refused("it is no resource of Shopify: `id` is missing", where=body.where)


def told_by_feed(record: Any, settings: Json) -> Iterator[Happening]:
    """One order of the feed. Raises `Refused` for one that cannot be read."""
    yield from order_events(read_order(Part(record), settings))


def delivery_id(notice: Notice) -> str:
    """Shopify's id of the delivery, the same when it is sent again."""
    return notice.headers.get("x-shopify-webhook-id", "") or notice.headers.get("shopify-webhook-id", "")


def read_order(order: Part, settings: Json) -> ShopOrder:
    """An order. Raises `Refused` with the place of what is missing."""
    created, changed = order.needed("created_at"), order.text("updated_at") or order.needed("created_at")
    cancelled = order.text("cancelled_at")
    state = order.needed("financial_status")
    return ShopOrder(
        id=order.needed("id"),
        order=_order(order, settings, created, changed, state),
        created=instant(created),
        changed=instant(changed),
        released=state in settings.get("release_when", ("paid", "authorized", "partially_refunded")),
        cancelled=instant(cancelled) if cancelled else None,
        reason=order.text("cancel_reason"),
    )


def _order(order: Part, settings: Json, created: str, changed: str, state: str) -> Json:
    currency = order.needed("currency")
    customer = order["customer"]
    shipping = order["shipping_address"]
    with_tax = order.text("taxes_included") == "true"
    lines = [
        _line(line, currency, settings, with_tax=with_tax)
        for line in order.each("line_items")
        if _wanted(line) != "0" or line.text("quantity") == "0"
    ]
    edited = any(_wanted(line) != line.text("quantity") for line in order.each("line_items"))
    now = "current_" if edited and order["current_total_price"] else ""
    name = person(customer.text("first_name"), customer.text("last_name"))
    return told(
        number=order.text("name") or order.needed("id"),
        version=_z(changed),
        changed=_z(changed),
        ordered=_z(created),
        customer=told(
            id=customer.text("id") or order.text("email") or None,
            name=name,
            roles=["customer"],
            contact=told(
                email=order.text("email") or customer.text("email"),
                phone=order.text("phone") or customer.text("phone"),
                language=order.text("customer_locale"),
            ),
        )
        if customer or order["email"]
        else None,
        lines=lines,
        charges=_charges(order, currency, now, with_tax=with_tax),
        total=amount(needed_amount(order, f"{now}total_price"), currency),
        tax=amount(needed_amount(order, f"{now}total_tax"), currency) if order[f"{now}total_tax"] else None,
        currency=currency,
        channel="shop",
        state="cancelled" if order["cancelled_at"] else "confirmed",
        ship_to=_address(shipping),
        bill_to=_bill_to(order["billing_address"]),
        payment_method=next((one.text() for one in order.each("payment_gateway_names")), ""),
        service=next((line.text("code") or line.text("title") for line in order.each("shipping_lines")), "")[
            :200
        ],
        customer_po=order.text("po_number"),
        text=order.text("note"),
        references=[{"kind": "shopify", "value": order.needed("id")}],
        custom=told(
            financial_status=state,
            fulfillment_status=order.text("fulfillment_status"),
            tags=order.text("tags"),
            test=True if order.text("test") == "true" else None,
        ),
    )


def _wanted(line: Part) -> str:
    """How much of a line shall be delivered: without what was taken off it before anything of it left.

    What came back after it had left is a return, and the line stays as it was ordered.
    """
    left = line.text("fulfillment_status") in ("fulfilled", "partial")
    return (line.text("quantity") if left else line.text("current_quantity")) or line.text("quantity")


def _charges(order: Part, currency: str, now: str, *, with_tax: bool) -> list[Json]:
    """What is paid beside the goods, without tax: freight after its discounts, duties, a tip."""
    found: list[Json] = []
    for line in order.each("shipping_lines"):
        cost = needed_amount(line, "price")
        cost -= sum((needed_amount(one, "amount") for one in line.each("discount_allocations")), Decimal(0))
        if with_tax:
            cost -= sum((needed_amount(one, "price") for one in line.each("tax_lines")), Decimal(0))
        found.append({"kind": "freight", "amount": amount(cost, currency), **told(text=line.text("title"))})
    duties = order[f"{now}total_duties_set" if now else "original_total_duties_set"]["shop_money"]
    if duties["amount"] and needed_amount(duties, "amount"):
        of = duties.text("currency_code") or currency
        found.append({"kind": "duty", "amount": amount(needed_amount(duties, "amount"), of)})
    if order["total_tip_received"] and needed_amount(order, "total_tip_received"):
        found.append({"kind": "tip", "amount": amount(needed_amount(order, "total_tip_received"), currency)})
    return found


def _line(line: Part, currency: str, settings: Json, *, with_tax: bool) -> Json:
    """A line; what it is worth is told without tax, also where the shop's prices have tax in them.

    Of a line that something was taken off, what the rest is worth is told where no discount or tax is on it:
    Shopify tells those for the whole alone.
    """
    ordered, wanted = line.needed("quantity"), _wanted(line)
    quantity, price = needed_amount(line, "quantity"), needed_amount(line, "price")
    tax = sum((needed_amount(one, "price") for one in line.each("tax_lines")), Decimal(0))
    discounts = [needed_amount(one, "amount") for one in line.each("discount_allocations")]
    off = sum(discounts, Decimal(0)) or (
        needed_amount(line, "total_discount") if line["total_discount"] else Decimal(0)
    )
    gross = price * quantity - off
    if wanted != ordered and not (off or tax):
        ordered, gross = wanted, price * Decimal(wanted)
    whole = wanted == ordered
    sku = line.text("sku")
    grams = line.text("grams")
    return told(
        number=line.needed("id"),
        item=sku or None,
        name=line.text("name") or line.text("title"),
        quantity={"value": wanted, "unit": settings.get("unit", "EA")},
        price=None if with_tax else amount(price, currency),
        discount=amount(off, currency) if off and whole and not with_tax else None,
        tax=amount(tax, currency) if tax and whole else None,
        amount=amount(gross - tax if with_tax else gross, currency) if whole else None,
        product={"number": sku, "weight": {"value": grams, "unit": "GRM"}}
        if sku and grams not in ("", "0")
        else None,
    )


def _refund(refund: Part) -> Happening:
    """Money that went back: the sum of what was paid out, each in its currency."""
    paid = [one for one in refund.each("transactions") if one.text("kind") == "refund"]
    sums: dict[str, Decimal] = {}
    for one in paid:
        if one.text("status") in ("", "success"):
            currency = one.needed("currency")
            sums[currency] = sums.get(currency, Decimal(0)) + needed_amount(one, "amount")
    if len(sums) != 1:
        raise Refused(
            "the refund tells no amount of one currency that was paid out",
            where=refund["transactions"].path,
            mend="look at it in the shop, then dismiss this",
        )
    ((currency, total),) = sums.items()
    id_, order = refund.needed("id"), refund.needed("order_id")
    return Happening(
        type="refund.paid",
        time=instant(refund.needed("created_at")),
        data=told(
            number=id_,
            amount=amount(total, currency),
            state="paid",
            references=[{"kind": "shopify_order", "value": order}],
        ),
        id=f"refund/{id_}",
        about={"shop_order": order},
    )


def _address(address: Part) -> Json | None:
    if not address:
        return None
    return told(
        name=address.text("name") or person(address.text("first_name"), address.text("last_name")),
        company=address.text("company"),
        lines=[line for line in (address.text("address1"), address.text("address2")) if line],
        city=address.text("city"),
        region=address.text("province_code") or address.text("province"),
        postal_code=address.text("zip"),
        country=address.text("country_code"),
        contact=told(phone=address.text("phone")),
    )


def _bill_to(address: Part) -> Json | None:
    if not address:
        return None
    name = address.text("company") or address.text("name")
    return told(name=name, roles=["bill_to"], address=_address(address)) if name else None


def _z(text: str) -> str:
    return instant(text).isoformat().replace("+00:00", "Z")
