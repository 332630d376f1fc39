"""Attempts that were refused: the first of equal ones leaves an entry at once, the others are counted.

So whoever tries a thousand times a second leaves two entries a minute, and each attempt is in their counts.
Who tries many different things leaves `MOST_KINDS` entries a minute; what comes above that is counted by
action.

What is counted stands in memory until its minute is over. A process that is killed loses the counts of its
last minute, never the first of the attempts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

WINDOW = 60.0  # seconds in which equal attempts are counted together
MOST_KINDS = 20  # different ones of a tenant in that time


@dataclass(slots=True)
class _Counted:
    began: float
    said: dict[str, Any]
    more: int = 0


class Attempts:
    """What one process has counted, for all tenants."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """By that clock, in seconds."""
        self._clock = clock
        self._open: dict[int, dict[Hashable, _Counted]] = {}

    def first(self, tenant: int, said: dict[str, Any]) -> bool:
        """Whether this one is to be recorded now; else it was counted. `said` are the values of its entry."""
        known = self._open.setdefault(tenant, {})
        same = tuple(said[name] for name in ("home", "kind", "actor", "action", "on_kind", "origin"))
        if same not in known and len(known) >= MOST_KINDS:
            same = ("others", said["action"])
            said |= {
                "kind": "system",
                "actor": "others",
                "behind": "",
                "roles": [],
                "origin": "",
                "on_id": "",
            }
        counted = known.get(same)
        if counted is None:
            known[same] = _Counted(self._clock(), said)
            return True
        counted.more += 1
        return False

    def over(self, *, at_once: bool = False) -> list[tuple[int, dict[str, Any]]]:
        """Take out what was counted in minutes that are over, or all of it: (tenant, values of an entry)."""
        now = self._clock()
        found = []
        for tenant, known in list(self._open.items()):
            for same, counted in list(known.items()):
                if at_once or now - counted.began >= WINDOW:
                    del known[same]
                    if counted.more:
                        found.append((tenant, counted.said | {"count": counted.more}))
            if not known:
                del self._open[tenant]
        return found
