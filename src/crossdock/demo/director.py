"""The demo's clock: it leaps from one thing to the next when nothing is left to do.

Real months pass in a minute, and calls still take the milliseconds that they take: the clock stands while
any event waits or any call is out, so that no deadline passes because a machine was slow. It moves in steps
of `TICK` at the least. The partners' clock goes first: what they tell in a step is received before the step
ends.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from crossdock.assemble import System
from crossdock.demo.orders import DemoOrder
from crossdock.demo.partners import Partners
from crossdock.demo.stand_in import StandIn
from crossdock.demo.tally import Tally
from crossdock.engine import Arrival, idle_until
from crossdock.errors import Broken

TICK = timedelta(hours=1)
STUCK_SECONDS = 60.0  # of real time in which nothing was decided


@dataclass(slots=True, kw_only=True)
class Director:
    """Plays the orders to their end."""

    system: System
    partners: Partners
    stand_in: StandIn
    tally: Tally
    orders: list[DemoOrder]
    show: Callable[[datetime], None]

    async def play(self) -> None:
        """Until every order has ended and nothing is open. Raises `Broken` when it does not go on."""
        now = await self.system.clock.now()
        returns = sorted(
            (order.returned, order.number) for order in self.orders if order.returned is not None
        )
        moved = time.monotonic()
        events = -1
        while True:
            await self._quiet()
            await self.tally.catch_up()
            self.show(now)
            if self.tally.events != events:
                events, moved = self.tally.events, time.monotonic()
            decision_due, waiting = None, False
            if self.tally.open_tasks or self.tally.open_exceptions:
                decided, decision_due, waiting = await self.stand_in.turn(now)
                if decided:
                    continue
            idle = await idle_until(self.system.database)
            if idle.busy:
                continue
            if not waiting and self._finished() and not returns:
                return
            upcoming = [at for at in (idle.next_due, decision_due, await self.partners.next_due()) if at]
            upcoming += [at for at, _ in returns[:1]]
            if waiting:
                await asyncio.sleep(0.1)
            if not upcoming:
                if time.monotonic() - moved > STUCK_SECONDS:
                    raise Broken("the demo does not go on: orders are open and nothing is due")
                await asyncio.sleep(0.05)
                continue
            to = max(min(upcoming), now + TICK)
            await self.partners.step_to(to)
            now = await self.system.clock.step_to(to)
            while returns and returns[0][0] <= now:
                await self._ask_to_return(returns.pop(0)[1], now)

    async def _quiet(self) -> None:
        """Until no event waits and no call is out."""
        while (await idle_until(self.system.database)).busy:  # noqa: ASYNC110 - other processes end it
            await asyncio.sleep(0.004)

    def _finished(self) -> bool:
        tally = self.tally
        ended = tally.invoiced | tally.cancelled | tally.failed
        return len(ended) >= len(self.orders) and not tally.open_exceptions and not tally.open_tasks

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
                    "order_line": "1",
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
