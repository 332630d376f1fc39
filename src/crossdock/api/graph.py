"""A process as nodes and edges, with where a run stands in each step. Pure."""

from __future__ import annotations

from typing import Any

from crossdock.process import Process, State


def graph_of(name: str, version: str, process: Process | None, state: State | None) -> dict[str, Any]:
    """The graph of a process, or of one run of it; where its text no longer reads, what the run tells."""
    if process is None:
        steps = state.steps if state is not None else {}
        nodes = [
            {"step": step, "title": step, "kind": "unknown", "status": own.status}
            for step, own in steps.items()
        ]
        return {"process": name, "version": version, "title": name, "nodes": nodes, "edges": []}
    return {
        "process": name,
        "version": version,
        "title": process.title or name,
        "nodes": [_node(process, step, state) for step in process.steps],
        "edges": _edges(process),
    }


def _node(process: Process, name: str, state: State | None) -> dict[str, Any]:
    step = process.steps[name]
    node: dict[str, Any] = {"step": name, "title": step.title or name, "kind": step.kind}
    own = state.steps.get(name) if state is not None else None
    if own is not None:
        node |= {"status": own.status, "redone": own.redo}
        node |= {"reason": own.reason} if own.reason else {}
        node |= {"due": own.due} if own.due is not None else {}
    return node


def _edges(process: Process) -> list[dict[str, str]]:
    found: dict[tuple[str, str], str] = {}
    for name, step in process.steps.items():
        for kind, others in (("needs", step.needs), ("any", step.needs_any)):
            for other in others:
                found.setdefault((other, name), kind)
    for name, causes in process.triggers.items():
        for cause in sorted(causes):
            found.setdefault((cause, name), "acts")
    return [{"before": before, "after": after, "kind": kind} for (before, after), kind in found.items()]
