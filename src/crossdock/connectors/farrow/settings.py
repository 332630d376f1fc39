"""What a connection to Farrow Parcel needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://api.farrow.example"),
    "zone": Setting(
        doc="IANA zone of the place of collection, whose cut-off counts and in which its days end",
        default="UTC",
    ),
    "service": Setting(doc="Its product, where the call names none", default="STD48"),
    "track_every": track_every(720.0),
}

SECRETS = {
    "client_id": "Id of the OAuth client",
    "client_secret": "Its secret",
    "webhook_secret": "The secret that its webhooks are signed with, as it shows it (whsec_...)",
}
