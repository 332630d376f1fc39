"""DHL: Express by MyDHL API or its older XML, and the unified tracking of all divisions, asked or pushed."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.dhl import replies, requests
from crossdock.connectors.dhl.settings import SECRETS, SETTINGS

connector = Connector(
    name="dhl",
    title="DHL",
    version="1",
    doc="Express labels within a country, and tracking of every division. A label asked for twice is made "
    "twice, so an unknown outcome goes to a person; labels cannot be cancelled. The push signs nothing: "
    "subscribe with ApiKeyAuthentication and the header X-Crossdock-Token.",
    serves=("carrier", "tms"),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=requests.sign_in,
    health=requests.health,
    limits=Limits(concurrency=4),
    operations=(
        Operation(name="rate", system="tms", do=requests.rate),
        Operation(name="book", do=requests.book, idempotency="none"),
        Operation(name="track", do=requests.track),
    ),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="shared", header="X-Crossdock-Token"),
        translate=replies.told_by_webhook,
    ),
)
