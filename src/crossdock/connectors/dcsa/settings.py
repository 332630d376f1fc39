"""What a connection to DCSA ocean carriers needs to know."""

from __future__ import annotations

from crossdock.connectors._zones import ZONE

SETTINGS = {
    "zone": ZONE,
}

SECRETS = {"webhook_secret": "A secret in the address that its events are sent to: ?secret=..."}
