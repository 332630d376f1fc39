"""What changed in Tryton, found by the time of the change. What was deleted does not show."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from crossdock.connect.contract import Context, Page, Request, Response
from crossdock.connectors._changes import Place, moment
from crossdock.connectors.tryton import replies, requests

_PAGE = 50
_ORDER = [["last_modified_at", "ASC"], ["id", "ASC"]]


def orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Sales that were processed, and returns that were quoted.

    Done is also a sale whose shipments were cancelled and not made anew.
    """
    domain = [["state", "in", ["quotation", "confirmed", "processing", "done"]], ["number", "!=", None]]
    return (yield from page("sale.sale", domain, replies.order_fields(context.settings), cursor, context))


def invoices(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Invoices to customers that were posted or paid, and credit notes."""
    domain = [["type", "=", "out"], ["state", "in", list(replies.POSTED)]]
    return (yield from page("account.invoice", domain, replies.INVOICE, cursor, context))


def page(
    model: str, domain: list[Any], fields: list[str], cursor: str, context: Context
) -> Generator[Request, Response, Page]:
    """Records of a model that were changed since, oldest first."""
    place = Place.of(cursor)
    if (bound := place.bound(context.settings)) is not None:
        domain = [*domain, ["last_modified_at", ">=", bound]]
    if place.after is not None:
        last, number = moment(place.after[0]), int(place.after[1])
        later = [["last_modified_at", "=", last], ["id", ">", number]]
        domain = [*domain, ["OR", ["last_modified_at", ">", last], later]]
    asked = requests.search(context, model, domain, fields, order=_ORDER, most=_PAGE)
    found = replies.result((yield asked))
    changed = [(replies.decoded(one["last_modified_at"]), one["id"], one) for one in found]
    return place.page(changed, context.settings, _PAGE)
