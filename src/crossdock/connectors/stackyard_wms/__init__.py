"""Stackyard WMS: stock, picks, packed shipments, returns. JSON over HTTP; two headers let us in."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook, exchange
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors.stackyard_wms import replies, requests
from crossdock.connectors.stackyard_wms.settings import SECRETS, SETTINGS

connector = Connector(
    name="stackyard_wms",
    title="Stackyard WMS",
    version="1",
    doc="The warehouse promises stock and counts it, picks and packs orders, in parts where it must, "
    "and takes returns in.",
    serves=("wms",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"X-Stackyard-Client": "{client}", "X-Stackyard-Secret": "{secret}"}),
    health=replies.health,
    limits=Limits(concurrency=16),
    operations=(
        Operation(name="stock", do=replies.stock),
        Operation(
            name="list_stock",
            do=exchange(requests.list_stock, replies.listed_stock),
            doc="What was never counted is not among it.",
        ),
        Operation(
            name="list_allocations", do=exchange(requests.list_allocations, replies.listed_allocations)
        ),
        Operation(
            name="allocate",
            do=replies.allocate,
            idempotency="key",
            find=exchange(requests.find_allocation, replies.found_allocation),
            doc="A second one with our reference is refused with the id of the first, which is looked up.",
        ),
        Operation(
            name="deallocate", do=exchange(requests.deallocate, replies.nothing), idempotency="natural"
        ),
        Operation(
            name="confirm_shipment",
            do=exchange(requests.confirm_shipment, replies.nothing),
            idempotency="natural",
        ),
        Operation(
            name="count_stock", do=exchange(requests.count_stock, replies.nothing), idempotency="natural"
        ),
        Operation(
            name="create_pick",
            do=exchange(requests.create_pick, replies.pick),
            idempotency="key",
            find=exchange(requests.find_pick, replies.found_pick),
            doc="A second one with our reference is refused with the id of the first, which is the answer.",
        ),
        Operation(
            name="cancel_pick", do=exchange(requests.cancel_pick, replies.nothing), idempotency="natural"
        ),
        Operation(
            name="expect_return",
            do=replies.expect_return,
            idempotency="key",
            find=exchange(requests.find_receipt, replies.found_receipt),
        ),
        Operation(name="cancel_receipt", do=replies.cancel_receipt, idempotency="natural"),
    ),
    events=(
        "warehouse.pick_started",
        "warehouse.pick_short",
        "warehouse.shipment_packed",
        "shipment.shipped",
        "stock.adjusted",
        "stock.short",
        "return.received",
        "return.inspected",
    ),
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Stackyard-Hmac", encoding="base64"),
        translate=replies.told_by_webhook,
        delivery_id=lambda notice: notice.headers.get("x-stackyard-message-id", ""),
    ),
    polls=(
        Poll(
            name="events",
            read=replies.read_events,
            translate=replies.told_by_feed,
            doc="All that the warehouse reports.",
        ),
    ),
)
