"""How an expression gets its value: what Python does itself, and what CEL's runtime does.

    order.total >= money(...)       ours on values from outside                      Python
    order.customer.name == "x"      paths and plain comparisons                      Python
    sum(order.lines.map(l, l.n))    ours over what CEL gives                         Python over CEL
    order.lines.all(l, l.p > x)     on money: a macro whose steps are ours           Python (getters.py)
    all else                        one CEL program; what Python has to give it is bound by name (lower.py)

The runtime never calls back into Python: our functions stay on this side, and values cross once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crossdock.expressions import functions
from crossdock.expressions.check.tree import Call, Const, Entries, Ident, Items, Loop, Node, Select, children
from crossdock.expressions.functions import IN, IN_TIMES, SAME
from crossdock.expressions.run import getters
from crossdock.expressions.run.getters import Getter
from crossdock.expressions.types import (
    BOOL,
    DECIMAL,
    DOUBLE,
    DURATION,
    DYN,
    INT,
    MONEY,
    QUANTITY,
    STRING,
    TIMESTAMP,
    ListOf,
    MapOf,
    Scalar,
    Type,
)

SYMBOLS: Mapping[str, str] = {
    "op_lt": "_<_",
    "op_le": "_<=_",
    "op_gt": "_>_",
    "op_ge": "_>=_",
    "op_eq": "_==_",
    "op_ne": "_!=_",
    "op_add": "_+_",
    "op_sub": "_-_",
    "op_mul": "_*_",
    "op_div": "_/_",
    "op_mod": "_%_",
    "op_neg": "-_",
}
_EXACT = {str(type_) for type_ in (MONEY, QUANTITY, DECIMAL)}
_EMPTY: Mapping[type, Callable[[], Any]] = {ListOf: list, MapOf: dict}

# Makes the getter of a CEL program of a node; the names are those of the Python loops around it.
Program = Callable[["Plan", Node, frozenset[str]], Getter]


@dataclass(slots=True)
class Plan:
    """One expression on its way to a getter. `paths` gathers what it takes from outside."""

    variables: frozenset[str]
    program: Program
    paths: set[tuple[str, ...]] = field(default_factory=set)

    def getter(self, node: Node, local: frozenset[str] = frozenset()) -> Getter:
        """How to get the value of a node; `local` are the variables of the Python loops around it."""
        if self._able(node, local):
            return self._python(node, local)
        return self.program(self, node, local)

    def outside(self, node: Node, local: frozenset[str], scope: frozenset[str]) -> bool:
        """Whether a CEL program takes this node by name: Python gets it, and it is the same in all steps."""
        if isinstance(node, Const) or (scope and _free(node) & scope):
            return False
        if self._steps(node, local) is not None:
            return True
        if isinstance(node, Loop):
            return self._loops_here(node, local)
        return isinstance(node, Call) and self._ours(node) is not None

    # Which side

    def _able(self, node: Node, local: frozenset[str]) -> bool:
        if isinstance(node, Const):
            return not isinstance(node.value, bytes)
        if isinstance(node, Loop):
            return self._loops_here(node, local)
        if isinstance(node, Items):
            return all(self._able(item, local) for item in node.items)
        if isinstance(node, Entries):
            return all(isinstance(key, Const) and self._able(value, local) for key, value in node.entries)
        if isinstance(node, Call):
            if self._ours(node) is not None:
                return True
            if self._plain(node) or self._size(node):
                return all(self._able(arg, local) for arg in node.args)
        return self._steps(node, local) is not None

    def _loops_here(self, node: Loop, local: frozenset[str]) -> bool:
        """A macro runs here if a step of it needs us, if it is in one that does, or for the order of keys.

        So does one that makes a list: the runtime copies the list for each item, and takes seconds for some
        thousand. What it would convert for a later step (instants) stays there.
        """
        if (
            local
            or (isinstance(node.init, Items) and _is_json(node.type))
            or _needs(self, node.step, frozenset({node.var}))
        ):
            return True
        unordered = isinstance(node.range.type, MapOf) or node.range.type == DYN
        return unordered and self._steps(node.range, local) is None

    def _plain(self, node: Call) -> bool:
        """An operator on types that Python treats as CEL does."""
        symbol = SYMBOLS.get(node.function, node.function)
        if symbol in ("_&&_", "_||_", "!_", "_?_:_"):
            return True
        if symbol not in getters.EQUALITY and symbol not in getters.ORDER:
            return False
        left, right = (arg.type for arg in node.args)
        if symbol in getters.EQUALITY and any(isinstance(a, Const) and a.value is None for a in node.args):
            return True
        return left == right and left in (
            (INT, STRING, BOOL) if symbol in getters.EQUALITY else (INT, STRING)
        )

    def _size(self, node: Call) -> bool:
        """The size of a list: Python need not hand it over to count it."""
        return node.function == "size" and node.target is None and isinstance(node.args[0].type, ListOf)

    def _ours(self, node: Call) -> Callable[..., Any] | None:
        """What runs a call, if it is one of ours."""
        if node.target is not None:
            return None
        implementations = functions.implementations()
        if node.function in ("_==_", "_!=_", "op_eq", "op_ne"):
            return _equality(node)
        if node.function == "@in" and isinstance(node.args[1].type, ListOf):
            types = {str(node.args[0].type), str(node.args[1].type.item)}
            name = IN_TIMES if str(TIMESTAMP) in types else IN if types & _EXACT else ""
            return implementations[name] if name else None
        if node.function not in functions.names() and node.function not in SYMBOLS:
            return None
        if any(overload.startswith("builtin:") for overload in node.overloads):
            return None
        return implementations[node.overloads[0] if len(node.overloads) == 1 else node.function]

    def _literal(self, node: Node) -> bool:
        """Whether a call of ours has the same value always, so that it is made only once."""
        if isinstance(node, Call):
            return self._ours(node) is not None and all(self._literal(arg) for arg in node.args)
        return isinstance(node, Const)

    # Python's side

    def _python(self, node: Node, local: frozenset[str]) -> Getter:
        if isinstance(node, Const):
            return getters.constant(node.value)
        if isinstance(node, Items):
            return getters.listed(tuple(self.getter(item, local) for item in node.items))
        if isinstance(node, Entries):
            pairs = ((key.value, self.getter(v, local)) for key, v in node.entries if isinstance(key, Const))
            return getters.mapped(tuple(pairs))
        if isinstance(node, Loop):
            return self._loop(node, local)
        if isinstance(node, Call):
            run = self._ours(node)
            if node.function == "default" and run is not None:
                return getters.fallback(*(self.getter(arg, local) for arg in node.args))
            if run is not None:
                getter = getters.call(run, tuple(self.getter(arg, local) for arg in node.args))
                return getters.constant(getter({})) if self._literal(node) else getter
            if self._size(node):
                return getters.sized(self.getter(node.args[0], local))
            if self._plain(node):
                return self._operator(node, tuple(self.getter(arg, local) for arg in node.args))
        return self._path(node, local)

    def _operator(self, node: Call, args: tuple[Getter, ...]) -> Getter:
        symbol = SYMBOLS.get(node.function, node.function)
        if symbol == "!_":
            return getters.negated(args[0])
        if symbol == "_?_:_":
            return getters.chosen(*args)
        if symbol in ("_&&_", "_||_"):
            return getters.connected(args[0], args[1], by=symbol == "_||_")
        return getters.compared(getters.EQUALITY.get(symbol) or getters.ORDER[symbol], args[0], args[1])

    def _loop(self, node: Loop, local: frozenset[str]) -> Getter:
        """The macro that a loop was: its step says which."""
        items = self.getter(node.range, local)
        inner = local | {node.var, node.accu}
        step = node.step
        condition = None
        if isinstance(step, Call) and step.function == "_?_:_":
            condition = self.getter(step.args[0], inner)
            step = step.args[1]
        if isinstance(step, Call) and len(step.args) == 2:
            added = step.args[1]
            symbol = SYMBOLS.get(step.function, step.function)
            if symbol == "_+_" and isinstance(added, Items) and len(added.items) == 1:
                return getters.gathered(node.var, items, condition, self.getter(added.items[0], inner))
            if symbol == "_+_" and condition is not None:
                return getters.counted(node.var, items, condition)
            if symbol in ("_&&_", "_||_"):
                return getters.decided(node.var, items, self.getter(added, inner), by=symbol == "_||_")
        raise NotImplementedError(f"a macro of an unknown form: {step}")

    def _path(self, node: Node, local: frozenset[str]) -> Getter:
        steps = self._steps(node, local)
        assert steps is not None  # noqa: S101 - `_able` has asked
        if steps[0].key not in local:
            names: list[str] = []
            for step in steps:
                if not isinstance(step.key, str):
                    break
                names.append(step.key)
            self.paths.add(tuple(names))
        if isinstance(node, Select) and node.test:
            return getters.prober(steps)
        return getters.picker(steps, _EMPTY.get(type(node.type)))

    def _steps(self, node: Node, local: frozenset[str]) -> tuple[getters.Step, ...] | None:
        """The path that a node is, if it begins outside or at a variable of a Python loop."""
        steps: list[getters.Step] = []
        while True:
            if isinstance(node, Ident):
                if node.name not in local and node.name not in self.variables:
                    return None
                return (getters.Step(node.name, optional=False), *reversed(steps))
            if isinstance(node, Select) and not (steps and node.test):
                known = node.declared is not None and isinstance(node.type, ListOf | MapOf)
                steps.append(getters.Step(node.field, optional=node.absent or known))
                node = node.operand
            elif isinstance(node, Call) and node.function == "_[_]" and isinstance(node.args[1], Const):
                key = node.args[1].value
                if isinstance(key, bool) or not isinstance(key, str | int):
                    return None
                steps.append(getters.Step(key, optional=False))
                node = node.args[0]
            else:
                return None


def _is_json(type_: Type) -> bool:
    """Whether values of a type are in CEL what they are in JSON, all through its lists and maps."""
    while isinstance(type_, ListOf | MapOf):
        type_ = type_.item if isinstance(type_, ListOf) else type_.value
    return type_ not in (TIMESTAMP, DURATION, DOUBLE)


def _equality(node: Call) -> Callable[..., Any] | None:
    exact = any(isinstance(arg.type, Scalar) and str(arg.type) in _EXACT for arg in node.args)
    nothing = any(isinstance(arg, Const) and arg.value is None for arg in node.args)
    if not exact or nothing:
        return None
    same = functions.implementations()[SAME]
    return same if node.function in ("_==_", "op_eq") else lambda a, b: not same(a, b)


def _free(node: Node) -> frozenset[str]:
    """The names that a node takes from around it."""
    if isinstance(node, Ident):
        return frozenset({node.name})
    found: frozenset[str] = frozenset().union(*(_free(child) for child in children(node)))
    return found - {node.var, node.accu} if isinstance(node, Loop) else found


def _needs(plan: Plan, node: Node, bound: frozenset[str]) -> bool:
    """Whether a step of a macro calls one of ours on the macro's variable."""
    if isinstance(node, Call) and plan._ours(node) is not None:  # noqa: SLF001 - one thing with the class
        return bool(_free(node) & bound)
    if isinstance(node, Loop):
        unordered = isinstance(node.range.type, MapOf) or node.range.type == DYN
        if unordered and _free(node.range) & bound:
            return True
        bound |= {node.var}
    return any(_needs(plan, child, bound) for child in children(node))
