"""What a connection to Stackyard WMS needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://wms.example"),
    "warehouse": Setting(doc="Its code of the warehouse, where the order names no site", optional=True),
    "unit": Setting(doc="UN/ECE unit that it counts in, where we have not told it another", default="EA"),
}

SECRETS = {
    "client": "Name of the client",
    "secret": "Its secret",
    "webhook_secret": "The secret that its webhooks are signed with",
}
