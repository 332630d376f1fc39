"""What a connection to ERPNext needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting
from crossdock.connectors._changes import LOOK_BACK

SETTINGS = {
    "url": Setting(doc="Where its site answers, such as https://erp.example"),
    "company": Setting(doc="Name of the company to work in"),
    "zone": Setting(doc="IANA zone of the site, in which it keeps times and ends days", default="UTC"),
    "sites": Setting(
        type="map(string)",
        doc="Our name of a site by the name of its warehouse; a warehouse that is not here has its name",
        default={},
    ),
    "services": Setting(
        type=["string"],
        doc="Item groups of services, which are billed with what is delivered first, and nobody picks",
        default=["Services"],
    ),
    "look_back": LOOK_BACK,
    "since": Setting(
        type="timestamp",
        doc="What changed before is not told: for an ERPNext that is older than this connection",
        optional=True,
    ),
}

SECRETS = {
    "key": "API key of its user, with rights for sales, stock and accounting",
    "secret": "API secret of that user",
    "webhook_secret": "The secret that its webhooks are signed with",
}
