"""What a connection to Waypost TMS needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://tms.example"),
    "zone": Setting(doc="IANA zone in which its days end and its cut-offs are counted", default="UTC"),
    "currency": Setting(doc="ISO 4217 currency to quote in", default="USD"),
}

SECRETS = {
    "key": "Name of the key",
    "secret": "Its secret",
    "webhook_secret": "The token that its webhooks carry",
}
