"""Where the boxes of a graph stand: a layered layout, top to bottom, the same for the same graph.

1. A node's layer is the longest way to it from a node without predecessors.
2. An edge that spans several layers gets an invisible node in each between, so that it bends around boxes.
3. Nodes of a layer are ordered by the mean place of their neighbours, sweeping down and up, which keeps edges
   from crossing; ties keep the order in which the nodes were given. The order with the fewest crossings wins.
4. Each node moves towards the mean of its neighbours as far as the gap to the next one allows.

Edges that would close a circle are left out of the layering and drawn along the side by whoever draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

SWEEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """What a node needs, in pixels."""

    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The centre of each node, the points that each edge runs through, and the size of the whole."""

    centres: Mapping[str, tuple[float, float]]
    ways: Mapping[tuple[str, str], tuple[tuple[float, float], ...]]
    width: float
    height: float


def place(
    boxes: Mapping[str, Box],
    edges: Iterable[tuple[str, str]],
    *,
    gap: float = 24,
    rise: float = 40,
) -> Placed:
    """Place `boxes` in layers `rise` apart, `gap` between neighbours. Edges name boxes, from and to."""
    kept = without_circles(boxes, edges)
    layer = _layers(boxes, kept)
    rows, links = _with_bends(boxes, kept, layer)
    rows = _ordered(rows, links)
    widths = {name: boxes[name].width if name in boxes else 8.0 for row in rows for name in row}
    x = _across(rows, links, widths, gap)
    left = min((x[n] - widths[n] / 2 for n in x), default=0.0)
    x = {name: value - left for name, value in x.items()}
    y: dict[str, float] = {}
    heights = [max((boxes[name].height for name in row if name in boxes), default=0.0) for row in rows]
    top = 0.0
    for row, height in zip(rows, heights, strict=True):
        for name in row:
            y[name] = top + height / 2
        top += height + rise
    tall = {name: height for row, height in zip(rows, heights, strict=True) for name in row}
    ways: dict[tuple[str, str], tuple[tuple[float, float], ...]] = {}
    for a, b in kept:
        way = [(x[a], y[a])]
        for bend in _bends(a, b, layer):  # straight through the layer, so that no box is cut
            half = tall[bend] / 2
            way += [(x[bend], y[bend] - half), (x[bend], y[bend] + half)]
        ways[a, b] = (*way, (x[b], y[b]))
    return Placed(
        centres={name: (x[name], y[name]) for name in boxes},
        ways=ways,
        width=max((x[name] + widths[name] / 2 for name in x), default=0.0),
        height=max(0.0, top - rise),
    )


def without_circles(names: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """The edges in order, each once, without those that would close a circle."""
    after: dict[str, set[str]] = {name: set() for name in names}
    kept: list[tuple[str, str]] = []
    for a, b in edges:
        if a not in after or b not in after or b in after[a] or _reaches(after, b, a):
            continue
        after[a].add(b)
        kept.append((a, b))
    return kept


def _reaches(after: Mapping[str, set[str]], start: str, goal: str) -> bool:
    seen = {start}
    queue = [start]
    while queue:
        name = queue.pop()
        if name == goal:
            return True
        for other in after[name] - seen:
            seen.add(other)
            queue.append(other)
    return False


def _layers(names: Iterable[str], edges: Sequence[tuple[str, str]]) -> dict[str, int]:
    before: dict[str, list[str]] = {name: [] for name in names}
    for a, b in edges:
        before[b].append(a)
    layer: dict[str, int] = {}

    def find(name: str) -> int:
        # Without recursion: a process may be a long chain.
        stack = [name]
        while stack:
            top = stack[-1]
            missing = [other for other in before[top] if other not in layer]
            if missing:
                stack.extend(missing)
            else:
                layer[top] = max((layer[other] + 1 for other in before[top]), default=0)
                stack.pop()
        return layer[name]

    for name in before:
        find(name)
    return layer


def _bends(a: str, b: str, layer: Mapping[str, int]) -> list[str]:
    return [f"{a}\0{b}\0{n}" for n in range(layer[a] + 1, layer[b])]


def _with_bends(
    names: Iterable[str], edges: Sequence[tuple[str, str]], layer: Mapping[str, int]
) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """The rows of nodes with a bend for each layer that an edge passes, and the links between rows."""
    rows: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name in names:
        rows[layer[name]].append(name)
    links: list[tuple[str, str]] = []
    for a, b in edges:
        chain = [a, *_bends(a, b, layer), b]
        for n, bend in enumerate(chain[1:-1], layer[a] + 1):
            rows[n].append(bend)
        links.extend(pairwise(chain))
    return rows, links


def _ordered(rows: list[list[str]], links: Sequence[tuple[str, str]]) -> list[list[str]]:
    up: dict[str, list[str]] = {}
    down: dict[str, list[str]] = {}
    for a, b in links:
        down.setdefault(a, []).append(b)
        up.setdefault(b, []).append(a)
    best, fewest = [list(row) for row in rows], _crossings(rows, down)
    rows = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not fewest:
            break
        neighbours, numbers = (
            (up, range(1, len(rows))) if sweep % 2 == 0 else (down, range(len(rows) - 2, -1, -1))
        )
        for n in numbers:
            fixed = rows[n - 1] if sweep % 2 == 0 else rows[n + 1]
            place_of = {name: i for i, name in enumerate(fixed)}
            own = {name: i for i, name in enumerate(rows[n])}
            rows[n].sort(key=lambda name: _mean([place_of[o] for o in neighbours.get(name, ())], own[name]))
        crossings = _crossings(rows, down)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _crossings(rows: Sequence[Sequence[str]], down: Mapping[str, Sequence[str]]) -> int:
    found = 0
    for upper, lower in pairwise(rows):
        place_of = {name: i for i, name in enumerate(lower)}
        ends = [place_of[b] for a in upper for b in sorted(down.get(a, ()), key=place_of.__getitem__)]
        found += sum(1 for i, one in enumerate(ends) for other in ends[i + 1 :] if other < one)
    return found


def _across(
    rows: Sequence[Sequence[str]],
    links: Sequence[tuple[str, str]],
    widths: Mapping[str, float],
    gap: float,
) -> dict[str, float]:
    near: dict[str, list[str]] = {}
    for a, b in links:
        near.setdefault(a, []).append(b)
        near.setdefault(b, []).append(a)
    x: dict[str, float] = {}
    for row in rows:
        at = 0.0
        for name in row:
            x[name] = at + widths[name] / 2
            at += widths[name] + gap
        for name in row:  # each row stands in the middle at first
            x[name] -= (at - gap) / 2
    for sweep in range(8 * SWEEPS):
        before = dict(x)
        for row in rows if sweep % 2 == 0 else reversed(rows):
            wanted = [_mean([x[o] for o in near.get(name, ())], x[name]) for name in row]
            x.update(zip(row, _apart(row, wanted, widths, gap), strict=True))
        if all(abs(x[name] - before[name]) < 0.01 for name in x):
            break
    return x


def _apart(
    row: Sequence[str], wanted: Sequence[float], widths: Mapping[str, float], gap: float
) -> list[float]:
    """The places nearest to those wanted, in order and apart: the mean of pushing right and pushing left."""
    need = [(widths[a] + widths[b]) / 2 + gap for a, b in pairwise(row)]
    right = list(wanted)
    for i in range(1, len(row)):
        right[i] = max(wanted[i], right[i - 1] + need[i - 1])
    left = list(wanted)
    for i in range(len(row) - 2, -1, -1):
        left[i] = min(wanted[i], left[i + 1] - need[i])
    return [(a + b) / 2 for a, b in zip(right, left, strict=True)]
