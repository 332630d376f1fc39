"""What every contestant shares: the orders, the closed load and the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

CALLS = 8  # sequential calls for an order
WARM_UP = 128  # orders before the clock starts
CONNECTIONS = 100  # to the stub, at most
TIMEOUT = 30.0  # seconds for one call


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What one contestant reached."""

    orders: int
    seconds: float
    p50_ms: float
    p99_ms: float
    cpu_us: float  # of this process for each call; the database's and the stub's are beside it

    @property
    def orders_per_s(self) -> float:
        """Orders that ended durably, for each second from the first's begin to the last's end."""
        return self.orders / self.seconds


def order(number: int) -> dict[str, Any]:
    """The document that each contestant is given, and sends with each call."""
    return {
        "number": f"SO-{number}",
        "customer": {"id": "C-1001", "name": "Nordwind Handel GmbH"},
        "total": {"amount": "1249.50", "currency": "EUR"},
        "lines": [{"line": 1, "item": "SKU-4711", "quantity": {"value": "10", "unit": "EA"}}],
    }


def path(step: int) -> str:
    """Where the call of a step goes, below the stub's address."""
    return f"/step/{step}"


async def drive(orders: int, in_flight: int, carry: Callable[[int], Awaitable[object]]) -> Result:
    """Warm up, then carry `orders` orders from begin to end, `in_flight` at a time."""
    await _drive(range(orders, orders + WARM_UP), in_flight, carry)
    began, worked = time.perf_counter(), time.process_time()
    took = sorted(await _drive(range(orders), in_flight, carry))
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    return Result(
        orders=orders,
        seconds=seconds,
        p50_ms=took[len(took) // 2] * 1000,
        p99_ms=took[int(len(took) * 0.99)] * 1000,
        cpu_us=worked / orders / CALLS * 1e6,
    )


async def _drive(numbers: range, in_flight: int, carry: Callable[[int], Awaitable[object]]) -> list[float]:
    left = iter(numbers)
    took: list[float] = []

    async def one_after_the_other() -> None:
        for number in left:
            began = time.perf_counter()
            await carry(number)
            took.append(time.perf_counter() - began)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(in_flight, len(numbers))):
            group.create_task(one_after_the_other())
    return took
