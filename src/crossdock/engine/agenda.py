"""What one worker has to decide next: runs, with the outcomes of its own calls, fair between tenants.

Tenants take turns. One with much to decide (over `LOUD` runs that wait or are in hand) fills batch after
batch, and whoever comes then would wait for the batch that is under way, and for its own among all those
runs. So while there is such a tenant, the others have hands of their own (`quick`), which take none of it;
and while anything of theirs comes (`shared`), what is decided for loud tenants goes in small portions, and
gives way (`give_way`).

Tenants that are suspended have no turn: their runs are found again when they are resumed, and outcomes of
calls that were out are given back, to be kept as events.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable

from crossdock.engine.correlate import RunRef
from crossdock.engine.outbox import Outcome

LOUD = 16  # runs of one tenant, from which on it does not go with the others
_SHARED_SECONDS = 5.0


class Agenda:
    """Runs wait here once each, in their order; tenants take turns. No run is in two hands at once."""

    def __init__(self) -> None:
        """Begin with nothing to do."""
        self._by_tenant: OrderedDict[int, OrderedDict[int, list[Outcome]]] = OrderedDict()
        self._in_hand: dict[tuple[int, int], list[Outcome] | None] = {}
        self._size = 0
        self._runs: Counter[int] = Counter()  # by tenant, those that wait and those in hand
        self._loud: set[int] = set()
        self._loud_size = 0  # runs of loud tenants that wait
        self._recent: OrderedDict[int, float] = OrderedDict()  # tenants, by when something of each came last
        self._suspended: frozenset[int] = frozenset()
        self._given_back: list[Outcome] = []
        self._some = asyncio.Event()
        self._some_quick = asyncio.Event()

    def __len__(self) -> int:
        return self._size

    @property
    def at_rest(self) -> bool:
        """Nothing waits, and nothing is in hand."""
        return not self._size and not self._in_hand

    @property
    def shared(self) -> bool:
        """Whether there is a loud tenant, and something of one that is not loud has come just now."""
        if not self._loud:
            return False
        long_ago = time.monotonic() - _SHARED_SECONDS
        while self._recent and next(iter(self._recent.values())) < long_ago:
            self._recent.popitem(last=False)
        return any(tenant not in self._loud for tenant in self._recent)

    def comes(self, tenant: int) -> bool:
        """Something of this tenant is about to come; whether it is quiet, beside one that is loud."""
        self._note(tenant)
        return bool(self._loud) and tenant not in self._loud

    def _note(self, tenant: int) -> None:
        self._recent[tenant] = time.monotonic()
        self._recent.move_to_end(tenant)

    @property
    def tenants(self) -> int:
        """How many tenants have something waiting."""
        return len(self._by_tenant)

    def add(self, runs: Iterable[RunRef]) -> None:
        """Runs that may have something to decide."""
        for ref in runs:
            self._add(ref.tenant, ref.run, None)

    def find(self, runs: Iterable[RunRef]) -> tuple[bool, bool]:
        """Runs that were found by looking; whether any of them was new, and whether any is in hand.

        Those in hand are passed by: what was found is most likely what is being decided. If not, the next
        look finds it again.
        """
        before, passed = self._size, False
        for ref in runs:
            if (ref.tenant, ref.run) in self._in_hand:
                passed = True
            else:
                self._add(ref.tenant, ref.run, None)
        return self._size > before, passed

    def add_outcome(self, outcome: Outcome) -> None:
        """A call of ours has ended."""
        self._add(outcome.leased.tenant, outcome.leased.run, outcome)

    def suspend(self, tenants: frozenset[int]) -> list[Outcome]:
        """Let these tenants, and no others, have no turn; gives outcomes of theirs that nobody decides."""
        self._suspended = tenants
        for tenant in tenants & self._by_tenant.keys():
            waiting = self._by_tenant.pop(tenant)
            self._size -= len(waiting)
            self._loud_size -= len(waiting) * (tenant in self._loud)
            self._weigh(tenant, -len(waiting))
            self._given_back += [one for mine in waiting.values() for one in mine]
        found, self._given_back = self._given_back, []
        return found

    def _add(self, tenant: int, run: int, outcome: Outcome | None) -> None:
        if tenant in self._suspended:
            if outcome is not None:
                self._given_back.append(outcome)
            return
        self._note(tenant)
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
            self._loud_size += tenant in self._loud
            self._weigh(tenant, 1)
        if outcome is not None:
            outcomes.append(outcome)
        self._some.set()
        if tenant not in self._loud:
            self._some_quick.set()

    def _weigh(self, tenant: int, more: int) -> None:
        """A tenant has so many runs more, or fewer: it may become loud, or cease to be."""
        self._runs[tenant] += more
        number = self._runs[tenant]
        if not number:
            del self._runs[tenant]
        if (number > LOUD) is not (tenant in self._loud):
            self._some_quick.set()  # what waits may be for quick hands now
            waiting = len(self._by_tenant.get(tenant, ()))
            if number > LOUD:
                self._loud.add(tenant)
                self._loud_size += waiting
            else:
                self._loud.discard(tenant)
                self._loud_size -= waiting

    async def wait(self, *, quick: bool = False) -> None:
        """Until there is something to take; with `quick`, something of a tenant that is not loud."""
        if quick:
            while not self._loud or self._size == self._loud_size:
                self._some_quick.clear()
                await self._some_quick.wait()
            return
        while not self._size:
            self._some.clear()
            await self._some.wait()

    def take(self, most: int, *, quick: bool = False) -> tuple[list[Outcome], list[RunRef]]:
        """Up to `most` runs, one of each tenant in turn. They are in hand until `done`.

        With `quick`, of no loud tenant; else of the loud ones alone, while the others are so few that the
        quick hand has them soon.
        """
        loud_alone = not quick and self._loud_size > 0 and self._size - self._loud_size <= most
        outcomes: list[Outcome] = []
        runs: list[RunRef] = []
        passed = 0
        while passed < len(self._by_tenant) and len(runs) < most:
            tenant, waiting = next(iter(self._by_tenant.items()))
            if (quick and tenant in self._loud) or (loud_alone and tenant not in self._loud):
                self._by_tenant.move_to_end(tenant)
                passed += 1
                continue
            passed = 0
            run, mine = waiting.popitem(last=False)
            self._size -= 1
            self._loud_size -= tenant in self._loud
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
            if (ref.tenant, ref.run) not in self._in_hand:
                continue
            later = self._in_hand.pop((ref.tenant, ref.run))
            self._weigh(ref.tenant, -1)
            if later is not None:
                self._add(ref.tenant, ref.run, None)
                for outcome in later:
                    self._add(ref.tenant, ref.run, outcome)

    def outcomes(self) -> list[Outcome]:
        """Take all outcomes that nobody will decide any more."""
        found = [o for runs in self._by_tenant.values() for mine in runs.values() for o in mine]
        found += self._given_back
        self._by_tenant.clear()
        self._runs.clear()
        self._loud.clear()
        self._size = self._loud_size = 0
        return found
