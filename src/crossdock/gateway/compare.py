"""Where what stands in the systems and what stands here part: by business fact. Pure.

    orders      an order is released there, and no run has it; cancelled there, and its run goes on; or the
                other way round
    invoices    a posted invoice that no proof of delivery stands behind; two for one order; one that was
                released here and does not stand there; another total or quantity; delivered and not billed
    shipments   packed there, and not here; a booking of no shipment; delivered there, and open here; booked
                here, and unknown there

What changed within `grace` is in flight, and not looked at yet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from crossdock.engine import Arrival
from crossdock.gateway.facts import Fact, Facts
from crossdock.process import State
from crossdock.process.messages import Record

What = Literal["orders", "invoices", "shipments", "stock", "allocations"]
FED: tuple[What, ...] = ("orders", "invoices", "shipments")  # of which feeds tell
LISTED: tuple[What, ...] = ("stock", "allocations")  # that two systems list: see `shelves`
WHATS: tuple[What, ...] = (*FED, *LISTED)
LIVE = frozenset({"active", "held"})
BILLED_WITHIN = timedelta(days=1)  # after the last delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Something that stands otherwise here than there; or in one system than in another, `against`.

    `events` are those whose taking in mends it; without any it is mended by hand, as `mend` says. What two
    systems list may be in flight while both are read, so it has to stand for a while: `steady` is since when
    both have told the same, where they say so.
    """

    what: What
    kind: str
    about: str
    connection: str
    here: str
    there: str
    at: datetime
    mend: str
    severity: str = "medium"
    order: str = ""
    shipment: str = ""
    invoice: str = ""
    events: tuple[Arrival, ...] = ()
    against: str = ""
    item: str = ""
    steady: datetime | None = None

    @property
    def number(self) -> str:
        """What it is known by."""
        return f"{self.kind}/{self.about}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """An invoice that a run has released: its total, and what was delivered, by line."""

    total: str
    lines: Mapping[str, Decimal]
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run here: of an order or a shipment."""

    number: str
    process: str
    status: str
    created: datetime
    state: State | None = None
    bills: Mapping[str, Bill] = field(default_factory=dict)
    delivered: bool = False  # it knows of the delivery

    @property
    def said(self) -> str:
        """It in a few words."""
        return f"{self.process} {self.number} is {self.status}"


@dataclass(slots=True, kw_only=True)
class Here:
    """What stands here of the numbers that facts name, and what is open besides."""

    orders: Mapping[str, Run] = field(default_factory=dict)
    shipments: Mapping[str, Run] = field(default_factory=dict)
    numbers: Mapping[str, Run] = field(default_factory=dict)  # by tracking number or booking
    followed: Sequence[tuple[str, str, datetime]] = ()  # connection, number, booked


def compare(
    what: What, facts: Facts, here: Here, *, since: datetime, now: datetime, grace: timedelta
) -> list[Difference]:
    """All that differs, of what had time to settle."""
    settled = now - grace
    found = {"orders": _orders, "invoices": _invoices, "shipments": _shipments}[what]
    return list(found(facts, here, since, settled))


def _orders(facts: Facts, here: Here, _: datetime, settled: datetime) -> Iterator[Difference]:
    for fact in facts.orders.values():
        run = here.orders.get(fact.number)
        if fact.at > settled:
            continue
        there = f"{fact.number} is {fact.state}" + (f", {fact.total}" if fact.total else "")
        if fact.state == "released" and run is None:
            released = [one for one in fact.told if one.type in ("order.released", "order.changed")]
            yield _of(fact, "orders", "order_missing_here", "no run has it", there, "high",
                      "Take the order in", order=fact.number, events=_as_released(released))  # fmt: skip
        elif fact.state == "cancelled" and run is not None and run.status in LIVE:
            cancels = tuple(one for one in fact.told if one.type == "order.cancelled")
            yield _of(fact, "orders", "order_cancelled_there", run.said, there, "high",
                      "Take the cancellation in", order=fact.number, events=cancels)  # fmt: skip
        elif fact.state == "released" and run is not None and run.status == "cancelled":
            yield _of(fact, "orders", "order_cancelled_here", run.said, there, "medium",
                      "Cancel the order there, or start it anew here", order=fact.number)  # fmt: skip


def _as_released(told: Sequence[Arrival]) -> tuple[Arrival, ...]:
    """The newest of the order as the event that starts it."""
    if not told:
        return ()
    newest = told[-1]
    return (
        Arrival(
            id=newest.id,
            source=newest.source,
            type="order.released",
            time=newest.time,
            data=newest.data,
            about=newest.about,
        ),
    )


def _invoices(facts: Facts, here: Here, since: datetime, settled: datetime) -> Iterator[Difference]:
    by_order: dict[str, list[Fact]] = {}
    for fact in facts.invoices.values():
        by_order.setdefault(fact.order, []).append(fact)
    for order, invoices in by_order.items():
        run = here.orders.get(order)
        known = _billed(run)
        standing = sorted((one for one in invoices if one.state != "credited"), key=lambda one: one.at)
        for fact in standing:
            if fact.at > settled or not order:
                continue
            there = f"invoice {fact.number} of {order}" + (f", {fact.total}" if fact.total else "")
            about = {"order": order, "invoice": fact.number}
            if fact.number in known:
                yield from _bill(fact, known[fact.number], there, about)
            elif len(standing) > 1 and any(one.number in known for one in standing):
                yield _of(fact, "invoices", "invoiced_twice", f"billed by {', '.join(known)}", there, "high",
                          "Credit one of the two there", **about)  # fmt: skip
            else:
                said = "no run has the order" if run is None else f"{run.said}; {_proved(run)}"
                yield _of(fact, "invoices", "invoice_without_proof", said, there, "high",
                          "Credit it there, or supply it as the result of the step", **about)  # fmt: skip
    there_is = set(facts.invoices)
    for order, run in here.orders.items():
        yield from _unbilled(run, order, facts, by_order.get(order, []), there_is, since, settled)


def _bill(fact: Fact, billed: Bill, there: str, about: Mapping[str, str]) -> Iterator[Difference]:
    here = billed.total
    if here and fact.total and _amount(here) != _amount(fact.total):
        yield _of(fact, "invoices", "invoice_total_differs", f"billed {here}", there, "high",
                  "Find who changed the invoice there", **about)  # fmt: skip
    delivered = billed.lines
    differs = [
        f"line {line}: {delivered[line]} delivered, {fact.lines[line]} billed"
        for line in delivered
        if line in fact.lines and fact.lines[line] != delivered[line]
    ]
    if differs:
        yield _of(fact, "invoices", "invoice_quantity_differs", "; ".join(differs), there, "high",
                  "Correct the invoice there", **about)  # fmt: skip


def _unbilled(
    run: Run,
    order: str,
    facts: Facts,
    invoices: Sequence[Fact],
    there_is: set[str],
    since: datetime,
    settled: datetime,
) -> Iterator[Difference]:
    (connection,) = _only(facts, "invoices")
    if not connection:
        return
    for number, billed in _billed(run).items():
        if number not in there_is and since + BILLED_WITHIN < billed.at <= settled:
            fact = Fact(number=number, state="", at=billed.at, connection=connection, order=order)
            yield _of(fact, "invoices", "invoice_missing_there", f"invoice {number} was released here",
                      "no such invoice", "critical", "Look for it there; do the step that bills again",
                      order=order, invoice=number)  # fmt: skip
    done = _all_delivered(run)
    if done is not None and not invoices and done + BILLED_WITHIN <= settled:
        fact = Fact(number=order, state="", at=done, connection=connection, order=order)
        yield _of(fact, "invoices", "delivered_not_invoiced", f"{run.said}; {_proved(run)}", "no invoice",
                  "medium", "See what holds the step that bills", order=order)  # fmt: skip


def _shipments(facts: Facts, here: Here, since: datetime, settled: datetime) -> Iterator[Difference]:
    for fact in facts.packed.values():
        if fact.at <= settled and fact.number not in here.shipments:
            yield _of(fact, "shipments", "shipment_missing_here", "no run has it",
                      f"shipment {fact.number} of {fact.order} is packed", "high", "Take the packing in",
                      order=fact.order, shipment=fact.number, events=fact.told)  # fmt: skip
    for fact in facts.carried.values():
        run = here.numbers.get(fact.number)
        if fact.at > settled or fact.state == "cancelled":
            continue
        there = f"booking {fact.number} is {fact.state.replace('_', ' ')}"
        if run is None:
            yield _of(fact, "shipments", "booking_without_shipment", "no shipment has the number", there,
                      "medium", "Void it there, or find whose it is", order=fact.order)  # fmt: skip
        elif fact.state == "delivered" and run.status in LIVE and not run.delivered:
            yield _of(fact, "shipments", "delivery_missing_here", run.said, there, "high",
                      "Take in what the carrier reports", shipment=run.number, events=fact.told)  # fmt: skip
    for connection, number, booked in here.followed:
        listed = "shipments" in facts.has.get(connection, ()) and connection not in facts.failed
        lost = listed and number not in facts.carried and since + BILLED_WITHIN < booked
        said = facts.unknown.get((connection, number))
        if (lost or said is not None) and booked <= settled:
            fact = Fact(number=number, state="", at=booked, connection=connection)
            run = here.numbers.get(number)
            yield _of(fact, "shipments", "booking_missing_there", run.said if run else "booked here",
                      said or "no such booking", "high", "Ask the carrier; book again",
                      shipment=run.number if run else "")  # fmt: skip


def _of(
    fact: Fact, what: What, kind: str, here: str, there: str, severity: str, mend: str, **more: Any
) -> Difference:
    return Difference(
        what=what,
        kind=kind,
        about=fact.number,
        connection=fact.connection,
        here=here,
        there=there,
        at=fact.at,
        mend=mend,
        severity=severity,
        **more,
    )


# -- what a run says ----------------------------------------------------------------------------------------


def _billed(run: Run | None) -> Mapping[str, Bill]:
    return {} if run is None else run.bills


def bills(rows: Iterable[tuple[datetime, Sequence[Record]]]) -> dict[str, Bill]:
    """The invoices that a run has released and not taken back: of its decisions, oldest first."""
    given: dict[str, Any] = {}
    found: dict[str, tuple[str, Bill]] = {}
    for at, records in rows:
        for record in records:
            output = record.data.get("output")
            if record.what == "step.started":
                given[record.step] = record.data.get("input")
            elif record.what in ("step.undone", "step.redone"):
                found = {number: one for number, one in found.items() if one[0] != record.step}
            elif record.what == "step.succeeded" and isinstance(output, Mapping):
                number = output.get("invoice")
                if isinstance(number, str):
                    bill = Bill(total=_total(output), lines=_delivered(given.get(record.step)), at=at)
                    found[number] = (record.step, bill)
    return {number: bill for number, (_, bill) in found.items()}


def _total(output: Mapping[str, Any]) -> str:
    total = output.get("total")
    return f"{total['amount']} {total['currency']}" if isinstance(total, Mapping) else ""


def _all_delivered(run: Run) -> datetime | None:
    """When the last delivery of an order that is not billed was done; None where something is open."""
    if run.state is None or run.status not in LIVE or _billed(run):
        return None
    ended = [
        step.ended
        for step in run.state.steps.values()
        if step.children is not None and step.status == "succeeded" and step.ended is not None
    ]
    return max(ended, default=None)


def _proved(run: Run) -> str:
    """How many deliveries are proved."""
    steps = run.state.steps.values() if run.state is not None else ()
    children = [step.children for step in steps if step.children is not None]
    proved, total = sum(one.succeeded for one in children), sum(one.total for one in children)
    return f"{proved} of {total} deliveries are proved"


def _delivered(given: Any) -> dict[str, Decimal]:
    """Quantities by line that a step was told to bill."""
    found: dict[str, Decimal] = {}
    lines = given.get("lines") if isinstance(given, Mapping) else None
    for shipment in lines if isinstance(lines, Sequence) and not isinstance(lines, str) else ():
        for line in shipment if isinstance(shipment, Sequence) else ():
            value = (line.get("quantity") or {}).get("value")
            if line.get("line") is not None and value is not None:
                name = str(line["line"])
                found[name] = found.get(name, Decimal(0)) + Decimal(str(value))
    return found


def _amount(text: str) -> tuple[Decimal, str]:
    amount, _, currency = text.partition(" ")
    return Decimal(amount), currency


def _only(facts: Facts, what: str) -> tuple[str]:
    """The one connection that lists them all, where there is one and it was read: else nothing is missing."""
    listing = [name for name, kinds in facts.has.items() if what in kinds]
    return (listing[0],) if len(listing) == 1 and listing[0] not in facts.failed else ("",)
