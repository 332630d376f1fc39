"""Quayline Express, a parcel carrier: labels and scans. Terse JSON over HTTP, a key, epoch seconds."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook, exchange
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors._carriers import REPORTS
from crossdock.connectors.quayline import replies, requests
from crossdock.connectors.quayline.settings import SECRETS, SETTINGS

connector = Connector(
    name="quayline",
    title="Quayline Express",
    version="1",
    doc="Express parcels. It recognises our key when a label is asked for twice; it has no feed of scans.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"X-Quayline-Key": "{key}"}),
    health=exchange(requests.nothing, replies.nothing),
    limits=Limits(concurrency=8),
    operations=(
        Operation(name="book", do=exchange(requests.book, replies.booked), idempotency="key"),
        Operation(name="void", do=exchange(requests.void, replies.nothing), idempotency="natural"),
        Operation(name="track", do=exchange(requests.track, replies.tracked)),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="timestamped", header="Quayline-Signature"),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
)
