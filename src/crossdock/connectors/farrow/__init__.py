"""Farrow Parcel, a parcel carrier: consignments and their events. Nested JSON over HTTP, OAuth 2."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook, exchange
from crossdock.connect.sign_in import client_credentials
from crossdock.connect.signatures import Scheme
from crossdock.connectors._carriers import REPORTS
from crossdock.connectors.farrow import replies, requests
from crossdock.connectors.farrow.settings import SECRETS, SETTINGS

connector = Connector(
    name="farrow",
    title="Farrow Parcel",
    version="1",
    doc="Parcels in two days. It books twice what is asked for twice, so it is searched by our reference.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=client_credentials("/oauth/token"),
    health=replies.health,
    limits=Limits(concurrency=8),
    operations=(
        Operation(
            name="book",
            do=exchange(requests.book, replies.booked),
            idempotency="find",
            find=replies.find,
        ),
        Operation(name="void", do=replies.void, idempotency="natural"),
        Operation(name="track", do=exchange(requests.track, replies.tracked)),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="standard"),
        translate=replies.told_by_webhook,
        delivery_id=lambda notice: notice.headers.get("webhook-id", ""),
    ),
    polls=(
        Poll(
            name="events",
            read=replies.read_events,
            translate=replies.told_by_feed,
            doc="All events of all consignments.",
        ),
    ),
)
