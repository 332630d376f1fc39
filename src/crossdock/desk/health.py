"""How the calls of connections went of late, how far their feeds are read, and what quota is left."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import LiteralString

from crossdock.connect.watch import length_at
from crossdock.store import TenantTransaction

_STATES: LiteralString = """
select c.name, h.succeeded, h.failed, h.quota_resets, h.quota_limit,
  case when h.quota_resets is null or h.quota_resets > crossdock.now() then h.quota_left end as quota_left
from crossdock.connection c
left join crossdock.connection_health h on h.tenant = c.tenant and h.connection = c.name
where c.tenant = crossdock.tenant()
"""
_CALLS: LiteralString = """
select connection, ended, span, sum(calls)::int as calls from crossdock.connection_minute
where tenant = crossdock.tenant() and minute > crossdock.now() - interval '1 hour' group by 1, 2, 3
"""
_FEEDS: LiteralString = """
select connection, name, read_at, failures, extract(epoch from crossdock.now() - read_at)::float8 as lag
from crossdock.feed where tenant = crossdock.tenant() order by connection, name
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A feed that is read with a cursor. Times are the engine's, `lag` in seconds."""

    name: str
    read: datetime | None  # when it was last read to its end
    lag: float | None  # since then; what happened there later is not known here yet
    failures: int  # readings that failed, one after the other


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """A connection within the last hour. Lengths of calls are in seconds, a fifth too long at most."""

    last_success: datetime | None = None
    last_failure: datetime | None = None  # it did not answer, or nobody knows whether it did
    calls: int = 0
    refused: int = 0  # answered with a no
    failed: int = 0
    p50: float | None = None
    p95: float | None = None
    quota_left: float | None = None  # as the other side told it; None once there is more again
    quota_limit: float | None = None
    quota_resets: datetime | None = None
    feeds: tuple[Feed, ...] = field(default=())

    @property
    def error_rate(self) -> float | None:
        """The share of calls that failed; None where there were none."""
        return self.failed / self.calls if self.calls else None

    @property
    def lag(self) -> float | None:
        """The longest lag of its feeds."""
        return max((feed.lag for feed in self.feeds if feed.lag is not None), default=None)


async def health(transaction: TenantTransaction) -> dict[str, Health]:
    """All connections of the tenant, by name."""
    ended: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    steps: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in await transaction.fetch(_CALLS):
        ended[row["connection"]][row["ended"]] += row["calls"]
        steps[row["connection"]][row["span"]] += row["calls"]
    feeds: dict[str, list[Feed]] = defaultdict(list)
    for row in await transaction.fetch(_FEEDS):
        lag = None if row["lag"] is None else max(0.0, row["lag"])
        feeds[row["connection"]].append(
            Feed(name=row["name"], read=row["read_at"], lag=lag, failures=row["failures"])
        )
    found = {}
    for row in await transaction.fetch(_STATES):
        name, calls = row["name"], ended[row["name"]]
        found[name] = Health(
            last_success=row["succeeded"],
            last_failure=row["failed"],
            calls=sum(calls.values()),
            refused=calls["refused"],
            failed=calls["unreachable"] + calls["unknown"],
            p50=length_at(steps[name], 0.5),
            p95=length_at(steps[name], 0.95),
            quota_left=row["quota_left"],
            quota_limit=row["quota_limit"],
            quota_resets=row["quota_resets"],
            feeds=tuple(feeds[name]),
        )
    return found
