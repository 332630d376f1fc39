"""GS1 EPCIS: events as they are pushed."""

from __future__ import annotations

from crossdock.connect.contract import Connector, Webhook
from crossdock.connect.signatures import Scheme
from crossdock.connectors._tracking import REPORTS
from crossdock.connectors.gs1_epcis import replies
from crossdock.connectors.gs1_epcis.settings import SECRETS, SETTINGS

connector = Connector(
    name="gs1_epcis",
    title="GS1 EPCIS",
    version="1",
    doc="Visibility events of any trading partner, in JSON or XML, as it sends them.",
    serves=("carrier",),
    settings=SETTINGS,
    secrets=SECRETS,
    events=REPORTS,
    webhook=Webhook(signature=Scheme(kind="shared", query="secret"), translate=replies.told_by_webhook),
)
