"""AfterShip: tracking of more than a thousand carriers. JSON over HTTP, a key in the header."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.sign_in import secret_headers
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.aftership import replies, requests
from crossdock.connectors.aftership.settings import SECRETS, SETTINGS

connector = Connector(
    name="aftership",
    title="AfterShip",
    version="1",
    doc="Tracking only. Pushes carry the whole tracking; each checkpoint is told once.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=secret_headers({"as-api-key": "{key}"}),
    health=requests.health,
    limits=Limits(rate=10),
    operations=(Operation(name="track", do=requests.track),),
    events=REPORTS,
    webhook=Webhook(
        signature=Scheme(kind="hmac", header="aftership-hmac-sha256"),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
)
