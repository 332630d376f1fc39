"""Run all benchmarks, or one by name: a table, with `--json` one JSON object a line, with `--markdown` for a
page.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import json
import pkgutil
import platform
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psutil
import uvloop
from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks import Figure


def names() -> list[str]:
    """The benchmarks there are, by name."""
    found = (module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return sorted(name for name in found if not name.startswith("_"))


async def measured(name: str, scale: float) -> AsyncIterator[Figure]:
    """Run one benchmark; figures come as they are known."""
    async for figure in importlib.import_module(f"benchmarks.{name}").measure(scale):
        yield figure


async def as_lines(chosen: list[str], scale: float) -> None:
    for name in chosen:
        async for found in measured(name, scale):
            row = {"benchmark": name, "figure": found.figure, "unit": found.unit, "ours": _short(found.ours)}
            print(json.dumps(row | {peer: _short(value) for peer, value in found.peers.items()}), flush=True)


async def as_tables(chosen: list[str], scale: float) -> None:
    console = Console()
    for name in chosen:
        figures = [figure async for figure in measured(name, scale)]
        peers = list(dict.fromkeys(peer for figure in figures for peer in figure.peers))
        table = Table("figure", "unit", "ours", *peers, "goal", title=name)
        for figure in figures:
            values = [figure.ours, *(figure.peers.get(peer) for peer in peers)]
            table.add_row(figure.figure, figure.unit, *map(_told, values), figure.goal)
        console.print(table)


async def as_markdown(chosen: list[str], scale: float) -> None:
    memory = psutil.virtual_memory().total / 2**30
    cores = psutil.cpu_count()
    print(f"Measured on {datetime.now(UTC):%Y-%m-%d}: {cores} cores, {memory:.0f} GB, ", end="")
    print(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, scale {scale:g}.\n")
    print("| benchmark | figure | unit | ours | beside | goal |\n| --- | --- | --- | --- | --- | --- |")
    for name in chosen:
        async for found in measured(name, scale):
            beside = ", ".join(f"{peer} {_told(value)}" for peer, value in found.peers.items())
            cells = [name, f"`{found.figure}`", found.unit, _told(found.ours), beside, found.goal]
            print("| " + " | ".join(cells) + " |", flush=True)


def _told(value: float | None) -> str:
    return "-" if value is None else f"{_short(value):,}"


def _short(value: float | None) -> float | None:
    """Three or so digits: what a repeat would give again."""
    return value if value is None else round(value) if value >= 1000 else float(f"{value:.3g}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="one of: " + ", ".join(names()))
    parser.add_argument("--scale", type=float, default=1.0, help="size of the load; 1 is the full one")
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        "--json", action="store_const", dest="show", const=as_lines, help="one JSON object a line"
    )
    how.add_argument("--markdown", action="store_const", dest="show", const=as_markdown, help="one table")
    asked = parser.parse_args()
    if asked.name and asked.name not in names():
        parser.error(f"there is no benchmark {asked.name!r}; there are: " + ", ".join(names()))
    if not 0 < asked.scale <= 100:
        parser.error("--scale is above 0 and at most 100")
    show = asked.show or as_tables
    gc.set_threshold(50_000, 20, 50)  # as `crossdock serve` and `crossdock worker` have it
    uvloop.run(show([asked.name] if asked.name else names(), asked.scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
