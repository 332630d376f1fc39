"""Each load benchmark at its smallest size: that it runs and tells its figures, not what it measures."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SMALLEST = 0.001
FIRST_FIGURES = {
    "api": "read_run_p99_ms",
    "call": "python_us",
    "fair": "quiet_slowdown_backlog",
    "growth": "orders_per_s_0",
    "idle": "p50_ms",
    "ingest": "acknowledged_per_s",
    "personal": "orders_per_s",
    "timers": "lag_p50_ms",
    "waiting": "orders_per_s",
    "workers": "orders_per_s",
}


@pytest.mark.parametrize("name", FIRST_FIGURES)
async def test_a_benchmark_tells_its_figures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # some start processes of their own
    measure = importlib.import_module(f"benchmarks.{name}").measure
    figures = [figure async for figure in measure(SMALLEST)]
    assert figures[0].figure == FIRST_FIGURES[name]
    for figure in figures:
        assert figure.unit
        values = [figure.ours, *figure.peers.values()]
        assert all(isinstance(value, float | int) for value in values), figure


def test_a_table_for_the_page_says_where_it_was_measured() -> None:
    done = bench("kernel", "--scale", str(SMALLEST), "--markdown")
    head, empty, columns, rule, first, *_ = done.stdout.splitlines()
    assert head.startswith("Measured on ")
    assert "cores" in head
    assert empty == ""
    assert columns == "| benchmark | figure | unit | ours | beside | goal |"
    assert rule.count("---") == 6
    assert first.startswith("| kernel | `decisions_per_s_call` | decisions/s | ")


def test_a_benchmark_that_is_not_there_is_refused_with_those_that_are() -> None:
    done = bench("speed")
    assert done.returncode == 2
    assert "there is no benchmark 'speed'; there are: api, call, engine, fair, " in done.stderr


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        check=False,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
