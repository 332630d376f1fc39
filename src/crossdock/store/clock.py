"""The engine's clock: the server's own, or a virtual one for demos, tests and backtests.

Whoever puts a virtual clock forward tells the workers, who would else find what is due a moment later.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import LiteralString

from crossdock.store.database import Database

MOVED = "clock"  # the hint that the clock was put forward
_FORWARD: LiteralString = """
with moved as (
  update crossdock.clock set anchor = greatest(crossdock.now() + $1, $2), real = statement_timestamp(),
    virtual = true
  returning anchor
)
select anchor, pg_notify('crossdock', $3) from moved
"""


class Clock:
    """Read and set the clock that deadlines follow. Leases and limits follow the real one always."""

    def __init__(self, database: Database) -> None:
        """The clock of that database."""
        self._database = database

    async def now(self) -> datetime:
        """The time, in UTC."""
        async with self._database.engine() as transaction:
            now: datetime = await transaction.value("select crossdock.now()")
        return now

    async def set(self, at: datetime, *, rate: float = 1.0) -> None:
        """Make the clock virtual: `at` now, running `rate` times as fast as the real one (0 stands still)."""
        async with self._database.engine() as transaction:
            await transaction.execute(
                "update crossdock.clock "
                "set virtual = true, anchor = $1, real = statement_timestamp(), rate = $2",
                at,
                rate,
            )

    async def step(self, by: timedelta) -> datetime:
        """Put a virtual clock forward by `by` and give the new time. A real clock is made virtual first."""
        return await self._forward(by, None)

    async def step_to(self, at: datetime) -> datetime:
        """Put the clock forward to `at`; never back. Gives the time after."""
        return await self._forward(timedelta(0), at)

    async def _forward(self, by: timedelta, at: datetime | None) -> datetime:
        async with self._database.engine() as transaction:
            now: datetime = await transaction.value(_FORWARD, by, at, MOVED)
        return now

    async def follow_real(self) -> None:
        """Go back to the server's own clock."""
        async with self._database.engine() as transaction:
            await transaction.execute("update crossdock.clock set virtual = false, rate = 1")
