"""What Shopify is asked: the feed of orders, and what was shipped of one.

Shopify knows an order by its id; ours are known by their name, such as #1001, so it is looked up first. A
fulfilment that has the tracking number already is the one that was wanted.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any, TypeAlias

from crossdock.connect.contract import Context, Page, RefusedByPartner, Request, Response, path
from crossdock.connectors._payload import Part
from crossdock.connectors._words import told
from crossdock.connectors.shopify.replies import read_order

Talking: TypeAlias = Generator[Request, Response, Any]
Json = Mapping[str, Any]
_MOST = 250


def health(_: Any, context: Context) -> Talking:
    """It answers and lets us in."""
    yield Request("GET", _admin(context, "shop.json"))


def read_orders(cursor: str, context: Context) -> Generator[Request, Response, Page]:
    """The orders changed since, oldest first; the last of a page comes again with the next."""
    since = cursor or context.settings.get("since", "")
    answer = yield Request(
        "GET",
        _admin(context, "orders.json"),
        query={
            "status": "any",
            "limit": str(_MOST),
            "order": "updated_at asc",
            **({"updated_at_min": since} if since else {}),
        },
    )
    orders = answer.json()["orders"]
    last = orders[-1]["updated_at"] if orders else since
    return Page(records=orders, cursor=last, more=len(orders) >= _MOST)


def get_order(data: Json, context: Context) -> Talking:
    """The order as it is now."""
    return read_order(Part((yield from _order(data["order"], context))), context.settings).order


def fulfil(data: Json, context: Context) -> Talking:
    """Its open fulfilment orders, or those lines of them, are shipped with that number, or were before."""
    order = yield from _order(data["order"], context)
    made = (yield Request("GET", _admin(context, "orders/{id}/fulfillments.json", id=order["id"]))).json()
    for one in made["fulfillments"]:
        if data["tracking_number"] in one["tracking_numbers"] and one["status"] != "cancelled":
            return {"fulfilment": str(one["id"])}
    answer = yield Request("GET", _admin(context, "orders/{id}/fulfillment_orders.json", id=order["id"]))
    parts = _open(answer.json()["fulfillment_orders"], data.get("lines") or [])
    if not parts:
        raise RefusedByPartner(f"nothing of {data['order']} is open to be shipped", code="nothing_open")
    body = {
        "fulfillment": {
            "line_items_by_fulfillment_order": parts,
            "notify_customer": bool(data.get("notify")),
            "tracking_info": told(
                number=data["tracking_number"], company=data.get("carrier"), url=data.get("tracking_url")
            ),
        }
    }
    done = yield Request("POST", _admin(context, "fulfillments.json"), json=body)
    return {"fulfilment": str(done.json()["fulfillment"]["id"])}


def cancel_fulfilment(data: Json, context: Context) -> Talking:
    """It is cancelled; it may have been before."""
    yield Request("POST", _admin(context, "fulfillments/{id}/cancel.json", id=data["fulfilment"]), json={})
    return {}


def _order(name: str, context: Context) -> Talking:
    answer = yield Request(
        "GET", _admin(context, "orders.json"), query={"status": "any", "name": name, "limit": "5"}
    )
    found = [order for order in answer.json()["orders"] if order["name"] == name]
    if len(found) != 1:
        problem = "there is no order" if not found else "there are several orders"
        raise RefusedByPartner(f"{problem} {name} in the shop", code="not_found")
    return found[0]


def _open(orders: list[Json], lines: list[Json]) -> list[Json]:
    """What is open, or of that those lines; a line is named by the number that the order has for it."""
    wanted = {str(line["line"]): line["quantity"]["value"] for line in lines}
    parts: list[Json] = []
    for order in orders:
        items = [item for item in order["line_items"] if item["fulfillable_quantity"] > 0]
        if order["status"] not in ("open", "in_progress") or not items:
            continue
        if not wanted:
            parts.append({"fulfillment_order_id": order["id"]})
            continue
        chosen = [
            {"id": item["id"], "quantity": int(wanted[str(item["line_item_id"])])}
            for item in items
            if str(item["line_item_id"]) in wanted
        ]
        if chosen:
            parts.append({"fulfillment_order_id": order["id"], "fulfillment_order_line_items": chosen})
    return parts


def _admin(context: Context, below: str, **parts: object) -> str:
    return path("/admin/api/{version}/", version=context.settings["version"]) + path(below, **parts)
