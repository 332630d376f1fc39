"""Master data of ERPNext: what its orders name. A document is known by its name alone, so one that is renamed
there is another one here, and the old one is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossdock.connect.contract import Context, Talk
from crossdock.connectors._masters import of_all, pages, record
from crossdock.connectors._words import words
from crossdock.connectors.erpnext.talks import Talking, named

Json = Mapping[str, Any]
_PAGE = 500  # as many may have the same time: those of one import


def parties(data: Json, context: Context) -> Talking:
    """Customers."""
    fields = ["customer_name", "disabled", "tax_id"]
    return (yield from _listed("Customer", [], fields, data, context, _party))


def items(data: Json, context: Context) -> Talking:
    """Items that are kept in stock, but for templates of variants."""
    filters = [["is_stock_item", "=", 1], ["has_variants", "=", 0]]
    return (yield from _listed("Item", filters, ["item_name", "disabled"], data, context, _item))


def locations(data: Json, context: Context) -> Talking:
    """Warehouses of the company, with our name of each that the connection has."""
    sites = context.settings["sites"]

    def location(one: Json) -> Json:
        active, ours = not one.get("disabled"), sites.get(one["name"])
        return record(one["name"], one["name"], active=active, name=one.get("warehouse_name"), ours=ours)

    filters = [["company", "=", context.settings["company"]], ["is_group", "=", 0]]
    return (yield from _listed("Warehouse", filters, ["warehouse_name", "disabled"], data, context, location))


def units(data: Json, context: Context) -> Talking:
    """Units by their names, in the words of UN/ECE where they are known."""
    return (yield from _listed("UOM", [], ["enabled"], data, context, _unit))


LISTS: Mapping[str, Talk] = {
    "list_parties": parties,
    "list_items": items,
    "list_locations": locations,
    "list_units": units,
}


def _listed(
    doctype: str,
    filters: list[Any],
    fields: list[str],
    data: Json,
    context: Context,
    read: Callable[[Json], Json],
) -> Talking:
    page = yield from named(doctype, filters, fields, data.get("cursor") or "", of_all(context), most=_PAGE)
    return pages(page, [read(one) for one in page.records])


def _party(one: Json) -> Json:
    numbers = {"tax": one.get("tax_id")}
    active = not one.get("disabled")
    return record(one["name"], one["name"], active=active, name=one.get("customer_name"), numbers=numbers)


def _item(one: Json) -> Json:
    return record(one["name"], one["name"], active=not one.get("disabled"), name=one.get("item_name"))


def _unit(one: Json) -> Json:
    row = words("crossdock.connectors.erpnext").get(("unit", str(one["name"])))
    ours = row["ours"] if row else None
    return record(one["name"], one["name"], active=bool(one.get("enabled")), ours=ours)
