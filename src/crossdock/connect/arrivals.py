"""What happened, checked against the model and ready for the inbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from crossdock.connect.contract import Connector, Happening
from crossdock.connect.fit import misfit, plain
from crossdock.connect.systems import type_of
from crossdock.engine import Arrival
from crossdock.errors import Refused
from crossdock.model import EVENTS, about, to_json
from crossdock.model.documents import known, parse
from crossdock.process.catalogue import EventShape

_LONGEST = 500  # letters of an id, as of CloudEvents here


def source_of(connection: str) -> str:
    """The source of all events of a connection, pushed or read."""
    return f"connection/{connection}"


def arrivals(
    happenings: Iterable[Happening], connector: Connector, connection: str, message: str
) -> list[Arrival]:
    """Events for the inbox. `message` names the delivery; with their place in it, events are named that
    have no id.

    Raises `Refused` with the place and every problem where one does not fit its type.
    """
    found = []
    for n, happening in enumerate(happenings):
        id_ = happening.id or (message if n == 0 else f"{message}/{n}")
        found.append(_arrival(happening, connector, source_of(connection), id_))
    return found


def _arrival(happening: Happening, connector: Connector, source: str, id_: str) -> Arrival:
    if happening.time.tzinfo is None:
        raise Refused(
            f"the time of {happening.type} has no zone", where="time", mend="say which zone it is in"
        )
    if len(id_) > _LONGEST:
        raise Refused(f"the id of {happening.type} is longer than {_LONGEST} letters", where="id")
    data = plain(happening.data)
    own = next((event for event in connector.own_events if event.type == happening.type), None)
    if own is not None:
        shape = EventShape(type=own.type, data=type_of(own.data, name=own.type), about=own.about)
        if problem := misfit(data, shape.data):
            raise Refused(f"{own.type} is refused: {problem}", where="data")
        keys = _keys(shape.about, data)
    else:
        event_type = EVENTS[known(happening.type, EVENTS, "event")]
        data = to_json(parse(event_type.data, data, under="data"))
        keys = about(happening.type, data)
    named = {**keys, **{kind: str(value) for kind, value in happening.about.items() if value}}
    if any("\0" in text for text in (id_, *named.values())):
        raise Refused(f"{happening.type} is about something with a NUL in its name, which cannot be kept")
    return Arrival(
        id=id_,
        source=source,
        type=happening.type,
        time=happening.time,
        data=data,
        about=named,
    )


def _keys(paths: Mapping[str, str], data: Any) -> dict[str, str]:
    keys = {}
    for kind, path in paths.items():
        value = data
        for part in path.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str) and value:
            keys[kind] = value
    return keys
