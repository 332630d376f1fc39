"""What a connection to DHL needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._labels import SHIP_FROM
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(
        doc="Where it answers: https://express.api.dhl.com/mydhlapi for Express, and with /test for its test "
        "ground; https://api-eu.dhl.com for the unified tracking of all divisions",
        default="https://express.api.dhl.com/mydhlapi",
    ),
    "api": Setting(
        doc="Which of them that is: `express` (MyDHL API: all operations) or `unified` (tracking only)",
        default="express",
    ),
    "zone": ZONE,
    "account": Setting(doc="Express account that is billed; needed for rates and booking", optional=True),
    "service": Setting(doc="Express product code, where the call names none: P is Worldwide", default="P"),
    "ship_from": SHIP_FROM,
    "track_every": track_every(720.0),
}

SECRETS = {
    "user": "API key of MyDHL API, or the DHL-API-Key of the unified tracking",
    "password": "API secret of MyDHL API; of the unified tracking, the same word again",
    "webhook_secret": "The token given when subscribing to the push, for the header X-Crossdock-Token",
}
