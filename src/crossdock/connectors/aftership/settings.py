"""What a connection to AfterShip needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers", default="https://api.aftership.com"),
    "zone": Setting(
        doc="IANA zone of times that come without one and whose place does not say it", optional=True
    ),
    "version": Setting(doc="Version of its tracking API", default="2025-01"),
}

SECRETS = {
    "key": "API key",
    "webhook_secret": "The webhook secret, as AfterShip shows it",
}
