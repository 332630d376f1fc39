"""Operations of Odoo as wanted states.

Each of our shipments is a transfer (`stock.picking`) whose source document says the order and our number; an
invoice says the order and our key as its origin; a credit has our key in its reference. Each is looked for
before it is made. A call of Odoo is one transaction, so what is half done is one of these steps. Money goes
back by `credit`, goods by `returns`.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Access, Context, Page, RefusedByPartner, Request, Response, Session
from crossdock.connectors._changes import Place, moment
from crossdock.connectors._deliveries import line_id, parts
from crossdock.connectors._words import money, told
from crossdock.connectors.odoo import replies, requests
from crossdock.connectors.odoo.asking import Talking, called, of_company, sale_of, searched
from crossdock.errors import Refused

Json = Mapping[str, Any]
_PAGE = 50
_OPEN = ("waiting", "confirmed", "assigned")
_SALE = [
    *("name", "state", "write_date", "client_order_ref", "partner_id", "partner_shipping_id", "currency_id"),
    *("warehouse_id", "amount_total", "amount_tax", "commitment_date", "create_uid"),
]
_LINE = [
    *("order_id", "name", "product_id", "product_uom_qty", "product_uom_id", "price_unit"),
    *("price_subtotal", "display_type"),
]
_PARTNER = ["name", "ref", "email", "lang", "street", "street2", "city", "zip", "country_code"]
MOVE = [
    *("name", "state", "move_type", "payment_state", "amount_total", "currency_id", "write_date"),
    *("invoice_origin", "ref", "journal_id"),
]


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
    ids = [sale["id"] for sale in sales]
    lines = yield from searched(context, "sale.order.line", [["order_id", "in", ids]], _LINE, most=5000)
    lines = [line for line in lines if not line.get("display_type") and line["product_id"]]
    wanted = sorted({replies.linked(line, "product_id")[0] for line in lines})
    products = yield from by_id(context, "product.product", wanted, ["default_code", "type", "weight"])
    people = {
        replies.linked(sale, field)[0] for sale in sales for field in ("partner_id", "partner_shipping_id")
    }
    partners = yield from by_id(context, "res.partner", sorted(people - {0}), _PARTNER)
    places = sorted({replies.linked(sale, "warehouse_id")[0] for sale in sales} - {0})
    warehouses = yield from by_id(context, "stock.warehouse", places, ["code"])
    whole = []
    for sale in sales:
        rows = []
        for line in lines:
            number, name = replies.linked(line, "product_id")
            product = products.get(number, {})
            if replies.linked(line, "order_id")[0] == sale["id"] and product.get("type") != "service":
                item = product.get("default_code") or str(number)
                unit = replies.linked(line, "product_uom_id")[1]
                weight = product.get("weight")
                rows.append({**line, "name": name, "item": item, "unit": unit, "weight": weight})
        place = warehouses.get(replies.linked(sale, "warehouse_id")[0], {})
        whole.append(
            {
                **sale,
                "lines": rows,
                "partner": partners[replies.linked(sale, "partner_id")[0]],
                "ship_to": partners.get(replies.linked(sale, "partner_shipping_id")[0], {}),
                "warehouse_code": place.get("code"),
            }
        )
    return whole


def by_id(context: Context, model: str, ids: list[int], fields: list[str]) -> Talking:
    """Records of a model by their numbers."""
    if not ids:
        return {}
    found = yield from searched(context, model, [["id", "in", ids]], fields, most=len(ids))
    return {one["id"]: one for one in found}


def check_credit(data: Json, context: Context) -> Talking:
    """Whether the customer may buy for that much: what is owed and not yet billed, without this order."""
    fields = ["ref", "credit", "credit_to_invoice", "credit_limit", "use_partner_credit_limit", "currency_id"]
    customer = str(data["customer"])
    domain: list[Any] = [["ref", "=", customer]]
    if customer.isdecimal():
        domain = ["|", ["ref", "=", customer], ["id", "=", int(customer)]]
    found = yield from searched(context, "res.partner", domain, fields)
    if not found:
        raise RefusedByPartner(f"Odoo has no customer {customer}", code="not_found")
    partner, asked = found[0], data["amount"]
    currency = replies.linked(partner, "currency_id")[1]
    if asked["currency"] != currency:
        raise Refused(
            f"the credit of {customer} is in {currency}, not in {asked['currency']}",
            where="amount",
            mend=f"give the amount in {currency}",
        )
    exposure = Decimal(str(partner["credit"] or 0)) + Decimal(str(partner["credit_to_invoice"] or 0))
    mine = [["name", "=", data["order"]], ["state", "=", "sale"]]
    for sale in (yield from searched(context, "sale.order", mine, ["amount_to_invoice"])):
        exposure -= Decimal(str(sale["amount_to_invoice"] or 0))
    limit = Decimal(str(partner["credit_limit"])) if partner["use_partner_credit_limit"] else None
    ok = limit is None or exposure + Decimal(asked["amount"]) <= limit
    return {
        "ok": ok,
        "exposure": money(exposure, currency),
        **told(limit=None if limit is None else money(limit, currency), reason=None if ok else "over_limit"),
    }


# -- delivered and billed -----------------------------------------------------------------------------------


def release_invoice(data: Json, context: Context) -> Talking:
    """The order's transfers are done, with what was delivered, and that is billed."""
    sale = yield from sale_of(context, data["order"], ["invoice_ids"])
    if sale["state"] not in ("sale", "done"):
        raise RefusedByPartner(f"{sale['name']} is {sale['state']} in Odoo", code="wrong_state")
    for reference, lines in parts(data, context, line_id, erp="Odoo").items():
        yield from _delivered(context, sale, reference, lines)
    invoices = yield from _billed(context, sale)
    if not invoices:
        invoices = yield from _drafted(context, sale)
    if drafts := [invoice["id"] for invoice in invoices if invoice["state"] == "draft"]:
        yield from called(context, "account.move", "action_post", drafts)
        invoices = yield from _billed(context, sale)
    return _released(invoices, sale["name"])


def find_invoice(data: Json, context: Context) -> Talking:
    """The posted invoice with our key; with less `release_invoice` goes on."""
    sale = yield from sale_of(context, data["order"], [])
    invoices = yield from _billed(context, sale)
    if not invoices or any(invoice["state"] != "posted" for invoice in invoices):
        return None
    return _released(invoices, sale["name"])


def _released(invoices: list[Any], order: str) -> Json:
    if not invoices or any(invoice["state"] != "posted" for invoice in invoices):
        raise RefusedByPartner(f"the invoice of {order} is not posted in Odoo", code="wrong_state")
    total = sum((Decimal(str(invoice["amount_total"])) for invoice in invoices), Decimal(0))
    names = ", ".join(invoice["name"] for invoice in invoices)
    return {"invoice": names, "total": money(total, replies.linked(invoices[0], "currency_id")[1])}


def _transfers(context: Context, sale: Json) -> Talking:
    domain = [["sale_id", "=", sale["id"]], ["picking_type_code", "=", "outgoing"], ["state", "!=", "cancel"]]
    return (yield from searched(context, "stock.picking", domain, ["name", "state", "origin"]))


def _delivered(context: Context, sale: Json, reference: str, lines: Mapping[int, Decimal] | None) -> Talking:
    """The transfer of one of our shipments is done; what is left of it becomes Odoo's back-order."""
    origin = f"{sale['name']} {reference}"
    found = yield from _transfers(context, sale)
    mine = next((one for one in found if one["origin"] == origin), None)
    if mine is None:
        free = [one for one in found if one["state"] in _OPEN and one["origin"] in (sale["name"], False)]
        if not free:
            raise RefusedByPartner(f"Odoo has nothing left to deliver of {sale['name']}", code="nothing_left")
        mine = free[0]
        yield from _filled(context, mine, lines)
        yield from called(context, "stock.picking", "write", [mine["id"]], vals={"origin": origin})
    if mine["state"] != "done":
        yield from validated(context, mine, lines)
    yield from _rest_is_free(context, sale, origin)


def validated(context: Context, transfer: Json, lines: Mapping[int, Decimal] | None) -> Talking:
    """The transfer is done, with what left."""
    yield from _filled(context, transfer, lines)
    back_order = {"skip_backorder": True, "picking_ids_not_to_backorder": []}
    ids = [transfer["id"]]
    answer = yield from called(context, "stock.picking", "button_validate", ids, more=back_order)
    (after,) = yield from searched(context, "stock.picking", [["id", "in", ids]], ["state"])
    if after["state"] != "done":
        asks = answer.get("res_model", "") if isinstance(answer, dict) else ""
        state = f"transfer {transfer['name']} is {after['state']} in Odoo"
        if asks:
            raise RefusedByPartner(f"{state}, which asks by {asks}", code="question")
        raise RefusedByPartner(state, code="wrong_state")


def _filled(context: Context, transfer: Json, lines: Mapping[int, Decimal] | None) -> Talking:
    """The transfer says what left: so much of some lines, nothing of others."""
    fields = ["sale_line_id", "product_uom_qty", "quantity", "picked"]
    moves = yield from searched(context, "stock.move", [["picking_id", "=", transfer["id"]]], fields)
    left = None if lines is None else dict(lines)
    changes = []
    for move in moves:
        number = replies.linked(move, "sale_line_id")[0]
        demand = Decimal(str(move["product_uom_qty"]))
        wanted = demand if left is None else left.pop(number, Decimal(0))
        if wanted > demand:
            raise RefusedByPartner(
                f"transfer {transfer['name']} has {demand} of line {number}, not {wanted}",
                code="nothing_left",
            )
        if Decimal(str(move["quantity"])) != wanted or not move["picked"]:
            changes.append((move["id"], {"quantity": float(wanted), "picked": True}))
    if left:
        raise RefusedByPartner(
            f"transfer {transfer['name']} has nothing of line {min(left)}", code="nothing_left"
        )
    for number, values in changes:
        yield from called(context, "stock.move", "write", [number], vals=values)


def _rest_is_free(context: Context, sale: Json, origin: str) -> Talking:
    """A back-order copies our number from what it is the rest of: it is none of ours yet."""
    found = yield from _transfers(context, sale)
    copied = [one["id"] for one in found if one["origin"] == origin and one["state"] in _OPEN]
    if copied:
        yield from called(context, "stock.picking", "write", copied, vals={"origin": sale["name"]})


def _billed(context: Context, sale: Json) -> Talking:
    """The invoices that say this order and our key as their origin."""
    domain = [
        ["move_type", "=", "out_invoice"],
        ["invoice_origin", "=", f"{sale['name']} {context.key}"],
        ["state", "!=", "cancel"],
    ]
    return (yield from searched(context, "account.move", domain, MOVE))


def _drafted(context: Context, sale: Json) -> Talking:
    """A draft of what was delivered and not billed, with our key: one that was left without, or a new one."""
    ids = yield from drafts_of(context, sale, "out_invoice")
    if not ids:
        raise RefusedByPartner(f"Odoo has nothing to bill of {sale['name']}", code="no_invoice")
    origin = {"invoice_origin": f"{sale['name']} {context.key}"}
    yield from called(context, "account.move", "write", ids, vals=origin)
    return (yield from _billed(context, sale))


def drafts_of(context: Context, sale: Json, kind: str) -> Talking:
    """Drafts of that kind of what is not billed yet: those that were left without our key, or new ones."""
    domain = [
        ["move_type", "=", kind],
        ["invoice_origin", "=", sale["name"]],
        ["state", "=", "draft"],
    ]
    drafts = yield from searched(context, "account.move", domain, MOVE)
    if not drafts:
        values = {"advance_payment_method": "delivered", "sale_order_ids": [[6, 0, [sale["id"]]]]}
        made = yield from called(context, "sale.advance.payment.inv", "create", vals_list=[values])
        where = {"active_model": "sale.order", "active_id": sale["id"], "active_ids": [sale["id"]]}
        number = made[0] if isinstance(made, list) else made
        yield from called(context, "sale.advance.payment.inv", "create_invoices", [number], more=where)
        drafts = yield from searched(context, "account.move", domain, MOVE)
    return [draft["id"] for draft in drafts]


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
