"""EasyPost: many carriers behind one API. JSON over HTTP, the key as HTTP Basic."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.easypost import replies, requests
from crossdock.connectors.easypost.settings import SECRETS, SETTINGS

connector = Connector(
    name="easypost",
    title="EasyPost",
    version="1",
    doc="Rates, labels and tracking of many carriers, one package a label. It is found "
    "by our key. Events carry the whole tracker.",
    serves=("carrier", "tms"),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=requests.sign_in,
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
        signature=Scheme(
            kind="hmac", header="X-Hmac-Signature", prefix="hmac-sha256-hex=", encoding="hex", key="nfkd"
        ),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
)
