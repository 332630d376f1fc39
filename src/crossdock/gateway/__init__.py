"""The doors in: webhooks, feeds that are read, events of programs; what cannot be read is set aside."""

from crossdock.gateway.compare import WHATS
from crossdock.gateway.imported import Imported
from crossdock.gateway.mapped import Through
from crossdock.gateway.masters import LISTS, MasterReader
from crossdock.gateway.poll import Poller
from crossdock.gateway.programs import Taken, arrival_of, take_events
from crossdock.gateway.quarantine import Quarantine, SetAside
from crossdock.gateway.receive import Receipt, Receiver, Unverified, Verified
from crossdock.gateway.reconcile import Outcome, Reconciler
from crossdock.gateway.senders import Senders
from crossdock.gateway.tracking import Tracker
from crossdock.gateway.translation import translate
from crossdock.gateway.webhooks import webhooks

__all__ = [
    "LISTS",
    "WHATS",
    "Imported",
    "MasterReader",
    "Outcome",
    "Poller",
    "Quarantine",
    "Receipt",
    "Receiver",
    "Reconciler",
    "Senders",
    "SetAside",
    "Taken",
    "Through",
    "Tracker",
    "Unverified",
    "Verified",
    "arrival_of",
    "take_events",
    "translate",
    "webhooks",
]
