"""Run all benchmarks, or one by name: a table, or with `--json` one JSON object a line."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import pkgutil
import sys
from collections.abc import AsyncIterator

from rich.console import Console
from rich.table import Table

import benchmarks
from benchmarks import Figure


def names() -> list[str]:
    """The benchmarks there are, by name."""
    return sorted(
        found.name for found in pkgutil.iter_modules(benchmarks.__path__) if found.name != "__main__"
    )


async def measured(name: str) -> AsyncIterator[Figure]:
    """Run one benchmark; figures come as they are known."""
    async for figure in importlib.import_module(f"benchmarks.{name}").measure():
        yield figure


async def as_lines(chosen: list[str]) -> None:
    for name in chosen:
        async for found in measured(name):
            row = {"benchmark": name, "figure": found.figure, "unit": found.unit, "ours": _short(found.ours)}
            print(json.dumps(row | {peer: _short(value) for peer, value in found.peers.items()}), flush=True)


async def as_tables(chosen: list[str]) -> None:
    console = Console()
    for name in chosen:
        figures = [figure async for figure in measured(name)]
        peers = list(dict.fromkeys(peer for figure in figures for peer in figure.peers))
        table = Table("figure", "unit", "ours", *peers, title=name)
        for figure in figures:
            values = [figure.ours, *(figure.peers.get(peer) for peer in peers)]
            table.add_row(
                figure.figure, figure.unit, *("-" if v is None else f"{_short(v):,}" for v in values)
            )
        console.print(table)


def _short(value: float | None) -> float | None:
    """Three or so digits: what a repeat would give again."""
    return value if value is None else round(value) if value >= 1000 else float(f"{value:.3g}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("name", nargs="?", help="one of: " + ", ".join(names()))
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    asked = parser.parse_args()
    if asked.name and asked.name not in names():
        parser.error(f"there is no benchmark {asked.name!r}; there are: " + ", ".join(names()))
    chosen = [asked.name] if asked.name else names()
    asyncio.run(as_lines(chosen) if asked.json else as_tables(chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main())
