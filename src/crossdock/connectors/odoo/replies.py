"""What Odoo answers, in our words.

JSON-2 answers errors with 4xx and 500, JSON-RPC with 200 and an `error`; both name the exception. What is not
there is `false`, and a link is its number and name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from crossdock.connect.contract import Context, Happening, Notice, RefusedByPartner, Response
from crossdock.connectors._words import decimal_text, money, reading, told, words
from crossdock.connectors.odoo.requests import FAILED
from crossdock.errors import CrossdockError, Refused, UnknownOutcome, Unreachable
from crossdock.model import parse_document, to_json
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]
_LOCKED = ("SerializationFailure", "DeadlockDetected", "LockNotAvailable")


def said(response: Response) -> tuple[str, str]:
    """Name of the exception, without where it is from, and its message."""
    try:
        body = msgspec.json.decode(response.body)
        return str(body["name"]).rpartition(".")[2], str(body.get("message") or "")[:300]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, TypeError, KeyError):
        return "", " ".join(response.text()[:300].split())


def result(response: Response, context: Context) -> Any:
    """What was asked for. Raises for an error of JSON-RPC, or of JSON-2 with 500; others were read before."""
    if context.settings["interface"] == "json2" and response.status < FAILED:
        return response.json()
    body = response.json()
    if context.settings["interface"] == "json2":
        raise _failure(body if isinstance(body, dict) else {}, "")
    if not isinstance(body, dict) or ("result" not in body and not body.get("error")):
        raise UnknownOutcome("the answer has neither a result nor an error")
    error = body.get("error")
    if not error:
        return body["result"]
    raise _failure(error.get("data") or {}, str(error.get("message") or ""))


def _failure(data: Json, message: str) -> CrossdockError:
    """An exception of Odoo, which names it where it has rolled the call back."""
    name = str(data.get("name") or "").rpartition(".")[2]
    said_ = str(data.get("message") or message or "Odoo gives no reason")
    if name in _LOCKED:
        return Unreachable(f"Odoo holds a lock, and nothing was done: {said_}")
    if not name and not message:
        return UnknownOutcome("Odoo failed, and does not say at what")
    return RefusedByPartner(said_, code=name or "failed")


def records(response: Response, context: Context) -> list[Any]:
    """Records that were searched for. Raises `UnknownOutcome` for what is no list of them."""
    found = result(response, context)
    if not isinstance(found, list) or not all(isinstance(one, dict) and "id" in one for one in found):
        raise UnknownOutcome("the answer is no list of records")
    return found


def linked(record: Json, field: str) -> tuple[int, str]:
    """Number and name of what a record is linked to; 0 where to nothing."""
    value = record.get(field)
    return (int(value[0]), str(value[1])) if value else (0, "")


def at(text: str) -> datetime:
    """An instant that it keeps in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def order(sale: Json, settings: Json) -> Json:
    """A sales order as a document; its lines, customer and address stand in it, see `talks.orders_of`."""
    return to_json(parse_document("Order", _order(sale, settings)))


def order_happened(sale: Json, settings: Json) -> Iterator[Happening]:
    """What a sales order means as it stands now, under the same id however often it is told."""
    with reading("the order"):
        time, name = at(sale["write_date"]), f"sale.order/{sale['id']}"
        if sale["state"] in ("sale", "done") and sale["picking_ids"] and not sale["delivery_status"]:
            news = told(order=sale["name"], reason="its transfers were cancelled in Odoo")
            yield Happening(type="order.cancelled", time=time, data=news, id=f"{name}/cancelled")
        elif sale["state"] in ("sale", "done") and _going(sale):  # without goods nothing is to be delivered
            data = _order(sale, settings)
            yield Happening(type="order.released", time=time, data=data, id=f"{name}/released")
        elif sale["state"] == "cancel":
            news = told(order=sale["name"], reason="cancelled in Odoo")
            yield Happening(type="order.cancelled", time=time, data=news, id=f"{name}/cancelled")


def move_happened(move: Json, _: Json) -> Iterator[Happening]:
    """What an invoice, or a credit, means as it stands now."""
    with reading("the invoice"):
        time, name = at(move["write_date"]), f"account.move/{move['id']}"
        total = money(abs(Decimal(str(move["amount_total"]))), linked(move, "currency_id")[1])
        order_ = order_of(move)
        data = told(number=move["name"], order=order_, total=total)
        if move["move_type"] == "out_refund":
            yield Happening(type="credit.issued", time=time, data=data, id=f"{name}/posted")
            return
        more = {"state": "released", "released": instant_text(time)}
        yield Happening(type="invoice.released", time=time, data={**data, **more}, id=f"{name}/posted")
        if move["payment_state"] == "paid":
            news = told(invoice=move["name"], order=order_, amount=total)
            yield Happening(type="invoice.paid", time=time, data=news, id=f"{name}/paid")


def hinted(notice: Notice) -> Iterator[Happening]:
    """Nothing by itself: it names a record that was changed. Raises `Refused` where it names none."""
    body = notice.json()
    if not isinstance(body, dict) or not body.get("_model"):
        raise Refused("the webhook names no record", mend="send it by Odoo's action for webhooks")
    yield from ()


def order_of(move: Json) -> str | None:
    """The order that an invoice says it is from; our key stands behind it."""
    return str(move.get("invoice_origin") or "").split(" ")[0] or None


def _order(sale: Json, settings: Json) -> dict[str, Any]:
    currency, customer, place = linked(sale, "currency_id")[1], sale["partner"], sale["ship_to"]
    row = words("crossdock.connectors.odoo").get(("order", sale["state"]))
    wanted = sale.get("commitment_date")
    code = sale.get("warehouse_code")
    return told(
        number=sale["name"],
        version=sale["write_date"],
        changed=instant_text(at(sale["write_date"])),
        customer=told(
            id=customer_of(customer),
            name=customer.get("name") or None,
            roles=["customer"],
            contact=told(email=customer.get("email") or None, language=_language(customer.get("lang"))),
        ),
        lines=[
            told(
                number=str(line["id"]),
                item=line["item"],
                name=linked(line, "product_id")[1],
                quantity=so_much(line["product_uom_qty"], linked(line, "unit")[1]),
                price=money(line["price_unit"], currency),
                amount=money(line["price_subtotal"], currency),
                product=_product(line),
            )
            for line in _going(sale)
        ],
        charges=[
            {"kind": line["item"], "amount": money(line["price_subtotal"], currency)}
            for line in sale["others"]
            if line["price_subtotal"]
        ],
        total=money(sale["amount_total"], currency),
        tax=money(sale["amount_tax"], currency),
        site=settings["sites"].get(code, code) if code else None,
        state=row["ours"] if row else "unknown",
        custom=None if row else {"status": sale["state"]},
        created_by=linked(sale, "create_uid")[1] or None,
        requested_delivery=instant_text(at(wanted)) if wanted else None,
        promised_delivery=instant_text(at(wanted)) if wanted else None,
        ship_to=told(
            name=place.get("name") or customer.get("name") or None,
            lines=[place[part] for part in ("street", "street2") if place.get(part)],
            city=place.get("city") or None,
            postal_code=place.get("zip") or None,
            country=place.get("country_code") or None,
        ),
        customer_po=sale.get("client_order_ref") or None,
        references=[{"kind": "erp", "value": str(sale["id"])}],
    )


def _going(sale: Json) -> list[Any]:
    """The lines of goods that go to the customer: not those of nothing, nor those that come back."""
    return [line for line in sale["lines"] if line["product_uom_qty"] > 0]


def customer_of(partner: Json) -> str:
    """By what others know a customer: its reference, else its number."""
    return str(partner.get("ref") or partner["id"])


def _product(line: Json) -> Json | None:
    """The item's weight; Odoo keeps kilograms, unless it is set to pounds for all."""
    if not line.get("weight"):
        return None
    return {"number": line["item"], "weight": {"value": _exact(line["weight"]), "unit": "KGM"}}


def _language(code: object) -> str | None:
    return str(code).replace("_", "-") if code else None


def unit(name: str) -> str:
    """A unit in UN/ECE terms; a name that is not in the table stands for itself."""
    row = words("crossdock.connectors.odoo").get(("unit", name))
    return row["ours"] if row else name


def so_much(quantity: object, name: str) -> Json:
    """A quantity in a unit of Odoo's."""
    return {"value": _exact(quantity), "unit": unit(name)}


def _exact(quantity: object) -> str:
    exact = Decimal(str(quantity)).normalize()
    return decimal_text(exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact)
