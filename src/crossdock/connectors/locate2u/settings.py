"""What a connection to Locate2u needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers", optional=True),
    "zone": Setting(
        doc="IANA zone of times that come without one and whose place does not say it", optional=True
    ),
}

SECRETS = {"webhook_secret": "A secret in the address that its tracking is sent to: ?secret=..."}
