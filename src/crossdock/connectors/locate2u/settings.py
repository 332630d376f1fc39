"""What a connection to Locate2u needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting
from crossdock.connectors._zones import ZONE

SETTINGS = {
    "url": Setting(doc="Where it answers", optional=True),
    "zone": ZONE,
}

SECRETS = {"webhook_secret": "A secret in the address that its tracking is sent to: ?secret=..."}
