"""Northway ERP: orders, credit, invoices, returns. JSON over HTTP; sessions; errors with HTTP 200."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook, exchange
from crossdock.connect.signatures import Scheme
from crossdock.connectors.northway_erp import replies, requests, talks
from crossdock.connectors.northway_erp.settings import SECRETS, SETTINGS

connector = Connector(
    name="northway_erp",
    title="Northway ERP",
    version="1",
    doc="Orders are released, changed and cancelled there; credit is kept, invoices are posted there.",
    serves=("erp",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=talks.sign_in,
    health=talks.health,
    limits=Limits(concurrency=16),
    operations=(
        Operation(name="check_credit", do=exchange(requests.check_credit, replies.credit)),
        Operation(name="get_order", do=exchange(requests.order, replies.order)),
        Operation(
            name="release_invoice",
            do=talks.release_invoice,
            idempotency="find",
            find=talks.find_invoice,
            doc="A draft with our reference, then posted. It bills the whole order.",
        ),
        Operation(name="credit_invoice", do=talks.credit_invoice, idempotency="find", find=talks.find_credit),
        Operation(name="create_credit", do=talks.create_credit, idempotency="find", find=talks.find_credit),
        Operation(
            name="authorise_return",
            do=exchange(requests.authorise_return, replies.authorised),
            idempotency="find",
            find=talks.find_return,
        ),
        Operation(name="list_stock", do=exchange(requests.list_stock, replies.stock)),
        Operation(name="list_allocations", do=exchange(requests.list_reservations, replies.reservations)),
        Operation(
            name="adjust_stock",
            do=exchange(requests.adjust_stock, replies.adjusted),
            idempotency="find",
            find=exchange(requests.adjustments, replies.found_adjustment),
        ),
        Operation(name="cancel_return", do=talks.cancel_return, idempotency="natural"),
    ),
    events=(
        "order.released",
        "order.changed",
        "order.cancelled",
        "invoice.released",
        "invoice.paid",
        "credit.issued",
        "return.authorised",
    ),
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Northway-Signature", prefix="sha256=", encoding="hex"),
        translate=replies.told_by_webhook,
        delivery_id=lambda notice: notice.headers.get("x-northway-delivery", ""),
    ),
    polls=(
        Poll(
            name="changes",
            read=talks.changes,
            translate=replies.told_by_feed,
            doc="Orders, invoices and returns that changed.",
        ),
    ),
)
