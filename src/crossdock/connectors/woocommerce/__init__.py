"""WooCommerce: orders in, tracking out. REST API v3, JSON over HTTP, HTTP Basic."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook
from crossdock.connect.sign_in import basic
from crossdock.connect.signatures import Scheme
from crossdock.connectors._shops import ORDER_EVENTS
from crossdock.connectors.woocommerce import replies, talks
from crossdock.connectors.woocommerce.settings import SECRETS, SETTINGS

connector = Connector(
    name="woocommerce",
    title="WooCommerce",
    version="1",
    doc="Orders by webhook and feed. It has no fulfilments: what was shipped is a note, and found by it.",
    serves=("shop",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=basic("key", "secret"),
    health=talks.health,
    limits=Limits(concurrency=4),
    operations=(
        Operation(name="get_order", do=talks.get_order),
        Operation(name="fulfil", do=talks.fulfil, idempotency="natural"),
        Operation(name="cancel_fulfilment", do=talks.cancel_fulfilment, idempotency="natural"),
    ),
    events=ORDER_EVENTS,
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-WC-Webhook-Signature"),
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
