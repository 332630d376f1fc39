"""What Crossdock reaches, measured beside what it is compared with. `python -m benchmarks [NAME] [--json]`.

A benchmark is a module or package here with `async def measure(scale) -> AsyncIterator[Figure]`; its
docstring says what is measured and how to read it. `scale` is 1 for the full size. Each figure is taken with
its peers in one run on one machine, one after the other or in turns: ratios hold elsewhere, absolute values
do not. Modules that begin with `_` are what several benchmarks share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure of a benchmark, ours and the peers'; None where a contestant could not be measured."""

    figure: str
    unit: str
    ours: float | None
    peers: Mapping[str, float | None] = field(default_factory=dict)
    goal: str = ""  # what `ours` should be, where that is set
