"""UPS: tracking by its Track API, and pushes of Track Alert. JSON over HTTP, OAuth 2."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Limits, Operation, Webhook
from crossdock.connect.sign_in import client_credentials
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.ups import replies, requests
from crossdock.connectors.ups.settings import SECRETS, SETTINGS

connector = Connector(
    name="ups",
    title="UPS",
    version="1",
    doc="Parcels worldwide. A label asked for twice is made twice, so an unknown outcome goes to a person. "
    "Track Alert signs nothing: it sends back the credential given when subscribing, or an "
    "access token that it fetches at /oauth/token with a key that may deliver.",
    serves=("carrier", "tms"),
    settings=SETTINGS,
    secrets=SECRETS,
    sign_in=client_credentials("/security/v1/oauth/token", basic=True),
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
        signature=Scheme(kind="shared", header="credential"),
        translate=replies.told_by_webhook,
        delivery_id=replies.delivery_id,
    ),
)
