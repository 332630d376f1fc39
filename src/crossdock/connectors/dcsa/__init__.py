"""DCSA ocean carriers: events as they are pushed."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.dcsa import replies
from crossdock.connectors.dcsa.settings import SECRETS, SETTINGS

connector = Connector(
    name="dcsa",
    title="DCSA ocean carriers",
    version="1",
    doc="Containers, by the standard of the ocean carriers, as they push them or answer.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    events=REPORTS,
    webhook=Webhook(signature=Scheme(kind="shared", query="secret"), translate=replies.told_by_webhook),
)
