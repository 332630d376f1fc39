"""Whether runs came out as a script expects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from crossdock.process.simulate.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was expected on a line of the script, and what was otherwise; nothing, if it came so."""

    line: int
    expected: Mapping[str, Any]
    wrong: tuple[str, ...]


def judge(expected: Mapping[str, Any], whom: str, runs: list[Run]) -> Iterator[str]:
    """What is otherwise than expected, for every one of the runs."""
    if "count" in expected and len(runs) != expected["count"]:
        yield f"{len(runs)} runs of {whom}, not {expected['count']}"
    elif not runs:
        yield f"there is no run of {whom}"
    for run in runs:
        where = f"{run.state.id}: " if len(runs) > 1 or "for" in expected else ""
        for line in _one(expected, run):
            yield where + line


def _one(expected: Mapping[str, Any], run: Run) -> Iterator[str]:
    state = run.state
    if "run" in expected and state.status != expected["run"]:
        yield f"the run is {state.status}, not {expected['run']}"
    if "reason" in expected and expected["reason"] != state.reason:
        yield f"the run ended because of {state.reason!r}, not {expected['reason']!r}"
    for name, wanted in (expected.get("steps") or {}).items():
        step = state.steps[name]
        for key, value in (wanted if isinstance(wanted, dict) else {"status": wanted}).items():
            is_ = getattr(step if key in ("status", "redo") else run.ends.get(name), key, None)
            for line in differences(value, is_, key):
                yield f"{name}: {line}"
    for key, is_ in (
        ("exceptions", sorted(set(run.raised))),
        ("open", sorted({open_.type for open_ in state.exceptions.values()})),
    ):
        if key in expected and sorted(set(expected[key])) != is_:
            yield f"{key} are {_listed(is_)}, not {_listed(sorted(set(expected[key])))}"
    if "calls" in expected and expected["calls"] != run.called:
        yield f"it called {_listed(run.called)}, not {_listed(expected['calls'])}"
    if "output" in expected:
        yield from differences(expected["output"], run.output, "output")


def differences(wanted: Any, is_: Any, path: str) -> Iterator[str]:
    """Where a value is not as wanted; of maps, only the wanted fields are looked at."""
    if isinstance(wanted, dict) and isinstance(is_, dict):
        for name, inner in wanted.items():
            yield from differences(inner, is_.get(name), f"{path}.{name}")
    elif wanted != is_:
        yield f"{path} is {is_!r}, not {wanted!r}" if path != "status" else f"is {is_}, not {wanted}"


def _listed(items: list[str]) -> str:
    return ", ".join(items) or "none"
