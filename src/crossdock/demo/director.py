"""The demo's clock: it leaps from one thing to the next when nothing is left to do.

Real months pass in a minute, and calls still take the milliseconds that they take: the clock stands while
any event waits or any call is out, so that no deadline passes because a machine was slow. It moves in steps
of `TICK` at the least, but not past what comes next on the other side: where the partners are next, our clock
goes to the end of the step first, then theirs. So nothing that they tell is dated in the future, it is
received before any deadline of ours, and no time is off by more than a `TICK`. A call that pauses, because
its system does not answer, goes on at its very time: an outage of hours costs a step for each try.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from crossdock.assemble import System
from crossdock.demo.orders import DemoOrder, Outage
from crossdock.demo.partners import Partners
from crossdock.demo.stand_in import StandIn
from crossdock.demo.tally import Tally
from crossdock.engine import Arrival, idle_until
from crossdock.engine.find import Idle
from crossdock.errors import Broken

TICK = timedelta(hours=1)
READ_AGAIN = timedelta(minutes=1)  # within which a feed is read again
LOOK_SECONDS = 1.0  # of real time between looks of whoever reads feeds
WAITING_SECONDS = 0.1  # of real time for each step, while a person may still decide
_JUST = timedelta(microseconds=1)
STUCK_SECONDS = 60.0  # of real time in which nothing was decided


@dataclass(slots=True, kw_only=True)
class Director:
    """Plays the orders to their end."""

    system: System
    partners: Partners
    stand_in: StandIn
    tally: Tally
    orders: list[DemoOrder]
    outages: list[Outage]
    show: Callable[[datetime], None]

    async def play(self) -> None:
        """Until every order has ended and nothing is open. Raises `Broken` when it does not go on."""
        now = await self.system.clock.now()
        returns = sorted(
            (order.returned, order.number) for order in self.orders if order.returned is not None
        )
        releases = sorted(self.partners.releases(self.orders))
        outages = sorted(self.outages, key=lambda one: one.begins)
        moved = time.monotonic()
        events = -1
        while True:
            idle = await self._quiet()
            theirs, _ = await asyncio.gather(self.partners.next_due(), self.tally.catch_up())
            self.show(now)
            decision_due, waiting = None, False
            if self.tally.open_tasks or self.tally.open_exceptions:
                decided, decision_due, waiting = await self.stand_in.turn(now)
                if decided:
                    continue
            if not waiting and self._finished() and not returns and not releases:
                return
            if self.tally.events != events or waiting:
                events, moved = self.tally.events, time.monotonic()
            planned = [*(at for at, _ in (*returns[:1], *releases[:1])), *(one.begins for one in outages[:1])]
            ours = _first(idle.next_due, decision_due, *planned)
            if waiting:
                await asyncio.sleep(WAITING_SECONDS)
            if ours is None and theirs is None:
                if time.monotonic() - moved > STUCK_SECONDS:
                    raise self._stuck()
                await asyncio.sleep(0.05)
                continue
            now = await self._leap(now, ours, theirs, idle.next_try)
            while outages and outages[0].begins <= now:
                await self.partners.fail(outages.pop(0))
            while returns and returns[0][0] <= now:
                await self._ask_to_return(returns.pop(0)[1], now)
            if together := [number for at, number in releases if at <= now]:
                del releases[: len(together)]
                await self.partners.release(together)
                now = await self._until_seen(set(together), now)

    async def _until_seen(self, numbers: set[str], now: datetime) -> datetime:
        """Let the feed be read until the orders are known. Raises `Broken` where they do not become so."""
        until = time.monotonic() + STUCK_SECONDS
        while True:
            now = await self.system.clock.step_to(now + READ_AGAIN)
            again = time.monotonic() + 2 * LOOK_SECONDS
            while time.monotonic() < again:
                await self.tally.catch_up()
                if numbers <= self.tally.orders:
                    return now
                await asyncio.sleep(0.05)
            if time.monotonic() > until:
                raise Broken(
                    "orders were released, and nothing was heard of them",
                    where=", ".join(sorted(numbers - self.tally.orders)),
                    mend="see what the page of connections says of the feed",
                )

    def _stuck(self) -> Broken:
        cases = sorted(self.tally.open_tasks | self.tally.open_exceptions)
        left = len(self.orders) - self.tally.ended
        return Broken(
            f"the demo does not go on: {left} orders have not ended, and nothing is due",
            where=", ".join(cases[:3]),
            mend="a process may wait for what never comes: look at its open runs with `--data DIR` and "
            "`crossdock runs`",
        )

    async def _leap(
        self, now: datetime, ours: datetime | None, theirs: datetime | None, next_try: datetime | None
    ) -> datetime:
        """Move all clocks to what is due first, a `TICK` at the least; gives the time then."""
        first = _first(ours, theirs)
        assert first is not None  # noqa: S101 - whoever calls has one of them
        to = max(first, now + TICK)
        if next_try is not None:
            to = max(first, min(to, next_try))
        if theirs is not None and (ours is None or theirs <= ours):
            before = to if ours is None else min(to, ours - _JUST)
            await self.system.clock.step_to(before)
            to = max(theirs, before)
            if await self.partners.step_to(to):
                await self._quiet()  # what came of it is done before our time goes on
        else:
            if theirs is not None:
                to = min(to, theirs - _JUST)
            await self.partners.step_to(to)
        return await self.system.clock.step_to(to)

    async def _quiet(self) -> Idle:
        """Until no event waits and no call is out; gives when the next thing of ours is due."""
        pause = 0.003
        while (idle := await idle_until(self.system.database)).busy:
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.03)
        return idle

    def _finished(self) -> bool:
        tally = self.tally
        return tally.ended >= len(self.orders) and not tally.open_exceptions and not tally.open_tasks

    async def _ask_to_return(self, order: str, now: datetime) -> None:
        """A customer asks to send something back, where the order was delivered."""
        if order not in self.tally.invoiced:
            return
        document = next(one for one in self.orders if one.number == order)
        line = document.erp["lines"][0]
        data = {
            "number": f"R-{order}",
            "order": order,
            "customer": {"id": document.erp["customer"]},
            "lines": [
                {
                    "number": "1",
                    "order_line": str(line["line_no"]),
                    "item": line["item"],
                    "quantity": {"value": "1", "unit": "PCE"},
                }
            ],
            "text": "one too many",
        }
        arrival = Arrival(
            id=str(uuid4()),
            source="portal",
            type="return.requested",
            time=now.astimezone(UTC),
            data=data,
            about={"return": f"R-{order}", "order": order},
        )
        await self.system.inbox.put(self.system.tenant, [arrival])


def _first(*instants: datetime | None) -> datetime | None:
    return min((at for at in instants if at is not None), default=None)
