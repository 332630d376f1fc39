"""What a connection to EasyPost needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._labels import SHIP_FROM
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(doc="Where it answers", default="https://api.easypost.com"),
    "zone": ZONE,
    "carrier": Setting(
        doc="The carrier to buy from, such as USPS; the cheapest where none is named", optional=True
    ),
    "service": Setting(
        doc="The carrier's service, such as Priority; the cheapest where none is named", optional=True
    ),
    "ship_from": SHIP_FROM,
    "track_every": track_every(720.0),
}

SECRETS = {
    "key": "API key; a test key plays without carriers",
    "webhook_secret": "The webhook_secret that was given when the webhook was created",
}
