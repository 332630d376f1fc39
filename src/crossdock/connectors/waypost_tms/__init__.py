"""Waypost TMS: rates of all carriers, and their answers to tenders. JSON over HTTP; problem+json."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Poll, Webhook, exchange
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors.waypost_tms import replies, requests
from crossdock.connectors.waypost_tms.settings import SECRETS, SETTINGS

connector = Connector(
    name="waypost_tms",
    title="Waypost TMS",
    version="1",
    doc="Says who can carry a shipment, for how much and until when it must be handed over.",
    serves=("tms",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"Authorization": "Token {key}:{secret}"}),
    health=replies.health,
    limits=Limits(concurrency=16),
    operations=(Operation(name="rate", do=exchange(requests.rate, replies.offers)),),
    events=("tender.accepted", "tender.declined"),
    webhook=Webhook(
        # Nothing but this token proves where a webhook comes from.
        signature=Scheme(kind="shared", header="X-Waypost-Token"),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
    polls=(
        Poll(
            name="events",
            read=replies.read_events,
            translate=replies.told_by_feed,
            doc="Answers to tenders.",
        ),
    ),
)
