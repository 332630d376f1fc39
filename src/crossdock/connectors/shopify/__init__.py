"""Shopify: orders in, fulfilment and tracking out. Admin API, JSON over HTTP, a token in the header."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors._shops import ORDER_EVENTS
from crossdock.connectors.shopify import replies, talks
from crossdock.connectors.shopify.settings import SECRETS, SETTINGS

connector = Connector(
    name="shopify",
    title="Shopify",
    version="1",
    doc="Orders by webhook and feed. What was shipped twice is found by its tracking number.",
    serves=("shop",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"X-Shopify-Access-Token": "{token}"}),
    health=talks.health,
    limits=Limits(rate=2),
    operations=(
        Operation(name="get_order", do=talks.get_order),
        Operation(name="fulfil", do=talks.fulfil, idempotency="natural"),
        Operation(name="cancel_fulfilment", do=talks.cancel_fulfilment, idempotency="natural"),
    ),
    events=(*ORDER_EVENTS, "refund.paid"),
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Shopify-Hmac-SHA256"),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
    polls=(
        Poll(
            name="orders",
            read=talks.read_orders,
            translate=replies.told_by_feed,
            doc="All orders that were changed.",
        ),
    ),
)
