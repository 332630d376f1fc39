"""What is asked of Odoo, and changes nothing: orders, credit, feeds of both.

What changes it is said as wanted states. Each of our shipments is a transfer (`stock.picking`) whose source
document says the order and our number; an invoice says the order and our key as its origin; a credit has our
key in its reference. Each is looked for before it is made. A call of Odoo is one transaction, so what is half
done is one of these steps. Goods leave by `deliver` and come back by `returns`; they are billed by `billing`,
and money goes back by `credit`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Access, Context, Page, RefusedByPartner, Request, Response, Session
from crossdock.connectors._changes import Place, moment
from crossdock.connectors._words import money, told
from crossdock.connectors.odoo import replies, requests
from crossdock.connectors.odoo.asking import EVERY, Talking, by_id, of_company, sale_of, searched
from crossdock.connectors.odoo.billing import MOVE
from crossdock.connectors.odoo.lines import is_goods, lines_of
from crossdock.errors import Refused

Json = Mapping[str, Any]
_PAGE = 50
_CENT = Decimal("0.01")
_SALE = [
    *("name", "state", "write_date", "client_order_ref", "partner_id", "partner_shipping_id", "currency_id"),
    *("warehouse_id", "amount_total", "amount_tax", "commitment_date", "create_uid", "picking_ids"),
    "delivery_status",
]
_PARTNER = ["name", "ref", "email", "lang", "street", "street2", "city", "zip", "country_code"]


def sign_in(access: Access) -> Generator[Request, Response, Session]:
    """The key in a header, or by JSON-RPC the number of the user."""
    database, key = str(access.settings["database"]), access.secrets["key"].reveal()
    if access.settings["interface"] == "json2":
        return Session(headers={"Authorization": f"bearer {key}", "X-Odoo-Database": database})
    user = access.secrets["user"].reveal()
    context = Context(settings=access.settings)
    number = replies.result((yield requests.authenticate(database, user, key)), context)
    if not number:
        raise RefusedByPartner("Odoo does not know the user, or the key is another", code="sign_in")
    return Session(sign=requests.as_user(database, int(number), key))


def health(_: Any, context: Context) -> Talking:
    """It answers and lets us in."""
    yield from searched(context, "res.company", [], ["name"])


# -- orders -------------------------------------------------------------------------------------------------


def get_order(data: Json, context: Context) -> Talking:
    """One order."""
    sale = yield from sale_of(context, data["order"], _SALE)
    (whole,) = yield from _whole(context, [sale])
    return replies.order(whole, context.settings)


def _whole(context: Context, sales: list[Any]) -> Talking:
    """Orders with their lines, customers, addresses and warehouses."""
    if not sales:
        return []
    lines = yield from lines_of(context, [sale["id"] for sale in sales])
    people = {
        replies.linked(sale, field)[0] for sale in sales for field in ("partner_id", "partner_shipping_id")
    }
    partners = yield from by_id(context, "res.partner", sorted(people - {0}), _PARTNER)
    places = sorted({replies.linked(sale, "warehouse_id")[0] for sale in sales} - {0})
    warehouses = yield from by_id(context, "stock.warehouse", places, ["code"])
    whole = []
    for sale in sales:
        rows = [line for line in lines if replies.linked(line, "order_id")[0] == sale["id"]]
        place = warehouses.get(replies.linked(sale, "warehouse_id")[0], {})
        whole.append(
            {
                **sale,
                "lines": [line for line in rows if is_goods(line)],
                "others": [line for line in rows if not is_goods(line)],
                "partner": partners[replies.linked(sale, "partner_id")[0]],
                "ship_to": partners.get(replies.linked(sale, "partner_shipping_id")[0], {}),
                "warehouse_code": place.get("code"),
            }
        )
    return whole


_PAYER = ["credit", "credit_to_invoice", "credit_limit", "show_credit_limit", "currency_id"]
_ZERO = Decimal(0)


def check_credit(data: Json, context: Context) -> Talking:
    """Whether the customer may buy for that much: what is owed and not yet billed, without this order.

    It is the company's credit that counts where the customer is a contact of one. As in Odoo, an order in
    another currency counts at its own rate, and a limit of zero is none.
    """
    payer = yield from _payer(context, str(data["customer"]))
    asked, currency = data["amount"], replies.linked(payer, "currency_id")[1]
    fields = ["amount_to_invoice", "currency_id", "currency_rate"]
    mine = [["name", "=", data["order"]], *of_company(context)]
    orders = yield from searched(context, "sale.order", mine, fields)
    rates = {replies.linked(sale, "currency_id")[1]: Decimal(str(sale["currency_rate"])) for sale in orders}
    rate = Decimal(1) if asked["currency"] == currency else rates.get(asked["currency"])
    if not rate:
        raise Refused(
            f"the credit of {data['customer']} is in {currency}, and no order {data['order']} in"
            f" {asked['currency']} says at what rate",
            where="amount",
            mend=f"give the amount in {currency}",
        )
    counted = [
        *mine,
        ["state", "=", "sale"],
        ["partner_invoice_id.commercial_partner_id", "=", payer["id"]],
        ["order_line.untaxed_amount_to_invoice", ">", 0],  # of another, Odoo counts nothing
    ]
    unbilled = _exact(payer["credit_to_invoice"])
    if unbilled:
        for sale in (yield from searched(context, "sale.order", counted, fields)):
            unbilled -= _exact(sale["amount_to_invoice"]) / (_exact(sale["currency_rate"]) or 1)
    exposure = _exact(payer["credit"]) + max(unbilled, _ZERO).quantize(_CENT)
    limit = _exact(payer["credit_limit"]) if payer["show_credit_limit"] else _ZERO
    ok = not limit or exposure + Decimal(asked["amount"]) / rate <= limit
    return {
        "ok": ok,
        "exposure": money(exposure, currency),
        **told(limit=money(limit, currency) if limit else None, reason=None if ok else "over_limit"),
    }


def _exact(amount: object) -> Decimal:
    return Decimal(str(amount or 0))


def _payer(context: Context, customer: str) -> Talking:
    """Whose credit counts for a customer. Raises `RefusedByPartner` where it is not there or archived."""
    domain: list[Any] = [["ref", "=", customer]]
    if customer.isdecimal():
        domain = ["|", ["ref", "=", customer], ["id", "=", int(customer)]]
    fields = ["active", "commercial_partner_id"]
    found = yield from searched(context, "res.partner", domain, fields, more=EVERY)
    if not found:
        raise RefusedByPartner(f"Odoo has no customer {customer}", code="not_found")
    partner = next((one for one in found if one["active"]), None)
    if partner is None:
        raise RefusedByPartner(
            f"customer {customer} is archived in Odoo: unarchive it there, or give the order another, then"
            " try again",
            code="archived",
        )
    number = replies.linked(partner, "commercial_partner_id")[0] or partner["id"]
    payers = yield from by_id(context, "res.partner", [number], _PAYER)
    return payers[number]


# -- feeds --------------------------------------------------------------------------------------------------


def orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Orders that were confirmed or cancelled, whole."""
    domain = [["state", "in", ["sale", "done", "cancel"]], *of_company(context)]
    found = yield from page(context, "sale.order", domain, _SALE, cursor)
    whole = yield from _whole(context, found.records)
    return Page(records=whole, cursor=found.cursor, more=found.more)


def moves(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """Invoices and credits that were posted or paid."""
    domain = [
        ["move_type", "in", ["out_invoice", "out_refund"]],
        ["state", "=", "posted"],
        *of_company(context),
    ]
    return (yield from page(context, "account.move", domain, MOVE, cursor))


def page(
    context: Context,
    model: str,
    domain: list[Any],
    fields: list[str],
    cursor: str,
    *,
    more: Json | None = None,
) -> Generator[Request, Response, Page]:
    """Records of a model that were changed since, oldest first; `more` goes into the context of the call."""
    place = Place.of(cursor)
    if (bound := place.bound(context.settings)) is not None:
        domain = [*domain, ["write_date", ">=", _text(bound)]]
    if place.after is not None:
        # Its times are told in whole seconds and kept finer: the second is read on, without those seen of it.
        seen = [int(name) for name, text in place.seen.items() if text == place.after[0]]
        second = moment(place.after[0])
        later = ["write_date", ">=", _text(second + timedelta(seconds=1))]
        domain = [*domain, ["write_date", ">=", _text(second)], "|", later, ["id", "not in", seen]]
    order = "write_date, id"
    found = yield from searched(context, model, domain, fields, order=order, most=_PAGE, more=more)
    changed = [(replies.at(one["write_date"]), one["id"], one) for one in found]
    return place.page(changed, context.settings, _PAGE)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")
