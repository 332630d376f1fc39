"""Everything that may be allowed or refused. Pages, API, commands, bulk acts and links name the same acts."""

from __future__ import annotations

from types import MappingProxyType

# name: what it is, in words that an administrator reads
ACTIONS = MappingProxyType(
    {
        "run.read": "see runs, their history and their graph",
        "run.start": "start a run by hand",
        "run.cancel": "cancel a run",
        "run.repair": "retry, supply, skip, redo or release steps of a run",
        "run.move": "move a run to another version of its process",
        "run.propose": "propose what is done with a run, a task or an exception, for a person to decide",
        "proposal.decide": "accept or turn down what is proposed; what is accepted needs its own right too",
        "order.read": "see orders, shipments and other documents",
        "event.read": "see events, also those that are parked or quarantined",
        "event.send": "send events in",
        "event.deliver": "deliver webhooks as the partner of a connection",
        "event.settle": "give a parked event to a run, dismiss it, read what is quarantined again",
        "task.read": "see approvals and tasks",
        "task.decide": "decide an approval or a task",
        "exception.read": "see exceptions",
        "exception.close": "close an exception",
        "personal.read": "see personal data that is sealed",
        "personal.find": "find whose personal data is held",
        "personal.erase": "erase somebody's personal data",
        "personal.change": "begin and end to seal personal data",
        "process.read": "see processes and their versions",
        "process.publish": "publish a version of a process, or let new runs take an older one",
        "mapping.read": "see mappings and their versions, and try them",
        "mapping.publish": "publish a version of a mapping",
        "code.read": "see master data: partners' codes and ours",
        "code.change": "set and forget partners' codes",
        "connection.read": "see connections and their health",
        "connection.change": "make and change connections, set their secrets",
        "connection.stop": "stop and start a connection",
        "connection.test": "see whether a connection works, by asking what is harmless",
        "connection.record": "record the traffic of a connection, and read what was recorded",
        "setting.read": "see the tenant's settings and calendars",
        "setting.change": "change the tenant's settings and calendars",
        "person.read": "see people and their roles",
        "person.change": "invite people, change their roles, shut them out",
        "role.change": "change what roles may do",
        "key.read": "see keys",
        "key.change": "make and revoke keys",
        "audit.read": "see and export the audit",
        "tenant.read": "see tenants",
        "tenant.change": "make, suspend, export and delete tenants",
        "usage.read": "see figures: counts, times, use",
    }
)
