"""What a connection to UPS needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._labels import SHIP_FROM
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(
        doc="Where it answers; https://wwwcie.ups.com is its test ground",
        default="https://onlinetools.ups.com",
    ),
    "zone": ZONE,
    "account": Setting(doc="Shipper number that is billed; needed for rates and booking", optional=True),
    "service": Setting(doc="UPS service code, where the call names none: 03 is Ground", default="03"),
    "ship_from": SHIP_FROM,
    "track_every": track_every(720.0),
}

SECRETS = {
    "client_id": "Client id of the application at developer.ups.com",
    "client_secret": "Its secret",
    "webhook_secret": "The credential that was given when subscribing to Track Alert",
}
