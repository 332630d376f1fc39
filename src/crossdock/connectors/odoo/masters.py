"""Master data of Odoo: what its orders name, and their other numbers. What is archived is in use no more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossdock.connect.contract import Context, Talk
from crossdock.connectors._masters import of_all, pages, record
from crossdock.connectors._words import words
from crossdock.connectors.odoo.asking import Talking, of_company
from crossdock.connectors.odoo.replies import customer_of
from crossdock.connectors.odoo.talks import page

Json = Mapping[str, Any]


def parties(data: Json, context: Context) -> Talking:
    """Contacts that stand by themselves: not the people and addresses of another."""
    fields = ["ref", "name", "active", "vat", "barcode"]
    return (yield from _listed("res.partner", [["parent_id", "=", False]], fields, data, context, _party))


def items(data: Json, context: Context) -> Talking:
    """Products, but for services."""
    fields = ["default_code", "name", "active", "barcode"]
    return (yield from _listed("product.product", [["type", "!=", "service"]], fields, data, context, _item))


def locations(data: Json, context: Context) -> Talking:
    """Warehouses, with our name of each that the connection has."""
    sites = context.settings["sites"]

    def location(one: Json) -> Json:
        ours = sites.get(one["code"])
        return record(one["id"], one["code"], active=one["active"], name=one["name"], ours=ours)

    fields = ["code", "name", "active"]
    return (yield from _listed("stock.warehouse", of_company(context), fields, data, context, location))


def services(data: Json, context: Context) -> Talking:
    """Delivery methods, by their names."""
    return (yield from _listed("delivery.carrier", [], ["name", "active"], data, context, _service))


def units(data: Json, context: Context) -> Talking:
    """Units by their names, in the words of UN/ECE where they are known."""
    return (yield from _listed("uom.uom", [], ["name", "active"], data, context, _unit))


LISTS: Mapping[str, Talk] = {
    "list_parties": parties,
    "list_items": items,
    "list_locations": locations,
    "list_services": services,
    "list_units": units,
}


def _listed(
    model: str,
    domain: list[Any],
    fields: list[str],
    data: Json,
    context: Context,
    read: Callable[[Json], Json],
) -> Talking:
    every = {"active_test": False}  # also what is archived
    cursor = data.get("cursor") or ""
    found = yield from page(of_all(context), model, domain, ["write_date", *fields], cursor, more=every)
    return pages(found, [read(one) for one in found.records])


def _party(one: Json) -> Json:
    numbers = {"tax": one["vat"], "barcode": one["barcode"], "reference": one["ref"]}
    return record(one["id"], customer_of(one), active=one["active"], name=one["name"], numbers=numbers)


def _item(one: Json) -> Json:
    code, numbers = one["default_code"] or one["id"], {"gtin": one["barcode"]}
    return record(one["id"], code, active=one["active"], name=one["name"], numbers=numbers)


def _service(one: Json) -> Json:
    return record(one["id"], one["name"], active=one["active"], name=one["name"])


def _unit(one: Json) -> Json:
    row = words("crossdock.connectors.odoo").get(("unit", str(one["name"])))
    return record(one["id"], one["name"], active=one["active"], ours=row["ours"] if row else None)
