"""What a connection to GS1 EPCIS needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "zone": Setting(
        doc="IANA zone of times that come without one and whose place does not say it", optional=True
    ),
}

SECRETS = {"webhook_secret": "A secret in the address that its events are sent to: ?secret=..."}
