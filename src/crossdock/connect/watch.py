"""What is seen of the calls of all connections: how they ended, how long they took, what quota is left.

A call adds to a count in memory; the counts are written every few seconds, all in one statement. What a
process had not written when it was killed is missing from the figures, and from nothing else.

Lengths are told in steps, each a fifth longer than the one before: step n ends at 1.2^n milliseconds.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Literal, LiteralString

import msgspec
import structlog

from crossdock.connect.quota import Quota, quota_of
from crossdock.errors import CrossdockError
from crossdock.store import Database

log = structlog.get_logger(__name__)

Ended = Literal["done", "refused", "unreachable", "unknown"]

STEP = 1.2
WRITE_SECONDS = 3.0
_LAST = 75  # 1.2^75 ms are a quarter of an hour
_TIDY_SECONDS = 600.0

_COUNTS: LiteralString = """
insert into crossdock.connection_minute as m (tenant, connection, minute, ended, span, calls)
select k.tenant, k.connection, date_trunc('minute', crossdock.now()), k.ended, k.span, k.calls
from unnest($1::int[], $2::text[], $3::text[], $4::int[], $5::int[])
  as k(tenant, connection, ended, span, calls)
join crossdock.connection c on c.tenant = k.tenant and c.name = k.connection
order by 1, 2, 3, 4, 5
on conflict (tenant, connection, minute, ended, span) do update set calls = m.calls + excluded.calls
"""
_STATES: LiteralString = """
insert into crossdock.connection_health as h
  (tenant, connection, succeeded, failed, quota_left, quota_limit, quota_resets)
select k.tenant, k.connection, case when k.succeeded then crossdock.now() end,
  case when k.failed then crossdock.now() end, k.quota_left, k.quota_limit,
  crossdock.now() + make_interval(secs => k.quota_seconds)
from unnest($1::int[], $2::text[], $3::bool[], $4::bool[], $5::float8[], $6::float8[], $7::float8[])
  as k(tenant, connection, succeeded, failed, quota_left, quota_limit, quota_seconds)
join crossdock.connection c on c.tenant = k.tenant and c.name = k.connection
order by 1, 2
on conflict (tenant, connection) do update set
  succeeded = coalesce(excluded.succeeded, h.succeeded), failed = coalesce(excluded.failed, h.failed),
  quota_left = coalesce(excluded.quota_left, h.quota_left),
  quota_limit = case when excluded.quota_left is null then h.quota_limit else excluded.quota_limit end,
  quota_resets = case when excluded.quota_left is null then h.quota_resets else excluded.quota_resets end
"""
_TIDY: LiteralString = (
    "delete from crossdock.connection_minute where minute < crossdock.now() - interval '1 day'"
)

# So many of each connection, and those that were recorded long ago not at all.
MOST_RECORDED = 1000
_RECORD: LiteralString = """
insert into crossdock.traffic (tenant, connection, entry)
select k.tenant, k.connection, k.entry
from unnest($1::int[], $2::text[], $3::bytea[]) with ordinality as k(tenant, connection, entry, n)
join crossdock.connection c on c.tenant = k.tenant and c.name = k.connection
where $4 > (
  select count(*) from crossdock.traffic t where t.tenant = k.tenant and t.connection = k.connection)
order by k.n
"""
_FORGET: LiteralString = "delete from crossdock.traffic where at < statement_timestamp() - interval '7 days'"

Name = tuple[int, str]  # tenant and connection


class Watch:
    """Counts for one process."""

    def __init__(self, database: Database) -> None:
        """Written to that database."""
        self._database = database
        self._calls: Counter[tuple[int, str, Ended, int]] = Counter()
        self._quotas: dict[Name, Quota] = {}
        self._traffic: list[tuple[int, str, bytes]] = []
        self._tidied = 0.0

    def ended(self, tenant: int, connection: str, how: Ended, seconds: float) -> None:
        """A call ended so, after so many seconds."""
        self._calls[tenant, connection, how, step_of(seconds)] += 1

    def answered(self, tenant: int, connection: str, headers: Mapping[str, str]) -> None:
        """An answer came, with these headers, their names in lower case."""
        quota = quota_of(headers)
        if quota is not None:
            self._quotas[tenant, connection] = quota

    def record(
        self, tenant: int, connection: str, known: set[bytes], entry: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Keep what was asked and answered, unless it is `known` by its digest.

        Whatever goes wrong with that is no fault of the call.
        """
        if len(self._traffic) < MOST_RECORDED and len(known) < MOST_RECORDED:
            try:
                made = entry()
                said = made["request"], made["response"]["status"], made["response"]["content"]
                digest = hashlib.blake2b(msgspec.json.encode(said), digest_size=16).digest()
                if digest not in known:  # whoever plays it back gives the last answer again
                    known.add(digest)
                    self._traffic.append((tenant, connection, msgspec.json.encode(made)))
            except Exception as error:  # noqa: BLE001 - it reads what others send
                log.warning("watch.not_recorded", connection=connection, error=type(error).__name__)

    async def run(self) -> None:
        """Write what was counted every few seconds, until cancelled; and then once more."""
        try:
            while True:
                await asyncio.sleep(WRITE_SECONDS)
                await self._try_to_write()
        finally:
            await self._try_to_write()

    async def _try_to_write(self) -> None:
        try:
            await self.write()
        except CrossdockError as error:
            log.warning("watch.not_written", error=error.message)
        except Exception:  # figures are not worth a worker
            log.exception("watch.not_written")

    async def write(self) -> None:
        """Write what was counted since the last time. What cannot be written is not counted."""
        calls, self._calls = self._calls, Counter()
        quotas, self._quotas = self._quotas, {}
        traffic, self._traffic = self._traffic, []
        if not calls and not quotas and not traffic:
            return
        rows = [(*name, number) for name, number in sorted(calls.items())]
        good = {(tenant, connection) for tenant, connection, how, _ in calls if how == "done"}
        bad = {
            (tenant, connection) for tenant, connection, how, _ in calls if how in ("unreachable", "unknown")
        }
        names = sorted(good | bad | set(quotas))
        told = [quotas.get(name) for name in names]
        async with self._database.engine() as transaction:
            if rows:
                await transaction.execute(_COUNTS, *(list(column) for column in zip(*rows, strict=True)))
            await transaction.execute(
                _STATES,
                [tenant for tenant, _ in names],
                [connection for _, connection in names],
                [name in good for name in names],
                [name in bad for name in names],
                [quota.left if quota else None for quota in told],
                [quota.limit if quota else None for quota in told],
                [quota.seconds if quota else None for quota in told],
            )
            if time.monotonic() - self._tidied > _TIDY_SECONDS:
                self._tidied = time.monotonic()
                await transaction.execute(_TIDY)
                await transaction.execute(_FORGET)
            if traffic:
                columns = (list(column) for column in zip(*traffic, strict=True))
                await transaction.execute(_RECORD, *columns, MOST_RECORDED)


def step_of(seconds: float) -> int:
    """The step of the scale that a length falls in."""
    if seconds <= 0.001:
        return 0
    return min(_LAST, math.ceil(math.log(seconds * 1000) / math.log(STEP)))


def length_at(steps: Mapping[int, int], share: float) -> float | None:
    """The length in seconds that so large a share of all calls did not exceed; None where there are none."""
    left = math.ceil(sum(steps.values()) * share)
    for step in sorted(steps):
        left -= steps[step]
        if left <= 0:
            return float(STEP**step / 1000)
    return None
