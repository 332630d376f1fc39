"""Calls that wait to leave, and who has them.

    queued ──► ready ──► leased ──► (settled: the row goes with the decision that takes the outcome)
      │          ▲          │ └───► reported    the outcome is in the inbox, the row waits for its decision
      │          │          │          │
    its lane     └──────────┴──────────┘        Retry, or the lease ran out: then the outcome is unknown,
    is taken                                    and the next call finds out first

A lane is (tenant, connection, document). Its head alone may leave; a unique index says so, whatever workers
do. A lease has an owner, an end by the server's real clock, and a token: an outcome counts only with the
token of the last lease. A call's total time-out is shorter than its lease. A pause, between the tries of a
call or of a breaker that is open, is by the engine's clock: it is waited for, not worked in.

Most calls never wait: the decision that writes them leases them to its own worker in the same statement
(`decide`), if the connection has no limits that many workers share. What is left is leased here: fair between
tenants and connections in turn, within the connection's limits, its breaker, and whether it is stopped.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, LiteralString, Protocol

import msgspec

from crossdock.engine.correlate import encode_event
from crossdock.process.messages import CALL_ENDED, Call, CallEnded, Event
from crossdock.store import Database, EngineTransaction

decode_call = msgspec.json.Decoder(Call).decode

BREAKER_FAILURES = 5  # one after the other, over all workers
BREAKER_FIRST = 5.0  # seconds until one call tries again; doubles ...
BREAKER_MOST = 120.0  # ... up to this


@dataclass(frozen=True, slots=True, kw_only=True)
class LeasedCall:
    """A call that this worker has, until the lease ends. `key` names it once for its whole life.

    `find_first`: an earlier try may have done it, so ask before doing it. `only_find`: it was taken back;
    do not do it, answer `done` where it was done and `withdrawn` where it was not. `seconds` is the time
    there is.
    """

    tenant: int
    run: int
    command: str
    connection: str
    key: str
    attempt: int
    find_first: bool
    only_find: bool
    seconds: float
    token: int
    call: Call


class Caller(Protocol):
    """Whoever carries calls out: the package `connect`."""

    async def call(self, leased: LeasedCall) -> CallEnded:
        """Call, and say how it ended. Never raises for what the other side does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a call of this worker ended, on its way into a decision."""

    leased: LeasedCall
    ended: CallEnded

    def event_data(self) -> Any:
        """The answer as JSON values, as a replay will see it."""
        return msgspec.to_builtins(self.ended, str_keys=True)


@dataclass(slots=True)
class Room:
    """How many calls one worker may have out, so that no connection takes it all.

    A connection may have as many out as there is still free: one slow partner gets half, a second one a third
    of all, and something is always left for the others.
    """

    most: int
    out: int = 0
    by_connection: Counter[tuple[int, str]] = field(default_factory=Counter)

    def free_for(self, tenant: int, connection: str) -> int:
        """How many more calls of this connection may leave now."""
        return self.most - self.out - self.by_connection[tenant, connection]

    def take(self, tenant: int, connection: str, number: int = 1) -> None:
        """So many have left, or are about to."""
        self.out += number
        self.by_connection[tenant, connection] += number

    def give(self, tenant: int, connection: str, number: int = 1) -> None:
        """So many have come back, or did not leave after all."""
        self.out -= number
        left = self.by_connection[tenant, connection] - number
        if left > 0:
            self.by_connection[tenant, connection] = left
        else:
            del self.by_connection[tenant, connection]


# Connections that have a call which is due, in turn after the last one served (tenant, name).
_WAITING: LiteralString = """
with recursive c as (
  (select tenant, connection from crossdock.outbox where status = 'ready'
     and (tenant, connection) > ($1::int, $2::text) order by tenant, connection limit 1)
  union all
  select n.tenant, n.connection from c cross join lateral (
    select o.tenant, o.connection from crossdock.outbox o where o.status = 'ready'
      and (o.tenant, o.connection) > (c.tenant, c.connection)
    order by o.tenant, o.connection limit 1) n
)
select w.tenant, w.connection, n.concurrency, n.rate, n.drain_rate, n.tokens, n.opened,
       n.open_until is not null as half_open,
       extract(epoch from clock_timestamp() - n.refilled)::float8 as idle
from (select * from c limit $3) w
join crossdock.connection n on n.tenant = any(array[w.tenant]) and n.name = any(array[w.connection])
cross join lateral (
  select 1 from crossdock.outbox o where o.tenant = w.tenant and o.connection = w.connection
    and o.status = 'ready' and o.due <= crossdock.now() limit 1) due
where n.stopped is null and (n.open_until is null or n.open_until <= crossdock.now())
order by w.tenant, w.connection
for update of n skip locked
"""

# A statement of its own after the connections are locked, so that it counts what others leased just before.
_LEASE: LiteralString = """
update crossdock.outbox o
set status = 'leased', owner = $4, token = nextval('crossdock.outbox_id'),
    leased_until = clock_timestamp() + $5::interval, limited = w.limited
from (
  select h.tenant, h.run, h.command, k.at_once is not null as limited
  from unnest($1::int[], $2::text[], $3::int[], $6::int[]) as k(tenant, connection, most, at_once)
  cross join lateral (
    select x.tenant, x.run, x.command from crossdock.outbox x
    where x.tenant = k.tenant and x.connection = k.connection and x.status = 'ready'
      and x.due <= crossdock.now()
    order by x.due, x.id
    limit case when k.at_once is null then k.most else greatest(0, least(k.most, k.at_once - (
      select count(*)::int from crossdock.outbox y where y.tenant = k.tenant
        and y.connection = k.connection and y.status = 'leased' and y.limited))) end
    for update skip locked
  ) h
) w
where o.tenant = any(array[w.tenant]) and o.run = any(array[w.run]) and o.command = any(array[w.command])
returning o.tenant, o.run, o.command, o.connection, o.key, o.attempt, o.doubt, o.withdrawn, o.token,
  o.call, o.due, o.id
"""

_TOKENS: LiteralString = """
update crossdock.connection c set tokens = k.tokens, refilled = clock_timestamp()
from unnest($1::int[], $2::text[], $3::float8[]) as k(tenant, name, tokens)
where c.tenant = any(array[k.tenant]) and c.name = any(array[k.name])
"""

# One call tries whether a system answers again; no other does before it has ended, or should have.
_TRYING: LiteralString = """
update crossdock.connection c set open_until = crossdock.now() + make_interval(secs => $3)
from unnest($1::int[], $2::text[]) as k(tenant, name)
where c.tenant = any(array[k.tenant]) and c.name = any(array[k.name])
"""

_EXPIRE: LiteralString = """
update crossdock.outbox set status = 'ready', doubt = true, owner = null, leased_until = null,
  due = crossdock.now(), error = 'the worker that called it did not answer in time'
where (tenant, run, command) in (
  select tenant, run, command from crossdock.outbox
  where status = 'leased' and leased_until < clock_timestamp() order by leased_until limit 1000
  for update skip locked)
"""

# The queue's head goes when its decision is written; two transactions that meet in a lane may leave it
# without one for a moment.
_ADVANCE: LiteralString = """
with recursive l as (
  (select tenant, connection, lane from crossdock.outbox
   where status = 'queued' and (tenant, connection, lane) > ($1::int, $2::text, $3::text)
   order by tenant, connection, lane limit 1)
  union all
  select n.tenant, n.connection, n.lane from l cross join lateral (
    select o.tenant, o.connection, o.lane from crossdock.outbox o
    where o.status = 'queued' and (o.tenant, o.connection, o.lane) > (l.tenant, l.connection, l.lane)
    order by o.tenant, o.connection, o.lane limit 1) n
), seen as materialized (
  select * from l limit $4
), moved as (
  update crossdock.outbox o set status = 'ready'
  from (
    select h.tenant, h.run, h.command
    from seen s cross join lateral (
      select q.tenant, q.run, q.command from crossdock.outbox q
      where q.tenant = s.tenant and q.connection = s.connection and q.lane = s.lane and q.status = 'queued'
      order by q.id limit 1
    ) h
    where not exists (
      select 1 from crossdock.outbox x where x.tenant = s.tenant and x.connection = s.connection
        and x.lane = s.lane and x.lane <> '' and x.status in ('ready', 'leased', 'reported') offset 0)
  ) h
  where o.tenant = any(array[h.tenant]) and o.run = any(array[h.run]) and o.command = any(array[h.command])
    and o.status = any(array['queued', ''])
  returning 1
)
select s.tenant, s.connection, s.lane, (select count(*)::int from moved) as moved
from seen s order by 1, 2, 3
"""
_LANES = 500  # lanes with a queue that are looked at in one turn

# An outcome whose run another worker has just now: it goes the long way, through the inbox.
_REPORT: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[])
    as k(tenant, run, command, token, event)
), mine as (
  update crossdock.outbox o set status = 'reported', leased_until = null
  from k
  where o.tenant = any(array[k.tenant]) and o.run = any(array[k.run]) and o.command = any(array[k.command])
    and o.token = k.token
    and o.status = 'leased'
  returning o.tenant, o.run, k.event
)
insert into crossdock.inbox (tenant, run, event) select tenant, run, event from mine
"""

_BREAKER: LiteralString = """
update crossdock.connection c
set failures = case when k.failed then c.failures + k.n else 0 end,
    opened = case when not k.failed then 0
                  when c.open_until is not null or c.failures + k.n >= $5 then least(c.opened + 1, 20)
                  else c.opened end,
    open_until = case when not k.failed then null
                      when c.open_until is not null or c.failures + k.n >= $5
                      then crossdock.now() + make_interval(secs => least($7, $6 * 2 ^ least(c.opened, 20)))
                      else null end
from unnest($1::int[], $2::text[], $3::bool[], $4::int[]) as k(tenant, name, failed, n)
where c.tenant = any(array[k.tenant]) and c.name = any(array[k.name])
  and (k.failed or c.failures > 0 or c.open_until is not null)
returning c.tenant, c.name, c.open_until is not null as open
"""


class Outbox:
    """Leases calls for one worker, and reports on those that ended."""

    def __init__(self, database: Database, *, owner: int, lease: timedelta, connections: int = 64) -> None:
        """`owner` names the worker; `connections` is how many are looked at in one turn."""
        self._database = database
        self._owner = owner
        self._lease = lease
        self._connections = connections
        self._after: tuple[int, str] = (0, "")
        self._expired_at = 0.0
        self._lanes_after = (0, "", "")
        self.suspended: frozenset[int] = frozenset()  # tenants whose calls do not leave
        self.limited: set[tuple[int, str]] = set()  # connections whose calls had to wait for a place
        self.trying: set[tuple[int, str]] = set()  # of the last turn: a call tries whether they answer again

    async def lease(self, room: Room, most: int) -> list[LeasedCall]:
        """Lease up to `most` calls that are due, some of each connection in turn, within all limits."""
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_WAITING, *self._after, self._connections)
            if not rows:
                self._after = (0, "")
                return []
            self._after = (
                (rows[-1]["tenant"], rows[-1]["connection"]) if len(rows) >= self._connections else (0, "")
            )
            self.limited = {(row["tenant"], row["connection"]) for row in rows if _limited(row)}
            wanted = [(row, self._allowance(row, room, max(1, most // len(rows)))) for row in rows]
            wanted = [(row, n) for row, n in wanted if n > 0 and row["tenant"] not in self.suspended]
            if not wanted:
                return []
            leased = await transaction.fetch(
                _LEASE,
                [row["tenant"] for row, _ in wanted],
                [row["connection"] for row, _ in wanted],
                [number for _, number in wanted],
                self._owner,
                self._lease,
                [row["concurrency"] for row, _ in wanted],
            )
            await self._pay(transaction, [row for row, _ in wanted], leased)
            trying = [row for row, _ in wanted if row["half_open"]]
            self.trying = {(row["tenant"], row["connection"]) for row in trying}
            if trying:
                names = ([row["tenant"] for row in trying], [row["connection"] for row in trying])
                await transaction.execute(_TRYING, *names, self._lease.total_seconds())
        leased.sort(key=lambda row: (row["due"], row["id"]))
        for row in leased:
            room.take(row["tenant"], row["connection"])
        return [self._leased(row) for row in leased]

    def _allowance(self, row: Any, room: Room, share: int) -> int:
        number = min(share, room.free_for(row["tenant"], row["connection"]), 1 if row["half_open"] else share)
        if _rate(row) is not None:
            number = min(number, int(_tokens(row)))
        return number

    async def _pay(self, transaction: EngineTransaction, rows: list[Any], leased: list[Any]) -> None:
        """Take what has left from the connections' rates."""
        limited = [row for row in rows if _rate(row) is not None]
        if limited:
            left = Counter((row["tenant"], row["connection"]) for row in leased)
            await transaction.execute(
                _TOKENS,
                [row["tenant"] for row in limited],
                [row["connection"] for row in limited],
                [_tokens(row) - left[row["tenant"], row["connection"]] for row in limited],
            )

    def _leased(self, row: Any) -> LeasedCall:
        call = decode_call(row["call"])
        return LeasedCall(
            tenant=row["tenant"],
            run=row["run"],
            command=row["command"],
            connection=row["connection"],
            key=row["key"],
            attempt=row["attempt"],
            find_first=row["doubt"],
            only_find=row["withdrawn"],
            seconds=call_seconds(self._lease),
            token=row["token"],
            call=call,
        )

    async def report(self, outcomes: list[tuple[Outcome, Event]]) -> None:
        """Put outcomes into the inbox, where their leases still hold."""
        async with self._database.engine() as transaction:
            await transaction.execute(
                _REPORT,
                [o.leased.tenant for o, _ in outcomes],
                [o.leased.run for o, _ in outcomes],
                [o.leased.command for o, _ in outcomes],
                [o.leased.token for o, _ in outcomes],
                [encode_event(event) for _, event in outcomes],
            )

    async def tidy(self) -> int:
        """Take back leases that ran out, and let lanes go on that have lost their head. Gives how many."""
        expired = 0
        # No index on the ends of leases: it would cost every call more than a look at all of them now and
        # then.
        if time.monotonic() - self._expired_at > min(self._lease.total_seconds() / 4, 5.0):
            self._expired_at = time.monotonic()
            async with self._database.engine() as transaction:
                expired = await transaction.execute(_EXPIRE)
        async with self._database.engine() as transaction:
            lanes = await transaction.fetch(_ADVANCE, *self._lanes_after, _LANES)
        last = lanes[-1] if len(lanes) == _LANES else None
        self._lanes_after = (last["tenant"], last["connection"], last["lane"]) if last else (0, "", "")
        return expired + (lanes[0]["moved"] if lanes else 0)

    async def heard(self, answers: dict[tuple[int, str], list[bool]]) -> None:
        """Tell the breakers how calls went: for each connection, whether each answer was a failure."""
        rows = [
            (tenant, name, all(failed), len(failed)) for (tenant, name), failed in sorted(answers.items())
        ]
        async with self._database.engine() as transaction:
            await transaction.fetch(
                _BREAKER,
                [r[0] for r in rows],
                [r[1] for r in rows],
                [r[2] for r in rows],
                [r[3] for r in rows],
                BREAKER_FAILURES,
                BREAKER_FIRST,
                BREAKER_MOST,
            )


def call_seconds(lease: timedelta) -> float:
    """The total time-out of a call: enough less than its lease for the outcome to be written."""
    return max(lease.total_seconds() * 0.8, lease.total_seconds() - 10)


def outcome_event(outcome: Outcome, now: Any, reference: int) -> Event:
    """The event that tells a run how its call ended."""
    return Event(
        id=f"{outcome.leased.command}@{outcome.leased.token}",
        source=f"call/{outcome.leased.connection}",
        type=CALL_ENDED,
        time=now,
        received=now,
        now=now,
        data=outcome.event_data(),
        reference=reference,
    )


def _limited(row: Any) -> bool:
    return row["concurrency"] is not None or row["half_open"]


def _rate(row: Any) -> float | None:
    rates = [rate for rate in (row["rate"], row["drain_rate"]) if rate is not None]
    return min(rates) if rates else None


def _tokens(row: Any) -> float:
    """What a connection's rate allows by now: at most what one second gives, at least one call."""
    rate = _rate(row) or 0.0
    return float(min(max(1.0, rate), row["tokens"] + row["idle"] * rate))
