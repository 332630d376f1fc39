"""What WooCommerce is asked: the feed of orders, and what was shipped of one.

WooCommerce has no fulfilments. What was shipped is a note to the customer that names the tracking number,
by which it is found again, and the order is completed where all of it was shipped.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, Page, RefusedByPartner, Request, Response, path
from crossdock.connectors._payload import Part
from crossdock.connectors.woocommerce.replies import read_order
from crossdock.errors import UnknownOutcome

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]
_MOST = 100
_ORDERS = "/wp-json/wc/v3/orders"


def health(_: Any, __: Context) -> Talking:
    """It answers and lets us in."""
    yield Request("GET", _ORDERS, query={"per_page": "1"})


def read_orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """The orders changed since, oldest first; the last of a page comes again with the next."""
    since = cursor or context.settings.get("since", "")
    answer = yield Request(
        "GET",
        _ORDERS,
        query={
            "per_page": str(_MOST),
            "orderby": "modified",
            "order": "asc",
            "dates_are_gmt": "true",
            **({"modified_after": since} if since else {}),
        },
    )
    orders = answer.json()
    last = orders[-1]["date_modified_gmt"] if orders else since
    return Page(records=orders, cursor=last, more=len(orders) >= _MOST)


def get_order(data: Json, context: Context) -> Talking:
    """The order as it is now."""
    return read_order(Part((yield from _order(data["order"]))), context.settings).order


def fulfil(data: Json, _: Context) -> Talking:
    """The customer, or else the shop alone, is told the number; without `lines` the order is completed.

    What another try has half done is gone on with: nobody is told twice.
    """
    order = yield from _order(data["order"])
    note = yield from _note(order, data)
    if note is None:
        link = f" {data['tracking_url']}" if data.get("tracking_url") else ""
        by = f" by {data['carrier']}" if data.get("carrier") else ""
        made = yield Request(
            "POST",
            path(_ORDERS + "/{id}/notes", id=order["id"]),
            json={
                "note": f"Shipped{by}, {_named(data)}{link}",
                "customer_note": bool(data.get("notify")),
            },
        )
        note = made.json()["id"]
    if not data.get("lines") and order["status"] != "completed":
        done = yield Request("PUT", path(_ORDERS + "/{id}", id=order["id"]), json={"status": "completed"})
        if done.json()["status"] != "completed":
            raise UnknownOutcome(f"order {data['order']} was to be completed, and is not")
    return {"fulfilment": f"{order['id']}/{note}"}


def _note(order: Json, data: Json) -> Talking:
    notes = (yield Request("GET", path(_ORDERS + "/{id}/notes", id=order["id"]))).json()
    return next((note["id"] for note in notes if _named(data) in note["note"]), None)


def _named(data: Json) -> str:
    return f"tracking number {data['tracking_number']}."


def cancel_fulfilment(data: Json, _: Context) -> Talking:
    """The note is taken back and the order is in process again."""
    order, _slash, note = data["fulfilment"].partition("/")
    answer = yield Request(
        "DELETE",
        path(_ORDERS + "/{id}/notes/{note}", id=order, note=note),
        query={"force": "true"},
        accept=(404,),
    )
    if answer.status not in (200, 404):
        raise RefusedByPartner(f"the note was not deleted: {answer.status}")
    yield Request("PUT", path(_ORDERS + "/{id}", id=order), json={"status": "processing"})
    return {}


def _order(number: str) -> Talking:
    """The order of that number: its id, unless a plug-in counts otherwise."""
    if number.isdecimal():
        answer = yield Request("GET", path(_ORDERS + "/{id}", id=number), accept=(404,))
        if answer.status == 200 and str(answer.json()["number"]) == number:
            return answer.json()
    found = (yield Request("GET", _ORDERS, query={"search": number, "per_page": "20"})).json()
    for order in found:
        if str(order["number"]) == number:
            return order
    raise RefusedByPartner(f"there is no order {number} in the shop", code="not_found")
