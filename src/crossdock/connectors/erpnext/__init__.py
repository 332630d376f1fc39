"""ERPNext, an ERP on Frappe: orders, deliveries, invoices, credit, by its REST interface."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors.erpnext import credit, deliver, masters, replies, returns, stock, talks
from crossdock.connectors.erpnext.settings import SECRETS, SETTINGS

connector = Connector(
    name="erpnext",
    title="ERPNext",
    version="1",
    doc="ERPNext 15. A Sales Order that is submitted is an order released. Tested against a server written"
    " from what its makers publish, and not yet against one that runs.",
    serves=("erp",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"Authorization": "token {key}:{secret}"}),
    health=talks.health,
    said=replies.said,
    limits=Limits(concurrency=4),
    operations=(
        Operation(name="check_credit", do=talks.check_credit),
        Operation(name="get_order", do=talks.get_order),
        Operation(
            name="release_invoice",
            do=deliver.release_invoice,
            idempotency="natural",
            find=deliver.find_invoice,
            timeout=55.0,
            doc="A Delivery Note for each shipment, with what it carried, and one Sales Invoice of them.",
        ),
        Operation(
            name="credit_invoice",
            do=credit.credit_invoice,
            idempotency="find",
            find=credit.find_credit,
            timeout=55.0,
        ),
        Operation(
            name="create_credit",
            do=credit.create_credit,
            idempotency="find",
            find=credit.find_credit,
            timeout=55.0,
            doc="What came back is taken into stock and credited; an amount goes by a return of the invoice.",
        ),
        Operation(name="list_stock", do=stock.list_stock, timeout=55.0, doc="Batches are not told."),
        Operation(
            name="list_allocations",
            do=stock.list_allocations,
            timeout=55.0,
            doc="What Sales Orders have still to deliver.",
        ),
        Operation(
            name="authorise_return",
            do=returns.authorise_return,
            idempotency="find",
            find=returns.find_return,
            timeout=55.0,
            doc="A draft of a return for each Delivery Note that the goods left with, with our key.",
        ),
        Operation(name="cancel_return", do=returns.cancel_return, idempotency="natural"),
        *(Operation(name=name, do=talk) for name, talk in masters.LISTS.items()),
        Operation(
            name="adjust_stock",
            do=stock.adjust_stock,
            idempotency="find",
            find=stock.find_adjustment,
            timeout=55.0,
            doc="A Stock Entry with our key: goods received or issued.",
        ),
    ),
    events=("order.released", "order.cancelled", "invoice.released", "invoice.paid", "credit.issued"),
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Frappe-Webhook-Signature", encoding="base64"),
        translate=replies.told_by_webhook,
    ),
    polls=(
        Poll(
            name="orders",
            read=talks.orders,
            translate=replies.happened,
            every=30.0,
            doc="Sales Orders that were submitted or cancelled.",
        ),
        Poll(
            name="invoices",
            read=talks.invoices,
            translate=replies.happened,
            every=30.0,
            doc="Sales Invoices that were submitted or paid, and credits.",
        ),
    ),
)
