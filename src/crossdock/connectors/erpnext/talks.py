"""Talking to ERPNext: what an order is, whether it may be on credit, and what changed.

What was delivered goes by `deliver`, money back by `credit`, goods back by `returns`. There each document is
looked for before it is made, and what is submitted already is what was wanted.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, Page, RefusedByPartner, Request, Response
from crossdock.connectors._changes import Place, moment
from crossdock.connectors._words import money, told
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.requests import INVOICE, ORDER
from crossdock.errors import Refused

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]
_PAGE = 50
_CENT = Decimal("0.01")


def health(_: Any, __: Context) -> Talking:
    """It answers and lets us in."""
    replies.answer((yield requests.who()), key="message")


def get_order(data: Json, context: Context) -> Talking:
    """One order."""
    document = replies.answer((yield requests.document(ORDER, data["order"])))
    return replies.order(document, context.settings)


def check_credit(data: Json, context: Context) -> Talking:
    """Whether the customer may buy for that much: what is owed and ordered, without this order."""
    settings = context.settings
    customer = replies.answer((yield requests.document("Customer", data["customer"])))
    if customer.get("disabled"):
        raise RefusedByPartner(
            f"customer {data['customer']} is disabled in ERPNext: enable it there, or give the order another,"
            " then try again",
            code="disabled",
        )
    company = replies.answer((yield requests.document("Company", settings["company"])))
    currency = company["default_currency"]
    asked = yield from _in_the_books(data, currency)
    owed = Decimal(
        str(replies.answer((yield requests.balance(data["customer"], context)), key="message") or 0)
    )
    filters = [
        ["customer", "=", data["customer"]],
        ["company", "=", settings["company"]],
        ["docstatus", "=", 1],
        ["status", "!=", "Closed"],
        ["per_billed", "<", 100],
    ]
    fields = ["name", "base_grand_total", "per_billed"]
    for order in replies.listed((yield requests.documents(ORDER, filters, fields, most=1000))):
        if order["name"] != data["order"]:
            open_ = 1 - Decimal(str(order["per_billed"])) / 100
            owed += (Decimal(str(order["base_grand_total"])) * open_).quantize(_CENT, ROUND_HALF_UP)
    limit = yield from _limit(customer, company)
    ok = limit is None or owed + asked <= limit
    return {
        "ok": ok,
        "exposure": money(owed, currency),
        **told(limit=None if limit is None else money(limit, currency), reason=None if ok else "over_limit"),
    }


def _in_the_books(data: Json, currency: str) -> Talking:
    """The amount in the company's currency, at the rate that the order has."""
    amount = Decimal(data["amount"]["amount"])
    if data["amount"]["currency"] == currency:
        return amount
    order = replies.answer((yield requests.document(ORDER, data["order"])))
    if order["currency"] != data["amount"]["currency"]:
        raise Refused(
            f"{data['order']} is in {order['currency']} and the credit of {data['customer']} in {currency},"
            f" not in {data['amount']['currency']}",
            where="amount",
            mend=f"give the amount in {order['currency']} or {currency}",
        )
    return (amount * Decimal(str(order["conversion_rate"]))).quantize(_CENT, ROUND_HALF_UP)


def _limit(customer: Json, company: Json) -> Talking:
    """The limit that ERPNext holds an order to: the customer's, else their group's, else the company's."""

    def of(holder: Json) -> Any:
        rows = holder.get("credit_limits") or ()
        return next((row for row in rows if row.get("company") == company["name"]), {})

    own = of(customer)
    if own.get("bypass_credit_limit_check"):  # at orders
        return None
    limit = own.get("credit_limit")
    if not limit and customer.get("customer_group"):
        group = replies.answer((yield requests.document("Customer Group", customer["customer_group"])))
        limit = None if of(group).get("bypass_credit_limit_check") else of(group).get("credit_limit")
    limit = limit or company.get("credit_limit")
    return Decimal(str(limit)) if limit else None


# -- feeds --------------------------------------------------------------------------------------------------


def orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Sales Orders that were submitted or cancelled."""
    return (yield from _page(ORDER, cursor, context))


def invoices(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Sales Invoices and credits that were submitted or paid."""
    return (yield from _page(INVOICE, cursor, context))


def _page(doctype: str, cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Whole documents of the company that were submitted or cancelled since."""
    filters = [["company", "=", context.settings["company"]], ["docstatus", ">", 0]]
    page = yield from named(doctype, filters, [], cursor, context)
    documents = []
    for one in page.records:
        answer = yield requests.document(doctype, one["name"])
        documents.append(replies.answer(answer))
    return Page(records=documents, cursor=page.cursor, more=page.more)


def named(
    doctype: str,
    filters: list[Any],
    fields: list[str],
    cursor: str,
    context: Context,
    *,
    most: int = _PAGE,
) -> Generator[Request, Response, Page]:
    """Documents that were changed since, oldest first, with their names and these fields."""
    place, settings = Place.of(cursor), context.settings
    filters = [
        *filters,
        *replies.since_of(moment(place.after[0]) if place.after else place.bound(settings), settings),
    ]
    asked = requests.documents(
        doctype, filters, ["name", "modified", *fields], order="modified asc, name asc", most=most
    )
    found = [
        (replies.at(one["modified"], settings), one["name"], one) for one in replies.listed((yield asked))
    ]
    page = place.page(found, settings, most)
    if page.more and page.cursor == cursor:
        raise RefusedByPartner(f"more than {most} documents of {doctype} have the same time", code="feed")
    return page
