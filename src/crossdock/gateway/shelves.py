"""Where what lies in two systems parts: the books of the ERP and the floor of the warehouse. Pure.

    stock        on hand by item and site, less what has left the floor and is not booked out yet; and by lot,
                 where both tell lots
    allocations  what is promised to an order, of an item at a site

Bins are summed: the books know none. Compared are sites that both sides tell of. What was packed and is not
billed yet lies in the books and on no shelf: the runs know of it, and the books say that the order is open.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from crossdock.gateway.compare import Difference
from crossdock.model.codes import decimal_text

Place = tuple[str, str]  # item and site
Held = tuple[str, str, str]  # order, item and site
_NAMED = 3  # orders that a sentence names


class Amount:
    """How much, in each unit; 0 of a unit is nothing."""

    __slots__ = ("units",)

    def __init__(self, units: Mapping[str, Decimal] | None = None) -> None:
        """So much of each unit."""
        self.units = {unit: value for unit, value in (units or {}).items() if value}

    def __add__(self, other: Amount) -> Amount:
        every = self.units | other.units
        return Amount({unit: self.of(unit) + other.of(unit) for unit in every})

    def __sub__(self, other: Amount) -> Amount:
        return self + Amount({unit: -value for unit, value in other.units.items()})

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Amount) and self.units == other.units

    __hash__ = None  # type: ignore[assignment] # two of them are compared, and none is a key

    def __bool__(self) -> bool:
        return bool(self.units)

    def __str__(self) -> str:
        return ", ".join(f"{_plain(value)} {unit}" for unit, value in sorted(self.units.items())) or "none"

    def of(self, unit: str) -> Decimal:
        """How much in that unit."""
        return self.units.get(unit, Decimal(0))

    def least(self, other: Amount) -> Amount:
        """What both have."""
        return Amount({unit: min(value, other.of(unit)) for unit, value in self.units.items()})

    def above(self) -> Amount:
        """Without what is less than nothing."""
        return Amount({unit: value for unit, value in self.units.items() if value > 0})

    def less(self, other: Amount) -> bool:
        """Whether it is less in any unit."""
        return any(value < 0 for value in (self - other).units.values())


NONE = Amount()


@dataclass(slots=True, kw_only=True)
class Shelf:
    """What one system tells, in our codes: what lies where, by lot; and what is promised, if it tells."""

    connection: str
    lies: dict[Place, dict[str, Amount]] = field(default_factory=dict)
    promised: dict[Held, Amount] | None = None
    changed: dict[Place, datetime] = field(default_factory=dict)

    def put(self, place: Place, lot: str, amount: Amount, changed: datetime | None) -> None:
        """One more row of what lies there."""
        lots = self.lies.setdefault(place, {})
        lots[lot] = lots.get(lot, NONE) + amount
        if changed is not None:
            self.changed[place] = max(changed, self.changed.get(place, changed))

    def promise(self, held: Held, amount: Amount) -> None:
        """One more row of what is promised."""
        if self.promised is None:
            self.promised = {}
        self.promised[held] = self.promised.get(held, NONE) + amount

    def all_of(self, place: Place) -> Amount:
        """What lies there of all lots."""
        return _sum(self.lies.get(place, {}).values())

    def sites(self) -> set[str]:
        """The sites that it tells of."""
        return {site for _, site in self.lies} | {site for *_, site in self.promised or ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run is with its order: `out` is what was packed of each item and is not billed yet."""

    live: bool
    picked: bool = False  # the warehouse was told to pick it, or to hold goods for it
    out: Mapping[str, Amount] = field(default_factory=dict)
    short: frozenset[str] = frozenset()  # items that the warehouse has said to lack


Runs = Mapping[str, Progress]


def common(books: Shelf, floor: Shelf) -> set[str]:
    """The sites that both tell of."""
    return books.sites() & floor.sites()


def stock(
    books: Shelf, floor: Shelf, runs: Runs, sites: Iterable[str], now: datetime
) -> Iterator[Difference]:
    """Where the books and the floor part in what lies there."""
    wanted, way = set(sites), _under_way(books, runs)
    for place in sorted({*books.lies, *floor.lies}):
        item, site = place
        if site not in wanted:
            continue
        booked, there = books.all_of(place), floor.all_of(place)
        out, orders = way.get(place, (NONE, []))
        if booked - out != there:
            left = f", {out} of it packed and not booked out yet ({_few(orders)})" if out else ""
            yield Difference(
                what="stock",
                kind="stock_differs",
                about=f"{item}@{site}",
                connection=floor.connection,
                against=books.connection,
                here=f"{booked} of {item} at {site}{left}{_by_lot(books, place)}",
                there=f"{there} on hand{_by_lot(floor, place)}",
                severity="high" if there.less(booked - out) else "medium",
                mend=_mend(item, site, booked, there, books, floor),
                at=_changed(books, floor, place) or now,
                steady=_steady(books, floor, place),
                item=item,
            )
        elif not out:
            yield from _lots(books, floor, place, now)


def _lots(books: Shelf, floor: Shelf, place: Place, now: datetime) -> Iterator[Difference]:
    """Where they agree on the sum, and both tell lots, and part in one of these."""
    ours, theirs = books.lies.get(place, {}), floor.lies.get(place, {})
    if not (any(ours) and any(theirs)):
        return
    item, site = place
    for lot in sorted({*ours, *theirs}):
        booked, there = ours.get(lot, NONE), theirs.get(lot, NONE)
        if booked != there:
            yield Difference(
                what="stock",
                kind="lot_differs",
                about=f"{item}@{site}#{lot or '-'}",
                connection=floor.connection,
                against=books.connection,
                here=f"{booked} of {item} lot {lot or 'unknown'} at {site}",
                there=f"{there} on hand",
                severity="high" if there.less(booked) else "medium",
                mend=f"See which lot lies there, and correct {books.connection} or {floor.connection}",
                at=_changed(books, floor, place) or now,
                steady=_steady(books, floor, place),
                item=item,
            )


def allocations(
    books: Shelf, floor: Shelf, runs: Runs, sites: Iterable[str], now: datetime
) -> Iterator[Difference]:
    """Where they part in what is promised to orders; nothing where one of them does not tell it."""
    if books.promised is None or floor.promised is None:
        return
    wanted = set(sites)
    for held in sorted({*books.promised, *floor.promised}):
        order, item, site = held
        if site not in wanted:
            continue
        open_, there = books.promised.get(held, NONE), floor.promised.get(held, NONE)
        run = runs.get(order)
        out = run.out.get(item, NONE).least(open_).above() if run is not None and run.live else NONE
        due = open_ - out
        if there == due or not _matters(run, item, there, due):
            continue
        packed = f", {out} of it packed" if out else ""
        yield Difference(
            what="allocations",
            kind="allocated_differs",
            about=f"{order}/{item}@{site}",
            connection=floor.connection,
            against=books.connection,
            here=f"{open_} of {item} open for {order} at {site}{packed}",
            there=f"{there} promised to it",
            severity="high" if there.less(due) else "medium",
            mend=(
                f"Have it picked again, or change the order in {books.connection}"
                if there.less(due)
                else f"Give back in {floor.connection} what the order does not want"
            ),
            at=now,
            order=order,
            item=item,
        )


def _matters(run: Progress | None, item: str, there: Amount, due: Amount) -> bool:
    """Whether that should agree now: before the pick nothing is promised, and what is short stays open."""
    if run is None or not run.live:
        return bool(there) and not due  # held for an order that is over; one with no run is missed elsewhere
    if not there.less(due):
        return True
    return run.picked and item not in run.short


def _under_way(books: Shelf, runs: Runs) -> dict[Place, tuple[Amount, list[str]]]:
    """What was packed and lies in the books: no more of an order than the books have open."""
    found: dict[Place, tuple[Amount, list[str]]] = {}
    for (order, item, site), open_ in sorted((books.promised or {}).items()):
        run = runs.get(order)
        if run is None or not run.live:
            continue
        out = run.out.get(item, NONE).least(open_).above()
        if out:
            known, orders = found.get((item, site), (NONE, []))
            found[item, site] = (known + out, [*orders, order])
    return found


def _mend(item: str, site: str, booked: Amount, there: Amount, books: Shelf, floor: Shelf) -> str:
    ours, theirs = set(booked.units), set(there.units)
    if ours and theirs and ours != theirs:
        one, other = min(theirs), min(ours)
        return (
            f"Say how many {other} one {one} is: master data of {floor.connection}, "
            f"`unit,12 {other},{item}/{one},in`"
        )
    return f"Count {item} at {site}, and correct {books.connection} or {floor.connection}"


def _changed(books: Shelf, floor: Shelf, place: Place) -> datetime | None:
    return max((one.changed[place] for one in (books, floor) if place in one.changed), default=None)


def _steady(books: Shelf, floor: Shelf, place: Place) -> datetime | None:
    """Since when both have told the same, where both say when they changed."""
    return _changed(books, floor, place) if place in books.changed and place in floor.changed else None


def _by_lot(shelf: Shelf, place: Place) -> str:
    lots = shelf.lies.get(place, {})
    told = ", ".join(f"{lot or 'no lot'}: {lots[lot]}" for lot in sorted(lots))
    return f" ({told})" if any(lots) else ""


def _few(orders: list[str]) -> str:
    more = len(orders) - _NAMED
    return ", ".join(orders[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _sum(amounts: Iterable[Amount]) -> Amount:
    found = NONE
    for one in amounts:
        found += one
    return found


def _plain(value: Decimal) -> str:
    whole = value == value.to_integral_value()
    return decimal_text(value.quantize(Decimal(1)) if whole else value.normalize())
