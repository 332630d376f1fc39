"""What a connection to UPS needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(
        doc="Where it answers; https://wwwcie.ups.com is its test ground",
        default="https://onlinetools.ups.com",
    ),
    "zone": Setting(
        doc="IANA zone of times that come without one and whose place does not say it", optional=True
    ),
    "account": Setting(doc="Shipper number that is billed; needed for rates and booking", optional=True),
    "service": Setting(doc="UPS service code, where the call names none: 03 is Ground", default="03"),
    "ship_from": Setting(type="any", doc="Address that shipments leave from", optional=True),
}

SECRETS = {
    "client_id": "Client id of the application at developer.ups.com",
    "client_secret": "Its secret",
    "webhook_secret": "The credential that was given when subscribing to Track Alert",
}
