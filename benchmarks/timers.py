"""100,000 deadlines that fall due within one minute, evenly: how late they are decided. One worker, one
tenant.

The runs wait for a delivery with a deadline of their own; passing it skips the step, and the run ends. The
lag runs from the due time to the database's clock when the decision is written.

lag_p50_ms, lag_p99_ms   over all of them, with the worker at work all the time
catching_up_per_s        the same deadlines decided by a worker that comes when all are overdue, in a second
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from benchmarks import Figure
from benchmarks._ground import Ground, Station, ground, say, scaled
from benchmarks._waiting import settle, wait_in
from crossdock.engine import Arrival

DEADLINES = 100_000
SPREAD = 60.0  # seconds
FIRSTS = 300  # different due times: each is that of so many runs
LOADED_A_SECOND = 4_000  # runs, on a slow machine: the first deadline is due when they are there

PROCESS = """
process: delivery
owner: benchmarks
document: Case
key: ${ case.number }
start:
  - on: case.opened
declare:
  documents:
    Case: { number: string, due: timestamp }
  events:
    case.opened: { data: Case }
steps:
  delivered:
    await: shipment.delivered
    by: ${ case.due }
    late: skip
"""


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Deadlines that a worker waits for, then some that nobody waited for."""
    number, spread = scaled(DEADLINES, scale, 50), max(1.0, SPREAD * scale)
    async with ground(scale) as here:
        async with here.station() as station:
            await _let_wait(
                station,
                number,
                spread,
                timedelta(seconds=10 * min(1.0, scale * 20) + 3 + number / LOADED_A_SECOND),
            )
            (row,) = await station.sql("select min(wake_at) > crossdock.now() as so from crossdock.run")
            if not row["so"]:
                raise RuntimeError("the first deadlines were due too early; take a smaller --scale")
            async with station.working():
                await station.until("not exists (select 1 from crossdock.run where wake_at is not null)")
            lags = await _lags(station)
        say(f"timers: {len(lags):,} fired, the latest {lags[-1]:.0f} ms after it was due")
        overdue = await _catch_up(here, number)
    yield Figure(figure="lag_p50_ms", unit="ms", ours=lags[len(lags) // 2])
    yield Figure(figure="lag_p99_ms", unit="ms", ours=lags[int(len(lags) * 0.99)])
    yield Figure(figure="catching_up_per_s", unit="deadlines/s", ours=overdue)


async def _let_wait(station: Station, number: int, spread: float, ahead: timedelta) -> None:
    """So many runs with deadlines that begin `ahead` from now; returns before the first is due."""
    begin = datetime.now(UTC) + ahead
    await station.add_tenant("bench", PROCESS)
    say(f"timers: {number:,} deadlines within {spread:.0f} s, from {ahead.total_seconds():.0f} s from now")

    def opened(name: str) -> Arrival:
        due = begin + timedelta(seconds=spread * int(name[1:]) / min(FIRSTS, number))
        case = {"number": name, "due": due.isoformat().replace("+00:00", "Z")}
        return Arrival(
            id=name,
            source="bench",
            type="case.opened",
            time=datetime.now(UTC),
            data=case,
            about={"case": name},
        )

    await wait_in(station, number, first=opened, firsts=FIRSTS)
    await settle(station)
    (row,) = await station.sql("select count(*) as n from crossdock.run where wake_at is not null")
    if row["n"] != number:
        raise RuntimeError("deadlines were due before all of their runs were there; take a smaller --scale")


async def _lags(station: Station) -> list[float]:
    rows = await station.sql(
        "select extract(epoch from stored - (e #>> '{data,due}')::timestamptz)::float8 * 1000 as lag "
        "from crossdock.history cross join lateral (select convert_from(event, 'utf8')::jsonb) e (e) "
        "where type = 'timer.due' order by 1"
    )
    return [row["lag"] for row in rows]


async def _catch_up(here: Ground, number: int) -> float:
    async with here.station() as station:
        await _let_wait(station, number, 1.0, timedelta(seconds=3 + number / LOADED_A_SECOND))
        await station.until("select max(wake_at) < crossdock.now() from crossdock.run")
        began = time.perf_counter()
        async with station.working() as worker:
            await station.until("not exists (select 1 from crossdock.run where wake_at is not null)")
            took = time.perf_counter() - began
            return worker.decisions / took
