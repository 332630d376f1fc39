"""What a batch of decisions leaves behind, gathered as columns and written in a few statements.

The first statement is the one that every batch needs: states, history, new calls, lanes that go on, aliases
of runs that ended. The others run only when there is something for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, LiteralString

import msgspec

from crossdock.engine.outbox import LeasedCall, Room, call_seconds
from crossdock.engine.payloads import Payloads
from crossdock.process.messages import Call, Event, Record
from crossdock.process.state import ENDED_RUN, State
from crossdock.store import EngineTransaction

_encode = msgspec.json.Encoder().encode

# Calls stand in their lane in the order in which they were decided. One that finds its lane free is its head;
# if this worker has room and the connection has no limits to share, it is leased at once.
_WRITE: LiteralString = """
with r as (
  update crossdock.run r
  set seq = k.seq, status = k.status, wake_at = k.wake_at, ended = k.ended, state = k.state, error = k.error,
      changed = $1, carrier = k.carrier
  from unnest($2::int[], $3::bigint[], $4::int[], $5::text[], $6::timestamptz[], $7::timestamptz[],
              $8::bytea[], $9::text[], $10::text[])
    as k(tenant, run, seq, status, wake_at, ended, state, error, carrier)
  where r.tenant = any(array[k.tenant]) and r.id = any(array[k.run])
), h as (
  insert into crossdock.history (tenant, run, seq, at, type, event, records)
  select k.tenant, k.run, k.seq, $1, k.type, k.event, k.records
  from unnest($11::int[], $12::bigint[], $13::int[], $14::text[], $15::bytea[], $16::bytea[])
    as k(tenant, run, seq, type, event, records)
), e as (
  update crossdock.alias a set live = false
  from unnest($17::int[], $18::bigint[]) as k(tenant, run)
  where a.tenant = any(array[k.tenant]) and a.run = any(array[k.run]) and a.live is not false
), f as (
  update crossdock.outbox o set status = 'ready'
  from (
    select q.tenant, q.run, q.command
    from (select distinct * from unnest($19::int[], $20::text[], $21::text[])
            as k(tenant, connection, lane)) k
    cross join lateral (
      select q.tenant, q.run, q.command from crossdock.outbox q
      where q.tenant = k.tenant and q.connection = k.connection and q.lane = k.lane and q.status = 'queued'
      order by q.id limit 1
    ) q
  ) n
  where o.tenant = any(array[n.tenant]) and o.run = any(array[n.run]) and o.command = any(array[n.command])
  returning o.tenant, o.run, o.command
), c as (
  select k.*, nextval('crossdock.outbox_id') as id,
    k.lane <> '' and (k.later or h.taken is not null or q.taken is not null) as behind,
    k.mine and n.name is not null and n.concurrency is null and n.rate is null and n.drain_rate is null
      and n.stopped is null and n.open_until is null as at_once
  from unnest($22::int[], $23::bigint[], $24::text[], $25::text[], $26::text[], $27::text[], $28::bytea[],
              $29::bool[], $30::bool[], $31::bool[], $32::bool[])
    as k(tenant, run, command, connection, lane, key, call, doubt, only_find, mine, later)
  left join crossdock.connection n on n.tenant = any(array[k.tenant]) and n.name = any(array[k.connection])
  left join lateral (
    select true as taken from crossdock.outbox x where x.tenant = k.tenant and x.connection = k.connection
      and x.lane = k.lane and x.lane <> '' and x.status in ('ready', 'leased', 'reported') limit 1) h on true
  left join lateral (
    select true as taken from crossdock.outbox x where x.tenant = k.tenant and x.connection = k.connection
      and x.lane = k.lane and x.status = 'queued' limit 1) q on true
), o as (
  insert into crossdock.outbox (tenant, run, id, token, owner, due, leased_until, doubt, withdrawn, status,
                                command, connection, lane, key, call)
  select c.tenant, c.run, c.id, c.id, case when c.at_once and not c.behind then $33::bigint end, $1,
    case when c.at_once and not c.behind then clock_timestamp() + $34::interval end, c.doubt, c.only_find,
    case when c.behind then 'queued' when c.at_once then 'leased' else 'ready' end,
    c.command, c.connection, c.lane, c.key, c.call
  from c
  returning tenant, run, command, token, status
)
select tenant, run, command, token, status from o
union all
select tenant, run, command, 0, 'promoted' from f
"""

_RETRY: LiteralString = """
update crossdock.outbox o set status = 'ready', due = k.at, doubt = k.doubt, attempt = o.attempt + 1,
  owner = null, leased_until = null
from unnest($1::int[], $2::bigint[], $3::text[], $4::timestamptz[], $5::bool[])
  as k(tenant, run, command, at, doubt)
where o.tenant = any(array[k.tenant]) and o.run = any(array[k.run]) and o.command = any(array[k.command])
  and o.status in ('ready', 'reported')
"""

# What never left is gone; what is out, or may have been done, is found out and never done again.
_WITHDRAW: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::bigint[], $3::text[]) as k(tenant, run, command)
), gone as (
  delete from crossdock.outbox o using k
  where o.tenant = any(array[k.tenant]) and o.run = any(array[k.run]) and o.command = any(array[k.command])
    and o.status in ('ready', 'queued') and not o.doubt
  returning o.tenant, o.run, o.command, o.connection, o.lane
), kept as (
  update crossdock.outbox o set withdrawn = true, due = crossdock.now()
  from k
  where o.tenant = any(array[k.tenant]) and o.run = any(array[k.run]) and o.command = any(array[k.command])
    and (o.doubt or o.status not in ('ready', 'queued'))
)
select * from gone
"""

_STOP: LiteralString = """
update crossdock.run r set error = k.error, status = 'held', wake_at = null
from unnest($1::int[], $2::bigint[], $3::text[]) as k(tenant, run, error)
where r.tenant = any(array[k.tenant]) and r.id = any(array[k.run])
"""

_ASIDE: LiteralString = """
with k as (
  select * from unnest($1::int[], $2::bigint[], $3::bigint[], $4::text[], $5::bytea[])
    as k(tenant, run, id, error, event)
), moved as (
  delete from crossdock.inbox i using (select distinct tenant, run from k) k
  where i.tenant = any(array[k.tenant]) and i.run = any(array[k.run])
  returning i.tenant, i.run, i.id, i.event
)
insert into crossdock.aside (tenant, run, id, error, event)
select tenant, run, coalesce(id, nextval('crossdock.inbox_id')), error, event from k
union all select tenant, run, id, null, event from moved
"""


@dataclass(slots=True)
class _Calls:
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    lanes: set[tuple[int, str, str]] = field(default_factory=set)
    by_name: dict[tuple[int, int, str], tuple[Call, str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class Columns:
    """What one batch leaves behind. `flush` writes it and gives the calls that this worker has now."""

    now: datetime
    room: Room
    owner: int
    lease: timedelta
    payloads: Payloads
    runs: list[tuple[Any, ...]] = field(default_factory=list)
    history: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[tuple[int, int]] = field(default_factory=list)
    freed: list[tuple[int, str, str]] = field(default_factory=list)  # lanes whose head has gone
    retries: list[tuple[int, int, str, datetime, bool]] = field(default_factory=list)
    withdrawals: list[tuple[int, int, str]] = field(default_factory=list)
    aside: list[tuple[int, int, int | None, str | None, bytes]] = field(default_factory=list)
    stopped: list[tuple[int, int, str]] = field(default_factory=list)  # runs without a new state, and why
    waiting: bool = False  # calls were written that somebody has to lease
    _calls: _Calls = field(default_factory=_Calls)

    def state(self, tenant: int, run: int, state: State, error: str | None) -> int:
        """A run's new state; with an `error` it stops until somebody releases it. Gives its bytes of JSON."""
        status = "held" if error is not None else state.status
        wake = None if error is not None else state.wake
        encoded, size = self.payloads.take_out_of_state(tenant, state)
        row = (tenant, run, state.seq, status, wake, state.ended, encoded, error, _carrier(state.document))
        self.runs.append(row)
        if state.status in ENDED_RUN:
            self.ended.append((tenant, run))
        return size

    def decided(
        self, tenant: int, run: int, seq: int, event: Event, encoded: bytes, records: list[Record]
    ) -> None:
        """One line of history."""
        small = self.payloads.take_out(tenant, encoded)
        told = self.payloads.take_out(tenant, _encode(records))
        self.history.append((tenant, run, seq, event.type, small, told))

    def call(self, tenant: int, run: int, call: Call, connection: str, key: str) -> None:
        """A call for its lane."""
        mine = self.room.free_for(tenant, connection) > 0
        if mine:
            self.room.take(tenant, connection)
        lane = (tenant, connection, call.lane)
        later = bool(call.lane) and lane in self._calls.lanes
        self._calls.lanes.add(lane)
        self._calls.by_name[tenant, run, call.id] = (call, connection, key)
        self._calls.rows.append(
            (
                tenant,
                run,
                call.id,
                connection,
                call.lane,
                key,
                _encode(call),
                call.doubt,
                call.only_find,
                mine,
                later,
            )
        )

    def forget_call(self, tenant: int, run: int, command: str) -> bool:
        """Take back a call of this batch, if it is one."""
        if self._calls.by_name.pop((tenant, run, command), None) is None:
            return False
        for n, row in enumerate(self._calls.rows):
            if row[:3] == (tenant, run, command):
                if row[9]:
                    self.room.give(tenant, row[3])
                del self._calls.rows[n]
                return True
        return False

    def give_back(self) -> None:
        """The batch is not written: the room that its calls took is free again."""
        for row in self._calls.rows:
            if row[9]:
                self.room.give(row[0], row[3])

    async def flush(self, transaction: EngineTransaction) -> list[LeasedCall]:
        """Write all but what routing writes. Gives the calls that were leased to this worker at once."""
        if self.retries:
            await transaction.execute(_RETRY, *_columns(self.retries, 5))
            self.waiting = True
        await self.payloads.write(transaction)
        if self.stopped:
            await transaction.execute(_STOP, *_columns(self.stopped, 3))
        if self.aside:
            await transaction.execute(_ASIDE, *_columns(self.aside, 5))
        calls = self._calls
        if not (self.runs or self.freed or calls.rows):
            return []
        rows = await transaction.fetch(
            _WRITE,
            self.now,
            *_columns(self.runs, 9),
            *_columns(self.history, 6),
            *_columns(self.ended, 2),
            *_columns(self.freed, 3),
            *_columns(calls.rows, 11),
            self.owner,
            self.lease,
        )
        leased: dict[tuple[int, int, str], int] = {}
        for tenant, run, command, token, status in rows:
            if status == "leased":
                leased[tenant, run, command] = token
            elif status != "queued":
                self.waiting = True
        given: list[LeasedCall] = []
        seconds = call_seconds(self.lease)
        for row in calls.rows:
            name = row[:3]
            token = leased.get(name)
            if token is not None:
                call, connection, key = calls.by_name[name]
                given.append(
                    LeasedCall(
                        tenant=row[0],
                        run=row[1],
                        command=row[2],
                        connection=connection,
                        key=key,
                        attempt=1,
                        find_first=call.doubt,
                        only_find=call.only_find,
                        seconds=seconds,
                        token=token,
                        call=call,
                    )
                )
        return given

    def settle_room(self, given: list[LeasedCall]) -> None:
        """After the commit: calls that were not leased to us after all leave their room."""
        got = {(call.tenant, call.run, call.command) for call in given}
        for row in self._calls.rows:
            if row[9] and row[:3] not in got:
                self.room.give(row[0], row[3])

    async def withdraw(self, transaction: EngineTransaction) -> list[tuple[int, int, str]]:
        """Take calls back; gives those that are gone, which their runs are to be told."""
        gone = await transaction.fetch(_WITHDRAW, *_columns(self.withdrawals, 3))
        self.freed += [(row["tenant"], row["connection"], row["lane"]) for row in gone if row["lane"]]
        return [(row["tenant"], row["run"], row["command"]) for row in gone]


def _columns(rows: Sequence[Any], width: int) -> list[Any]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _carrier(document: Any) -> str | None:
    """Who carries it out, as the document of a run names it."""
    found = document.get("carrier") if isinstance(document, dict) else None
    return found if isinstance(found, str) else None
