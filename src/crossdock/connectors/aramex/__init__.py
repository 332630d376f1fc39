"""Aramex: its tracking, as it answers or pushes it."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.aramex import replies
from crossdock.connectors.aramex.settings import SECRETS, SETTINGS

connector = Connector(
    name="aramex",
    title="Aramex",
    version="1",
    doc="Its tracking is read where somebody sends it here; Crossdock does not call it.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    events=REPORTS,
    webhook=Webhook(signature=Scheme(kind="shared", query="secret"), translate=replies.told_by_webhook),
)
