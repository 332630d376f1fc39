"""FedEx: tracking by its Track API, and the pushes of its webhook projects. JSON over HTTP, OAuth 2."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.sign_in import client_credentials
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.fedex import replies, requests
from crossdock.connectors.fedex.settings import SECRETS, SETTINGS

connector = Connector(
    name="fedex",
    title="FedEx",
    version="1",
    doc="Express, ground and freight. A label asked for twice is made twice, so an unknown outcome goes to a "
    "person. Pushes come in any order and have no id: their content names them.",
    serves=("carrier", "tms"),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=client_credentials("/oauth/token"),
    health=requests.health,
    limits=Limits(concurrency=8),
    operations=(
        Operation(name="rate", system="tms", do=requests.rate),
        Operation(name="book", do=requests.book, idempotency="none"),
        Operation(name="void", do=requests.void, idempotency="natural"),
        Operation(name="track", do=requests.track),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="fdx-signature"),
        translate=replies.told_by_webhook,
    ),
)
