"""What a connection to Shopify needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="The shop, such as https://example.myshopify.com"),
    "version": Setting(doc="Version of its Admin API", default="2025-01"),
    "unit": Setting(doc="UN/ECE unit of quantities, which the shop has none for", default="EA"),
    "release_when": Setting(
        type=["string"],
        doc="Financial states in which an order is released for delivery",
        default=["paid", "authorized", "partially_refunded"],
    ),
    "since": Setting(doc="Orders changed before are not read: an instant", optional=True),
}

SECRETS = {
    "token": "Admin API access token of the custom app",
    "webhook_secret": "The app's client secret, which signs its webhooks",
}
