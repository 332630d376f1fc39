"""How it keeps going: events in, decisions, calls out, on PostgreSQL.

`Inbox` takes events in, `Worker` decides and calls, `History` shows, `Repairs` and `Connections` act on many.
"""

from crossdock.engine.arrival import Arrival
from crossdock.engine.connections import Connections
from crossdock.engine.find import idle_until
from crossdock.engine.history import History
from crossdock.engine.inbox import Inbox, Receipt
from crossdock.engine.library import Library
from crossdock.engine.outbox import Caller, LeasedCall
from crossdock.engine.repair import Repairs
from crossdock.engine.replay import replay
from crossdock.engine.worker import Pace, Worker

__all__ = [
    "Arrival",
    "Caller",
    "Connections",
    "History",
    "Inbox",
    "LeasedCall",
    "Library",
    "Pace",
    "Receipt",
    "Repairs",
    "Worker",
    "idle_until",
    "replay",
]
