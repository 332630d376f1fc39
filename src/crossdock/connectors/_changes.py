"""Feeds of systems that say of each record when it was changed last, and no more.

The time of a change is often that of the start of its transaction, so a slow one appears behind what was read
already. Each reading looks back, and leaves out what it has seen: pairs of a record and its time. The cursor
holds both. A cursor that is lost costs a reading from the beginning, and tells nothing twice where an event
has its record's name for an id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from crossdock.connect.contract import Page, Setting
from crossdock.connectors._words import instant

LOOK_BACK = Setting(
    type="double",
    doc="Seconds that a feed looks back: longer than its longest transaction",
    default=120.0,
)
"""The setting of a connection that says so."""


class Place(msgspec.Struct):
    """How far it was read: the latest time, what was seen of the time looked back, and where in a reading."""

    at: str = ""
    seen: dict[str, str] = {}
    after: tuple[str, str] | None = None

    @staticmethod
    def of(cursor: str) -> Place:
        """The place that a cursor names; the beginning where it names none."""
        try:
            place = msgspec.json.decode(cursor or "{}", type=Place)
            for text in (place.at, place.after[0] if place.after else ""):
                if text:
                    moment(text)
        except (msgspec.DecodeError, msgspec.ValidationError, ValueError):
            return Place()
        return place

    def bound(self, settings: Mapping[str, Any]) -> datetime | None:
        """The time from which this reading is; None for all."""
        if self.at:
            return moment(self.at) - timedelta(seconds=float(settings["look_back"]))
        return instant(str(settings["since"])) if settings.get("since") else None

    def page(
        self, found: Sequence[tuple[datetime, object, Any]], settings: Mapping[str, Any], most: int
    ) -> Page:
        """A page of what was found, by time, name and record in this order; `most` would have been whole."""
        back = timedelta(seconds=float(settings["look_back"]))
        fresh = []
        latest = max(self.at, self.after[0] if self.after else "")  # also where the last page is empty
        for time, name, record in found:
            text = stamp(time)
            if self.seen.get(str(name)) != text:
                fresh.append(record)
            self.seen[str(name)] = text
            latest = max(latest, text)
            self.after = (text, str(name))
        oldest = stamp(moment(latest) - back) if latest else ""
        self.seen = {name: text for name, text in self.seen.items() if text >= oldest}
        more = len(found) == most
        if not more:  # the next reading looks back from the latest
            self.after, self.at = None, latest
        return Page(records=fresh, cursor=msgspec.json.encode(self).decode(), more=more)


def stamp(at: datetime) -> str:
    """An instant as the cursor keeps it, which sorts by time."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def moment(text: str) -> datetime:
    """The instant of a stamp."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f").replace(tzinfo=UTC)
