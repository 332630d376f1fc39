"""What a connection to Oldbridge Freight needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://services.oldbridge.example"),
    "zone": Setting(doc="IANA zone of the place of collection, whose cut-off counts", default="UTC"),
    "service": Setting(doc="Its service, where the call names none", default="ECONOMY"),
    "track_every": track_every(720.0),
}

SECRETS = {
    "user": "Name of the user",
    "password": "Its password",
    "webhook_secret": "The secret that its webhooks are signed with",
}
