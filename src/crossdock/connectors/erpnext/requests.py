"""What is asked of ERPNext: documents and methods of Frappe's REST interface. Nothing is sent here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from crossdock.connect.contract import Context, Request, path

Json = Mapping[str, Any]
ORDER, NOTE, INVOICE = "Sales Order", "Delivery Note", "Sales Invoice"
ENTRY = "Stock Entry"
STANDING = ["docstatus", "<", 2]  # neither cancelled nor deleted
BILLED = ["name", "docstatus", "modified", "grand_total", "currency"]
FAILED = (417,)  # Frappe says with it what it does not take, and why
GONE = 404
_MAKE = {
    NOTE: "erpnext.selling.doctype.sales_order.sales_order.make_delivery_note",
    INVOICE: "erpnext.stock.doctype.delivery_note.delivery_note.make_sales_invoice",
    "credit": "erpnext.accounts.doctype.sales_invoice.sales_invoice.make_sales_return",
    "return": "erpnext.stock.doctype.delivery_note.delivery_note.make_sales_return",
}


def document(doctype: str, name: object) -> Request:
    """One document with its rows."""
    return Request("GET", _resource(doctype, name), accept=FAILED)


def documents(
    doctype: str, filters: list[Any], fields: list[str], *, order: str = "creation asc", most: int = 100
) -> Request:
    """Documents that fit, without their rows."""
    query = {
        "filters": json.dumps(filters),
        "fields": json.dumps(fields),
        "order_by": order,
        "limit_page_length": str(most),
    }
    return Request("GET", _resource(doctype), query=query, accept=FAILED)


def perhaps(doctype: str, name: object) -> Request:
    """One document with its rows, which may not be there: then the answer is `GONE`."""
    return Request("GET", _resource(doctype, name), accept=(*FAILED, GONE))


def delete(doctype: str, name: object) -> Request:
    """A draft is taken away; it may be gone already."""
    return Request("DELETE", _resource(doctype, name), accept=(*FAILED, GONE))


def create(doctype: str, values: Json) -> Request:
    """A draft."""
    return Request("POST", _resource(doctype), json=dict(values), accept=FAILED)


def submit(doctype: str, name: str, modified: object) -> Request:
    """The draft becomes final, where it is still what was seen; see `modified`."""
    body = {"docstatus": 1, "modified": modified}
    return Request("PUT", _resource(doctype, name), json=body, accept=FAILED)


def derived(what: str, source: str, target: Json | None = None) -> Request:
    """A draft as ERPNext derives it from another document, not kept yet; `target` is one to add to."""
    body = {"source_name": source, **({"target_doc": target} if target else {})}
    return Request("POST", f"/api/method/{_MAKE[what]}", json=body, changes=False, accept=FAILED)


def balance(customer: str, context: Context) -> Request:
    """What a customer owes by the books, in the company's currency; in a query a false would be true."""
    company = context.settings["company"]
    body = {"party_type": "Customer", "party": customer, "company": company, "in_account_currency": False}
    method = "/api/method/erpnext.accounts.utils.get_balance_on"
    return Request("POST", method, json=body, changes=False, accept=FAILED)


def batches(item: str, warehouse: str) -> Request:
    """How much of each batch of an item a warehouse has, also of those that have expired."""
    method = "erpnext.stock.doctype.batch.batch.get_batch_qty"
    query = {"item_code": item, "warehouse": warehouse, "for_stock_levels": "1"}
    return Request("GET", f"/api/method/{method}", query=query, accept=FAILED)


def who() -> Request:
    """Whom it takes us for."""
    return Request("GET", "/api/method/frappe.auth.get_logged_user")


def _resource(doctype: str, name: object = "") -> str:
    if name:
        return path("/api/resource/{doctype}/{name}", doctype=doctype, name=name)
    return path("/api/resource/{doctype}", doctype=doctype)
