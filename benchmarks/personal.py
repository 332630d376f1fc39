"""What sealing personal data costs: orders of tenants that seal, and of one that does not, in turns.

Each order has a customer, an address and a contact. It is released and delivered, and what its two calls say
is opened on its way out.

orders_per_s    from release to end, with 64 at once, where each is of a customer who was never there before:
                a key is made for each, and it can be found by a dozen words; `plain` without sealing, `again`
                sealed as well, of 200 customers who come again
sealed_ratio    the time of the sealed ones over that of the plain ones; `again` as above
"""

from __future__ import annotations

import itertools
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks import Figure
from benchmarks._ground import Station, ground, order, say, scaled
from benchmarks._load import closed
from crossdock.access.audit import Audit
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.access.subjects import Subjects
from crossdock.engine import Inbox
from crossdock.engine.personal import Personal, SealedCalls
from crossdock.store import Tenant

ORDERS = 1_500  # in each turn
TURNS = 5
AT_ONCE = 64
CUSTOMERS = 200  # who come again


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """Plain, sealed, and sealed of customers who come again, in turns."""
    orders = scaled(ORDERS, scale, 20)
    took: dict[str, list[float]] = {"plain": [], "sealed": [], "again": []}
    numbers = itertools.count()
    with tempfile.TemporaryDirectory() as directory:
        async with ground(scale) as here, here.station() as station:
            tenants = {name: await station.add_tenant(name) for name in took}
            await seal(station, Path(directory), [tenants["sealed"].id, tenants["again"].id])
            async with station.working():
                for name in [*took] * (TURNS + 1):
                    names = [f"P{next(numbers):08d}" for _ in range(orders)]
                    began = time.perf_counter()
                    await closed(names, AT_ONCE, carrying(station, tenants[name]))
                    took[name].append(time.perf_counter() - began)
    plain, sealed, again = (statistics.median(some[1:]) for some in took.values())  # the first warms up
    say(f"personal: {orders:,} orders take {plain:.2f} s, sealed {sealed:.2f} s, again {again:.2f} s")
    yield Figure(
        figure="orders_per_s",
        unit="orders/s",
        ours=orders / sealed,
        peers={"plain": orders / plain, "again": orders / again},
    )
    yield Figure(
        figure="sealed_ratio", unit="x", ours=sealed / plain, peers={"again": again / plain}, goal="<= 1.35"
    )


async def seal(station: Station, directory: Path, tenants: list[int]) -> None:
    """Let the station's door and its calls seal, for those tenants."""
    sealing = Sealing(station.database, Masters(directory / "master.key"))
    await sealing.begin(tenants[0])
    subjects = Subjects(station.database, sealing, Audit(station.database))
    personal = Personal(station.database, station.library, subjects)
    station.inbox = Inbox(station.database, station.library, personal=personal)
    station.calls = SealedCalls(station.partner, personal)
    await station.sql(
        "insert into crossdock.personal (tenant, since, by) "
        "select k, now() - interval '1 hour', '' from unnest($1::int[]) k",
        tenants,
    )


def carrying(station: Station, tenant: Tenant) -> Callable[[str], Awaitable[None]]:
    """Carries an order of somebody to its end."""

    async def carry(number: str) -> None:
        who = f"K{int(number[1:]) % CUSTOMERS}" if tenant.name == "again" else number
        await station.deliver(number, tenant, **somebody(who))

    return carry


def somebody(who: str) -> dict[str, Any]:
    """A customer, with an address and a contact."""
    contact = {"name": f"Eva {who} Klöß", "email": f"eva.{who}@kloss.example", "phone": "+49 241 123456"}
    return {
        "customer": order(who)["customer"] | {"id": f"C-{who}", "contact": contact},
        "ship_to": {"name": contact["name"], "lines": [f"Hinterhof {who}"], "city": "Aachen"},
    }
