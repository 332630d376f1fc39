"""Oldbridge Freight, a freight carrier: consignments and scans. XML over HTTP, Basic, local times."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook, exchange
from crossdock.connect.sign_in import basic
from crossdock.connect.signatures import Scheme
from crossdock.connectors._carriers import REPORTS
from crossdock.connectors.oldbridge import replies, requests
from crossdock.connectors.oldbridge.settings import SECRETS, SETTINGS

connector = Connector(
    name="oldbridge",
    title="Oldbridge Freight",
    version="1",
    doc="Economy and pallets. It books twice what is asked for twice; it has no feed of scans.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=basic(),
    health=replies.health,
    said=replies.said,
    limits=Limits(concurrency=8),
    operations=(
        Operation(
            name="book",
            do=exchange(requests.book, replies.booked),
            idempotency="find",
            find=replies.find,
        ),
        Operation(name="void", do=replies.void, idempotency="natural"),
        Operation(name="track", do=replies.track),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="X-Oldbridge-Mac", encoding="hex"),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
)
