"""Canonical versions of what is kept: an event says in which one its data is, and is read in the current one.

The model grows: data of a type gets another version, with a function that converts up the one before. An
event that waits (in an inbox, parked, in quarantine) from before that is converted when it is decided, and
its line of history has it as it was decided. What was decided stays as it is, so that it replays byte for
byte; a version of a process that is proved on it reads it in the current one.
"""

from __future__ import annotations

import msgspec

from crossdock.model import EVENTS
from crossdock.model.events import upgraded
from crossdock.process.messages import Event


def stamped(event: Event) -> Event:
    """The event as it is kept: with the current version of its type, where that is not the first."""
    known = EVENTS.get(event.type)
    if known is None or known.version == 1 or event.schema:
        return event
    return msgspec.structs.replace(event, schema=known.version)


def current(event: Event) -> Event:
    """A kept event with its data in the current version of its type.

    Raises `Refused` where it was kept by a newer installation, which knows a version that this one does not.
    """
    known = EVENTS.get(event.type)
    version = event.schema or 1
    if known is None or version == known.version:
        return event
    data = upgraded(known, version, event.data, where=event.id)
    return msgspec.structs.replace(event, data=data, schema=known.version)
