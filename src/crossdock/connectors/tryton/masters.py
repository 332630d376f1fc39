"""Master data of Tryton: what its sales name by code, and their other numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from crossdock.connect.contract import Context, Talk
from crossdock.connectors._masters import of_all, pages, record
from crossdock.connectors._words import words
from crossdock.connectors.tryton import feeds, replies
from crossdock.connectors.tryton.requests import EVERY
from crossdock.connectors.tryton.talks import Talking

Json = Mapping[str, Any]
_NUMBERS = ["identifiers.type", "identifiers.code"]
_OURS = {"ean": "gtin", "eu_vat": "tax"}  # names of numbers that the model has


def parties(data: Json, context: Context) -> Talking:
    """All parties: customers, suppliers, carriers."""
    fields = ["code", "name", "active", *_NUMBERS]
    return (yield from _listed("party.party", [EVERY], fields, data, context, _party))


def items(data: Json, context: Context) -> Talking:
    """Products, but for services; a product is in use while its template is."""
    domain = [EVERY, ["template.type", "!=", replies.SERVICE]]
    fields = ["code", "template.name", "template.active", "active", *_NUMBERS]
    return (yield from _listed("product.product", domain, fields, data, context, _item))


def locations(data: Json, context: Context) -> Talking:
    """Warehouses, with our name of each that the connection has."""
    sites = context.settings["sites"]

    def location(one: Json) -> Json:
        ours = sites.get(one.get("code"))
        return record(one["id"], one.get("code"), active=one["active"], name=one.get("name"), ours=ours)

    domain = [EVERY, ["type", "=", "warehouse"]]
    return (yield from _listed("stock.location", domain, ["code", "name", "active"], data, context, location))


def units(data: Json, context: Context) -> Talking:
    """Units by their symbols, in the words of UN/ECE where they are known."""
    fields = ["symbol", "name", "active"]
    return (yield from _listed("product.uom", [EVERY], fields, data, context, _unit))


LISTS: Mapping[str, Talk] = {
    "list_parties": parties,
    "list_items": items,
    "list_locations": locations,
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
    page = yield from feeds.page(
        model, domain, ["last_modified_at", *fields], data.get("cursor") or "", of_all(context)
    )
    return pages(page, [read(replies.decoded(one)) for one in page.records])


def _party(one: Json) -> Json:
    return record(
        one["id"], one.get("code"), active=one["active"], name=one.get("name"), numbers=_numbers(one)
    )


def _item(one: Json) -> Json:
    template = one.get("template.") or {}
    return record(
        one["id"],
        one.get("code"),
        active=one["active"] and bool(template.get("active")),
        name=template.get("name"),
        numbers=_numbers(one),
    )


def _unit(one: Json) -> Json:
    row = words("crossdock.connectors.tryton").get(("unit", str(one["symbol"])))
    ours = row["ours"] if row else None
    return record(one["id"], one["symbol"], active=one["active"], name=one.get("name"), ours=ours)


def _numbers(one: Json) -> Json:
    given = [(str(number["type"] or "other"), number["code"]) for number in one.get("identifiers.") or ()]
    return {_OURS.get(kind, kind): code for kind, code in reversed(given)}  # the first of a kind counts
