"""Comparing the systems by hand, and taking in what a comparison has found missing here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from crossdock import connect
from crossdock.access import Principal, Resource
from crossdock.access.outbound import Outbound
from crossdock.connect import Calls, Registry, Wire
from crossdock.desk.ground import Ground
from crossdock.gateway import Outcome, Reconciler

_RESOURCE = Resource(kind="run")


class Reconciliation:
    """What is done about what stands elsewhere."""

    def __init__(self, ground: Ground, registry: Registry, lines: connect.Lines, outbound: Outbound) -> None:
        """On that ground, through these connections."""
        self._ground = ground
        self._registry = registry
        self._lines = lines
        self._outbound = outbound

    async def compare(self, by: Principal, whats: Sequence[str]) -> Outcome:
        """Compare these now. Raises `Conflict` while it is being compared."""
        await self._ground.policies.require(by, "run.repair", _RESOURCE)
        async with self._reconciler() as reconciler:
            outcome = await reconciler.once(await self._ground.tenant(by), whats)
        await self._note(by, {"compared": dict(outcome.compared), "differ": outcome.open})
        return outcome

    async def mend(self, by: Principal, difference: str) -> int:
        """Take in what a difference says is missing here; gives how many events that were.

        Raises `NotFound` where there is none such, `Conflict` where it is gone or being compared.
        """
        await self._ground.policies.require(by, "run.repair", _RESOURCE)
        async with self._reconciler() as reconciler:
            taken = await reconciler.mend(await self._ground.tenant(by), difference, by=by.id)
        await self._note(by, {"mended": difference, "events": taken})
        return taken

    @asynccontextmanager
    async def _reconciler(self) -> AsyncIterator[Reconciler]:
        ground, wire = self._ground, Wire(outbound=self._outbound)
        try:
            calls = Calls(self._lines, wire)
            yield Reconciler(ground.database, ground.inbox, self._lines, calls, self._registry)
        finally:
            await wire.close()

    async def _note(self, by: Principal, after: object) -> None:
        noted = self._ground.noted(by, "run.repair", _RESOURCE, after=after)
        async with self._ground.database.engine() as transaction:
            await noted(transaction)
