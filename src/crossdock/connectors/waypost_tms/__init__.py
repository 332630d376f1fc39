"""Waypost TMS: rates of all carriers, tenders and answers, slots at docks. JSON over HTTP; problem+json."""

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
    doc="Says who can carry a shipment, offers it to a carrier, and keeps the slots at docks.",
    serves=("tms",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"Authorization": "Token {key}:{secret}"}),
    health=replies.health,
    limits=Limits(concurrency=16),
    operations=(
        Operation(name="rate", do=exchange(requests.rate, replies.offers)),
        Operation(
            name="tender",
            do=exchange(requests.tender, replies.tender),
            idempotency="key",
            find=exchange(requests.find_tender, replies.found_tender),
        ),
        Operation(
            name="withdraw",
            do=replies.withdraw,
            idempotency="natural",
            doc="One that was declined cannot be withdrawn, and need not be.",
        ),
        Operation(
            name="request_appointment",
            do=exchange(requests.request_appointment, replies.appointment),
            idempotency="key",
            find=exchange(requests.find_appointment, replies.found_appointment),
        ),
        Operation(
            name="cancel_appointment",
            do=exchange(requests.cancel_appointment, replies.nothing),
            idempotency="natural",
        ),
    ),
    events=(
        "tender.accepted",
        "tender.declined",
        "appointment.confirmed",
        "appointment.moved",
        "appointment.refused",
        "appointment.missed",
    ),
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
            doc="Answers to tenders, and what becomes of slots.",
        ),
    ),
)
