"""Where boxes stand: layers, no overlaps, the same for the same graph."""

from __future__ import annotations

from itertools import combinations

from crossdock.tower.picture.layout import Box, place, without_circles


def boxes(names: str) -> dict[str, Box]:
    return {name: Box(width=100, height=40) for name in names}


def test_what_comes_after_stands_below():
    placed = place(boxes("abcd"), [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")])
    height = {name: y for name, (_, y) in placed.centres.items()}
    assert height["a"] < height["b"] == height["c"] < height["d"]


def test_no_two_boxes_overlap():
    edges = [(a, b) for a, b in combinations("abcdefghij", 2) if (ord(a) * 7 + ord(b) * 3) % 4 == 0]
    placed = place(boxes("abcdefghij"), edges, gap=20, rise=30)
    for (ax, ay), (bx, by) in combinations(placed.centres.values(), 2):
        assert abs(ax - bx) >= 119.9 or abs(ay - by) >= 69.9
    for x, y in placed.centres.values():
        assert 50 <= x <= placed.width - 50
        assert 20 <= y <= placed.height - 20


def test_a_chain_is_straight():
    placed = place(boxes("abcde"), [("a", "b"), ("b", "c"), ("c", "d"), ("d", "e")])
    assert len({round(x, 3) for x, _ in placed.centres.values()}) == 1


def test_an_edge_over_several_layers_runs_beside_the_boxes_between():
    placed = place(boxes("abcd"), [("a", "b"), ("b", "c"), ("c", "d"), ("a", "d")])
    inner = placed.ways["a", "d"][1:-1]
    assert len(inner) == 4  # in and out of both layers between
    for name in "bc":
        x, _ = placed.centres[name]
        assert all(abs(px - x) > 50 for px, _ in inner)


def test_two_edges_that_need_not_cross_do_not():
    placed = place(boxes("abcd"), [("a", "d"), ("b", "c")])
    x = {name: point[0] for name, point in placed.centres.items()}
    assert (x["a"] < x["b"]) == (x["d"] < x["c"])


def test_what_would_close_a_circle_is_left_out():
    assert without_circles("abc", [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a")]) == [
        ("a", "b"),
        ("b", "c"),
    ]


def test_a_long_chain_does_not_exhaust_the_stack():
    names = [f"s{n}" for n in range(1200)]
    edges = list(zip(names[1:], names, strict=False))
    placed = place({name: Box(width=10, height=10) for name in names}, edges)
    assert placed.centres["s0"][1] > placed.centres["s1199"][1]


def test_nothing_is_placed_where_there_is_nothing():
    placed = place({}, [])
    assert (placed.width, placed.height, dict(placed.centres)) == (0.0, 0.0, {})
