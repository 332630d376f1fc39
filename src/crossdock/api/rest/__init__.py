"""The resources, one module each: their addresses, what they show, the SQL that reads it."""

from crossdock.api.rest import (
    connections,
    documents,
    events,
    exceptions,
    processes,
    repairs,
    run,
    runs,
    tasks,
)

ROUTERS = (
    runs.routes,
    run.routes,
    documents.orders,
    documents.shipments,
    events.routes,
    tasks.routes,
    exceptions.routes,
    repairs.routes,
    processes.routes,
    connections.routes,
)

__all__ = ["ROUTERS"]
