"""Bookings at carriers that do not list them: each open one is asked for singly, and told as a feed would.

The numbers are those that are followed (`tracking`). Of a connection they are asked one after the other, no
faster than it stands and never faster than two a second, and no more than some hundred in one comparison:
first those that differ already, then those that were asked longest ago. A carrier that says no is asked
whether it is well before its no counts: else a key that has run out would unsay every booking.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, LiteralString

from crossdock.connect import Calls, Lines
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Happening, RefusedByPartner
from crossdock.connect.lines import Line
from crossdock.errors import CrossdockError
from crossdock.gateway.facts import Facts
from crossdock.store import Database, Tenant

MOST = 200  # of one connection, in one comparison
FASTEST = 2.0  # a second
_TRACK = ("carrier", "track")

_NUMBERS: LiteralString = """
select x.connection, x.number, x.rate from (
  select t.connection, t.number, c.rate, row_number() over (
    partition by t.connection order by d.id is null, t.asked nulls first, t.number) as place
  from crossdock.tracking t
  join crossdock.connection c on c.tenant = t.tenant and c.name = t.connection and c.stopped is null
  left join crossdock.difference d on d.tenant = t.tenant and d.gone is null and d.what = 'shipments'
    and d.connection = t.connection and d.about = t.number
  where t.tenant = $1 and t.what = 'tracking' and t.booked >= $2 and t.booked <= $3
    and not t.connection = any($4::text[])
) x where x.place <= $5 order by x.connection, x.place
"""


class Bookings:
    """Asks carriers for what was booked with them."""

    def __init__(self, database: Database, lines: Lines, calls: Calls) -> None:
        """Through these connections."""
        self._database = database
        self._lines = lines
        self._calls = calls

    async def read(self, tenant: Tenant, facts: Facts, since: datetime, until: datetime) -> list[str]:
        """Ask for what was booked in that time; gives the connections that were asked."""
        listing = [name for name, tells in facts.has.items() if "shipments" in tells]
        async with self._database.engine() as transaction:
            rows = await transaction.fetch(_NUMBERS, tenant.id, since, until, listing, MOST)
        lines: list[tuple[Line, list[Any]]] = []
        for name, numbers in groupby(rows, key=lambda row: str(row["connection"])):
            of_it = list(numbers)
            try:
                line = await self._lines.line(tenant.id, name)
            except CrossdockError as error:
                facts.failed[name] = str(error)
                continue
            if _TRACK in line.operations:
                lines.append((line, of_it))
        await asyncio.gather(*(self._ask(tenant, line, numbers, facts) for line, numbers in lines))
        return [line.name for line, _ in lines]

    async def _ask(self, tenant: Tenant, line: Line, rows: Sequence[Any], facts: Facts) -> None:
        pause, well = 1 / min(float(rows[0]["rate"] or FASTEST), FASTEST), False
        for n, row in enumerate(rows):
            if n:
                await asyncio.sleep(pause)
            number = str(row["number"])
            try:
                told = await self._calls.read(
                    tenant.id, line.name, _TRACK, {"tracking_number": number}, seconds=30.0
                )
            except RefusedByPartner as no:
                try:
                    if not well:
                        await self._calls.check(tenant.id, line.name)
                except CrossdockError as error:
                    facts.failed[line.name] = line.hide(str(error))
                    return
                well = True
                facts.unknown[line.name, number] = line.hide(no.message)
            except CrossdockError as error:
                facts.failed[line.name] = line.hide(str(error))
                return
            except Exception as error:  # noqa: BLE001 - a connector reads what others send
                facts.failed[line.name] = line.hide(f"{type(error).__name__}: {error}")
                return
            else:
                _take(told, line, number, facts)


def _take(told: Mapping[str, Any], line: Line, number: str, facts: Facts) -> None:
    """What has happened to one, as its feed would have told it."""
    happened = [
        Happening(id=one["id"], type=one["type"], time=datetime.fromisoformat(one["time"]), data=one["data"])
        for one in told.get("events") or ()
    ]
    for event in arrivals(happened, line.connector, line.name, f"track/{number}") if happened else ():
        facts.take(event, line.name)
