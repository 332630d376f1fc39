"""Shippo: many carriers behind one API. JSON over HTTP, a token in the header."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.shippo import replies, requests
from crossdock.connectors.shippo.settings import SECRETS, SETTINGS

connector = Connector(
    name="shippo",
    title="Shippo",
    version="1",
    doc="Rates, labels and tracking of many carriers. A label is found among the latest 500. Its "
    "events repeat and have no id.",
    serves=("carrier", "tms"),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"Authorization": "ShippoToken {token}", "SHIPPO-API-VERSION": "2018-02-08"}),
    health=requests.health,
    limits=Limits(concurrency=8),
    operations=(
        Operation(name="rate", system="tms", do=requests.rate),
        Operation(name="book", do=requests.book, idempotency="find", find=requests.find),
        Operation(name="void", do=requests.void, idempotency="natural"),
        Operation(name="track", do=requests.track),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="timestamped", header="Shippo-Auth-Signature"),
        translate=replies.told_by_webhook,
    ),
)
