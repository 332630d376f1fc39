"""Runs that wait, in any number: some go through the engine, then their rows are multiplied in SQL.

Each copy gets rows in all tables in which the first has any: run, alias, history, seen. Names have a fixed
length (`W00000012`, tracking `TW00000012`), so that a copy's state, events and records name it and not the
one that it was copied from, and have the same size. `waiting` wakes some copies to show that they are real.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg

from benchmarks._ground import Station, released, say
from crossdock.engine import Arrival
from crossdock.store import Tenant

FIRST = 200  # runs that go through the engine
_CHUNK = 50_000

# $1 tenant, $2 and $3 the first and last number, $4 how many firsts there are; n % firsts chooses the one.
_NAMES = """
create temp table names on commit drop as
select f.id as first, f.key as old, 'W' || lpad(n::text, 8, '0') as new, $5::bigint + n as id
from generate_series($2::int, $3::int) n
join crossdock.run f on f.tenant = $1 and f.process = 'delivery' and f.generation = 1
  and f.key = 'W' || lpad((n % $4)::text, 8, '0')
"""
_RUN = """
insert into crossdock.run (tenant, id, version, seq, generation, wake_at, created, changed, process, key,
                           status, state)
overriding system value
select f.tenant, m.id, f.version, f.seq, f.generation, f.wake_at, f.created, f.changed, f.process, m.new,
  f.status, convert_to(replace(convert_from(f.state, 'utf8'), m.old, m.new), 'utf8')
from names m join crossdock.run f on f.tenant = $1 and f.id = m.first
order by m.id
"""
_ALIAS = """
insert into crossdock.alias (tenant, run, live, process, kind, value)
select f.tenant, m.id, f.live, f.process, f.kind, replace(f.value, m.old, m.new)
from names m join crossdock.alias f on f.tenant = $1 and f.run = m.first
order by m.id
"""
_HISTORY = """
insert into crossdock.history (tenant, run, seq, at, type, event, records)
select f.tenant, m.id, f.seq, f.at, f.type,
  convert_to(replace(convert_from(f.event, 'utf8'), m.old, m.new), 'utf8'),
  convert_to(replace(convert_from(f.records, 'utf8'), m.old, m.new), 'utf8')
from names m join crossdock.history f on f.tenant = $1 and f.run = m.first
order by m.id, f.seq
"""
_SEEN = "insert into crossdock.seen (tenant, event) select $1, gen_random_uuid() from names"


def number_of(n: int) -> str:
    """The order number of the waiting run `n`."""
    return f"W{n:08d}"


async def wait_in(
    station: Station,
    number: int,
    tenant: Tenant | None = None,
    *,
    first: Callable[[str], Arrival] = released,
    firsts: int = FIRST,
) -> None:
    """Let so many runs of a tenant wait for their delivery. `first` makes the event that starts a run."""
    tenant = tenant or station.tenant
    real = min(number, firsts)
    async with station.working():
        await asyncio.gather(*(station.inbox.put(tenant, [first(number_of(n))]) for n in range(real)))
        await station.until(
            "select count(*) = $2 from crossdock.run where tenant = $1 and wake_at is not null "
            "and not exists (select 1 from crossdock.inbox)",
            tenant.id,
            real,
        )
    connection = await asyncpg.connect(station.url)
    try:
        base = await connection.fetchval("select max(id) from crossdock.run")
        for begin in range(real, number, _CHUNK):
            end = min(begin + _CHUNK, number) - 1
            async with connection.transaction():
                names = (tenant.id, begin, end, real, base)
                await connection.execute(_NAMES, *names, timeout=600)
                for statement in (_RUN, _ALIAS, _HISTORY, _SEEN):
                    await connection.execute(
                        statement, *(() if "$1" not in statement else (tenant.id,)), timeout=600
                    )
            if number > _CHUNK:
                say(f"  {end + 1:,} of {number:,} runs wait")
        await connection.execute(
            "select setval(pg_get_serial_sequence('crossdock.run', 'id'), max(id)) from crossdock.run"
        )
    finally:
        await connection.close()


async def settle(station: Station) -> None:
    """What weeks would have done: vacuumed, analysed, written to disk."""
    connection = await asyncpg.connect(station.url)
    try:
        await connection.execute("vacuum (analyze)", timeout=3600)
        await connection.execute("checkpoint", timeout=600)
    finally:
        await connection.close()
