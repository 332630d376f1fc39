"""What ERPNext answers and tells, in our words.

What it does not take comes with 417, the name of the exception, and what it would have shown somebody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from crossdock.connect.contract import Happening, Notice, RefusedByPartner, Response
from crossdock.connectors._words import decimal_text, end_of_day, instant, money, reading, told, words
from crossdock.errors import Refused, UnknownOutcome, Unreachable
from crossdock.model import parse_document, to_json
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]
_MOVED_ON = ("TimestampMismatchError", "QueryDeadlockError", "QueryTimeoutError")


def said(response: Response) -> tuple[str, str]:
    """Name of the exception, and what it would have shown somebody."""
    try:
        body = msgspec.json.decode(response.body)
        shown = [json.loads(one)["message"] for one in json.loads(body.get("_server_messages") or "[]")]
        words_ = "; ".join(map(str, shown)) or str(body.get("exception") or body.get("message") or "")
        return str(body.get("exc_type") or ""), words_[:300]
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError, KeyError, AttributeError):
        return "", " ".join(response.text()[:300].split())


def answer(response: Response, *, key: str = "data") -> Any:
    """What was asked for. Raises for what it does not take."""
    if response.status == 417:
        code, message = said(response)
        if code in _MOVED_ON:
            raise Unreachable(f"ERPNext was changed at the same time, and nothing was done: {message}")
        if "is disabled" in message:  # a customer or an item, both with this
            raise RefusedByPartner(f"{message}: enable it in ERPNext, then try again", code="disabled")
        raise RefusedByPartner(message or "ERPNext gives no reason", code=code or "417")
    body = response.json()
    if not isinstance(body, dict) or key not in body:
        raise UnknownOutcome(f"the answer has no {key}")
    return body[key]


def listed(response: Response) -> list[Any]:
    """Documents that fit. Raises `UnknownOutcome` for what is no list of them."""
    found = answer(response)
    if not isinstance(found, list) or not all(isinstance(one, dict) and "name" in one for one in found):
        raise UnknownOutcome("the answer is no list of documents")
    return found


def order(document: Json, settings: Json) -> Json:
    """A Sales Order as a document."""
    return to_json(parse_document("Order", _order(document, settings)))


def at(text: object, settings: Json) -> datetime:
    """An instant that it keeps in the time of its site."""
    return datetime.fromisoformat(str(text)).replace(tzinfo=ZoneInfo(settings["zone"]))


def local(moment: datetime, settings: Json) -> str:
    """An instant in the time of its site, as its filters take it."""
    return moment.astimezone(ZoneInfo(settings["zone"])).strftime("%Y-%m-%d %H:%M:%S.%f")


def told_by_webhook(notice: Notice) -> Iterator[Happening]:
    """A document that was pushed whole. Raises `Refused` for one that cannot be read."""
    body = notice.json()
    if not isinstance(body, dict) or body.get("doctype") not in ("Sales Order", "Sales Invoice"):
        raise Refused("the webhook is no Sales Order or Sales Invoice", mend="let it send the whole document")
    yield from happened(body, notice.settings)


def happened(document: Json, settings: Json) -> Iterator[Happening]:
    """What a document means as it stands now, under the same id however often it is told."""
    with reading("the document"):
        time, status = at(document["modified"], settings), int(document["docstatus"])
        name = f"{document['doctype']}/{document['name']}"
        if settings.get("since") and time < instant(str(settings["since"])):
            return
        if document["doctype"] == "Sales Invoice":
            yield from _invoiced(document, time, status, name)
        elif status == 2 or (status == 1 and _ended_before_it_left(document)):
            how = "cancelled" if status == 2 else "closed"
            news = told(order=document["name"], reason=f"{how} in ERPNext")
            yield Happening(type="order.cancelled", time=time, data=news, id=f"{name}/cancelled")
        elif status == 1 and document.get("status") not in ("On Hold", "Closed", "Completed"):
            if not goods(document, settings):
                return  # services alone need no delivery
            data = _order(document, settings)
            yield Happening(type="order.released", time=time, data=data, id=f"{name}/released")


def _ended_before_it_left(order: Json) -> bool:
    """Whether somebody has closed it, and nothing of it was delivered or billed."""
    return order.get("status") == "Closed" and not order.get("per_delivered") and not order.get("per_billed")


def goods(order: Json, settings: Json) -> list[Any]:
    """The rows of an order that are picked: no services, nothing from a supplier, and not below zero."""
    served = {row["name"] for row in services(order, settings)}
    return [
        row
        for row in order["items"]
        if row["name"] not in served and not row.get("delivered_by_supplier") and Decimal(str(row["qty"])) > 0
    ]


def services(order: Json, settings: Json) -> list[Any]:
    """The rows of an order that are billed, and nobody picks.

    As of ERPNext 15 a row says whether its item is kept in stock; a bundle is not, and its parts are packed.
    """
    bundles = {part["parent_detail_docname"] for part in order.get("packed_items") or ()}
    return [
        row
        for row in order["items"]
        if row.get("item_group") in settings["services"]
        or (row.get("is_stock_item") == 0 and row["name"] not in bundles)
    ]


def _invoiced(document: Json, time: datetime, status: int, name: str) -> Iterator[Happening]:
    if status != 1:
        return
    total = money(abs(Decimal(str(document["grand_total"]))), document["currency"])
    orders = [row["sales_order"] for row in document.get("items") or () if row.get("sales_order")]
    number, order_ = document["name"], orders[0] if orders else None
    if document.get("is_return"):
        of = document.get("return_against")  # none where goods came back
        references = [{"kind": "invoice", "value": of}] if of else None
        data = told(number=number, order=order_, total=total, references=references)
        yield Happening(type="credit.issued", time=time, data=data, id=f"{name}/posted")
        return
    lines = [
        told(
            number=row["name"],
            order_line=row.get("so_detail"),
            amount=money(row["amount"], total["currency"]),
        )
        for row in document["items"]
    ]
    data = told(
        number=number, order=order_, state="released", total=total, released=instant_text(time), lines=lines
    )
    yield Happening(type="invoice.released", time=time, data=data, id=f"{name}/posted")
    if document.get("status") == "Paid":
        news = told(invoice=number, order=order_, amount=total)
        yield Happening(type="invoice.paid", time=time, data=news, id=f"{name}/paid")


def _order(document: Json, settings: Json) -> dict[str, Any]:
    currency, known = document["currency"], words("crossdock.connectors.erpnext")
    state = known.get(("order", f"{document['docstatus']}/{document.get('status')}")) or known.get(
        ("order", str(document["docstatus"]))
    )
    day, warehouse = document.get("delivery_date"), document.get("set_warehouse")
    wanted = end_of_day(str(day), settings["zone"]) if day else None
    return told(
        number=document["name"],
        version=str(document["modified"]),
        changed=instant_text(at(document["modified"], settings)),
        customer=told(
            id=document["customer"],
            name=document.get("customer_name"),
            roles=["customer"],
            contact=told(email=document.get("contact_email"), language=document.get("language")),
        ),
        lines=[
            told(
                number=row["name"],
                item=row["item_code"],
                name=row.get("item_name"),
                quantity={"value": _exact(row["qty"]), "unit": unit(row.get("uom"))},
                price=money(row["rate"], currency),
                amount=money(row["amount"], currency),
                product=_product(row),
            )
            for row in goods(document, settings)
        ],
        charges=[
            {"kind": row["item_code"], "amount": money(row["amount"], currency)}
            for row in services(document, settings)
        ],
        total=money(document["grand_total"], currency),
        tax=money(document.get("total_taxes_and_charges") or 0, currency),
        site=settings["sites"].get(warehouse, warehouse) if warehouse else None,
        state=state["ours"] if state else "unknown",
        created_by=document.get("owner"),
        requested_delivery=wanted,
        requested_delivery_precision="day" if wanted else None,
        promised_delivery=wanted,
        promised_delivery_precision="day" if wanted else None,
        ship_to=told(
            name=document.get("customer_name"),
            lines=[line for line in str(document.get("shipping_address") or "").split("\n") if line.strip()],
        ),
        customer_po=document.get("po_no"),
    )


def _product(row: Json) -> Json | None:
    """The item's weight, where it has one."""
    weight = Decimal(str(row.get("weight_per_unit") or 0))
    if not weight:
        return None
    return {
        "number": row["item_code"],
        "weight": {"value": decimal_text(weight), "unit": unit(row.get("weight_uom"))},
    }


def unit(word: object) -> str:
    """A unit in UN/ECE terms; a word that is not in the table stands for itself."""
    row = words("crossdock.connectors.erpnext").get(("unit", str(word or "Nos")))
    return row["ours"] if row else str(word)


def so_much(quantity: object, word: object) -> Json:
    """A quantity in a unit of ERPNext's."""
    return {"value": _exact(quantity), "unit": unit(word)}


def _exact(quantity: object) -> str:
    exact = Decimal(str(quantity)).normalize()
    return decimal_text(exact.quantize(Decimal(1)) if exact == exact.to_integral_value() else exact)


def since_of(bound: datetime | None, settings: Json) -> list[list[Any]]:
    """The filter of what was changed since; a second earlier, as its clock has microseconds at times only."""
    if bound is None:
        return []
    return [["modified", ">=", local(bound - timedelta(seconds=1), settings)]]
