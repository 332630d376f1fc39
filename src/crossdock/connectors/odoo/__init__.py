"""Odoo, an ERP: orders, transfers, invoices, credit, by JSON-2 or JSON-RPC."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.connectors.odoo import counts, credit, deliver, masters, replies, returns, stock, talks
from crossdock.connectors.odoo.settings import SECRETS, SETTINGS

connector = Connector(
    name="odoo",
    title="Odoo",
    version="1",
    doc="Odoo 17 and later. An order that is confirmed is released. Its webhooks are not signed, so they are"
    " hints: its feeds are read at once. Tested against a server written from what its makers publish,"
    " not yet against one that runs.",
    serves=("erp",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=talks.sign_in,
    health=talks.health,
    said=replies.said,
    limits=Limits(concurrency=4),
    operations=(
        Operation(name="check_credit", do=talks.check_credit),
        Operation(name="get_order", do=talks.get_order),
        Operation(
            name="release_invoice",
            do=deliver.release_invoice,
            idempotency="find",
            find=deliver.find_invoice,
            timeout=55.0,
            doc="A transfer for each shipment, with what it carried, and one invoice of what was delivered.",
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
            doc="What came back is taken into stock and credited; an amount goes by a reversal.",
        ),
        Operation(name="list_stock", do=stock.list_stock, timeout=55.0, doc="By bin and lot."),
        Operation(
            name="list_allocations",
            do=stock.list_allocations,
            timeout=55.0,
            doc="What outgoing transfers of orders have still to carry.",
        ),
        Operation(
            name="adjust_stock",
            do=counts.adjust_stock,
            idempotency="find",
            find=counts.find_adjustment,
            timeout=55.0,
            doc="An inventory move with our key. Its user needs Odoo's right of an inventory administrator.",
        ),
        Operation(
            name="authorise_return",
            do=returns.authorise_return,
            idempotency="find",
            find=returns.find_return,
            timeout=55.0,
            doc="A transfer back for each transfer that the goods left with, with our key.",
        ),
        Operation(name="cancel_return", do=returns.cancel_return, idempotency="natural"),
        *(Operation(name=name, do=talk) for name, talk in masters.LISTS.items()),
    ),
    events=("order.released", "order.cancelled", "invoice.released", "invoice.paid", "credit.issued"),
    webhook=Webhook(signature=Scheme(kind="shared", query="key"), translate=replies.hinted, hints=True),
    polls=(
        Poll(
            name="orders",
            read=talks.orders,
            translate=replies.order_happened,
            every=30.0,
            doc="Orders that were confirmed or cancelled.",
        ),
        Poll(
            name="invoices",
            read=talks.moves,
            translate=replies.move_happened,
            every=30.0,
            doc="Invoices that were posted or paid, and credits.",
        ),
    ),
)
