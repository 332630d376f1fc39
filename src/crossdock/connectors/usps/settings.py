"""What a connection to USPS needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every
from crossdock.connectors._labels import SHIP_FROM
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(
        doc="Where it answers; https://apis-tem.usps.com is its test ground", default="https://apis.usps.com"
    ),
    "zone": ZONE,
    "account": Setting(doc="Number of the payment account (EPS); needed for labels", optional=True),
    "crid": Setting(doc="Customer registration id; needed for labels", optional=True),
    "mid": Setting(doc="Mailer id; needed for labels", optional=True),
    "service": Setting(doc="Mail class, where the call names none", default="USPS_GROUND_ADVANTAGE"),
    "ship_from": SHIP_FROM,
    "track_every": track_every(720.0),
}

SECRETS = {
    "client_id": "Consumer key of the application at developers.usps.com",
    "client_secret": "Its consumer secret",
    "webhook_secret": "The secret that was given when subscribing to tracking",
}
