"""What a connection to Shippo needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers", default="https://api.goshippo.com"),
    "zone": Setting(
        doc="IANA zone of times that come without one and whose place does not say it", optional=True
    ),
    "carrier": Setting(
        doc="The carrier's token, such as usps: to buy from, and to track what was not bought here",
        default="usps",
    ),
    "service": Setting(
        doc="The service's token, such as usps_priority; the cheapest where none is named", optional=True
    ),
    "ship_from": Setting(type="any", doc="Address that shipments leave from", optional=True),
}

SECRETS = {
    "token": "API token; a test token plays without carriers",
    "webhook_secret": "The secret for signatures that Shippo issues on request",
}
