"""A process as a picture: its steps as boxes, what they need as arrows, and where a run stands in it.

Pure: from a `Process`, and the `State` of a run where there is one, to shapes with coordinates. The template
`graph.svg.jinja` draws them. A status is told three ways, so that colour is never alone: by icon, by the line
around the box, and in words.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from crossdock.process import Process, State
from crossdock.process.definition import (
    AwaitWork,
    CallWork,
    EmitWork,
    PersonWork,
    RunWork,
    Step,
    WaitWork,
)
from crossdock.process.state import StepState
from crossdock.tower.picture.layout import Box, place
from crossdock.tower.telling.words import STEP_STATUS, step_title

START = "\0start"
WIDTH, HEIGHT, LINE = 264.0, 58.0, 16.0  # of a box; each further line of its title adds to it
MARGIN = 10.0
LETTERS = 24  # of a title that fit on a line; two lines at most
NOTE = 21  # of the last line, beside the status


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One box. `x` and `y` are its upper left corner; `lines` is its title, `note` its last line."""

    name: str
    lines: tuple[str, ...]
    full_title: str
    kind: str
    status: str
    icon: str
    note: str
    x: float
    y: float
    width: float = WIDTH
    height: float = HEIGHT
    redone: int = 0

    @property
    def spoken(self) -> str:
        """The box in one sentence, for those who hear the page."""
        said = f"{self.full_title} ({self.kind})"
        return f"{said}: {STEP_STATUS[self.status].word}. {self.note}".strip() if self.status else said


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """One arrow. `kind` says why: needs, any, looks (it names the other step's values), or acts."""

    before: str
    after: str
    kind: str
    path: str
    done: bool  # what it starts from has ended well


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """All that is drawn, and the size it takes."""

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    start: Node | None
    width: float
    height: float
    title: str
    summary: str


def draw(process: Process, state: State | None = None) -> Graph:
    """The picture of a process, or of one run of it."""
    kinds = {(a, b): kind for a, b, kind in _edges(process)}
    boxes = {START: Box(width=WIDTH, height=HEIGHT * 0.6)} | {
        name: Box(width=WIDTH, height=HEIGHT + LINE * (len(_wrapped(step)) - 1))
        for name, step in process.steps.items()
    }
    placed = place(boxes, kinds)
    nodes = [
        _node(step, state, placed.centres[name], boxes[name].height) for name, step in process.steps.items()
    ]
    x, y = placed.centres[START]
    on = " or ".join(dict.fromkeys(start.on for start in process.start)) or "by hand, or by another process"
    start = Node(
        name="start",
        lines=(_short(on, 30),),
        full_title=f"Starts on {on}",
        kind="start",
        status="",
        icon="",
        note="",
        x=x - WIDTH / 2 + MARGIN,
        y=y - HEIGHT * 0.3 + MARGIN,
        height=HEIGHT * 0.6,
    )
    heights = {name: box.height for name, box in boxes.items()}
    edges = tuple(
        Edge(
            before=a,
            after=b,
            kind=kinds[a, b],
            path=_curve(way, heights[a], heights[b]),
            done=_met(state, a),
        )
        for (a, b), way in placed.ways.items()
    )
    return Graph(
        nodes=tuple(nodes),
        edges=edges,
        start=start,
        width=placed.width + 2 * MARGIN,
        height=placed.height + 2 * MARGIN,
        title=f"Steps of {process.title or process.name}",
        summary=_summary(process, state),
    )


def _edges(process: Process) -> Iterator[tuple[str, str, str]]:
    """From, to and why; the strongest reason first, since a pair is drawn once."""
    entered: set[str] = set()
    after: dict[str, set[str]] = {}
    found: list[tuple[str, str, str]] = []

    def add(a: str, b: str, kind: str) -> None:
        found.append((a, b, kind))
        entered.add(b)
        after.setdefault(a, set()).add(b)

    for name, step in process.steps.items():
        for other in step.needs:
            add(other, name, "needs")
        for other in step.needs_any:
            add(other, name, "any")
    for name, causes in process.triggers.items():
        for cause in sorted(causes):
            if (cause, name) not in {(a, b) for a, b, _ in found}:
                add(cause, name, "acts")
    for name in process.steps:
        # A step that only looks at another one is drawn below it where nothing else leads there.
        for other in process.dependents.get(name, ()):
            if not _leads(after, name, other) and not _leads(after, other, name):
                add(name, other, "looks")
    found += [
        (START, name, "acts" if name in process.triggers else "needs")
        for name in process.steps
        if name not in entered
    ]
    order = {"needs": 0, "any": 1, "acts": 2, "looks": 3}
    seen: set[tuple[str, str]] = set()
    for a, b, kind in sorted(found, key=lambda edge: order[edge[2]]):
        if (a, b) not in seen:
            seen.add((a, b))
            yield a, b, kind


def _leads(after: dict[str, set[str]], start: str, goal: str) -> bool:
    seen, queue = {start}, [start]
    while queue:
        for other in after.get(queue.pop(), set()) - seen:
            if other == goal:
                return True
            seen.add(other)
            queue.append(other)
    return False


def _node(step: Step, state: State | None, centre: tuple[float, float], height: float) -> Node:
    own = state.steps.get(step.name) if state is not None else None
    status = own.status if own is not None else ""
    title = step_title(step.name, step.title)
    return Node(
        name=step.name,
        lines=_wrapped(step),
        full_title=title,
        kind=step.kind,
        status=status,
        icon=STEP_STATUS[status].icon if status else "",
        note=_short(_note(step, own), NOTE if status else 32),
        x=centre[0] - WIDTH / 2 + MARGIN,
        y=centre[1] - height / 2 + MARGIN,
        height=height,
        redone=own.redo if own is not None else 0,
    )


def _note(step: Step, own: StepState | None) -> str:
    if own is not None and own.children is not None:
        children = own.children
        total, over = children.total, children.total - len(children.open)
        bad = children.failed + children.cancelled
        return f"{over} of {total} ended" + (f", {bad} not well" if bad else "")
    return does(step)


def does(step: Step) -> str:
    """What a step does, in a few words: what it calls, awaits, asks of whom."""
    match step.work:
        case CallWork() as work:
            return f"{work.system}.{work.operation}"
        case AwaitWork() as work:
            more = f" or {len(work.types) - 2} others" if len(work.types) > 2 else ""
            return " or ".join(work.types[:2]) + more
        case PersonWork() as work:
            return work.role
        case RunWork() as work:
            return f"{work.process}, one for each" if work.each is not None else work.process
        case EmitWork() as work:
            return work.type
        case WaitWork(cut_off=name) if name:
            return f"until cut-off {name}"
        case WaitWork():
            return "until its time comes"
        case _:
            return "decides by rules" if step.kind == "choose" else "sets values"


def _wrapped(step: Step) -> tuple[str, ...]:
    title = step_title(step.name, step.title)
    lines = textwrap.wrap(title, LETTERS, max_lines=2, placeholder=" …") or [title]
    return tuple(_short(line, LETTERS) for line in lines)


def _short(text: str, letters: int) -> str:
    return text if len(text) <= letters else text[: letters - 1].rstrip() + "…"


def _curve(way: Sequence[tuple[float, float]], first: float, last: float) -> str:
    """A smooth path: from the bottom of one box to the top of the other, straight down through each bend."""
    points = list(way)
    points[0] = (points[0][0], points[0][1] + first / 2)
    points[-1] = (points[-1][0], points[-1][1] - last / 2 - 3)
    points = [(x + MARGIN, y + MARGIN) for x, y in points]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (y0 + y1) / 2
        path += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    return path


def _met(state: State | None, name: str) -> bool:
    if state is None:
        return False
    return name == START or state.steps[name].status in ("succeeded", "skipped")


def _summary(process: Process, state: State | None) -> str:
    if state is None:
        return f"{len(process.steps)} steps. The table of steps says the same in words."
    counts: dict[str, int] = {}
    for step in state.steps.values():
        counts[step.status] = counts.get(step.status, 0) + 1
    said = ", ".join(f"{n} {STEP_STATUS[status].word}" for status, n in counts.items())
    return f"{len(state.steps)} steps: {said}. The table of steps says the same in words."
