"""What a connection to FedEx needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._labels import SHIP_FROM
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(
        doc="Where it answers; https://apis-sandbox.fedex.com is its test ground",
        default="https://apis.fedex.com",
    ),
    "zone": ZONE,
    "account": Setting(doc="Account that is billed; needed for rates and booking", optional=True),
    "service": Setting(doc="FedEx service type, where the call names none", default="FEDEX_GROUND"),
    "ship_from": SHIP_FROM,
    "track_every": track_every(720.0),
}

SECRETS = {
    "client_id": "API key of the project at developer.fedex.com",
    "client_secret": "Its secret key",
    "webhook_secret": "Security token of the webhook project",
}
