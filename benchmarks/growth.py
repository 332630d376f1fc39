"""Throughput at 0, 10 and 50 million rows of history, and retention while running.

The history is that of runs that have ended: some go through the engine, and their rows are multiplied in all
tables in which they have any, over the last twelve weeks, a partition for each week as the product makes
them. The same orders are carried on this database and on one without a past, in turns, so that what else the
machine does falls on both.

orders_per_s_ROWS    64 orders at a time, one worker; `empty` is the other database, at the same time
slowdown_ROWS        that of `empty` over ours
p99_ms_ROWS          from release to end
bytes_per_row        all tables and indexes, over the rows of history (a run of the past has 21 of them)
retention_s          how long the six oldest weeks take to go, while orders are carried
retention_p99_ms     of the orders carried while that was done again and again; `before` is without retention
retention_most_ms    the longest of them

The full size takes about 45 GB below the directory for temporary files (TMPDIR). A size for which there is no
room is left out, and said.
"""

from __future__ import annotations

import asyncio
import itertools
import shutil
import statistics
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg

from benchmarks import Figure
from benchmarks._ground import Station, ground, say, scaled
from benchmarks._load import Taken, closed
from benchmarks._waiting import settle
from crossdock.engine import Arrival

ROWS = (0, 10_000_000, 50_000_000)
ROUNDS = 5
ORDERS = 1_500  # a round
CALLS = 20  # of each run of the past: a row of history each, and one for its start
FIRSTS = 50  # runs of the past that go through the engine
WEEKS = 12
BYTES_A_ROW = 900
_CHUNK = 10_000  # runs

PAST = "\n".join(
    [
        *("process: past", "owner: benchmarks", "document: Case", "key: ${ case.number }"),
        "start: [{ on: case.opened }]",
        "declare: { documents: { Case: { number: string } }, events: { case.opened: { data: Case } } }",
        "steps:",
        *(
            f"  s{n}: {{ {f'needs: s{n - 1}, ' if n else ''}call: erp.invoice, "
            "with: { order: '${ case.number }' }, undo: none }"
            for n in range(CALLS)
        ),
    ]
)
_NAMES = """
create temp table names on commit drop as
select f.id as first, f.key as old, 'W' || lpad(n::text, 8, '0') as new, $4::bigint + n as id
from generate_series($1::int, $2::int) n
join crossdock.run f on f.process = 'past' and f.key = 'W' || lpad((n % $3)::text, 8, '0')
"""
_RUN = """
insert into crossdock.run (tenant, id, version, seq, created, changed, ended, process, key, status, state)
overriding system value
select f.tenant, m.id, f.version, f.seq, $1, $1, $1, f.process, m.new, f.status,
  convert_to(replace(convert_from(f.state, 'utf8'), m.old, m.new), 'utf8')
from names m join crossdock.run f on f.id = m.first order by m.id
"""
_ALIAS = """
insert into crossdock.alias (tenant, run, live, process, kind, value)
select f.tenant, m.id, false, f.process, f.kind, replace(f.value, m.old, m.new)
from names m join crossdock.alias f on f.run = m.first order by m.id
"""
_HISTORY = """
insert into crossdock.history (tenant, run, seq, at, stored, type, event, records)
select f.tenant, m.id, f.seq, $1, $1, f.type,
  convert_to(replace(convert_from(f.event, 'utf8'), m.old, m.new), 'utf8'),
  convert_to(replace(convert_from(f.records, 'utf8'), m.old, m.new), 'utf8')
from names m join crossdock.history f on f.run = m.first order by m.id, f.seq
"""


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Grow, carry orders here and on a database without a past, grow on; then drop weeks meanwhile."""
    orders = (f"A{n:08d}" for n in itertools.count())
    async with ground(scale) as here, here.station() as empty, here.station() as grown:
        for station in (empty, grown):
            await station.add_tenant("bench")
        await grown.library.publish(grown.tenant, PAST)
        past = Past(grown)
        await past.begin()
        for rows in (scaled(number, scale, 0) for number in ROWS):
            if shutil.disk_usage(here.server.directory).free < (rows - past.rows) * BYTES_A_ROW + 2**31:
                say(f"growth: there is no room for {rows:,} rows; {BYTES_A_ROW} bytes each are needed")
                continue
            await past.grow(rows)
            await settle(grown)
            taken: dict[str, list[Taken]] = {"empty": [], "ours": []}
            for _ in range(scaled(ROUNDS, min(1.0, scale * 5))):
                for name, station in (("empty", empty), ("ours", grown)):
                    async with station.working():
                        await closed(itertools.islice(orders, scaled(100, scale, 5)), 64, station.deliver)
                        some = itertools.islice(orders, scaled(ORDERS, min(1.0, scale * 10), 20))
                        taken[name].append(await closed(some, 64, station.deliver))
            speed = {name: statistics.median(one.a_second for one in all_) for name, all_ in taken.items()}
            p99 = {name: statistics.median(one.ms(0.99) for one in all_) for name, all_ in taken.items()}
            say(f"growth: {past.rows:,} rows: {speed['ours']:.0f}/s, without a past {speed['empty']:.0f}/s")
            peers = {"empty": speed["empty"]}
            yield Figure(figure=f"orders_per_s_{rows}", unit="orders/s", ours=speed["ours"], peers=peers)
            slowdown = speed["empty"] / speed["ours"]
            yield Figure(figure=f"slowdown_{rows}", unit="x", ours=slowdown, goal="<= 1.2")
            yield Figure(figure=f"p99_ms_{rows}", unit="ms", ours=p99["ours"], peers={"empty": p99["empty"]})
        yield Figure(figure="bytes_per_row", unit="bytes", ours=await past.bytes() / max(1, past.rows))
        number = scaled(ORDERS, min(1.0, scale * 10), 20)
        async with grown.working():
            before = await closed(itertools.islice(orders, number), 64, grown.deliver)
            carrying = asyncio.create_task(closed(itertools.islice(orders, number), 64, grown.deliver))
            seconds = await past.forget(WEEKS // 2)
            during = await carrying
        peers = {"before": before.ms(0.99)}
        yield Figure(figure="retention_s", unit="s", ours=seconds)
        yield Figure(figure="retention_p99_ms", unit="ms", ours=during.ms(0.99), peers=peers)
        peers = {"before": before.ms(1)}
        yield Figure(figure="retention_most_ms", unit="ms", ours=during.ms(1), peers=peers)


class Past:
    """The runs that have ended, over the weeks before this one."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._runs = 0
        self.rows = 0
        monday = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self._monday = monday - timedelta(days=monday.weekday())

    async def begin(self) -> None:
        """Some runs of it go through the engine; partitions for all weeks are there."""
        connection = await asyncpg.connect(self._station.url)
        try:
            for week in range(1, WEEKS + 1):
                first = self._monday - timedelta(weeks=week)
                name = f"history_{first:%Y%m%d}"
                await connection.execute(
                    f"create table crossdock.{name} partition of crossdock.history "
                    f"for values from ('{first}') to ('{first + timedelta(weeks=1)}')"
                )
                for setting in ("enable", "force"):
                    await connection.execute(f"alter table crossdock.{name} {setting} row level security")
        finally:
            await connection.close()
        station = self._station
        async with station.working():
            for n in range(FIRSTS):
                name = f"W{n:08d}"
                opened = Arrival(
                    id=name,
                    source="bench",
                    type="case.opened",
                    time=datetime.now(UTC),
                    data={"number": name},
                    about={"case": name},
                )
                (receipt,) = await station.inbox.put(station.tenant, [opened])
                await station.end_of(receipt.runs[0])

    async def grow(self, rows: int) -> None:
        """Until there are so many rows of history."""
        runs = rows // (CALLS + 1)
        if runs <= self._runs:
            return
        connection = await asyncpg.connect(self._station.url)
        try:
            if not self._runs:
                self._runs = FIRSTS
                self._base = await connection.fetchval("select max(id) from crossdock.run") + 10_000_000
            began = time.perf_counter()
            for n, begin in enumerate(range(self._runs, runs, _CHUNK)):
                end = min(begin + _CHUNK, runs) - 1
                stored = self._monday - timedelta(weeks=n % WEEKS + 1) + timedelta(days=3)
                async with connection.transaction():
                    await connection.execute(_NAMES, begin, end, FIRSTS, self._base, timeout=600)
                    for statement in (_RUN, _HISTORY):
                        await connection.execute(statement, stored, timeout=600)
                    await connection.execute(_ALIAS, timeout=600)
                if end + 1 == runs or n % 20 == 0:
                    say(
                        f"growth: {(end + 1) * (CALLS + 1):,} of {rows:,} rows in "
                        f"{time.perf_counter() - began:.0f} s"
                    )
            self._runs = runs
            self.rows = await connection.fetchval("select count(*) from crossdock.history")
        finally:
            await connection.close()

    async def bytes(self) -> int:
        """Of all tables and indexes."""
        (row,) = await self._station.sql(
            "select sum(pg_total_relation_size(c.oid))::bigint as bytes from pg_class c "
            "join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'crossdock' and c.relkind = 'r'"
        )
        return int(row["bytes"])

    async def forget(self, weeks: int) -> float:
        """Drop so many of the oldest weeks, as retention does; seconds taken."""
        took = 0.0
        for week in range(WEEKS, WEEKS - weeks, -1):
            before = self._monday - timedelta(weeks=week - 1)
            began = time.perf_counter()
            rows = await self._station.sql(
                "select crossdock.drop_partitions('history', $1) as dropped", before
            )
            took += time.perf_counter() - began
            if rows[0]["dropped"] != 1:
                raise RuntimeError(f"the week before {before:%Y-%m-%d} was not dropped")
            await asyncio.sleep(0.02)
        return took
