"""What an expression says in literals, and can never be right: `timestamp("2026-13-01")`, `1 / 0`.

Each yields a call whose value depends on nothing, so that it is tried once, before the process runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from crossdock.expressions.check.tree import Call, Const, Items, Node, children

_PARTS_OF_TIME = frozenset(
    {"getFullYear", "getMonth", "getDate", "getDayOfMonth", "getDayOfWeek", "getDayOfYear", "getHours"}
    | {"getMinutes", "getSeconds"}
)
_OFFSET = re.compile(r"[+-]?[0-9]{2}:[0-9]{2}")  # which the functions of CEL take as well


def literal_calls(node: Node) -> Iterator[Call]:
    """The outermost calls on literals alone, and of other calls the pattern that they match."""
    if isinstance(node, Call) and _literal(node):
        yield node
        return
    if isinstance(node, Call) and node.function == "matches":
        pattern = node.args[-1]
        if isinstance(pattern, Const):  # whether it is a pattern does not depend on what it is asked of
            same = (pattern,) if node.target is not None else (pattern, pattern)
            target = pattern if node.target is not None else None
            yield Call(node.type, node.function, node.overloads, target, same)
    for child in children(node):
        yield from literal_calls(child)


def zones(node: Node) -> Iterator[str]:
    """The time zones that are named by a literal."""
    if isinstance(node, Call) and node.function in (*_PARTS_OF_TIME, "date") and node.args:
        zone = node.args[-1]
        name = zone.value if isinstance(zone, Const) else None
        if isinstance(name, str) and (node.function == "date" or not _OFFSET.fullmatch(name)):
            yield name
    for child in children(node):
        yield from zones(child)


def _literal(node: Node) -> bool:
    if isinstance(node, Call):
        parts = (*node.args, *((node.target,) if node.target is not None else ()))
        return bool(parts) and all(_literal(part) for part in parts)
    if isinstance(node, Items):
        return all(_literal(item) for item in node.items)
    return isinstance(node, Const)
