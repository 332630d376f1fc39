"""What a connection to Tryton needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://erp.example"),
    "database": Setting(doc="Name of its database"),
    "company": Setting(
        doc="Name of the company to work in, where the user has several; else the user's own", optional=True
    ),
    "zone": Setting(doc="IANA zone in which a day of a sale ends", default="UTC"),
    "sites": Setting(
        type="map(string)",
        doc="Our name of a site by the code of its warehouse; a warehouse that is not here has its code",
        default={},
    ),
    "weights": Setting(
        type="bool",
        doc="Whether goods have weights, which orders then tell: where the module product_measurements is",
        default=False,
    ),
    "lots": Setting(
        type="bool",
        doc="Whether stock is told by lot: where the module stock_lot is",
        default=False,
    ),
    "answer_yes": Setting(
        type=["string"],
        doc="Warnings that are answered yes, by name. Any other is a refusal, and a person decides",
        default=["no_carrier", "complaint_similar"],
    ),
    "look_back": Setting(
        type="double",
        doc="Seconds that a feed looks back: longer than its longest transaction, whose changes carry the "
        "time of its start",
        default=120.0,
    ),
    "since": Setting(
        type="timestamp",
        doc="What changed before is not told: for a Tryton that is older than this connection",
        optional=True,
    ),
}

SECRETS = {
    "user": "Login of the user, with rights for sales, stock, accounting, and nothing of administration",
    "password": "Its password",
}
