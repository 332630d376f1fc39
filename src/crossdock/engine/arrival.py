"""What every door hands in: an event before the engine has given it its times."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from crossdock.process.messages import Actor


class Arrival(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event as a door lets it in: `messages.Event` without the engine's own times.

    Without a `time` it happens now, by the engine's clock. `sealed`: its personal values are tokens already;
    no door says so.
    """

    id: str
    source: str
    type: str
    time: datetime | None = None
    data: Any = None
    about: dict[str, str] = {}
    actor: Actor | None = None
    trusted: bool = True
    sealed: bool = False
    test: bool = False  # what it starts is in test; what a connection of a sandbox sends is so anyway
