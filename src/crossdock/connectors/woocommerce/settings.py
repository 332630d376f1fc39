"""What a connection to WooCommerce needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="The shop, such as https://shop.example"),
    "unit": Setting(doc="UN/ECE unit of quantities, which the shop has none for", default="EA"),
    "release_when": Setting(
        type=["string"],
        doc="States in which an order is released for delivery",
        default=["processing"],
    ),
    "since": Setting(doc="Orders changed before are not read: an instant", optional=True),
}

SECRETS = {
    "key": "Consumer key of the REST API",
    "secret": "Its consumer secret",
    "webhook_secret": "The secret of the webhook",
}
