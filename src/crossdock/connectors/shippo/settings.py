"""What a connection to Shippo needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._labels import SHIP_FROM
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(doc="Where it answers", default="https://api.goshippo.com"),
    "zone": ZONE,
    "carrier": Setting(
        doc="The carrier's token, such as usps: to buy from, and to track what was not bought here",
        default="usps",
    ),
    "service": Setting(
        doc="The service's token, such as usps_priority; the cheapest where none is named", optional=True
    ),
    "ship_from": SHIP_FROM,
    "track_every": track_every(720.0),
}

SECRETS = {
    "token": "API token; a test token plays without carriers",
    "webhook_secret": "The secret for signatures that Shippo issues on request",
}
