"""Tryton, the ERP: sales, shipments, invoices, returns and complaints, by JSON-RPC over HTTP."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll
from crossdock.connectors.tryton import credit, deliver, feeds, masters, replies, stock, talks
from crossdock.connectors.tryton.settings import SECRETS, SETTINGS

connector = Connector(
    name="tryton",
    title="Tryton",
    version="1",
    doc="Tryton 8. A sale that is processed is an order released. It tells nothing by itself, so its changes"
    " are read. Tested against a Tryton that runs.",
    serves=("erp",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=talks.sign_in,
    health=talks.health,
    limits=Limits(concurrency=4),  # its server works on one thing at a time
    busy=frozenset({503}),  # a lock that another call holds for a moment; all was rolled back
    operations=(
        Operation(name="check_credit", do=talks.check_credit),
        Operation(name="get_order", do=talks.get_order),
        Operation(
            name="release_invoice",
            do=deliver.release_invoice,
            idempotency="natural",
            find=deliver.find_invoice,
            timeout=55.0,
            doc="Its shipments, cut to what was delivered, are done, and the invoice is posted; the rest"
            " is its back-order.",
        ),
        Operation(
            name="credit_invoice",
            do=credit.credit_invoice,
            idempotency="find",
            find=credit.find_credit,
            timeout=55.0,
            doc="A complaint about the invoice with our reference, approved, and its credit note posted.",
        ),
        Operation(
            name="create_credit",
            do=credit.create_credit,
            idempotency="find",
            find=credit.find_credit,
            timeout=55.0,
            doc="A return is confirmed, received and its credit note posted; an amount goes by a complaint.",
        ),
        Operation(
            name="authorise_return",
            do=credit.authorise_return,
            idempotency="find",
            find=credit.find_return,
            timeout=55.0,
            doc="A sale of the returned quantities with our reference, as a quotation.",
        ),
        Operation(name="cancel_return", do=credit.cancel_return, idempotency="natural"),
        Operation(
            name="list_stock",
            do=stock.list_stock,
            timeout=55.0,
            doc="All that is in a warehouse: what came in, what is stored, what is picked and has not left."
            " Lots are not told.",
        ),
        Operation(
            name="list_allocations",
            do=stock.list_allocations,
            timeout=55.0,
            doc="What shipments to customers have still to carry.",
        ),
        Operation(
            name="adjust_stock",
            do=stock.adjust_stock,
            idempotency="find",
            find=stock.find_adjustment,
            timeout=55.0,
            doc="An internal shipment with our reference, between the store and what is lost and found.",
        ),
        *(Operation(name=name, do=talk) for name, talk in masters.LISTS.items()),
    ),
    events=(
        "order.released",
        "order.cancelled",
        "invoice.released",
        "invoice.paid",
        "credit.issued",
        "return.authorised",
    ),
    polls=(
        Poll(
            name="orders",
            read=feeds.orders,
            translate=replies.sale_happened,
            every=15.0,
            doc="Sales that were processed or whose shipments were cancelled, and returns.",
        ),
        Poll(
            name="invoices",
            read=feeds.invoices,
            translate=replies.invoice_happened,
            every=15.0,
            doc="Invoices and credit notes that were posted, and invoices that were paid.",
        ),
    ),
)
