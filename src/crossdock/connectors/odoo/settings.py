"""What a connection to Odoo needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting
from crossdock.connectors._changes import LOOK_BACK

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://erp.example"),
    "database": Setting(doc="Name of its database"),
    "company": Setting(
        doc="Name of the company whose orders, invoices and warehouses are told, where the user has several",
        optional=True,
    ),
    "interface": Setting(
        doc="`json2`, of Odoo 19 and later, or `jsonrpc`, for 17 and 18, which Odoo 22 has no more",
        default="json2",
    ),
    "sites": Setting(
        type="map(string)",
        doc="Our name of a site by the code of its warehouse; a warehouse that is not here has its code",
        default={},
    ),
    "look_back": LOOK_BACK,
    "since": Setting(
        type="timestamp",
        doc="What changed before is not told: for an Odoo that is older than this connection",
        optional=True,
    ),
}

SECRETS = {
    "user": "Login of its user, with rights for sales, inventory and invoicing",
    "key": "API key of that user; json2 needs it alone",
    "webhook_secret": "What its webhooks show as `key` in their address, where it sends any",
}
