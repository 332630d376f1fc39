"""What the systems say that stands: their feeds, read again from a time on, and folded into facts.

A feed of a connector is its paged read of what changed. Read on from a cursor it brings news; read again from
the beginning of a window it tells what there is, whatever became of the news. So all that has a feed can be
compared, and what is missing here is at hand as the event that was lost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from crossdock.connect import Calls
from crossdock.connect.arrivals import arrivals
from crossdock.connect.contract import Context, Page, Poll
from crossdock.connect.lines import Line
from crossdock.engine import Arrival
from crossdock.errors import Refused
from crossdock.gateway.poll import read_record

MOST_PAGES = 2_000  # of one feed, in one reading
PAGE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A business document that stands in a system, and the events that told of it, oldest first."""

    number: str
    state: str
    at: datetime  # of its last change
    connection: str
    order: str = ""
    total: str = ""
    lines: Mapping[str, Decimal] = field(default_factory=dict)  # quantity by line
    told: tuple[Arrival, ...] = ()


@dataclass(slots=True)
class Facts:
    """What stands there, by number; `read` and `failed` name the connections that were asked."""

    orders: dict[str, Fact] = field(default_factory=dict)
    invoices: dict[str, Fact] = field(default_factory=dict)
    packed: dict[str, Fact] = field(default_factory=dict)
    carried: dict[str, Fact] = field(default_factory=dict)
    has: dict[str, set[str]] = field(default_factory=dict)  # what the feeds of a connection tell of
    failed: dict[str, str] = field(default_factory=dict)
    unknown: dict[tuple[str, str], str] = field(default_factory=dict)  # numbers that a carrier says no to

    def take(self, event: Arrival, connection: str) -> None:
        """One more thing that was told."""
        data = event.data if isinstance(event.data, Mapping) else {}
        kind, _, what = event.type.partition(".")
        at = event.time
        if at is None:
            return
        if kind == "order":
            self._order(event, data, what, at, connection)
        elif kind == "invoice" and what == "released":
            self._put(self.invoices, event, str(data.get("number", "")), "released", at, connection)
        elif kind == "invoice" and what == "cancelled":
            self.invoices.pop(str(data.get("invoice", "")), None)
        elif kind == "credit" and what == "issued":
            self._credit(data)
        elif event.type == "warehouse.shipment_packed":
            shipment = data.get("shipment")
            number = str(shipment.get("number", "")) if isinstance(shipment, Mapping) else ""
            self._put(self.packed, event, number, "packed", at, connection)
        elif kind == "shipment" and data.get("tracking_number"):
            self._put(self.carried, event, str(data["tracking_number"]), what, at, connection)

    def _credit(self, data: Mapping[str, Any]) -> None:
        """An invoice that was credited in full stands no more; it is named by its number or another."""
        names = {data.get("invoice"), *(one.get("value") for one in data.get("references") or ())}
        for one in list(self.invoices.values()):
            own = {one.number, *(ref.get("value") for ref in one.told[-1].data.get("references") or ())}
            if names & own - {None} and _money(data) == one.total:
                self.invoices[one.number] = replace(one, state="credited")

    def _order(
        self, event: Arrival, data: Mapping[str, Any], what: str, at: datetime, connection: str
    ) -> None:
        if what in ("released", "changed"):
            known = self.orders.get(str(data.get("number", "")))
            state = known.state if known is not None and what == "changed" else "released"
            self._put(self.orders, event, str(data.get("number", "")), state, at, connection)
        elif what in ("cancelled", "closed") and not data.get("line"):
            self._put(self.orders, event, str(data.get("order", "")), what, at, connection)

    @staticmethod
    def _put(
        facts: dict[str, Fact], event: Arrival, number: str, state: str, at: datetime, connection: str
    ) -> None:
        if not number:
            return
        data = event.data
        known = facts.get(number)
        latest = known is None or at >= known.at
        facts[number] = Fact(
            number=number,
            state=state if latest or known is None else known.state,
            at=at if known is None else max(at, known.at),
            connection=connection,
            order=str(data.get("order") or (known.order if known else "")),
            total=_money(data) or (known.total if known else ""),
            lines=_lines(data) or (known.lines if known else {}),
            told=(*(known.told if known else ()), event),
        )


async def read(
    calls: Calls, line: Line, polls: Sequence[Poll], since: datetime, facts: Facts, *, seconds: float
) -> None:
    """Read these feeds of a connection from that time on. Raises as asking does, `Refused` for too much."""
    window = msgspec.json.decode(msgspec.json.encode(since))
    for poll in polls:
        cursor = ""
        for _ in range(MOST_PAGES):
            page: Page = await calls.ask(
                line.tenant, line.name, _from(poll, window), cursor, seconds=min(PAGE_SECONDS, seconds)
            )
            for event in _events(page, line, poll):
                if event.time is not None and event.time >= since:
                    facts.take(event, line.name)
            if not page.more or page.cursor == cursor:
                break
            cursor = page.cursor
        else:
            raise Refused(
                f"the feed {poll.name} has more than {MOST_PAGES:,} pages of that time",
                mend="compare a shorter `window`",
            )


def _from(poll: Poll, since: str) -> Any:
    """The talk of the feed, which leaves out what was before."""

    def talk(cursor: str, context: Context) -> Any:
        return poll.read(
            cursor, msgspec.structs.replace(context, settings={**context.settings, "since": since})
        )

    return talk


def _events(page: Page, line: Line, poll: Poll) -> list[Arrival]:
    """What a page tells. One record that cannot be read is left out: the feed's own reading sets it aside."""
    found = list(arrivals(page.happenings, line.connector, line.name, poll.name)) if page.happenings else []
    for record in page.records:
        try:
            found += read_record(line.connector, poll, line.name, record, line.settings)
        except Refused:
            continue
    return found


def _money(data: Mapping[str, Any]) -> str:
    total = data.get("total")
    return f"{total['amount']} {total['currency']}" if isinstance(total, Mapping) else ""


def _lines(data: Mapping[str, Any]) -> dict[str, Decimal]:
    """Quantities by the order's line, where they stand in a bill."""
    found: dict[str, Decimal] = {}
    for line in data.get("lines") or ():
        name = line.get("order_line") or line.get("line") or line.get("number")
        value = (line.get("quantity") or {}).get("value")
        if name is None or value is None:
            continue
        try:
            found[str(name)] = found.get(str(name), Decimal(0)) + Decimal(str(value))
        except InvalidOperation:
            continue
    return found
