"""What it costs to seal personal data: orders with an address and a contact, from their release to their end,
two calls each, the first of which carries the whole order; 64 at a time, each of another customer.

orders_per_s ours: the tenant seals what is personal; off: it does not, as all do that have not asked for it;
without: an engine that knows nothing of it
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from benchmarks import Figure
from benchmarks._ground import Ground, Station, delivered, ground, released, say, scaled
from crossdock.access.audit import Audit
from crossdock.access.master import Masters
from crossdock.access.sealing import Sealing
from crossdock.access.subjects import Subjects
from crossdock.engine.personal import Personal, SealedCalls

ORDERS = 4000
AT_ONCE = 64
WAYS = ("without", "off", "on")


async def measure(scale: float = 1.0) -> AsyncIterator[Figure]:
    """One way after the other, twice, each on a database of its own; the better figure counts."""
    orders = scaled(ORDERS, scale, 20)
    found: dict[str, float] = dict.fromkeys(WAYS, 0.0)
    async with ground(scale) as here:
        for way in (*WAYS, *reversed(WAYS)):
            found[way] = max(found[way], await _carried(here, way, orders))
            say(f"personal: {way}: {found[way]:.0f} orders/s")
    yield Figure(
        figure="orders_per_s",
        unit="orders/s",
        ours=found["on"],
        peers={"off": found["off"], "without": found["without"]},
    )


async def _carried(here: Ground, way: str, orders: int) -> float:
    first = min(orders // 2, 200)
    url = await here.database()
    async with here.station(url) as station:
        tenant = await station.add_tenant("bench")
        partner = station.partner
        with tempfile.TemporaryDirectory() as folder:
            if way != "without":
                sealing = Sealing(station.database, Masters(Path(folder) / "master.key"))
                await sealing.begin(tenant.id)
                subjects = Subjects(station.database, sealing, Audit(station.database))
                station.inbox.personal = Personal(station.database, station.library, subjects)
                station.partner = SealedCalls(partner, station.inbox.personal)  # type: ignore[assignment]
            if way == "on":
                await station.sql(
                    "insert into crossdock.personal (tenant, since, by) "
                    "values ($1, now() - interval '1 s', '')",
                    tenant.id,
                )
            async with station.working():
                station.partner = partner
                numbers = itertools.count()
                begun = 0.0

                async def one_after_the_other(last: int) -> None:
                    while (n := next(numbers)) < last:
                        await _carry(station, str(n))

                for last in (first, orders):  # the first are not counted
                    begun = time.perf_counter()
                    await asyncio.gather(*(one_after_the_other(last) for _ in range(AT_ONCE)))
                    numbers = itertools.count(last)
                seconds = time.perf_counter() - begun
    await here.drop(url)
    return (orders - first) / seconds


async def _carry(station: Station, number: str) -> None:
    contact = {
        "name": f"Eva Klein {number}",
        "email": f"eva{number}@klein.example",
        "phone": "+49 241 123456",
    }
    more = {
        "customer": {"id": f"C-{number}", "name": f"Klein {number}", "contact": contact},
        "ship_to": {
            "name": f"Eva Klein {number}",
            "lines": ["Hinterhof 3"],
            "city": "Aachen",
            "contact": contact,
        },
    }
    (receipt,) = await station.inbox.put(station.tenant, [released(number, **more)])
    await station.inbox.put(station.tenant, [delivered(number)])
    await station.end_of(receipt.runs[0])
