"""What an expression compares though it may be nothing: that is an error at the time, so it is told before.

Whoever asks first is heard: `has(a.b) && a.b > 1`, `a.b == null || a.b > 1`, `has(a.b) ? a.b > 1 : false`,
`filter(l, has(l.b)).all(l, l.b > 1)`. `==` and `!=` compare with nothing as well, so they need no guard.
"""

from __future__ import annotations

from collections.abc import Iterator

from crossdock.expressions.check.tree import (
    Call,
    Ident,
    Items,
    Loop,
    Node,
    asserted,
    children,
    denied,
    nullable,
    path,
)

There = frozenset[tuple[str, ...]]
_ORDER = frozenset({"_<_", "_<=_", "_>_", "_>=_", "op_lt", "op_le", "op_gt", "op_ge"})


def unguarded(node: Node, there: There = frozenset()) -> Iterator[str]:
    """The paths that are compared and may be nothing, where the paths `there` are not."""
    if isinstance(node, Loop):
        yield from unguarded(node.range, there)
        inner = frozenset(found for found in there if found[0] != node.var) | _kept(node.range, node.var)
        yield from unguarded(node.step, inner)
        yield from unguarded(node.result, there)
        return
    if isinstance(node, Call) and node.function in ("_&&_", "_||_"):
        known = asserted if node.function == "_&&_" else denied
        left, right = node.args  # in either order: what one side decides, the other does not spoil
        yield from unguarded(left, there | known(right))
        yield from unguarded(right, there | known(left))
        return
    if isinstance(node, Call) and node.function == "_?_:_":
        condition, then, other = node.args
        yield from unguarded(condition, there)
        yield from unguarded(then, there | asserted(condition))
        yield from unguarded(other, there | denied(condition))
        return
    if isinstance(node, Call) and node.function in _ORDER:
        for arg in node.args:
            found = path(arg)
            if found is not None and nullable(arg, there):
                yield ".".join(found)
    for child in children(node):
        yield from unguarded(child, there)


def _kept(node: Node, var: str) -> There:
    """What every item has of a list that was filtered, as paths from `var`."""
    if not isinstance(node, Loop) or not isinstance(node.step, Call) or node.step.function != "_?_:_":
        return frozenset()
    condition, then, _ = node.step.args
    added = then.args[1] if isinstance(then, Call) and then.function == "_+_" else None
    if not isinstance(added, Items) or not all(
        isinstance(i, Ident) and i.name == node.var for i in added.items
    ):
        return frozenset()
    mine = {(var, *found[1:]) for found in asserted(condition) if found[0] == node.var}
    return frozenset(mine) | _kept(node.range, var)
