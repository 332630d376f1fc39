"""What a connection to Northway ERP needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://erp.example"),
    "zone": Setting(doc="IANA zone in which a wanted day ends, where the order names none", default="UTC"),
    "unit": Setting(doc="UN/ECE unit of quantities that come without one, as on returns", default="EA"),
    "since": Setting(
        type="timestamp",
        doc="What changed before is not told: for an ERP that is older than this connection",
        optional=True,
    ),
}

SECRETS = {
    "user": "Name of the user to log in with",
    "password": "Its password",
    "company": "Code of the company to work in",
    "webhook_secret": "The secret that its webhooks are signed with",
}
