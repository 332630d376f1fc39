"""USPS: tracking by its APIs and their pushes, and by the older Web Tools. OAuth 2."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.sign_in import client_credentials
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.usps import replies, requests
from crossdock.connectors.usps.settings import SECRETS, SETTINGS

connector = Connector(
    name="usps",
    title="USPS",
    version="1",
    doc="Mail and parcels of the United States, one package a label. Its push is taken by a secret in the "
    "address.",
    serves=("carrier", "tms"),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=client_credentials("/oauth2/v3/token"),
    health=requests.health,
    limits=Limits(concurrency=4),
    operations=(
        Operation(name="rate", system="tms", do=requests.rate),
        Operation(name="book", do=requests.book, idempotency="key"),
        Operation(name="void", do=requests.void, idempotency="natural"),
        Operation(name="track", do=requests.track),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="shared", query="secret"),
        translate=replies.told_by_webhook,
    ),
)
