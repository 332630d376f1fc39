"""What lies in ERPNext's warehouses by its bins of stock, and what its orders have still to deliver."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.requests import ORDER
from crossdock.connectors.erpnext.talks import Talking
from crossdock.model.codes import instant_text

Json = Mapping[str, Any]

_PAGE = 200
_ORDERS = 50  # each is read with its rows
_MOST = 1000  # warehouses of a company
_BIN = ["name", "item_code", "warehouse", "actual_qty", "stock_uom", "modified"]


def list_stock(data: Json, context: Context) -> Talking:
    """A page of Bins of the company's warehouses: what one has of one item."""
    settings = context.settings
    company = [["company", "=", settings["company"]], ["is_group", "=", 0]]
    asked = requests.documents("Warehouse", company, ["name"], order="name asc", most=_MOST)
    warehouses = [one["name"] for one in replies.listed((yield asked))]
    filters: list[Any] = [["warehouse", "in", warehouses], ["actual_qty", "!=", 0]]
    filters += _from(data)
    if data.get("items"):
        filters.append(["item_code", "in", list(data["items"])])
    found = replies.listed((yield requests.documents("Bin", filters, _BIN, order="name asc", most=_PAGE)))
    rows = [
        {
            "item": one["item_code"],
            "site": settings["sites"].get(one["warehouse"], one["warehouse"]),
            "on_hand": replies.so_much(one["actual_qty"], one["stock_uom"]),
            "changed": instant_text(replies.at(one["modified"], settings)),
        }
        for one in found
    ]
    return {"stock": rows, **({"next": found[-1]["name"]} if len(found) == _PAGE else {})}


def list_allocations(data: Json, context: Context) -> Talking:
    """A page of Sales Orders that are not delivered: of each row, what is open."""
    settings, items = context.settings, set(data.get("items") or ())
    filters: list[Any] = [
        ["company", "=", settings["company"]],
        ["docstatus", "=", 1],
        ["status", "in", ["To Deliver and Bill", "To Deliver"]],
        *_from(data),
    ]
    names = [
        one["name"]
        for one in replies.listed(
            (yield requests.documents(ORDER, filters, ["name"], order="name asc", most=_ORDERS))
        )
    ]
    rows = []
    for name in names:
        order = replies.answer((yield requests.document(ORDER, name)))
        for row in order["items"]:
            left = Decimal(str(row["qty"])) - Decimal(str(row.get("delivered_qty") or 0))
            if left <= 0 or (items and row["item_code"] not in items):
                continue
            warehouse = row.get("warehouse") or order.get("set_warehouse")
            site = settings["sites"].get(warehouse, warehouse)
            rows.append(
                {
                    "order": name,
                    "item": row["item_code"],
                    "quantity": replies.so_much(left, row.get("uom")),
                    "changed": instant_text(replies.at(order["modified"], settings)),
                    **({"site": site} if site else {}),
                }
            )
    return {"allocations": rows, **({"next": names[-1]} if len(names) == _ORDERS else {})}


def _from(data: Json) -> list[Any]:
    return [["name", ">", data["cursor"]]] if data.get("cursor") else []
