"""Where it is kept: PostgreSQL, embedded or on a server. The only package that opens connections."""

from crossdock.store.clock import Clock
from crossdock.store.database import Database, EngineTransaction, Last, Tenant, TenantTransaction
from crossdock.store.embedded import EmbeddedServer
from crossdock.store.migrate import migrate
from crossdock.store.together import Together

__all__ = [
    "Clock",
    "Database",
    "EmbeddedServer",
    "EngineTransaction",
    "Last",
    "Tenant",
    "TenantTransaction",
    "Together",
    "migrate",
]
