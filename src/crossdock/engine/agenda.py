"""What one worker has to decide next: runs, with the outcomes of its own calls, fair between tenants."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable

from crossdock.engine.correlate import RunRef
from crossdock.engine.outbox import Outcome


class Agenda:
    """Runs wait here once each, in their order; tenants take turns. No run is in two hands at once."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._by_tenant: OrderedDict[int, OrderedDict[int, list[Outcome]]] = OrderedDict()
        self._in_hand: dict[tuple[int, int], list[Outcome] | None] = {}
        self._size = 0
        self._some = asyncio.Event()

    def __len__(self) -> int:
        return self._size

    @property
    def at_rest(self) -> bool:
        """Nothing waits, and nothing is in hand."""
        return not self._size and not self._in_hand

    @property
    def tenants(self) -> int:
        """How many tenants have something waiting."""
        return len(self._by_tenant)

    def add(self, runs: Iterable[RunRef]) -> None:
        """Runs that may have something to decide."""
        for ref in runs:
            self._add(ref.tenant, ref.run, None)

    def add_outcome(self, outcome: Outcome) -> None:
        """A call of ours has ended."""
        self._add(outcome.leased.tenant, outcome.leased.run, outcome)

    def _add(self, tenant: int, run: int, outcome: Outcome | None) -> None:
        if (tenant, run) in self._in_hand:  # it comes back when the hand lets go of it
            later = self._in_hand[tenant, run]
            if later is None:
                later = self._in_hand[tenant, run] = []
            if outcome is not None:
                later.append(outcome)
            return
        runs = self._by_tenant.get(tenant)
        if runs is None:
            runs = self._by_tenant[tenant] = OrderedDict()
        outcomes = runs.get(run)
        if outcomes is None:
            outcomes = runs[run] = []
            self._size += 1
        if outcome is not None:
            outcomes.append(outcome)
        self._some.set()

    async def wait(self) -> None:
        """Until there is something to take."""
        while not self._size:
            self._some.clear()
            await self._some.wait()

    def take(self, most: int) -> tuple[list[Outcome], list[RunRef]]:
        """Up to `most` runs, one of each tenant in turn. They are in hand until `done`."""
        outcomes: list[Outcome] = []
        runs: list[RunRef] = []
        while self._by_tenant and len(runs) < most:
            tenant, waiting = next(iter(self._by_tenant.items()))
            run, mine = waiting.popitem(last=False)
            self._size -= 1
            if waiting:
                self._by_tenant.move_to_end(tenant)
            else:
                del self._by_tenant[tenant]
            self._in_hand[tenant, run] = None
            runs.append(RunRef(tenant, run))
            outcomes += mine
        return outcomes, runs

    def done(self, runs: Iterable[RunRef]) -> None:
        """The hand lets go; what came for them meanwhile waits again."""
        for ref in runs:
            later = self._in_hand.pop((ref.tenant, ref.run), None)
            if later is not None:
                self._add(ref.tenant, ref.run, None)
                for outcome in later:
                    self._add(ref.tenant, ref.run, outcome)

    def outcomes(self) -> list[Outcome]:
        """Take all outcomes that nobody will decide any more."""
        found = [o for runs in self._by_tenant.values() for mine in runs.values() for o in mine]
        self._by_tenant.clear()
        self._size = 0
        return found
