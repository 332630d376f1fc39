"""Workers share runs out: each takes its own part first, and what others leave only after a while.

Nothing depends on it. A run is locked by whoever claims it, and any worker may claim any run. But workers
that walk the same list claim the same runs, and all but one of them in vain. So each says every second that
it is there, and learns who else is; by its number, a run is in the part of one of them. A run of another's
part is taken when it has waited for `PATIENCE` seconds: its worker is slow, or gone and not yet missed.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import LiteralString

from crossdock.engine.correlate import RunRef
from crossdock.store import Database

PATIENCE = 0.5  # seconds
_AGAIN = 2 * PATIENCE  # a run that was not found for so long has been decided: it waits anew
_MISSED = "3 seconds"  # after which a worker that says nothing is gone

_SAY: LiteralString = """
with me as (
  insert into crossdock.worker (owner, seen) values ($1, clock_timestamp())
  on conflict (owner) do update set seen = excluded.seen
), gone as (
  delete from crossdock.worker where seen < clock_timestamp() - interval '1 minute'
)
select owner from crossdock.worker where seen > clock_timestamp() - $2::text::interval or owner = $1
union select $1 order by 1
"""
_LEAVE: LiteralString = "delete from crossdock.worker where owner = $1"


@dataclass(slots=True)
class Shares:
    """The part of one worker."""

    database: Database
    owner: int
    _workers: int = 1
    _mine: int = 0
    real: Callable[[], float] = time.monotonic  # seconds
    # Runs of others' parts: since when each waits, and when it was found last, in the order of that.
    _watched: OrderedDict[RunRef, tuple[float, float]] = field(default_factory=OrderedDict)

    async def say(self) -> None:
        """Say that this worker is there, and learn who else is. Raises `Unreachable`."""
        owners = [row["owner"] for row in await self.database.at_once(_SAY, self.owner, _MISSED)]
        self._workers, self._mine = len(owners), owners.index(self.owner)

    async def leave(self) -> None:
        """Say that this worker is gone. Raises `Unreachable`."""
        await self.database.at_once(_LEAVE, self.owner)

    def of_mine(self, runs: Iterable[RunRef]) -> list[RunRef]:
        """Those of these runs that are in this worker's part."""
        if self._workers == 1:
            return list(runs)
        return [ref for ref in runs if ref.run % self._workers == self._mine]

    def found(self, runs: Iterable[RunRef]) -> list[RunRef]:
        """Of runs that were found by looking, those of this worker's part, and those that others leave."""
        if self._workers == 1:
            self._watched.clear()
            return list(runs)
        now = self.real()
        while self._watched and now - next(iter(self._watched.values()))[1] > _AGAIN:
            self._watched.popitem(last=False)
        taken: list[RunRef] = []
        for ref in runs:
            if ref.run % self._workers == self._mine:
                taken.append(ref)
                continue
            since, _ = self._watched.pop(ref, (now, now))
            if now - since > PATIENCE:
                taken.append(ref)
            else:
                self._watched[ref] = (since, now)
        return taken
