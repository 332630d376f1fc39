"""What a connection to EasyPost needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers", default="https://api.easypost.com"),
    "zone": Setting(
        doc="IANA zone of times that come without one and whose place does not say it", optional=True
    ),
    "carrier": Setting(
        doc="The carrier to buy from, such as USPS; the cheapest where none is named", optional=True
    ),
    "service": Setting(
        doc="The carrier's service, such as Priority; the cheapest where none is named", optional=True
    ),
    "ship_from": Setting(type="any", doc="Address that shipments leave from", optional=True),
}

SECRETS = {
    "key": "API key; a test key plays without carriers",
    "webhook_secret": "The webhook_secret that was given when the webhook was created",
}
