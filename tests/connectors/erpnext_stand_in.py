"""As much of ERPNext as its connector meets, written from what its makers publish.

Frappe framework, "REST API" (resources, filters, methods, token authentication) and "Webhooks" (signature);
ERPNext's documents and their whitelisted methods. Totals have no tax here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

KEY, SECRET = "key-1234", "secret-5678"
_MAKE = {
    "sales_order.make_delivery_note": ("Sales Order", "Delivery Note"),
    "delivery_note.make_sales_invoice": ("Delivery Note", "Sales Invoice"),
    "delivery_note.make_sales_return": ("Delivery Note", "Delivery Note"),
    "sales_invoice.make_sales_return": ("Sales Invoice", "Sales Invoice"),
}


class ErpNext:
    """Documents by type and name; `trouble` is what happens to the next change, before or after it is done.

    `reading` is what a list meets.
    """

    def __init__(self) -> None:
        self.documents: dict[str, dict[str, dict[str, Any]]] = {}
        self.numbers = itertools.count(1)
        self.now = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - local, as it keeps times
        self.stock = 100.0
        self.batches: dict[tuple[str, str], dict[str, float]] = {}  # by item and warehouse
        self.trouble: Callable[[str], web.Response | None] | None = None
        self.reading: Callable[[str], web.Response | None] = lambda _: None
        self.asked: list[str] = []

    def keep(self, doctype: str, name: str, **values: Any) -> dict[str, Any]:
        self.now += timedelta(seconds=1)
        document = {"docstatus": 0, **values, "doctype": doctype, "name": name, "modified": str(self.now)}
        self.documents.setdefault(doctype, {})[name] = document
        return document

    def again(self, document: dict[str, Any], **changed: Any) -> dict[str, Any]:
        """The same document, changed."""
        own = {k: v for k, v in document.items() if k not in ("name", "doctype", "modified")}
        return self.keep(document["doctype"], document["name"], **{**own, **changed})

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._let_in])
        app.router.add_get("/api/method/{method}", self._method)
        app.router.add_post("/api/method/{method}", self._method)
        app.router.add_get("/api/resource/{doctype}", self._list)
        app.router.add_post("/api/resource/{doctype}", self._create)
        app.router.add_get("/api/resource/{doctype}/{name}", self._get)
        app.router.add_put("/api/resource/{doctype}/{name}", self._put)
        app.router.add_delete("/api/resource/{doctype}/{name}", self._delete)
        return app

    @web.middleware
    async def _let_in(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.headers.get("Authorization") != f"token {KEY}:{SECRET}":
            return web.json_response({"exc_type": "AuthenticationError"}, status=401)
        self.asked.append(f"{request.method} {request.path}")
        return await handler(request)

    def _no(self, kind: str, message: str, status: int = 417) -> web.Response:
        shown = json.dumps([json.dumps({"message": message})])
        return web.json_response({"exc_type": kind, "_server_messages": shown}, status=status)

    async def _get(self, request: web.Request) -> web.Response:
        doctype, name = request.match_info["doctype"], request.match_info["name"]
        document = self.documents.get(doctype, {}).get(name)
        if document is None:
            return self._no("DoesNotExistError", f"{doctype} {name} not found", 404)
        if doctype == "Sales Order":
            rows = [{**row, "delivered_qty": self._delivered(row["name"])} for row in document["items"]]
            document = {**document, "items": rows}
        return web.json_response({"data": document})

    async def _list(self, request: web.Request) -> web.Response:
        doctype, filters = request.match_info["doctype"], json.loads(request.query["filters"])
        if answer := self.reading(doctype):
            return answer
        fields, order = json.loads(request.query["fields"]), request.query["order_by"].split(",")
        found = [
            one for one in self.documents.get(doctype, {}).values() if all(_fits(one, f) for f in filters)
        ]
        for part in reversed(order):
            found.sort(key=_by(part.split()[0]))
        most = int(request.query["limit_page_length"])
        return web.json_response({"data": [{f: one.get(f) for f in fields} for one in found[:most]]})

    async def _create(self, request: web.Request) -> web.Response:
        doctype = request.match_info["doctype"]
        if self.trouble and (answer := self.trouble(f"create {doctype}")):
            return answer
        values = {k: v for k, v in (await request.json()).items() if k not in ("name", "doctype", "modified")}
        if (answer := self._disabled(values)) is not None:
            return answer
        number = next(self.numbers)
        rows = [{**row, "name": f"r{number}-{n}"} for n, row in enumerate(values["items"], 1)]
        for row in rows:
            row["amount"] = round(row["qty"] * row.get("rate", 0), 2)
            if doctype == "Sales Invoice" and not row.get("item_code") and not row.get("income_account"):
                return self._no("MandatoryError", "Income Account is mandatory")
        total = round(sum(row["amount"] for row in rows), 2)
        document = self.keep(doctype, f"{doctype[:2].upper()}-{number}", **values | {"items": rows})
        document["grand_total"] = total
        if self.trouble and (answer := self.trouble(f"created {doctype}")):
            return answer
        return web.json_response({"data": document})

    def _disabled(self, values: dict[str, Any]) -> web.Response | None:
        """Nothing new is made of a customer or an item that is disabled."""
        named = [("Customer", values.get("customer"), "PartyDisabled")]
        named += [("Item", row.get("item_code"), "ValidationError") for row in values["items"]]
        for doctype, name, kind in named:
            if self.documents.get(doctype, {}).get(name or "", {}).get("disabled"):
                return self._no(kind, f"{doctype} {name} is disabled")
        return None

    async def _put(self, request: web.Request) -> web.Response:
        doctype, name = request.match_info["doctype"], request.match_info["name"]
        if self.trouble and (answer := self.trouble(f"submit {doctype}")):
            return answer
        document, values = self.documents[doctype][name], await request.json()
        if values.get("modified") != document["modified"]:
            return self._no("TimestampMismatchError", "Document has been modified after you have opened it")
        if doctype == "Delivery Note":
            if below := [row for row in document["items"] if row["qty"] < 0 and not document["is_return"]]:
                words = f"For an item {below[0]['item_code']}, quantity must be positive number"
                return self._no("ValidationError", words)
            needed = sum(row["qty"] for row in document["items"])
            if needed > self.stock:
                return self._no("NegativeStockError", f"{needed - self.stock} units needed")
            self.stock -= needed
        if (answer := self._over_returned(document)) is not None:
            return answer
        document = self.again(document, docstatus=1)
        return web.json_response({"data": document})

    def _over_returned(self, document: dict[str, Any]) -> web.Response | None:
        """A return may not bring back more of an item than its source has, without what came back before."""
        against = self.documents.get(document["doctype"], {}).get(document.get("return_against") or "")
        if against is None:
            return None
        for item in {row.get("item_code") for row in document["items"]} - {None}:
            was = sum(row["qty"] for row in against["items"] if row["item_code"] == item)
            before = self._returned(document["doctype"], against["name"], item)
            now = -sum(row["qty"] for row in document["items"] if row.get("item_code") == item)
            if now > was - before:
                words = f"Cannot return more than {was - before} for Item {item}"
                return self._no("StockOverReturnError", words)
        return None

    def _returned(self, doctype: str, against: str, item: str) -> float:
        notes = [
            one
            for one in self.documents[doctype].values()
            if one.get("return_against") == against and one["docstatus"] == 1
        ]
        return -sum(row["qty"] for note in notes for row in note["items"] if row.get("item_code") == item)

    async def _delete(self, request: web.Request) -> web.Response:
        doctype, name = request.match_info["doctype"], request.match_info["name"]
        if self.trouble and (answer := self.trouble(f"delete {doctype}")):
            return answer
        if self.documents.get(doctype, {}).pop(name, None) is None:
            return self._no("DoesNotExistError", f"{doctype} {name} not found", 404)
        return web.json_response({"message": "ok"}, status=202)

    async def _method(self, request: web.Request) -> web.Response:
        method = ".".join(request.match_info["method"].split(".")[-2:])
        if method == "auth.get_logged_user":
            return web.json_response({"message": "integration@example.com"})
        if method == "utils.get_balance_on":
            asked = {"in_account_currency": True, **request.query}
            if request.can_read_body:
                asked |= await request.json()
            owed = [
                round(one["grand_total"] * (1 if asked["in_account_currency"] else one["conversion_rate"]), 2)
                for one in self.documents.get("Sales Invoice", {}).values()
                if one["docstatus"] == 1 and one["customer"] == asked["party"]
            ]
            return web.json_response({"message": sum(owed)})
        if method == "batch.get_batch_qty":
            item, warehouse = request.query["item_code"], request.query["warehouse"]
            lies = self.batches.get((item, warehouse), {})
            return web.json_response({"message": [{"batch_no": n, "qty": q} for n, q in lies.items()]})
        body = await request.json()
        return web.json_response({"message": self._make(method, body)})

    def _make(self, method: str, body: dict[str, Any]) -> dict[str, Any]:
        of, to = _MAKE[method]
        source = deepcopy(self.documents[of][body["source_name"]])
        kept = {name: source[name] for name in ("customer", "company", "currency")}
        kept["conversion_rate"] = source.get("conversion_rate", 1)
        kept["is_return"] = source.get("is_return", 0)  # what came back is billed as a credit
        target = body.get("target_doc") or {
            **kept,
            "doctype": to,
            "docstatus": 0,
            "items": [],
        }
        back = method.endswith(".make_sales_return")
        if back:
            target |= {"is_return": 1, "return_against": source["name"]}
        for row in source["items"]:
            rest = row["qty"]
            if of == "Sales Order":
                rest -= self._delivered(row["name"])
            elif back:
                rest -= self._returned(of, source["name"], row["item_code"])
            if row.get("delivered_by_supplier") or not rest or (rest < 0) != bool(kept["is_return"]):
                continue
            order = (
                source["name"]
                if of == "Sales Order"
                else row.get("sales_order") or row["against_sales_order"]
            )
            links = {
                "so_detail": row["name"] if of == "Sales Order" else row["so_detail"],
                "against_sales_order": order,
                "sales_order": order,
                "delivery_note": source["name"] if of == "Delivery Note" else row.get("delivery_note"),
            }
            known = ("item_code", "item_group", "rate", "uom", "income_account")
            new = {name: row[name] for name in known if name in row}
            target["items"].append({**new, **links, "qty": -rest if back else rest})
        return target

    def _delivered(self, line: str) -> float:
        """So much of a line was delivered, and is not back."""
        notes = [one for one in self.documents.get("Delivery Note", {}).values() if one["docstatus"] == 1]
        return sum(row["qty"] for note in notes for row in note["items"] if row["so_detail"] == line)


class Northway:
    """A company in it: a customer, and orders of two items."""

    erp: ErpNext

    def begin(self) -> None:
        limits = [{"company": "Northway", "credit_limit": 500.0}]
        self.erp.keep("Customer", "C1", credit_limits=limits)
        self.erp.keep("Company", "Northway", default_currency="USD")

    def order(self, name: str = "SO-1", **values: Any) -> Any:
        rows = [
            {
                "name": f"{name}a",
                "item_code": "KIT-30",
                "qty": 10.0,
                "rate": 12.5,
                "amount": 125.0,
                "uom": "Nos",
            },
            {"name": f"{name}b", "item_code": "BOX-1", "qty": 4.0, "rate": 3.0, "amount": 12.0, "uom": "Box"},
        ]
        rows = [{**row, "item_group": "Products", "income_account": "Sales - N"} for row in rows]
        header = {"company": "Northway", "customer": "C1", "customer_name": "Clinic", "currency": "USD"}
        worth = {
            "grand_total": 137.0,
            "base_grand_total": 137.0,
            "per_billed": 0,
            "delivery_date": "2026-03-09",
        }
        more = {
            "set_warehouse": "Stores - N",
            "owner": "jo@example.com",
            "po_no": "PO 77",
            "status": "To Deliver",
        }
        return self.erp.keep(
            "Sales Order", name, **{**header, **worth, **more, "items": rows, "docstatus": 1, **values}
        )

    def standing(self, doctype: str) -> list[int]:
        return [one["docstatus"] for one in self.erp.documents.get(doctype, {}).values()]


def _by(field: str) -> Callable[[dict[str, Any]], str]:
    return lambda document: str(document.get(field, ""))


def _fits(document: dict[str, Any], given: list[Any]) -> bool:
    if len(given) == 4:  # of a row
        return any(_fits(row, given[1:]) for row in document["items"])
    field, operator, wanted = given
    value = document.get(field)
    match operator:
        case "=":
            return value == wanted or (not value and not wanted)
        case "!=":
            return value != wanted
        case "<":
            return (value or 0) < wanted
        case ">":
            return (value or 0) > wanted
        case ">=":
            return str(value) >= str(wanted)
        case "in":
            return value in wanted
        case "not in":
            return value not in wanted
        case "like":
            return str(wanted).strip("%") in str(value or "")
    raise ValueError(operator)
