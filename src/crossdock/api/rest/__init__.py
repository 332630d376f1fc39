"""The resources, one module each: their addresses, what they show, the SQL that reads it."""

from crossdock.api.rest import (
    access,
    audit,
    connections,
    documents,
    event_acts,
    events,
    exceptions,
    imports,
    people,
    process_acts,
    processes,
    repair_acts,
    repairs,
    run,
    run_acts,
    runs,
    task_acts,
    tasks,
    tenants,
)

ROUTERS = (
    runs.routes,
    run.routes,
    run_acts.routes,
    documents.orders,
    documents.shipments,
    events.routes,
    event_acts.routes,
    imports.routes,
    tasks.routes,
    exceptions.routes,
    task_acts.routes,
    repairs.routes,
    repair_acts.routes,
    processes.routes,
    process_acts.routes,
    connections.routes,
    process_acts.lines,
    people.routes,
    access.routes,
    tenants.routes,
    audit.routes,
)

__all__ = ["ROUTERS"]
