"""Lines of orders: of which product they are, in which unit, and how much that is in another unit of Odoo's.

A transfer moves the unit of the product, whatever the unit of the line: two dozens are moved as 24 pieces.
Until Odoo 18 the unit of a line has another name, and the factor of a unit is how many of it make the first
of its kind; since 19 it is how many of the first it holds. So it is asked which fields there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors._deliveries import same_unit
from crossdock.connectors.odoo import replies
from crossdock.connectors.odoo.asking import Talking, by_id, called, searched

Json = Mapping[str, Any]
_FIELDS = [
    *("order_id", "name", "product_id", "product_uom_qty", "price_unit", "price_subtotal", "display_type"),
    "qty_delivered",
]
_PRODUCT = ["default_code", "type", "weight"]
_NO_GOODS = ("service", "combo")  # of a combination, each part has a line of its own
ROUNDED = Decimal("0.005")  # what Odoo takes off or adds to a quantity at most, as it keeps two places
_EXACT = Decimal("0.00001")  # as a factor is told, it is not exact: a twelfth


def lines_of(context: Context, sales: list[int]) -> Talking:
    """Lines of orders that are of a product, each with its `item`, `type`, `weight`, and `unit`, a link."""
    field = "product_uom_id"
    if context.settings["interface"] != "json2":
        known = yield from _known(context, "sale.order.line", ["product_uom", "product_uom_id"])
        field = next(iter(known))
    domain = [["order_id", "in", sales]]
    found = yield from searched(context, "sale.order.line", domain, [*_FIELDS, field], most=5000)
    found = [line for line in found if not line.get("display_type") and line["product_id"]]
    wanted = sorted({replies.linked(line, "product_id")[0] for line in found})
    products = yield from by_id(context, "product.product", wanted, _PRODUCT)
    lines = []
    for line in found:
        number = replies.linked(line, "product_id")[0]
        product = products[number]
        item = product["default_code"] or str(number)
        of = {"item": item, "type": product["type"], "weight": product["weight"], "unit": line[field]}
        lines.append({**line, **of})
    return lines


def goods_of(context: Context, sale: Json) -> Talking:
    """The lines of an order that are goods, by number."""
    lines = yield from lines_of(context, [sale["id"]])
    return {line["id"]: line for line in lines if is_goods(line)}


def is_goods(line: Json) -> bool:
    """Whether something is moved for a line."""
    return line["type"] not in _NO_GOODS


def named(line: Json) -> str:
    """A line for a sentence."""
    return f"line {line['id']} ({line['item']})"


def in_their_units(sale: Json, goods: Mapping[int, Json], told: Iterable[Json], field: str) -> None:
    """Check that quantities are told of lines of goods, in the units of these. Raises `RefusedByPartner`.

    `field` is the one that names the line.
    """
    for one in told:
        number, unit = str(one.get(field) or ""), (one.get("quantity") or {}).get("unit")
        if not number.isdecimal():
            continue  # what it has to be is said where it is read
        line = goods.get(int(number))
        if line is None:
            raise RefusedByPartner(f"{sale['name']} has no line of goods {number} in Odoo", code="not_found")
        known = replies.unit(replies.linked(line, "unit")[1])
        if unit and not same_unit(replies.unit(unit), known):
            raise RefusedByPartner(
                f"{named(line)} of {sale['name']} is in {known} in Odoo, and its quantity is told in {unit}:"
                f" have it told in {known}, then try again",
                code="unit",
            )


def rates(context: Context, pairs: set[tuple[int, int]]) -> Talking:
    """How much of the second unit one of the first is, by the pairs of units that are asked for."""
    ids = sorted({number for pair in pairs if pair[0] != pair[1] for number in pair})
    if not ids:
        return dict.fromkeys(pairs, Decimal(1))
    newer = yield from _known(context, "uom.uom", ["relative_factor"])
    units = yield from by_id(context, "uom.uom", ids, ["factor"])
    factors = {number: Decimal(str(one["factor"])) for number, one in units.items()}
    found = {}
    for one, other in pairs:
        if one == other:
            found[one, other] = Decimal(1)
        else:
            found[one, other] = factors[one] / factors[other] if newer else factors[other] / factors[one]
    return found


def turned(quantity: Decimal, rate: Decimal) -> Decimal:
    """A quantity in another unit, of which one of its own is so much."""
    return quantity if rate == 1 else exactly(quantity * rate)


def exactly(quantity: Decimal) -> Decimal:
    """A quantity that was turned into another unit, without what the factor is off by."""
    near = quantity.quantize(_EXACT)
    return near.quantize(Decimal(1)) if near == near.to_integral_value() else near.normalize()


def _known(context: Context, model: str, names: list[str]) -> Talking:
    """Which of these fields a model has."""
    asked: dict[str, Any] = {"allfields": names, "attributes": ["type"]}
    return (yield from called(context, model, "fields_get", changes=False, **asked))
