"""What lies in ERPNext's warehouses, by its bins and batches, and what its orders have still to deliver.

What a count found becomes a Stock Entry with our key in its remarks: goods received without a purchase, or
issued without a sale.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from crossdock.connect.contract import Context, RefusedByPartner
from crossdock.connectors.erpnext import replies, requests
from crossdock.connectors.erpnext.lines import left_of
from crossdock.connectors.erpnext.requests import ENTRY, ORDER
from crossdock.connectors.erpnext.talks import Talking
from crossdock.errors import Refused
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
    batched = yield from _batched({one["item_code"] for one in found})
    rows = []
    for one in found:
        of_it = {"": one["actual_qty"]}
        if one["item_code"] in batched:
            of_it = yield from _lots(one)
        row = {
            "item": one["item_code"],
            "site": settings["sites"].get(one["warehouse"], one["warehouse"]),
            "changed": instant_text(replies.at(one["modified"], settings)),
        }
        rows += [
            {**row, "on_hand": replies.so_much(lies, one["stock_uom"]), **({"lot": lot} if lot else {})}
            for lot, lies in of_it.items()
        ]
    return {"stock": rows, **({"next": found[-1]["name"]} if len(found) == _PAGE else {})}


def _batched(items: set[str]) -> Talking:
    """Those of the items that are kept in batches."""
    if not items:
        return set()
    filters = [["name", "in", sorted(items)], ["has_batch_no", "=", 1]]
    asked = requests.documents("Item", filters, ["name"], most=_PAGE)
    return {one["name"] for one in replies.listed((yield asked))}


def _lots(one: Json) -> Talking:
    """How much of each batch a bin has; all in none where they do not add up, as when some is reserved."""
    told = replies.answer((yield requests.batches(one["item_code"], one["warehouse"])), key="message")
    lots = {str(batch["batch_no"]): Decimal(str(batch["qty"])) for batch in told or () if batch["batch_no"]}
    whole = Decimal(str(one["actual_qty"]))
    lots = {lot: lies for lot, lies in lots.items() if lies}
    return lots if sum(lots.values()) == whole else {"": whole}


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
        for row in replies.goods(order, settings):
            left = left_of(row)
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


def adjust_stock(data: Json, context: Context) -> Talking:
    """A Stock Entry with our key is submitted."""
    found = yield from _ours(context)
    if not found:
        change = Decimal(data["change"]["value"])
        if not data.get("site"):
            raise Refused("it is not said at which site", where="site", mend="give the site of the count")
        names = {ours: name for name, ours in context.settings["sites"].items()}
        warehouse = names.get(data["site"], data["site"])
        item = replies.answer((yield requests.document("Item", data["item"])))
        if replies.unit(item["stock_uom"]) != data["change"]["unit"]:
            raise RefusedByPartner(
                f"ERPNext keeps {data['item']} in {item['stock_uom']}, and the count is in"
                f" {data['change']['unit']}",
                code="unit",
            )
        way = ("Material Receipt", "t_warehouse") if change > 0 else ("Material Issue", "s_warehouse")
        row = {"item_code": data["item"], "qty": abs(change), "uom": item["stock_uom"], way[1]: warehouse}
        if data.get("lot"):
            row |= {"batch_no": data["lot"], "use_serial_batch_fields": 1}
        told = " ".join(filter(None, (data.get("reason"), data.get("adjustment"), f"({context.key})")))
        values = {
            "stock_entry_type": way[0],
            "company": context.settings["company"],
            "remarks": told,
            "items": [row],
        }
        replies.answer((yield requests.create(ENTRY, values)))
        found = yield from _ours(context)
    if found[0]["docstatus"] == 0:
        replies.answer((yield requests.submit(ENTRY, found[0]["name"], found[0]["modified"])))
    return {"adjustment": found[0]["name"]}


def find_adjustment(_: Json, context: Context) -> Talking:
    """The Stock Entry with our key that is submitted."""
    found = yield from _ours(context)
    return {"adjustment": found[0]["name"]} if found and found[0]["docstatus"] == 1 else None


def _ours(context: Context) -> Talking:
    filters = [["remarks", "like", f"%{context.key}%"], ["docstatus", "<", 2]]
    return replies.listed((yield requests.documents(ENTRY, filters, ["name", "docstatus", "modified"])))


def _from(data: Json) -> list[Any]:
    return [["name", ">", data["cursor"]]] if data.get("cursor") else []
