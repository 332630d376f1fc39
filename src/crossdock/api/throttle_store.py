"""The buckets in PostgreSQL: an unlogged table, one statement for all that is drawn at the same time.

Nothing of it is written to the log of the database, so no draw waits for the disk; after a crash all buckets
are full.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import LiteralString

from crossdock.api.throttle import Draw, Drawn
from crossdock.store import Database

_TIDY_SECONDS = 600.0

# Rows in the order of their key: statements that meet in several wait, and do not lock each other out.
_DRAW: LiteralString = """
insert into crossdock.throttle as t (tenant, name, full_at, each, span, want, back, granted)
select k.tenant, k.name, crossdock.throttle_now() + least(k.want, floor(k.span / k.each + 1e-6)) * k.each,
  k.each, k.span, k.want, k.back, least(k.want, floor(k.span / k.each + 1e-6))
from unnest($1::int[], $2::text[], $3::float8[], $4::float8[], $5::int[], $6::int[])
  as k(tenant, name, each, span, want, back)
order by k.tenant, k.name
on conflict (tenant, name) do update set
  (full_at, granted) = (
    select b.base + g.granted * excluded.each, g.granted
    from (select greatest(t.full_at - excluded.back * excluded.each, n.now) as base, n.now
          from (select crossdock.throttle_now() as now) n) b
    cross join lateral (select greatest(0, least(
      excluded.want, floor((b.now + excluded.span - b.base) / excluded.each + 1e-6)))::int as granted) g)
returning tenant, name, granted, full_at - crossdock.throttle_now() as full_in
"""

_TIDY: LiteralString = """
delete from crossdock.throttle where full_at < crossdock.throttle_now() - 60
"""


class Shared:
    """Keeps buckets for all processes that use the database."""

    def __init__(self, database: Database) -> None:
        """In that database."""
        self._database = database
        self._tidied = time.monotonic()

    async def draw(self, draws: Sequence[Draw]) -> Sequence[Drawn]:
        """Draw from many buckets, no two of which are the same one. Raises `Unreachable`."""
        rows = await self._database.at_once(
            _DRAW,
            [one.tenant for one in draws],
            [one.name for one in draws],
            [one.each for one in draws],
            [one.span for one in draws],
            [one.want for one in draws],
            [one.back for one in draws],
        )
        found = {
            (row["tenant"], row["name"]): Drawn(granted=row["granted"], full_in=row["full_in"])
            for row in rows
        }
        if time.monotonic() - self._tidied > _TIDY_SECONDS:
            self._tidied = time.monotonic()
            await self.tidy()
        return [found[one.tenant, one.name] for one in draws]

    async def tidy(self) -> None:
        """Forget buckets that have been full for a minute: one that is not known is full."""
        await self._database.at_once(_TIDY)

    async def close(self) -> None:
        """Nothing: the database is another's."""
