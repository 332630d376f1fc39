"""Crossdock's engine on the contest's orders."""

from __future__ import annotations

from benchmarks.engine.contest import Result


async def run(orders: int, in_flight: int, stub_url: str, database_url: str) -> Result:
    """Carry the orders through the engine."""
    raise NotImplementedError
