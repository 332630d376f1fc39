"""What a connection to Quayline Express needs to know."""

from __future__ import annotations

from crossdock.connect.contract import Setting, track_every

SETTINGS = {
    "url": Setting(doc="Where it answers, such as https://api.quayline.example"),
    "zone": Setting(doc="IANA zone of the place of collection, whose cut-off counts", default="UTC"),
    "service": Setting(doc="Its service, where the call names none", default="QX2"),
    "track_every": track_every(720.0),
}

SECRETS = {
    "key": "The key of its interface",
    "webhook_secret": "The secret that its webhooks are signed with",
}
