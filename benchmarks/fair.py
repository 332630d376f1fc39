"""One tenant that is loud, nine that are quiet: what the quiet ones notice. One worker for all.

Each quiet tenant releases orders at a steady rate; the time runs from the release to the end of the order (2
events, 2 calls answered at once, 4 to 5 decisions). Alone; while the loud tenant has a backlog of 100,000
events, each for another of its runs; and while its carrier answers in 30 s and 5,000 orders of it wait for
that carrier. Alone is measured before and after. Orders of the quiet ones count only while the backlog lasts.

quiet_p99_ms_*, quiet_p50_ms_*   of the nine together; `alone` beside it
quiet_slowdown_*                 the p99 over that of alone
backlog_per_s                    events of the backlog decided in a second meanwhile
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterator

from benchmarks import Figure
from benchmarks._ground import Partner, Station, delivered, ground, meanwhile, released, say, scaled
from benchmarks._load import Taken, steady
from benchmarks._waiting import number_of, settle, wait_in
from crossdock.engine import Pace

QUIET = 9
EACH_A_SECOND = 2.0
SECONDS = 30.0  # each phase, at most
BACKLOG = 100_000
SLOW = 30.0  # seconds
SLOW_ORDERS = 5_000
PACE = Pace(drain=1.0)


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Alone, with the backlog, with the slow partner, alone again."""
    backlog, seconds = scaled(BACKLOG, scale, 200), max(1.5, SECONDS * min(1.0, scale * 5))
    async with ground(scale) as here, here.station(partner=Partner()) as station:
        loud = await station.add_tenant("loud")
        for n in range(QUIET):
            await station.add_tenant(f"quiet{n + 1}")
        say(f"fair: {backlog:,} runs of the loud tenant are let wait")
        await wait_in(station, backlog, loud)
        await settle(station)
        load = Quiet(station, seconds)
        async with station.working(PACE):
            await load.go()  # processes are read, statements are prepared
            before = await load.go()
        say(f"fair: alone {before}; {backlog:,} events come in")
        for begin in range(0, backlog, 500):
            events = [delivered(number_of(n)) for n in range(begin, min(begin + 500, backlog))]
            await station.inbox.put(loud, events)
        began = time.perf_counter()
        async with station.working(PACE), meanwhile(load.end_with_backlog(loud.id)):
            beside_backlog = await load.go()
            (row,) = await station.sql("select count(*) as n from crossdock.inbox where tenant = $1", loud.id)
            rate = (backlog - row["n"]) / (time.perf_counter() - began)
            say(f"fair: beside the backlog {beside_backlog}; {row['n']:,} events are left")
            await station.until("not exists (select 1 from crossdock.inbox)")
        station.partner.slow[loud.id, "carrier"] = SLOW * min(1.0, scale * 5)
        async with station.working(PACE):
            orders = [released(f"L{n:08d}") for n in range(scaled(SLOW_ORDERS, scale, 50))]
            for begin in range(0, len(orders), 500):
                await station.inbox.put(loud, orders[begin : begin + 500])
            beside_slow = await load.go()
            say(f"fair: beside the slow partner {beside_slow}")
        station.partner.slow.clear()
        await station.sql("delete from crossdock.outbox where tenant = $1", loud.id)
        async with station.working(PACE):
            after = await load.go()
        say(f"fair: alone again {after}")
    alone = Taken(sorted(before.seconds + after.seconds), before.together + after.together)
    for name, taken in (("backlog", beside_backlog), ("slow_partner", beside_slow)):
        slowdown = taken.ms(0.99) / alone.ms(0.99)
        yield Figure(figure=f"quiet_slowdown_{name}", unit="x", ours=slowdown, goal="<= 1.5")
        for share, figure in ((0.5, f"quiet_p50_ms_{name}"), (0.99, f"quiet_p99_ms_{name}")):
            yield Figure(figure=figure, unit="ms", ours=taken.ms(share), peers={"alone": alone.ms(share)})
    yield Figure(figure="backlog_per_s", unit="events/s", ours=rate)


class Quiet:
    """The load of the quiet tenants."""

    def __init__(self, station: Station, seconds: float) -> None:
        self._station = station
        self._seconds = seconds
        self._numbers = itertools.count()
        self._over = False

    async def go(self) -> Taken:
        """Orders in turn, until the time is up or `end_with_backlog` says so."""
        self._over = False
        tenants = self._station.tenants[1:]

        async def carry(number: str) -> None:
            await self._station.deliver(number, tenants[int(number[1:]) % QUIET])

        return await steady(self._orders(), QUIET * EACH_A_SECOND, carry)

    def _orders(self) -> Iterator[str]:
        end = time.perf_counter() + self._seconds
        for n in self._numbers:
            yield f"A{n:08d}"
            if self._over or time.perf_counter() > end:
                return

    async def end_with_backlog(self, tenant: int) -> None:
        """Say when nothing is left."""
        await self._station.until("not exists (select 1 from crossdock.inbox where tenant = $1)", tenant)
        self._over = True
