"""Two systems that list stock, compared: by lot where both tell lots, by order what is promised."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from crossdock.gateway.shelves import Amount, Progress, Shelf, allocations, common, stock

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
KIT = ("KIT", "RNO")


def ea(number: int) -> Amount:
    return Amount({"EA": Decimal(number)})


def shelf(name: str, *rows: tuple[str, int]) -> Shelf:
    """What lies of KIT at RNO, by lot."""
    made = Shelf(connection=name)
    for lot, number in rows:
        made.put(KIT, lot, ea(number), None)
    return made


def kinds(books: Shelf, floor: Shelf, runs: dict[str, Progress] | None = None) -> list[tuple[str, str]]:
    sites = common(books, floor)
    found = [*stock(books, floor, runs or {}, sites, NOW), *allocations(books, floor, runs or {}, sites, NOW)]
    return [(one.kind, one.about) for one in found]


def test_lots_are_compared_where_both_tell_them_and_else_their_sum() -> None:
    books = shelf("erp", ("A", 5), ("B", 5))
    assert kinds(books, shelf("wms", ("", 10))) == []
    assert kinds(books, shelf("wms", ("A", 4), ("B", 6))) == [
        ("lot_differs", "KIT@RNO#A"),
        ("lot_differs", "KIT@RNO#B"),
    ]
    assert kinds(books, shelf("wms", ("A", 4), ("B", 5))) == [("stock_differs", "KIT@RNO")]


def test_bins_are_summed_and_nothing_is_nought() -> None:
    books = shelf("erp", ("", 10))
    assert kinds(books, shelf("wms", ("", 4), ("", 6))) == []
    books.put(("GEL", "RNO"), "", ea(0), None)
    assert kinds(books, shelf("wms", ("", 10))) == []


def test_a_site_that_one_side_does_not_tell_of_is_not_compared() -> None:
    books = shelf("erp", ("", 10))
    books.put(("KIT", "DIRECT"), "", ea(7), None)
    assert kinds(books, shelf("wms", ("", 10))) == []


def test_goods_on_their_way_are_no_more_than_the_books_have_open() -> None:
    books, floor = shelf("erp", ("", 100)), shelf("wms", ("", 94))
    run = Progress(live=True, picked=True, out={"KIT": ea(6)})
    held = ("SO-1", "KIT", "RNO")
    books.promised, floor.promised = {held: ea(10)}, {held: ea(4)}
    assert kinds(books, floor, {"SO-1": run}) == []
    books.promised = {held: ea(2)}  # somebody has booked 8 out by hand, and 6 are out
    assert [kind for kind, _ in kinds(books, floor, {"SO-1": run})] == [
        "stock_differs",
        "allocated_differs",
    ]
    over = Progress(live=False)
    books.promised = {held: ea(10)}
    assert kinds(books, floor, {"SO-1": over}) == [("stock_differs", "KIT@RNO")]


def test_before_the_pick_nothing_is_promised_and_what_is_short_stays_open() -> None:
    books, floor = shelf("erp", ("", 9)), shelf("wms", ("", 9))
    held = ("SO-1", "KIT", "RNO")
    books.promised, floor.promised = {held: ea(10)}, {}
    assert kinds(books, floor, {"SO-1": Progress(live=True)}) == []
    short = Progress(live=True, picked=True, short=frozenset({"KIT"}))
    assert kinds(books, floor, {"SO-1": short}) == []
    assert kinds(books, floor, {"SO-1": Progress(live=True, picked=True)}) == [
        ("allocated_differs", "SO-1/KIT@RNO")
    ]
    books.promised, floor.promised = {}, {held: ea(1)}
    assert kinds(books, floor) == [("allocated_differs", "SO-1/KIT@RNO")]
