"""What a connection delivers, through its mapping: payloads that it reads itself, events that it changes.

What the mapping does not take is refused with every reason and place, so the delivery goes to quarantine. Of
each event, its document keeps the version that made it: `origins: {"*": "mapping acme-orders@..."}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from crossdock.connect.contract import Happening, Notice
from crossdock.connect.fit import plain
from crossdock.connect.lines import Line
from crossdock.connect.places import line_of
from crossdock.errors import Refused
from crossdock.model import EVENTS
from crossdock.model.codes import instant_text
from crossdock.model.document import Document
from crossdock.translate import PartnerMapping, Rejected, Rows, Told

Reads = Callable[[], Iterable[Happening]]
"""How the connector reads it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Through:
    """The mapping of a connection with the master data that is known; without one, all passes as it is."""

    mapping: PartnerMapping | None = None
    rows: Rows = field(default_factory=Rows)

    @classmethod
    def of(cls, line: Line, rows: Rows) -> Through:
        """The one of a connection. Raises `Refused` where its mapping cannot be used any more."""
        if line.unmapped is not None:
            raise line.unmapped
        return cls(mapping=line.mapping, rows=rows)

    def payload(self, notice: Notice, connector: Reads) -> Iterable[Happening]:
        """What a webhook says. Raises `Refused`."""
        mapping = self.mapping
        if mapping is None or not mapping.of_payloads:
            return self.events(connector())
        try:
            found = mapping.read(
                notice.body, rows=self.rows, headers=notice.headers, settings=notice.settings
            )
        except Rejected as error:
            raise _placed(error, notice.body) from None
        return [_happening(told, mapping) for told, _ in found]

    def record(self, record: Any, settings: Mapping[str, Any], connector: Reads) -> Iterable[Happening]:
        """What a record of a feed says. Raises `Refused`."""
        mapping = self.mapping
        if mapping is None or not mapping.of_payloads:
            return self.events(connector())
        found = mapping.read_record(record, rows=self.rows, settings=settings)
        return [_happening(told, mapping) for told, _ in found]

    def events(self, happenings: Iterable[Happening]) -> list[Happening]:
        """Events that the connector has made; one that no rule knows passes as it is. Raises `Refused`."""
        mapping = self.mapping
        if mapping is None or mapping.reads != "event" or not mapping.rules:
            return list(happenings)
        found: list[Happening] = []
        for one in happenings:
            record = {
                "type": one.type,
                "time": instant_text(one.time),
                "id": one.id,
                "about": dict(one.about),
                "data": plain(one.data),
            }
            if not mapping.knows(record):
                found.append(one)
                continue
            for n, (told, _) in enumerate(mapping.read_record(record, rows=self.rows)):
                made = _happening(told, mapping)
                if not made.id and one.id:
                    made = msgspec.structs.replace(made, id=one.id if n == 0 else f"{one.id}/{n}")
                found.append(made)
        return found


def _happening(told: Told, mapping: PartnerMapping) -> Happening:
    data = told.data
    event = EVENTS.get(told.type)
    if event is not None and issubclass(event.data, Document) and isinstance(data, dict):
        data = {**data, "origins": {**data.get("origins", {}), "*": f"mapping {mapping.label}"}}
    return Happening(type=told.type, time=told.time, data=data, about=told.about, id=told.id)


def _placed(error: Rejected, payload: bytes) -> Refused:
    """The same, with the line in the payload where that can be told."""
    where = line_of(payload, error.where)
    if where == error.where:
        return error
    placed = Rejected(error.rejects)
    placed.message, placed.where = error.message, where
    return placed
