"""What a connection to AfterShip needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(doc="Where it answers", default="https://api.aftership.com"),
    "zone": ZONE,
    "version": Setting(doc="Version of its tracking API", default="2025-01"),
    "track_every": track_every(720.0),
}

SECRETS = {
    "key": "API key",
    "webhook_secret": "The webhook secret, as AfterShip shows it",
}
